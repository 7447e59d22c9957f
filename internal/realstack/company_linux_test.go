package realstack

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

var (
	_ apdu.Transactor  = (*pcsc.Card)(nil)
	_ apdu.Reconnector = (*pcsc.Card)(nil)
)

// Another program selects another application all the time. The right PIN costs
// no try of any key, and what it was for succeeds.
func TestCompanyThroughPCSC(t *testing.T) {
	needStack(t)
	sim := simcard.New()
	insert(t, sim)
	ctx := limit(t)
	ours, other := open(t), open(t)
	card, err := jpki.Open(ctx, ours)
	require.NoError(t, err)

	var selected atomic.Int64
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		text := []byte{0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x08}
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if _, err := other.TransmitContext(ctx, nil, text); err != nil {
				stopped <- err
				return
			}
			selected.Add(1)
		}
	}()
	auth, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	require.NoError(t, err)
	text, err := jpki.NewPIN(jpki.TextPIN, simcard.DefaultTextPIN)
	require.NoError(t, err)
	digest := sha256.Sum256([]byte("challenge"))
	for round := int64(0); round < 5 || selected.Load() < 20; round++ {
		left, err := card.Tries(ctx, jpki.AuthPIN)
		require.NoError(t, err)
		require.Equal(t, 3, left)
		require.NoError(t, card.Verify(ctx, text))
		require.NoError(t, card.Transaction(ctx, func(ctx context.Context) error {
			if err := card.Verify(ctx, auth); err != nil {
				return err
			}
			_, err := card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
			return err
		}))
	}
	close(stop)
	require.NoError(t, <-stopped)
	for _, pin := range simcard.PINs() {
		full := sim.PIN(pin)
		assert.Equal(t, full.Tries, full.Left, "%s", pin)
	}
}

// Another program resets the card while the holder types. The Tap begins anew,
// and the holder types once.
func TestTapOnAResetThroughPCSC(t *testing.T) {
	needStack(t)
	insert(t, simcard.New())
	ctx := limit(t)
	asked := 0
	digest := sha256.Sum256([]byte("challenge"))
	ours := open(t)
	err := jpki.Tap(ctx, func(context.Context) (apdu.Transmitter, error) { return ours, nil },
		jpki.CardFirst(jpki.AuthPIN, func(ctx context.Context, left int) (jpki.PIN, error) {
			asked++
			other, err := pcsc.Open(ctx, reader)
			if err == nil {
				err = other.CloseContext(ctx, pcsc.Reset)
			}
			pin, newErr := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
			return pin, errors.Join(err, newErr)
		}),
		func(ctx context.Context, card *jpki.Card) error {
			_, err := card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
			return err
		})
	require.NoError(t, err)
	assert.Equal(t, 1, asked)
}
