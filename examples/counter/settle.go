package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/ticket"
)

// errBooks ends a day whose books do not balance.
var errBooks = errors.New("counter: the books do not balance")

// settle closes the day.
func (d *day) settle(ctx context.Context) error {
	today := d.place.shop.Today()
	d.title(d.Settle, d.date(today))
	c, err := d.place.shop.Settle(ctx, ticket.Period{From: today, To: today})
	if err != nil {
		return err
	}
	for _, t := range c.Tickets.Terminals() {
		d.line(d.Row, t.Terminal, t.Tickets, t.Points)
	}
	uses := c.Points.Sum()
	d.line(d.UseSum, uses.Uses.Count, uses.Uses.Points, uses.Refunds.Points)
	d.line(d.Total, uses.Sum().Count, uses.Sum().Points)
	d.line(d.MergeSum, c.Merged.Records, c.Merged.Points)
	b, err := d.place.shop.Books(ctx)
	if err != nil {
		return err
	}
	if !b.Exact() {
		d.line(d.Torn)
		return errBooks
	}
	d.line(d.Books, b.Opening+b.Granted, b.Used, b.Ticketed, b.Combined, b.City)
	d.line(d.Mallbook, b.MallOpening+b.Merged, b.Mall)
	fmt.Fprintln(d.out)
	d.plain(d.End)
	return nil
}
