package fault

import (
	"context"
	"slices"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// Remove is a card that is lifted before it has seen the command, and stays
// away until [Card.Insert].
func Remove() Fault {
	return func(_ context.Context, x *Exchange) ([]byte, error) {
		x.card.Remove()
		return nil, errRemoved
	}
}

// RemoveAfter is a card that is lifted when it has carried out the command and
// before its reply was through.
func RemoveAfter() Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		_, err := x.Pass(ctx)
		x.card.Remove()
		if err != nil {
			return nil, err
		}
		return nil, errRemoved
	}
}

// Vanish is [RemoveAfter] as PC/SC may report it: not as an error, but as
// success with a reply of no bytes.
func Vanish() Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		_, err := x.Pass(ctx)
		x.card.Remove()
		return nil, err
	}
}

// Fail is a reader that fails with err and has not sent the command. The card
// stays where it is.
func Fail(err error) Fault {
	return func(context.Context, *Exchange) ([]byte, error) { return nil, err }
}

// FailAfter is a reader that fails with err when the card has carried out the
// command.
func FailAfter(err error) Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		if _, cardErr := x.Pass(ctx); cardErr != nil {
			return nil, cardErr
		}
		return nil, err
	}
}

// Status is a card that answers with a status word and has done nothing.
func Status(status apdu.Status) Fault {
	return func(context.Context, *Exchange) ([]byte, error) {
		return []byte{byte(status >> 8), byte(status)}, nil
	}
}

// Overrule is a card that has carried out the command and answers with another
// status word, and without data.
func Overrule(status apdu.Status) Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		if _, err := x.Pass(ctx); err != nil {
			return nil, err
		}
		return []byte{byte(status >> 8), byte(status)}, nil
	}
}

// Torn is a reply of which only the first n bytes arrive; from 0 on.
func Torn(n int) Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		reply, err := x.Pass(ctx)
		if err != nil {
			return nil, err
		}
		return reply[:min(max(n, 0), len(reply))], nil
	}
}

// Garble is a reply with the bits of mask turned over in its byte i, counted
// from 0, or from the end for i below 0: -1 and -2 are the status word. A
// reply that has no such byte stays as it is.
func Garble(i int, mask byte) Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		reply, err := x.Pass(ctx)
		if err != nil {
			return nil, err
		}
		at := i
		if at < 0 {
			at += len(reply)
		}
		if at >= 0 && at < len(reply) {
			reply[at] ^= mask
		}
		return reply, nil
	}
}

// Pieces is a card that gives data n bytes at a time, 1 to 256: the first with
// the reply, and 61xx for how many wait for GET RESPONSE, each of which counts
// as an exchange. With n below 1 the reply comes without data, and GET RESPONSE
// gives all that its Le asks for. A reply that fits stays whole; any other
// command than GET RESPONSE forgets what waits.
func Pieces(n int) Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		reply, err := x.Pass(ctx)
		if err != nil || len(reply) <= 2 || n >= len(reply)-2 || x.served {
			return reply, err
		}
		c := x.card
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.removed {
			return nil, errRemoved
		}
		c.rest, c.piece = reply, n
		if n < 1 {
			c.piece = apdu.MaxExtendedNe
		}
		return c.nextPiece(max(n, 0)), nil
	}
}

// RightLe is a card that gives data only for an Le of exactly its length, and
// otherwise says which: 6Cxx. It concerns short commands whose reply has data;
// the card underneath carries out both.
func RightLe() Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		reply, err := x.Pass(ctx)
		if err != nil {
			return nil, err
		}
		cmd, parseErr := apdu.ParseCommand(x.Command)
		n := len(reply) - 2
		if parseErr != nil || cmd.Extended || n < 1 || n > apdu.MaxShortNe || cmd.Ne == n {
			return reply, nil
		}
		return []byte{0x6C, byte(n)}, nil
	}
}

// Delay is a card that takes d longer, and then does as it is told. It ends
// early, without the card having seen the command, when the context ends or the
// card is removed.
func Delay(d time.Duration) Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		if err := x.wait(ctx, timer.C); err != nil {
			return nil, err
		}
		return x.Pass(ctx)
	}
}

// Silence is a card that does not answer: the exchange lasts until the context
// ends or the card is removed.
func Silence() Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) { return nil, x.wait(ctx, nil) }
}

// wait waits for the time, for the context or for the card to go.
func (x *Exchange) wait(ctx context.Context, until <-chan time.Time) error {
	x.card.mu.Lock()
	gone := x.card.gone
	x.card.mu.Unlock()
	select {
	case <-until:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-gone:
		return errRemoved
	}
}

// All is every way to fail that needs no choice, by name, for a loop over
// them: a new map each time.
func All() map[string]Fault {
	return map[string]Fault{
		"removed":          Remove(),
		"removed after":    RemoveAfter(),
		"vanished":         Vanish(),
		"torn at 0":        Torn(0),
		"torn at 1":        Torn(1),
		"half a reply":     Half(),
		"garbled data":     Garble(0, 0x80),
		"garbled status":   Garble(-2, 0x0F),
		"refused":          Status(apdu.NoPreciseDiagnosis),
		"overruled":        Overrule(apdu.NoPreciseDiagnosis),
		"wrong length":     Status(apdu.WrongLength),
		"not allowed":      Status(apdu.SecurityStatusNotSatisfied),
		"empty success":    Status(apdu.OK),
		"reader fails":     Fail(apdu.ErrCardRemoved),
		"too long a reply": Long(),
	}
}

// Half is a reply of which the second half is missing.
func Half() Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		reply, err := x.Pass(ctx)
		return reply[:len(reply)/2], err
	}
}

// Long is a reply with its data twice, before the status word.
func Long() Fault {
	return func(ctx context.Context, x *Exchange) ([]byte, error) {
		reply, err := x.Pass(ctx)
		if err != nil || len(reply) < 2 {
			return reply, err
		}
		return slices.Concat(reply[:len(reply)-2], reply), nil
	}
}
