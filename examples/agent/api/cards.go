package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// Readers is where cards come from: the readers of this machine, or software
// cards.
type Readers interface {
	// Serve reports to w until ctx ends. Its error is ctx's, or says why there
	// will be no card at all.
	Serve(ctx context.Context, w Watcher) error
	// Open connects to the card in a reader, for this program alone.
	Open(ctx context.Context, reader string) (Contact, error)
}

// A Watcher is told of readers and cards.
type Watcher struct {
	// Reader is a reader that came or went.
	Reader func(name string, there bool)
	// Card is a card that came. The connection is good until Card returns.
	Card func(ctx context.Context, reader string, t apdu.Transmitter)
	// Failed is a card that cannot be read, and Removed one that left.
	Failed  func(reader string, err error)
	Removed func(reader string)
	// Service is told nil when the readers' service is there, and otherwise why
	// it is not.
	Service func(err error)
}

// A Contact is a connection to a card. Close makes the card forget a PIN.
type Contact interface {
	apdu.Transmitter
	Close() error
}

// Card is a card as it is sent.
type Card struct {
	ID        string    `json:"id"`
	Reader    string    `json:"reader"`
	Kind      string    `json:"kind"`
	Since     time.Time `json:"since"`
	State     string    `json:"state"` // reading, known, not_enrolled, pin_first, unreadable
	Pseudonym *string   `json:"pseudonym"`
	MyKeyID   *mykey.ID `json:"mykey_id"`
	Services  []Service `json:"services"`
	Balances  []Balance `json:"balances"`
	Error     *Error    `json:"error"`
}

// Service is a Service ID of an operator that the agent is set up for.
type Service struct {
	Operator mykey.OperatorID `json:"operator"`
	Name     string           `json:"name"`
	Customer mykey.CustomerID `json:"customer"`
}

// Balance is what the holder has under one account.
type Balance struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	Points  int64  `json:"points"`
}

// presence is one card from the moment at which it came to the one at which it
// left.
type presence struct {
	id     string
	reader string
	gone   chan struct{} // closed when it left
	turn   chan struct{} // holds one token: whoever has it talks to the card

	who  jpki.Identity // belongs to whose turn it is
	held *held         // likewise: a card whose PIN is verified

	view Card // the lock is Server.mu
}

// held is a card that stays in hand: its PIN is verified.
type held struct {
	proof   *proof
	contact Contact
	card    *jpki.Card
	visit   *shop.Visit
}

// callTime bounds a call's work, with its card and its database.
const callTime = 9 * time.Second

// take waits for the card's turn.
func (p *presence) take(ctx context.Context) error {
	select {
	case <-p.turn:
		return nil
	case <-ctx.Done():
		return refusal("busy")
	}
}

func (p *presence) give() { p.turn <- struct{}{} }

// letGo closes a card that was held. Call it in its turn.
func (p *presence) letGo() {
	if p.held == nil {
		return
	}
	p.held.visit.Close()
	_ = p.held.contact.Close() // a card that has left is an orderly end
	p.held = nil
}

// watch reports readers and cards to the log until ctx ends.
func (s *Server) watch(ctx context.Context) error {
	return s.cfg.Readers.Serve(ctx, Watcher{
		Reader: func(name string, there bool) {
			s.mu.Lock()
			if there && !slices.Contains(s.readers, name) {
				s.readers = append(s.readers, name)
			} else if !there {
				s.readers = slices.DeleteFunc(s.readers, func(r string) bool { return r == name })
			}
			s.mu.Unlock()
			kind := "reader.gone"
			if there {
				kind = "reader.connected"
			}
			s.log.add(Event{Type: kind, Reader: &name})
			if !there {
				s.remove(name)
			}
		},
		Card: func(ctx context.Context, reader string, t apdu.Transmitter) {
			ctx, cancel := context.WithTimeout(ctx, callTime)
			defer cancel()
			p := s.enter(reader)
			p.show(s, s.recognise(ctx, p, t))
			p.give()
		},
		Failed: func(reader string, err error) {
			p := s.enter(reader)
			p.show(s, Card{State: "unreadable", Error: explain(err)})
			p.give()
		},
		Removed: s.remove,
		Service: func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.service = err
		},
	})
}

// enter makes a card of what came to a reader. The caller has its turn.
func (s *Server) enter(reader string) *presence {
	s.remove(reader)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	p := &presence{id: fmt.Sprintf("c-%d", s.count), reader: reader, gone: make(chan struct{}), turn: make(chan struct{}, 1)}
	p.view = Card{ID: p.id, Reader: reader, Kind: jpki.KindUnknown.String(), Since: time.Now(), State: "reading", Services: []Service{}, Balances: []Balance{}}
	s.cards = append(s.cards, p)
	return p
}

// remove ends the card of a reader, if there is one.
func (s *Server) remove(reader string) {
	s.mu.Lock()
	i := slices.IndexFunc(s.cards, func(p *presence) bool { return p.reader == reader })
	if i < 0 {
		s.mu.Unlock()
		return
	}
	p := s.cards[i]
	s.cards = slices.Delete(s.cards, i, i+1)
	view := p.view
	s.mu.Unlock()
	close(p.gone)
	s.log.add(Event{Type: "card.removed", Card: &view})
}

// show sets what is known of a card and reports it, unless it has left.
func (p *presence) show(s *Server, c Card) {
	s.mu.Lock()
	first := p.view.State == "reading"
	c.ID, c.Reader, c.Since = p.view.ID, p.view.Reader, p.view.Since
	if c.Kind == "" {
		c.Kind = p.view.Kind
	}
	if c.Services == nil {
		c.Services = []Service{}
	}
	if c.Balances == nil {
		c.Balances = []Balance{}
	}
	p.view = c
	there := slices.Contains(s.cards, p)
	s.mu.Unlock()
	if !there {
		return
	}
	kind := "card.changed"
	if first {
		kind = "card.inserted"
	}
	s.log.add(Event{Type: kind, Card: &c})
}

// recognise asks a card whose it is, without a PIN. The caller has its turn.
func (s *Server) recognise(ctx context.Context, p *presence, t apdu.Transmitter) Card {
	var c Card
	unreadable := func(err error) Card {
		c.State, c.Error = "unreadable", explain(err)
		return c
	}
	card, err := jpki.Open(ctx, t)
	if err != nil {
		return unreadable(err)
	}
	kind, err := card.Kind(ctx)
	if err != nil {
		return unreadable(err)
	}
	c.Kind = kind.String()
	if p.who, err = card.Identity(ctx); err != nil {
		return unreadable(err)
	}
	return s.known(ctx, card, c)
}

// known adds to c who the holder is.
func (s *Server) known(ctx context.Context, card *jpki.Card, c Card) Card {
	serial, err := card.Serial(ctx, jpki.Auth)
	if err == nil {
		pseudonym := serial.Pseudonym(s.pseudonyms()).String()
		c.Pseudonym = &pseudonym
		var who customer
		if who, err = s.recogniseHolder(ctx, card); err == nil {
			c.State = "not_enrolled"
			if !who.ID.IsZero() {
				c.State, c.MyKeyID, c.Services, c.Balances = "known", &who.ID, who.Services, who.Balances
			}
			return c
		}
	}
	c.State, c.Error = "unreadable", explain(err)
	if _, ok := errors.AsType[*jpki.PINRequiredError](err); ok {
		c.State = "pin_first"
	}
	return c
}

// card is GET /v1/card: the card that came last.
func (s *Server) card(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	s.answer(w, http.StatusOK, map[string]any{"card": s.state(c).Card})
}

// state returns what is there now.
func (s *Server) state(c *clientInfo) *Present {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Present{Readers: slices.Clone(s.readers)}
	if p.Readers == nil {
		p.Readers = []string{}
	}
	if n := len(s.cards); n > 0 {
		view := s.cards[n-1].view
		p.Card = &view
	}
	if s.proof != nil && s.proof.client == c {
		view := s.proof.view
		p.Proof = &view
	}
	return p
}

// present returns the card of an id, or why there is none.
func (s *Server) presentCard(id string) (*presence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.cards {
		if p.id == id {
			return p, nil
		}
	}
	var n int
	if _, err := fmt.Sscanf(id, "c-%d", &n); err != nil || n < 1 || n > s.count {
		if id == "" || s.service != nil {
			return nil, errors.Join(s.service, refusal("card_missing"))
		}
		return nil, refusal("not_found")
	}
	return nil, refusal("card_removed")
}

// with runs f with the card of an id, in its turn: with the one that is held, or
// with one that is opened anew and compared with the one that came.
func (s *Server) with(ctx context.Context, id string, f func(ctx context.Context, p *presence, card *jpki.Card) error) error {
	p, err := s.presentCard(id)
	if err != nil {
		return err
	}
	if err := p.take(ctx); err != nil {
		return err
	}
	defer p.give()
	if p.held != nil {
		return f(ctx, p, p.held.card)
	}
	return s.opened(ctx, p, func(contact Contact, card *jpki.Card) (bool, error) { return false, f(ctx, p, card) })
}

// opened opens the card of p and runs f, which reports whether it keeps it. The
// caller has the card's turn.
func (s *Server) opened(ctx context.Context, p *presence, f func(Contact, *jpki.Card) (bool, error)) (err error) {
	contact, err := s.cfg.Readers.Open(ctx, p.reader)
	if err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept {
			_ = contact.Close() // a card that has left is an orderly end
		}
	}()
	card, err := jpki.Open(ctx, contact)
	if err != nil {
		return err
	}
	who, err := card.Identity(ctx)
	if err != nil {
		return err
	}
	if who != p.who {
		return jpki.ErrCardChanged
	}
	kept, err = f(contact, card)
	return err
}
