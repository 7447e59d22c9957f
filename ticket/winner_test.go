package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/ticket"
)

// Of several programs that take one ticket back, replace it or redeem it, one
// wins. The others are refused, and who repeats the winning attempt is told so.
func TestOneEnd(t *testing.T) {
	rounds := 10
	if long() {
		rounds = 1000
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn := e.dsn(t)
			books := []*ticket.Book{}
			for range 2 {
				books = append(books, openSQL(t, e.driver, dsn).open(t, ticket.Config{Keys: ticket.Keys{key(t, "K1")}}))
			}
			type do func(b *ticket.Book, at ticket.Terminal, tk ticket.Ticket, attempt string) (ticket.Receipt, error)
			cancel := func(b *ticket.Book, at ticket.Terminal, tk ticket.Ticket, attempt string) (ticket.Receipt, error) {
				return b.Cancel(t.Context(), at, tk.Number, attempt)
			}
			replace := func(b *ticket.Book, at ticket.Terminal, tk ticket.Ticket, attempt string) (ticket.Receipt, error) {
				return b.Replace(t.Context(), at, tk.Number, attempt)
			}
			redeem := func(b *ticket.Book, at ticket.Terminal, tk ticket.Ticket, attempt string) (ticket.Receipt, error) {
				text, err := b.QR(tk)
				if err != nil {
					return ticket.Receipt{}, err
				}
				return b.Redeem(t.Context(), ticket.Presentation{Terminal: at, Code: ticket.NewCode(text), Attempt: attempt})
			}
			for name, acts := range map[string][]do{
				"cancel": {cancel}, "replace": {replace}, "all": {cancel, replace, redeem},
			} {
				t.Run(name, func(t *testing.T) {
					for round := range rounds {
						tk, err := books[0].Issue(t.Context(), shop, ticket.Order{Points: 500})
						require.NoError(t, err)
						var mu sync.Mutex
						var wg sync.WaitGroup
						var won []int
						for i := range 8 {
							wg.Go(func() {
								r, err := acts[i%len(acts)](books[i%2], shop, tk, fmt.Sprintf("%s %d press %d", name, round, i))
								mu.Lock()
								defer mu.Unlock()
								switch {
								case err == nil:
									assert.False(t, r.Repeated)
									won = append(won, i)
								case errors.Is(err, ticket.ErrState) || err == ticket.ErrRefused:
									assert.Zero(t, r)
								default:
									assert.NoError(t, err)
								}
							})
						}
						wg.Wait()
						require.Len(t, won, 1)
						i := won[0]
						again, err := acts[i%len(acts)](books[(i+1)%2], shop, tk, fmt.Sprintf("%s %d press %d", name, round, i))
						require.NoError(t, err)
						assert.True(t, again.Repeated)
					}
				})
			}
		})
	}
}

// One press of the button is one paper, however often it is sent; another press
// is another paper.
func TestReprintAttempts(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		d := newDesk(t, s, ticket.Config{})
		n := d.issue(t, 5).Number
		for _, tc := range []struct {
			at       ticket.Terminal
			attempt  string
			repeated bool
			prints   int64
		}{
			{shop, "a", false, 2}, {shop, "a", true, 2}, {shop, "b", false, 3}, {shop, "a", true, 3},
			{shop2, "a", false, 4}, {shop, "", false, 5}, {shop, "", false, 6},
		} {
			r, err := d.Reprint(t.Context(), tc.at, n, tc.attempt)
			require.NoError(t, err)
			assert.Equal(t, tc.repeated, r.Repeated, "%+v", tc)
			assert.Equal(t, tc.prints, r.Ticket.Prints, "%+v", tc)
			assert.Equal(t, tc.repeated, d.events[len(d.events)-1].Repeated)
		}
		var wg sync.WaitGroup
		var fresh sync.Map
		for i := range 8 {
			wg.Go(func() {
				r, err := d.Reprint(t.Context(), shop, n, "at once")
				assert.NoError(t, err)
				if !r.Repeated {
					fresh.Store(i, true)
				}
			})
		}
		wg.Wait()
		count := 0
		fresh.Range(func(any, any) bool { count++; return true })
		assert.Equal(t, 1, count)
		// What is no longer live is not printed, be it repeated or not.
		_, err := d.Cancel(t.Context(), shop, n, "c")
		require.NoError(t, err)
		for _, attempt := range []string{"a", "new"} {
			_, err = d.Reprint(t.Context(), shop, n, attempt)
			assert.ErrorIs(t, err, ticket.ErrState)
		}
	})
}

// A clock that is behind changes nothing before the issue, by more than a
// minute; by less, the change is dated at the issue.
func TestClockBehind(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{})
		issued := d.clock.Now()
		tk := d.issue(t, 5)
		p := ticket.Presentation{Terminal: shop, Code: code(tk.Number), Attempt: "x"}
		for _, behind := range []time.Duration{48 * time.Hour, time.Hour, time.Minute + time.Microsecond} {
			d.clock.set(issued.Add(-behind))
			_, err := d.Inspect(ctx, p)
			assert.Same(t, ticket.ErrRefused, err)
			assert.Equal(t, ticket.ReasonClock, d.last())
			_, err = d.Redeem(ctx, p)
			assert.Same(t, ticket.ErrRefused, err)
			assert.Equal(t, ticket.ReasonClock, d.last())
			for _, err := range []error{
				second(d.Reprint(ctx, shop, tk.Number, "")), second(d.Cancel(ctx, shop, tk.Number, "")), second(d.Replace(ctx, shop, tk.Number, "")),
			} {
				assert.ErrorIs(t, err, ticket.ErrClock)
			}
		}
		d.clock.set(issued.Add(-time.Minute))
		r, err := d.Redeem(ctx, p)
		require.NoError(t, err)
		assert.True(t, r.Ticket.EndedAt.Equal(issued))
		d.clock.set(issued.Add(-48 * time.Hour))
		r, err = d.Redeem(ctx, p)
		require.NoError(t, err, "a lost answer needs no clock")
		assert.True(t, r.Repeated)
	})
}

// A final period stays as it is, whatever the clock of who comes later: what is
// redeemed is dated after it, and what has lapsed in it stays lapsed.
func TestFinalPeriodStays(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{})
		slow := newDesk(t, s, ticket.Config{})
		d.clock.set(at(t, "2026-11-20 10:00:00"))
		live, other, lapsing := d.issue(t, 10), d.issue(t, 20), ticket.Ticket{}
		lapsing, err := d.Issue(ctx, shop, ticket.Order{Points: 400, Until: day(t, "2026-11-30")})
		require.NoError(t, err)
		nov := period(t, "2026-11-01", "2026-11-30")
		d.clock.set(at(t, "2026-12-01 00:01:00"))
		final, err := d.Settle(ctx, shop.Scope, nov)
		require.NoError(t, err)
		require.True(t, final.Final)
		require.Equal(t, ticket.Total{Tickets: 1, Points: 400}, final.Lapsed)

		slow.clock.set(at(t, "2026-11-28 10:00:00"))
		r, err := slow.Redeem(ctx, ticket.Presentation{Terminal: shop2, Code: code(live.Number)})
		require.NoError(t, err)
		assert.True(t, r.Ticket.EndedAt.Equal(nov.To.End()), "%v", r.Ticket.EndedAt)
		_, err = slow.Redeem(ctx, ticket.Presentation{Terminal: shop2, Code: code(lapsing.Number)})
		assert.Same(t, ticket.ErrRefused, err)
		assert.Equal(t, ticket.ReasonLapsed, slow.last())
		for _, err := range []error{
			second(slow.Cancel(ctx, shop, lapsing.Number, "")), second(slow.Replace(ctx, shop, lapsing.Number, "")),
		} {
			assert.ErrorIs(t, err, ticket.ErrState)
		}
		_, err = slow.Issue(ctx, shop, ticket.Order{Points: 1, Until: day(t, "2026-11-30")})
		assert.ErrorIs(t, err, ticket.ErrValidity, "it would have lapsed in the period")
		new, err := slow.Issue(ctx, shop, ticket.Order{Points: 1})
		require.NoError(t, err)
		assert.True(t, new.IssuedAt.Equal(nov.To.End()))
		replaced, err := slow.Replace(ctx, shop, other.Number, "")
		require.NoError(t, err)
		assert.True(t, replaced.Ticket.IssuedAt.Equal(nov.To.End()))

		for _, d := range []*desk{slow, d} {
			again, err := d.Settle(ctx, shop.Scope, nov)
			require.NoError(t, err)
			assert.Equal(t, final, again)
		}
		december, err := d.Settle(ctx, shop.Scope, period(t, "2026-12-01", "2026-12-31"))
		require.NoError(t, err)
		assert.Equal(t, ticket.Total{Tickets: 1, Points: 10}, december.Redeemed)
		assert.False(t, december.Final)
		// Another scope has periods of its own.
		_, err = slow.Issue(ctx, far, ticket.Order{Points: 1, Until: day(t, "2026-11-30")})
		assert.NoError(t, err)
	})
}

// A redemption that is under way while its period is made final is in it, or
// dated after it: the settlement waits for it. On PostgreSQL the time is read
// after the lock.
func TestFinalPeriodWaits(t *testing.T) {
	nov := period(t, "2026-11-01", "2026-11-30")
	eachHooked(t, func(t *testing.T, h *dbtest.Hooked, hooked, other tables) {
		ctx := t.Context()
		d, office := newDesk(t, hooked, ticket.Config{}), newDesk(t, other, ticket.Config{})
		tk := d.issue(t, 10)
		text, err := d.QR(tk)
		require.NoError(t, err)
		d.clock.set(at(t, "2026-11-30 23:59:59"))
		office.clock.set(at(t, "2026-12-01 00:01:00"))
		settled := make(chan ticket.Settlement, 1)
		// waits reports whether the settlement waits for its lock.
		waits := func() (n bool) {
			const query = "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
			require.NoError(t, other.db.QueryRow(query).Scan(&n))
			return n
		}
		if strings.HasPrefix(t.Name(), "TestFinalPeriodWaits/SQLite") {
			// There the other program has the file, which nobody can see from outside.
			waits = func() bool { return true }
		}
		began := false
		h.Set(func(s dbtest.Step) error {
			// The redemption has read its time and not yet been stored.
			if s.Call() && strings.HasPrefix(s.What, "UPDATE") && strings.Contains(s.What, "ended_at") && !began {
				began = true
				go func() {
					s, err := office.Settle(ctx, shop.Scope, nov)
					assert.NoError(t, err)
					settled <- s
				}()
				for !waits() {
					select {
					case s := <-settled:
						assert.Fail(t, "settled while a redemption was under way", "%+v", s)
						settled <- s
						return nil
					case <-time.After(time.Millisecond):
					}
				}
			}
			return nil
		})
		r, err := d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode(text)})
		h.Set(nil)
		require.NoError(t, err)
		require.True(t, began)
		first := <-settled
		assert.True(t, first.Final)
		assert.Equal(t, ticket.Total{Tickets: 1, Points: 10}, first.Redeemed, "redeemed at %v", r.Ticket.EndedAt)
		again, err := office.Settle(ctx, shop.Scope, nov)
		require.NoError(t, err)
		assert.Equal(t, first, again)
	})
}

// Whoever makes a period final while another makes a later one final takes
// nothing back: what was settled by then stays as it was.
func TestFinalNeverGoesBack(t *testing.T) {
	nov, dec := period(t, "2026-11-01", "2026-11-30"), period(t, "2026-12-01", "2026-12-31")
	eachHooked(t, func(t *testing.T, h *dbtest.Hooked, hooked, other tables) {
		ctx := t.Context()
		d, office := newDesk(t, hooked, ticket.Config{}), newDesk(t, other, ticket.Config{})
		d.clock.set(at(t, "2026-12-01 00:01:00"))
		office.clock.set(at(t, "2027-01-01 00:01:00"))
		began := false
		h.Set(func(s dbtest.Step) error {
			if s.What == "begin" && s.Call() && !began {
				began = true
				december, err := office.Settle(ctx, shop.Scope, dec)
				assert.NoError(t, err)
				assert.True(t, december.Final)
			}
			return nil
		})
		november, err := d.Settle(ctx, shop.Scope, nov)
		h.Set(nil)
		require.NoError(t, err)
		require.True(t, began)
		assert.True(t, november.Final)
		d.clock.set(at(t, "2026-12-15 10:00:00"))
		assert.True(t, d.issue(t, 10).IssuedAt.Equal(dec.To.End()), "December is over for good")
	})
}

// On PostgreSQL the server's clock decides, if the program brings none.
func TestServerClock(t *testing.T) {
	s := openSQL(t, "pgx", pg.DSN(t))
	b := s.open(t, ticket.Config{})
	_, err := s.db.Exec(`CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
		AS 'SELECT pg_catalog.clock_timestamp() + interval ''100 days'''`)
	require.NoError(t, err)
	var path string
	require.NoError(t, s.db.QueryRow("SHOW search_path").Scan(&path))
	s.db.SetMaxOpenConns(1) // so that what is set stays set
	_, err = s.db.Exec("SET search_path = " + path + ", pg_catalog")
	require.NoError(t, err)
	tk, err := b.Issue(t.Context(), shop, ticket.Order{Points: 1})
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().AddDate(0, 0, 100), tk.IssuedAt, 3*time.Hour, "or an hour beside it, if summer time begins or ends meanwhile")
	r, err := b.Redeem(t.Context(), ticket.Presentation{Terminal: shop, Code: code(tk.Number)})
	require.NoError(t, err)
	assert.False(t, r.Ticket.EndedAt.Before(tk.IssuedAt))
	listed := full(t, b.Unredeemed(t.Context(), shop.Scope, ticket.Period{From: tk.Until, To: tk.Until}))
	assert.Empty(t, listed)
}

// Four hundred guesses at once, in several programs, are looked up as often as
// the bounds permit. A number that is live is looked up no more than another:
// when a terminal is throttled, none is.
func TestThrottledLooksNothingUp(t *testing.T) {
	eachHooked(t, func(t *testing.T, h *dbtest.Hooked, hooked, other tables) {
		ctx := t.Context()
		cfg := ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 10, PerScope: 25, Global: 1000}}}
		free := newDesk(t, other, ticket.Config{})
		books := []*desk{newDesk(t, hooked, cfg), newDesk(t, hooked, cfg), newDesk(t, hooked, cfg)}
		tk := free.issue(t, 5)
		text, err := free.QR(tk)
		require.NoError(t, err)
		asked, attempts := 0, 0
		h.Set(func(s dbtest.Step) error {
			if s.Call() && looksUp(s) {
				asked++
			}
			if s.Call() && strings.Contains(s.What, "AND attempt = ") {
				attempts++
			}
			return nil
		})
		var wg sync.WaitGroup
		for i := range 400 {
			wg.Go(func() {
				at := ticket.Terminal{Scope: shop.Scope, ID: fmt.Sprint("T", i%4)}
				_, err := books[i%3].Redeem(ctx, ticket.Presentation{Terminal: at, Code: ticket.NewCode(fmt.Sprintf("0000-%04d", i)), Attempt: fmt.Sprint(i)})
				assert.Same(t, ticket.ErrRefused, err)
			})
		}
		wg.Wait()
		assert.Equal(t, 25, asked)
		assert.Equal(t, 375, attempts)

		asked, attempts = 0, 0
		d := books[0]
		at := ticket.Terminal{Scope: shop.Scope, ID: "T0"}
		for _, n := range []ticket.Number{tk.Number, number(t, "0000-0001")} {
			_, err := d.Redeem(ctx, ticket.Presentation{Terminal: at, Code: code(n), Attempt: "guess"})
			assert.Same(t, ticket.ErrRefused, err)
			_, err = d.Redeem(ctx, ticket.Presentation{Terminal: at, Code: code(n)})
			assert.Same(t, ticket.ErrRefused, err)
			_, err = d.Inspect(ctx, ticket.Presentation{Terminal: at, Code: code(n), Attempt: "guess"})
			assert.Same(t, ticket.ErrRefused, err)
			assert.Equal(t, ticket.ReasonThrottled, d.last())
		}
		assert.Equal(t, 0, asked, "no number is looked up")
		assert.Equal(t, 2, attempts, "but whose attempt it was")

		// The answer that was lost is given to the attempt that it belongs to,
		// for its own ticket alone.
		_, err = d.Redeem(ctx, ticket.Presentation{Terminal: at, Code: ticket.NewCode(text), Attempt: "mine"})
		require.NoError(t, err)
		asked = 0
		r, err := d.Redeem(ctx, ticket.Presentation{Terminal: at, Code: code(tk.Number), Attempt: "mine"})
		require.NoError(t, err)
		assert.True(t, r.Repeated)
		assert.Equal(t, tk.Number, r.Ticket.Number)
		_, err = d.Redeem(ctx, ticket.Presentation{Terminal: at, Code: code(number(t, "0000-0001")), Attempt: "mine"})
		assert.Same(t, ticket.ErrRefused, err)
		assert.Equal(t, 0, asked)
		h.Set(nil)
	})
}

// An attempt belongs to the act that it made: the name of a cancellation does
// not redeem, and that of a redemption does not cancel.
func TestAttemptOfAnotherAct(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{})
		cancelled, redeemed := d.issue(t, 1), d.issue(t, 2)
		_, err := d.Cancel(ctx, shop, cancelled.Number, "x")
		require.NoError(t, err)
		_, err = d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(redeemed.Number), Attempt: "x"})
		require.NoError(t, err)
		r, err := d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(cancelled.Number), Attempt: "x"})
		assert.Same(t, ticket.ErrRefused, err)
		assert.Zero(t, r)
		r, err = d.Cancel(ctx, shop, redeemed.Number, "x")
		assert.ErrorIs(t, err, ticket.ErrState)
		assert.Zero(t, r)
		// Nor is it given to a terminal that is throttled.
		strict := newDesk(t, s, ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 1}}})
		_, err = strict.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(cancelled.Number), Attempt: "x"})
		assert.Same(t, ticket.ErrRefused, err)
		assert.Equal(t, ticket.ReasonThrottled, strict.last())
		again, err := strict.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(redeemed.Number), Attempt: "x"})
		require.NoError(t, err)
		assert.True(t, again.Repeated)
	})
}

// A number that is refused counts whatever its ticket's state is, looked at or
// redeemed; one that is good does not.
func TestEveryRefusalCounts(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 1}}})
		live, redeemed, cancelled := d.issue(t, 1), d.issue(t, 2), d.issue(t, 3)
		_, err := d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(redeemed.Number)})
		require.NoError(t, err)
		_, err = d.Cancel(ctx, shop, cancelled.Number, "")
		require.NoError(t, err)
		for i, tc := range []struct {
			n      ticket.Number
			reason ticket.Reason
		}{{redeemed.Number, ticket.ReasonRedeemed}, {cancelled.Number, ticket.ReasonCancelled}, {number(t, "0000-0000"), ticket.ReasonUnknown}} {
			for j, do := range []func(ticket.Presentation) error{
				func(p ticket.Presentation) error { return second(d.Inspect(ctx, p)) },
				func(p ticket.Presentation) error { return second(d.Redeem(ctx, p)) },
			} {
				at := ticket.Terminal{ID: fmt.Sprintf("T%d%d", i, j), Scope: shop.Scope}
				for range 3 {
					require.NoError(t, second(d.Inspect(ctx, ticket.Presentation{Terminal: at, Code: code(live.Number)})))
				}
				assert.Same(t, ticket.ErrRefused, do(ticket.Presentation{Terminal: at, Code: code(tc.n)}))
				assert.Equal(t, tc.reason, d.last())
				assert.Same(t, ticket.ErrRefused, do(ticket.Presentation{Terminal: at, Code: code(live.Number)}))
				assert.Equal(t, ticket.ReasonThrottled, d.last())
			}
		}
	})
}

// A terminal that hangs up before it has its answer has guessed, also of a
// number that is live. Where nobody knows whether a redemption was stored, its
// number is not given back twice.
func TestGuessWithoutAnswer(t *testing.T) {
	eachHooked(t, func(t *testing.T, h *dbtest.Hooked, hooked, other tables) {
		d := newDesk(t, hooked, ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 1}}})
		first, second := d.issue(t, 1), d.issue(t, 2)
		ctx, cancel := context.WithCancel(t.Context())
		h.Set(func(s dbtest.Step) error {
			if s.After && looksUp(s) {
				cancel()
			}
			return nil
		})
		_, err := d.Inspect(ctx, ticket.Presentation{Terminal: shop, Code: code(first.Number)})
		h.Set(nil)
		require.ErrorIs(t, err, context.Canceled)
		_, err = d.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: code(first.Number)})
		assert.Same(t, ticket.ErrRefused, err)
		assert.Equal(t, ticket.ReasonThrottled, d.last())

		commits := 0
		h.Set(func(s dbtest.Step) error {
			if s.After && s.What == "commit" {
				if commits++; commits == 2 { // the first has counted the number
					return errors.New("disk I/O error")
				}
			}
			return nil
		})
		p := ticket.Presentation{Terminal: shop2, Code: code(second.Number), Attempt: "x"}
		_, err = d.Redeem(t.Context(), p)
		h.Set(nil)
		require.ErrorIs(t, err, ticket.ErrOutcomeUnknown)
		var least int64
		require.NoError(t, other.db.QueryRow("SELECT min(n) FROM ticket_miss").Scan(&least))
		assert.Zero(t, least)
		r, err := d.Redeem(t.Context(), p)
		require.NoError(t, err)
		assert.True(t, r.Repeated)
	})
}
