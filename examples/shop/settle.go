package shop

import (
	"context"
	"fmt"
	"iter"

	"github.com/mynakit/mynakit/ticket"
)

// Closing is what a period came to.
type Closing struct {
	// Issued are the tickets that holders' points were put on.
	Issued ticket.Total
	// Tickets is what was redeemed, terminal by terminal: what the city pays
	// the shops (精算).
	Tickets ticket.Settlement
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
	err = s.db.QueryRowContext(ctx, `SELECT
		CAST(COALESCE(SUM(CASE WHEN kind = 'ticket' THEN 1 ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN kind = 'ticket' THEN -points ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN kind = 'merge' THEN 1 ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN kind = 'merge' THEN points ELSE 0 END), 0) AS BIGINT)
		FROM shop_movement WHERE at >= $1 AND at < $2`,
		period.From.Start().UnixMilli(), period.To.End().UnixMilli()).
		Scan(&c.Issued.Tickets, &c.Issued.Points, &c.Merged.Records, &c.Merged.Points)
	if err != nil {
		return Closing{}, fmt.Errorf("shop: settle: %w", err)
	}
	return c, nil
}

// Details yields what was redeemed in a period, for [ticket.CSV.WriteDetails].
// The errors are those of [ticket.Book.Details].
func (s *Shop) Details(ctx context.Context, period ticket.Period) iter.Seq2[ticket.Detail, error] {
	return s.book.Details(ctx, s.cfg.Scope, period)
}
