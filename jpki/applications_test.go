package jpki_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"

	"context"
)

// Which applications a card has is told by SELECT alone. No try is spent, and the
// card can be used afterwards.
func TestApplications(t *testing.T) {
	ctx := t.Context()
	all := []jpki.Application{jpki.JPKIApp, jpki.TextApp, jpki.VisualApp, jpki.CommonApp, jpki.JukiApp}
	for _, tt := range []struct {
		name    string
		options []simcard.Option
		want    []jpki.Application
	}{
		{"plastic", nil, all},
		{"licence", []simcard.Option{simcard.WithLicence()}, append(all[:5:5], jpki.LicenceApp)},
		{"residence", []simcard.Option{simcard.WithKind(simcard.Residence)}, append(all[:5:5], jpki.ResidenceApp)},
		{"both", []simcard.Option{simcard.WithKind(simcard.Residence), simcard.WithLicence()}, append(all[:5:5], jpki.LicenceApp, jpki.ResidenceApp)},
		{"phone", []simcard.Option{simcard.WithKind(simcard.IPhone)}, all[:1]},
	} {
		sim := simcard.New(tt.options...)
		card, err := jpki.Open(ctx, sim)
		require.NoError(t, err, tt.name)
		before := allTries(sim)
		got, err := card.Applications(ctx)
		require.NoError(t, err, tt.name)
		assert.Equal(t, tt.want, got, tt.name)
		assert.Equal(t, 1+7, card.Stats().Exchanges)
		assert.Equal(t, jpki.JPKIApp, card.Application())
		assert.Equal(t, before, allTries(sim))
		require.NoError(t, card.Verify(ctx, mustPIN(t, jpki.AuthPIN, simcard.DefaultAuthPIN)))
	}
	assert.Equal(t, "licence residence", jpki.LicenceApp.String()+" "+jpki.ResidenceApp.String())

	// In a Tap too, and a card that was lifted meanwhile is found out.
	sim := simcard.New()
	err := jpki.Tap(ctx, func(context.Context) (apdu.Transmitter, error) { return transmitter{sim}, nil }, jpki.PINOrder{},
		func(ctx context.Context, card *jpki.Card) error {
			_, err := card.Applications(ctx)
			require.NoError(t, err)
			sim.PowerOff()
			sim.PowerOn()
			_, err = card.Applications(ctx)
			return err
		})
	require.ErrorIs(t, err, jpki.ErrCardChanged)
}
