package ticket_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/ticket"
)

// What every store does alike, at its edges.
func TestStoresAgree(t *testing.T) {
	eachStore(t, func(t *testing.T, s ticket.Store) {
		ctx := t.Context()
		draws := 0
		draw := func() ticket.Number { draws++; return number(t, fmt.Sprintf("%08d", draws)) }
		room := ticket.Room{Draw: draw, Limit: 100}
		issue := func(limit int64, ts ...ticket.Ticket) (ticket.Batch, error) {
			for i := range ts {
				ts[i].Scope, ts[i].State, ts[i].Prints, ts[i].IssuedBy = "A", ticket.Issued, 1, "1"
				ts[i].IssuedAt = at(t, "2026-11-21 10:00:00")
				if ts[i].Until == (ticket.Date{}) {
					ts[i].Until = day(t, "2026-12-01")
				}
			}
			return s.Issue(ctx, ticket.Drafts{Scope: "A", Tickets: ts, Room: ticket.Room{Draw: draw, Limit: limit},
				Same: func(i int, earlier ticket.Ticket) error {
					if earlier.Points != ts[i].Points {
						return ticket.ErrConflict
					}
					return nil
				}})
		}

		// A repeat needs no room, and takes none.
		first, err := issue(1, ticket.Ticket{Points: 5, OrderKey: "a"})
		require.NoError(t, err)
		old := first.Tickets[0].Number
		stored, err := s.Find(ctx, "A", old)
		require.NoError(t, err)
		for _, limit := range []int64{1, 0} {
			again, err := issue(limit, ticket.Ticket{Points: 5, OrderKey: "a"})
			require.NoError(t, err)
			require.Equal(t, []ticket.Ticket{stored}, again.Tickets)
			require.Zero(t, again.New)
		}
		var fe *ticket.FullError
		_, err = issue(1, ticket.Ticket{Points: 5})
		require.ErrorAs(t, err, &fe)
		require.Equal(t, ticket.FullError{Scope: "A", Taken: 1, Limit: 1}, *fe)
		_, err = issue(100, ticket.Ticket{Points: 6, OrderKey: "a"})
		require.ErrorIs(t, err, ticket.ErrConflict)
		_, err = issue(2, ticket.Ticket{Points: 5, OrderKey: "b"})
		require.NoError(t, err, "the last that there is room for")

		// A replacement's key is an order key like any other.
		replace := func(ctx context.Context, n ticket.Number, key string, r ticket.Room) (ticket.Ticket, error) {
			return s.Replace(ctx, "A", n, r, func(tk ticket.Ticket) (ticket.Ticket, ticket.Ticket, error) {
				next := tk
				next.OrderKey, next.Replaces = key, tk.Number
				tk.State, tk.EndedAt, tk.EndedBy = ticket.Replaced, at(t, "2026-11-22 10:00:00"), "2"
				return tk, next, nil
			})
		}
		_, err = replace(ctx, old, "r", ticket.Room{Draw: draw, Limit: 2})
		require.ErrorAs(t, err, &fe)
		require.EqualValues(t, 2, fe.Taken)
		done, cancel := context.WithCancel(ctx)
		cancel()
		_, err = replace(done, old, "r", room)
		require.ErrorIs(t, err, context.Canceled)
		_, err = replace(ctx, old, "b", room)
		require.ErrorIs(t, err, ticket.ErrConflict)
		_, err = replace(ctx, old, "r", ticket.Room{Draw: func() ticket.Number { return old }, Limit: 100})
		require.ErrorAs(t, err, &fe, "no number that is free is drawn")
		same, err := s.Find(ctx, "A", old)
		require.NoError(t, err)
		require.Equal(t, stored, same, "a replacement that failed has done nothing")
		next, err := replace(ctx, old, "r", ticket.Room{Draw: draw, Limit: 3})
		require.NoError(t, err)
		_, err = issue(100, ticket.Ticket{Points: 77, OrderKey: "r"})
		require.ErrorIs(t, err, ticket.ErrConflict)
		again, err := issue(100, ticket.Ticket{Points: 5, OrderKey: "r"})
		require.NoError(t, err)
		require.Equal(t, next.Number, again.Tickets[0].Number)
		// Without a key there is none to collide.
		third, err := issue(100, ticket.Ticket{Points: 1}, ticket.Ticket{Points: 2})
		require.NoError(t, err)
		for i, tk := range third.Tickets {
			_, err := replace(ctx, tk.Number, "", room)
			require.NoError(t, err, i)
		}

		// What has not ended has no time of an end, whatever else was changed.
		more, err := issue(100, ticket.Ticket{Points: 9, OrderKey: "c"}, ticket.Ticket{Points: 5, OrderKey: "r"}, ticket.Ticket{Points: 4})
		require.NoError(t, err)
		require.Equal(t, []int{2, 0}, []int{more.New, more.Redraws}, "a repeat is no collision of numbers")
		changed, err := s.Change(ctx, "A", more.Tickets[0].Number, func(tk ticket.Ticket) (ticket.Ticket, error) {
			tk.Prints++
			return tk, nil
		})
		require.NoError(t, err)
		found, err := s.Find(ctx, "A", more.Tickets[0].Number)
		require.NoError(t, err)
		require.Zero(t, found.EndedAt)
		require.Equal(t, changed.Prints, found.Prints)

		// A number that is taken is drawn again, also for an order with a key;
		// where only taken ones come, the scope is full.
		fresh := true
		again, err = s.Issue(ctx, ticket.Drafts{Scope: "A", Room: ticket.Room{Limit: 100, Draw: func() ticket.Number {
			if fresh {
				fresh = false
				return old
			}
			return draw()
		}}, Tickets: []ticket.Ticket{{Scope: "A", Points: 3, OrderKey: "d", State: ticket.Issued, Prints: 1, IssuedBy: "1",
			IssuedAt: at(t, "2026-11-21 10:00:00"), Until: day(t, "2026-12-01")}}})
		require.NoError(t, err)
		require.Equal(t, []int{1, 1}, []int{again.New, again.Redraws})
		for scope, taken := range map[ticket.Scope]int64{"A": again.Taken, "B": 0} {
			two := []ticket.Ticket{{Scope: scope, Points: 1, State: ticket.Issued, Prints: 1, IssuedBy: "1", IssuedAt: at(t, "2026-11-21 10:00:00"), Until: day(t, "2026-12-01")}}
			two = append(two, two[0])
			_, err = s.Issue(ctx, ticket.Drafts{Scope: scope, Tickets: two, Room: ticket.Room{Limit: 100, Draw: func() ticket.Number { return old }}})
			require.ErrorAs(t, err, &fe, scope)
			require.Equal(t, ticket.FullError{Scope: scope, Taken: taken, Limit: 100}, *fe)
		}

		// The ends of a listing.
		var days []ticket.Ticket
		for _, d := range []string{"2027-01-09", "2027-01-10", "2027-01-11", "2027-01-12", "2027-01-13"} {
			days = append(days, ticket.Ticket{Points: 1, Until: day(t, d)})
		}
		listed, err := issue(100, days...)
		require.NoError(t, err)
		var got []ticket.Date
		for _, tk := range full(t, s.Unredeemed(ctx, "A", period(t, "2027-01-10", "2027-01-12"))) {
			got = append(got, tk.Until)
		}
		require.Equal(t, []ticket.Date{day(t, "2027-01-10"), day(t, "2027-01-11"), day(t, "2027-01-12")}, got)
		for i, when := range []string{"2027-01-01 00:00:00", "2027-01-01 00:00:01", "2027-01-01 00:00:02", "2027-01-01 00:00:03"} {
			_, err := s.Change(ctx, "A", listed.Tickets[i].Number, func(tk ticket.Ticket) (ticket.Ticket, error) {
				tk.State, tk.EndedAt, tk.EndedBy, tk.Attempt = ticket.Redeemed, at(t, when), "9", "try"
				tk.Accepted = day(t, "2026-12-31")
				return tk, nil
			})
			require.NoError(t, err)
		}
		redeemed := full(t, s.Redeemed(ctx, "A", at(t, "2027-01-01 00:00:01"), at(t, "2027-01-01 00:00:03")))
		require.Len(t, redeemed, 2, "from the first instant, up to the other and without it")
		for i, tk := range redeemed {
			assert.Equal(t, listed.Tickets[i+1].Number, tk.Number)
			assert.Equal(t, day(t, "2026-12-31"), tk.Accepted)
			assert.Equal(t, "try", tk.Attempt)
			found, err := s.Find(ctx, "A", tk.Number)
			require.NoError(t, err)
			assert.Equal(t, tk, found)
		}
		for _, list := range []func(func(ticket.Ticket, error) bool){
			s.Unredeemed(done, "A", period(t, "2026-01-01", "2028-01-01")),
			s.Redeemed(done, "A", at(t, "2026-01-01 00:00:00"), at(t, "2028-01-01 00:00:00")),
		} {
			var last error
			n := 0
			for tk, err := range list {
				require.Zero(t, tk)
				last = err
				n++
			}
			require.ErrorIs(t, last, context.Canceled)
			require.Equal(t, 1, n)
		}
	})
}

// Counts of wrong numbers are those of a window; this one and the last are
// kept.
func TestMissesOfWindows(t *testing.T) {
	eachStore(t, func(t *testing.T, s ticket.Store) {
		ctx := t.Context()
		miss := func(window int64, subjects ...string) { require.NoError(t, s.Miss(ctx, subjects, window)) }
		counts := func(window int64) []int64 {
			n, err := s.Misses(ctx, []string{"a", "b", "c"}, window)
			require.NoError(t, err)
			return n
		}
		miss(7, "a", "b")
		miss(7, "a")
		assert.Equal(t, []int64{2, 1, 0}, counts(7))
		assert.Equal(t, []int64{0, 0, 0}, counts(8))
		miss(8, "c")
		assert.Equal(t, []int64{2, 1, 0}, counts(7), "the last window is kept")
		assert.Equal(t, []int64{0, 0, 1}, counts(8))
		miss(9, "b")
		assert.Equal(t, []int64{0, 0, 0}, counts(7), "the one before is not")
		assert.Equal(t, []int64{0, 0, 1}, counts(8))
		assert.Equal(t, []int64{0, 1, 0}, counts(9))
		done, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, s.Miss(done, []string{"a"}, 9), context.Canceled)
		assert.Equal(t, []int64{0, 1, 0}, counts(9))
	})
}
