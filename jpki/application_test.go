package jpki

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

const (
	selectText   = "00A4040C 0A D3921000310001010408"
	selectVisual = "00A4040C 0A D3921000310001010402"
	selectCommon = "00A4040C 0A D3921000310001010100"
	selectJuki   = "00A4040C 0A D3921000310001010401"
)

// Each PIN's counter, in its application and by its file. One application is
// selected once.
func TestTriesOfEveryPIN(t *testing.T) {
	ctx := context.Background()
	c := play(t, nil,
		step{"00200098", "63C3"}, step{"0020009B", "63C5"},
		step{selectText, done}, step{"00200091", "63C3"}, step{"00200094", "63CA"}, step{"00200095", "63C9"},
		step{selectVisual, done}, step{"00200093", "63CA"}, step{"00200092", "63C8"}, step{"00200091", done},
		step{selectJuki, done}, step{"0020009C", "63C2"},
		step{selectCommon, done}, step{"0020009C", "63C1"},
		step{selectJPKI, done}, step{"00200098", "63C3"})
	for _, tt := range []struct {
		kind PINKind
		app  Application
		want int
	}{
		{AuthPIN, JPKIApp, 3}, {SignPIN, JPKIApp, 5},
		{TextPIN, TextApp, 3}, {TextNumberA, TextApp, 10}, {TextNumberB, TextApp, 9},
		{VisualNumberA, VisualApp, 10}, {VisualNumberB, VisualApp, 8}, {BirthDateKey, VisualApp, 10},
		{JukiPIN, JukiApp, 2}, {CommonPIN, CommonApp, 1}, {AuthPIN, JPKIApp, 3},
	} {
		left, err := c.Tries(ctx, tt.kind)
		require.NoError(t, err)
		assert.Equal(t, tt.want, left, "%s", tt.kind)
		assert.Equal(t, tt.app, c.Application())
		assert.Equal(t, tt.app, tt.kind.Application())
	}
	assert.Zero(t, PINKind(9).Application())
	assert.Equal(t, "JPKI text visual common juki Application(0)", fmt.Sprint(JPKIApp, " ", TextApp, " ", VisualApp, " ", CommonApp, " ", JukiApp, " ", Application(0)))
}

// A card that has not the application: the error names it, and the next call
// selects what it needs anew.
func TestNoApplication(t *testing.T) {
	ctx := context.Background()
	c := play(t, nil, step{selectText, "6A82"}, step{selectJPKI, done}, step{"00200098", "63C3"})
	_, err := c.Attributes(ctx)
	var none *NoApplicationError
	require.ErrorAs(t, err, &none)
	assert.Equal(t, TextApp, none.Application)
	require.ErrorIs(t, err, apdu.FileNotFound)
	require.NotErrorIs(t, err, ErrNotJPKI)
	requireStep(t, err, "read attributes")
	assert.Zero(t, c.Application())
	_, err = c.Tries(ctx, AuthPIN)
	require.NoError(t, err)
	assert.Equal(t, JPKIApp, c.Application())

	_, err = Open(ctx, &script{t: t, steps: []step{{selectVisual, "6A82"}}}, WithApplication(VisualApp))
	require.ErrorAs(t, err, &none)
	assert.Equal(t, "jpki: select application: no visual application on the card: apdu: SELECT (00 A4 04 0C): 6A82 file or application not found", err.Error())
	_, err = Open(ctx, &script{t: t}, WithApplication(0))
	var unsupported *UnsupportedError
	require.ErrorAs(t, err, &unsupported)
	_, err = Open(ctx, &script{t: t, steps: []step{{selectJPKI, "6A82"}}})
	require.ErrorAs(t, err, &none)
	require.ErrorIs(t, err, ErrNotJPKI)
}

// After the link has failed, another application is not selected: the card
// there may be another. What works in the one that was selected is let
// through, and fails on a card where nothing is.
func TestNoOtherApplicationAfterTheCardWasLost(t *testing.T) {
	ctx := context.Background()
	for _, lost := range []any{"", "90", errLink} {
		c := play(t, nil, step{"00200098", lost}, step{"00200098", "6986"}, step{readSerial, "6A82"})
		_, err := c.Tries(ctx, AuthPIN)
		require.Error(t, err)
		_, err = c.MyNumber(ctx)
		require.ErrorIs(t, err, apdu.ErrCardRemoved)
		requireStep(t, err, "read My Number")
		_, err = c.Tries(ctx, AuthPIN)
		require.ErrorIs(t, err, apdu.ErrCardRemoved)
		// That there is no such file is said of a card on which nothing is
		// selected, and not of the holder's certificate.
		_, err = c.Serial(ctx, Auth)
		require.ErrorIs(t, err, apdu.ErrCardRemoved)
		require.NotErrorIs(t, err, ErrNoCertificate)
	}
	// Lost in SELECT: then nothing is selected any more.
	c := play(t, nil, step{selectText, ""})
	_, err := c.MyNumber(ctx)
	require.ErrorIs(t, err, apdu.ErrCardRemoved)
	_, err = c.Tries(ctx, AuthPIN)
	require.ErrorIs(t, err, apdu.ErrCardRemoved)
	assert.Zero(t, c.Application())
}

func TestOpenAnotherApplication(t *testing.T) {
	s := &script{t: t, steps: []step{{selectText, "6F00"}, {selectText, done}, {"00200091", "63C3"}}}
	c, err := Open(context.Background(), s, WithApplication(TextApp))
	require.NoError(t, err)
	assert.Equal(t, TextApp, c.Application())
	_, err = c.Tries(context.Background(), TextPIN)
	require.NoError(t, err)
	assert.Equal(t, 3, s.next)
}
