package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// From the tap to the attributes: SELECT, counter, VERIFY and one READ for each
// 256 bytes of the file, whatever its size.
func TestAttributesCost(t *testing.T) {
	ctx := context.Background()
	seen := map[int]bool{}
	for n := 0; n < 1400; n += 13 {
		holder := simcard.SampleHolder(1)
		holder.Name = strings.Repeat("名", n/7)
		holder.Address = strings.Repeat("住", n/3) + strings.Repeat("x", n%3)
		card := newCard(simcard.WithHolder(holder))
		c := open(t, card, jpki.WithApplication(jpki.TextApp))
		verified(t, c, jpki.TextPIN, textPIN)
		require.Equal(t, 3, c.Stats().Exchanges)
		a, err := c.Attributes(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{holder.Name, holder.Address}, []string{a.Name(), a.Address()})
		// DF21 11 bytes, DF24 11, DF25 4; a header for each text and one for all.
		size := 11 + 11 + 4
		for _, text := range []string{a.Name(), a.Address()} {
			size += header(len(text)) + len(text)
		}
		size += header(size)
		require.Equal(t, (size+255)/256, c.Stats().Exchanges-3, "%d bytes", size)
		seen[(size+255)/256] = true
	}
	require.GreaterOrEqual(t, len(seen), 7)
}

// header is the size of a two-byte tag and the shortest form of a length.
func header(n int) int {
	switch {
	case n < 0x80:
		return 3
	case n < 0x100:
		return 4
	}
	return 5
}

// Every file costs as many exchanges as it has pieces of 256 bytes.
func TestFileCost(t *testing.T) {
	ctx := context.Background()
	for _, f := range []struct {
		name string
		size func(c *jpki.Card) (int, error)
		app  jpki.Application
		pin  func(h simcard.Holder) jpki.PIN
	}{
		{"My Number", func(c *jpki.Card) (int, error) { _, err := c.MyNumber(ctx); return 17, err }, jpki.TextApp,
			func(simcard.Holder) jpki.PIN { return mustPIN(t, jpki.TextPIN, textPIN) }},
		{"text information", func(c *jpki.Card) (int, error) { _, err := c.TextInfo(ctx); return 164, err }, jpki.TextApp, nil},
		{"face certificate", func(c *jpki.Card) (int, error) { _, err := c.FaceCertificate(ctx, jpki.TextApp); return 568, err }, jpki.TextApp, nil},
		{"face certificate", func(c *jpki.Card) (int, error) { _, err := c.FaceCertificate(ctx, jpki.VisualApp); return 568, err }, jpki.VisualApp, nil},
		{"age record", func(c *jpki.Card) (int, error) { _, err := c.AgeRecord(ctx); return 547, err }, jpki.VisualApp,
			func(h simcard.Holder) jpki.PIN { return mustBirthKey(t, h) }},
		{"verified age record", func(c *jpki.Card) (int, error) {
			_, err := c.VerifiedAgeRecord(ctx, anchors())
			return 3*256 + 568, err
		}, jpki.VisualApp, func(h simcard.Holder) jpki.PIN { return mustBirthKey(t, h) }},
		{"verified My Number", func(c *jpki.Card) (int, error) {
			_, err := c.VerifiedMyNumber(ctx, anchors())
			return 256 + 2*256 + 568, err // 17, 336, 568
		}, jpki.TextApp, func(simcard.Holder) jpki.PIN { return mustPIN(t, jpki.TextPIN, textPIN) }},
		{"face", func(c *jpki.Card) (int, error) {
			f, err := c.Face(ctx)
			n := 5 + 3 + 18 + 11 + 4 + 5 + 265 + 5 + 256 + 11
			for _, b := range [][]byte{f.NamePicture(), f.AddressPicture(), f.Photo(), f.UnsignedSecurityCodePicture()} {
				n += header(len(b)) + len(b)
			}
			return n, err
		}, jpki.VisualApp, func(h simcard.Holder) jpki.PIN { return mustNumberB(t, jpki.VisualNumberB, h) }},
		{"common data", func(c *jpki.Card) (int, error) { _, err := c.CommonData(ctx); return 30, err }, jpki.CommonApp, nil},
	} {
		card := newCard()
		c := open(t, card, jpki.WithApplication(f.app))
		if f.pin != nil {
			require.NoError(t, c.Verify(ctx, f.pin(card.Holder())), f.name)
		}
		before := c.Stats().Exchanges
		size, err := f.size(c)
		require.NoError(t, err, f.name)
		assert.Equal(t, (size+255)/256, c.Stats().Exchanges-before, "%s, %d bytes", f.name, size)
	}
}

// What is on the card's face is what its holder is, for many invented people
// and by every key that opens it.
func TestHolders(t *testing.T) {
	ctx := context.Background()
	check := func(h simcard.Holder) {
		card := newCard(simcard.WithHolder(h))
		h = card.Holder()
		birth, err := jpki.NewDate(h.Birth.Date())
		require.NoError(t, err)
		expiry, err := jpki.NewDate(h.Expiry.Date())
		require.NoError(t, err)
		sex := map[simcard.Sex]jpki.Sex{simcard.Male: jpki.Male, simcard.Female: jpki.Female,
			simcard.NotApplicable: jpki.SexNotApplicable, simcard.SexUnknown: jpki.SexUnknown}[h.Sex]
		c := open(t, card)

		require.NoError(t, c.Verify(ctx, mustNumberA(t, jpki.TextNumberA, h)))
		n, err := c.VerifiedMyNumber(ctx, anchors())
		require.NoError(t, err)
		require.Equal(t, h.MyNumber.Digits(), n.Value().Digits())
		_, err = c.Attributes(ctx)
		requirePIN(t, err, jpki.TextPIN)

		c = open(t, powered(card))
		require.NoError(t, c.Verify(ctx, mustNumberB(t, jpki.TextNumberB, h)))
		a, err := c.VerifiedAttributes(ctx, anchors())
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(h.Name, "|", h.Address, "|", birth, "|", sex), describeAttributes(a.Value()))
		_, err = c.MyNumber(ctx)
		requirePIN(t, err, jpki.TextPIN)

		require.NoError(t, c.Verify(ctx, mustNumberB(t, jpki.VisualNumberB, h)))
		f, err := c.VerifiedFace(ctx, anchors())
		require.NoError(t, err)
		require.Equal(t, []any{birth, sex, expiry}, []any{f.Value().Birth(), f.Value().Sex(), f.Value().UnsignedExpiry()})
		for _, png := range [][]byte{f.Value().NamePicture(), f.Value().AddressPicture(), f.Value().UnsignedSecurityCodePicture()} {
			require.True(t, strings.HasPrefix(string(png), "\x89PNG\r\n\x1a\n"))
		}
		require.Equal(t, "jP  ", string(f.Value().Photo()[4:8]), "a JP2 file")
		_, err = c.MyNumberPicture(ctx)
		requirePIN(t, err, jpki.VisualNumberA)
		_, err = c.AgeRecord(ctx)
		requirePIN(t, err, jpki.BirthDateKey)

		d, err := c.CommonData(ctx)
		require.NoError(t, err)
		require.Equal(t, expiry, d.Expiry())
		require.Equal(t, h.Municipality, d.Municipality())
		i, err := c.VisualInfo(ctx)
		require.NoError(t, err)
		require.Equal(t, h.Municipality, i.Municipality)
	}
	for n := range uint(8) {
		check(simcard.SampleHolder(n))
	}
	for n := range uint(4) {
		check(simcard.SampleForeigner(n))
	}
	// A birth date that is not known, a sex that is not stated.
	nobody := simcard.SampleHolder(3)
	nobody.Birth, nobody.Sex = time.Time{}, simcard.SexUnknown
	card := newCard(simcard.WithHolder(nobody))
	c := open(t, card)
	verified(t, c, jpki.TextPIN, textPIN)
	a, err := c.Attributes(ctx)
	require.NoError(t, err)
	assert.True(t, a.Birth().IsZero())
	assert.Equal(t, jpki.SexUnknown, a.Sex())
}

func powered(card *simcard.Card) *simcard.Card {
	card.PowerOff()
	card.PowerOn()
	return card
}

func requirePIN(t *testing.T, err error, pin jpki.PINKind) {
	t.Helper()
	var required *jpki.PINRequiredError
	require.ErrorAs(t, err, &required)
	require.Equal(t, pin, required.PIN)
}

// To select another application is to end the PINs of the one before, both
// ways, and no try is spent on finding out.
func TestApplicationEndsPINs(t *testing.T) {
	ctx := context.Background()
	card := newCard()
	c := open(t, card)
	verified(t, c, jpki.AuthPIN, authPIN)
	_, err := c.Sign(ctx, jpki.Auth, digest[:], pss)
	require.NoError(t, err)
	assert.Equal(t, jpki.JPKIApp, c.Application())

	verified(t, c, jpki.TextPIN, textPIN)
	assert.Equal(t, jpki.TextApp, c.Application())
	_, err = c.MyNumber(ctx)
	require.NoError(t, err)
	_, err = c.Sign(ctx, jpki.Auth, digest[:], pss)
	requirePIN(t, err, jpki.AuthPIN)
	_, err = c.MyNumber(ctx)
	requirePIN(t, err, jpki.TextPIN)
	assert.Zero(t, spent(card))
}

// The counter of every PIN, spent one by one to the last that is kept.
func TestEveryPINCounter(t *testing.T) {
	ctx := context.Background()
	holder := newCard().Holder()
	wrong := holder
	wrong.SecurityCode = "3907"
	other := simcard.SampleHolder(5)
	otherNumber := newCard(simcard.WithHolder(other)).Holder()
	for _, tt := range []struct {
		sim          simcard.PIN
		right, wrong jpki.PIN
		full         int
	}{
		{simcard.TextPIN, mustPIN(t, jpki.TextPIN, textPIN), mustPIN(t, jpki.TextPIN, wrongTextPIN), 3},
		{simcard.JukiPIN, mustPIN(t, jpki.JukiPIN, jukiPIN), mustPIN(t, jpki.JukiPIN, commonPIN), 3},
		{simcard.CommonPIN, mustPIN(t, jpki.CommonPIN, commonPIN), mustPIN(t, jpki.CommonPIN, jukiPIN), 3},
		{simcard.TextNumberA, mustNumberA(t, jpki.TextNumberA, holder), mustNumberA(t, jpki.TextNumberA, otherNumber), 10},
		{simcard.TextNumberB, mustNumberB(t, jpki.TextNumberB, holder), mustNumberB(t, jpki.TextNumberB, wrong), 10},
		{simcard.VisualNumberA, mustNumberA(t, jpki.VisualNumberA, holder), mustNumberA(t, jpki.VisualNumberA, otherNumber), 10},
		{simcard.VisualNumberB, mustNumberB(t, jpki.VisualNumberB, holder), mustNumberB(t, jpki.VisualNumberB, wrong), 10},
		{simcard.BirthKey, mustBirthKey(t, holder), mustBirthKey(t, other), 10},
	} {
		for _, quirks := range []simcard.Quirks{{}, {NoShortEF: true}, {BlockedStatus: apdu.AuthenticationBlocked}} {
			card := newCard(simcard.WithQuirks(quirks))
			c := open(t, card)
			kind := tt.right.Kind()
			for left := tt.full - 1; left >= 1; left-- {
				var pin *jpki.PINError
				require.ErrorAs(t, c.Verify(ctx, tt.wrong), &pin, "%s", kind)
				require.Equal(t, jpki.PINError{PIN: kind, Left: left}, *pin)
			}
			var last *jpki.LastTryError
			require.ErrorAs(t, c.Verify(ctx, tt.wrong), &last)
			require.Equal(t, 1, card.Tries(tt.sim))
			require.NoError(t, c.Verify(ctx, tt.right, jpki.AllowLastTry()))
			left, err := c.Tries(ctx, kind)
			require.NoError(t, err)
			require.Equal(t, tt.full, left)
			require.Zero(t, spent(card), "%s", kind)
		}
	}
}

func TestChangeEveryPIN(t *testing.T) {
	ctx := context.Background()
	for _, quirks := range []simcard.Quirks{{}, {NoShortEF: true}, {ForgetOnReselect: true}} {
		card := newCard(simcard.WithQuirks(quirks))
		c := open(t, card)
		for kind, pins := range changes() {
			old, to := mustPIN(t, kind, pins[0]), mustPIN(t, kind, pins[1])
			require.NoError(t, c.ChangePIN(ctx, old, to), "%s", kind)
			var pin *jpki.PINError
			require.ErrorAs(t, c.Verify(ctx, old), &pin)
			require.NoError(t, c.Verify(ctx, to))
			require.NoError(t, c.ChangePIN(ctx, to, old), "and back")
			require.NoError(t, c.Verify(ctx, old))
		}
		assert.Zero(t, spent(card))
	}
}

// Phones have one application, and say which one they have not.
func TestPhonesHaveNoFace(t *testing.T) {
	ctx := context.Background()
	for _, kind := range []simcard.Kind{simcard.Android, simcard.IPhone} {
		card := newCard(simcard.WithKind(kind))
		c := open(t, card)
		verified(t, c, jpki.AuthPIN, authPIN)
		for app, call := range map[jpki.Application]func() error{
			jpki.TextApp:   func() error { return c.Verify(ctx, mustPIN(t, jpki.TextPIN, textPIN)) },
			jpki.VisualApp: func() error { _, err := c.Face(ctx); return err },
			jpki.CommonApp: func() error { _, err := c.CommonData(ctx); return err },
			jpki.JukiApp:   func() error { _, err := c.Tries(ctx, jpki.JukiPIN); return err },
		} {
			var none *jpki.NoApplicationError
			require.ErrorAs(t, call(), &none)
			assert.Equal(t, app, none.Application)
			_, err := c.Kind(ctx)
			require.NoError(t, err)
		}
	}
}

// A card of another hierarchy does not verify, whatever names its keys bear;
// one signer of it can be trusted by itself.
func TestForeignAnchors(t *testing.T) {
	ctx := context.Background()
	card := newCard(simcard.WithAuthority(simcard.NewAuthority(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))))
	c := open(t, card)
	verified(t, c, jpki.TextPIN, textPIN)
	v, err := c.VerifiedAttributes(ctx, anchors())
	require.Error(t, err)
	require.True(t, errors.Is(err, jpki.ErrNotAuthentic) || errors.Is(err, jpki.ErrNoAnchor))
	require.True(t, v.IsZero())

	// Trust in the one signer of this card, taken from it.
	cert, err := c.FaceCertificate(ctx, jpki.TextApp)
	require.NoError(t, err)
	var pinned jpki.FaceAnchors
	require.NoError(t, pinned.AddSigner(cert))
	v, err = c.VerifiedAttributes(ctx, &pinned)
	require.NoError(t, err)
	require.Equal(t, card.Holder().Name, v.Value().Name())
	other := open(t, newCard())
	verified(t, other, jpki.TextPIN, textPIN)
	_, err = other.VerifiedAttributes(ctx, &pinned)
	require.Error(t, err)
}
