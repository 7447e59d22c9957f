package pcsc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// A Card is a connection to the card in a reader. It is an
// [apdu.ContextTransmitter] and may be used from several goroutines; one call
// runs at a time.
type Card struct {
	session   session
	handle    handle
	exclusive bool
	reader    string
	answer    []byte // the ATR
	idle      time.Duration
	turn      chan struct{} // holds one token: whoever has it may call
	dead      error         // set, with the token, when the handle is gone
	last      error         // set, with the token: the last error of a call
}

// An OpenOption changes how [Open] connects.
type OpenOption func(*openConfig)

type openConfig struct{ exclusive bool }

// Exclusive keeps every other program away from the card until it is closed.
func Exclusive() OpenOption { return func(c *openConfig) { c.exclusive = true } }

// Open connects to the card in reader, by whatever protocol the card offers.
// The errors are [ErrUnavailable], [ErrGivenUp], and an [*Error] of the kinds
// [ErrNoService], [ErrDenied], [ErrUnknownReader], [ErrNoCard], [ErrSharing],
// [ErrUnresponsive], or [ErrReset] if others reset the card again and again.
func Open(ctx context.Context, reader string, opts ...OpenOption) (*Card, error) {
	return system().open(ctx, reader, opts...)
}

func (s stack) open(ctx context.Context, reader string, opts ...OpenOption) (*Card, error) {
	var config openConfig
	for _, o := range opts {
		o(&config)
	}
	// A session of its own: a card that hangs then hangs nobody else's calls.
	session, err := s.establish(ctx)
	if err != nil {
		return nil, err
	}
	handle, atr, err := connect(ctx, session, reader, config.exclusive)
	if err != nil {
		_ = session.release(ctx) // the error that counts is connect's
		return nil, err
	}
	c := &Card{session: session, handle: handle, exclusive: config.exclusive, reader: reader, answer: atr, idle: s.idle,
		turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c, nil
}

// connectTries bounds how often connect asks for a card that others reset.
const connectTries = 5

// connect connects and asks for the ATR. If another program lets go of the card
// in between, and takes its power, that makes this handle void: a new one loses
// nothing, as no command was sent yet.
func connect(ctx context.Context, s session, reader string, exclusive bool) (h handle, atr []byte, err error) {
	for range connectTries {
		if h, err = s.connect(ctx, reader, exclusive); err != nil {
			return nil, nil, err
		}
		if atr, err = h.atr(ctx); err == nil {
			return h, atr, nil
		}
		if errors.Is(err, ErrGivenUp) {
			break // the stack lets go by itself
		}
		_ = h.disconnect(ctx, Leave) // the error that counts is atr's
		if !errors.Is(err, ErrReset) {
			break
		}
	}
	return nil, nil, err
}

// take waits for this caller's turn. Unless it fails, give has to follow.
func (c *Card) take(ctx context.Context) error {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if c.dead != nil {
		c.give()
		return c.dead
	}
	return nil
}

func (c *Card) give() { c.turn <- struct{}{} }

// note remembers how a call ended.
func (c *Card) note(err error) error {
	switch {
	case errors.Is(err, ErrGivenUp):
		c.dead = ErrGivenUp
	case err != nil:
		c.last = err
	}
	return err
}

// do runs f when it is this caller's turn.
func (c *Card) do(ctx context.Context, f func() error) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	defer c.give()
	return c.note(f())
}

// Reader returns the name of the reader.
func (c *Card) Reader() string { return c.reader }

// ATR returns the card's answer to reset, in new memory.
func (c *Card) ATR() []byte { return append([]byte(nil), c.answer...) }

// Transmit is [apdu.Transmitter.Transmit]. It has no time limit: prefer
// TransmitContext.
func (c *Card) Transmit(command []byte) ([]byte, error) {
	return c.TransmitContext(context.Background(), nil, command)
}

// TransmitContext is [apdu.ContextTransmitter.TransmitContext]. It returns
// [apdu.ErrCommandLength] for a command of less than four bytes, [ErrClosed],
// [ErrGivenUp], and an [*Error], often of the kinds [apdu.ErrCardRemoved],
// [ErrReset] and [apdu.ErrExchange]. While another program is in a transaction,
// TransmitContext waits; if ctx ends meanwhile, its error is returned and
// nothing was sent.
func (c *Card) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	if len(command) < 4 {
		return dst, apdu.ErrCommandLength
	}
	if err := c.take(ctx); err != nil {
		return dst, err
	}
	defer c.give()
	out, err := c.handle.transmit(ctx, dst, command)
	if errors.Is(err, apdu.ErrExchange) {
		err = c.broken(ctx, command, err)
	}
	if c.note(err) != nil {
		return dst, err
	}
	return out, nil
}

const (
	// noticed is what pcscd takes to see that a card has left.
	noticed = 600 * time.Millisecond
	// brokenEvery is how often broken asks meanwhile.
	brokenEvery = 50 * time.Millisecond
)

// broken returns what an exchange that broke is to be called: the removal of the
// card, if that is reported within the time that the service needs to see it.
// It does not wait after a command that asks for 256 bytes: if the reader cannot
// carry those, the caller asks for less, and learns of a removal by that.
func (c *Card) broken(ctx context.Context, command []byte, err error) error {
	limit := noticed
	if len(command) >= 5 && command[len(command)-1] == 0 {
		limit = 0
	}
	for began := time.Now(); ; {
		_, gone := c.handle.atr(ctx)
		switch {
		case errors.Is(gone, apdu.ErrCardRemoved), errors.Is(gone, ErrGivenUp):
			return gone
		case errors.Is(gone, ErrNoCard), errors.Is(gone, ErrUnknownReader):
			return fmt.Errorf("%w: %w", apdu.ErrCardRemoved, gone)
		case time.Since(began) >= limit || pause(ctx, brokenEvery) != nil:
			return err
		}
	}
}

// Reconnect takes up a Card again after [ErrReset]. The card then has no
// application selected that this program selected, and no PIN verified. The
// errors are those of [Open].
func (c *Card) Reconnect(ctx context.Context) error {
	return c.do(ctx, func() error { return c.handle.reconnect(ctx, c.exclusive) })
}

// Control sends data to the driver of the reader, under a code that
// [ControlCode] returns, and returns the driver's reply. Drivers want codes that
// they do not know answered by an [*Error].
func (c *Card) Control(ctx context.Context, code uint32, data []byte) (reply []byte, err error) {
	err = c.do(ctx, func() error {
		reply, err = c.handle.control(ctx, code, data)
		return err
	})
	return reply, err
}

// ControlCode returns the code of a driver's function on this system: 3400, for
// one, asks for the features of the reader (PC/SC part 10).
func ControlCode(function uint16) uint32 {
	if runtime.GOOS == "windows" {
		return 0x31<<16 | uint32(function)<<2
	}
	return 0x42000000 + uint32(function)
}

// Attribute returns an attribute of the reader, such as 0x00010100, the name of
// its vendor. An attribute that the driver does not know is an [*Error].
func (c *Card) Attribute(ctx context.Context, id uint32) (value []byte, err error) {
	err = c.do(ctx, func() error {
		value, err = c.handle.attribute(ctx, id)
		return err
	})
	return value, err
}

// SetAttribute sets an attribute of the reader, of 1 to 264 bytes.
func (c *Card) SetAttribute(ctx context.Context, id uint32, value []byte) error {
	return c.do(ctx, func() error { return c.handle.setAttribute(ctx, id, value) })
}

// Transaction keeps other programs from the card while f runs; it waits its
// turn as long as ctx allows. It returns the error of f. If f succeeds, it
// returns the error of PC/SC, if any.
//
// Windows resets a card whose transaction idles for five seconds. Transaction
// therefore asks for the state of the card every now and then while f runs.
func (c *Card) Transaction(ctx context.Context, f func() error) (err error) {
	if err := c.do(ctx, func() error { return c.handle.begin(ctx) }); err != nil {
		return err
	}
	stop := c.keepBusy(ctx)
	defer func() {
		stop()
		// Also when ctx has ended, or others would wait for ever.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), letGoLimit)
		defer cancel()
		endErr := c.do(ctx, func() error { return c.handle.end(ctx) })
		if err == nil {
			err = endErr
		}
	}()
	return f()
}

// keepBusy asks for the state of the card before the service finds a transaction
// idle, until the function that it returns is called. It asks only if no other
// call is under way.
func (c *Card) keepBusy(ctx context.Context) (stop func()) {
	if c.idle == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(ctx, c.idle/3) == nil {
			select {
			case <-c.turn:
				if c.dead == nil {
					// Not to be given up: what comes of it, the next call shows.
					_, _ = c.handle.atr(context.WithoutCancel(ctx))
				}
				c.give()
			default:
			}
		}
	}()
	return func() { cancel(); <-done }
}
