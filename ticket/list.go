package ticket

import (
	"context"
	"errors"
	"iter"
)

// Unredeemed yields a scope's tickets that were not redeemed, cancelled or
// replaced and whose last day lies in the period, by last day and number. Their
// State is as of now. With a period that begins today, it lists what is about
// to lapse, so that shops can bring in what they hold. With a period that is
// over, it lists what has lapsed.
//
// It yields [ErrScope] or [ErrPeriod] for malformed input. An error ends the
// sequence.
func (b *Book) Unredeemed(ctx context.Context, scope Scope, until Period) iter.Seq2[Ticket, error] {
	return func(yield func(Ticket, error) bool) {
		if err := errors.Join(scope.Check(), checkPeriod(until)); err != nil {
			yield(Ticket{}, err)
			return
		}
		q, err := b.db.Queries(ctx)
		var m moment
		if err == nil {
			m, err = b.moment(ctx, q, scope)
		}
		if err != nil {
			yield(Ticket{}, domain.Told("list unredeemed tickets", err))
			return
		}
		for t, err := range b.pages(ctx, `SELECT `+columns+` FROM {ticket}
			WHERE scope = ? AND state = 1 AND until <= ? AND (until, number) > (?, ?)
			ORDER BY until, number LIMIT ?`,
			scope, dayNumber(until.To), dayNumber(until.From), func(t Ticket) int64 { return dayNumber(t.Until) }) {
			t.State = t.StateAt(m.date(), b.policy.GraceDays)
			if !yield(t, domain.Told("list unredeemed tickets", err)) || err != nil {
				return
			}
		}
	}
}

// redeemed yields the tickets redeemed in a period, by time and number.
func (b *Book) redeemed(ctx context.Context, scope Scope, period Period) iter.Seq2[Ticket, error] {
	return b.pages(ctx, `SELECT `+columns+` FROM {ticket}
		WHERE scope = ? AND state = 2 AND ended_at < ? AND (ended_at, number) > (?, ?)
		ORDER BY ended_at, number LIMIT ?`,
		scope, period.To.End().UnixMicro(), period.From.Start().UnixMicro(), func(t Ticket) int64 { return t.EndedAt.UnixMicro() })
}

// pageRows is how many tickets are read at a time.
const pageRows = 500

// pages yields the rows of a query page by page, so that no connection is
// held while the caller works on a ticket, and memory does not grow. The
// query takes the scope, the end, and the key and number to start behind.
func (b *Book) pages(ctx context.Context, query string, scope Scope, end, key int64, keyOf func(Ticket) int64) iter.Seq2[Ticket, error] {
	return func(yield func(Ticket, error) bool) {
		number := "" // before every number
		for {
			page, err := b.page(ctx, query, string(scope), end, key, number, pageRows)
			if err != nil {
				yield(Ticket{}, err)
				return
			}
			for _, t := range page {
				if !yield(t, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
			last := page[len(page)-1]
			key, number = keyOf(last), last.Number.Digits()
		}
	}
}

func (b *Book) page(ctx context.Context, query string, args ...any) ([]Ticket, error) {
	q, err := b.db.Queries(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []Ticket
	for rows.Next() {
		t, err := scan(rows)
		if err != nil {
			return nil, err
		}
		page = append(page, t)
	}
	return page, rows.Err()
}
