package realstack

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// A till sees each member's card, through a pcscd that ends and comes back.
func TestTillOutlivesPCSCD(t *testing.T) {
	needStack(t)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	var mu sync.Mutex
	var served []string
	var kinds []pcsc.EventKind
	var told []pcsc.Event
	done := make(chan error, 1)
	go func() {
		done <- pcsc.Server{Event: func(e pcsc.Event) {
			mu.Lock()
			defer mu.Unlock()
			kinds, told = append(kinds, e.Kind), append(told, e)
		}}.Serve(ctx, func(ctx context.Context, contact *pcsc.Card) error {
			card, err := jpki.Open(ctx, contact)
			if err != nil {
				return err
			}
			serial, err := card.Serial(ctx, jpki.Auth)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				served = append(served, serial.Hex())
			}
			return err
		})
	}()
	eventually := func(t *testing.T, what string, f func() bool) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(time.Millisecond) {
			mu.Lock()
			ok, events := f(), told
			mu.Unlock()
			if ok {
				return
			}
			if time.Since(began) > time.Minute {
				t.Fatalf("%s: %v", what, events)
			}
		}
	}
	count := func(k pcsc.EventKind) (n int) {
		for _, kind := range kinds {
			if kind == k {
				n++
			}
		}
		return n
	}
	has := func(k pcsc.EventKind, n int) func() bool { return func() bool { return count(k) >= n } }
	for n := range uint(3) {
		sim := simcard.New(simcard.WithHolder(simcard.SampleHolder(n)))
		want, err := jpki.SerialOf(sim.AuthCertificate())
		require.NoError(t, err)
		// A member whose tap failed taps again, as people do.
		for taps := 1; ; taps++ {
			tap := fmt.Sprintf("member %d, tap %d", n, taps)
			seen := 0
			mu.Lock()
			removed := count(pcsc.CardRemoved)
			mu.Unlock()
			t.Run(tap, func(t *testing.T) {
				insert(t, sim)
				eventually(t, tap, func() bool {
					seen = len(told) // at least everything up to here was seen
					// Done means closed, too: a card that leaves while a client still
					// closes it can make pcscd miss the next.
					return slices.ContainsFunc(told, func(e pcsc.Event) bool {
						return e.Kind == pcsc.CardDone || e.Kind == pcsc.CardFailed
					})
				})
			})
			// To the till, what comes within a moment after a card is that card.
			eventually(t, tap+", out", has(pcsc.CardRemoved, removed+1))
			time.Sleep(300 * time.Millisecond)
			mu.Lock()
			ok := len(served) > int(n)
			if ok {
				assert.Equal(t, want.Hex(), served[n])
			} else {
				t.Logf("%s: %v", tap, told[:seen])
			}
			told = nil
			mu.Unlock()
			if ok {
				break
			}
			require.Less(t, taps, 3)
		}
		if n == 1 {
			stopDaemon()
			eventually(t, "lost", has(pcsc.ServiceLost, 1))
			require.NoError(t, startDaemon())
			eventually(t, "found", has(pcsc.ServiceFound, 2))
		}
	}
	cancel()
	assert.ErrorIs(t, <-done, context.Canceled)
	assert.Len(t, served, 3, "each once")
}
