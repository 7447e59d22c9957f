package jpki

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

// Who waits for the card while another works with it, and gives up, has sent
// nothing and takes nobody's turn away.
func TestGivingUpTheWaitForTheCard(t *testing.T) {
	pin, other := mustPIN(t, AuthPIN, "1234"), mustPIN(t, AuthPIN, "5678")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, call := range map[string]func(*Card) error{
		"verify auth PIN": func(c *Card) error { return c.Verify(ctx, pin) },
		"change auth PIN": func(c *Card) error { return c.ChangePIN(ctx, pin, other) },
		"count auth PIN tries": func(c *Card) error {
			_, err := c.Tries(ctx, AuthPIN)
			return err
		},
	} {
		c := play(t, nil)
		c.turn <- struct{}{} // the other
		err := call(c)
		require.ErrorIs(t, err, context.Canceled)
		requireStep(t, err, name)
		assert.Len(t, c.turn, 1, "%s: the other still has its turn", name)
		assert.NotErrorIs(t, err, ErrOutcomeUnknown)
		assert.NotErrorIs(t, err, ErrChangeUnknown)
	}
}

// Every status word by which a card says that it did not begin: the PIN is the
// old one.
func TestChangePINNotBegun(t *testing.T) {
	for _, status := range []string{"6700", "6800", "6882", "6985", "6A80", "6B00", "6D00", "6E00"} {
		err := play(t, nil, step{"00A4020C020018", done}, step{"00200080", "63C3"}, step{"0020008004 31323334", done},
			step{"0024018004 35363738", status}).
			ChangePIN(context.Background(), mustPIN(t, AuthPIN, "1234"), mustPIN(t, AuthPIN, "5678"))
		var s *apdu.StatusError
		require.ErrorAs(t, err, &s, status)
		assert.NotErrorIs(t, err, ErrChangeUnknown, status)
	}
}

// The first letter of the alphabet is one.
func TestNewSignPINWithOneLetter(t *testing.T) {
	for _, to := range []string{"A23456", "23456Z", "AAAAA0", "ZZZZZ9"} {
		_, err := checkChange(mustPIN(t, SignPIN, "ABC123"), mustPIN(t, SignPIN, to))
		assert.NoError(t, err, to)
	}
}

// Full width are U+FF01 to U+FF5E: what lies around them is another mistake of
// the holder's, and switching the input method does not help.
func TestEdgesOfFullWidth(t *testing.T) {
	for _, tt := range []struct {
		r    rune
		want FormatReason
	}{
		{0xFF00, WrongCharacter}, {0xFF01, FullWidth}, {0xFF10, FullWidth}, {0xFF3F, FullWidth},
		{0xFF40, FullWidth}, {0xFF5E, FullWidth}, {0xFF5F, WrongCharacter}, {0xFF80, WrongCharacter},
		{0xFE60, WrongCharacter}, {0xFEFF, WrongCharacter}, {0x3F01, WrongCharacter}, {0x3041, WrongCharacter},
	} {
		_, err := NewPIN(AuthPIN, fmt.Sprintf("123%c", tt.r))
		var format *FormatError
		require.ErrorAs(t, err, &format)
		assert.Equal(t, tt.want, format.Reason, "%U", tt.r)
	}
}
