package page

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/mynakit/mynakit/ticket/paper"
)

// printView is a page of its own for paper: a picture and the browser's print.
type printView struct {
	Lang    Lang
	Title   string
	Class   string // of the body: which paper
	Back    string
	Picture string
}

// print is the print view of what is in hand: a ticket on A4 or on a roll, or a
// receipt. A ticket's number is in the picture alone.
func (p *Page) print(w http.ResponseWriter, r *http.Request) {
	s := p.sessions.of(r)
	name := r.PathValue("paper")
	if s == nil || name != "a4" && name != "roll" && name != "receipt" {
		p.fault(w, r, http.StatusNotFound)
		return
	}
	lang := s.language()
	v := printView{Lang: lang, Title: lang.pick("ポイント券の印刷", "Print the ticket"), Class: name, Picture: "/print/ticket.svg"}
	s.look(func(w *work) { v.Back = "/" + w.screen })
	_, ok := s.issued()
	if name == "receipt" {
		v.Title, v.Picture = lang.pick("控えの印刷", "Print the record"), "/print/receipt.svg"
		_, ok = p.receiptInHand(r.Context(), s)
	}
	if !ok {
		http.Redirect(w, r, v.Back, http.StatusSeeOther)
		return
	}
	if name != "a4" {
		v.Class += fmt.Sprintf(" columns%d", p.cfg.Roll)
	}
	var b bytes.Buffer
	if err := p.paper[lang].Execute(&b, v); err != nil {
		p.fault(w, r, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// printSVG is the picture of the ticket in hand, for the session that has it. A
// database that is busy keeps nobody from printing: the ticket counts as not
// printed then, and the next screen says so.
func (p *Page) printSVG(w http.ResponseWriter, r *http.Request) {
	s := p.sessions.of(r)
	if s == nil {
		p.fault(w, r, http.StatusNotFound)
		return
	}
	now, ok := s.issued()
	if !ok {
		p.fault(w, r, http.StatusNotFound)
		return
	}
	slip, err := p.cfg.Shop.Slip(now.Ticket)
	var svg []byte
	if err == nil {
		svg, err = slip.SVG()
	}
	if err != nil {
		p.fault(w, r, http.StatusNotFound) // a ticket that is not live any more
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), stepTime)
	defer cancel()
	if err := p.printed(ctx, s, now.Ticket); err != nil {
		s.say(*p.told(ctx, s.language(), err))
	}
	p.changes.tell()
	picture(w, svg)
}

func picture(w http.ResponseWriter, svg []byte) {
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = w.Write(svg)
}

// A receipted task has something to show for it on paper.
type receipted interface {
	receipt() (paper.Receipt, bool)
}

// receiptInHand returns the receipt of what was done last.
func (p *Page) receiptInHand(_ context.Context, s *session) (r paper.Receipt, ok bool) {
	s.look(func(w *work) {
		if at, is := w.task.(receipted); is {
			r, ok = at.receipt()
		}
	})
	r.Issuer = p.cfg.Name
	return r, ok
}

// printReceiptSVG is its picture.
func (p *Page) printReceiptSVG(w http.ResponseWriter, r *http.Request) {
	if s := p.sessions.of(r); s != nil {
		if receipt, ok := p.receiptInHand(r.Context(), s); ok {
			if svg, err := receipt.SVG(); err == nil {
				picture(w, svg)
				return
			}
		}
	}
	p.fault(w, r, http.StatusNotFound)
}
