package registry_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/simcard"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func verifier(t *testing.T) *jpki.Verifier {
	v, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()})
	require.NoError(t, err)
	return v
}

func openCard(t *testing.T, opts ...simcard.Option) *jpki.Card {
	card, err := jpki.Open(t.Context(), simcard.New(opts...))
	require.NoError(t, err)
	return card
}

func verified(t *testing.T) *jpki.VerifiedCertificate {
	cert, err := openCard(t).Certificate(t.Context(), jpki.Auth)
	require.NoError(t, err)
	v, err := verifier(t).Verify(t.Context(), cert, jpki.Auth)
	require.NoError(t, err)
	return v
}

// A card proves itself after its PIN and as often as it is asked; without the
// PIN it only shows itself.
func TestProve(t *testing.T) {
	ctx := t.Context()
	card, v := openCard(t), verifier(t)
	shown, err := registry.Show(ctx, card, v)
	require.NoError(t, err)
	assert.False(t, shown.Proved)
	assert.Equal(t, registry.DeviceCard, shown.Certificate.Device)
	_, err = registry.Prove(ctx, card, v)
	var required *jpki.PINRequiredError
	require.ErrorAs(t, err, &required)

	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	require.NoError(t, err)
	defer pin.Clear()
	require.NoError(t, card.Verify(ctx, pin))
	for range 3 {
		proved, err := registry.Prove(ctx, card, v)
		require.NoError(t, err)
		assert.True(t, proved.Proved)
		assert.Equal(t, shown.Certificate, proved.Certificate)
	}
	// A certificate that the verifier does not trust is no presence.
	late, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()},
		jpki.WithClock(func() time.Time { return time.Now().AddDate(50, 0, 0) }))
	require.NoError(t, err)
	for _, read := range []func() (registry.Presence, error){
		func() (registry.Presence, error) { return registry.Show(ctx, card, late) },
		func() (registry.Presence, error) { return registry.Prove(ctx, card, late) },
	} {
		p, err := read()
		require.ErrorIs(t, err, jpki.ErrExpired)
		assert.Zero(t, p.Certificate.Serial)
	}
}
