package shop

import (
	"context"
	"database/sql"
	"iter"
	"time"

	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
)

// Closing is what a period came to.
type Closing struct {
	// Points is what the city pays the shops (精算): uses and redeemed tickets, by
	// terminal, place and account.
	Points point.Settlement
	// Mall is what was used of the mall's own points.
	Mall point.Settlement
	// Tickets is what was redeemed, of Points.
	Tickets ticket.Settlement
	// Issued are the tickets that holders' points were put on.
	Issued ticket.Total
	// Merged are the records of merge files and their points.
	Merged struct{ Records, Points int64 }
}

// Settle adds a period up; for one day From and To are the same. The errors
// are those of [ticket.Book.Settle], or the database's.
func (s *Shop) Settle(ctx context.Context, period ticket.Period) (Closing, error) {
	var c Closing
	var err error
	if c.Tickets, err = s.book.Settle(ctx, s.cfg.Scope, period); err != nil {
		return Closing{}, err
	}
	if c.Issued, err = s.book.Paid(ctx, s.cfg.Scope, period); err != nil {
		return Closing{}, err
	}
	if c.Points, err = s.city.Settle(ctx, period); err != nil {
		return Closing{}, err
	}
	var lines []point.Line
	for _, l := range c.Tickets.Lines {
		lines = append(lines, point.Line{Terminal: l.Terminal, Place: l.Place, Account: point.Account(l.Account),
			Tickets: point.Total{Count: l.Tickets, Points: l.Points}})
	}
	if c.Points, err = c.Points.With(lines, c.Tickets.Final); err != nil {
		return Closing{}, err
	}
	if c.Mall, err = s.mall.Settle(ctx, period); err != nil {
		return Closing{}, err
	}
	merged, err := s.mall.SettlePartners(ctx, period)
	for _, l := range merged.Lines {
		c.Merged.Records += l.Moved.Count
		c.Merged.Points += l.Moved.Points
	}
	return c, err
}

// Day is what was done at a terminal from one レジ締め to the next, for the
// comparison with the till's own list.
type Day struct {
	City, Mall point.TillClosing // uses, what was given back, tickets, 合算
	Redeemed   ticket.Total      // ポイント券消込
}

// CloseTill adds up what was done at a terminal from the instant of its last
// closing up to but not including that of this one (レジ締め), as the till says. What
// comes later is dated later, whatever its clock. The errors are those of
// [ticket.Terminal.Check] and [point.Ledger.CloseTill].
func (s *Shop) CloseTill(ctx context.Context, at ticket.Terminal, from, to time.Time) (Day, error) {
	return addTill(ctx, s.city, s.mall, s.book, at, from, to)
}

// Till is [Shop.CloseTill] for a list that is only looked at. It changes nothing.
func (s *Shop) Till(ctx context.Context, at ticket.Terminal, from, to time.Time) (Day, error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return Day{}, err
	}
	defer func() { _ = tx.Rollback() }() // there is nothing to keep
	if s.postgres {
		// The ledgers ask this of every transaction that is not their own.
		if _, err := tx.ExecContext(ctx, "SET LOCAL synchronous_commit = on"); err != nil {
			return Day{}, err
		}
	}
	return addTill(ctx, s.city.In(tx), s.mall.In(tx), s.book.In(tx), at, from, to)
}

func addTill(ctx context.Context, city, mall *point.Ledger, book *ticket.Book, at ticket.Terminal, from, to time.Time) (d Day, err error) {
	if err := at.Check(); err != nil {
		return Day{}, err
	}
	if d.City, err = city.CloseTill(ctx, at.ID, from, to); err != nil {
		return Day{}, err
	}
	if d.Mall, err = mall.CloseTill(ctx, at.ID, from, to); err != nil {
		return Day{}, err
	}
	lines, err := book.Between(ctx, at.Scope, from, to)
	for _, l := range lines {
		if l.Terminal == at.ID && err == nil {
			d.Redeemed, err = d.Redeemed.Add(l.Total)
		}
	}
	return d, err
}

// Acts yields what was done with points at a terminal from one instant up to but
// not including another, in the order of time: first with the city's points, then
// with the mall's. The error is the database's.
func (s *Shop) Acts(ctx context.Context, at ticket.Terminal, from, to time.Time) iter.Seq2[point.Detail, error] {
	return func(yield func(point.Detail, error) bool) {
		for _, ledger := range []*point.Ledger{s.city, s.mall} {
			for d, err := range ledger.TillDetails(ctx, at.ID, from, to) {
				if !yield(d, err) || err != nil {
					return
				}
			}
		}
	}
}

// Details yields what was redeemed in a period, for [ticket.CSV.WriteDetails].
// The errors are those of [ticket.Book.Details].
func (s *Shop) Details(ctx context.Context, period ticket.Period) iter.Seq2[ticket.Detail, error] {
	return s.book.Details(ctx, s.cfg.Scope, period)
}
