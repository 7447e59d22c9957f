package page

import (
	"context"
	"crypto/rand"
	"net/url"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// issueWork is a ticket on its way (システム設計書 II.11②(ア)): typed (画面32), shown
// for confirmation (画面33), issued and printed (画面34).
type issueWork struct {
	procedure
	From point.Balance // before
	// Order has a key from the beginning: pressed twice, it is one ticket.
	Order  ticket.Order
	Ticket ticket.Ticket // once it is issued
	Paper  bool          // it has been printed
	// reprint is of the next press of that button, however often it is sent.
	reprint string
}

// follows: a ticket that was issued shows nothing of its holder.
func (w *issueWork) follows(seq int) bool { return w.Issued() || w.procedure.follows(seq) }

// Issued reports whether there is a ticket.
func (w *issueWork) Issued() bool { return !w.Ticket.Number.IsZero() }

// Rest is what the holder has left after it.
func (w *issueWork) Rest() int64 { return w.From.Points - w.Order.Points }

// printing returns the work if there is a ticket, for the part of a screen that
// prints it.
func (w *issueWork) printing() *issueWork {
	if w == nil || !w.Issued() {
		return nil
	}
	return w
}

type issueView struct {
	Work        *issueWork
	Printing    *issueWork // the same, once there is a ticket
	First, Last ticket.Date
	Unprinted   int
	Accounts    accounts
	Printer     bool
	Away        bool // the card that the work is about is not on the reader
}

func (p *Page) issueData(ctx context.Context, s *session, _ url.Values) (any, error) {
	today := p.cfg.Shop.Today()
	v := issueView{First: today, Last: today.AddDays(ticket.MaxDays), Printer: p.cfg.Printer != nil, Work: shownOf[issueWork](s)}
	if v.Work != nil {
		v.Away, v.Printing = p.away(v.Work), v.Work.printing()
		return v, nil
	}
	v.Accounts = p.offered(s, citysOnly)
	tickets, err := p.cfg.Shop.Unprinted(ctx, p.at)
	v.Unprinted = len(tickets)
	return v, err
}

// issueCheck begins a visit and shows what would be issued.
func (p *Page) issueCheck(ctx context.Context, s *session, form url.Values) (*notice, error) {
	points, err := pointsOf(form)
	if err != nil {
		return nil, err
	}
	until, err := mykey.ParseDate(form.Get("until"))
	if today := p.cfg.Shop.Today(); err != nil || until.Compare(today) < 0 || until.Compare(today.AddDays(ticket.MaxDays)) > 0 {
		return nil, inField("until", ticket.ErrValidity)
	}
	pr, holder, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	from, err := chosen(holder, form, citysOnly)
	if err == nil && from.Points < points {
		err = &point.ShortError{Balance: from.Points}
	}
	if err != nil {
		pr.close()
		return nil, inField("points", err)
	}
	s.take("issue", &issueWork{procedure: pr, From: from, reprint: rand.Text(),
		Order: ticket.Order{Points: points, Until: until, Account: string(from.Account), Key: rand.Text()}})
	return nil, nil
}

// issueIssue issues it, with the card that is in the reader now. The holder's PIN
// comes with it.
func (p *Page) issueIssue(ctx context.Context, s *session, form url.Values) (*notice, error) {
	now := inHand[*issueWork](s)
	if now == nil {
		return nil, p.sign(ctx, s, form, nil, nil)
	}
	if now.Issued() {
		return nil, nil // sent twice
	}
	err := p.sign(ctx, s, form, &now.procedure, func(card *jpki.Card) error {
		t, err := now.visit.IssueTicket(ctx, card, p.at, now.Order)
		if err == nil {
			s.look(func(*work) { now.Ticket = t })
			p.issued.add(t)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &notice{Kind: "good",
		What: s.language().pick("ポイント券を発行しました。", "The ticket is issued."),
		Do:   s.language().pick("印刷して、発行認印を押してください（サインでも可）。", "Print it and put the issuer's seal or a signature on it.")}, nil
}

// issueUnprinted takes up a ticket that was paid for and not printed.
func (p *Page) issueUnprinted(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	tickets, err := p.cfg.Shop.Unprinted(ctx, p.at)
	if err != nil || len(tickets) == 0 {
		return nil, err
	}
	s.take("issue", printing(tickets[0]))
	return nil, nil
}

// printing is the work with a ticket that is to be printed.
func printing(t ticket.Ticket) *issueWork {
	return &issueWork{Ticket: t, Order: ticket.Order{Points: t.Points, Until: t.Until}, reprint: rand.Text()}
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
		if at, ok := w.task.(*issueWork); ok && at.reprint == now.reprint {
			at.Ticket, at.reprint = t, rand.Text()
		}
	})
	return reprinted(s), nil
}

// reprinted is what is said of a ticket that has another paper.
func reprinted(s *session) *notice {
	return &notice{Kind: "warn",
		What: s.language().pick("再発行したポイント券です。", "This is the ticket once more."),
		Do:   s.language().pick("前のポイント券があれば回収してください。先に利用された1枚だけが有効です。", "Take the former paper back if it is there: whichever is used first is the one that counts.")}
}

// issueReceipt prints on the receipt printer.
func (p *Page) issueReceipt(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	now, ok := s.issued()
	if !ok {
		return nil, registry.ErrSessionOver
	}
	slip, err := p.cfg.Shop.Slip(now.Ticket)
	if err != nil {
		return nil, err
	}
	if err := p.printBytes(ctx, slip.ESCPOS); err != nil {
		return nil, err
	}
	return nil, p.printed(ctx, s, now.Ticket)
}

// printBytes prints on the receipt printer what escpos makes for its roll.
func (p *Page) printBytes(ctx context.Context, escpos func(paper.Roll) ([]byte, error)) error {
	if p.cfg.Printer == nil {
		return registry.ErrSessionOver
	}
	b, err := escpos(p.cfg.Roll)
	if err != nil {
		return err
	}
	if p.cfg.Printer(ctx, b) != nil {
		return &entry{
			mykey.Text{JA: "レシートプリンターで印刷できませんでした。", EN: "The receipt printer did not print."},
			mykey.Text{JA: "電源と用紙を確認して、もう一度押してください。A4でも印刷できます。", EN: "Check its power and paper and press again, or print on A4."}}
	}
	return nil
}

// issued returns the ticket in hand.
func (s *session) issued() (now issueWork, ok bool) {
	if w := shownOf[issueWork](s); w != nil {
		now = *w
	}
	return now, now.Issued()
}

// printed records that there is paper.
func (p *Page) printed(ctx context.Context, s *session, t ticket.Ticket) error {
	if err := p.cfg.Shop.Printed(ctx, t); err != nil {
		return err
	}
	s.look(func(w *work) {
		if at, ok := w.task.(*issueWork); ok && at.Ticket.Number == t.Number {
			at.Paper = true
		}
	})
	return nil
}
