package shop

import (
	"context"
	"iter"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
)

// FindTicket returns a ticket of the terminal's association, in whatever state,
// for the counter that issues tickets: to print it again, to replace or to cancel
// it. code is what a QR reader or a keyboard gave. A screen that takes tickets
// must not show it; see [Shop.Inspect]. The errors are [ticket.ErrNotFound], also
// for a code that is none, and those of [ticket.Book.Find].
func (s *Shop) FindTicket(ctx context.Context, at ticket.Terminal, code ticket.Code) (ticket.Ticket, error) {
	key, err := ticket.NewKey(ticketKeyID, s.cfg.Keys.open().ticket)
	if err != nil {
		return ticket.Ticket{}, err
	}
	scope, n, err := ticket.Keys{key}.Open(code.Reveal())
	if err != nil {
		scope = at.Scope
		if n, err = ticket.ParseNumber(code.Reveal()); err != nil {
			n, err = ticket.ParseCheckedNumber(code.Reveal())
		}
	}
	if err != nil || scope != at.Scope {
		return ticket.Ticket{}, ticket.ErrNotFound
	}
	return s.book.Find(ctx, at.Scope, n)
}

// Replace voids a live ticket and returns another with a new number, the same
// points and the same last day (再発行). attempt names this press of the button.
// The errors are those of [ticket.Book.Replace].
func (s *Shop) Replace(ctx context.Context, at ticket.Terminal, n ticket.Number, attempt string) (ticket.Ticket, error) {
	r, err := s.book.Replace(ctx, at, n, attempt)
	return r.Ticket, err
}

// Uses yields what the shops took of points at their tills in a period, for
// [point.CSV.WriteDetails]. The errors are those of [point.Ledger.Details].
func (s *Shop) Uses(ctx context.Context, period ticket.Period) iter.Seq2[point.Detail, error] {
	return s.city.Details(ctx, mykey.Period{From: mykey.Date(period.From), To: mykey.Date(period.To)})
}

// Ticket returns the ticket of an order's key, without the card: for a terminal
// that prints it later. The errors are ErrOrderKey and those of
// [ticket.Book.FindOrder].
func (s *Shop) Ticket(ctx context.Context, at ticket.Terminal, key string) (ticket.Ticket, error) {
	if !validKey(key) {
		return ticket.Ticket{}, ErrOrderKey
	}
	return s.book.FindOrder(ctx, at.Scope, key)
}
