package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/mynakit/mynakit/ticket/paper"
)

// printed is what was printed, as it is sent. Data has a ticket's number, so the
// type is nobody else's.
type printed struct {
	Of    string `json:"of"` // the ticket's or the use's id
	As    string `json:"as"` // paper, escpos, html
	Again bool   `json:"again"`
	Data  []byte `json:"data,omitempty"` // for the POS's own printer
}

// The errors of a printer that has printed nothing.
var (
	ErrPaper   error = refusal("printer_paper")
	ErrCover   error = refusal("printer_cover")
	ErrOffline error = refusal("printer_offline")
)

// prints is POST /v1/prints. The same key never prints twice: if it is not known
// whether the first time came to its end, that is the answer.
func (s *Server) prints(w http.ResponseWriter, r *http.Request, c *clientInfo) {
	var body struct {
		Ticket string `json:"ticket"`
		Use    string `json:"use"`
		Again  bool   `json:"again"`
		As     string `json:"as"`
	}
	if !s.body(w, r, &body) {
		return
	}
	if body.As == "" {
		body.As = "paper"
	}
	p := printed{Of: body.Ticket + body.Use, As: body.As, Again: body.Again}
	if (body.Ticket == "") == (body.Use == "") || body.As != "paper" && body.As != "escpos" && body.As != "html" {
		s.refuse(w, r, "bad_request")
		return
	}
	if _, err := s.store.object(r.Context(), c.id, p.Of); err != nil {
		s.fail(w, r, err)
		return
	}
	s.once(w, r, c, actPrint, "", p, http.StatusOK, func(ctx context.Context, d doing, again bool) (map[string]any, error) {
		if again && p.As == "paper" {
			if s.notPrinted(d) {
				again = false // the printer said that nothing was printed
			} else {
				return nil, refusal("outcome_unknown")
			}
		}
		of, err := s.store.object(ctx, c.id, p.Of)
		if err != nil {
			return nil, err
		}
		var data []byte
		var done func() error
		if of.act == actTicket {
			data, done, err = s.ticketPaper(ctx, of, d, p)
		} else {
			data, err = s.receiptPaper(ctx, of, p)
		}
		if err != nil {
			s.setNotPrinted(d)
			return nil, err
		}
		if p.As == "paper" {
			err = ErrOffline
			if s.cfg.Printer != nil {
				err = s.cfg.Printer(ctx, data)
			}
			switch {
			case errors.Is(err, ErrPaper), errors.Is(err, ErrCover), errors.Is(err, ErrOffline):
				s.setNotPrinted(d)
				return nil, err
			case err != nil:
				s.cfg.Log.Error("the end of a print is not known", "error", err)
				return nil, refusal("outcome_unknown")
			}
		} else {
			p.Data = data
		}
		if done != nil {
			if err := done(); err != nil {
				s.cfg.Log.Error("a print was not recorded", "error", err) // the ticket is listed again
			}
		}
		return map[string]any{"print": p}, nil
	})
}

// setNotPrinted remembers that nothing was printed under a key, so that the same
// key can try again. An agent that is started anew does not know it.
func (s *Server) setNotPrinted(d doing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unprintedKeys) > 1000 {
		clear(s.unprintedKeys)
	}
	s.unprintedKeys[d.order] = true
}

// notPrinted takes that back for the next try.
func (s *Server) notPrinted(d doing) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.unprintedKeys[d.order]
	delete(s.unprintedKeys, d.order)
	return known
}

// ticketPaper returns the bytes of a ticket, and what records that they are out.
func (s *Server) ticketPaper(ctx context.Context, of request, d doing, p printed) ([]byte, func() error, error) {
	t, err := s.cfg.Shop.Ticket(ctx, s.at, orderKey(of.client, of.key))
	if err == nil && !t.Unprinted {
		if !p.Again {
			return nil, nil, refusal("printed_before")
		}
		t, err = s.cfg.Shop.Reprint(ctx, s.at, t.Number, d.order)
	}
	if err != nil {
		return nil, nil, err
	}
	slip, err := s.cfg.Shop.Slip(t)
	if err != nil {
		return nil, nil, err
	}
	done := func() error { return s.cfg.Shop.Printed(ctx, t) }
	if p.As == "html" {
		var b bytes.Buffer
		err := paper.WriteHTML(&b, slip)
		return b.Bytes(), done, err
	}
	data, err := slip.ESCPOS(paper.Roll80mm)
	return data, done, err
}

// receiptPaper returns the bytes of a use's receipt.
func (s *Server) receiptPaper(ctx context.Context, of request, p printed) ([]byte, error) {
	receipt, err := s.cfg.Shop.Status(ctx, s.at, orderKey(of.client, of.key))
	if err != nil {
		return nil, err
	}
	r := s.cfg.Shop.Receipt(receipt, p.Again)
	if p.As == "html" {
		return r.SVG()
	}
	return r.ESCPOS(paper.Roll80mm)
}
