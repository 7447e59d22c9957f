package pcsc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// A Disposition is what becomes of a card when a program leaves it.
type Disposition uint8

const (
	// Unpower takes the power away: verified PINs are forgotten. It is what
	// [Card.Close] does.
	Unpower Disposition = iota
	// Leave leaves the card as it is, verified PINs and all.
	Leave
	// Reset resets the card. An Individual Number Card keeps verified PINs
	// through it.
	Reset
	// Eject moves the card out, where the reader has a motor.
	Eject
)

// A Card is a connection to the card in a reader. It is an
// [apdu.ContextTransmitter] and may be used from several goroutines; one call
// runs at a time.
type Card struct {
	session session
	handle  handle
	atr     []byte
	turn    chan struct{} // holds one token: whoever has it may call
	dead    error         // set, with the token, when the handle is gone
	last    error         // set, with the token: the last error of a call
}

// An OpenOption changes how [Open] connects.
type OpenOption func(*openConfig)

type openConfig struct{ exclusive bool }

// Exclusive keeps every other program away from the card until it is closed.
func Exclusive() OpenOption { return func(c *openConfig) { c.exclusive = true } }

// Open connects to the card in reader, by whatever protocol the card offers.
// The errors are [ErrUnavailable], [ErrGivenUp], and an [*Error] of the kinds
// [ErrNoService], [ErrUnknownReader], [ErrNoCard], [ErrSharing],
// [ErrUnresponsive], or [ErrReset] when others reset the card again and again.
func Open(ctx context.Context, reader string, opts ...OpenOption) (*Card, error) {
	return system().open(ctx, reader, opts...)
}

func (s stack) open(ctx context.Context, reader string, opts ...OpenOption) (*Card, error) {
	var config openConfig
	for _, o := range opts {
		o(&config)
	}
	// A session of its own: a card that hangs then hangs nobody else's calls.
	return giveUp(ctx, func() (*Card, error) {
		session, err := s.establish()
		if err != nil {
			return nil, err
		}
		handle, atr, err := connect(session, reader, config.exclusive)
		if err != nil {
			session.release()
			return nil, err
		}
		c := &Card{session: session, handle: handle, atr: atr, turn: make(chan struct{}, 1)}
		c.turn <- struct{}{}
		return c, nil
	}, func(c *Card, err error) {
		if err == nil {
			c.discard(Unpower)
		}
	})
}

// connectTries bounds how often connect asks for a card that others reset.
const connectTries = 5

// connect connects and asks for the ATR. Where another program lets go of the
// card in between, and takes its power, that makes this handle void: a new one
// loses nothing, as no command was sent yet.
func connect(s session, reader string, exclusive bool) (h handle, atr []byte, err error) {
	for range connectTries {
		if h, err = s.connect(reader, exclusive); err != nil {
			return nil, nil, err
		}
		if atr, err = h.atr(); err == nil {
			return h, atr, nil
		}
		_ = h.disconnect(Leave) // the error that counts is atr's
		if !errors.Is(err, ErrReset) {
			break
		}
	}
	return nil, nil, err
}

// giveUp runs f, which cannot be stopped. When ctx ends first it comes back
// with ErrGivenUp and leaves the result, whenever there is one, to late.
func giveUp[T any](ctx context.Context, f func() (T, error), late func(T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if ctx.Done() == nil {
		return f()
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result)
	left := make(chan struct{})
	go func() {
		v, err := f()
		select {
		case done <- result{v, err}:
		case <-left:
			late(v, err)
		}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		close(left)
		return none, fmt.Errorf("%w: %w", ErrGivenUp, context.Cause(ctx))
	}
}

// discard lets go of handle and session. Errors have nobody to go to: the
// handle is gone either way.
func (c *Card) discard(d Disposition) {
	_ = c.handle.disconnect(d)
	_ = c.session.release()
}

// call runs f on the handle when it is this caller's turn.
func (c *Card) call(ctx context.Context, f func() ([]byte, error)) ([]byte, error) {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { c.turn <- struct{}{} }()
	if c.dead != nil {
		return nil, c.dead
	}
	out, err := giveUp(ctx, f, func(_ []byte, err error) {
		c.discard(afterwards(Unpower, err))
	})
	switch {
	case errors.Is(err, ErrGivenUp):
		c.dead = ErrGivenUp
	case err != nil:
		c.last = err
	}
	return out, err
}

// afterwards gives what to do with the card after err. A card that left has no
// power to take; and pcscd, asked to take it, would call the reader empty
// before it has seen the card leave, and so miss the next one.
func afterwards(d Disposition, err error) Disposition {
	if errors.Is(err, apdu.ErrCardRemoved) {
		return Leave
	}
	return d
}

// ATR gives the card's answer to reset, in new memory.
func (c *Card) ATR() []byte { return append([]byte(nil), c.atr...) }

// Transmit is [apdu.Transmitter.Transmit]. It has no time limit: prefer
// TransmitContext.
func (c *Card) Transmit(command []byte) ([]byte, error) {
	return c.TransmitContext(context.Background(), nil, command)
}

// TransmitContext is [apdu.ContextTransmitter.TransmitContext]. The errors are
// [apdu.ErrCardRemoved], [ErrGivenUp], [ErrClosed], [apdu.ErrCommandLength]
// for a command of less than four bytes, and an [*Error].
func (c *Card) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	if len(command) < 4 {
		return dst, apdu.ErrCommandLength
	}
	// A copy: a call that is given up goes on reading it.
	command = append([]byte(nil), command...)
	reply, err := c.call(ctx, func() ([]byte, error) {
		defer clear(command) // it may hold a PIN
		reply, err := c.handle.transmit(command)
		if err == nil && len(reply) < 2 {
			err = apdu.ErrCardRemoved // PC/SC calls this success
		}
		return reply, err
	})
	if err != nil {
		return dst, err
	}
	return append(dst, reply...), nil
}

// Transaction keeps other programs from the card while f runs; it waits its
// turn as long as ctx allows. It gives f's error, or else that of PC/SC.
func (c *Card) Transaction(ctx context.Context, f func() error) (err error) {
	if _, err := c.call(ctx, func() ([]byte, error) { return nil, c.handle.begin() }); err != nil {
		return err
	}
	defer func() {
		// Also when ctx has ended, or others would wait for ever.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), letGoLimit)
		defer cancel()
		_, endErr := c.call(ctx, func() ([]byte, error) { return nil, c.handle.end() })
		if err == nil {
			err = endErr
		}
	}()
	return f()
}

// letGoLimit bounds what a program does on its way out, where it has no
// context to give: longer than pcscd takes to power a card down, shorter than
// a clerk takes to pull the plug.
const letGoLimit = 5 * time.Second

// Close takes the power from the card, so that verified PINs are forgotten,
// and lets go of it. It waits five seconds at most; see CloseContext for its
// errors. It may be called more than once.
func (c *Card) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), letGoLimit)
	defer cancel()
	return c.CloseContext(ctx, Unpower)
}

// CloseContext is Close with another [Disposition] and another limit.
//
// When ctx ends first the error is [ErrGivenUp]. If the driver had fallen
// silent, the Card is closed and the handle is let go of when the driver comes
// back; if another call was under way, that one goes on, and the Card can be
// closed after it. Other errors are an [*Error].
func (c *Card) CloseContext(ctx context.Context, d Disposition) error {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrGivenUp, context.Cause(ctx))
	}
	defer func() { c.turn <- struct{}{} }()
	if c.dead != nil {
		return nil
	}
	c.dead = ErrClosed
	d = afterwards(d, c.last)
	done := make(chan error, 1)
	go func() { // begun even if ctx has ended: nobody else will let go
		err := c.handle.disconnect(d)
		if releaseErr := c.session.release(); err == nil {
			err = releaseErr
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrGivenUp, context.Cause(ctx))
	}
}
