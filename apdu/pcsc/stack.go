package pcsc

import (
	"context"
	"time"
)

// A stack is a way to the PC/SC service: the system's own, or one that a test
// provides.
type stack struct {
	establish func(context.Context) (session, error)
	// idle, if positive, is how long the service lets a transaction idle before
	// it resets the card.
	idle time.Duration
}

// A session is a connection to the service. It is for one goroutine at a time,
// its handle included. A call whose context ends in the middle fails with
// [ErrGivenUp]; from then on the stack itself lets go of session and handle.
type session interface {
	// look returns the readers in the service's order.
	look(context.Context) ([]reader, error)
	// changed waits until the readers may differ from what look returned last.
	changed(context.Context) error
	// connect connects to the card in a reader. A session has one handle.
	connect(ctx context.Context, reader string, exclusive bool) (handle, error)
	// release ends the session.
	release(context.Context) error
}

// A reader is what a look shows of one reader.
type reader struct {
	name string
	// present reports whether a card is in it.
	present bool
	// powered reports whether the card has power, if that is known.
	powered bool
	// atr is nil if the card does not answer to reset.
	atr []byte
	// events counts the cards that came and left, if the service counts them.
	events uint32
	// life is another number after each restart of the service, which counts anew.
	life uint32
}

// A handle is a connection to a card.
type handle interface {
	// transmit appends the reply to dst. PC/SC reports a card that leaves as
	// success with no bytes; here that is [apdu.ErrCardRemoved].
	transmit(ctx context.Context, dst, command []byte) ([]byte, error)
	begin(context.Context) error
	end(context.Context) error
	// atr asks the service for the state of the card. It does not reach the card.
	atr(context.Context) ([]byte, error)
	reconnect(ctx context.Context, exclusive bool) error
	control(ctx context.Context, code uint32, data []byte) ([]byte, error)
	attribute(ctx context.Context, id uint32) ([]byte, error)
	setAttribute(ctx context.Context, id uint32, value []byte) error
	// disconnect is begun even if ctx has ended: nobody else lets go.
	disconnect(context.Context, Disposition) error
}
