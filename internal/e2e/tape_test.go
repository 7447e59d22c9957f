package e2e

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/tape"
)

// A tap for the serial number that was recorded without further ado plays, with
// a number that is nobody's; and whose card it was is not on the tape.
func TestRecordedTapPlays(t *testing.T) {
	ctx := context.Background()
	serial := func(slot jpki.Slot, pin jpki.PIN, opts ...jpki.Option) func(apdu.Transmitter) (jpki.Serial, error) {
		return func(card apdu.Transmitter) (s jpki.Serial, err error) {
			c, err := jpki.Open(ctx, card, opts...)
			if err != nil {
				return s, err
			}
			if pin.Kind() != 0 {
				if err := c.Verify(ctx, pin); err != nil {
					return s, err
				}
			}
			return c.Serial(ctx, slot)
		}
	}
	auth, sign := mustPIN(t, jpki.AuthPIN, authPIN), mustPIN(t, jpki.SignPIN, signPIN)
	refused := simcard.WithQuirks(simcard.Quirks{NoShortEF: true})
	for name, tt := range map[string]struct {
		card *simcard.Card
		run  func(apdu.Transmitter) (jpki.Serial, error)
	}{
		"plastic":                   {newCard(), serial(jpki.Auth, jpki.PIN{})},
		"another holder":            {newCard(simcard.WithHolder(simcard.SampleHolder(7))), serial(jpki.Auth, jpki.PIN{})},
		"phone":                     {newCard(simcard.WithKind(simcard.Android)), serial(jpki.Auth, auth)},
		"short identifiers refused": {newCard(refused), serial(jpki.Auth, jpki.PIN{})},
		"without short identifiers": {newCard(refused), serial(jpki.Auth, jpki.PIN{}, jpki.WithoutShortEF())},
		"certificate for signature": {newCard(), serial(jpki.Sign, sign)},
		"a whole tap, and its holder": {newCard(), func(card apdu.Transmitter) (s jpki.Serial, err error) {
			wait := func(context.Context) (apdu.Transmitter, error) { return card, nil }
			err = jpki.Tap(ctx, wait, jpki.PINFirst(auth), func(ctx context.Context, c *jpki.Card) (err error) {
				s, err = c.Serial(ctx, jpki.Auth)
				return err
			})
			return s, err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			real, err := tt.run(tape.Record(tt.card, &out))
			require.NoError(t, err)
			player, err := tape.Play(strings.NewReader(out.String()))
			require.NoError(t, err)
			played, err := tt.run(player)
			require.NoError(t, err)
			require.NoError(t, player.Done())
			require.False(t, played.Equal(real))
			require.InDelta(t, len(real.Bytes()), len(played.Bytes()), 1) // DER may put a zero in front

			require.Empty(t, leaks(out.String(), secrets(tt.card)))
			for _, raw := range [][]byte{tt.card.AuthCertificate().RawSubjectPublicKeyInfo, tt.card.AuthCertificate().RawSubject} {
				for i := range len(raw) - 6 {
					require.NotContains(t, strings.ToLower(out.String()), hex.EncodeToString(raw[i:i+6]))
				}
			}
		})
	}
}
