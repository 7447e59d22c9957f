package ticket_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/ticket"
)

// Between the look and the lock somebody else can have been there: what is
// decided under the lock counts, and a refusal then is one.
func TestDecidedUnderTheLock(t *testing.T) {
	errLate := errors.New("too late")
	eachStore(t, func(t *testing.T, s ticket.Store) {
		d := newDesk(t, s, ticket.Config{})
		n := d.issue(t, 5).Number
		before, err := s.Find(t.Context(), shop.Scope, n)
		require.NoError(t, err)
		calls := 0
		got, err := s.Change(t.Context(), shop.Scope, n, func(tk ticket.Ticket) (ticket.Ticket, error) {
			tk.Prints++
			if calls++; calls == 2 {
				return tk, errLate // and what it gives beside is not stored
			}
			return tk, nil
		})
		after, ferr := s.Find(t.Context(), shop.Scope, n)
		require.NoError(t, ferr)
		if calls == 2 {
			require.ErrorIs(t, err, errLate)
			require.Equal(t, before, after)
			return
		}
		require.NoError(t, err) // this store looks but once
		require.Equal(t, got, after)
		require.Equal(t, before.Prints+1, after.Prints)
	})
}

// A listing longer than a page has each ticket once, in order; a row that is
// damaged is an error and no ticket.
func TestLongListingAndDamage(t *testing.T) {
	db := dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir()))
	s, err := ticket.OpenSQL(t.Context(), db, ticket.SQLConfig{})
	require.NoError(t, err)
	d := newDesk(t, s, ticket.Config{})
	orders := make([]ticket.Order, 1200)
	for i := range orders {
		orders[i].Points = int64(i + 1)
	}
	_, err = d.IssueBatch(t.Context(), shop, orders)
	require.NoError(t, err)
	check := func(tickets []ticket.Ticket) {
		t.Helper()
		seen := make(map[ticket.Number]bool)
		for i, tk := range tickets {
			require.False(t, seen[tk.Number], "twice")
			seen[tk.Number] = true
			if i > 0 && tickets[i-1].EndedAt.Equal(tk.EndedAt) {
				require.Negative(t, tickets[i-1].Number.Compare(tk.Number))
			}
		}
		require.Len(t, tickets, len(orders))
	}
	year := period(t, "2026-01-01", "2026-12-31")
	check(full(t, s.Unredeemed(t.Context(), shop.Scope, year)))
	// All at three instants, so that pages end in the middle of one.
	from, to := at(t, "2026-12-01 00:00:00"), at(t, "2026-12-01 00:00:03")
	_, err = db.Exec("UPDATE ticket_ticket SET state = 2, ended_by = '1', ended_at = ? + (rowid % 3) * 1000000", from.UnixMicro())
	require.NoError(t, err)
	check(full(t, s.Redeemed(t.Context(), shop.Scope, from, to)))

	_, err = db.Exec("UPDATE ticket_ticket SET points = 'many' WHERE rowid = 700")
	require.NoError(t, err)
	var last error
	n := 0
	for tk, err := range s.Redeemed(t.Context(), shop.Scope, from, to) {
		require.NoError(t, last, "nothing comes behind an error")
		if last = err; err != nil {
			require.Zero(t, tk)
			continue
		}
		n++
	}
	require.Error(t, last)
	require.Less(t, n, len(orders))

	require.NoError(t, s.Miss(t.Context(), []string{"a"}, 1))
	_, err = db.Exec("UPDATE ticket_miss SET n = 'many'")
	require.NoError(t, err)
	_, err = s.Misses(t.Context(), []string{"a"}, 1)
	assert.Error(t, err, "a count that cannot be read is not none")
}
