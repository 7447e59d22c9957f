package ticket_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/ticket"
)

// What both engines do alike, at its edges.
func TestStoresAgree(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		draws := 0
		draw := func() ticket.Number { draws++; return number(t, fmt.Sprintf("%08d", draws)) }
		place := ticket.Terminal{ID: "1", Scope: "A"}
		books := map[int64]*desk{} // by how many numbers there may be
		for _, limit := range []int64{1, 2, 3, 100} {
			books[limit] = newDesk(t, s, ticket.Config{Policy: ticket.Policy{RefuseAt: limit}})
			books[limit].SetDraw(draw)
		}
		wide := books[100]
		issue := func(limit int64, orders ...ticket.Order) (ticket.Batch, error) {
			return books[limit].IssueBatch(ctx, place, orders)
		}

		// A repeat needs no room, and takes none.
		first, err := issue(1, ticket.Order{Points: 5, Key: "a"})
		require.NoError(t, err)
		old := first.Tickets[0].Number
		stored, err := wide.Find(ctx, "A", old)
		require.NoError(t, err)
		again, err := issue(1, ticket.Order{Points: 5, Key: "a"})
		require.NoError(t, err)
		require.Equal(t, []ticket.Ticket{stored}, again.Tickets)
		require.Zero(t, again.New)
		var fe *ticket.FullError
		_, err = issue(1, ticket.Order{Points: 5})
		require.ErrorAs(t, err, &fe)
		require.Equal(t, ticket.FullError{Scope: "A", Taken: 1, Limit: 1}, *fe)
		_, err = issue(100, ticket.Order{Points: 6, Key: "a"})
		require.ErrorIs(t, err, ticket.ErrConflict)
		_, err = issue(2, ticket.Order{Points: 5, Key: "b"})
		require.NoError(t, err, "the last that there is room for")
		again, err = issue(1, ticket.Order{Points: 5, Key: "a"})
		require.NoError(t, err, "beyond the bound of another program")
		require.Equal(t, []ticket.Ticket{stored}, again.Tickets)

		// A replacement's key is an order key like any other.
		_, err = books[2].Replace(ctx, place, old, "r")
		require.ErrorAs(t, err, &fe)
		require.EqualValues(t, 2, fe.Taken)
		done, cancel := context.WithCancel(ctx)
		cancel()
		_, err = wide.Replace(done, place, old, "r")
		require.ErrorIs(t, err, context.Canceled)
		_, err = wide.Replace(ctx, place, old, "b")
		require.ErrorIs(t, err, ticket.ErrConflict)
		wide.SetDraw(func() ticket.Number { return old })
		_, err = wide.Replace(ctx, place, old, "r")
		wide.SetDraw(draw)
		require.ErrorAs(t, err, &fe, "no number that is free is drawn")
		same, err := wide.Find(ctx, "A", old)
		require.NoError(t, err)
		require.Equal(t, stored, same, "a replacement that failed has done nothing")
		next, err := books[3].Replace(ctx, place, old, "r")
		require.NoError(t, err)
		_, err = issue(100, ticket.Order{Points: 77, Key: "r"})
		require.ErrorIs(t, err, ticket.ErrConflict)
		again, err = issue(100, ticket.Order{Points: 5, Key: "r"})
		require.NoError(t, err)
		require.Equal(t, next.Ticket.Number, again.Tickets[0].Number)
		// Without a key there is none to collide.
		third, err := issue(100, ticket.Order{Points: 1}, ticket.Order{Points: 2})
		require.NoError(t, err)
		for i, tk := range third.Tickets {
			_, err := wide.Replace(ctx, place, tk.Number, "")
			require.NoError(t, err, i)
		}

		// What has not ended has no time of an end, whatever else was changed.
		more, err := issue(100, ticket.Order{Points: 9, Key: "c"}, ticket.Order{Points: 5, Key: "r"}, ticket.Order{Points: 4})
		require.NoError(t, err)
		require.Equal(t, []int{2, 0}, []int{more.New, more.Redraws}, "a repeat is no collision of numbers")
		changed, err := wide.Reprint(ctx, place, more.Tickets[0].Number, "")
		require.NoError(t, err)
		found, err := wide.Find(ctx, "A", more.Tickets[0].Number)
		require.NoError(t, err)
		require.Zero(t, found.EndedAt)
		require.Equal(t, changed.Ticket.Prints, found.Prints)

		// A number that is taken is drawn again, also for an order with a key;
		// where only taken ones come, the scope is full.
		fresh := true
		wide.SetDraw(func() ticket.Number {
			if fresh {
				fresh = false
				return old
			}
			return draw()
		})
		again, err = issue(100, ticket.Order{Points: 3, Key: "d"})
		require.NoError(t, err)
		require.Equal(t, []int{1, 1}, []int{again.New, again.Redraws})
		wide.SetDraw(func() ticket.Number { return old })
		for scope, taken := range map[ticket.Scope]int64{"A": again.Taken, "B": 0} {
			_, err = wide.IssueBatch(ctx, ticket.Terminal{ID: "1", Scope: scope}, []ticket.Order{{Points: 1}, {Points: 1}})
			require.ErrorAs(t, err, &fe, scope)
			require.Equal(t, ticket.FullError{Scope: scope, Taken: taken, Limit: 100}, *fe)
		}
		wide.SetDraw(draw)

		// The ends of a listing.
		wide.clock.set(at(t, "2026-12-31 10:00:00"))
		var days []ticket.Order
		for _, d := range []string{"2027-01-09", "2027-01-10", "2027-01-11", "2027-01-12", "2027-01-13"} {
			days = append(days, ticket.Order{Points: 1, Until: day(t, d)})
		}
		listed, err := issue(100, days...)
		require.NoError(t, err)
		var got []ticket.Date
		for _, tk := range full(t, wide.Unredeemed(ctx, "A", period(t, "2027-01-10", "2027-01-12"))) {
			got = append(got, tk.Until)
		}
		require.Equal(t, []ticket.Date{day(t, "2027-01-10"), day(t, "2027-01-11"), day(t, "2027-01-12")}, got)
		for i, when := range []string{"2026-12-31 23:59:59", "2027-01-01 00:00:00", "2027-01-01 23:59:59", "2027-01-02 00:00:00"} {
			wide.clock.set(at(t, when))
			_, err := wide.Redeem(ctx, ticket.Presentation{Terminal: ticket.Terminal{ID: "9", Scope: "A"},
				Code: code(listed.Tickets[i].Number), Attempt: "try", Accepted: day(t, "2026-12-31")})
			require.NoError(t, err)
		}
		redeemed := full(t, wide.Details(ctx, "A", period(t, "2027-01-01", "2027-01-01")))
		require.Len(t, redeemed, 2, "from the first instant, up to the other and without it")
		for i, line := range redeemed {
			assert.Equal(t, listed.Tickets[i+1].Number, line.Number)
			assert.Equal(t, day(t, "2026-12-31"), line.Accepted)
			found, err := wide.Find(ctx, "A", line.Number)
			require.NoError(t, err)
			assert.Equal(t, "try", found.Attempt)
			assert.Equal(t, line, found.Detail())
		}
		year := period(t, "2026-01-01", "2028-01-01")
		var last error
		n := 0
		for tk, err := range wide.Unredeemed(done, "A", year) {
			require.Zero(t, tk)
			last = err
			n++
		}
		for line, err := range wide.Details(done, "A", year) {
			require.ErrorIs(t, last, context.Canceled)
			require.Zero(t, line)
			last = err
			n++
		}
		require.ErrorIs(t, last, context.Canceled)
		require.Equal(t, 2, n)
	})
}

// Counts of wrong numbers are those of a window, and of programs with the same
// window. Neither another window nor a clock that is ahead clears them.
func TestMissesOfWindows(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		with := func(window time.Duration) *desk {
			return newDesk(t, s, ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 2, Window: window}}})
		}
		d := with(time.Hour)
		began := d.clock.Now()
		guess := func(d *desk) ticket.Reason {
			_, err := d.Inspect(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode("0000-0000")})
			require.Same(t, ticket.ErrRefused, err)
			return d.last()
		}
		spent := func(d *desk) {
			t.Helper()
			assert.Equal(t, ticket.ReasonThrottled, guess(d))
		}
		spend := func(d *desk) {
			t.Helper()
			for range 2 {
				assert.Equal(t, ticket.ReasonUnknown, guess(d))
			}
			spent(d)
		}
		spend(d)
		for _, window := range []time.Duration{time.Minute, 24 * time.Hour, 1000 * time.Hour} {
			spend(with(window))
		}
		spent(d)
		ahead := with(time.Hour)
		for _, by := range []time.Duration{time.Hour, 2 * time.Hour, 72 * time.Hour, 1000 * time.Hour} {
			ahead.clock.set(began.Add(by))
			spend(ahead)
		}
		spent(d)

		done, cancel := context.WithCancel(ctx)
		cancel()
		d.clock.set(began.Add(3 * time.Hour))
		_, err := d.Inspect(done, ticket.Presentation{Terminal: shop, Code: ticket.NewCode("0000-0000")})
		require.ErrorIs(t, err, context.Canceled)
		spend(d)

		// A count that is old by the database's clock and by the program's is
		// deleted.
		count := func() (n int) {
			require.NoError(t, s.db.QueryRow("SELECT count(*) FROM "+s.table("miss")+" WHERE subject LIKE 'terminal%'").Scan(&n))
			return n
		}
		before := count()
		_, err = s.db.Exec("UPDATE " + s.table("miss") + " SET made = made - 86400 * 33")
		require.NoError(t, err)
		late := with(time.Hour)
		late.clock.set(began.Add(1001 * time.Hour))
		guess(late)
		assert.Equal(t, 3, count(), "of %d: those of the last window, and of the longer one", before)
	})
}
