package ticket_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/ticket"
)

// slowStore takes its time to look a ticket up, and counts how often it is
// asked.
type slowStore struct {
	ticket.Memory
	mu    sync.Mutex
	asked int
}

func (s *slowStore) Find(ctx context.Context, scope ticket.Scope, n ticket.Number) (ticket.Ticket, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	time.Sleep(time.Second)
	return s.Memory.Find(ctx, scope, n)
}

// Fifty guesses at one moment are no more than fifty one after another: the
// bound holds to the number.
func TestBurstOfGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(slowStore)
		b, err := ticket.NewBook(s, ticket.Config{Keys: ticket.Keys{key(t, "K1")},
			Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 5}}})
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, err := b.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: "1234-5678"})
				assert.Same(t, ticket.ErrRefused, err)
			})
		}
		wg.Wait()
		assert.Equal(t, 5, s.asked)
	})
}

var errStore = errors.New("the database is away")

// brokenStore fails to look tickets up.
type brokenStore struct{ *ticket.Memory }

func (brokenStore) Find(context.Context, ticket.Scope, ticket.Number) (ticket.Ticket, error) {
	return ticket.Ticket{}, errStore
}

func (brokenStore) Change(context.Context, ticket.Scope, ticket.Number, func(ticket.Ticket) (ticket.Ticket, error)) (ticket.Ticket, error) {
	return ticket.Ticket{}, errStore
}

// A store that fails has refused nobody: the error is its own, no receipt is
// given, nothing is noted, and no guess is counted.
func TestStoreThatFails(t *testing.T) {
	for _, throttled := range []bool{false, true} {
		m := new(ticket.Memory)
		good := newDesk(t, m, ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 2}}})
		tk := good.issue(t, 5)
		p := ticket.Presentation{Terminal: shop, Code: code(tk.Number), Attempt: "x"}
		if throttled {
			for range 2 {
				_, err := good.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: "0000-0000"})
				require.Same(t, ticket.ErrRefused, err)
			}
		}
		bad := newDesk(t, brokenStore{m}, ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 2}}})
		for range 5 {
			r, err := bad.Redeem(t.Context(), p)
			require.ErrorIs(t, err, errStore)
			require.Zero(t, r)
			if throttled {
				continue // looking is then refused unseen
			}
			seen, err := bad.Inspect(t.Context(), p)
			require.ErrorIs(t, err, errStore)
			require.Zero(t, seen)
		}
		assert.Empty(t, bad.events)
		if !throttled {
			_, err := good.Inspect(t.Context(), p)
			assert.NoError(t, err, "no guess was counted")
		}
	}
}

// strangeStore has a ticket in a state that this program does not know: a newer
// one has written it.
type strangeStore struct{ *ticket.Memory }

func (s strangeStore) Find(ctx context.Context, scope ticket.Scope, n ticket.Number) (ticket.Ticket, error) {
	t, err := s.Memory.Find(ctx, scope, n)
	t.State = ticket.Lapsed + 1
	return t, err
}

func (s strangeStore) Change(ctx context.Context, scope ticket.Scope, n ticket.Number, decide func(ticket.Ticket) (ticket.Ticket, error)) (ticket.Ticket, error) {
	t, err := s.Find(ctx, scope, n)
	if err != nil {
		return t, err
	}
	return decide(t)
}

func TestUnknownStateIsNotRedeemed(t *testing.T) {
	d := newDesk(t, strangeStore{new(ticket.Memory)}, ticket.Config{})
	p := ticket.Presentation{Terminal: shop, Code: code(d.issue(t, 5).Number)}
	_, err := d.Redeem(t.Context(), p)
	assert.Same(t, ticket.ErrRefused, err)
	assert.Equal(t, ticket.ReasonUnknown, d.last())
	_, err = d.Inspect(t.Context(), p)
	assert.Same(t, ticket.ErrRefused, err)
	assert.Equal(t, ticket.ReasonUnknown, d.last())
}

// A day that there is not is no day on which a ticket was taken, even where it
// would lie between those that are.
func TestDayThatThereIsNot(t *testing.T) {
	d := newDesk(t, new(ticket.Memory), ticket.Config{Policy: ticket.Policy{GraceDays: 7}})
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
	eachStore(t, func(t *testing.T, s ticket.Store) {
		d := newDesk(t, s, ticket.Config{})
		cancelled, replaced, redeemed := d.issue(t, 1), d.issue(t, 2), d.issue(t, 3)
		d.clock.set(at(t, "2026-11-22 12:34:56"))
		_, err := d.Cancel(t.Context(), shop2, cancelled.Number)
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
	for window, want := range map[time.Duration]error{time.Minute - 1: ticket.ErrPolicy, time.Minute: nil, -1: ticket.ErrPolicy} {
		_, err := ticket.NewBook(new(ticket.Memory), ticket.Config{Keys: ticket.Keys{key(t, "K1")},
			Policy: ticket.Policy{Throttle: ticket.Throttle{Window: window}}})
		assert.ErrorIs(t, err, want, "%v", window)
	}
}

// Where the desk itself makes a mistake it is told so, and nothing happens.
func TestMistakesOfTheDesk(t *testing.T) {
	s := new(ticket.Memory)
	d := newDesk(t, s, ticket.Config{})
	tk := d.issue(t, 5)
	d.events = nil
	nowhere := ticket.Terminal{Scope: shop.Scope}
	for _, err := range []error{
		second(d.Reprint(t.Context(), nowhere, tk.Number)), second(d.Cancel(t.Context(), nowhere, tk.Number)), second(d.Replace(t.Context(), nowhere, tk.Number, "")),
	} {
		assert.ErrorIs(t, err, ticket.ErrTerminal)
	}
	assert.ErrorIs(t, second(d.Replace(t.Context(), shop, tk.Number, "a\nb")), ticket.ErrKey)
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
	assert.Equal(t, "[redacted]", ticket.Code("1234-5678").String())
}
