//go:build unix

package api_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/agent/readers"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey/point"
)

// processor is the processor time of this program so far.
func processor(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What a use takes of processor time: by the handler, without it but with the same
// card and shop, and in the ledger alone. The three take turns, on one database, and
// each has the median of its turns: a turn that paid for the collection of all
// turns' garbage is no measure of one.
func BenchmarkUse(b *testing.B) {
	for _, e := range engines() {
		b.Run(e.name, func(b *testing.B) { e.useCost(b) })
	}
}

func (e engine) useCost(b *testing.B) {
	a := e.start(b, func(a *agent) {
		cfg := shopConfig(b)
		cfg.Keys, cfg.WithoutPIN = a.cfg.Keys, 1_000_000_000
		var err error
		a.shop, err = shop.Open(b.Context(), a.db, cfg)
		require.NoError(b, err)
		a.cfg.Shop = a.shop
	})
	holder := a.enrol(10_000_000)
	till := a.client("レジ")
	card := till.tap()
	ledger, err := point.Open(b.Context(), a.db, point.Config{Unproved: 1_000_000_000})
	require.NoError(b, err)

	host := strings.TrimPrefix(a.url, "http://")
	at, err := net.ResolveTCPAddr("tcp", host)
	require.NoError(b, err)
	handler := a.server.Handler()
	body := `{"card":"` + card + `","account":"` + account + `","points":1}`
	// What a turn needs is made before it is timed.
	through := func(n int) func() {
		r := httptest.NewRequestWithContext(context.WithValue(b.Context(), http.LocalAddrContextKey, at), "POST", "http://"+host+"/v1/uses", strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+till.token)
		r.Header.Set("Idempotency-Key", fmt.Sprint("use-", n))
		w := httptest.NewRecorder()
		return func() {
			handler.ServeHTTP(w, r)
			require.Equal(b, http.StatusCreated, w.Code, w.Body)
		}
	}
	terminal := a.shop.Terminal("TILL-1")
	without := func(n int) func() {
		ctx := b.Context()
		return func() {
			contact, err := readers.NewSim(a.slot).Open(ctx, readers.SimName)
			require.NoError(b, err)
			card, err := jpki.Open(ctx, contact)
			require.NoError(b, err)
			_, err = card.Identity(ctx)
			require.NoError(b, err)
			v, err := a.shop.Begin(ctx, card)
			require.NoError(b, err)
			_, err = v.Use(ctx, card, terminal, shop.Order{Key: fmt.Sprint("direct-", n), Account: account, Points: 1})
			require.NoError(b, err)
			v.Close()
			require.NoError(b, contact.Close())
		}
	}
	bare := func(n int) func() {
		return func() {
			_, err := ledger.Use(b.Context(), point.Use{Request: point.Request{Scope: "141305-01", Name: fmt.Sprint("bare-", n)},
				Holder: holder, Account: account, Points: 1, Terminal: "TILL-1"})
			require.NoError(b, err)
		}
	}
	arms := []func(int) func(){through, without, bare}
	var took [3][]time.Duration
	for i := range arms {
		arms[i](-1)() // what is prepared once
	}
	n := 0
	for b.Loop() {
		for i := range arms {
			i = (i + n) % len(arms)
			turn := arms[i](n)
			began := processor(b)
			turn()
			took[i] = append(took[i], processor(b)-began)
		}
		n++
	}
	us := func(i int) float64 {
		slices.Sort(took[i])
		return float64(took[i][len(took[i])/2].Nanoseconds()) / 1000
	}
	b.ReportMetric(us(0), "µs/handler")
	b.ReportMetric(us(1), "µs/shop+card")
	b.ReportMetric(us(2), "µs/ledger")
	b.ReportMetric(us(0)-us(1), "µs/agent")
}
