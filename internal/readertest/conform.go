// Package readertest holds what package pcsc has to do on every PC/SC service:
// one suite for a real pcscd, spoken to by pcsc itself or through the system's
// library, and for the fake of package fakepcscd.
package readertest

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/simcard"
)

// A World is a service with an empty reader.
type World struct {
	Reader string
	// Insert puts a card into the reader, and takes it out at the end of the test.
	Insert func(t *testing.T, card vpcd.Card) (remove func())
	// Attributes are some that its driver knows.
	Attributes map[uint32][]byte
}

// limit bounds what a test waits for.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Commands to an Individual Number Card.
var (
	selectJPKI = []byte("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01")
	selectPIN  = []byte("\x00\xA4\x02\x0C\x02\x00\x18")
	verifyPIN  = []byte("\x00\x20\x00\x80\x041234")
	selectKey  = []byte("\x00\xA4\x02\x0C\x02\x00\x17")
	readCert   = []byte("\x00\xB0\x8A\x00\x00")
	readLong   = []byte("\x00\xB0\x8A\x00\x00\x00\x00")
)

func send(t *testing.T, c *pcsc.Card, command []byte) []byte {
	t.Helper()
	reply, err := c.TransmitContext(limit(t), nil, command)
	noError(t, err)
	return reply
}

func open(t *testing.T, name string, opts ...pcsc.OpenOption) *pcsc.Card {
	t.Helper()
	card, err := pcsc.Open(limit(t), name, opts...)
	noError(t, err)
	t.Cleanup(func() { card.Close() })
	return card
}

// that fails the test unless ok.
func that(t *testing.T, ok bool, format string, args ...any) {
	t.Helper()
	if !ok {
		t.Fatalf(format, args...)
	}
}

func noError(t *testing.T, err error) { t.Helper(); that(t, err == nil, "%v", err) }

func errorIs(t *testing.T, err, want error) {
	t.Helper()
	that(t, errors.Is(err, want), "%v is not %v", err, want)
}

func equal(t *testing.T, want, got any) {
	t.Helper()
	that(t, reflect.DeepEqual(want, got), "want %v, got %v", want, got)
}

// hooked is a software card whose commands a test can answer.
type hooked struct {
	*simcard.Card
	reply func(command []byte) ([]byte, error) // nil: the card's own
}

func (h *hooked) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	if h.reply == nil {
		return h.Card.TransmitContext(ctx, dst, command)
	}
	reply, err := h.reply(command)
	return append(dst, reply...), err
}

func (h *hooked) Transmit(command []byte) ([]byte, error) {
	return h.TransmitContext(context.Background(), nil, command)
}

// Conform runs the suite. world is called once for each test.
func Conform(t *testing.T, world func(t *testing.T) World) {
	run := func(name string, f func(t *testing.T, w World)) {
		t.Run(name, func(t *testing.T) { f(t, world(t)) })
	}
	run("Readers", func(t *testing.T, w World) {
		names, err := pcsc.Readers(limit(t))
		noError(t, err)
		that(t, slices.Contains(names, w.Reader), "%q is not among %q", w.Reader, names)
	})
	run("NoCardNoReader", func(t *testing.T, w World) {
		_, err := pcsc.Open(limit(t), w.Reader)
		errorIs(t, err, pcsc.ErrNoCard)
		for _, name := range []string{"no such reader", string(bytes.Repeat([]byte{'x'}, 127))} {
			_, err = pcsc.Open(limit(t), name)
			errorIs(t, err, pcsc.ErrUnknownReader)
		}
		noError(t, pcsc.WaitRemoved(limit(t), w.Reader))
		noError(t, pcsc.WaitRemoved(limit(t), "no such reader"))
	})
	run("Exchange", func(t *testing.T, w World) {
		sim := simcard.New()
		w.Insert(t, sim)
		name, err := pcsc.WaitCard(limit(t), "another", w.Reader)
		noError(t, err)
		equal(t, w.Reader, name)
		c := open(t, name)
		equal(t, sim.ATR(), c.ATR())
		equal(t, w.Reader, c.Reader())
		equal(t, "\x90\x00", string(send(t, c, selectJPKI)))
		short := send(t, c, readCert)
		equal(t, 258, len(short))
		long := send(t, c, readLong)
		that(t, len(long) > 800, "an extended reply of %d bytes", len(long))
		equal(t, short[:256], long[:256])
		dst, err := c.TransmitContext(limit(t), []byte("dst"), selectJPKI)
		noError(t, err)
		equal(t, "dst\x90\x00", string(dst))
	})
	run("LongCommands", func(t *testing.T, w World) {
		w.Insert(t, &hooked{Card: simcard.New(), reply: func(c []byte) ([]byte, error) { return append(bytes.Clone(c), 0x90, 0), nil }})
		c := open(t, w.Reader)
		for _, n := range []int{5, 261, 4096, 16000, 60000} {
			command := bytes.Repeat([]byte{0xA5}, n)
			equal(t, append(bytes.Clone(command), 0x90, 0), send(t, c, command))
		}
	})
	run("Exclusive", func(t *testing.T, w World) {
		w.Insert(t, simcard.New())
		one := open(t, w.Reader, pcsc.Exclusive())
		_, err := pcsc.Open(limit(t), w.Reader)
		errorIs(t, err, pcsc.ErrSharing)
		noError(t, one.Close())
		two, three := open(t, w.Reader), open(t, w.Reader)
		_, err = pcsc.Open(limit(t), w.Reader, pcsc.Exclusive())
		errorIs(t, err, pcsc.ErrSharing)
		send(t, two, selectJPKI)
		send(t, three, selectJPKI)
	})
	run("Dispositions", func(t *testing.T, w World) {
		sim := simcard.New()
		w.Insert(t, sim)
		for d, verified := range map[pcsc.Disposition]bool{pcsc.Leave: true, pcsc.Reset: true, pcsc.Unpower: false, pcsc.Forget: false} {
			holder := open(t, w.Reader) // or the service takes the power from an idle card
			c := open(t, w.Reader)
			for _, command := range [][]byte{selectJPKI, selectPIN, verifyPIN} {
				equal(t, "\x90\x00", string(send(t, c, command)))
			}
			noError(t, c.CloseContext(limit(t), d))
			if verified {
				that(t, sim.Verified(simcard.AuthPIN), "after %d the PIN is forgotten", d)
			} else { // the order to power off has no answer, so nobody waits for the card
				for began := time.Now(); sim.Verified(simcard.AuthPIN); time.Sleep(time.Millisecond) {
					that(t, time.Since(began) < time.Minute, "after %d the PIN is still verified", d)
				}
			}
			if d == pcsc.Leave {
				send(t, holder, selectJPKI)
			} else {
				_, err := holder.Transmit(selectJPKI)
				errorIs(t, err, pcsc.ErrReset)
				errorIs(t, err, apdu.ErrCardReset)
				noError(t, holder.Reconnect(limit(t)))
				equal(t, "\x90\x00", string(send(t, holder, selectJPKI)))
			}
			noError(t, holder.CloseContext(limit(t), pcsc.Unpower))
		}
	})
	run("Transaction", func(t *testing.T, w World) {
		w.Insert(t, simcard.New())
		one, two := open(t, w.Reader), open(t, w.Reader)
		inside, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		ctx := limit(t)
		go func() {
			done <- one.Transaction(ctx, func() error {
				close(inside)
				<-release
				_, err := one.TransmitContext(ctx, nil, selectJPKI)
				return err
			})
		}()
		<-inside
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_, err := two.TransmitContext(short, nil, selectJPKI)
		errorIs(t, err, context.DeadlineExceeded)
		close(release)
		noError(t, <-done)
	})
	run("TransactionWaits", func(t *testing.T, w World) {
		w.Insert(t, simcard.New())
		one, two := open(t, w.Reader), open(t, w.Reader)
		ctx := limit(t)
		var order []string
		inside, done := make(chan struct{}), make(chan error, 1)
		noError(t, one.Transaction(ctx, func() error {
			go func() {
				close(inside)
				done <- two.Transaction(ctx, func() error { order = append(order, "two"); return nil })
			}()
			<-inside
			_, err := one.TransmitContext(ctx, nil, selectJPKI)
			order = append(order, "one")
			return err
		}))
		noError(t, <-done)
		equal(t, []string{"one", "two"}, order)
	})
	run("ComingAndGoing", func(t *testing.T, w World) {
		ctx, cancel := context.WithCancel(limit(t))
		defer cancel()
		events := make(chan pcsc.Event, 16)
		go func() {
			defer close(events)
			for e, err := range pcsc.Watch(ctx) {
				if err != nil {
					return
				}
				if e.Reader == w.Reader {
					events <- e
				}
			}
		}()
		equal(t, pcsc.ReaderAdded, (<-events).Kind)
		for range 2 {
			sim := simcard.New()
			remove := w.Insert(t, sim)
			e := <-events
			equal(t, pcsc.CardInserted, e.Kind)
			equal(t, sim.ATR(), e.ATR)
			// A card that loses its power and gets it again is the same card.
			c, err := pcsc.Open(ctx, w.Reader, pcsc.Exclusive())
			noError(t, err)
			noError(t, c.CloseContext(ctx, pcsc.Unpower))
			c, err = pcsc.Open(ctx, w.Reader)
			noError(t, err)
			noError(t, c.CloseContext(ctx, pcsc.Leave))
			remove()
			equal(t, pcsc.CardRemoved, (<-events).Kind)
			noError(t, pcsc.WaitRemoved(ctx, w.Reader))
		}
		cancel()
		for range events {
		}
	})
	run("WaitIsCancelled", func(t *testing.T, w World) {
		for _, wait := range []time.Duration{0, time.Microsecond, 50 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			began := time.Now()
			_, err := pcsc.WaitCard(ctx, w.Reader)
			late := time.Since(began) - wait
			cancel()
			errorIs(t, err, context.DeadlineExceeded)
			that(t, late < 20*time.Second, "late by %v", late)
			t.Logf("a wait of %v came back after %v more", wait, late)
		}
	})
	run("RemovedInTheMiddle", func(t *testing.T, w World) {
		w.Insert(t, &hooked{Card: simcard.New(), reply: func([]byte) ([]byte, error) { return nil, apdu.ErrCardRemoved }})
		c := open(t, w.Reader)
		dst, err := c.TransmitContext(limit(t), []byte("dst"), selectJPKI)
		errorIs(t, err, apdu.ErrCardRemoved)
		equal(t, "dst", string(dst))
	})
	run("Silent", func(t *testing.T, w World) {
		wake := make(chan struct{})
		ctx, cancel := context.WithCancelCause(limit(t))
		w.Insert(t, &hooked{Card: simcard.New(), reply: func([]byte) ([]byte, error) {
			cancel(context.DeadlineExceeded) // in the middle of the exchange
			<-wake
			return nil, apdu.ErrCardRemoved
		}})
		c := open(t, w.Reader)
		_, err := c.TransmitContext(ctx, nil, selectJPKI)
		errorIs(t, err, pcsc.ErrGivenUp)
		errorIs(t, err, context.DeadlineExceeded)
		_, err = c.TransmitContext(limit(t), nil, selectJPKI)
		errorIs(t, err, pcsc.ErrGivenUp)
		noError(t, c.Close())
		close(wake)
	})
	run("ControlAndAttributes", func(t *testing.T, w World) {
		w.Insert(t, simcard.New())
		c := open(t, w.Reader)
		for id, want := range w.Attributes {
			value, err := c.Attribute(limit(t), id)
			noError(t, err)
			equal(t, want, value)
		}
		_, err := c.Attribute(limit(t), 0x7FFF0001)
		that(t, errors.As(err, new(*pcsc.Error)), "%v", err)
		that(t, c.SetAttribute(limit(t), 0x7FFF0001, []byte{1}) != nil, "an attribute that there is not was set")
		// What a driver answers is its own affair; the handle stays whole.
		_, err = c.Control(limit(t), pcsc.ControlCode(3400), nil)
		that(t, err == nil || errors.As(err, new(*pcsc.Error)), "%v", err)
		equal(t, "\x90\x00", string(send(t, c, selectJPKI)))
	})
	run("PoliteToOthers", func(t *testing.T, w World) {
		// Another program that has a PIN verified and signs goes on after a Close
		// of ours, at the price of one reconnection.
		sim := simcard.New()
		w.Insert(t, sim)
		other, ours := open(t, w.Reader), open(t, w.Reader)
		equal(t, "\x90\x00", string(send(t, ours, selectJPKI)))
		noError(t, ours.Close())
		_, err := other.Transmit(selectJPKI)
		errorIs(t, err, pcsc.ErrReset)
		noError(t, other.Reconnect(limit(t)))
		for _, command := range [][]byte{selectJPKI, selectPIN, verifyPIN, selectKey} {
			equal(t, "\x90\x00", string(send(t, other, command)))
		}
	})
}
