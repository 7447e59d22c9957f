//go:build pcsc && cgo

package realstack

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/simcard/control"
)

// steered puts a card that can be steered into the first slot, for the length
// of the test.
func steered(t *testing.T) *control.Slot {
	t.Helper()
	needStack(t)
	slot, err := control.New(control.Config{
		Settle: 500 * time.Millisecond,
		Connect: func(ctx context.Context, card control.Card) (control.Link, error) {
			link, err := vpcd.Insert(ctx, vpcd.DefaultAddr, card)
			if err != nil {
				return nil, err
			}
			return link, nil
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, slot.Close())
		waitSlot(t, "No")
	})
	require.NoError(t, slot.WaitInserted(limit(t)))
	waitSlot(t, "Yes")
	return slot
}

// times is n, or with MYNAKIT_LONG long.
func times(n, long int) int {
	if os.Getenv("MYNAKIT_LONG") != "" {
		return long
	}
	return n
}

// Every insertion and removal is seen by a client that watches.
func TestEveryRemovalIsSeen(t *testing.T) {
	slot := steered(t)
	ctx, cancel := context.WithCancel(context.Background())
	seen := make(chan pcsc.EventKind, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range pcsc.Watch(ctx) {
			if err != nil {
				return
			}
			if e.Reader == reader {
				seen <- e.Kind
			}
		}
	}()
	next := func() pcsc.EventKind {
		select {
		case k := <-seen:
			return k
		case <-time.After(time.Minute):
			t.Fatal("a client does not see what happened")
			return 0
		}
	}
	assert.Equal(t, pcsc.ReaderAdded, next())
	assert.Equal(t, pcsc.CardInserted, next())
	n := times(10, 1000)
	start := time.Now()
	for i := range n {
		slot.Remove(ctx)
		require.Equal(t, pcsc.CardRemoved, next(), i)
		require.NoError(t, slot.Insert(ctx))
		require.Equal(t, pcsc.CardInserted, next(), i)
	}
	t.Logf("%d times out and in, %v each", n, time.Since(start)/time.Duration(n))
	cancel()
	<-done
}
