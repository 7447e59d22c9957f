package ticket_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// One and the same refusal for everything, the reason for the audit alone,
// and the store unchanged.
func TestOneRefusal(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: -1, PerScope: -1, Global: -1}}})
		live := d.issue(t, 100)
		lapsed, err := d.Issue(ctx, shop, ticket.Order{Points: 100, Until: mykey.DateOf(d.clock.now)})
		require.NoError(t, err)
		used := d.issue(t, 100)
		_, err = d.Redeem(ctx, ticket.Presentation{Terminal: shop2, Code: code(used.Number)})
		require.NoError(t, err)
		cancelled := d.issue(t, 100)
		_, err = d.Cancel(ctx, shop, cancelled.Number, "")
		require.NoError(t, err)
		replaced := d.issue(t, 100)
		_, err = d.Replace(ctx, shop, replaced.Number, "")
		require.NoError(t, err)
		d.clock.set(lapsed.Until.End())

		qr := func(tk ticket.Ticket) ticket.Code {
			text, err := d.QR(tk)
			require.NoError(t, err)
			return ticket.NewCode(text)
		}
		liveQR, err := d.QR(live)
		require.NoError(t, err)
		flipped := liveQR[:len(liveQR)-1] + "A"
		if flipped == liveQR {
			flipped = liveQR[:len(liveQR)-1] + "B"
		}
		unknown := live.Number
		for unknown == live.Number || unknown == lapsed.Number || unknown == used.Number {
			unknown = ticket.NewNumber()
		}
		state := func() map[ticket.Number]ticket.Ticket {
			m := map[ticket.Number]ticket.Ticket{}
			for _, tk := range []ticket.Ticket{live, lapsed, used, cancelled, replaced} {
				now, err := d.Find(ctx, shop.Scope, tk.Number)
				require.NoError(t, err)
				m[tk.Number] = now
			}
			return m
		}
		before := state()
		for _, tc := range []struct {
			name string
			at   ticket.Terminal
			code ticket.Code
			why  ticket.Reason
		}{
			{"unknown number", shop, code(unknown), ticket.ReasonUnknown},
			{"lapsed number", shop, code(lapsed.Number), ticket.ReasonLapsed},
			{"lapsed, by QR", shop, qr(lapsed), ticket.ReasonLapsed},
			{"redeemed elsewhere", shop, code(used.Number), ticket.ReasonRedeemed},
			{"redeemed elsewhere, by QR", shop, qr(used), ticket.ReasonRedeemed},
			{"cancelled", shop, qr(cancelled), ticket.ReasonCancelled},
			{"replaced", shop, qr(replaced), ticket.ReasonReplaced},
			{"another association's number", far, code(live.Number), ticket.ReasonUnknown},
			{"another association's QR", far, qr(live), ticket.ReasonScope},
			{"wrong MAC", shop, ticket.NewCode(flipped), ticket.ReasonForged},
			{"cut QR", shop, ticket.NewCode(liveQR[:30]), ticket.ReasonMalformed},
			{"another kind of QR", shop, ticket.NewCode("HTTPS://EXAMPLE.JP/"), ticket.ReasonMalformed},
			{"another kind of QR, lower case", shop, ticket.NewCode("https://example.jp/"), ticket.ReasonMalformed},
			{"short number", shop, ticket.NewCode("9876-543"), ticket.ReasonMalformed},
			{"wrong check digit", shop, ticket.NewCode(live.Number.Display() + "-" + fmt.Sprint((live.Number.CheckDigit()+1)%10)), ticket.ReasonMalformed},
			{"nothing", shop, ticket.Code{}, ticket.ReasonMalformed},
			{"a megabyte", shop, ticket.NewCode(strings.Repeat("9", 1<<20)), ticket.ReasonMalformed},
			{"broken UTF-8", shop, ticket.NewCode("\xff\xfe"), ticket.ReasonMalformed},
		} {
			for _, do := range []func(context.Context, ticket.Presentation) error{
				func(ctx context.Context, p ticket.Presentation) error { return second(d.Inspect(ctx, p)) },
				func(ctx context.Context, p ticket.Presentation) error { return second(d.Redeem(ctx, p)) },
			} {
				n := len(d.events)
				err := do(ctx, ticket.Presentation{Terminal: tc.at, Code: tc.code, Attempt: "x"})
				assert.Same(t, ticket.ErrRefused, err, tc.name)
				require.Len(t, d.events, n+1, tc.name)
				assert.Equal(t, tc.why, d.last(), tc.name)
			}
		}
		assert.Equal(t, before, state())

		// The program's own mistakes are no refusals.
		for want, p := range map[error]ticket.Presentation{
			ticket.ErrTerminal: {Terminal: ticket.Terminal{Scope: "A"}, Code: ticket.NewCode("9876-5432")},
			ticket.ErrScope:    {Terminal: ticket.Terminal{ID: "1"}, Code: ticket.NewCode("9876-5432")},
			ticket.ErrKey:      {Terminal: shop, Code: ticket.NewCode("9876-5432"), Attempt: "a\nb"},
		} {
			_, err := d.Redeem(ctx, p)
			assert.ErrorIs(t, err, want)
			_, err = d.Inspect(ctx, p)
			assert.ErrorIs(t, err, want)
		}

		// With its check digit or by its QR code the live one is good.
		_, err = d.Inspect(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode(live.Number.DisplayChecked())})
		assert.NoError(t, err)
		_, err = d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode(liveQR + "\r\n")})
		assert.NoError(t, err)
	})
}

// A forged code is refused though the store is gone: it was not asked.
func TestForgedAsksNobody(t *testing.T) {
	db := dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir()))
	d := newDesk(t, tables{db: db}, ticket.Config{})
	tk := d.issue(t, 1)
	good, err := d.QR(tk)
	require.NoError(t, err)
	imp, err := ticket.NewKey("K1", []byte("a secret of the forger's own"))
	require.NoError(t, err)
	forged, err := ticket.Keys{imp}.Seal(tk.Scope, tk.Number)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = d.Redeem(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode(forged)})
	assert.Same(t, ticket.ErrRefused, err)
	_, err = d.Redeem(t.Context(), ticket.Presentation{Terminal: far, Code: ticket.NewCode(good)})
	assert.Same(t, ticket.ErrRefused, err)
	_, err = d.Redeem(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode(good)})
	require.Error(t, err)
	assert.NotErrorIs(t, err, ticket.ErrRefused, "a store that fails is not a refusal")
}

func TestThrottle(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		cfg := ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 3, PerScope: 5, Global: 7, Window: time.Hour}}}
		d := newDesk(t, s, cfg)
		tk := d.issue(t, 1)
		other, err := d.Issue(ctx, far, ticket.Order{Points: 1})
		require.NoError(t, err)
		third := ticket.Terminal{ID: "9", Scope: "C"}
		guess := func(at ticket.Terminal) ticket.Reason {
			n := ticket.NewNumber()
			for n == tk.Number || n == other.Number {
				n = ticket.NewNumber()
			}
			_, err := d.Redeem(ctx, ticket.Presentation{Terminal: at, Code: code(n)})
			assert.Same(t, ticket.ErrRefused, err)
			return d.last()
		}
		good := func(at ticket.Terminal, c ticket.Code) error {
			return second(d.Inspect(ctx, ticket.Presentation{Terminal: at, Code: c}))
		}
		for range 3 {
			require.NoError(t, good(shop, code(tk.Number)), "what is right is not counted")
			assert.Equal(t, ticket.ReasonUnknown, guess(shop))
		}
		assert.Equal(t, ticket.ReasonThrottled, guess(shop))
		assert.Same(t, ticket.ErrRefused, good(shop, code(tk.Number)), "not looked up any more")
		assert.Equal(t, ticket.ReasonThrottled, d.last())
		text, err := d.QR(tk)
		require.NoError(t, err)
		assert.NoError(t, good(shop, ticket.NewCode(text)), "a QR code is no guess")

		// A neighbour may go on until the scope's bound.
		require.NoError(t, good(shop2, code(tk.Number)))
		assert.Equal(t, ticket.ReasonUnknown, guess(shop2))
		assert.Equal(t, ticket.ReasonUnknown, guess(shop2))
		assert.Equal(t, ticket.ReasonThrottled, guess(shop2))
		// And another association until the global one.
		require.NoError(t, good(far, code(other.Number)))
		assert.Equal(t, ticket.ReasonUnknown, guess(far))
		assert.Equal(t, ticket.ReasonUnknown, guess(third))
		assert.Equal(t, ticket.ReasonThrottled, guess(far))
		assert.Equal(t, ticket.ReasonThrottled, guess(third))

		// A second program, or this one after a restart, does not begin anew.
		again := newDesk(t, s, cfg)
		_, err = again.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(tk.Number)})
		assert.Same(t, ticket.ErrRefused, err)
		assert.Equal(t, ticket.ReasonThrottled, again.last())

		// A lost answer is given again even now, to who redeemed it alone.
		p := ticket.Presentation{Terminal: third, Code: code(other.Number), Attempt: "lost"}
		p.Terminal.Scope = far.Scope
		text, err = d.QR(other)
		require.NoError(t, err)
		p.Code = ticket.NewCode(text)
		_, err = d.Redeem(ctx, p)
		require.NoError(t, err)
		p.Code = code(other.Number)
		r, err := d.Redeem(ctx, p)
		require.NoError(t, err)
		assert.True(t, r.Repeated)
		for _, q := range []ticket.Presentation{{Terminal: p.Terminal, Code: p.Code, Attempt: "2"}, {Terminal: p.Terminal, Code: p.Code},
			{Terminal: far, Code: p.Code, Attempt: "lost"}, {Terminal: p.Terminal, Code: ticket.NewCode("0000-0000"), Attempt: "lost"}} {
			_, err = d.Redeem(ctx, q)
			assert.Same(t, ticket.ErrRefused, err)
			assert.Equal(t, ticket.ReasonThrottled, d.last())
		}

		// The next window does.
		d.clock.set(d.clock.now.Add(time.Hour))
		assert.NoError(t, good(shop, code(tk.Number)))
		assert.Equal(t, ticket.ReasonUnknown, guess(shop))

		// Every refusal counts, so that none stands out.
		d.clock.set(d.clock.now.Add(time.Hour))
		_, err = d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(tk.Number)})
		require.NoError(t, err)
		for range 3 {
			_, err = d.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(tk.Number)})
			assert.Same(t, ticket.ErrRefused, err)
			assert.Equal(t, ticket.ReasonRedeemed, d.last())
		}
		assert.Equal(t, ticket.ReasonThrottled, guess(shop))
	})
}

// A burst of guesses from one terminal gets no more look-ups than the bound,
// and hanging up does not make a wrong one uncounted.
func TestThrottleBurst(t *testing.T) {
	var mu sync.Mutex
	reasons := map[ticket.Reason]int{}
	b := fast(t).open(t, ticket.Config{
		Clock:  (&clock{now: at(t, "2026-11-21 10:00:00")}).Now, // no window ends in the middle
		Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 10}},
		Audit: func(_ context.Context, e ticket.Event) {
			mu.Lock()
			defer mu.Unlock()
			reasons[e.Reason]++
		},
	})
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			_, err := b.Redeem(t.Context(), ticket.Presentation{Terminal: shop, Code: code(ticket.NewNumber())})
			assert.Same(t, ticket.ErrRefused, err)
		})
	}
	wg.Wait()
	assert.Equal(t, map[ticket.Reason]int{ticket.ReasonUnknown: 10, ticket.ReasonThrottled: 190}, reasons)
}

// A terminal that hangs up as soon as a number has been looked up has guessed.
func TestThrottleCountsWhoHangsUp(t *testing.T) {
	h := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
	db := sql.OpenDB(h)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	cfg := ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 1}}}
	ctx, cancel := context.WithCancel(t.Context())
	d := newDesk(t, tables{db: db}, cfg)
	h.Set(func(s dbtest.Step) error {
		if s.After && looksUp(s) {
			cancel()
		}
		return nil
	})
	_, err := d.Inspect(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode("9876-5432")})
	assert.Error(t, err)
	assert.Error(t, ctx.Err())
	h.Set(nil)
	_, err = d.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode("9876-5432")})
	assert.Same(t, ticket.ErrRefused, err)
	assert.Equal(t, ticket.ReasonThrottled, d.last())
}

// Every flow, and what its events and errors say printed in every way: no
// more of a number than its last two digits.
func TestAuditHoldsNoNumber(t *testing.T) {
	auditKey, err := ticket.NewAuditKey([]byte("the key of the audit log"))
	require.NoError(t, err)
	_, err = ticket.NewAuditKey([]byte("fifteen bytes.."))
	require.ErrorIs(t, err, ticket.ErrSecret)
	eachStore(t, func(t *testing.T, s tables) {
		ctx := t.Context()
		d := newDesk(t, s, ticket.Config{AuditKey: auditKey})
		tk := d.issue(t, 1)
		var numbers []ticket.Number
		var out strings.Builder
		try := func(_ any, err error) { fmt.Fprintf(&out, "%v %+v %#v\n", err, err, err) }
		for _, n := range []ticket.Number{tk.Number, ticket.NewNumber()} {
			for _, at := range []ticket.Terminal{shop, far} {
				p := ticket.Presentation{Terminal: at, Code: code(n), Attempt: "1"}
				try(d.Inspect(ctx, p))
				try(d.Redeem(ctx, p))
				try(d.Redeem(ctx, p))
				p.Attempt = "2"
				try(d.Redeem(ctx, p))
				text, err := d.QR(ticket.Ticket{Scope: shop.Scope, Number: n})
				require.NoError(t, err)
				p.Code = ticket.NewCode(text)
				try(d.Redeem(ctx, p))
				p.Code = ticket.NewCode(text[:len(text)-5] + "AAAAA")
				try(d.Redeem(ctx, p))
				p.Code = ticket.NewCode(n.Display() + "1")
				try(d.Redeem(ctx, p))
				try(d.Reprint(ctx, at, n, ""))
				try(d.Replace(ctx, at, n, ""))
				try(d.Cancel(ctx, at, n, ""))
				try(d.Find(ctx, at.Scope, n))
			}
			numbers = append(numbers, n)
		}
		again := d.issue(t, 1)
		try(d.Replace(ctx, shop, again.Number, ""))
		numbers = append(numbers, again.Number)
		log := slog.New(slog.NewJSONHandler(&out, nil))
		refs := map[string]bool{}
		for _, e := range d.events {
			fmt.Fprintf(&out, "%v %+v %#v\n", e, e, e)
			log.Info("audit", "event", e)
			if e.Ref != "" {
				refs[e.Ref] = true
				assert.Len(t, e.Ref, 16)
				assert.Len(t, e.Tail, 2)
			}
		}
		assert.Len(t, refs, 5, "two numbers in two scopes, one in one")
		for _, n := range numbers {
			assert.NotContains(t, out.String(), n.Digits())
			assert.NotContains(t, out.String(), n.Display())
		}
	})
}

// Programs with another window have counts of their own, also where both windows
// began at one time.
func TestThrottleOfAnotherWindow(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		for _, window := range []time.Duration{0, 24*time.Hour + time.Microsecond} {
			d := newDesk(t, s, ticket.Config{Policy: ticket.Policy{Throttle: ticket.Throttle{PerTerminal: 1, Window: window}}})
			for _, why := range []ticket.Reason{ticket.ReasonUnknown, ticket.ReasonThrottled} {
				_, err := d.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode("1234-5678")})
				require.Same(t, ticket.ErrRefused, err)
				assert.Equal(t, why, d.last())
			}
		}
	})
}

// Counts of the usual window have no window in their names: a program of before
// wrote them so, and a new one goes on counting.
func TestThrottleGoesOn(t *testing.T) {
	eachStore(t, func(t *testing.T, s tables) {
		d := newDesk(t, s, ticket.Config{})
		_, err := d.Inspect(t.Context(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode("1234-5678")})
		require.Same(t, ticket.ErrRefused, err)
		rows, err := s.db.Query("SELECT subject FROM " + s.table("miss") + " ORDER BY length(subject)")
		require.NoError(t, err)
		defer rows.Close()
		var got []string
		for rows.Next() {
			var subject string
			require.NoError(t, rows.Scan(&subject))
			got = append(got, subject)
		}
		require.NoError(t, rows.Err())
		assert.Equal(t, []string{"all", "scope " + string(shop.Scope), "terminal " + string(shop.Scope) + " " + shop.ID}, got)
	})
}
