package simcard_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/simcard"
)

func TestState(t *testing.T) {
	card := simcard.New(simcard.WithPIN(simcard.SignPIN, "XYZ789"))
	fresh := card.State()
	send(t, card, selectJPKI)
	assert.Equal(t, "63C2", send(t, card, wrongAuth))
	assert.NotEqual(t, fresh, card.State(), "a try is part of the state")
	before := card.State()
	assert.Equal(t, "63C4", send(t, card, "0020009B 06 414243313233"))
	assert.Equal(t, "9000", send(t, card, verifyAuth), "all tries again")

	text, err := json.Marshal(before)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"auth":{"value":"1234","left":2}`)
	assert.Contains(t, string(text), `"sign":{"value":"XYZ789","left":5}`)
	var read simcard.State
	require.NoError(t, json.Unmarshal(text, &read))
	assert.Equal(t, before, read)

	again := simcard.New(simcard.WithState(read))
	assert.Equal(t, before, again.State())
	send(t, again, selectJPKI)
	assert.Equal(t, "63C2", send(t, again, triesAuth))
	assert.Equal(t, "9000", send(t, again, "0020009B 06 58595A373839"))
	assert.False(t, again.Verified(simcard.AuthPIN), "what was verified is not state")

	phone := simcard.New(simcard.WithKind(simcard.Android), simcard.WithState(read))
	assert.Equal(t, 2, phone.Tries(simcard.AuthPIN))
	assert.Zero(t, phone.PIN(simcard.TextPIN), "a phone has no text PIN, whatever the state says")

	for _, bad := range []string{`{"auth":{"left":-1}}`, `{"auth":{"left":16}}`, `{"blue":{"left":1}}`, `[]`, `{"auth":{"value":"12345678901234567"}}`} {
		kept := read
		err := json.Unmarshal([]byte(bad), &kept)
		assert.ErrorIs(t, err, simcard.ErrState, bad)
		assert.Equal(t, read, kept, bad)
	}
	over := simcard.State{}
	require.NoError(t, json.Unmarshal([]byte(`{"auth":{"value":"1234","left":15}}`), &over))
	assert.Equal(t, 3, simcard.New(simcard.WithState(over)).Tries(simcard.AuthPIN))

	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("card", "state", before, "pin", card.PIN(simcard.AuthPIN))
	printed := log.String() + fmt.Sprintf("%v %+v %#v %s", before, before, card.PIN(simcard.AuthPIN), card.PIN(simcard.AuthPIN))
	assert.NotContains(t, printed, "1234")
	assert.Contains(t, printed, "[redacted]")
}

func TestSetWhileItRuns(t *testing.T) {
	card := simcard.New()
	send(t, card, selectJPKI)
	require.Equal(t, "9000", send(t, card, verifyAuth))
	auth := card.PIN(simcard.AuthPIN)
	assert.Equal(t, []any{"1234", 3, 3, true}, []any{auth.Reveal(), auth.Left, auth.Tries, auth.Verified})

	card.SetTries(simcard.AuthPIN, 1)
	assert.Equal(t, "63C1", send(t, card, triesAuth))
	assert.True(t, card.Verified(simcard.AuthPIN))
	card.SetTries(simcard.AuthPIN, -3)
	assert.False(t, card.Verified(simcard.AuthPIN), "a blocked PIN opens nothing")
	assert.Equal(t, "6984", send(t, card, verifyAuth))
	card.SetTries(simcard.AuthPIN, 99)
	assert.Equal(t, 3, card.Tries(simcard.AuthPIN))
	card.SetPIN(simcard.AuthPIN, "9999")
	assert.Equal(t, "63C2", send(t, card, verifyAuth))
	assert.Equal(t, "9000", send(t, card, wrongAuth), "the value that was wrong is the right one now")

	juki := simcard.New(simcard.WithKind(simcard.Juki))
	juki.SetPIN(simcard.TextPIN, "1111")
	juki.SetTries(simcard.TextPIN, 3)
	assert.Zero(t, juki.PIN(simcard.TextPIN), "there is none to set")
	juki.SetTries(simcard.PIN(200), 1)
	assert.Zero(t, juki.PIN(simcard.PIN(200)))

	assert.True(t, card.Powered())
	card.PowerOff()
	assert.False(t, card.Powered())
	card.Insert()
	assert.True(t, card.Powered())
	card.Remove()
	card.PowerOn()
	assert.False(t, card.Powered(), "out of the reader")
}

func TestPINOf(t *testing.T) {
	card := simcard.New()
	of := func(command string) string {
		b, err := hex.DecodeString(strings.ReplaceAll(command, " ", ""))
		require.NoError(t, err)
		which, ok := card.PINOf(b)
		if !ok {
			return "none"
		}
		return which.String()
	}
	assert.Equal(t, "none", of(verifyAuth), "no application is selected")
	send(t, card, selectJPKI)
	assert.Equal(t, "auth", of(verifyAuth))
	assert.Equal(t, "sign", of(triesSign))
	assert.Equal(t, "none", of("00200080"), "no file is selected")
	send(t, card, "00A4020C 02 001B")
	assert.Equal(t, "sign", of("00200080"))
	assert.Equal(t, "sign", of("00240180 06 414243313233"))
	assert.Equal(t, "none", of("00200000"))
	assert.Equal(t, "none", of("0020008A"), "a certificate")
	assert.Equal(t, "none", of("00B00000 00"))
	assert.Equal(t, "none", of("0020"))
	send(t, card, "00A4040C 0A D3921000310001010402")
	assert.Equal(t, "birth_key", of("00200091"))
	assert.Equal(t, "visual_number_a", of("00200093"))
}

func TestPINNames(t *testing.T) {
	for _, which := range simcard.PINs() {
		text, err := which.MarshalText()
		require.NoError(t, err)
		var read simcard.PIN
		require.NoError(t, read.UnmarshalText(text))
		assert.Equal(t, which, read)
		assert.Regexp(t, `^[a-z_]+$`, string(text))
	}
	which := simcard.SignPIN
	assert.Error(t, which.UnmarshalText([]byte("blue")))
	assert.Equal(t, simcard.SignPIN, which)
	assert.Equal(t, "PIN(77)", simcard.PIN(77).String())
}

// The clock sets the year of issue and nothing else.
func TestClock(t *testing.T) {
	at := time.Date(2031, time.April, 1, 0, 0, 0, 0, time.UTC)
	card := simcard.New(simcard.WithClock(func() time.Time { return at }))
	assert.Equal(t, 2031, card.AuthCertificate().NotBefore.In(time.FixedZone("JST", 9*60*60)).Year())
	assert.Equal(t, simcard.New().AuthCertificate().SerialNumber, card.AuthCertificate().SerialNumber)
	assert.Equal(t, card.AuthCertificate().Raw, simcard.New(simcard.WithClock(func() time.Time { return at })).AuthCertificate().Raw, "every byte is pinned")
	expired := simcard.New(simcard.WithExpired(), simcard.WithClock(func() time.Time { return at }))
	assert.True(t, expired.AuthCertificate().NotAfter.Before(at))
	assert.True(t, expired.AuthCertificate().NotAfter.After(at.AddDate(-12, 0, 0)))
}

// Each sample differs from the plain card in what it is for.
func TestSamples(t *testing.T) {
	now := time.Now()
	is := map[string]func(*simcard.Card) bool{
		"plastic":              func(c *simcard.Card) bool { return c.Holder() == simcard.New().Holder() },
		"android":              func(c *simcard.Card) bool { return c.Kind() == simcard.Android },
		"iphone":               func(c *simcard.Card) bool { return c.Kind() == simcard.IPhone },
		"juki":                 func(c *simcard.Card) bool { return c.Kind() == simcard.Juki },
		"child":                func(c *simcard.Card) bool { return c.Holder().Birth.AddDate(15, 0, 0).After(now) },
		"pinless":              func(c *simcard.Card) bool { return c.Tries(simcard.TextPIN) == 0 },
		"next-generation-plan": func(c *simcard.Card) bool { return c.Kind() == simcard.NextGeneration },
		"expired":              func(c *simcard.Card) bool { return c.AuthCertificate().NotAfter.Before(now) },
		"revoked":              func(c *simcard.Card) bool { return len(c.Revocations()) == 2 },
		"residence":            func(c *simcard.Card) bool { return c.Kind() == simcard.Residence && c.Holder().Foreign },
		"foreign-resident":     func(c *simcard.Card) bool { return c.Holder().Foreign },
	}
	for _, name := range simcard.SampleNames() {
		require.Contains(t, is, name, "a sample that this test does not know")
		opts, err := simcard.Sample(name, 0, now)
		require.NoError(t, err)
		assert.True(t, is[name](simcard.New(opts...)), name)
		if name == "child" {
			continue // the seventh holder is grown up
		}
		opts, err = simcard.Sample(name, 7, now)
		require.NoError(t, err)
		other := simcard.New(opts...)
		assert.NotEqual(t, simcard.New().Holder().MyNumber, other.Holder().MyNumber, name)
		assert.True(t, name == "plastic" || is[name](other), name)
	}
	assert.Len(t, is, len(simcard.SampleNames()))
	_, err := simcard.Sample("blue", 0, now)
	assert.ErrorContains(t, err, "foreign-resident", "the error says what there is")
}
