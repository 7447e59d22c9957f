package jpki

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// occupied is a reader that somebody else may hold.
type occupied struct {
	*script
	err error // of the next transaction
}

func (o *occupied) Transaction(_ context.Context, f func() error) error {
	if o.err != nil {
		return o.err
	}
	return f()
}

// Without its transaction nothing is sent, neither the counter nor a PIN.
func TestReaderOccupied(t *testing.T) {
	s := &occupied{script: &script{t: t, steps: []step{{selectJPKI, done}}}}
	ctx := t.Context()
	card, err := Open(ctx, s)
	require.NoError(t, err)
	old, err := NewPIN(AuthPIN, "1234")
	require.NoError(t, err)
	to, err := NewPIN(AuthPIN, "4321")
	require.NoError(t, err)
	s.err = errLink
	_, err = card.Tries(ctx, AuthPIN)
	assert.ErrorIs(t, err, errLink)
	assert.ErrorIs(t, card.Verify(ctx, old), errLink)
	assert.ErrorIs(t, card.ChangePIN(ctx, old, to), errLink)
}

// How often a printed number can be tried is not measured, so no count of it
// means another card.
func TestManyTriesOfANumber(t *testing.T) {
	c := play(t, nil, step{selectText, done}, step{"00200094", "63CF"}, step{"00200091", "63CF"})
	left, err := c.Tries(t.Context(), TextNumberA)
	require.NoError(t, err)
	assert.Equal(t, 15, left)
	_, err = c.Tries(t.Context(), TextPIN)
	assert.ErrorIs(t, err, ErrCardChanged)
}
