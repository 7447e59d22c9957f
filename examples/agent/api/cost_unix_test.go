//go:build unix

package api_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/agent/readers"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
)

// processor is the processor time of this program so far.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What a use through the agent costs beyond the ledger and the card. The test's
// own end of the connection is in it.
func TestUseCost(t *testing.T) {
	a := start(t, func(a *agent) {
		cfg := shopConfig(t)
		cfg.Keys, cfg.WithoutPIN = a.cfg.Keys, 1_000_000
		var err error
		a.shop, err = shop.Open(t.Context(), a.db, cfg)
		require.NoError(t, err)
		a.cfg.Shop = a.shop
	})
	a.enrol(100_000)
	till := a.client("レジ")
	card := till.tap()
	const uses = 200
	body := `{"card":"` + card + `","account":"` + account + `","points":1}`
	through := func(n int) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", a.url+"/v1/uses", strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+till.token)
		r.Header.Set("Idempotency-Key", fmt.Sprint("use-", n))
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusCreated, response.StatusCode)
	}
	at := a.shop.Terminal("TILL-1")
	direct := func(n int) {
		ctx := t.Context()
		contact, err := readers.NewSim(a.slot).Open(ctx, readers.SimName)
		require.NoError(t, err)
		card, err := jpki.Open(ctx, contact)
		require.NoError(t, err)
		_, err = card.Identity(ctx)
		require.NoError(t, err)
		v, err := a.shop.Begin(ctx, card)
		require.NoError(t, err)
		_, err = v.Use(ctx, card, at, shop.Order{Key: fmt.Sprint("direct-", n), Account: account, Points: 1})
		require.NoError(t, err)
		v.Close()
		require.NoError(t, contact.Close())
	}
	through(-1) // what is prepared once
	direct(-1)
	var with, without time.Duration
	for n := range uses {
		began := processor(t)
		through(n)
		between := processor(t)
		direct(n)
		with, without = with+between-began, without+processor(t)-between
	}
	with, without = with/uses, without/uses
	t.Logf("a use takes %v of processor time through the agent, %v without: %v more", with, without, with-without)
	assert.Less(t, with-without, 10*time.Millisecond)
}
