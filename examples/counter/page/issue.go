package page

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/text/width"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// issueWork is a ticket on its way (システム設計書 II.11②(ア)): typed (画面32), shown
// for confirmation (画面33), issued and printed (画面34).
type issueWork struct {
	visit  *shop.Visit
	seq    int // the presentation that it began with
	Tries  int // of the PIN
	Holder mykey.ID
	Has    int64 // the holder's points before
	// Order has a key from the beginning: pressed twice, it is one ticket.
	Order  ticket.Order
	Ticket ticket.Ticket // once it is issued
	Paper  bool          // it has been printed
	// reprint is of the next press of that button, however often it is sent.
	reprint string
}

func (w *issueWork) close() {
	if w != nil && w.visit != nil {
		w.visit.Close()
	}
}

// Issued reports whether there is a ticket.
func (w *issueWork) Issued() bool { return !w.Ticket.Number.IsZero() }

// Rest is what the holder has left after it.
func (w *issueWork) Rest() int64 { return w.Has - w.Order.Points }

type issueView struct {
	Work        *issueWork
	First, Last ticket.Date
	Unprinted   int
	Printer     bool
	Away        bool // the card that the work is about is not on the reader
}

func (p *Page) issueData(ctx context.Context, s *session, _ url.Values) (any, error) {
	today := p.cfg.Shop.Today()
	v := issueView{First: today, Last: today.AddDays(ticket.MaxDays), Printer: p.cfg.Printer != nil}
	s.look(func(w *work) {
		if w.issue != nil {
			now := *w.issue
			v.Work, v.Away = &now, now.seq != p.shown().seq
		}
	})
	if v.Work != nil {
		return v, nil
	}
	tickets, err := p.cfg.Shop.Unprinted(ctx, p.at)
	v.Unprinted = len(tickets)
	return v, err
}

// issueCheck begins a visit and shows what would be issued.
func (p *Page) issueCheck(ctx context.Context, s *session, form url.Values) (*notice, error) {
	typed := strings.ReplaceAll(width.Narrow.String(strings.TrimSpace(form.Get("points"))), ",", "")
	points, err := strconv.ParseInt(typed, 10, 64)
	if err != nil || points < 1 || points > ticket.MaxPoints {
		return nil, ticket.ErrPoints
	}
	until, err := ticket.ParseDate(form.Get("until"))
	if today := p.cfg.Shop.Today(); err != nil || until.Compare(today) < 0 || until.Compare(today.AddDays(ticket.MaxDays)) > 0 {
		return nil, ticket.ErrValidity
	}
	next := &issueWork{Order: ticket.Order{Points: points, Until: until, Key: rand.Text()}, reprint: rand.Text()}
	err = p.withCard(ctx, func(card *jpki.Card) (err error) {
		next.visit, err = p.cfg.Shop.Begin(ctx, card)
		if err == nil {
			next.seq, next.Tries = p.shown().seq, p.tries(ctx, card)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	holder, err := next.visit.Customer(ctx)
	if err == nil && holder.CityPoints < points {
		err = shop.ErrBalance
	}
	if err != nil {
		next.close()
		return nil, err
	}
	next.Holder, next.Has = holder.ID, holder.CityPoints
	s.look(func(w *work) {
		w.issue.close()
		w.issue = next
	})
	return nil, nil
}

// issueIssue issues it, with the card that is in the reader now. The holder's PIN
// comes with it.
func (p *Page) issueIssue(ctx context.Context, s *session, form url.Values) (*notice, error) {
	var now *issueWork
	s.look(func(w *work) { now = w.issue })
	if now != nil && now.Issued() {
		return nil, nil // sent twice
	}
	pin, err := p.pinOf(ctx, form)
	if err != nil {
		return nil, err
	}
	defer pin.clear()
	if now == nil || now.visit == nil {
		return nil, registry.ErrSessionOver
	}
	err = p.withCard(ctx, func(card *jpki.Card) error {
		if err := p.prove(ctx, s, card, now.visit, pin, &now.Tries); err != nil {
			return err
		}
		t, err := now.visit.IssueTicket(ctx, card, p.at, now.Order)
		if err == nil {
			s.look(func(*work) { now.Ticket = t })
			p.update(ctx, card)
		}
		return err
	})
	if err != nil {
		if over(err) {
			p.issueDrop(s)
		}
		return nil, err
	}
	return &notice{Kind: "good",
		What: s.language().pick("ポイント券を発行しました。", "The ticket is issued."),
		Do:   s.language().pick("印刷して、発行認印を押してください。", "Print it and put the issuer's seal on it.")}, nil
}

// issueUnprinted takes up a ticket that was paid for and not printed.
func (p *Page) issueUnprinted(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	tickets, err := p.cfg.Shop.Unprinted(ctx, p.at)
	if err != nil || len(tickets) == 0 {
		return nil, err
	}
	t := tickets[0]
	s.look(func(w *work) {
		w.issue.close()
		w.issue = &issueWork{Ticket: t, Order: ticket.Order{Points: t.Points, Until: t.Until}, reprint: rand.Text()}
	})
	return nil, nil
}

// issueReprint puts it on paper once more, marked so (再発行).
func (p *Page) issueReprint(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	now, ok := s.issued()
	if !ok {
		return nil, registry.ErrSessionOver
	}
	t, err := p.cfg.Shop.Reprint(ctx, p.at, now.Ticket.Number, now.reprint)
	if err != nil {
		return nil, err
	}
	s.look(func(w *work) {
		if w.issue != nil && w.issue.reprint == now.reprint {
			w.issue.Ticket, w.issue.reprint = t, rand.Text()
		}
	})
	return &notice{Kind: "warn",
		What: s.language().pick("再発行の券です。", "This is the ticket once more."),
		Do:   s.language().pick("前の券があれば回収してください。どちらか先に使われた券だけが有効です。", "Take the former paper back if it is there: whichever is used first is the one that counts.")}, nil
}

// issueReceipt prints on the receipt printer.
func (p *Page) issueReceipt(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	now, ok := s.issued()
	if !ok || p.cfg.Printer == nil {
		return nil, registry.ErrSessionOver
	}
	slip, err := p.cfg.Shop.Slip(now.Ticket)
	if err != nil {
		return nil, err
	}
	escpos, err := slip.ESCPOS(paper.Roll80mm)
	if err != nil {
		return nil, err
	}
	if err := p.cfg.Printer(ctx, escpos); err != nil {
		return nil, &entry{
			mykey.Text{JA: "レシートプリンターで印刷できませんでした。", EN: "The receipt printer did not print."},
			mykey.Text{JA: "電源と用紙を確かめて、もう一度押してください。A4での印刷もできます。", EN: "Check its power and paper and press again, or print on A4."}}
	}
	return nil, p.printed(ctx, s, now.Ticket)
}

// issueEnd is for the next holder.
func (p *Page) issueEnd(_ context.Context, s *session, _ url.Values) (*notice, error) {
	p.issueDrop(s)
	return nil, nil
}

func (p *Page) issueDrop(s *session) {
	s.look(func(w *work) {
		w.issue.close()
		w.issue = nil
	})
}

// issued returns the ticket in hand.
func (s *session) issued() (now issueWork, ok bool) {
	s.look(func(w *work) {
		if w.issue != nil {
			now = *w.issue
		}
	})
	return now, now.Issued()
}

// printed records that there is paper.
func (p *Page) printed(ctx context.Context, s *session, t ticket.Ticket) error {
	if err := p.cfg.Shop.Printed(ctx, t); err != nil {
		return err
	}
	s.look(func(w *work) {
		if w.issue != nil && w.issue.Ticket.Number == t.Number {
			w.issue.Paper = true
		}
	})
	return nil
}

// print is the print view, a page of its own for A4 or for an 80 mm roll. The
// number is in the picture alone.
func (p *Page) print(w http.ResponseWriter, r *http.Request) {
	s := p.sessions.of(r)
	name := r.PathValue("paper")
	if s == nil || name != "a4" && name != "80mm" {
		p.fault(w, r, http.StatusNotFound)
		return
	}
	if _, ok := s.issued(); !ok {
		http.Redirect(w, r, "/issue", http.StatusSeeOther)
		return
	}
	f := p.frame(r.Context(), s, p.screenNamed("issue"))
	var b bytes.Buffer
	if err := p.paper[f.Lang].Execute(&b, struct {
		Lang Lang
		Roll bool
	}{f.Lang, name == "80mm"}); err != nil {
		p.fault(w, r, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// printSVG is the ticket's picture, for the session that issued it.
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
	if err != nil {
		p.fault(w, r, http.StatusInternalServerError)
		return
	}
	svg, err := slip.SVG()
	if err == nil {
		err = p.printed(r.Context(), s, now.Ticket)
	}
	if err != nil {
		p.fault(w, r, http.StatusInternalServerError)
		return
	}
	p.changes.tell()
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = w.Write(svg)
}
