//go:build fakewinscard

package pcsc

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/ebfe/scard"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// With the winscard.dll that .ci/wine builds. Its card comes and leaves while
// somebody waits for it.
func TestStates(t *testing.T) {
	names := []string{}
	for e, err := range Watch(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, "Desk 0", e.Reader)
		if e.Kind == CardInserted {
			assert.Equal(t, []byte{0x3B, 0x80, 0x80, 0x01, 0x01}, e.ATR)
		}
		names = append(names, e.Kind.String())
		if len(names) == 5 {
			break
		}
	}
	assert.Equal(t, []string{"reader added", "card inserted", "card removed", "card inserted", "card removed"}, names)
	for _, wait := range []time.Duration{0, time.Millisecond, lookEvery / 2, 2 * lookEvery} {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err := WaitCard(ctx, "another")
		cancel()
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}
}

// Names stay where they are for as long as Windows reads them.
func TestStatesKeepNames(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() {
		defer close(ended)
		kept := make([][]byte, 1000) // of the size of a name
		for i := 0; ctx.Err() == nil; i++ {
			kept[i%len(kept)] = bytes.Repeat([]byte{'x'}, 14)
			if i%len(kept) == 0 {
				runtime.GC()
			}
		}
	}()
	var s states
	defer s.release()
	asked := []scard.ReaderState{{Reader: "Desk 0"}}
	for range 30 {
		if err := s.change(asked, lookEvery); !errors.Is(err, scard.ErrTimeout) {
			require.NoError(t, err)
			asked[0].CurrentState = asked[0].EventState &^ scard.StateChanged
		}
	}
}
