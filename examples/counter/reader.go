package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/link"
)

// reader is where cards come from. The web page takes the same.
type reader interface {
	// WaitCard waits until a card is there and connects to it. What it gives
	// is closed after use; that takes the power from the card, and with it a
	// verified PIN.
	WaitCard(ctx context.Context) (apdu.Transmitter, error)
	// WaitRemoved waits until the card that WaitCard gave last has left, however
	// soon another came, or the reader is gone itself.
	WaitRemoved(ctx context.Context) error
	io.Closer
}

// openReader gives the reader that the flags name.
func (o *options) openReader() (reader, error) {
	switch o.reader {
	case "sim":
		return &simReader{card: simcard.New()}, nil
	case "phone":
		return newPhoneReader(o.listen, o.wait, o.stderr, o.lang)
	}
	return newPCSCReader(o.reader, o.wait), nil
}

// simReader has one software card in it, for ever.
type simReader struct{ card *simcard.Card }

func (r *simReader) WaitCard(context.Context) (apdu.Transmitter, error) {
	r.card.PowerOn()
	// What the exchanges would take on the air, at the slowest rate. Nobody
	// waits for it.
	return &simContact{link.Card{Next: r.card, Model: link.Contactless{Rate: link.Rate106}}, r.card}, nil
}

func (r *simReader) WaitRemoved(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (r *simReader) Close() error { return nil }

type simContact struct {
	link.Card
	card *simcard.Card
}

func (c *simContact) Close() error {
	c.card.PowerOff()
	return nil
}

// pcscReader is a PC/SC reader: the one of that name, those with the name in
// theirs, or with "auto" any. Of several cards it has the one that came last: a
// card that lies forgotten in a second reader is in nobody's way.
type pcscReader struct {
	name  string
	exact bool // there was a reader of that very name at the start
	wait  time.Duration
	stop  context.CancelFunc
	ended chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed when one of the following changes
	at      string        // the reader with the card; "" is none
	cards   int           // that came so far; the last one's number
	given   int           // the number of the one that WaitCard gave last
	err     error         // why there is no reader at all
}

func newPCSCReader(name string, wait time.Duration) *pcscReader {
	ctx, stop := context.WithCancel(context.Background())
	r := &pcscReader{name: name, wait: wait, stop: stop, ended: make(chan struct{}), changed: make(chan struct{})}
	all, _ := pcsc.Readers(ctx) // an error is told by WaitCard
	r.exact = slices.Contains(all, name)
	go func() {
		defer close(r.ended)
		err := pcsc.Server{Match: r.match, Event: r.event}.Serve(ctx, func(_ context.Context, card *pcsc.Card) error {
			r.change(func() { r.at, r.cards = card.Reader(), r.cards+1 })
			return nil // who has WaitCard opens it again
		})
		r.change(func() { r.err = err })
	}()
	return r
}

func (r *pcscReader) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

// event keeps what is known of the readers.
func (r *pcscReader) event(e pcsc.Event) {
	r.change(func() {
		switch e.Kind {
		case pcsc.ServiceLost:
			r.err = e.Err
		case pcsc.ServiceFound:
			r.err = nil
		case pcsc.CardRemoved:
			if r.at == e.Reader {
				r.at = ""
			}
		}
	})
}

// state returns where the card is, how many there were so far, and what is
// closed when that changes. The error says that there is no reader.
func (r *pcscReader) state() (at string, cards int, changed <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at, r.cards, r.changed, r.err
}

// exists fails if there is no reader of the name.
func (r *pcscReader) exists(ctx context.Context) error {
	all, err := pcsc.Readers(ctx)
	if err == nil && r.name != "auto" && !slices.ContainsFunc(all, r.match) {
		err = fmt.Errorf("%w: %q; there are: %q", pcsc.ErrUnknownReader, r.name, all)
	}
	return err
}

func (r *pcscReader) match(reader string) bool {
	return r.name == "auto" || reader == r.name || !r.exact && strings.Contains(reader, r.name)
}

// pcscAgain is how often a card that another program holds is tried again.
const pcscAgain = 100 * time.Millisecond

func (r *pcscReader) WaitCard(ctx context.Context) (apdu.Transmitter, error) {
	if err := r.exists(ctx); err != nil {
		return nil, err
	}
	for {
		at, count, changed, err := r.state()
		again := (<-chan time.Time)(nil)
		switch {
		case err != nil:
			return nil, err
		case at != "":
			// Nobody else may use a PIN that is verified here.
			card, err := pcsc.Open(ctx, at, pcsc.Exclusive())
			if err == nil {
				r.change(func() { r.given = count })
				return &contact{ContextTransmitter: card, closer: forget(card), wait: r.wait}, nil
			}
			if ctx.Err() != nil {
				return nil, err
			}
			if errors.Is(err, pcsc.ErrNoCard) || errors.Is(err, pcsc.ErrUnknownReader) {
				r.change(func() { r.at = "" }) // it left before it was here
				continue
			}
			again = time.After(pcscAgain)
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// forget returns what makes the card forget a PIN. The card keeps its power: some
// readers take one that gets it again for another card.
func forget(card *pcsc.Card) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return card.CloseContext(ctx, pcsc.Forget)
	}
}

// WaitRemoved waits until the card has left that WaitCard gave last, or another
// has come.
func (r *pcscReader) WaitRemoved(ctx context.Context) error {
	r.mu.Lock()
	given := r.given
	r.mu.Unlock()
	for {
		at, cards, changed, err := r.state()
		if err != nil || at == "" || cards != given {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *pcscReader) Close() error {
	r.stop()
	<-r.ended
	return nil
}

// contact is a card in a real reader: it has so long for each answer, and its
// time is measured.
type contact struct {
	apdu.ContextTransmitter
	closer func() error
	wait   time.Duration

	mu      sync.Mutex
	elapsed time.Duration
}

// Unwrap returns the card in its reader, which has transactions.
func (c *contact) Unwrap() apdu.Transmitter { return c.ContextTransmitter }

func (c *contact) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	began := time.Now()
	reply, err := c.ContextTransmitter.TransmitContext(ctx, dst, command)
	c.mu.Lock()
	c.elapsed += time.Since(began)
	c.mu.Unlock()
	return reply, err
}

// Elapsed is what all exchanges so far took.
func (c *contact) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

func (c *contact) Close() error { return c.closer() }
