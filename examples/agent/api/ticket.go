package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/ticket"
)

// Ticket is a ticket as it is sent: its number is on its paper alone.
type Ticket struct {
	ID       string `json:"id"`
	Points   int64  `json:"points"`
	Until    string `json:"until"`
	Printed  bool   `json:"printed"`
	Training bool   `json:"training"`
}

func (s *Server) ticketOf(t ticket.Ticket) Ticket {
	return Ticket{objectID("t-", t.OrderKey), t.Points, t.Until.String(), !t.Unprinted, s.cfg.Training}
}

// tickets is POST /v1/tickets.
func (s *Server) tickets(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	var body struct {
		Card    string `json:"card"`
		Account string `json:"account"`
		Points  int64  `json:"points"`
		Until   string `json:"until"`
		Proof   string `json:"proof"`
	}
	if !s.body(w, r, &body) {
		return
	}
	until := ticket.Date{}
	if body.Until != "" {
		var err error
		if until, err = mykey.ParseDate(body.Until); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	if _, err := s.accountName(body.Account); err != nil {
		s.fail(w, r, err)
		return
	}
	same := []any{body.Account, body.Points, body.Until}
	s.once(w, r, c, actTicket, "t-", same, http.StatusCreated, func(ctx context.Context, d doing, again bool) (map[string]any, error) {
		if again {
			t, err := s.cfg.Shop.Ticket(ctx, s.at, d.order)
			if !errors.Is(err, ticket.ErrNotFound) {
				return map[string]any{"ticket": s.ticketOf(t), "repeated": true}, err
			}
		}
		var issued ticket.Ticket
		err := s.visit(ctx, d, body.Card, body.Proof, "ticket", body.Account, body.Points, func(ctx context.Context, v *shop.Visit, card *jpki.Card) (err error) {
			issued, err = v.IssueTicket(ctx, card, s.at, ticket.Order{Key: d.order, Account: body.Account, Points: body.Points, Until: until})
			return err
		})
		if err != nil {
			return nil, err
		}
		s.refresh(ctx, body.Card)
		t := s.ticketOf(issued)
		if !t.Printed {
			s.log.add(Event{Type: "ticket.unprinted", Ticket: &t, for_: c})
		}
		return map[string]any{"ticket": t}, nil
	})
}

// unprinted is GET /v1/tickets?printed=false: those of this client.
func (s *Server) unprinted(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	if r.URL.Query().Get("printed") != "false" {
		s.refuse(w, r, "bad_request")
		return
	}
	all, err := s.cfg.Shop.Unprinted(r.Context(), s.at)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	list := []Ticket{}
	for _, t := range all {
		if _, err := s.store.object(r.Context(), c.id, objectID("t-", t.OrderKey)); err == nil {
			list = append(list, s.ticketOf(t))
		}
	}
	s.answer(w, http.StatusOK, map[string]any{"tickets": list})
}

// inspect is POST /v1/tickets/inspect.
func (s *Server) inspect(w http.ResponseWriter, r *http.Request, _ *clientInfo) {
	var body struct {
		Code string `json:"code"`
	}
	if !s.body(w, r, &body) {
		return
	}
	t, err := s.cfg.Shop.Inspect(r.Context(), s.at, ticket.NewCode(body.Code))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, map[string]any{"ticket": map[string]any{"points": t.Points, "until": t.Until.String()}})
}

// Redemption is a ticket that was used up, as it is sent.
type Redemption struct {
	ID       string    `json:"id"`
	Points   int64     `json:"points"`
	At       time.Time `json:"at"`
	Training bool      `json:"training"`
}

// redemptions is POST /v1/redemptions.
func (s *Server) redemptions(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	var body struct {
		Code string `json:"code"`
	}
	if !s.body(w, r, &body) {
		return
	}
	s.once(w, r, c, actRedeem, "d-", body.Code, http.StatusCreated, func(ctx context.Context, d doing, _ bool) (map[string]any, error) {
		s.redeeming.RLock()
		defer s.redeeming.RUnlock()
		// The book dates by its clock, and what is dated before the last closing is
		// in no list.
		if err := s.store.pastClosing(ctx); err != nil {
			return nil, err
		}
		receipt, err := s.cfg.Shop.Redeem(ctx, s.at, ticket.NewCode(body.Code), d.order)
		t := receipt.Ticket
		return map[string]any{"redemption": Redemption{d.object, t.Points, t.EndedAt, s.cfg.Training}}, err
	})
}
