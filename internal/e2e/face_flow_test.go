package e2e

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

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
	tap("tap in another application, card first", func() jpki.PINOrder { return jpki.CardFirst(jpki.TextPIN, ask(jpki.TextPIN, textPIN)) }, attributes)
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
