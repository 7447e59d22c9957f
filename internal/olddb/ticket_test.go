package olddb

import (
	"database/sql"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/ticket"
)

func TestTickets(t *testing.T) {
	each(t, "keepers", func(t *testing.T, db *sql.DB, w want) {
		ctx := t.Context()
		key := must(ticket.NewKey("K1", []byte("the ticket key of this old fixture")))(t)
		b := must(ticket.Open(ctx, db, ticket.Config{Clock: clock, Keys: ticket.Keys{key},
			Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 5}}}))(t)

		require.Len(t, w.Tickets, 7)
		tickets := make(map[string]ticket.Ticket)
		for _, old := range w.Tickets {
			n := must(ticket.ParseNumber(old.Number))(t)
			now := must(b.Find(ctx, office.Scope, n))(t)
			tickets[old.Key] = now
			got := oldTicket{Number: now.Number.Digits(), State: now.State.String(), Until: now.Until.String(), Key: now.OrderKey,
				Attempt: now.Attempt, EndedBy: now.EndedBy, ReplacedBy: now.ReplacedBy.Digits(), Replaces: now.Replaces.Digits(),
				Points: now.Points, Prints: now.Prints, IssuedAt: old.IssuedAt, EndedAt: old.EndedAt, QR: must(b.QR(now))(t)}
			assert.Equal(t, old, got)
			assert.WithinDuration(t, old.IssuedAt, now.IssuedAt, 0)
			assert.WithinDuration(t, old.EndedAt, now.EndedAt, 0)
		}

		settled := must(b.Settle(ctx, office.Scope, november))(t)
		assert.Equal(t, ticket.Total{Tickets: 1, Points: 200}, settled.Redeemed)
		assert.Equal(t, ticket.Total{Tickets: 1, Points: 100}, settled.Lapsed)
		var open []int64
		for left, err := range b.Unredeemed(ctx, office.Scope, ticket.Period{From: november.From, To: november.To.AddDays(60)}) {
			require.NoError(t, err)
			open = append(open, left.Points)
		}
		slices.Sort(open)
		assert.Equal(t, []int64{100, 400, 500, 600}, open)
		open = nil
		for left, err := range b.Unredeemed(ctx, "131016-02", ticket.Period{From: november.From, To: november.To.AddDays(60)}) {
			require.NoError(t, err)
			open = append(open, left.Points)
		}
		slices.Sort(open)
		assert.Equal(t, []int64{7, 8}, open)

		// The order that was given twice, the answer that was lost, the code on
		// paper.
		again := must(b.Issue(ctx, office, ticket.Order{Points: 600, Key: "order 6"}))(t)
		assert.Equal(t, tickets["order 6"].Number, again.Number)
		receipt := must(b.Redeem(ctx, ticket.Presentation{Terminal: till, Code: ticket.NewCode(tickets["order redeemed"].Number.Digits()), Attempt: "press 1"}))(t)
		assert.True(t, receipt.Repeated)
		receipt = must(b.Redeem(ctx, ticket.Presentation{Terminal: till, Code: ticket.NewCode(must(b.QR(tickets["order 6"]))(t))}))(t)
		assert.EqualValues(t, 600, receipt.Ticket.Points)

		// Three numbers were guessed today, of five.
		live := ticket.NewCode(tickets["order live"].Number.Digits())
		guess := func() {
			_, err := b.Inspect(ctx, ticket.Presentation{Terminal: till, Code: ticket.NewCode(tickets["order replaced"].Number.Digits())})
			assert.ErrorIs(t, err, ticket.ErrRefused)
		}
		guess()
		must(b.Inspect(ctx, ticket.Presentation{Terminal: till, Code: live}))(t)
		guess()
		_, err := b.Inspect(ctx, ticket.Presentation{Terminal: till, Code: live})
		assert.ErrorIs(t, err, ticket.ErrRefused, "the bound is reached")
	})
}
