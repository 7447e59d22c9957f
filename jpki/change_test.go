package jpki

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

func mustPIN(t testing.TB, kind PINKind, s string) PIN {
	t.Helper()
	p, err := NewPIN(kind, s)
	require.NoError(t, err)
	return p
}

// Both forms, to the byte, in every application.
func TestChangePIN(t *testing.T) {
	app := func(aid string) step { return step{"00A4040C 0A " + aid, done} }
	for _, tt := range []struct {
		old, to PIN
		steps   []step
	}{
		{mustPIN(t, AuthPIN, "1234"), mustPIN(t, AuthPIN, "5678"), []step{
			{"00A4020C020018", done}, {"00200080", "63C3"}, {"0020008004 31323334", done}, {"0024018004 35363738", done}}},
		{mustPIN(t, SignPIN, "abc123"), mustPIN(t, SignPIN, "xyz78900"), []step{
			{"00A4020C02001B", done}, {"00200080", "63C5"}, {"0020008006 414243313233", done}, {"0024018008 58595A3738393030", done}}},
		{mustPIN(t, TextPIN, "1234"), mustPIN(t, TextPIN, "5678"), []step{app("D3921000310001010408"),
			{"00A4020C020011", done}, {"00200080", "63C3"}, {"0020008004 31323334", done}, {"0024018004 35363738", done}}},
		{mustPIN(t, JukiPIN, "1234"), mustPIN(t, JukiPIN, "5678"), []step{app("D3921000310001010401"),
			{"00A4020C02001C", done}, {"00200080", "63C3"}, {"0020008004 31323334", done}, {"8032008004 35363738", done}}},
		{mustPIN(t, CommonPIN, "1234"), mustPIN(t, CommonPIN, "5678"), []step{app("D3921000310001010100"),
			{"00A4020C02001C", done}, {"00200080", "63C3"}, {"0020008004 31323334", done}, {"8032008004 35363738", done}}},
	} {
		c := play(t, nil, tt.steps...)
		require.NoError(t, c.ChangePIN(context.Background(), tt.old, tt.to), "%s", tt.old.Kind())
		assert.True(t, c.shortEF, "the change has its own way to name files")
		assert.Equal(t, tt.old.Kind().Application(), c.Application())
	}
}

// The rules for new PINs, before anything is sent.
func TestChangePINRules(t *testing.T) {
	cleared := mustPIN(t, AuthPIN, "1234")
	cleared.Clear()
	for name, tt := range map[string]struct {
		old, to PIN
		want    error
	}{
		"same":                  {mustPIN(t, AuthPIN, "1234"), mustPIN(t, AuthPIN, "1234"), &FormatError{AuthPIN, SameAsOld}},
		"same but for case":     {mustPIN(t, SignPIN, "ABC123"), mustPIN(t, SignPIN, "abc123"), &FormatError{SignPIN, SameAsOld}},
		"no digit":              {mustPIN(t, SignPIN, "ABC123"), mustPIN(t, SignPIN, "ABCDEF"), &FormatError{SignPIN, LetterAndDigit}},
		"no letter":             {mustPIN(t, SignPIN, "ABC123"), mustPIN(t, SignPIN, "123456"), &FormatError{SignPIN, LetterAndDigit}},
		"another kind":          {mustPIN(t, AuthPIN, "1234"), mustPIN(t, TextPIN, "5678"), &FormatError{AuthPIN, NoPIN}},
		"no old one":            {PIN{}, mustPIN(t, AuthPIN, "5678"), &FormatError{0, NoPIN}},
		"no new one":            {mustPIN(t, AuthPIN, "1234"), PIN{}, &FormatError{AuthPIN, NoPIN}},
		"cleared old one":       {cleared, mustPIN(t, AuthPIN, "5678"), &FormatError{AuthPIN, NoPIN}},
		"cleared new one":       {mustPIN(t, AuthPIN, "5678"), cleared, &FormatError{AuthPIN, NoPIN}},
		"a key that is printed": {mustPIN(t, BirthDateKey, "550217"), mustPIN(t, BirthDateKey, "550218"), &UnsupportedError{"to change the birth date key"}},
	} {
		err := play(t, nil).ChangePIN(context.Background(), tt.old, tt.to)
		var step *StepError
		require.ErrorAs(t, err, &step, name)
		assert.Equal(t, tt.want, step.Err, name)
	}
	// What an old PIN looks like is the card's affair: it was set by somebody.
	require.NoError(t, play(t, nil, step{"00A4020C02001B", done}, step{"00200080", "63C5"},
		step{"0020008006 414243444546", done}, step{"0024018006 414243313233", done}).
		ChangePIN(context.Background(), mustPIN(t, SignPIN, "ABCDEF"), mustPIN(t, SignPIN, "ABC123")))
}

// Each exchange fails in each way: what the caller is told of the old PIN and
// the new one.
func TestChangePINFails(t *testing.T) {
	find, count, verify := step{"00A4020C020018", done}, step{"00200080", "63C3"}, step{"0020008004 31323334", done}
	change := func(reply any) []step { return []step{find, count, verify, {"0024018004 35363738", reply}} }
	wrong := &PINError{PIN: AuthPIN, Left: 2}
	for _, tt := range []struct {
		name  string
		steps []step
		step  string
		is    []error
		as    *PINError
	}{
		{"no such file", []step{{find.command, "6A82"}}, "count auth PIN tries", []error{apdu.FileNotFound}, nil},
		{"blocked", []step{find, {count.command, "63C0"}}, "verify auth PIN", nil, &PINError{PIN: AuthPIN, Blocked: true}},
		{"counter lost", []step{find, {count.command, ""}}, "count auth PIN tries", []error{apdu.ErrCardRemoved}, nil},
		{"wrong old PIN", []step{find, count, {verify.command, "63C2"}}, "verify auth PIN", nil, wrong},
		{"VERIFY lost", []step{find, count, {verify.command, ""}}, "verify auth PIN", []error{ErrOutcomeUnknown, apdu.ErrCardRemoved}, nil},
		{"not verified after all", change("6982"), "change auth PIN", []error{ErrOutcomeUnknown, apdu.SecurityStatusNotSatisfied}, nil},
		{"refused", change("6985"), "change auth PIN", []error{apdu.ConditionsNotSatisfied}, nil},
		{"form refused", change("6A80"), "change auth PIN", []error{apdu.IncorrectData}, nil},
		{"length refused", change("6700"), "change auth PIN", []error{apdu.WrongLength}, nil},
		{"not known to the card", change("6D00"), "change auth PIN", []error{apdu.InsNotSupported}, nil},
		{"removed", change(""), "change auth PIN", []error{ErrChangeUnknown, apdu.ErrCardRemoved}, nil},
		{"torn", change("90"), "change auth PIN", []error{ErrChangeUnknown, apdu.ErrCardRemoved}, nil},
		{"link", change(errLink), "change auth PIN", []error{ErrChangeUnknown, errLink}, nil},
		{"memory failure", change("6581"), "change auth PIN", []error{ErrChangeUnknown}, nil},
		{"a warning", change("6200"), "change auth PIN", []error{ErrChangeUnknown}, nil},
		{"6F00", change("6F00"), "change auth PIN", []error{ErrChangeUnknown, apdu.NoPreciseDiagnosis}, nil},
		{"6100", change("6100"), "change auth PIN", []error{ErrChangeUnknown, apdu.MoreData}, nil},
		{"6C00", change("6C00"), "change auth PIN", []error{ErrChangeUnknown, apdu.WrongLe}, nil},
		{"a counter", change("63C2"), "change auth PIN", []error{ErrChangeUnknown, apdu.Counter}, nil},
		{"data", change("009000"), "change auth PIN", []error{ErrChangeUnknown, ErrReply}, nil},
		{"data and a refusal", change("006982"), "change auth PIN", []error{ErrChangeUnknown}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := play(t, nil, tt.steps...).ChangePIN(context.Background(), mustPIN(t, AuthPIN, "1234"), mustPIN(t, AuthPIN, "5678"))
			requireStep(t, err, tt.step)
			unknown := false
			for _, is := range tt.is {
				require.ErrorIs(t, err, is)
				unknown = unknown || is == ErrChangeUnknown
			}
			assert.Equal(t, unknown, errors.Is(err, ErrChangeUnknown))
			if tt.as != nil {
				var pin *PINError
				require.ErrorAs(t, err, &pin)
				assert.Equal(t, *tt.as, *pin)
			}
			assert.NotContains(t, err.Error(), "1234")
			assert.NotContains(t, err.Error(), "5678")
		})
	}
	var last *LastTryError
	err := play(t, nil, find, step{count.command, "63C1"}).ChangePIN(context.Background(), mustPIN(t, AuthPIN, "1234"), mustPIN(t, AuthPIN, "5678"))
	require.ErrorAs(t, err, &last)
	require.NoError(t, play(t, nil, append([]step{find, {count.command, "63C1"}, verify}, change(done)[3])...).
		ChangePIN(context.Background(), mustPIN(t, AuthPIN, "1234"), mustPIN(t, AuthPIN, "5678"), AllowLastTry()))
}

// The context ends between VERIFY and the change: the card has the old PIN and
// the error says nothing else.
func TestChangePINContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := play(t, nil)
	n := 0
	c.channel.Transmitter = transmitFunc(func(command []byte) ([]byte, error) {
		if n++; n == 3 {
			cancel()
		}
		if len(command) == 4 {
			return []byte{0x63, 0xC3}, nil
		}
		return []byte{0x90, 0x00}, nil
	})
	err := c.ChangePIN(ctx, mustPIN(t, AuthPIN, "1234"), mustPIN(t, AuthPIN, "5678"))
	require.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, ErrChangeUnknown)
	assert.Equal(t, 3, n)
}
