package page_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/page"
)

// A card that came in place of the one that WaitCard gave is another, and so is
// the same one when it was taken out meanwhile: who waits only then is told.
func TestSlotChangedUnseen(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	first, second := sample(1), sample(2)
	for _, next := range []page.Card{second, first} {
		slot := new(page.Slot)
		assert.NoError(t, slot.WaitRemoved(t.Context()), "there is none")
		slot.Insert(first)
		_, err := slot.WaitCard(t.Context())
		require.NoError(t, err)
		assert.ErrorIs(t, slot.WaitRemoved(ended), context.Canceled, "it is there")
		slot.Remove()
		slot.Insert(next)
		assert.NoError(t, slot.WaitRemoved(t.Context()))
		_, err = slot.WaitCard(t.Context())
		require.NoError(t, err)
		assert.ErrorIs(t, slot.WaitRemoved(ended), context.Canceled)
		slot.Remove()
		assert.NoError(t, slot.WaitRemoved(t.Context()))
	}
}
