package e2e

import (
	"context"
	"crypto"
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

// A reader that does not tell that the card was away: the card is there at each
// exchange, and has lost its power between two.
func TestTapWithPowerLost(t *testing.T) {
	ctx := context.Background()
	// What leaves the card in each application; an error is the program's affair.
	work := map[jpki.Application][]func(*jpki.Card) error{
		jpki.JPKIApp: {
			func(c *jpki.Card) error { _, err := c.Kind(ctx); return err },
			func(*jpki.Card) error { return nil },
		},
		jpki.TextApp: {
			func(c *jpki.Card) error { return c.Verify(ctx, mustPIN(t, jpki.TextPIN, textPIN)) },
			func(c *jpki.Card) error { _, err := c.Attributes(ctx); return err }, // without a PIN
		},
		jpki.VisualApp: {
			func(c *jpki.Card) error { _, err := c.VisualInfo(ctx); return err },
			func(c *jpki.Card) error { _, err := c.Face(ctx); return err },
		},
		jpki.CommonApp: {
			func(c *jpki.Card) error { _, err := c.CommonData(ctx); return err },
			func(c *jpki.Card) error { _, err := c.Tries(ctx, jpki.CommonPIN); return err },
		},
		jpki.JukiApp: {
			func(c *jpki.Card) error { _, err := c.Tries(ctx, jpki.JukiPIN); return err },
			func(c *jpki.Card) error { return c.Verify(ctx, mustPIN(t, jpki.JukiPIN, jukiPIN)) },
		},
	}
	for _, kind := range []simcard.Kind{simcard.Plastic, simcard.Child, simcard.PINLess, simcard.Juki, simcard.Android, simcard.IPhone, simcard.NextGeneration} {
		for name, opts := range map[string][]simcard.Option{
			"as it comes":          nil,
			"no short identifiers": {simcard.WithQuirks(simcard.Quirks{NoShortEF: true, BlockedStatus: apdu.AuthenticationBlocked})},
			"blocked":              {simcard.WithTries(simcard.JukiPIN, 0), simcard.WithTries(simcard.CommonPIN, 0), simcard.WithTries(simcard.TextPIN, 0)},
		} {
			for app, works := range work {
				for i, work := range works {
					card := newCard(append(opts, simcard.WithKind(kind))...)
					wait := func(context.Context) (apdu.Transmitter, error) { return card, nil }
					before := spent(card)
					tap := func(then func()) error {
						card.PowerOff()
						card.PowerOn()
						return jpki.Tap(ctx, wait, jpki.PINOrder{}, func(_ context.Context, c *jpki.Card) error {
							_ = work(c)
							then()
							return nil
						})
					}
					require.NoError(t, tap(func() {}), "%s, %s, %s %d", kind, name, app, i)
					for event, then := range map[string]func(){
						"lifted":   func() { card.Remove(); card.Insert() },
						"no power": func() { card.PowerOff(); card.PowerOn() },
						// No removal; but nobody can tell, with no application selected.
						"warm reset": card.Reset,
					} {
						require.ErrorIs(t, tap(then), jpki.ErrCardChanged, "%s, %s, %s %d, %s", kind, name, app, i, event)
					}
					require.Equal(t, before, spent(card))
				}
			}
		}
	}
}

// Another card in between, and the first one again at the end: whoever is about
// to read the other hears of it.
func TestTapWithAnotherCardBetween(t *testing.T) {
	ctx := context.Background()
	card, other := newCard(), newCard(simcard.WithHolder(simcard.SampleHolder(7)))
	d := &desk{card}
	wait := func(context.Context) (apdu.Transmitter, error) { return d, nil }
	order := jpki.PINFirst(mustPIN(t, jpki.TextPIN, textPIN))
	var told error
	run := func(ctx context.Context, c *jpki.Card) error {
		if _, err := c.Attributes(ctx); err != nil {
			return err
		}
		d.card = powered(other)
		var data jpki.CommonData
		data, told = c.CommonData(ctx)
		require.True(t, data.IsZero())
		d.card = powered(card)
		return nil // who does not listen hears it from Tap
	}
	require.ErrorIs(t, jpki.Tap(ctx, wait, order, run), jpki.ErrCardChanged)
	require.ErrorIs(t, told, jpki.ErrCardChanged)
	var step *jpki.StepError
	require.ErrorAs(t, told, &step)
	require.Equal(t, "read common data", step.Step)

	// While the PIN for another application is typed.
	d.card = powered(card)
	err := jpki.Tap(ctx, wait, jpki.CardFirst(jpki.TextPIN, func(context.Context, int) (jpki.PIN, error) {
		powered(card)
		return jpki.NewPIN(jpki.TextPIN, wrongTextPIN)
	}), func(context.Context, *jpki.Card) error { t.Error("run"); return nil })
	require.ErrorIs(t, err, jpki.ErrCardChanged)
	require.Zero(t, spent(card))
	require.Zero(t, spent(other))
}

// Outside of a tap nobody watches, and nothing is added.
func TestNoLookOutsideOfTap(t *testing.T) {
	c := open(t, newCard())
	_, err := c.CommonData(context.Background())
	require.NoError(t, err)
	require.Equal(t, 3, c.Stats().Exchanges)
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
	// Two of the three at "count" and at the end are the look at the application
	// that is left, and the SELECT of the next.
	assert.Equal(t, []string{"select application", "identify card", "count text PIN tries", "count text PIN tries", "count text PIN tries",
		"verify text PIN", "read attributes", "check that the card is the same", "check that the card is the same", "check that the card is the same"}, steps)
}

// A Card whose card was lifted and put back says so for as long as it is used:
// nothing that it asks reaches the application, and no answer is taken for one
// of it.
func TestCardLifted(t *testing.T) {
	ctx := t.Context()
	sim := simcard.New()
	c, err := jpki.Open(ctx, sim)
	require.NoError(t, err)
	sim.Remove()
	_, err = c.Serial(ctx, jpki.Auth)
	require.ErrorIs(t, err, apdu.ErrCardRemoved)
	sim.Insert()
	pin, err := jpki.NewPIN(jpki.AuthPIN, "9999")
	require.NoError(t, err)
	for name, do := range map[string]func() error{
		"serial":      func() error { _, err := c.Serial(ctx, jpki.Auth); return err },
		"certificate": func() error { _, err := c.Certificate(ctx, jpki.AuthCA); return err },
		"sign":        func() error { _, err := c.HasCertificate(ctx, jpki.Sign); return err },
		"tries":       func() error { _, err := c.Tries(ctx, jpki.AuthPIN); return err },
		"verify":      func() error { return c.Verify(ctx, pin) },
		"attributes":  func() error { _, err := c.Attributes(ctx); return err },
		"signature": func() error {
			_, err := c.Sign(ctx, jpki.Auth, make([]byte, 32), crypto.SHA256)
			return err
		},
	} {
		err := do()
		assert.ErrorIs(t, err, apdu.ErrCardRemoved, name)
		assert.ErrorContains(t, err, "open the card again", name)
		assert.NotErrorIs(t, err, jpki.ErrNoCertificate, name)
	}
	assert.Equal(t, 3, sim.Tries(simcard.AuthPIN))
}
