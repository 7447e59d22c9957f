package jpki

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that a [StepError] can wrap; find them with [errors.Is].
var (
	// ErrNotJPKI is returned when the card has no JPKI application: it is not an
	// Individual Number Card.
	ErrNotJPKI = errors.New("jpki: not an Individual Number Card: no JPKI application")
	// ErrNoCertificate is returned when the card does not have this certificate.
	// The card of a child under 15 has none for digital signature.
	ErrNoCertificate = errors.New("jpki: no such certificate on the card")
	// ErrCertificate is returned when the card sent something that is not a
	// well-formed certificate: it is cut short, damaged or too long.
	ErrCertificate = errors.New("jpki: not a well-formed certificate")
	// ErrCardData is returned when the card sent something that is not a
	// well-formed file or record: it is cut short, damaged or too long.
	ErrCardData = errors.New("jpki: not well-formed card data")
	// ErrSignature is returned when a signature does not match the certificate:
	// the reply was damaged, or the card is a forgery.
	ErrSignature = errors.New("jpki: signature does not match the certificate")
	// ErrReply is returned when the reply cannot be an answer to the command.
	ErrReply = errors.New("jpki: reply does not fit the command")
	// ErrReaderLimit is returned when the card signs and the reader cannot carry
	// the 256 bytes of the signature in one reply. No setting helps: use another
	// reader. Certificates and the rest are read in smaller pieces there.
	ErrReaderLimit = errors.New("jpki: the reader cannot carry a signature of 256 bytes")
	// ErrOutcomeUnknown is returned when it is unknown whether VERIFY reached the
	// card: the connection broke, or the reply cannot be one to VERIFY. A try may
	// have been used up. [Card.Tries] returns how many are left.
	ErrOutcomeUnknown = errors.New("jpki: outcome of VERIFY unknown")
)

// A StepError is returned when a call failed. Step is the step at which it failed,
// such as "select application", "read auth certificate", "count auth PIN tries",
// "verify auth PIN" or "sign with auth key".
type StepError struct {
	Step string
	Err  error
}

// Error returns the step and the cause. It contains no secret.
func (e *StepError) Error() string {
	return "jpki: " + e.Step + ": " + strings.TrimPrefix(e.Err.Error(), "jpki: ")
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// A PINError is returned when a PIN is wrong or blocked.
type PINError struct {
	PIN     PINKind
	Left    int  // tries that are left
	Blocked bool // no try is left; package jpki/unlock describes where to reset the PIN
}

// Error returns a text with the PIN's name and the tries left.
func (e *PINError) Error() string {
	if e.Blocked {
		return fmt.Sprintf("jpki: %s blocked", e.PIN)
	}
	if e.Left == 1 {
		return fmt.Sprintf("jpki: wrong %s, 1 try left", e.PIN)
	}
	return fmt.Sprintf("jpki: wrong %s, %d tries left", e.PIN, e.Left)
}

// A LastTryError is returned when one try of a PIN is left and [AllowLastTry] was
// not given. VERIFY was not sent.
type LastTryError struct{ PIN PINKind }

// Error returns a text with the PIN's name.
func (e *LastTryError) Error() string {
	return fmt.Sprintf("jpki: one try of the %s left, not spent", e.PIN)
}

// A PINRequiredError is returned when a PIN has to be verified first. A key needs its
// PIN, and the certificate for digital signature needs the sign PIN. On a phone the
// certificate for user authentication needs the auth PIN. If several
// PINs open a file, PIN is the usual one. Selecting another application ends the
// verified state of a PIN.
type PINRequiredError struct{ PIN PINKind }

// Error returns a text with the PIN's name.
func (e *PINRequiredError) Error() string {
	return fmt.Sprintf("jpki: %s has to be verified first", e.PIN)
}

// An UnsupportedError is returned for what the card or this package cannot do.
// [errors.Is] finds [errors.ErrUnsupported] in it.
type UnsupportedError struct{ What string }

// Error returns a text with what is not supported.
func (e *UnsupportedError) Error() string { return "jpki: not supported: " + e.What }

// Is reports whether target is [errors.ErrUnsupported].
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }
