package ticket_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// desk is a book with a clock to turn and its audit log.
type desk struct {
	*ticket.Book
	clock  *clock
	mu     sync.Mutex
	events []ticket.Event
}

func newDesk(t testing.TB, s tables, cfg ticket.Config) *desk {
	d := &desk{clock: &clock{now: at(t, "2026-11-21 10:00:00")}}
	cfg.Clock = d.clock.Now
	if cfg.Keys == nil {
		cfg.Keys = ticket.Keys{key(t, "K1")}
	}
	cfg.Audit = func(_ context.Context, e ticket.Event) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.events = append(d.events, e)
	}
	d.Book = s.open(t, cfg)
	return d
}

// last gives the reason of the latest event.
func (d *desk) last() ticket.Reason { return d.events[len(d.events)-1].Reason }

func (d *desk) issue(t testing.TB, points int64) ticket.Ticket {
	tk, err := d.Issue(t.Context(), shop, ticket.Order{Points: points})
	require.NoError(t, err)
	return tk
}

func TestLife(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{})
		tk, err := d.Issue(ctx, shop, ticket.Order{Points: 500, Until: day(t, "2026-12-01")})
		require.NoError(t, err)
		assert.Equal(t, ticket.Ticket{Scope: shop.Scope, Number: tk.Number, Points: 500, Until: day(t, "2026-12-01"),
			State: ticket.Issued, IssuedAt: tk.IssuedAt, IssuedBy: "000001", Prints: 1}, tk)
		assert.True(t, tk.IssuedAt.Equal(d.clock.now))

		p := ticket.Presentation{Terminal: shop2, Code: code(tk.Number), Attempt: "press 1"}
		seen, err := d.Inspect(ctx, p)
		require.NoError(t, err)
		assert.Equal(t, tk, seen, "looking changes nothing")

		d.clock.set(at(t, "2026-11-23 18:30:00"))
		r, err := d.Redeem(ctx, p)
		require.NoError(t, err)
		assert.False(t, r.Repeated)
		assert.Equal(t, ticket.Redeemed, r.Ticket.State)
		assert.Equal(t, int64(500), r.Ticket.Points)
		assert.True(t, r.Ticket.EndedAt.Equal(d.clock.now))
		assert.Equal(t, "000002", r.Ticket.EndedBy)

		// The reply was lost: the same press is answered the same, even
		// when the ticket would have lapsed meanwhile.
		d.clock.set(at(t, "2026-12-05 09:00:00"))
		again, err := d.Redeem(ctx, p)
		require.NoError(t, err)
		assert.True(t, again.Repeated)
		assert.Equal(t, r.Ticket, again.Ticket)

		for name, other := range map[string]ticket.Presentation{
			"another press":                 {Terminal: shop2, Code: p.Code, Attempt: "press 2"},
			"no name for the press":         {Terminal: shop2, Code: p.Code},
			"another terminal, same name":   {Terminal: shop, Code: p.Code, Attempt: "press 1"},
			"another association, the same": {Terminal: far, Code: p.Code, Attempt: "press 1"},
		} {
			_, err := d.Redeem(ctx, other)
			assert.Same(t, ticket.ErrRefused, err, name)
			_, err = d.Inspect(ctx, other)
			assert.Same(t, ticket.ErrRefused, err, name)
		}
		// The issuer may know when and where.
		known, err := d.Find(ctx, shop.Scope, tk.Number)
		require.NoError(t, err)
		assert.Equal(t, r.Ticket, known)
		_, err = d.Find(ctx, far.Scope, tk.Number)
		assert.ErrorIs(t, err, ticket.ErrNotFound)
	})
}

// The last day is good to its last second in Japan, the next not at all.
func TestLapseToTheSecond(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		d := newDesk(t, s, ticket.Config{})
		for _, tc := range []struct {
			issued, until, now string
			ok                 bool
		}{
			{"2026-11-21 10:00:00", "2026-11-21", "2026-11-21 23:59:59", true},
			{"2026-11-21 10:00:00", "2026-11-21", "2026-11-22 00:00:00", false},
			{"2026-11-21 23:59:59", "2026-12-21", "2026-12-21 23:59:59", true},
			{"2026-11-21 23:59:59", "2026-12-21", "2026-12-22 00:00:00", false},
			{"2028-02-28 00:00:00", "2028-02-29", "2028-02-29 23:59:59", true}, // leap year
			{"2028-02-28 00:00:00", "2028-02-29", "2028-03-01 00:00:00", false},
			{"2026-12-31 08:59:59", "2026-12-31", "2026-12-31 23:59:59", true}, // 00:00 UTC is 09:00 here
			{"2026-12-31 08:59:59", "2026-12-31", "2027-01-01 00:00:00", false},
		} {
			d.clock.set(at(t, tc.issued))
			tk, err := d.Issue(t.Context(), shop, ticket.Order{Points: 1, Until: day(t, tc.until)})
			require.NoError(t, err)
			d.clock.set(at(t, tc.now).UTC()) // the server's own zone does not matter
			_, ierr := d.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: code(tk.Number)})
			_, rerr := d.Redeem(t.Context(), ticket.Presentation{Terminal: shop, Code: code(tk.Number)})
			known, err := d.Find(t.Context(), shop.Scope, tk.Number)
			require.NoError(t, err)
			if tc.ok {
				require.NoError(t, ierr, "%+v", tc)
				require.NoError(t, rerr, "%+v", tc)
				assert.Equal(t, ticket.Redeemed, known.State)
			} else {
				assert.Same(t, ticket.ErrRefused, ierr, "%+v", tc)
				assert.Same(t, ticket.ErrRefused, rerr, "%+v", tc)
				assert.Equal(t, ticket.ReasonLapsed, d.last())
				assert.Equal(t, ticket.Lapsed, known.State)
			}
		}
	})
}

func TestIssueRefusesBadOrders(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{Policy: ticket.Policy{MaxPoints: 50_000}})
		today := mykey.DateOf(d.clock.now)
		for _, tc := range []struct {
			name  string
			at    ticket.Terminal
			order ticket.Order
			want  error
		}{
			{"zero points", shop, ticket.Order{}, ticket.ErrPoints},
			{"negative points", shop, ticket.Order{Points: -1}, ticket.ErrPoints},
			{"least points", shop, ticket.Order{Points: math.MinInt64}, ticket.ErrPoints},
			{"beyond the policy", shop, ticket.Order{Points: 50_001}, ticket.ErrPoints},
			{"overflowing points", shop, ticket.Order{Points: math.MaxInt64}, ticket.ErrPoints},
			{"yesterday", shop, ticket.Order{Points: 1, Until: today.AddDays(-1)}, ticket.ErrValidity},
			{"31 days", shop, ticket.Order{Points: 1, Until: today.AddDays(31)}, ticket.ErrValidity},
			{"no day", shop, ticket.Order{Points: 1, Until: ticket.Date{Year: 2026, Month: 11, Day: 31}}, ticket.ErrValidity},
			{"wild day", shop, ticket.Order{Points: 1, Until: ticket.Date{Year: math.MaxInt, Month: math.MinInt, Day: math.MaxInt}}, ticket.ErrValidity},
			{"long key", shop, ticket.Order{Points: 1, Key: string(make([]byte, 65))}, ticket.ErrKey},
			{"no terminal", ticket.Terminal{Scope: "A"}, ticket.Order{Points: 1}, ticket.ErrTerminal},
			{"formula for a terminal", ticket.Terminal{ID: "=1", Scope: "A"}, ticket.Order{Points: 1}, ticket.ErrTerminal},
			{"no scope", ticket.Terminal{ID: "1"}, ticket.Order{Points: 1}, ticket.ErrScope},
			{"lower-case scope", ticket.Terminal{ID: "1", Scope: "a"}, ticket.Order{Points: 1}, ticket.ErrScope},
			{"long scope", ticket.Terminal{ID: "1", Scope: "12345678901234567"}, ticket.Order{Points: 1}, ticket.ErrScope},
		} {
			_, err := d.Issue(ctx, tc.at, tc.order)
			assert.ErrorIs(t, err, tc.want, tc.name)
			// One bad order spoils its batch.
			_, err = d.IssueBatch(ctx, tc.at, []ticket.Order{{Points: 1}, tc.order})
			assert.ErrorIs(t, err, tc.want, tc.name)
			if oe, ok := errors.AsType[*ticket.OrderError](err); ok {
				assert.Equal(t, 1, oe.Index)
			}
		}
		_, err := d.IssueBatch(ctx, shop, make([]ticket.Order, ticket.MaxBatch+1))
		assert.ErrorIs(t, err, ticket.ErrBatch)
		none, err := d.IssueBatch(ctx, shop, nil)
		require.NoError(t, err)
		assert.Empty(t, none.Tickets)

		all := ticket.Period{From: today, To: today.AddDays(60)}
		assert.Empty(t, full(t, d.Unredeemed(ctx, shop.Scope, all)), "nothing was issued")
		for _, days := range []int{0, 30} {
			_, err := d.Issue(ctx, shop, ticket.Order{Points: 50_000, Until: today.AddDays(days)})
			assert.NoError(t, err)
		}
		open, err := d.Issue(ctx, shop, ticket.Order{Points: 1})
		require.NoError(t, err)
		assert.Equal(t, today.AddDays(30), open.Until, "no day asks for the longest")
		assert.Len(t, full(t, d.Unredeemed(ctx, shop.Scope, all)), 3)
	})
}

func TestOrderKey(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{})
		o := ticket.Order{Points: 300, Key: "sale 17"}
		first, err := d.Issue(ctx, shop, o)
		require.NoError(t, err)
		d.clock.set(at(t, "2026-11-22 00:00:00"))
		again, err := d.Issue(ctx, shop, o)
		require.NoError(t, err)
		assert.Equal(t, first, again)
		o.Until = first.Until
		again, err = d.Issue(ctx, shop2, o)
		require.NoError(t, err)
		assert.Equal(t, first, again)

		for _, other := range []ticket.Order{{Points: 301, Key: o.Key}, {Points: 300, Key: o.Key, Until: day(t, "2026-11-30")}} {
			_, err = d.Issue(ctx, shop, other)
			assert.ErrorIs(t, err, ticket.ErrConflict)
		}
		_, err = d.IssueBatch(ctx, shop, []ticket.Order{{Points: 1, Key: "new"}, {Points: 2, Key: o.Key}})
		assert.ErrorIs(t, err, ticket.ErrConflict)
		_, err = d.IssueBatch(ctx, shop, []ticket.Order{{Points: 1, Key: "twice"}, {Points: 1, Key: "twice"}})
		assert.ErrorIs(t, err, ticket.ErrConflict)

		b, err := d.IssueBatch(ctx, shop, []ticket.Order{{Points: 1, Key: "new"}, {Points: 300, Key: o.Key}, {Points: 3}})
		require.NoError(t, err)
		assert.Equal(t, 2, b.New)
		assert.Equal(t, int64(3), b.Taken)
		assert.Equal(t, first, b.Tickets[1])
		elsewhere, err := d.Issue(ctx, far, o)
		require.NoError(t, err, "another association's keys are its own")
		assert.NotEqual(t, first, elsewhere)
	})
}

func TestReissueAndCancel(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{})
		a := d.issue(t, 100)

		reprinted, err := d.Reprint(ctx, shop, a.Number, "")
		require.NoError(t, err)
		twice := reprinted.Ticket
		assert.Equal(t, int64(2), twice.Prints)
		assert.Equal(t, a.Number, twice.Number)

		made, err := d.Replace(ctx, shop2, a.Number, "r1")
		require.NoError(t, err)
		assert.False(t, made.Repeated)
		b := made.Ticket
		assert.NotEqual(t, a.Number, b.Number)
		assert.Equal(t, []any{a.Points, a.Until, a.Number, int64(1)}, []any{b.Points, b.Until, b.Replaces, b.Prints})
		same, err := d.Replace(ctx, shop2, a.Number, "r1")
		require.NoError(t, err, "the reply was lost")
		assert.Equal(t, ticket.Receipt{Ticket: b, Repeated: true}, same)
		_, err = d.Replace(ctx, shop, a.Number, "r1")
		assert.ErrorIs(t, err, ticket.ErrState, "the attempt of another terminal")
		var se *ticket.StateError
		_, err = d.Replace(ctx, shop2, a.Number, "r2")
		require.ErrorAs(t, err, &se)
		assert.Equal(t, ticket.StateError{Op: ticket.OpReplace, State: ticket.Replaced}, *se)
		_, err = d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(a.Number)})
		assert.Same(t, ticket.ErrRefused, err)
		assert.Equal(t, ticket.ReasonReplaced, d.last())
		old, err := d.Find(ctx, shop.Scope, a.Number)
		require.NoError(t, err)
		assert.Equal(t, b.Number, old.ReplacedBy)

		// A key that stands for another order does not replace.
		c, err := d.Issue(ctx, shop, ticket.Order{Points: 7, Key: "order"})
		require.NoError(t, err)
		_, err = d.Replace(ctx, shop, b.Number, "order")
		assert.ErrorIs(t, err, ticket.ErrConflict)
		_, err = d.Inspect(ctx, ticket.Presentation{Terminal: shop, Code: code(b.Number)})
		assert.NoError(t, err)

		cancelled, err := d.Cancel(ctx, shop, c.Number, "c1")
		require.NoError(t, err)
		gone := cancelled.Ticket
		assert.Equal(t, ticket.Cancelled, gone.State)
		d.clock.set(at(t, "2026-11-21 11:00:00"))
		gone2, err := d.Cancel(ctx, shop, c.Number, "c1")
		require.NoError(t, err)
		assert.Equal(t, ticket.Receipt{Ticket: gone, Repeated: true}, gone2, "the first cancellation stands")
		for _, err := range []error{
			second(d.Cancel(ctx, shop2, c.Number, "c1")), second(d.Cancel(ctx, shop, c.Number, "c2")), second(d.Cancel(ctx, shop, c.Number, "")),
		} {
			require.ErrorAs(t, err, &se, "one cancellation wins")
			assert.Equal(t, ticket.StateError{Op: ticket.OpCancel, State: ticket.Cancelled}, *se)
		}
		found, err := d.Find(ctx, shop.Scope, c.Number)
		require.NoError(t, err)
		assert.Equal(t, gone, found)
		_, err = d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(c.Number)})
		assert.Same(t, ticket.ErrRefused, err)
		assert.Equal(t, ticket.ReasonCancelled, d.last())

		// What is used or lapsed stays so.
		_, err = d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(b.Number)})
		require.NoError(t, err)
		e := d.issue(t, 5)
		d.clock.set(e.Until.End())
		for n, state := range map[ticket.Number]ticket.State{b.Number: ticket.Redeemed, e.Number: ticket.Lapsed} {
			_, err1 := d.Reprint(ctx, shop, n, "")
			_, err2 := d.Replace(ctx, shop, n, "")
			_, err3 := d.Cancel(ctx, shop, n, "")
			for _, err := range []error{err1, err2, err3} {
				assert.ErrorIs(t, err, ticket.ErrState)
				require.ErrorAs(t, err, &se)
				assert.Equal(t, state, se.State)
			}
			before, err := d.Find(ctx, shop.Scope, n)
			require.NoError(t, err)
			assert.Equal(t, state, before.State)
		}
		for _, err := range []error{
			second(d.Reprint(ctx, far, b.Number, "")), second(d.Cancel(ctx, far, b.Number, "")), second(d.Replace(ctx, far, b.Number, "")),
		} {
			assert.ErrorIs(t, err, ticket.ErrNotFound)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// What a shop took in time and brings in late.
func TestGrace(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{Policy: ticket.Policy{GraceDays: 7}})
		for _, tc := range []struct {
			name, accepted, now string
			why                 ticket.Reason
		}{
			{"in time, nothing claimed", "", "2026-12-01 23:59:59", ""},
			{"late, nothing claimed", "", "2026-12-02 00:00:00", ticket.ReasonLapsed},
			{"late, taken on the last day", "2026-12-01", "2026-12-02 00:00:00", ""},
			{"last second of grace", "2026-11-25", "2026-12-08 23:59:59", ""},
			{"grace is over", "2026-11-25", "2026-12-09 00:00:00", ticket.ReasonLapsed},
			{"taken after the last day", "2026-12-02", "2026-12-03 10:00:00", ticket.ReasonAccepted},
			{"taken before it was issued", "2026-11-20", "2026-12-03 10:00:00", ticket.ReasonAccepted},
			{"taken on the day of issue", "2026-11-21", "2026-12-03 10:00:00", ""},
			{"taken tomorrow", "2026-11-25", "2026-11-24 10:00:00", ticket.ReasonAccepted},
		} {
			d.clock.set(at(t, "2026-11-21 10:00:00"))
			tk, err := d.Issue(ctx, shop, ticket.Order{Points: 1, Until: day(t, "2026-12-01")})
			require.NoError(t, err)
			d.clock.set(at(t, tc.now))
			p := ticket.Presentation{Terminal: shop2, Code: code(tk.Number)}
			if tc.accepted != "" {
				p.Accepted = day(t, tc.accepted)
			}
			_, ierr := d.Inspect(ctx, p)
			assert.Equal(t, tc.why, d.last(), tc.name)
			r, rerr := d.Redeem(ctx, p)
			assert.Equal(t, tc.why, d.last(), tc.name)
			if tc.why != "" {
				assert.Same(t, ticket.ErrRefused, ierr, tc.name)
				assert.Same(t, ticket.ErrRefused, rerr, tc.name)
				continue
			}
			require.NoError(t, ierr, tc.name)
			require.NoError(t, rerr, tc.name)
			assert.Equal(t, p.Accepted, r.Ticket.Accepted)
		}
		p := ticket.Presentation{Terminal: shop, Code: code(d.issue(t, 1).Number), Accepted: ticket.Date{Year: 2026, Month: 2, Day: 30}}
		_, err := d.Redeem(ctx, p)
		assert.Same(t, ticket.ErrRefused, err)

		// Without the policy there is no grace.
		strict := newDesk(t, s, ticket.Config{})
		tk := strict.issue(t, 1)
		strict.clock.set(tk.Until.End())
		_, err = strict.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(tk.Number), Accepted: tk.Until})
		assert.Same(t, ticket.ErrRefused, err)
	})
}

func TestUnredeemed(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{Policy: ticket.Policy{GraceDays: 2}})
		today := mykey.DateOf(d.clock.now)
		// More than one page, several on each day.
		orders := make([]ticket.Order, 1200)
		for i := range orders {
			orders[i] = ticket.Order{Points: int64(i + 1), Until: today.AddDays(i % 3)}
		}
		b, err := d.IssueBatch(ctx, shop, orders)
		require.NoError(t, err)
		_, err = d.Issue(ctx, far, ticket.Order{Points: 1, Until: today})
		require.NoError(t, err)
		for _, tk := range b.Tickets[:3] {
			_, err := d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(tk.Number)})
			require.NoError(t, err)
		}
		_, err = d.Cancel(ctx, shop, b.Tickets[3].Number, "")
		require.NoError(t, err)

		list := full(t, d.Unredeemed(ctx, shop.Scope, ticket.Period{From: today, To: today.AddDays(1)}))
		require.Len(t, list, 800-3)
		for i := 1; i < len(list); i++ {
			c := list[i-1].Until.Compare(list[i].Until)
			require.True(t, c < 0 || c == 0 && list[i-1].Number.Compare(list[i].Number) < 0, "in order, each once")
			require.Equal(t, ticket.Issued, list[i].State)
		}
		// Two days of grace pass before they lapse.
		d.clock.set(today.AddDays(2).End())
		states := map[ticket.State]int{}
		for _, tk := range full(t, d.Unredeemed(ctx, shop.Scope, ticket.Period{From: today, To: today.AddDays(1)})) {
			states[tk.State]++
		}
		assert.Equal(t, map[ticket.State]int{ticket.Lapsed: 398, ticket.Issued: 399}, states)

		for range d.Unredeemed(ctx, shop.Scope, ticket.Period{From: today, To: today.AddDays(1)}) {
			break // a caller may stop early
		}
		for _, err := range d.Unredeemed(ctx, shop.Scope, ticket.Period{From: today, To: today.AddDays(-1)}) {
			assert.ErrorIs(t, err, ticket.ErrPeriod)
		}
		for _, err := range d.Unredeemed(ctx, "", ticket.Period{From: today, To: today}) {
			assert.ErrorIs(t, err, ticket.ErrScope)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		for _, err := range d.Unredeemed(gone, shop.Scope, ticket.Period{From: today, To: today}) {
			assert.ErrorIs(t, err, context.Canceled)
		}
	})
}

// Numbers that are taken are drawn again, and a scope that is full refuses.
func TestCollisions(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		drawn := 0
		// Each number comes three times in a row.
		draw := func() ticket.Number {
			drawn++
			return number(t, fmt.Sprintf("%08d", drawn/3))
		}
		d := newDesk(t, s, ticket.Config{Policy: ticket.Policy{RefuseAt: 500}})
		d.SetDraw(draw)
		place := ticket.Terminal{ID: "1", Scope: "A"}
		orders := func(n int) []ticket.Order {
			out := make([]ticket.Order, n)
			for i := range out {
				out[i].Points = int64(i + 1)
			}
			return out
		}
		b, err := d.IssueBatch(ctx, place, orders(450))
		require.NoError(t, err)
		assert.Equal(t, drawn-450, b.Redraws, "each draw made a ticket or was counted")
		assert.Positive(t, b.Redraws)
		seen := map[ticket.Number]bool{}
		for i, tk := range b.Tickets {
			assert.False(t, seen[tk.Number])
			seen[tk.Number] = true
			stored, err := d.Find(ctx, "A", tk.Number)
			require.NoError(t, err)
			assert.True(t, stored.IssuedAt.Equal(tk.IssuedAt))
			assert.Equal(t, int64(i+1), stored.Points)
		}

		var fe *ticket.FullError
		_, err = d.IssueBatch(ctx, place, orders(51))
		require.ErrorAs(t, err, &fe)
		assert.ErrorIs(t, err, ticket.ErrFull)
		assert.Equal(t, ticket.FullError{Scope: "A", Taken: 450, Limit: 500}, *fe)
		b, err = d.IssueBatch(ctx, place, orders(50))
		require.NoError(t, err, "what was refused took no room")
		assert.Equal(t, int64(500), b.Taken)
		_, err = d.Replace(ctx, place, b.Tickets[0].Number, "")
		assert.ErrorIs(t, err, ticket.ErrFull)
		tk, err := d.Find(ctx, "A", b.Tickets[0].Number)
		require.NoError(t, err)
		assert.Equal(t, ticket.Issued, tk.State)

		// A source that gives one number only ends in an error, not a loop.
		stuck := newDesk(t, s, ticket.Config{Policy: ticket.Policy{RefuseAt: 10_000}})
		stuck.SetDraw(func() ticket.Number { return b.Tickets[0].Number })
		_, err = stuck.IssueBatch(ctx, place, orders(1))
		assert.ErrorIs(t, err, ticket.ErrFull)
		// Another scope has its own numbers.
		place.Scope = "B"
		_, err = stuck.IssueBatch(ctx, place, orders(1))
		assert.NoError(t, err)
	})
}

func TestFillingWarns(t *testing.T) {
	d := newDesk(t, fast(t), ticket.Config{Policy: ticket.Policy{WarnAt: 10, RefuseAt: 25}})
	var filling []int64
	for range 25 {
		d.issue(t, 1)
		if f := d.events[len(d.events)-1].Filling; f != 0 {
			filling = append(filling, f)
		}
	}
	assert.Equal(t, []int64{10, 20}, filling)
	_, err := d.Issue(t.Context(), shop, ticket.Order{Points: 1})
	assert.ErrorIs(t, err, ticket.ErrFull)
}

func TestPolicyBounds(t *testing.T) {
	db := fast(t).db
	for _, p := range []ticket.Policy{
		{MaxDays: 31}, {MaxDays: -1}, {MaxPoints: -1}, {MaxPoints: ticket.MaxPoints + 1}, {GraceDays: -1}, {GraceDays: 91},
		{WarnAt: -1}, {RefuseAt: -1}, {RefuseAt: ticket.Space/2 + 1}, {Throttle: ticket.Throttle{Window: time.Second}},
	} {
		_, err := ticket.Open(t.Context(), db, ticket.Config{Policy: p})
		assert.ErrorIs(t, err, ticket.ErrPolicy, "%+v", p)
	}
	_, err := ticket.Open(t.Context(), db, ticket.Config{Keys: ticket.Keys{key(t, "K1"), key(t, "K1")}})
	assert.ErrorIs(t, err, ticket.ErrSecret)
	_, err = ticket.Open(t.Context(), db, ticket.Config{Keys: make(ticket.Keys, 1)})
	assert.ErrorIs(t, err, ticket.ErrSecret)
	_, err = ticket.Open(t.Context(), nil, ticket.Config{})
	assert.ErrorIs(t, err, ticket.ErrPolicy)
}

// A context that has ended stops every call with nothing changed.
func TestContext(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		d := newDesk(t, s, ticket.Config{})
		tk := d.issue(t, 1)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		p := ticket.Presentation{Terminal: shop, Code: code(tk.Number)}
		for _, err := range []error{
			second(d.Issue(gone, shop, ticket.Order{Points: 1})), second(d.Redeem(gone, p)), second(d.Inspect(gone, p)),
			second(d.Reprint(gone, shop, tk.Number, "")), second(d.Cancel(gone, shop, tk.Number, "")),
			second(d.Replace(gone, shop, tk.Number, "")), second(d.Find(gone, shop.Scope, tk.Number)),
		} {
			assert.ErrorIs(t, err, context.Canceled)
		}
		now, err := d.Find(t.Context(), shop.Scope, tk.Number)
		require.NoError(t, err)
		assert.Equal(t, tk, now)
	})
}

// A ticket travels as JSON from the server to what prints it.
func TestTicketJSON(t *testing.T) {
	d := newDesk(t, fast(t), ticket.Config{})
	tk := d.issue(t, 500)
	js, err := json.Marshal(tk.Reveal())
	require.NoError(t, err)
	assert.JSONEq(t, `{"scope":"141305-01","number":"`+tk.Number.Digits()+`","points":500,"until":"2026-12-21","state":"issued",
		"issued_at":"2026-11-21T10:00:00+09:00","issued_by":"000001","prints":1}`, string(js))
	var revealed ticket.Revealed
	require.NoError(t, json.Unmarshal(js, &revealed))
	back, err := revealed.Hide()
	require.NoError(t, err)
	assert.True(t, back.IssuedAt.Equal(tk.IssuedAt))
	back.IssuedAt = tk.IssuedAt
	assert.Equal(t, tk, back)
	for _, bad := range []string{`{"state":"lost"}`, `{"until":"2026-02-30"}`, `{"number":12345678}`} {
		assert.Error(t, json.Unmarshal([]byte(bad), &revealed), bad)
	}
	for _, bad := range []string{`{}`, `{"number":"9876-5432"}`, `{"number":"98765432","replaces":"1"}`, `{"number":"98765432","replaced_by":"1"}`} {
		var revealed ticket.Revealed
		require.NoError(t, json.Unmarshal([]byte(bad), &revealed), bad)
		_, err := revealed.Hide()
		assert.ErrorIs(t, err, ticket.ErrNumber, bad)
	}
	// A ticket that was not revealed has no number to read back.
	js, err = json.Marshal(tk)
	require.NoError(t, err)
	assert.NotContains(t, string(js), tk.Number.Digits())
	assert.Error(t, json.Unmarshal(js, &back))
	_, err = json.Marshal(ticket.State(9))
	assert.ErrorIs(t, err, ticket.ErrState)
	assert.Equal(t, "in no known state", ticket.State(9).String())
}

// The errors say what they must and keep quiet about the rest.
func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		"ticket: cannot cancel a ticket that is redeemed":       &ticket.StateError{Op: ticket.OpCancel, State: ticket.Redeemed},
		"ticket: scope A has 3 of 4 numbers taken":              &ticket.FullError{Scope: "A", Taken: 3, Limit: 4},
		"ticket: points out of range (order 7)":                 &ticket.OrderError{Index: 7, Err: ticket.ErrPoints},
		"ticket: line 2, column 5: ticket: points out of range": &ticket.CSVError{Line: 2, Column: 5, Err: ticket.ErrPoints},
		"ticket: refused": ticket.ErrRefused,
	} {
		assert.EqualError(t, err, want)
	}
}
