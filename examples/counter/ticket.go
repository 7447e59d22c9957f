package main

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/ticket"
)

// The day's figures, in points.
const (
	grantPoints  = 2000
	usePoints    = 200
	wrongPoints  = 250 // and taken back
	ticketPoints = 500
	mergePoints  = 300
)

// issue puts points on paper.
func (d *day) issue(ctx context.Context) (printed, error) {
	d.title(d.Issue, d.office.ID)
	var paid ticket.Ticket
	err := d.visit(ctx, func(card *jpki.Card, visit *shop.Visit) (err error) {
		// A till takes the number of the sale: should it die before the answer
		// is there, it asks again with the same.
		paid, err = visit.IssueTicket(ctx, card, d.office, ticket.Order{Points: ticketPoints, Key: "sale-" + rand.Text()})
		return err
	})
	if err != nil {
		return printed{}, err
	}
	d.line(d.Issued, paid.Points, d.date(paid.Until))
	p, err := printTicket(ctx, d.place.shop, d.place.tickets(), d.roll, paid)
	if err != nil {
		return printed{}, err
	}
	d.line(d.Paper, p.page)
	d.line(d.Receipt, p.receipt)
	return p, nil
}

// redeem takes the ticket at another terminal, asks again, and is refused when
// the paper comes a second time.
func (d *day) redeem(ctx context.Context, p printed) error {
	d.title(d.Redeem, d.till.ID)
	code := p.qr // what the till's reader gives
	shown, err := d.place.shop.Inspect(ctx, d.till, code)
	if err != nil {
		return err
	}
	d.line(d.Shown, shown.Points, d.date(shown.Until))
	attempt := "press " + rand.Text()
	receipt, err := d.place.shop.Redeem(ctx, d.till, code, attempt)
	if err != nil {
		return err
	}
	d.line(d.Redeemed, receipt.Ticket.Points)
	if receipt, err = d.place.shop.Redeem(ctx, d.till, code, attempt); err != nil {
		return err
	}
	if receipt.Repeated {
		d.line(d.Repeated)
	}
	_, err = d.place.shop.Redeem(ctx, d.till, code, "press "+rand.Text())
	if !errors.Is(err, ticket.ErrRefused) {
		return err
	}
	d.line(d.Refused, speak.In(d.lang, shop.Explain(err).What))
	return nil
}
