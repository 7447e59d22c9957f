package pcsc

import (
	"context"
	"errors"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// A Disposition is what becomes of a card when a program leaves it.
type Disposition uint8

const (
	// Unpower takes the power away: verified PINs are forgotten. Other programs
	// that use the card lose it, and some do not recover.
	Unpower Disposition = iota
	// Leave leaves the card as it is, verified PINs and all.
	Leave
	// Reset resets the card. An Individual Number Card keeps verified PINs
	// through it.
	Reset
	// Eject moves the card out, if the reader has a motor.
	Eject
	// Forget selects the card manager, which makes the card forget verified PINs,
	// and resets the card, which makes other programs select anew. The card keeps
	// its power. A card without a card manager loses its power instead.
	Forget
)

// letGoLimit bounds what a program does on its way out, where it has no
// context to give: longer than pcscd takes to power a card down, shorter than
// a clerk takes to pull the plug.
const letGoLimit = 5 * time.Second

// Close makes the card forget verified PINs and lets go of it. It waits five
// seconds at most; see CloseContext for its errors. It may be called more than
// once.
//
// After an [Exclusive] Open, Close takes the power away ([Unpower]). Otherwise
// other programs may be using the card: Close then leaves it with power, with
// the card manager selected and no PIN verified ([Forget]). The others find the
// card reset. A PIN that another program verified is forgotten too: the card has
// one state for all.
func (c *Card) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), letGoLimit)
	defer cancel()
	if c.exclusive {
		return c.CloseContext(ctx, Unpower)
	}
	return c.CloseContext(ctx, Forget)
}

// CloseContext is Close with another [Disposition] and another limit.
//
// If ctx ends first, the error is [ErrGivenUp]. If the driver had fallen silent,
// the Card is closed and the handle is let go of when the driver comes back. If
// another call was under way, that one goes on, and the Card can be closed after
// it. If another program's transaction kept Close out, verified PINs may still
// be verified. Other errors are an [*Error].
func (c *Card) CloseContext(ctx context.Context, d Disposition) error {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return givenUp(ctx)
	}
	defer c.give()
	if c.dead != nil {
		return nil
	}
	d = afterwards(d, c.last)
	if d == Forget {
		d = c.forget(ctx)
	}
	if c.dead != nil {
		return givenUp(ctx)
	}
	c.dead = ErrClosed
	err := c.handle.disconnect(ctx, d)
	if releaseErr := c.session.release(ctx); err == nil {
		err = releaseErr
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, ErrGivenUp) {
		err = givenUp(ctx)
	}
	return err
}

// selectCardManager selects the issuer security domain, as after power-on
// (GlobalPlatform Card Specification, 11.9).
const selectCardManager = "\x00\xA4\x04\x00\x07\xA0\x00\x00\x01\x51\x00\x00"

// forget makes the card forget verified PINs, and returns what to let go of it
// with.
func (c *Card) forget(ctx context.Context) Disposition {
	var err error
	for range 2 {
		var reply []byte
		reply, err = c.handle.transmit(ctx, nil, []byte(selectCardManager))
		if r, parseErr := apdu.ParseResponse(reply); err == nil && parseErr == nil && (r.Status == apdu.OK || r.Status>>8 == 0x61) {
			return Reset
		}
		if !errors.Is(err, ErrReset) || c.handle.reconnect(ctx, false) != nil {
			break
		}
		// A reset alone leaves PINs verified.
	}
	return afterwards(Unpower, c.note(err))
}

// afterwards returns what to do with the card after err. A card that left has no
// power to take; and pcscd, asked to take it, would call the reader empty
// before it has seen the card leave, and so miss the next one.
func afterwards(d Disposition, err error) Disposition {
	if errors.Is(err, apdu.ErrCardRemoved) {
		return Leave
	}
	return d
}
