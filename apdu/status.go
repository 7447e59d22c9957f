package apdu

import (
	"fmt"
)

// A Status is a status word, SW1 in the high byte. It is an error, so that a
// program can write errors.Is(err, apdu.SecurityStatusNotSatisfied).
//
// Three status words carry a number: 61xx the bytes that wait, 6Cxx the right
// Le, 63Cx the tries left. [Status.Is] ignores that number: any 63Cx is
// [Counter].
type Status uint16

// The status words of ISO/IEC 7816-4 table 5 and 6 that an Individual Number
// Card (マイナンバーカード) is known to answer, and those that a program has to
// distinguish.
const (
	OK                         Status = 0x9000 // the command succeeded
	MoreData                   Status = 0x6100 // 61xx: xx bytes wait for GET RESPONSE
	EndOfFile                  Status = 0x6282 // the file ended before Ne bytes
	VerificationFailed         Status = 0x6300 // wrong, and the card does not count
	Counter                    Status = 0x63C0 // 63Cx: x tries are left
	NoKeyDelivery              Status = 0x66F1 // this card's word: the application takes no session keys
	WrongLength                Status = 0x6700 // Lc or Le is wrong
	ChannelNotSupported        Status = 0x6881 // logical channels other than 0
	SecureMessagingUnsupported Status = 0x6882
	ChainingNotSupported       Status = 0x6884 // command chaining
	CommandIncompatible        Status = 0x6981 // the file is not of the kind that the command works on
	SecurityStatusNotSatisfied Status = 0x6982 // a PIN has to be verified first
	AuthenticationBlocked      Status = 0x6983 // no tries are left
	ReferenceDataNotUsable     Status = 0x6984 // this card's word for a blocked PIN
	ConditionsNotSatisfied     Status = 0x6985
	NoCurrentEF                Status = 0x6986 // no file is selected
	SecureMessagingMissing     Status = 0x6987
	SecureMessagingIncorrect   Status = 0x6988
	SecureMessagingNoSession   Status = 0x69FC // this card's word: secure messaging without a session
	IncorrectData              Status = 0x6A80
	FunctionNotSupported       Status = 0x6A81
	FileNotFound               Status = 0x6A82 // no such application or file
	RecordNotFound             Status = 0x6A83
	IncorrectP1P2              Status = 0x6A86
	LcInconsistent             Status = 0x6A87
	ReferencedDataNotFound     Status = 0x6A88
	WrongOffset                Status = 0x6B00 // the offset is outside the file
	WrongLe                    Status = 0x6C00 // 6Cxx: xx is the right Le
	InsNotSupported            Status = 0x6D00
	ClaNotSupported            Status = 0x6E00
	NoPreciseDiagnosis         Status = 0x6F00 // also some cards' first answer after power-on
)

// statusText is every status word that has a name here. A slice, searched in
// order: it is read only when an error is printed.
var statusText = [...]struct {
	status        Status
	name, meaning string
}{
	{OK, "OK", "success"},
	{MoreData, "MoreData", "more data available"},
	{EndOfFile, "EndOfFile", "end of file reached early"},
	{VerificationFailed, "VerificationFailed", "verification failed"},
	{Counter, "Counter", "tries left"},
	{NoKeyDelivery, "NoKeyDelivery", "application takes no session keys"},
	{WrongLength, "WrongLength", "wrong length"},
	{ChannelNotSupported, "ChannelNotSupported", "logical channel not supported"},
	{SecureMessagingUnsupported, "SecureMessagingUnsupported", "secure messaging not supported"},
	{ChainingNotSupported, "ChainingNotSupported", "command chaining not supported"},
	{CommandIncompatible, "CommandIncompatible", "command incompatible with file structure"},
	{SecurityStatusNotSatisfied, "SecurityStatusNotSatisfied", "security status not satisfied"},
	{AuthenticationBlocked, "AuthenticationBlocked", "authentication method blocked"},
	{ReferenceDataNotUsable, "ReferenceDataNotUsable", "reference data not usable"},
	{ConditionsNotSatisfied, "ConditionsNotSatisfied", "conditions of use not satisfied"},
	{NoCurrentEF, "NoCurrentEF", "no current file"},
	{SecureMessagingMissing, "SecureMessagingMissing", "secure messaging object missing"},
	{SecureMessagingIncorrect, "SecureMessagingIncorrect", "secure messaging object incorrect"},
	{SecureMessagingNoSession, "SecureMessagingNoSession", "secure messaging without a session"},
	{IncorrectData, "IncorrectData", "incorrect command data"},
	{FunctionNotSupported, "FunctionNotSupported", "function not supported"},
	{FileNotFound, "FileNotFound", "file or application not found"},
	{RecordNotFound, "RecordNotFound", "record not found"},
	{IncorrectP1P2, "IncorrectP1P2", "incorrect P1 or P2"},
	{LcInconsistent, "LcInconsistent", "Lc inconsistent with P1 P2"},
	{ReferencedDataNotFound, "ReferencedDataNotFound", "referenced data not found"},
	{WrongOffset, "WrongOffset", "wrong offset"},
	{WrongLe, "WrongLe", "wrong Le"},
	{InsNotSupported, "InsNotSupported", "instruction not supported"},
	{ClaNotSupported, "ClaNotSupported", "class not supported"},
	{NoPreciseDiagnosis, "NoPreciseDiagnosis", "no precise diagnosis"},
}

// canonical drops the number that 61xx, 6Cxx and 63Cx carry.
func (s Status) canonical() Status {
	switch {
	case s>>8 == 0x61, s>>8 == 0x6C:
		return s &^ 0xFF
	case s>>4 == 0x63C:
		return s &^ 0xF
	}
	return s
}

// Is reports whether target is the same status word. It ignores the number in
// 61xx, 6Cxx and 63Cx. [errors.Is] calls it.
func (s Status) Is(target error) bool {
	t, ok := target.(Status)
	return ok && s.canonical() == t.canonical()
}

// Counter returns the number of tries left that a 63Cx carries, 0 to 15. ok is
// false for any other status word.
func (s Status) Counter() (tries int, ok bool) {
	return int(s & 0xF), s>>4 == 0x63C
}

// text looks the status word up; name and meaning are "" for one that is not
// there.
func (s Status) text() (name, meaning string) {
	c := s.canonical()
	for _, t := range statusText {
		if t.status == c {
			return t.name, t.meaning
		}
	}
	return "", ""
}

// Name returns the name of the constant that stands for the status word, such
// as "FileNotFound", and "" for one that has none. Any 63Cx is "Counter".
func (s Status) Name() string {
	name, _ := s.text()
	return name
}

// Meaning returns the status word in words, such as "file or application not
// found", or "unknown status word".
func (s Status) Meaning() string {
	_, meaning := s.text()
	switch s.canonical() {
	case Counter:
		return fmt.Sprintf("%d tries left", s&0xF)
	case MoreData, WrongLe:
		return fmt.Sprintf("%s: %d bytes", meaning, shortNe(byte(s)))
	}
	if meaning == "" {
		return "unknown status word"
	}
	return meaning
}

// String returns the four hexadecimal digits, such as "6A82".
func (s Status) String() string { return fmt.Sprintf("%04X", uint16(s)) }

// Error returns the digits and the meaning, such as "6A82 file or application not
// found".
func (s Status) Error() string { return s.String() + " " + s.Meaning() }

// A StatusError is returned for a command that the card refused. It holds the
// header of the command and not its data. [errors.Is] finds the [Status] in it.
type StatusError struct {
	CLA, INS, P1, P2 byte
	Status           Status
}

// Error returns the name of the command, its header and the status word.
func (e *StatusError) Error() string {
	return fmt.Sprintf("apdu: %s (%02X %02X %02X %02X): %s",
		insName(e.CLA, e.INS), e.CLA, e.INS, e.P1, e.P2, e.Status.Error())
}

// Unwrap returns the status word.
func (e *StatusError) Unwrap() error { return e.Status }
