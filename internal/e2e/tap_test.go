package e2e

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// A desk is a reader on which cards are changed.
type desk struct{ card apdu.Transmitter }

func (d *desk) Transmit(command []byte) ([]byte, error) { return d.card.Transmit(command) }

// Both orders, with the card changed for another at each moment at which it
// could be. The other card loses no try.
func TestTapWithAnotherCard(t *testing.T) {
	ctx := context.Background()
	for _, kind := range []simcard.Kind{simcard.Plastic, simcard.Child, simcard.PINLess} {
		card, other := newCard(simcard.WithKind(kind)), newCard(simcard.WithHolder(simcard.SampleHolder(7)))
		d := &desk{card}
		wait := func(context.Context) (apdu.Transmitter, error) { return d, nil }
		common := func(ctx context.Context, c *jpki.Card) error { _, err := c.CommonData(ctx); return err }
		require.NoError(t, jpki.Tap(ctx, wait, jpki.PINOrder{}, common), "%s", kind)
		require.ErrorIs(t, jpki.Tap(ctx, wait, jpki.PINOrder{}, func(ctx context.Context, c *jpki.Card) error {
			d.card = other
			return common(ctx, c)
		}), jpki.ErrCardChanged)

		d.card = powered(card)
		err := jpki.Tap(ctx, wait, jpki.CardFirst(jpki.AuthPIN, func(context.Context, int) (jpki.PIN, error) {
			d.card = powered(other)
			return jpki.NewPIN(jpki.AuthPIN, wrongAuthPIN)
		}), func(context.Context, *jpki.Card) error { t.Error("run"); return nil })
		if kind == simcard.PINLess {
			var pin *jpki.PINError
			require.ErrorAs(t, err, &pin)
			require.True(t, pin.Blocked)
		} else {
			require.ErrorIs(t, err, jpki.ErrCardChanged)
		}
		require.Zero(t, spent(other))
	}
	for _, phone := range []simcard.Kind{simcard.Android, simcard.IPhone} {
		card, other := newCard(simcard.WithKind(phone)), newCard(simcard.WithKind(phone), simcard.WithHolder(simcard.SampleHolder(7)))
		d := &desk{card}
		wait := func(context.Context) (apdu.Transmitter, error) { return d, nil }
		order := jpki.PINFirst(mustPIN(t, jpki.AuthPIN, authPIN))
		serial := func(ctx context.Context, c *jpki.Card) error { _, err := c.Serial(ctx, jpki.Auth); return err }
		require.NoError(t, jpki.Tap(ctx, wait, order, serial))
		verified(t, open(t, powered(other)), jpki.AuthPIN, authPIN) // somebody else's, and open
		d.card = powered(card)
		require.ErrorIs(t, jpki.Tap(ctx, wait, order, func(ctx context.Context, c *jpki.Card) error {
			d.card = other
			return serial(ctx, c)
		}), jpki.ErrCardChanged)
	}
}

// A card that is lifted says at which step, at every exchange of a tap.
func TestTapLifted(t *testing.T) {
	ctx := context.Background()
	var steps []string
	for _, f := range flows(t) {
		if f.name != "tap, PIN first" {
			continue
		}
		smooth := &faulty{card: newCard(), at: -1}
		_, err := f.run(ctx, smooth)
		require.NoError(t, err)
		for at := range smooth.n {
			card := newCard()
			bad := &faulty{card: card, at: at, forever: true, fault: faults()[1]}
			_, err := f.run(ctx, bad)
			require.ErrorIs(t, err, apdu.ErrCardRemoved)
			var step *jpki.StepError
			require.ErrorAs(t, err, &step)
			steps = append(steps, step.Step)
			require.Zero(t, spent(card))
		}
	}
	assert.Equal(t, []string{"select application", "identify card", "count text PIN tries", "count text PIN tries",
		"verify text PIN", "read attributes", "check that the card is the same", "check that the card is the same"}, steps)
}
