package vpcd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// Addresses on which Debian's vpcd waits for cards.
const (
	DefaultAddr = "127.0.0.1:35963" // the first slot, "Virtual PCD 00 00"
	SecondAddr  = "127.0.0.1:35964" // the second slot, "Virtual PCD 00 01"
)

// slotWait is how long a slot may keep silent before it counts as taken. pcscd
// looks at an empty slot every 0.4 seconds.
const slotWait = 5 * time.Second

var (
	// ErrSlotTaken means that the connection was accepted but the reader does not
	// ask for the card: another card is in the slot, or pcscd hangs.
	ErrSlotTaken = errors.New("vpcd: slot is taken by another card, or its reader does not answer")
	// ErrRemoved is returned by [Slot.Err] after [Slot.Remove].
	ErrRemoved = errors.New("vpcd: card removed")
)

// A Card is a software card with contacts: commands, an ATR, and power.
type Card interface {
	apdu.Transmitter
	ATR() []byte // answer to reset, 2 to 33 bytes
	PowerOn()
	PowerOff()
	Reset() // warm reset: without loss of power
}

// A Slot is a card in a reader.
type Slot struct {
	cancel context.CancelCauseFunc
	asked  chan struct{} // closed when the reader first asked for something
	done   chan struct{}
	err    error // set before done is closed
}

// Insert connects card to the vpcd that waits at addr (host:port, see
// [DefaultAddr]). It serves the card in the background until [Slot.Remove], until
// the reader goes away, or until ctx ends. It returns once the reader has asked
// for the card, within five seconds. Insert returns an error of the network if
// nothing listens at addr because pcscd or vpcd does not run, the error of ctx,
// or [ErrSlotTaken].
//
// A client needs about half a second more to see the card: wait for it with
// PC/SC's status change.
func Insert(ctx context.Context, addr string, card Card) (*Slot, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("vpcd: no virtual reader (is pcscd with vpcd running?): %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s := &Slot{cancel: cancel, asked: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = serve(ctx, conn, card, sync.OnceFunc(func() { close(s.asked) }))
		cancel(s.err)
	}()
	wait := time.NewTimer(slotWait)
	defer wait.Stop()
	select {
	case <-s.asked:
		return s, nil
	case <-s.done:
		select {
		case <-s.asked:
			return s, nil // it was in, if only for a moment
		default:
			return nil, s.err
		}
	case <-wait.C:
		cancel(ErrSlotTaken)
		<-s.done
		return nil, ErrSlotTaken
	}
}

// Remove takes the card out of the reader and waits until the background work
// has ended. Clients see the removal about 0.4 seconds later. Insert the next card
// only then, or pcscd may take it for the one that left. Remove may be called more
// than once.
func (s *Slot) Remove() {
	s.cancel(ErrRemoved)
	<-s.done
}

// Done returns a channel that is closed when the card is no longer in the reader.
func (s *Slot) Done() <-chan struct{} { return s.done }

// Err returns why the card left: [ErrRemoved], io.EOF if the reader went away,
// the context's cause, [apdu.ErrCardRemoved] if the card itself gave up, or
// [ErrProtocol]. While the card is in the reader, Err returns nil.
func (s *Slot) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Serve speaks the card's end of the protocol on conn. It returns io.EOF when the
// reader closes conn, and the cause when ctx ends. It closes conn and leaves the
// card without power. A command that comes while the card has no power is answered
// with 6F 00 and does not reach the card. Most programs want [Insert].
func Serve(ctx context.Context, conn net.Conn, card Card) error {
	return serve(ctx, conn, card, func() {})
}

func serve(ctx context.Context, conn net.Conn, card Card, asked func()) (err error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		if stop() {
			conn.Close()
		} else {
			err = context.Cause(ctx) // the close was ours
		}
		card.PowerOff()
	}()
	w := newWire(conn)
	powered := true // until the reader says otherwise: some begin with commands
	for {
		msg, err := w.read(math.MaxUint16)
		if err != nil {
			return err
		}
		asked()
		switch {
		case len(msg) == 0:
			return fmt.Errorf("%w: empty message", ErrProtocol)
		case len(msg) > 1 && !powered:
			// pcscd sends this for a program that does not know that another one took
			// the power. The card is still there, so it must not leave for that.
			err = w.writeBytes(byte(apdu.NoPreciseDiagnosis>>8), byte(apdu.NoPreciseDiagnosis&0xFF))
		case len(msg) > 1:
			err = w.write(func(dst []byte) ([]byte, error) { return answer(ctx, card, dst, msg) })
		case msg[0] == controlOff:
			powered = false
			card.PowerOff()
		case msg[0] == controlOn:
			powered = true
			card.PowerOn()
		case msg[0] == controlReset:
			powered = true
			card.Reset()
		case msg[0] == controlATR:
			err = w.writeBytes(card.ATR()...)
		default:
			return fmt.Errorf("%w: control code %d", ErrProtocol, msg[0])
		}
		if err != nil {
			return err
		}
	}
}

// answer appends the card's reply. A reply that the length field cannot carry
// becomes the status word that a reader would return.
func answer(ctx context.Context, card Card, dst, command []byte) ([]byte, error) {
	out, err := apdu.Transmit(ctx, card, dst, command)
	if err != nil {
		return nil, err
	}
	switch n := len(out) - len(dst); {
	case n < 2:
		return nil, apdu.ErrCardRemoved
	case n > 65535:
		return append(dst, byte(apdu.WrongLength>>8), byte(apdu.WrongLength&0xFF)), nil
	}
	return out, nil
}
