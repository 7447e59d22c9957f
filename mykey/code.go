package mykey

// An ErrorCode is an error code as the platform's programs show it, such as
// MKCZ405E: MK, two letters of the subsystem, three digits, E. The help pages
// explain faults by these codes, so a program that shows one spares its holder a
// search. An ErrorCode may be one that this package does not know.
type ErrorCode string

// The codes whose meaning has been published.
const (
	CodeNetwork     ErrorCode = "MKCZ802E" // the network, or too many users
	CodeCardRead    ErrorCode = "MKCZ405E" // the card could not be read
	CodeCertificate ErrorCode = "MKCZ403E" // the certificate has expired or is revoked
	CodeReserved    ErrorCode = "MKCZ302E" // a MyKey ID has been issued already
	CodeReplaced    ErrorCode = "MKCZ372E" // another MyKey ID was made for the same person

	CodeHelperStart   ErrorCode = "MKEC101E" // the browser extension could not start its helper
	CodeHelperSend    ErrorCode = "MKEC102E" // … could not send it a message
	CodeHelperReceive ErrorCode = "MKEC201E" // … got no message from it
)

const fieldCode = "error code"

// ParseErrorCode parses a code of the form MK, two upper-case letters, three
// digits, E. Unknown codes are accepted. It returns a [*FormError] for any other
// text.
func ParseErrorCode(s string) (ErrorCode, error) {
	const form = "MKAA000E" // A: any letter, 0: any digit
	for i := range min(len(s), len(form)) {
		ok := s[i] == form[i]
		switch form[i] {
		case 'A':
			ok = s[i] >= 'A' && s[i] <= 'Z'
		case '0':
			ok = s[i] >= '0' && s[i] <= '9'
		}
		if !ok {
			return "", &FormError{Field: fieldCode, Rule: RuleCharacter, Pos: i}
		}
	}
	if len(s) != len(form) {
		return "", &FormError{Field: fieldCode, Rule: RuleLength, Pos: min(len(s), len(form))}
	}
	return ErrorCode(s), nil
}

// Text is a sentence in both languages.
type Text struct{ JA, EN string }
