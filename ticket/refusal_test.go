package ticket_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/ticket"
)

// Fifty guesses at one moment are no more than fifty one after another: the
// bound holds to the number, in one program and in several.
func TestBurstOfGuesses(t *testing.T) {
	eachHooked(t, func(t *testing.T, h *dbtest.Hooked, hooked, other tables) {
		policy := ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 5}}
		books := []*desk{newDesk(t, hooked, ticket.Config{Policy: policy}), newDesk(t, hooked, ticket.Config{Policy: policy})}
		asked := 0
		h.Set(func(s dbtest.Step) error {
			if s.Call() && looksUp(s) {
				asked++
			}
			return nil
		})
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				_, err := books[i%2].Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode("1234-5678")})
				assert.Same(t, ticket.ErrRefused, err)
			})
		}
		wg.Wait()
		h.Set(nil)
		assert.Equal(t, 5, asked)
	})
}

var errStore = errors.New("the database is away")

// A store that fails has refused nobody: the error is its own, no receipt is
// given, nothing is noted, and no guess is counted.
func TestStoreThatFails(t *testing.T) {
	eachHooked(t, func(t *testing.T, h *dbtest.Hooked, hooked, other tables) {
		for _, throttled := range []bool{false, true} {
			policy := ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 2}}
			good := newDesk(t, other, ticket.Config{Policy: policy})
			tk := good.issue(t, 5)
			p := ticket.Presentation{Terminal: shop, Code: code(tk.Number), Attempt: "x"}
			if throttled {
				for range 2 {
					_, err := good.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode("0000-0000")})
					require.Same(t, ticket.ErrRefused, err)
				}
			}
			bad := newDesk(t, hooked, ticket.Config{Policy: policy})
			h.Set(func(s dbtest.Step) error {
				if s.Call() && (looksUp(s) || strings.Contains(s.What, "AND attempt = ")) {
					return errStore
				}
				return nil
			})
			for range 5 {
				r, err := bad.Redeem(t.Context(), p)
				require.ErrorIs(t, err, errStore)
				require.ErrorContains(t, err, "ticket: redeem: ")
				require.Zero(t, r)
				if throttled {
					continue // looking is then refused unseen
				}
				seen, err := bad.Inspect(t.Context(), p)
				require.ErrorIs(t, err, errStore)
				require.Zero(t, seen)
			}
			h.Set(nil)
			assert.Empty(t, bad.events)
			if !throttled {
				_, err := good.Inspect(t.Context(), p)
				assert.NoError(t, err, "no guess was counted")
			}
		}
	})
}

// A newer program has written a state that this one does not know.
func TestUnknownStateIsNotRedeemed(t *testing.T) {
	s := fast(t)
	d := newDesk(t, s, ticket.Config{})
	p := ticket.Presentation{Terminal: shop, Code: code(d.issue(t, 5).Number)}
	_, err := s.db.Exec("UPDATE ticket_ticket SET state = ?", int(ticket.Lapsed)+1)
	require.NoError(t, err)
	_, err = d.Redeem(t.Context(), p)
	assert.Same(t, ticket.ErrRefused, err)
	assert.Equal(t, ticket.ReasonUnknown, d.last())
	_, err = d.Inspect(t.Context(), p)
	assert.Same(t, ticket.ErrRefused, err)
	assert.Equal(t, ticket.ReasonUnknown, d.last())
}

// A day that there is not is no day on which a ticket was taken, even where it
// would lie between those that are.
func TestDayThatThereIsNot(t *testing.T) {
	d := newDesk(t, fast(t), ticket.Config{Policy: ticket.Policy{GraceDays: 7}})
	tk, err := d.Issue(t.Context(), shop, ticket.Order{Points: 1, Until: day(t, "2026-12-05")})
	require.NoError(t, err)
	d.clock.set(at(t, "2026-12-07 10:00:00"))
	for _, accepted := range []ticket.Date{{Year: 2026, Month: 11, Day: 31}, {Year: 2026, Month: 11, Day: 99}, {Year: 2026, Month: 12}} {
		_, err := d.Redeem(t.Context(), ticket.Presentation{Terminal: shop, Code: code(tk.Number), Accepted: accepted})
		assert.Same(t, ticket.ErrRefused, err)
		assert.Equal(t, ticket.ReasonAccepted, d.last())
	}
	_, err = d.Redeem(t.Context(), ticket.Presentation{Terminal: shop, Code: code(tk.Number), Accepted: day(t, "2026-12-01")})
	assert.NoError(t, err)
}

// When and where a ticket ended is kept, however it ended.
func TestHowATicketEnded(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		d := newDesk(t, s, ticket.Config{})
		cancelled, replaced, redeemed := d.issue(t, 1), d.issue(t, 2), d.issue(t, 3)
		d.clock.set(at(t, "2026-11-22 12:34:56"))
		_, err := d.Cancel(t.Context(), shop2, cancelled.Number, "")
		require.NoError(t, err)
		_, err = d.Replace(t.Context(), shop2, replaced.Number, "")
		require.NoError(t, err)
		_, err = d.Redeem(t.Context(), ticket.Presentation{Terminal: shop2, Code: code(redeemed.Number)})
		require.NoError(t, err)
		ended := d.clock.Now()
		d.clock.set(at(t, "2026-11-23 00:00:00"))
		for n, state := range map[ticket.Number]ticket.State{
			cancelled.Number: ticket.Cancelled, replaced.Number: ticket.Replaced, redeemed.Number: ticket.Redeemed,
		} {
			tk, err := d.Find(t.Context(), shop.Scope, n)
			require.NoError(t, err)
			assert.Equal(t, state, tk.State)
			assert.True(t, tk.EndedAt.Equal(ended), "%v: %v", state, tk.EndedAt)
			assert.Equal(t, shop2.ID, tk.EndedBy, state)
		}
	})
}

func TestShortestWindow(t *testing.T) {
	db := fast(t).db
	for window, want := range map[time.Duration]error{time.Minute - 1: ticket.ErrPolicy, time.Minute: nil, -1: ticket.ErrPolicy} {
		_, err := ticket.Open(t.Context(), db, ticket.Config{Keys: ticket.Keys{key(t, "K1")},
			Policy: ticket.Policy{Throttle: ticket.Throttle{Window: window}}})
		assert.ErrorIs(t, err, want, "%v", window)
	}
}

// Where the desk itself makes a mistake it is told so, and nothing happens.
func TestMistakesOfTheDesk(t *testing.T) {
	s := fast(t)
	d := newDesk(t, s, ticket.Config{})
	tk := d.issue(t, 5)
	d.events = nil
	nowhere := ticket.Terminal{Scope: shop.Scope}
	for _, err := range []error{
		second(d.Reprint(t.Context(), nowhere, tk.Number, "")), second(d.Cancel(t.Context(), nowhere, tk.Number, "")), second(d.Replace(t.Context(), nowhere, tk.Number, "")),
	} {
		assert.ErrorIs(t, err, ticket.ErrTerminal)
	}
	for _, err := range []error{
		second(d.Reprint(t.Context(), shop, tk.Number, "a\nb")), second(d.Cancel(t.Context(), shop, tk.Number, "a\nb")), second(d.Replace(t.Context(), shop, tk.Number, "a\nb")),
	} {
		assert.ErrorIs(t, err, ticket.ErrKey)
	}
	for want, list := range map[error]func(func(ticket.Detail, error) bool){
		ticket.ErrScope:  d.Details(t.Context(), "x", period(t, "2026-11-01", "2026-11-30")),
		ticket.ErrPeriod: d.Details(t.Context(), shop.Scope, period(t, "2026-11-30", "2026-11-01")),
	} {
		n := 0
		for got, err := range list {
			assert.ErrorIs(t, err, want)
			assert.Zero(t, got)
			n++
		}
		assert.Equal(t, 1, n)
	}
	found, err := d.Find(t.Context(), shop.Scope, tk.Number)
	require.NoError(t, err)
	assert.Equal(t, tk, found)
	assert.Empty(t, d.events)
	assert.Equal(t, "[redacted]", ticket.NewCode("1234-5678").String())
}

// An event names a ticket if it is of one, and nothing is told of no orders. A
// replacement without an attempt is nobody's to repeat.
func TestOneTicketOrSeveral(t *testing.T) {
	d, ctx := newDesk(t, tables{db: dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir()))}, ticket.Config{}), t.Context()
	none, err := d.IssueBatch(ctx, shop, nil)
	require.NoError(t, err)
	assert.Zero(t, none)
	assert.Empty(t, d.events)
	both, err := d.IssueBatch(ctx, shop, []ticket.Order{{Points: 5}, {Points: 6}})
	require.NoError(t, err)
	require.Len(t, d.events, 1)
	e := d.events[0]
	assert.Equal(t, 2, e.Count)
	assert.Zero(t, e.Points)
	assert.Empty(t, e.Tail)
	one, err := d.Issue(ctx, shop, ticket.Order{Points: 9})
	require.NoError(t, err)
	e = d.events[1]
	digits := one.Number.Digits()
	assert.EqualValues(t, 9, e.Points)
	assert.Equal(t, digits[len(digits)-2:], e.Tail)

	// As many as there may be, of which the first is refused for itself.
	_, err = d.IssueBatch(ctx, shop, make([]ticket.Order, ticket.MaxBatch))
	assert.ErrorIs(t, err, ticket.ErrPoints)
	_, err = d.IssueBatch(ctx, shop, make([]ticket.Order, ticket.MaxBatch+1))
	assert.ErrorIs(t, err, ticket.ErrBatch)

	n := both.Tickets[0].Number
	_, err = d.Replace(ctx, shop, n, "")
	require.NoError(t, err)
	_, err = d.Replace(ctx, shop, n, "")
	assert.ErrorIs(t, err, ticket.ErrState)
}
