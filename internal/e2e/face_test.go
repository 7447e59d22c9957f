package e2e

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// cardNumber is the number that the common application of a card gives, "none"
// for a card without.
func cardNumber(card *simcard.Card) string {
	c, err := jpki.Open(context.Background(), card, jpki.WithApplication(jpki.CommonApp))
	if err != nil {
		return "none"
	}
	d, err := c.CommonData(context.Background())
	if err != nil {
		return "none"
	}
	return d.ManufacturingNumber()
}

// anchors trusts the roots of the test authority's card faces.
var anchors = sync.OnceValue(func() *jpki.FaceAnchors {
	var a jpki.FaceAnchors
	for _, root := range simcard.TestAuthority().CardFace().Anchors() {
		if err := a.AddIssuer(jpki.FaceID(root.ID), root.Key); err != nil {
			panic(err)
		}
	}
	return &a
})

// numberB makes 照合番号B of a holder from what is printed on the card.
func numberB(kind jpki.PINKind, h simcard.Holder) (jpki.PIN, error) {
	birth, expiry, calendar := jpki.Date{}, jpki.Date{}, jpki.JapaneseCalendar
	var err error
	if birth, err = jpki.NewDate(h.Birth.Date()); err != nil {
		return jpki.PIN{}, err
	}
	if expiry, err = jpki.NewDate(h.Expiry.Date()); err != nil {
		return jpki.PIN{}, err
	}
	if h.Foreign {
		calendar = jpki.GregorianCalendar
	}
	return jpki.NewNumberB(kind, birth, expiry, h.SecurityCode, calendar)
}

func mustNumberB(t testing.TB, kind jpki.PINKind, h simcard.Holder) jpki.PIN {
	t.Helper()
	p, err := numberB(kind, h)
	require.NoError(t, err)
	return p
}

func mustNumberA(t testing.TB, kind jpki.PINKind, h simcard.Holder) jpki.PIN {
	t.Helper()
	n, err := jpki.ParseMyNumber(h.NumberA())
	require.NoError(t, err)
	p, err := jpki.NewNumberA(kind, n)
	require.NoError(t, err)
	return p
}

func mustBirthKey(t testing.TB, h simcard.Holder) jpki.PIN {
	t.Helper()
	birth, err := jpki.NewDate(h.Birth.Date())
	require.NoError(t, err)
	p, err := jpki.NewBirthDateKey(birth, jpki.JapaneseCalendar)
	require.NoError(t, err)
	return p
}

// pins is how many PINs a flow presents.
func (f flow) pins() int {
	if strings.Contains(f.name, "two PINs") {
		return 2
	}
	return 1
}

func describeAttributes(a jpki.Attributes) string {
	return fmt.Sprint(a.Name(), "|", a.Address(), "|", a.Birth(), "|", a.Sex())
}

// describeFace gives what is signed of a face.
func describeFace(f jpki.Face) string {
	return fmt.Sprintf("%s|%s|%x|%x|%x", f.Birth(), f.Sex(), f.NamePicture(), f.AddressPicture(), f.Photo())
}

// faceFlows is everything that jpki does outside of its JPKI application, and
// what goes across applications.
func faceFlows(t testing.TB) []flow {
	holder := newCard().Holder()
	var all []flow
	add := func(app jpki.Application, name string, pin jpki.PIN, run func(context.Context, *jpki.Card) (string, error)) {
		all = append(all, flow{name, func(ctx context.Context, card apdu.Transmitter, opts ...jpki.Option) (string, error) {
			c, err := jpki.Open(ctx, card, append(opts, jpki.WithApplication(app))...)
			if err != nil {
				return "", err
			}
			if pin.Kind() != 0 {
				if err := c.Verify(ctx, pin); err != nil {
					return "", err
				}
			}
			return run(ctx, c)
		}})
	}
	text := mustPIN(t, jpki.TextPIN, textPIN)
	textA, textB := mustNumberA(t, jpki.TextNumberA, holder), mustNumberB(t, jpki.TextNumberB, holder)
	visualA, visualB := mustNumberA(t, jpki.VisualNumberA, holder), mustNumberB(t, jpki.VisualNumberB, holder)
	birth := mustBirthKey(t, holder)
	wrongHolder := holder
	wrongHolder.SecurityCode = "3907"
	wrongB := mustNumberB(t, jpki.TextNumberB, wrongHolder)

	number := func(ctx context.Context, c *jpki.Card) (string, error) {
		n, err := c.MyNumber(ctx)
		return n.Digits(), err
	}
	attributes := func(ctx context.Context, c *jpki.Card) (string, error) {
		a, err := c.Attributes(ctx)
		return describeAttributes(a), err
	}
	face := func(ctx context.Context, c *jpki.Card) (string, error) {
		f, err := c.Face(ctx)
		return describeFace(f), err
	}
	nothing := func(context.Context, *jpki.Card) (string, error) { return "", nil }

	add(jpki.TextApp, "My Number", text, number)
	add(jpki.TextApp, "My Number by number A", textA, number)
	add(jpki.TextApp, "attributes", text, attributes)
	add(jpki.TextApp, "attributes by number B", textB, attributes)
	add(jpki.TextApp, "attributes without PIN", jpki.PIN{}, attributes)
	add(jpki.TextApp, "verified My Number", text, func(ctx context.Context, c *jpki.Card) (string, error) {
		v, err := c.VerifiedMyNumber(ctx, anchors())
		return v.Value().Digits(), err
	})
	add(jpki.TextApp, "verified attributes", textB, func(ctx context.Context, c *jpki.Card) (string, error) {
		v, err := c.VerifiedAttributes(ctx, anchors())
		return describeAttributes(v.Value()), err
	})
	add(jpki.TextApp, "text information", jpki.PIN{}, func(ctx context.Context, c *jpki.Card) (string, error) {
		i, err := c.TextInfo(ctx)
		return fmt.Sprint(i), err
	})
	add(jpki.TextApp, "face certificate", jpki.PIN{}, func(ctx context.Context, c *jpki.Card) (string, error) {
		cert, err := c.FaceCertificate(ctx, jpki.TextApp)
		if err != nil {
			return "", err
		}
		return hex.EncodeToString(cert.Raw), nil
	})
	add(jpki.VisualApp, "face by number A", visualA, face)
	add(jpki.VisualApp, "face by number B", visualB, face)
	add(jpki.VisualApp, "verified face", visualB, func(ctx context.Context, c *jpki.Card) (string, error) {
		v, err := c.VerifiedFace(ctx, anchors())
		return describeFace(v.Value()), err
	})
	add(jpki.VisualApp, "age record", birth, func(ctx context.Context, c *jpki.Card) (string, error) {
		d, err := c.AgeRecord(ctx)
		return d.String(), err
	})
	add(jpki.VisualApp, "verified age record", birth, func(ctx context.Context, c *jpki.Card) (string, error) {
		v, err := c.VerifiedAgeRecord(ctx, anchors())
		return v.Value().String(), err
	})
	add(jpki.VisualApp, "My Number picture", visualA, func(ctx context.Context, c *jpki.Card) (string, error) {
		p, err := c.MyNumberPicture(ctx)
		return hex.EncodeToString(p.PNG()), err
	})
	add(jpki.VisualApp, "verified My Number picture", visualA, func(ctx context.Context, c *jpki.Card) (string, error) {
		v, err := c.VerifiedMyNumberPicture(ctx, anchors())
		return hex.EncodeToString(v.Value().PNG()), err
	})
	add(jpki.VisualApp, "visual information", jpki.PIN{}, func(ctx context.Context, c *jpki.Card) (string, error) {
		i, err := c.VisualInfo(ctx)
		return fmt.Sprint(i), err
	})
	add(jpki.CommonApp, "common data", jpki.PIN{}, func(ctx context.Context, c *jpki.Card) (string, error) {
		d, err := c.CommonData(ctx)
		return fmt.Sprint(d.Number(), d.Municipality(), d.Expiry()), err
	})
	add(jpki.JPKIApp, "juki tries from JPKI", jpki.PIN{}, func(ctx context.Context, c *jpki.Card) (string, error) {
		left, err := c.Tries(ctx, jpki.JukiPIN)
		return fmt.Sprint(left), err
	})
	add(jpki.JPKIApp, "verify juki PIN", mustPIN(t, jpki.JukiPIN, jukiPIN), nothing)
	add(jpki.JPKIApp, "verify common PIN", mustPIN(t, jpki.CommonPIN, commonPIN), nothing)
	add(jpki.TextApp, "wrong text PIN", mustPIN(t, jpki.TextPIN, wrongTextPIN), nothing)
	add(jpki.TextApp, "wrong number B", wrongB, nothing)
	add(jpki.JPKIApp, "attributes and My Number by two PINs", textA, func(ctx context.Context, c *jpki.Card) (string, error) {
		n, err := number(ctx, c)
		if err != nil {
			return "", err
		}
		if err := c.Verify(ctx, textB); err != nil {
			return "", err
		}
		a, err := attributes(ctx, c)
		return n + a, err
	})
	for kind := jpki.AuthPIN; kind <= jpki.CommonPIN; kind++ {
		old, to := mustPIN(t, kind, changes()[kind][0]), mustPIN(t, kind, changes()[kind][1])
		add(kind.Application(), "change "+kind.String(), jpki.PIN{}, func(ctx context.Context, c *jpki.Card) (string, error) {
			return "", c.ChangePIN(ctx, old, to)
		})
	}
	wrong, to := mustPIN(t, jpki.TextPIN, wrongTextPIN), mustPIN(t, jpki.TextPIN, newPIN)
	add(jpki.TextApp, "wrong old text PIN in a change", jpki.PIN{}, func(ctx context.Context, c *jpki.Card) (string, error) {
		return "", c.ChangePIN(ctx, wrong, to)
	})

	tap := func(name string, order func() jpki.PINOrder, run func(context.Context, *jpki.Card) (string, error)) {
		all = append(all, flow{name, func(ctx context.Context, card apdu.Transmitter, opts ...jpki.Option) (result string, err error) {
			wait := func(context.Context) (apdu.Transmitter, error) { return card, nil }
			err = jpki.Tap(ctx, wait, order(), func(ctx context.Context, c *jpki.Card) (err error) {
				result, err = run(ctx, c)
				return err
			}, opts...)
			return result, err
		}})
	}
	ask := func(kind jpki.PINKind, secret string) func(context.Context, int) (jpki.PIN, error) {
		return func(context.Context, int) (jpki.PIN, error) { return jpki.NewPIN(kind, secret) }
	}
	tap("tap, PIN first", func() jpki.PINOrder { return jpki.PINFirst(text) }, attributes)
	tap("tap, card first", func() jpki.PINOrder { return jpki.CardFirst(jpki.AuthPIN, ask(jpki.AuthPIN, authPIN)) },
		func(ctx context.Context, c *jpki.Card) (string, error) {
			has, err := c.HasCertificate(ctx, jpki.Sign)
			return fmt.Sprint(has), err
		})
	return all
}

// changes are the PINs that a holder can change: before and after.
func changes() map[jpki.PINKind][2]string {
	return map[jpki.PINKind][2]string{
		jpki.AuthPIN: {authPIN, newPIN}, jpki.SignPIN: {signPIN, newSignPIN}, jpki.TextPIN: {textPIN, newPIN},
		jpki.JukiPIN: {jukiPIN, newPIN}, jpki.CommonPIN: {commonPIN, newPIN},
	}
}

// checkChange holds what a failed change says against the card: it has the new
// PIN after success, the old one after an error, and either only where the
// error says so.
func checkChange(t *testing.T, o outcome, fail func(string, ...any)) {
	t.Helper()
	for kind, pins := range changes() {
		if o.flow.name != "change "+kind.String() {
			continue
		}
		o.card.PowerOff()
		o.card.PowerOn()
		c := open(t, o.card)
		changed := c.Verify(context.Background(), mustPIN(t, kind, pins[1])) == nil
		if !changed {
			verified(t, c, kind, pins[0]) // and it fills the counter
		}
		unknown := errors.Is(o.err, jpki.ErrChangeUnknown)
		switch {
		case unknown && o.bad.changes == 0:
			fail("unknown, and no new PIN was sent")
		case unknown || o.fault.status:
			// A lie of the link's about the status word is believed.
		case o.err == nil && !changed:
			fail("the old PIN after success")
		case o.err != nil && changed:
			fail("the new PIN after an error that does not say so")
		}
	}
}

// facePINs is how many PINs everyFace presents.
const facePINs = 12

// everyFace calls every method outside of the JPKI application, whatever comes
// of it, and gives the errors.
func everyFace(ctx context.Context, c *jpki.Card) (errs []error) {
	collect := func(err error) { errs = append(errs, err) }
	holder := newCard().Holder()
	verify := func(pin jpki.PIN, err error) {
		collect(err)
		_, err = c.Tries(ctx, pin.Kind())
		collect(err)
		collect(c.Verify(ctx, pin))
	}
	number, err := jpki.ParseMyNumber(holder.NumberA())
	collect(err)
	birth, err := jpki.NewDate(holder.Birth.Date())
	collect(err)

	verify(jpki.NewPIN(jpki.TextPIN, textPIN))
	_, err = c.MyNumber(ctx)
	collect(err)
	_, err = c.Attributes(ctx)
	collect(err)
	_, err = c.VerifiedMyNumber(ctx, anchors())
	collect(err)
	_, err = c.VerifiedAttributes(ctx, anchors())
	collect(err)
	_, err = c.TextInfo(ctx)
	collect(err)
	verify(jpki.NewNumberA(jpki.TextNumberA, number))
	verify(numberB(jpki.TextNumberB, holder))

	verify(jpki.NewBirthDateKey(birth, jpki.JapaneseCalendar))
	_, err = c.AgeRecord(ctx)
	collect(err)
	_, err = c.VerifiedAgeRecord(ctx, anchors())
	collect(err)
	verify(jpki.NewNumberA(jpki.VisualNumberA, number))
	_, err = c.Face(ctx)
	collect(err)
	_, err = c.MyNumberPicture(ctx)
	collect(err)
	_, err = c.VerifiedMyNumberPicture(ctx, anchors())
	collect(err)
	verify(numberB(jpki.VisualNumberB, holder))
	_, err = c.VerifiedFace(ctx, anchors())
	collect(err)
	_, err = c.VisualInfo(ctx)
	collect(err)
	_, err = c.FaceCertificate(ctx, jpki.VisualApp)
	collect(err)

	_, err = c.CommonData(ctx)
	collect(err)
	verify(jpki.NewPIN(jpki.JukiPIN, jukiPIN))
	for _, kind := range []jpki.PINKind{jpki.AuthPIN, jpki.SignPIN, jpki.TextPIN, jpki.JukiPIN, jpki.CommonPIN} {
		old, err := jpki.NewPIN(kind, changes()[kind][0])
		collect(err)
		to, err := jpki.NewPIN(kind, changes()[kind][1])
		collect(err)
		collect(c.ChangePIN(ctx, old, to))
	}
	_, err = c.Identity(ctx)
	collect(err)
	return errs
}

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

// An age record and a face of one card, and the attributes of another under
// its name: whatever is put together from two cards does not verify.
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
