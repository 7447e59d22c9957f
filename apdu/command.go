package apdu

import (
	"errors"
	"fmt"
)

// Limits of the lengths in a command, ISO/IEC 7816-4 section 5.1.
const (
	MaxShortData    = 255   // largest Lc in the short form, in bytes
	MaxShortNe      = 256   // largest Ne in the short form, in bytes
	MaxExtendedData = 65535 // largest Lc in the extended form, in bytes
	MaxExtendedNe   = 65536 // largest Ne in the extended form, in bytes
)

// Instruction bytes of ISO/IEC 7816-4 and 7816-8 that this module names.
const (
	InsVerify               = 0x20 // VERIFY
	InsChangeReferenceData  = 0x24 // CHANGE REFERENCE DATA
	InsPSO                  = 0x2A // PERFORM SECURITY OPERATION: COMPUTE DIGITAL SIGNATURE
	InsResetRetryCounter    = 0x2C // RESET RETRY COUNTER
	InsChangeKey            = 0x32 // CHANGE KEY (JICSAP, with CLA 80)
	InsUnlockKey            = 0x54 // UNLOCK KEY (JICSAP, with CLA 80)
	InsExternalAuthenticate = 0x82 // EXTERNAL AUTHENTICATE
	InsGetChallenge         = 0x84 // GET CHALLENGE
	InsInternalAuthenticate = 0x88 // INTERNAL AUTHENTICATE
	InsSelect               = 0xA4 // SELECT
	InsReadBinary           = 0xB0 // READ BINARY
	InsReadRecord           = 0xB2 // READ RECORD
	InsGetResponse          = 0xC0 // GET RESPONSE
	InsGetData              = 0xCA // GET DATA
)

// Errors of encoding and parsing. Both are found with [errors.Is].
var (
	// ErrCommandLength means that the bytes are none of the seven cases of a
	// command APDU.
	ErrCommandLength = errors.New("apdu: not a command APDU: wrong length")
	// ErrCommandRange means that Data is longer than 65,535 bytes, or that Ne
	// is below 0 or above 65,536.
	ErrCommandRange = errors.New("apdu: command data or expected length out of range")
)

// A Command is a command APDU. The zero value of Data means no Lc field, the
// zero value of Ne no Le field.
type Command struct {
	CLA, INS, P1, P2 byte

	// Data is the command data, 0 to 65,535 bytes.
	Data []byte

	// Ne is the largest number of response bytes wanted, 0 to 65,536; 0
	// leaves Le out. 256 is the Le byte 00, 65,536 the Le bytes 00 00.
	Ne int

	// Extended sets extended length even if the short form would suffice.
	// It is implied by Data over 255 bytes and by Ne over 256.
	Extended bool
}

// A Case is one of the seven forms of a command APDU: what it carries (1:
// nothing, 2: Le, 3: data, 4: both) in short or in extended length.
type Case uint8

// The seven cases of ISO/IEC 7816-3 section 12.1.
const (
	Case1  Case = iota + 1 // header only
	Case2S                 // Le, short
	Case3S                 // data, short
	Case4S                 // data and Le, short
	Case2E                 // Le, extended
	Case3E                 // data, extended
	Case4E                 // data and Le, extended
)

// String returns the usual name, such as "4S".
func (c Case) String() string {
	switch c {
	case Case1:
		return "1"
	case Case2S:
		return "2S"
	case Case3S:
		return "3S"
	case Case4S:
		return "4S"
	case Case2E:
		return "2E"
	case Case3E:
		return "3E"
	case Case4E:
		return "4E"
	}
	return fmt.Sprintf("Case(%d)", uint8(c))
}

// Case returns the case, one of seven, in which c is encoded.
func (c *Command) Case() Case {
	extended := c.Extended || len(c.Data) > MaxShortData || c.Ne > MaxShortNe
	switch {
	case len(c.Data) == 0 && c.Ne == 0:
		return Case1
	case len(c.Data) == 0 && extended:
		return Case2E
	case len(c.Data) == 0:
		return Case2S
	case c.Ne == 0 && extended:
		return Case3E
	case c.Ne == 0:
		return Case3S
	case extended:
		return Case4E
	}
	return Case4S
}

// AppendBinary appends the encoded command to dst. It allocates only when dst
// is too small. It fails with [ErrCommandRange] and then returns dst as it was.
func (c *Command) AppendBinary(dst []byte) ([]byte, error) {
	if len(c.Data) > MaxExtendedData || c.Ne < 0 || c.Ne > MaxExtendedNe {
		return dst, ErrCommandRange
	}
	dst = append(dst, c.CLA, c.INS, c.P1, c.P2)
	switch c.Case() {
	case Case2S:
		dst = append(dst, byte(c.Ne))
	case Case3S:
		dst = append(dst, byte(len(c.Data)))
		dst = append(dst, c.Data...)
	case Case4S:
		dst = append(dst, byte(len(c.Data)))
		dst = append(dst, c.Data...)
		dst = append(dst, byte(c.Ne))
	case Case2E:
		dst = append(dst, 0, byte(c.Ne>>8), byte(c.Ne))
	case Case3E:
		dst = append(dst, 0, byte(len(c.Data)>>8), byte(len(c.Data)))
		dst = append(dst, c.Data...)
	case Case4E:
		dst = append(dst, 0, byte(len(c.Data)>>8), byte(len(c.Data)))
		dst = append(dst, c.Data...)
		dst = append(dst, byte(c.Ne>>8), byte(c.Ne))
	}
	return dst, nil
}

// MarshalBinary encodes the command into new memory. It fails with
// [ErrCommandRange].
func (c *Command) MarshalBinary() ([]byte, error) {
	return c.AppendBinary(make([]byte, 0, 9+len(c.Data)))
}

// ParseCommand reads a command APDU in any of the seven cases. The whole of b
// must be the command; otherwise the error is [ErrCommandLength]. Data of the
// result points into b. Extended is set if b is in extended length, so that
// encoding the result returns b again.
func ParseCommand(b []byte) (Command, error) {
	if len(b) < 4 {
		return Command{}, ErrCommandLength
	}
	c := Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	body := b[4:]
	switch {
	case len(body) == 0:
		return c, nil
	case len(body) == 1:
		c.Ne = shortNe(body[0])
		return c, nil
	case body[0] != 0:
		lc := int(body[0])
		switch len(body) - 1 - lc {
		case 0:
		case 1:
			c.Ne = shortNe(body[1+lc])
		default:
			return Command{}, ErrCommandLength
		}
		c.Data = body[1 : 1+lc : 1+lc]
		return c, nil
	}
	// A leading 00 announces extended length: two more bytes at the least.
	if len(body) < 3 {
		return Command{}, ErrCommandLength
	}
	c.Extended = true
	n := int(body[1])<<8 | int(body[2])
	if len(body) == 3 {
		c.Ne = extendedNe(n)
		return c, nil
	}
	if n == 0 {
		return Command{}, ErrCommandLength
	}
	switch len(body) - 3 - n {
	case 0:
	case 2:
		c.Ne = extendedNe(int(body[3+n])<<8 | int(body[4+n]))
	default:
		return Command{}, ErrCommandLength
	}
	c.Data = body[3 : 3+n : 3+n]
	return c, nil
}

func shortNe(le byte) int {
	if le == 0 {
		return MaxShortNe
	}
	return int(le)
}

func extendedNe(le int) int {
	if le == 0 {
		return MaxExtendedNe
	}
	return le
}

// CarriesSecret reports whether the command presents or sets a PIN or a key:
// VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, CHANGE KEY, UNLOCK KEY
// and EXTERNAL AUTHENTICATE, in any class. A [Channel] sends such a command
// once, and a [Tracer] masks its data.
func (c *Command) CarriesSecret() bool {
	switch c.INS &^ 1 { // the odd twin of an instruction takes BER-TLV data
	case InsVerify, InsChangeReferenceData, InsResetRetryCounter,
		InsChangeKey, InsUnlockKey, InsExternalAuthenticate:
		return true
	}
	return false
}

// Name returns the command's name in ISO/IEC 7816-4, such as "READ BINARY". For
// an unknown instruction it returns a text such as "INS 5A".
func (c *Command) Name() string { return insName(c.CLA, c.INS) }

func insName(cla, ins byte) string {
	switch ins {
	case InsVerify, InsVerify | 1:
		return "VERIFY"
	case InsChangeReferenceData, InsChangeReferenceData | 1:
		return "CHANGE REFERENCE DATA"
	case InsPSO:
		return "PERFORM SECURITY OPERATION"
	case InsResetRetryCounter, InsResetRetryCounter | 1:
		return "RESET RETRY COUNTER"
	case InsExternalAuthenticate:
		return "EXTERNAL AUTHENTICATE"
	case InsGetChallenge:
		return "GET CHALLENGE"
	case InsInternalAuthenticate:
		return "INTERNAL AUTHENTICATE"
	case InsSelect:
		return "SELECT"
	case InsReadBinary:
		return "READ BINARY"
	case InsReadRecord:
		return "READ RECORD"
	case InsGetResponse:
		return "GET RESPONSE"
	case InsGetData:
		return "GET DATA"
	}
	if cla&0x80 != 0 {
		switch ins {
		case InsChangeKey:
			return "CHANGE KEY"
		case InsUnlockKey:
			return "UNLOCK KEY"
		}
	}
	return fmt.Sprintf("INS %02X", ins)
}
