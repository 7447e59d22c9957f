package main

import (
	"context"
	"fmt"
	"io"
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
	// WaitRemoved waits until the reader is empty, or gone itself.
	WaitRemoved(ctx context.Context) error
	io.Closer
}

// openReader gives the reader that the flags name.
func (o *options) openReader() (reader, error) {
	switch o.reader {
	case "sim":
		return &simReader{card: simcard.New()}, nil
	case "phone":
		return newPhoneReader(o.listen, o.wait, o.stderr)
	}
	return &pcscReader{name: o.reader, wait: o.wait}, nil
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
// theirs, or with "auto" any.
type pcscReader struct {
	name string
	wait time.Duration

	mu sync.Mutex
	at string // the reader that had the card
}

func (r *pcscReader) WaitCard(ctx context.Context) (apdu.Transmitter, error) {
	var candidates []string
	if r.name != "auto" {
		all, err := pcsc.Readers(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range all {
			if name == r.name {
				candidates = []string{name}
				break
			}
			if strings.Contains(name, r.name) {
				candidates = append(candidates, name)
			}
		}
		if len(candidates) == 0 {
			return nil, fmt.Errorf("%w: %q; there are: %q", pcsc.ErrUnknownReader, r.name, all)
		}
	}
	at, err := pcsc.WaitCard(ctx, candidates...)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.at = at
	r.mu.Unlock()
	// Nobody else may use a PIN that is verified here.
	card, err := pcsc.Open(ctx, at, pcsc.Exclusive())
	if err != nil {
		return nil, err
	}
	return &contact{ContextTransmitter: card, closer: card.Close, wait: r.wait}, nil
}

func (r *pcscReader) WaitRemoved(ctx context.Context) error {
	r.mu.Lock()
	at := r.at
	r.mu.Unlock()
	if at == "" {
		return nil
	}
	return pcsc.WaitRemoved(ctx, at)
}

func (r *pcscReader) Close() error { return nil }

// contact is a card in a real reader: it has so long for each answer, and its
// time is measured.
type contact struct {
	apdu.ContextTransmitter
	closer func() error
	wait   time.Duration

	mu      sync.Mutex
	elapsed time.Duration
}

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
