package ticket_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
)

// A ticket that waits for its paper is listed for its own terminal until it is
// printed, has ended, or has lapsed; others are not listed.
func TestUnprinted(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		c := &clock{now: at(t, "2026-11-21 10:00:00")}
		b := s.open(t, ticket.Config{Clock: c.Now})
		other := shop
		other.ID = "other"
		issue := func(where ticket.Terminal, o ticket.Order) ticket.Ticket {
			tk, err := b.Issue(ctx, where, o)
			require.NoError(t, err)
			assert.Equal(t, o.ToPrint, tk.Unprinted)
			return tk
		}
		issue(shop, ticket.Order{Points: 1})
		issue(other, ticket.Order{Points: 2, ToPrint: true})
		first := issue(shop, ticket.Order{Points: 3, ToPrint: true, Key: "k"})
		again, err := b.Issue(ctx, shop, ticket.Order{Points: 3, ToPrint: true, Key: "k"})
		require.NoError(t, err)
		assert.Equal(t, first, again)
		today := issue(shop, ticket.Order{Points: 4, ToPrint: true, Until: mykey.DateOf(c.Now())})
		gone := issue(shop, ticket.Order{Points: 5, ToPrint: true})
		_, err = b.Cancel(ctx, shop, gone.Number, "press")
		require.NoError(t, err)
		list := func() []ticket.Ticket {
			out, err := b.Unprinted(ctx, shop)
			require.NoError(t, err)
			return out
		}
		assert.ElementsMatch(t, []ticket.Ticket{first, today}, list())
		for range 2 {
			require.NoError(t, b.Printed(ctx, shop.Scope, first.Number))
		}
		assert.Equal(t, []ticket.Ticket{today}, list())
		c.set(at(t, "2026-11-22 00:00:00"))
		assert.Empty(t, list())
		found, err := b.Find(ctx, shop.Scope, first.Number)
		require.NoError(t, err)
		assert.False(t, found.Unprinted)

		assert.ErrorIs(t, b.Printed(ctx, shop.Scope, ticket.NewNumber()), ticket.ErrNotFound)
		assert.ErrorIs(t, b.Printed(ctx, "", first.Number), ticket.ErrScope)
		_, err = b.Unprinted(ctx, ticket.Terminal{Scope: shop.Scope})
		assert.ErrorIs(t, err, ticket.ErrTerminal)
	})
}

// A ticket whose payment is taken over is in the books, and goes back with its
// points like any other.
func TestTakeOver(t *testing.T) {
	eachDB(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		p := openPurse(t, db, 1000)
		old, err := p.Issue(ctx, shop, ticket.Order{Points: 300, Key: "of then"})
		require.NoError(t, err)
		ended, err := p.Issue(ctx, shop, ticket.Order{Points: 50})
		require.NoError(t, err)
		_, err = p.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode(ended.Number.Digits())})
		require.NoError(t, err)
		assert.ErrorIs(t, p.TakeOver(ctx, shop.Scope, ticket.NewNumber(), "aoba", "paid-1", false), ticket.ErrNotFound)
		assert.ErrorIs(t, p.TakeOver(ctx, shop.Scope, old.Number, "aoba", "", false), ticket.ErrKey)
		assert.ErrorIs(t, p.TakeOver(ctx, shop.Scope, old.Number, "=aoba", "paid-1", false), ticket.ErrAccount)
		assert.ErrorIs(t, p.TakeOver(ctx, "", old.Number, "aoba", "paid-1", false), ticket.ErrScope)
		for _, tk := range []ticket.Ticket{old, ended} {
			key := fmt.Sprint("paid-", tk.Points)
			require.NoError(t, p.ledger.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
				_, err := p.ledger.In(tx).Use(ctx, point.Use{Request: point.Request{Scope: string(shop.Scope), Name: key}, Holder: p.holder,
					Account: "aoba", Points: tk.Points, Proved: true, For: point.OpTicket, Terminal: shop.ID})
				if err != nil {
					return err
				}
				return p.In(tx).TakeOver(ctx, shop.Scope, tk.Number, "aoba", key, true)
			}))
			require.NoError(t, p.TakeOver(ctx, shop.Scope, tk.Number, "aoba", key, true), "it can be repeated")
			assert.ErrorIs(t, p.TakeOver(ctx, shop.Scope, tk.Number, "aoba", "another", true), ticket.ErrConflict)
		}
		waiting, err := p.Unprinted(ctx, shop)
		require.NoError(t, err)
		require.Len(t, waiting, 1)
		assert.Equal(t, "aoba", waiting[0].Account)
		now, err := p.Find(ctx, shop.Scope, ended.Number)
		require.NoError(t, err)
		assert.Empty(t, now.Account, "a settlement may have been made of it")
		books, err := p.Books(ctx)
		require.NoError(t, err)
		assert.Equal(t, map[string]ticket.Total{"aoba": {Tickets: 1, Points: 300}, "": {Tickets: 1, Points: 50}}, books.Paid)
		paid, err := p.Paid(ctx, shop.Scope, period(t, "2026-11-21", "2026-11-21"))
		require.NoError(t, err)
		assert.Equal(t, ticket.Total{Tickets: 2, Points: 350}, paid)
		_, err = p.Paid(ctx, shop.Scope, ticket.Period{})
		assert.ErrorIs(t, err, ticket.ErrPeriod)

		_, err = p.Cancel(ctx, shop, old.Number, "press")
		require.NoError(t, err)
		balances, err := p.ledger.Balances(ctx, p.holder)
		require.NoError(t, err)
		assert.EqualValues(t, 950, balances[0].Points)
	})
}

// A book in training has tables and numbers of its own. A live book refuses its
// tickets, and neither pays for the other's.
func TestTrainingBook(t *testing.T) {
	eachDB(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		key, err := ticket.NewKey("K1", []byte("a key of thirty-two random bytes"))
		require.NoError(t, err)
		p := openPurse(t, db, 1000)
		live, err := ticket.Open(ctx, db, ticket.Config{Keys: ticket.Keys{key}})
		require.NoError(t, err)
		drill, err := ticket.Open(ctx, db, ticket.Config{Keys: ticket.Keys{key}, Training: true})
		require.NoError(t, err)
		for n := range 50 {
			tk, err := drill.Issue(ctx, shop, ticket.Order{Points: int64(n + 1)})
			require.NoError(t, err)
			assert.Regexp(t, "^000", tk.Number.Digits())
			qr, err := drill.QR(tk)
			require.NoError(t, err)
			if n == 0 {
				for _, code := range []string{qr, tk.Number.Digits()} {
					_, err = live.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode(code)})
					assert.ErrorIs(t, err, ticket.ErrRefused)
				}
				_, err = drill.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode(qr)})
				require.NoError(t, err)
			}
		}
		batch, err := live.IssueBatch(ctx, shop, manyOrders())
		require.NoError(t, err)
		for _, tk := range batch.Tickets {
			require.NotRegexp(t, "^000", tk.Number.Digits())
		}
		_, err = drill.Issue(ctx, shop, p.order("paid-by-live-points", 10))
		assert.ErrorIs(t, err, ticket.ErrTraining)
		points, err := point.Open(ctx, db, point.Config{Training: true})
		require.NoError(t, err)
		_, err = live.Issue(ctx, shop, ticket.Order{Points: 1, Key: "paid by practice", Pay: func(ctx context.Context, tx *sql.Tx, _ ticket.Ticket) error {
			_, err := points.In(tx).Balances(ctx, p.holder)
			return err
		}})
		assert.ErrorIs(t, err, ticket.ErrTraining)
		balances, err := p.ledger.Balances(ctx, p.holder)
		require.NoError(t, err)
		assert.EqualValues(t, 1000, balances[0].Points)
	})
}

func manyOrders() []ticket.Order {
	out := make([]ticket.Order, 4000)
	for i := range out {
		out[i].Points = 1
	}
	return out
}
