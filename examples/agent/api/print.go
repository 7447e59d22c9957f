package api

import (
	"bytes"
	"context"
	"encoding/json"
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

// prints is POST /v1/prints. Of several keys that would print one thing at one
// moment one does, and the same key never prints twice: what is not known to have
// come to its end is that in the answer, from before the printer is asked.
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
	s.once(w, r, c, actPrint, "", p, http.StatusOK, func(ctx context.Context, d doing, _ bool) (map[string]any, error) {
		if err := s.store.takePaper(ctx, p.Of, d, p.Again); err != nil {
			return nil, err
		}
		done, end, err := s.print(ctx, d, p)
		// What is known of the paper is kept, however long it took.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
		defer cancel()
		if kept := s.store.endPaper(ctx, p.Of, d, end); kept != nil {
			s.cfg.Log.Error("the end of a print was not written down", "error", kept)
		}
		return map[string]any{"print": done}, err
	})
}

// print prints, and returns what is to be kept as the answer: see endPaper.
func (s *Server) print(ctx context.Context, d doing, p printed) (done printed, end string, err error) {
	of, err := s.store.object(ctx, d.client.id, p.Of)
	if err != nil {
		return p, "", err
	}
	var data []byte
	recorded := func() error { return nil }
	if of.act == actTicket {
		data, recorded, err = s.ticketPaper(ctx, of, d, p)
	} else {
		data, err = s.receiptPaper(ctx, of, p)
	}
	if err != nil {
		return p, "", err
	}
	if p.As == "paper" {
		err = ErrOffline
		if s.cfg.Printer != nil {
			err = s.cfg.Printer(ctx, data)
		}
		switch {
		case errors.Is(err, ErrPaper), errors.Is(err, ErrCover), errors.Is(err, ErrOffline):
			return p, "", err
		case err != nil:
			s.cfg.Log.Error("the end of a print is not known", "error", err)
			return p, notKnown, refusal("outcome_unknown")
		}
	}
	text, err := json.Marshal(map[string]any{"print": p}) // without the data
	if err == nil {
		err = recorded()
	}
	if err != nil { // the ticket is listed again, and only who has looked can print it
		s.cfg.Log.Error("a print was not recorded", "error", err)
		return p, notKnown, refusal("outcome_unknown")
	}
	if p.As != "paper" {
		p.Data = data
	}
	return p, string(text), nil
}

// ticketPaper returns the bytes of a ticket, and what records that they are out.
func (s *Server) ticketPaper(ctx context.Context, of request, d doing, p printed) ([]byte, func() error, error) {
	t, err := s.cfg.Shop.Ticket(ctx, s.at, orderKey(of.client, of.key))
	switch {
	case err != nil:
	case p.Again:
		t, err = s.cfg.Shop.Reprint(ctx, s.at, t.Number, d.order)
	case !t.Unprinted:
		err = refusal("printed_before")
	}
	if err != nil {
		return nil, nil, err
	}
	slip, err := s.cfg.Shop.Slip(t)
	if err != nil {
		return nil, nil, err
	}
	done := func() error { return s.cfg.Shop.Printed(context.WithoutCancel(ctx), t) }
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
