package ticket_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// wanted is what a ticket ought to be, kept by rules written anew.
type wanted struct {
	points   int64
	issued   time.Time
	until    ticket.Date
	gone     string // "", "redeemed", "cancelled" or "replaced"
	terminal string
	attempt  string
	at       time.Time
	prints   int64
	presses  map[string]bool // of reprints, by terminal and attempt
}

// world is one history: tickets, two programs with clocks of their own, and
// what was settled.
type world struct {
	t       *rapid.T
	h       *dbtest.Hooked
	scope   ticket.Scope
	keys    ticket.Keys
	books   [2]*ticket.Book
	clocks  [2]*clock
	tickets map[ticket.Number]*wanted
	numbers []ticket.Number
	closed  time.Time
	finals  []ticket.Settlement
}

const modelGrace = 2

// Any sequence of operations leaves what a few lines of bookkeeping expect,
// with answers that are lost before or after the commit, two programs on one
// database, and clocks that jump by days. A settlement is the sum of the
// redemptions, and one that is final stays.
func TestModel(t *testing.T) {
	histories := map[string]string{"SQLite": "100", "PostgreSQL": "25"}
	if long() {
		histories = map[string]string{"SQLite": "10000", "PostgreSQL": "1000"}
	}
	given := flag.Lookup("rapid.checks").Value.String() != flag.Lookup("rapid.checks").DefValue
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			if !given {
				set(t, "rapid.checks", histories[e.name])
			}
			set(t, "rapid.steps", "60") // of one history; the usual 30 meet too little
			dsn := strings.Replace(e.dsn(t), "synchronous(FULL)", "synchronous(OFF)", 1)
			db := dbtest.Open(t, e.driver, dsn)
			h := &dbtest.Hooked{Engine: db.Driver(), DSN: dsn}
			hooked := sql.OpenDB(h)
			t.Cleanup(func() { assert.NoError(t, hooked.Close()) })
			w := world{h: h, keys: ticket.Keys{key(t, "K1")}}
			for i := range w.books {
				w.clocks[i] = new(clock)
				w.books[i] = tables{db: hooked}.open(t, ticket.Config{Clock: w.clocks[i].Now, Keys: w.keys,
					Policy: ticket.Policy{GraceDays: modelGrace}})
			}
			runs := 0
			rapid.Check(t, func(r *rapid.T) {
				runs++ // each run has a scope to itself
				w := w
				w.t, w.scope = r, ticket.Scope(fmt.Sprintf("RUN-%d", runs))
				w.tickets = map[ticket.Number]*wanted{}
				begin := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
				for _, c := range w.clocks {
					c.set(begin)
				}
				w.run()
			})
		})
	}
}

// set sets a flag for the length of a test.
func set(t *testing.T, name, value string) {
	f := flag.Lookup(name)
	before := f.Value.String()
	require.NoError(t, f.Value.Set(value))
	t.Cleanup(func() { assert.NoError(t, f.Value.Set(before)) })
}

// date returns the time at which a change by book i is dated.
func (w *world) date(i int) time.Time {
	if now := w.clocks[i].Now(); now.After(w.closed) {
		return now
	}
	return w.closed
}

// live reports whether book i may change the ticket, and when that is dated.
func (w *world) live(i int, tk *wanted, grace int) (bool, time.Time) {
	date := w.date(i)
	if date.Before(tk.issued) {
		date = tk.issued
	}
	behind := w.clocks[i].Now().Before(tk.issued.Add(-time.Minute))
	return tk.gone == "" && !behind && date.Before(tk.until.AddDays(grace).End()), date
}

// call makes a call whose answer may be lost, and says so to did if the call
// was carried out all the same. Then the call is made again.
func (w *world) call(writes bool, do func() error, did func()) error {
	lost := rapid.SampledFrom([]string{"no", "no", "before", "after"}).Draw(w.t, "lost")
	if lost == "no" || !writes {
		return do()
	}
	w.h.Set(func(s dbtest.Step) error {
		if s.What == "commit" && s.After == (lost == "after") {
			return errDisk
		}
		return nil
	})
	err := do()
	w.h.Set(nil)
	require.ErrorIs(w.t, err, errDisk)
	if lost == "after" {
		did()
	}
	return do()
}

func (w *world) book() int { return rapid.IntRange(0, 1).Draw(w.t, "program") }

func (w *world) press() (ticket.Terminal, string) {
	return ticket.Terminal{ID: rapid.SampledFrom([]string{"a", "b"}).Draw(w.t, "terminal"), Scope: w.scope},
		rapid.SampledFrom([]string{"", "1", "2"}).Draw(w.t, "attempt")
}

func (w *world) pick() (ticket.Number, *wanted) {
	if len(w.numbers) == 0 {
		w.t.Skip("none yet")
	}
	n := w.numbers[rapid.IntRange(0, len(w.numbers)-1).Draw(w.t, "ticket")]
	return n, w.tickets[n]
}

func (w *world) add(tk ticket.Ticket) {
	require.NotContains(w.t, w.tickets, tk.Number)
	w.tickets[tk.Number] = &wanted{points: tk.Points, issued: tk.IssuedAt, until: tk.Until, prints: 1, presses: map[string]bool{}}
	w.numbers = append(w.numbers, tk.Number)
}

func (w *world) run() {
	ctx := context.Background()
	orders := 0
	w.t.Repeat(map[string]func(*rapid.T){
		"issue": func(t *rapid.T) {
			i, orders_ := w.book(), orders
			orders++
			today := mykey.DateOf(w.date(i))
			o := ticket.Order{Points: rapid.Int64Range(1, ticket.MaxPoints).Draw(t, "points"),
				Until: today.AddDays(rapid.IntRange(-1, 8).Draw(t, "days")), Key: fmt.Sprint("order ", orders_)}
			var tk ticket.Ticket
			good := o.Until.Compare(today) >= 0
			err := w.call(good, func() (err error) {
				tk, err = w.books[i].Issue(ctx, ticket.Terminal{ID: "desk", Scope: w.scope}, o)
				return err
			}, func() {})
			if !good {
				require.ErrorIs(t, err, ticket.ErrValidity)
				return
			}
			require.NoError(t, err)
			require.True(t, tk.IssuedAt.Equal(w.date(i)))
			w.add(tk)
		},
		"time": func(t *rapid.T) {
			by := time.Duration(rapid.IntRange(1, 30*3600).Draw(t, "seconds")) * time.Second
			for _, c := range w.clocks {
				c.set(c.Now().Add(by))
			}
		},
		"jump": func(t *rapid.T) {
			c := w.clocks[w.book()]
			c.set(c.Now().Add(time.Duration(rapid.IntRange(-4*24*60, 4*24*60).Draw(t, "minutes")) * time.Minute))
		},
		"redeem": func(t *rapid.T) {
			i := w.book()
			n, want := w.pick()
			at, attempt := w.press()
			text, err := w.keys.Seal(w.scope, n)
			require.NoError(t, err)
			p := ticket.Presentation{Terminal: at, Attempt: attempt, Code: ticket.NewCode(text)}
			claim := rapid.IntRange(-3, 1).Draw(t, "claim")
			ok, date := w.live(i, want, 0)
			if claim > -3 {
				p.Accepted = mykey.DateOf(date).AddDays(claim)
				ok, date = w.live(i, want, modelGrace)
				ok = ok && claim <= 0 && p.Accepted.Compare(want.until) <= 0 && p.Accepted.Compare(mykey.DateOf(want.issued)) >= 0
			}
			did := func() { want.gone, want.terminal, want.attempt, want.at = "redeemed", at.ID, attempt, date }
			mine := func() bool {
				return want.gone == "redeemed" && attempt != "" && attempt == want.attempt && at.ID == want.terminal
			}
			_, ierr := w.books[i].Inspect(ctx, p)
			require.Equal(t, ok, ierr == nil, "%v", ierr)
			var r ticket.Receipt
			err = w.call(ok, func() (err error) { r, err = w.books[i].Redeem(ctx, p); return err }, did)
			repeated := mine()
			if !repeated && (!ok || want.gone != "") {
				require.Same(t, ticket.ErrRefused, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, repeated, r.Repeated)
			if !repeated {
				did()
			}
			require.Equal(t, []any{want.points, want.terminal}, []any{r.Ticket.Points, r.Ticket.EndedBy})
			require.True(t, want.at.Equal(r.Ticket.EndedAt), "%v, not %v", r.Ticket.EndedAt, want.at)
		},
		"cancel": func(t *rapid.T) {
			i := w.book()
			n, want := w.pick()
			at, attempt := w.press()
			ok, _ := w.live(i, want, modelGrace)
			did := func() { want.gone, want.terminal, want.attempt = "cancelled", at.ID, attempt }
			var r ticket.Receipt
			err := w.call(ok, func() (err error) { r, err = w.books[i].Cancel(ctx, at, n, attempt); return err }, did)
			switch {
			case want.gone == "cancelled" && attempt != "" && attempt == want.attempt && at.ID == want.terminal:
				require.NoError(t, err)
				require.True(t, r.Repeated)
			case ok && want.gone == "":
				require.NoError(t, err)
				require.False(t, r.Repeated)
				did()
			case want.gone != "" || errors.Is(err, ticket.ErrState):
				require.ErrorIs(t, err, ticket.ErrState)
			default:
				require.ErrorIs(t, err, ticket.ErrClock)
			}
		},
		"replace": func(t *rapid.T) {
			i := w.book()
			n, want := w.pick()
			at, _ := w.press()
			attempt := fmt.Sprint("replace ", orders)
			orders++
			ok, _ := w.live(i, want, 0)
			var r ticket.Receipt
			err := w.call(ok, func() (err error) { r, err = w.books[i].Replace(ctx, at, n, attempt); return err }, func() {})
			if !ok {
				require.Error(t, err)
				require.True(t, errors.Is(err, ticket.ErrState) || errors.Is(err, ticket.ErrClock))
				return
			}
			require.NoError(t, err)
			require.Equal(t, []any{want.points, want.until}, []any{r.Ticket.Points, r.Ticket.Until})
			want.gone = "replaced"
			w.add(r.Ticket)
		},
		"reprint": func(t *rapid.T) {
			i := w.book()
			n, want := w.pick()
			at, attempt := w.press()
			ok, _ := w.live(i, want, 0)
			press := at.ID + " " + attempt
			did := func() {
				if attempt == "" || !want.presses[press] {
					want.prints++
				}
				want.presses[press] = true
			}
			var r ticket.Receipt
			err := w.call(ok, func() (err error) { r, err = w.books[i].Reprint(ctx, at, n, attempt); return err }, did)
			if !ok {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, attempt != "" && want.presses[press], r.Repeated)
			did()
			require.Equal(t, want.prints, r.Ticket.Prints)
		},
		"settle": func(t *rapid.T) {
			i := w.book()
			if rapid.Bool().Draw(t, "ahead") {
				w.clocks[i].set(w.clocks[i].Now().Add(48 * time.Hour))
			}
			today := mykey.DateOf(w.clocks[i].Now())
			p := ticket.Period{From: today.AddDays(-60), To: today.AddDays(-rapid.IntRange(0, 3).Draw(t, "days ago"))}
			s, err := w.books[i].Settle(ctx, w.scope, p)
			require.NoError(t, err)
			final := !w.closed.Before(p.To.End()) || !w.clocks[i].Now().Before(p.To.End().Add(time.Minute))
			require.Equal(t, final, s.Final)
			if final {
				if w.closed.Before(p.To.End()) {
					w.closed = p.To.End()
				}
				w.finals = append(w.finals, s)
			}
			w.settled(s, w.date(i))
		},
		"": func(t *rapid.T) {
			for _, before := range w.finals {
				again, err := w.books[0].Settle(ctx, w.scope, before.Period)
				require.NoError(t, err)
				require.Equal(t, before, again, "what is final stays")
			}
			var sum ticket.Total
			for n, want := range w.tickets {
				tk, err := w.books[1].Find(ctx, w.scope, n)
				require.NoError(t, err)
				state := map[string]ticket.State{"": ticket.Issued, "redeemed": ticket.Redeemed, "cancelled": ticket.Cancelled, "replaced": ticket.Replaced}[want.gone]
				if state == ticket.Issued && !w.date(1).Before(want.until.AddDays(modelGrace).End()) {
					state = ticket.Lapsed
				}
				require.Equal(t, []any{state, want.prints}, []any{tk.State, tk.Prints})
				sum, err = sum.Add(ticket.Total{Tickets: 1, Points: want.points})
				require.NoError(t, err)
			}
			require.Equal(t, int64(len(w.numbers)), sum.Tickets)
		},
	})
}

// settled compares a settlement with the tickets.
func (w *world) settled(s ticket.Settlement, now time.Time) {
	var want, gone ticket.Total
	in := func(at time.Time, after int) bool {
		return !at.Before(s.Period.From.AddDays(-after).Start()) && at.Before(s.Period.To.AddDays(-after).End())
	}
	for _, tk := range w.tickets {
		if tk.gone == "redeemed" && in(tk.at, 0) {
			want.Tickets++
			want.Points += tk.points
		}
		if tk.gone == "" && in(tk.until.Start(), modelGrace) && !now.Before(tk.until.AddDays(modelGrace).End()) {
			gone.Tickets++
			gone.Points += tk.points
		}
	}
	require.Equal(w.t, want, s.Redeemed)
	require.Equal(w.t, gone, s.Lapsed)
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
