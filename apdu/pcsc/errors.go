package pcsc

import (
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/apdu"
)

// Kinds of failure, to be found with [errors.Is]. A card that was removed is
// [apdu.ErrCardRemoved].
var (
	// ErrUnavailable means that the program was built without PC/SC.
	ErrUnavailable = errors.New("pcsc: built without PC/SC: on macOS build with cgo; other systems than Linux, macOS and Windows are not supported")
	// ErrNoService means that the PC/SC service does not run, or that it ended
	// or restarted since: pcscd on Linux, "Smart Card" on Windows.
	ErrNoService = errors.New("PC/SC service is not running (on Linux: pcscd)")
	// ErrDenied means that this user may not use the service or the card. On
	// Linux polkit decides that; it lets the user in front of the screen through,
	// and neither services nor remote logins.
	ErrDenied = errors.New("access denied (on Linux: allow org.debian.pcsc-lite.access_pcsc and .access_card for this user in a polkit rule, or start pcscd with --disable-polkit)")
	// ErrUnknownReader means that there is no reader of that name, or that it
	// was unplugged.
	ErrUnknownReader = errors.New("no such reader")
	// ErrNoCard means that the reader is empty.
	ErrNoCard = errors.New("no card in the reader")
	// ErrSharing means that another program holds the card.
	ErrSharing = errors.New("card is in use by another program")
	// ErrUnresponsive means that the card does not answer to reset: it lies the
	// wrong way round, or is not a chip card.
	ErrUnresponsive = errors.New("card does not answer")
	// ErrReset is [apdu.ErrCardReset]: the selected application and every
	// verified PIN are gone. [Card.Reconnect] makes the Card usable again.
	ErrReset = apdu.ErrCardReset
	// ErrGivenUp means that the context ended in the middle of a call. The Card
	// cannot be used any more, and it is unknown what the card did.
	ErrGivenUp = errors.New("pcsc: call given up, card handle is of no more use")
	// ErrClosed means that the Card was closed.
	ErrClosed = errors.New("pcsc: card is closed")
	// ErrProtocol means that pcscd sent what its protocol does not allow.
	ErrProtocol = errors.New("pcsc: pcscd does not keep to its protocol")
)

// An Error is a failed call to the PC/SC service. [errors.Is] finds its kind,
// if the kind is known.
type Error struct {
	Op   string // what was tried, such as "connect"
	Code uint32 // the code of winscard.h, such as 0x8010000B; 0 if there is none
	kind error
}

// Error returns the call, the kind and the code as text.
func (e *Error) Error() string {
	switch {
	case e.kind == nil:
		return fmt.Sprintf("pcsc: %s: error %08X", e.Op, e.Code)
	case e.Code == 0:
		return fmt.Sprintf("pcsc: %s: %v", e.Op, e.kind)
	}
	return fmt.Sprintf("pcsc: %s: %v (%08X)", e.Op, e.kind, e.Code)
}

// Unwrap returns the kind: an error of this package, [apdu.ErrCardRemoved],
// [apdu.ErrExchange], or nil.
func (e *Error) Unwrap() error { return e.kind }

// Codes that the package itself has a use for.
const (
	codeSharing  = 0x8010000B
	codeStopped  = 0x8010001E
	codeExchange = 0x80100016
)

// newError returns the error for a code of winscard.h, or on Windows of
// winerror.h, with its kind.
func newError(op string, code uint32) *Error {
	e := &Error{Op: op, Code: code}
	switch code {
	case 0x80100069, // removed card
		0x8010002F: // communication data lost
		e.kind = apdu.ErrCardRemoved
	case codeExchange: // "not transacted": what pcscd says when the exchange broke
		e.kind = apdu.ErrExchange
	case 0x8010000C:
		e.kind = ErrNoCard
	case 0x80100009, 0x80100017: // unknown reader, reader unavailable
		e.kind = ErrUnknownReader
	case codeSharing:
		e.kind = ErrSharing
	case 0x80100066, 0x80100067: // unresponsive, unpowered
		e.kind = ErrUnresponsive
	case 0x80100068:
		e.kind = ErrReset
	case 0x8010006A: // security violation
		e.kind = ErrDenied
	case 0x8010001D, codeStopped, // no service, service stopped
		0x80100003,  // invalid handle: of a service that restarted since
		0x80100012,  // cancelled by the system
		6, 109, 995, // Windows: invalid handle, broken pipe, aborted
		0x1F: // Windows: a device that is attached is not functioning
		e.kind = ErrNoService
	}
	return e
}
