package readers_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/examples/agent/readers"
	"github.com/mynakit/mynakit/simcard/control"
)

// Cards that are changed while the reader is busy with the first are each told,
// as one that left and one that came.
func TestSimChangedUnseen(t *testing.T) {
	slot, err := control.New(control.Config{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var told []string
	err = readers.NewSim(slot).Serve(ctx, api.Watcher{
		Service: func(error) {},
		Reader:  func(string, bool) {},
		Card: func(ctx context.Context, _ string, card apdu.Transmitter) {
			told = append(told, "came")
			_, err := apdu.Transmit(ctx, card, nil, []byte{0x00, 0xA4, 0x00, 0x00})
			assert.NoError(t, err)
			if len(told) > 4 {
				stop()
				return
			}
			slot.Remove(ctx)
			assert.NoError(t, slot.Insert(ctx))
		},
		Removed: func(string) { told = append(told, "left") },
	})
	assert.True(t, errors.Is(err, context.Canceled), err)
	assert.Equal(t, []string{"came", "left", "came", "left", "came"}, told)
	require.NoError(t, slot.Close())
}
