package ticket_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/ticket"
)

// Between the look and the lock somebody else can have been there: what is
// decided under the lock counts, and a refusal then is one. A typed number counts as
// a guess then too.
func TestDecidedUnderTheLock(t *testing.T) {
	eachHooked(t, func(t *testing.T, h *dbtest.Hooked, hooked, direct tables) {
		once := ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 1}}}
		d, other := newDesk(t, hooked, once), newDesk(t, direct, once)
		for _, typed := range []bool{false, true} {
			tk := d.issue(t, 5)
			text, err := d.QR(tk)
			require.NoError(t, err)
			if typed {
				text = tk.Number.Digits()
			}
			var first ticket.Receipt
			looked := false
			h.Set(func(s dbtest.Step) error {
				looked = looked || s.Call() && looksUp(s)
				if s.What == "begin" && !s.After && looked && first.Ticket.Points == 0 {
					first, err = other.Redeem(t.Context(), ticket.Presentation{Terminal: shop2, Code: ticket.NewCode(text), Attempt: "first"})
				}
				return nil
			})
			late, lateErr := d.Redeem(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode(text), Attempt: "late"})
			h.Set(nil)
			require.NoError(t, err)
			require.EqualValues(t, 5, first.Ticket.Points)
			require.Same(t, ticket.ErrRefused, lateErr)
			require.Zero(t, late)
			require.Equal(t, ticket.ReasonRedeemed, d.last())
			now, err := d.Find(t.Context(), shop.Scope, tk.Number)
			require.NoError(t, err)
			require.Equal(t, first.Ticket, now)
		}
		_, err := d.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode(d.issue(t, 5).Number.Digits())})
		require.Same(t, ticket.ErrRefused, err)
		require.Equal(t, ticket.ReasonThrottled, d.last())
	})
}

// A listing longer than a page has each ticket once, in order; a row that is
// damaged is an error and no ticket.
func TestLongListingAndDamage(t *testing.T) {
	db := dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir()))
	d := newDesk(t, tables{db: db}, ticket.Config{})
	orders := make([]ticket.Order, 1200)
	for i := range orders {
		orders[i].Points = int64(i + 1)
	}
	_, err := d.IssueBatch(t.Context(), shop, orders)
	require.NoError(t, err)
	check := func(tickets []ticket.Detail) {
		t.Helper()
		seen := make(map[ticket.Number]bool)
		for i, tk := range tickets {
			require.False(t, seen[tk.Number], "twice")
			seen[tk.Number] = true
			if i > 0 && tickets[i-1].RedeemedAt.Equal(tk.RedeemedAt) {
				require.Negative(t, tickets[i-1].Number.Compare(tk.Number))
			}
		}
		require.Len(t, tickets, len(orders))
	}
	year := period(t, "2026-01-01", "2026-12-31")
	var live []ticket.Detail
	for _, tk := range full(t, d.Unredeemed(t.Context(), shop.Scope, year)) {
		live = append(live, tk.Detail())
	}
	check(live)
	// All at three instants, so that pages end in the middle of one.
	from, december := at(t, "2026-12-01 00:00:00"), period(t, "2026-12-01", "2026-12-01")
	_, err = db.Exec("UPDATE ticket_ticket SET state = 2, ended_by = '1', ended_at = ? + (rowid % 3) * 1000000", from.UnixMicro())
	require.NoError(t, err)
	check(full(t, d.Details(t.Context(), shop.Scope, december)))

	_, err = db.Exec("UPDATE ticket_ticket SET points = 'many' WHERE rowid = 700")
	require.NoError(t, err)
	var last error
	n := 0
	for tk, err := range d.Details(t.Context(), shop.Scope, december) {
		require.NoError(t, last, "nothing comes behind an error")
		if last = err; err != nil {
			require.Zero(t, tk)
			continue
		}
		n++
	}
	require.Error(t, last)
	require.Less(t, n, len(orders))

	guess := func() error {
		return second(d.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode("0000-000")}))
	}
	require.Same(t, ticket.ErrRefused, guess())
	guess = func() error {
		return second(d.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode("0000-0000")}))
	}
	require.Same(t, ticket.ErrRefused, guess())
	_, err = db.Exec("UPDATE ticket_miss SET n = 'many'")
	require.NoError(t, err)
	require.Same(t, ticket.ErrRefused, guess())
	assert.Equal(t, ticket.ReasonThrottled, d.last(), "a count that cannot be read is not none")
}
