package pcsc

import (
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/apdu"
)

// Kinds of failure, to be found with [errors.Is]. A card that was removed is
// [apdu.ErrCardRemoved].
var (
	// ErrUnavailable says that the program was built without PC/SC.
	ErrUnavailable = errors.New("pcsc: built without PC/SC: on Linux install libpcsclite-dev and pkg-config and build with CGO_ENABLED=1 and -tags pcsc; on macOS build with cgo")
	// ErrNoService says that the PC/SC service does not run: pcscd on Linux,
	// "Smart Card" on Windows.
	ErrNoService = errors.New("PC/SC service is not running (on Linux: pcscd)")
	// ErrUnknownReader says that there is no reader of that name, or that it
	// was unplugged.
	ErrUnknownReader = errors.New("no such reader")
	// ErrNoCard says that the reader is empty.
	ErrNoCard = errors.New("no card in the reader")
	// ErrSharing says that another program holds the card.
	ErrSharing = errors.New("card is in use by another program")
	// ErrReset says that another program reset the card: selected application
	// and verified PINs are to be taken as lost. Open it anew.
	ErrReset = errors.New("card was reset by another program")
	// ErrUnresponsive says that the card does not answer to reset: it lies the
	// wrong way round, or is not a chip card.
	ErrUnresponsive = errors.New("card does not answer")
	// ErrGivenUp says that the context ended in the middle of a call. The Card
	// is of no more use, and it is unknown what the card did.
	ErrGivenUp = errors.New("pcsc: call given up, card handle is of no more use")
	// ErrClosed says that the Card was closed.
	ErrClosed = errors.New("pcsc: card is closed")
)

// An Error is a failed call to the PC/SC service. [errors.Is] finds what kind
// it is, where that is known.
type Error struct {
	Op   string // what was tried, such as "connect"
	Code uint32 // the code of winscard.h, such as 0x8010000B
	kind error
}

// Error names the call, the kind and the code.
func (e *Error) Error() string {
	if e.kind == nil {
		return fmt.Sprintf("pcsc: %s: error %08X", e.Op, e.Code)
	}
	return fmt.Sprintf("pcsc: %s: %v (%08X)", e.Op, e.kind, e.Code)
}

// Unwrap gives the kind: one of this package's errors, [apdu.ErrCardRemoved],
// or nil.
func (e *Error) Unwrap() error { return e.kind }

// Codes of winscard.h that have a kind of their own.
func newError(op string, code uint32) *Error {
	e := &Error{Op: op, Code: code}
	switch code {
	case 0x80100069, // removed card
		0x80100016, // not transacted: what pcscd says when the exchange broke
		0x8010002F: // communication data lost
		e.kind = apdu.ErrCardRemoved
	case 0x8010000C:
		e.kind = ErrNoCard
	case 0x80100009, 0x80100017: // unknown reader, reader unavailable
		e.kind = ErrUnknownReader
	case 0x8010000B:
		e.kind = ErrSharing
	case 0x80100066, 0x80100067: // unresponsive, unpowered
		e.kind = ErrUnresponsive
	case 0x80100068:
		e.kind = ErrReset
	case 0x8010001D, 0x8010001E: // no service, service stopped
		e.kind = ErrNoService
	}
	return e
}
