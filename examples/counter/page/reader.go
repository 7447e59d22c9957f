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
	// WaitRemoved waits until the card that WaitCard gave last has left the
	// reader, however soon another came, or the reader is gone itself. It
	// returns at once where there is none.
	WaitRemoved(ctx context.Context) error
}

// A Slot is a [Reader] for software cards. The zero Slot is empty.
type Slot struct {
	mu    sync.Mutex
	card  Card
	came  chan struct{} // closed when the next card comes; nil while nobody waits
	left  chan struct{} // closed when the card that is in leaves
	given chan struct{} // left, of the card that WaitCard gave last
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
	s.card, s.left = c, make(chan struct{})
	if s.came != nil {
		close(s.came)
		s.came = nil
	}
}

// Remove takes the card out.
func (s *Slot) Remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove()
}

func (s *Slot) remove() {
	if s.card != nil {
		s.card.Remove()
		close(s.left)
		s.card = nil
	}
}

// take returns the card, or what is closed when the next one comes.
func (s *Slot) take() (Card, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.card != nil {
		s.given = s.left
		return s.card, nil
	}
	if s.came == nil {
		s.came = make(chan struct{})
	}
	return nil, s.came
}

// WaitCard returns the card in the slot, with power. The error is the context's.
func (s *Slot) WaitCard(ctx context.Context) (apdu.Transmitter, error) {
	for {
		card, came := s.take()
		if card != nil {
			card.PowerOn()
			return &powered{card}, nil
		}
		select {
		case <-came:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// WaitRemoved waits until the card has left that WaitCard gave last. The error is
// the context's.
func (s *Slot) WaitRemoved(ctx context.Context) error {
	s.mu.Lock()
	left := s.given
	s.mu.Unlock()
	if left == nil {
		return nil
	}
	select {
	case <-left:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// powered is a card that somebody works with.
type powered struct{ Card }

// Close takes the power from the card, so that no PIN stays verified.
func (p *powered) Close() error {
	p.PowerOff()
	return nil
}
