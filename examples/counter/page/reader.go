package page

import (
	"context"
	"sync"

	"github.com/mynakit/mynakit/apdu"
)

// A Reader is where the terminal's cards come from: a PC/SC reader, a phone, or
// a [Slot] with software cards.
type Reader interface {
	// WaitCard waits until a card is there and connects to it. What it gives
	// is closed after use if it is an io.Closer; that takes the power from
	// the card, and with it a verified PIN. A card that stays in the reader
	// can be had again and again.
	WaitCard(ctx context.Context) (apdu.Transmitter, error)
	// WaitRemoved waits until the card has left the reader, or the reader is
	// gone itself. It returns at once where there is none.
	WaitRemoved(ctx context.Context) error
}

// A Slot is a [Reader] for software cards. The zero Slot is empty.
type Slot struct {
	mu      sync.Mutex
	card    Card
	changed chan struct{} // closed at the next change; nil while nobody waits
}

// A Card is a software card that a [Slot] takes, such as *simcard.Card.
type Card interface {
	apdu.ContextTransmitter
	PowerOn()
	PowerOff()
	Insert()
	Remove()
}

// Insert puts a card into the slot. One that is in it is taken out first.
func (s *Slot) Insert(c Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove()
	c.Insert()
	s.card = c
	s.tell()
}

// Remove takes the card out.
func (s *Slot) Remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove()
	s.tell()
}

func (s *Slot) remove() {
	if s.card != nil {
		s.card.Remove()
		s.card = nil
	}
}

func (s *Slot) tell() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// state returns the card, and what is closed when another comes.
func (s *Slot) state() (Card, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.card, s.changed
}

// WaitCard returns the card in the slot, with power. The error is the context's.
func (s *Slot) WaitCard(ctx context.Context) (apdu.Transmitter, error) {
	for {
		card, changed := s.state()
		if card != nil {
			card.PowerOn()
			return &powered{card}, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// WaitRemoved waits until the card has left; one that was changed for another
// has. The error is the context's.
func (s *Slot) WaitRemoved(ctx context.Context) error {
	was, changed := s.state()
	for card := was; card != nil && card == was; card, changed = s.state() {
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// powered is a card that somebody works with.
type powered struct{ Card }

// Close takes the power from the card, so that no PIN stays verified.
func (p *powered) Close() error {
	p.PowerOff()
	return nil
}
