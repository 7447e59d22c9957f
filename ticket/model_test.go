package ticket_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// wanted is what a ticket ought to be, kept by rules written anew.
type wanted struct {
	points   int64
	until    ticket.Date
	gone     string // "", "redeemed", "cancelled" or "replaced"
	terminal string
	attempt  string
	at       time.Time
}

// Any sequence of operations leaves what a few lines of bookkeeping expect,
// and the settlement is the sum of the redemptions.
func TestModel(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		runs := 0
		rapid.Check(t, func(r *rapid.T) {
			runs++ // each run has a scope to itself
			model(t, r, s, ticket.Scope(fmt.Sprintf("RUN-%d", runs)))
		})
	})
}

func model(whole *testing.T, t *rapid.T, s tables, scope ticket.Scope) {
	ctx := context.Background()
	const grace = 2
	begin := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	c := &clock{now: begin}
	k, err := ticket.NewKey("K1", []byte("a secret of the tests"))
	require.NoError(t, err)
	b := s.open(whole, ticket.Config{Clock: c.Now, Keys: ticket.Keys{k}, Policy: ticket.Policy{GraceDays: grace}})
	tickets := map[ticket.Number]*wanted{}
	var numbers []ticket.Number
	desk := ticket.Terminal{ID: "desk", Scope: scope}
	today := func() ticket.Date { return ticket.DateOf(c.now) }
	lapsed := func(w *wanted, extra int) bool { return today().Compare(w.until.AddDays(extra)) > 0 }
	add := func(tk ticket.Ticket) {
		require.NotContains(t, tickets, tk.Number)
		tickets[tk.Number] = &wanted{points: tk.Points, until: tk.Until}
		numbers = append(numbers, tk.Number)
	}
	pick := func() (ticket.Number, *wanted) {
		if len(numbers) == 0 {
			t.Skip("none yet")
		}
		n := numbers[rapid.IntRange(0, len(numbers)-1).Draw(t, "ticket")]
		return n, tickets[n]
	}
	t.Repeat(map[string]func(*rapid.T){
		"issue": func(t *rapid.T) {
			o := ticket.Order{Points: rapid.Int64Range(1, ticket.MaxPoints).Draw(t, "points"), Until: today().AddDays(rapid.IntRange(0, 4).Draw(t, "days"))}
			tk, err := b.Issue(ctx, desk, o)
			require.NoError(t, err)
			add(tk)
		},
		"time": func(t *rapid.T) {
			c.set(c.now.Add(time.Duration(rapid.IntRange(1, 30*3600).Draw(t, "seconds")) * time.Second))
		},
		"redeem": func(t *rapid.T) {
			n, w := pick()
			p := ticket.Presentation{
				Terminal: ticket.Terminal{ID: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "terminal"), Scope: scope},
				Attempt:  rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "attempt"),
			}
			text, err := ticket.Keys{k}.Seal(scope, n)
			require.NoError(t, err)
			p.Code = ticket.NewCode(text)
			claim := rapid.IntRange(-3, 1).Draw(t, "claim")
			ok := w.gone == "" && !lapsed(w, 0)
			if claim > -3 {
				p.Accepted = today().AddDays(claim)
				ok = w.gone == "" && claim <= 0 && p.Accepted.Compare(w.until) <= 0 && p.Accepted.Compare(ticket.DateOf(issuedAt(t, b, scope, n))) >= 0 && !lapsed(w, grace)
			}
			repeated := w.gone == "redeemed" && p.Attempt != "" && p.Attempt == w.attempt && p.Terminal.ID == w.terminal
			_, ierr := b.Inspect(ctx, p)
			r, err := b.Redeem(ctx, p)
			if !ok && !repeated {
				require.Same(t, ticket.ErrRefused, err)
				require.Same(t, ticket.ErrRefused, ierr)
				return
			}
			require.NoError(t, err)
			require.Equal(t, repeated, r.Repeated)
			if repeated {
				require.Same(t, ticket.ErrRefused, ierr)
			} else {
				require.NoError(t, ierr)
				w.gone, w.terminal, w.attempt, w.at = "redeemed", p.Terminal.ID, p.Attempt, c.now
			}
			require.Equal(t, []any{w.points, w.terminal}, []any{r.Ticket.Points, r.Ticket.EndedBy})
		},
		"cancel": func(t *rapid.T) {
			n, w := pick()
			who := ticket.Terminal{ID: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "terminal"), Scope: scope}
			attempt := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "attempt")
			r, err := b.Cancel(ctx, who, n, attempt)
			switch {
			case w.gone == "cancelled" && attempt != "" && attempt == w.attempt && who.ID == w.terminal:
				require.NoError(t, err)
				require.True(t, r.Repeated)
			case w.gone == "" && !lapsed(w, grace):
				require.NoError(t, err)
				require.False(t, r.Repeated)
				w.gone, w.terminal, w.attempt = "cancelled", who.ID, attempt
			default:
				require.ErrorIs(t, err, ticket.ErrState)
			}
		},
		"replace": func(t *rapid.T) {
			n, w := pick()
			r, err := b.Replace(ctx, desk, n, "")
			tk := r.Ticket
			if w.gone == "" && !lapsed(w, 0) {
				require.NoError(t, err)
				require.Equal(t, []any{w.points, w.until}, []any{tk.Points, tk.Until})
				w.gone = "replaced"
				add(tk)
			} else {
				require.ErrorIs(t, err, ticket.ErrState)
			}
		},
		"reprint": func(t *rapid.T) {
			n, w := pick()
			_, err := b.Reprint(ctx, desk, n, "")
			require.Equal(t, w.gone == "" && !lapsed(w, 0), err == nil)
		},
		"": func(t *rapid.T) {
			p := ticket.Period{From: ticket.DateOf(begin), To: today()}
			var want, gone ticket.Total
			for _, w := range tickets {
				if w.gone == "redeemed" {
					want.Tickets++
					want.Points += w.points
				}
				if w.gone == "" && lapsed(w, grace) {
					gone.Tickets++
					gone.Points += w.points
				}
			}
			s, err := b.Settle(ctx, scope, p)
			require.NoError(t, err)
			require.Equal(t, want, s.Redeemed)
			require.Equal(t, gone, s.Lapsed)
		},
	})
}

func issuedAt(t require.TestingT, b *ticket.Book, scope ticket.Scope, n ticket.Number) time.Time {
	tk, err := b.Find(context.Background(), scope, n)
	require.NoError(t, err)
	return tk.IssuedAt
}

// Books that issue at the same time out of the same few numbers give each
// number once and lose none.
func TestIssueTogether(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn := e.dsn(t)
			books := []*desk{newDesk(t, openSQL(t, e.driver, dsn), ticket.Config{}), newDesk(t, openSQL(t, e.driver, dsn), ticket.Config{})}
			for _, b := range books {
				b.SetDraw(func() ticket.Number {
					var n ticket.Number
					_ = n.UnmarshalText([]byte("00000" + ticket.NewNumber().Digits()[5:]))
					return n
				})
			}
			until := day(t, "2026-12-01")
			var mu sync.Mutex
			var wg sync.WaitGroup
			all := map[ticket.Number]bool{}
			for w := range 8 {
				wg.Go(func() {
					orders := slices.Repeat([]ticket.Order{{Points: 1, Until: until}}, 20)
					for range 3 {
						b, err := books[w%2].IssueBatch(t.Context(), shop, orders)
						if !assert.NoError(t, err) {
							return
						}
						mu.Lock()
						for _, tk := range b.Tickets {
							assert.False(t, all[tk.Number], "a number given twice")
							all[tk.Number] = true
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			assert.Len(t, all, 480)
			rest := full(t, books[0].Unredeemed(t.Context(), shop.Scope, ticket.Period{From: until, To: until}))
			assert.Len(t, rest, 480)
			b, err := books[1].IssueBatch(t.Context(), shop, []ticket.Order{{Points: 1}})
			require.NoError(t, err)
			assert.Equal(t, int64(481), b.Taken)
		})
	}
}
