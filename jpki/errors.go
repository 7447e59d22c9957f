package jpki

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that a [StepError] can hold; find them with [errors.Is].
var (
	// ErrNotJPKI means that the card has no JPKI application: some other card,
	// or none that a reader should take.
	ErrNotJPKI = errors.New("jpki: not an Individual Number Card: no JPKI application")
	// ErrNoCertificate means that the card does not hold this certificate. A
	// child under 15 has none for digital signature.
	ErrNoCertificate = errors.New("jpki: no such certificate on the card")
	// ErrCertificate means that what the card gave is not a well-formed
	// certificate: truncated, garbled, too long.
	ErrCertificate = errors.New("jpki: not a well-formed certificate")
	// ErrCardData means that what the card gave is not a well-formed file or
	// record of the application: truncated, garbled, too long.
	ErrCardData = errors.New("jpki: not well-formed card data")
	// ErrSignature means that a signature does not match the certificate: the
	// reply was garbled, or the card lies.
	ErrSignature = errors.New("jpki: signature does not match the certificate")
	// ErrReply means that the card answered a command with something that the
	// command cannot give.
	ErrReply = errors.New("jpki: reply does not fit the command")
	// ErrReaderLimit is returned when the card signs and the reader cannot carry
	// the 256 bytes of the signature in one reply. No setting helps: use another
	// reader. Certificates and the rest are read in smaller pieces there.
	ErrReaderLimit = errors.New("jpki: the reader cannot carry a signature of 256 bytes")
	// ErrOutcomeUnknown means that VERIFY may or may not have reached the card:
	// the link died, or the reply was not one that VERIFY has. A try may be
	// spent. [Card.Tries] tells how many are left.
	ErrOutcomeUnknown = errors.New("jpki: outcome of VERIFY unknown")
)

// A StepError names the step at which a call failed, such as "select
// application", "read auth certificate", "count auth PIN tries", "verify auth
// PIN" or "sign with auth key".
type StepError struct {
	Step string
	Err  error
}

// Error returns step and cause. It contains no secret.
func (e *StepError) Error() string {
	return "jpki: " + e.Step + ": " + strings.TrimPrefix(e.Err.Error(), "jpki: ")
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// A PINError means that a PIN is wrong or blocked.
type PINError struct {
	PIN     PINKind
	Left    int  // tries that are left
	Blocked bool // none is left: package jpki/unlock tells where the PIN can be reset
}

// Error names the PIN and the tries left.
func (e *PINError) Error() string {
	if e.Blocked {
		return fmt.Sprintf("jpki: %s blocked", e.PIN)
	}
	if e.Left == 1 {
		return fmt.Sprintf("jpki: wrong %s, 1 try left", e.PIN)
	}
	return fmt.Sprintf("jpki: wrong %s, %d tries left", e.PIN, e.Left)
}

// A LastTryError means that [Card.Verify] kept the last remaining try of a PIN.
// VERIFY was not sent. See [AllowLastTry].
type LastTryError struct{ PIN PINKind }

// Error names the PIN.
func (e *LastTryError) Error() string {
	return fmt.Sprintf("jpki: one try of the %s left, not spent", e.PIN)
}

// A PINRequiredError means that the card wants a PIN verified first: the sign
// PIN for the certificate for digital signature, either PIN for its key, on a
// phone the auth PIN for the certificate for user authentication. Where more
// than one PIN opens a file, it names the usual one. A PIN that was verified is
// so no longer when another application has been selected since.
type PINRequiredError struct{ PIN PINKind }

// Error names the PIN.
func (e *PINRequiredError) Error() string {
	return fmt.Sprintf("jpki: %s has to be verified first", e.PIN)
}

// An UnsupportedError says what neither the card nor this package can do. It
// is [errors.ErrUnsupported] to [errors.Is].
type UnsupportedError struct{ What string }

// Error says what is not supported.
func (e *UnsupportedError) Error() string { return "jpki: not supported: " + e.What }

// Is reports whether target is [errors.ErrUnsupported].
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }
