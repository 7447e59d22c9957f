package jpki_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// The holder's name and address fill a form: select, counter, VERIFY, one READ.
func ExampleCard_Attributes() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(), jpki.WithApplication(jpki.TextApp))
	if err != nil {
		log.Fatal(err)
	}
	pin, err := jpki.NewPIN(jpki.TextPIN, simcard.DefaultTextPIN)
	if err != nil {
		log.Fatal(err)
	}
	defer pin.Clear()
	if err := card.Verify(ctx, pin); err != nil {
		log.Fatal(err)
	}
	a, err := card.Attributes(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("in a log:", a)
	fmt.Println("on the form:", a.Name() == simcard.SampleHolder(0).Name, a.Sex().Japanese() != "")
	fmt.Println(card.Stats().Exchanges, "exchanges")
	// Output:
	// in a log: [redacted]
	// on the form: true true
	// 4 exchanges
}

func ExampleCard_MyNumber() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(), jpki.WithApplication(jpki.TextApp))
	if err != nil {
		log.Fatal(err)
	}
	_, err = card.MyNumber(ctx)
	var required *jpki.PINRequiredError
	fmt.Println(errors.As(err, &required), required.PIN)

	pin, err := jpki.NewPIN(jpki.TextPIN, simcard.DefaultTextPIN)
	if err != nil {
		log.Fatal(err)
	}
	if err := card.Verify(ctx, pin); err != nil {
		log.Fatal(err)
	}
	number, err := card.MyNumber(ctx)
	fmt.Println(number, len(number.Digits()), "digits", err)
	// Output:
	// true text PIN
	// [redacted] 12 digits <nil>
}

// A form that grants something wants attributes that are verified, and can say
// so in its signature.
func ExampleCard_VerifiedAttributes() {
	register := func(a jpki.Verified[jpki.Attributes]) {
		fmt.Println("registered on the word of", a.Signer())
	}

	// The issuer keys of live cards are not published; a software card's are.
	var anchors jpki.FaceAnchors
	root := simcard.TestAuthority().CardFace().Text()
	if err := anchors.AddIssuer(jpki.FaceID(root.ID), root.Key); err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(), jpki.WithApplication(jpki.TextApp))
	if err != nil {
		log.Fatal(err)
	}
	pin, err := jpki.NewPIN(jpki.TextPIN, simcard.DefaultTextPIN)
	if err != nil {
		log.Fatal(err)
	}
	if err := card.Verify(ctx, pin); err != nil {
		log.Fatal(err)
	}
	attributes, err := card.VerifiedAttributes(ctx, &anchors)
	if err != nil {
		log.Fatal(err)
	}
	register(attributes)

	_, err = card.VerifiedAttributes(ctx, nil)
	fmt.Println(err)
	// Output:
	// registered on the word of 1310131
	// jpki: verify attributes: no trust anchor for the key that signs this card's data
}

// Who has no issuer key can trust the signer that a card known to be genuine
// shows.
func ExampleFaceAnchors_AddSigner() {
	ctx := context.Background()
	ours, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		log.Fatal(err)
	}
	cert, err := ours.FaceCertificate(ctx, jpki.VisualApp)
	if err != nil {
		log.Fatal(err)
	}
	stored := cert.Raw // and at another time:

	cert, err = jpki.ParseFaceCertificate(stored)
	if err != nil {
		log.Fatal(err)
	}
	var anchors jpki.FaceAnchors
	fmt.Println(anchors.Verify(cert))
	if err := anchors.AddSigner(cert); err != nil {
		log.Fatal(err)
	}
	fmt.Println(anchors.Verify(cert))
	// Output:
	// jpki: no trust anchor for the key that signs this card's data
	// <nil>
}

// A clerk types what is printed on the card and sees the photo on the screen.
func ExampleCard_VerifiedFace() {
	ctx := context.Background()
	reader := simcard.New()
	holder := reader.Holder() // the print on the card
	birth, err := jpki.NewDate(holder.Birth.Date())
	if err != nil {
		log.Fatal(err)
	}
	expiry, err := jpki.NewDate(holder.Expiry.Date())
	if err != nil {
		log.Fatal(err)
	}
	key, err := jpki.NewNumberB(jpki.VisualNumberB, birth, expiry, holder.SecurityCode, jpki.JapaneseCalendar)
	if err != nil {
		log.Fatal(err)
	}

	var anchors jpki.FaceAnchors
	root := simcard.TestAuthority().CardFace().Visual()
	if err := anchors.AddIssuer(jpki.FaceID(root.ID), root.Key); err != nil {
		log.Fatal(err)
	}
	card, err := jpki.Open(ctx, reader, jpki.WithApplication(jpki.VisualApp))
	if err != nil {
		log.Fatal(err)
	}
	if err := card.Verify(ctx, key); err != nil {
		log.Fatal(err)
	}
	face, err := card.VerifiedFace(ctx, &anchors)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("birth date as printed:", face.Value().Birth() == birth)
	fmt.Printf("photo: %q\n", face.Value().Photo()[4:8]) // a JP2 file
	// Output:
	// birth date as printed: true
	// photo: "jP  "
}

// A machine that sells to adults needs the birth date and nothing else: the
// holder types it, and the card confirms it under its issuer's signature.
func ExampleCard_VerifiedAgeRecord() {
	ctx := context.Background()
	reader := simcard.New()
	birth, err := jpki.NewDate(reader.Holder().Birth.Date()) // typed
	if err != nil {
		log.Fatal(err)
	}
	key, err := jpki.NewBirthDateKey(birth, jpki.JapaneseCalendar)
	if err != nil {
		log.Fatal(err)
	}
	var anchors jpki.FaceAnchors
	root := simcard.TestAuthority().CardFace().Visual()
	if err := anchors.AddIssuer(jpki.FaceID(root.ID), root.Key); err != nil {
		log.Fatal(err)
	}
	card, err := jpki.Open(ctx, reader, jpki.WithApplication(jpki.VisualApp))
	if err != nil {
		log.Fatal(err)
	}
	if err := card.Verify(ctx, key); err != nil {
		log.Fatal(err)
	}
	record, err := card.VerifiedAgeRecord(ctx, &anchors)
	fmt.Println(record.Value() == birth, err)
	// Output: true <nil>
}

func ExampleCard_MyNumberPicture() {
	ctx := context.Background()
	reader := simcard.New()
	number, err := jpki.ParseMyNumber(reader.Holder().NumberA())
	if err != nil {
		log.Fatal(err)
	}
	key, err := jpki.NewNumberA(jpki.VisualNumberA, number)
	if err != nil {
		log.Fatal(err)
	}
	card, err := jpki.Open(ctx, reader, jpki.WithApplication(jpki.VisualApp))
	if err != nil {
		log.Fatal(err)
	}
	if err := card.Verify(ctx, key); err != nil {
		log.Fatal(err)
	}
	picture, err := card.MyNumberPicture(ctx)
	fmt.Printf("%v %q %v\n", picture, picture.PNG()[1:4], err)
	// Output: [redacted] "PNG" <nil>
}

func ExampleCard_CommonData() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(), jpki.WithApplication(jpki.CommonApp))
	if err != nil {
		log.Fatal(err)
	}
	data, err := card.CommonData(ctx)
	fmt.Println(data.Municipality(), len(data.ManufacturingNumber()), "digits", err)
	// Output: 13101 13 digits <nil>
}

func ExampleCard_TextInfo() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(), jpki.WithApplication(jpki.TextApp))
	if err != nil {
		log.Fatal(err)
	}
	info, err := card.TextInfo(ctx)
	fmt.Println("version", info.Version, err)
	// Output: version 1 <nil>
}

func ExampleCard_VisualInfo() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(), jpki.WithApplication(jpki.VisualApp))
	if err != nil {
		log.Fatal(err)
	}
	info, err := card.VisualInfo(ctx)
	fmt.Println(info.Municipality, err)
	// Output: 13101 <nil>
}

// A phone has one application.
func ExampleNoApplicationError() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(simcard.WithKind(simcard.IPhone)))
	if err != nil {
		log.Fatal(err)
	}
	_, err = card.CommonData(ctx)
	var none *jpki.NoApplicationError
	fmt.Println(errors.As(err, &none), none.Application)
	// Output: true common
}

// To go to another application ends the PINs of the one before.
func ExampleCard_Application() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(card.Application())
	if _, err := card.Tries(ctx, jpki.TextPIN); err != nil {
		log.Fatal(err)
	}
	fmt.Println(card.Application())
	// Output:
	// JPKI
	// text
}

func ExampleParseMyNumber() {
	number, err := jpki.ParseMyNumber("614106526000")
	fmt.Println(number, err)
	_, err = jpki.ParseMyNumber("614106526001")
	fmt.Println(err)
	// Output:
	// [redacted] <nil>
	// jpki: not a My Number
}

// The year on a citizen's card is the year of the era: 1980 is Showa 55.
func ExampleNewNumberB() {
	birth, err := jpki.ParseDate("19800217")
	if err != nil {
		log.Fatal(err)
	}
	expiry, err := jpki.ParseDate("20350217")
	if err != nil {
		log.Fatal(err)
	}
	era, year, _ := birth.Era()
	key, err := jpki.NewNumberB(jpki.TextNumberB, birth, expiry, "2285", jpki.JapaneseCalendar)
	fmt.Println(era.Japanese(), year, key, err)
	_, err = jpki.NewNumberB(jpki.TextNumberB, birth, expiry, "２２８５", jpki.JapaneseCalendar)
	fmt.Println(err)
	// Output:
	// 昭和 55 [redacted] <nil>
	// jpki: malformed text number B: full-width characters: want 14 digits
}

func ExampleCard_ChangePIN() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		log.Fatal(err)
	}
	old, err := jpki.NewPIN(jpki.SignPIN, simcard.DefaultSignPIN)
	if err != nil {
		log.Fatal(err)
	}
	for _, typed := range []string{"abc123", "ABCDEFGH", "NEWPIN22"} {
		to, err := jpki.NewPIN(jpki.SignPIN, typed)
		if err == nil {
			err = card.ChangePIN(ctx, old, to)
		}
		var format *jpki.FormatError
		switch {
		case err == nil:
			fmt.Println("changed")
		case errors.As(err, &format):
			fmt.Println("please choose another:", format.Reason)
		case errors.Is(err, jpki.ErrChangeUnknown):
			fmt.Println("the card was lifted: it has the old PIN or the new one")
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// please choose another: same as the old one
	// please choose another: needs a letter and a digit
	// changed
}

// PIN first, as on iPhones: hold the card when the PIN is typed.
func ExampleTap() {
	ctx := context.Background()
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	if err != nil {
		log.Fatal(err)
	}
	defer pin.Clear()
	wait := func(context.Context) (apdu.Transmitter, error) {
		return simcard.New(), nil // pcsc.WaitCard and pcsc.Open
	}
	var serial jpki.Serial
	err = jpki.Tap(ctx, wait, jpki.PINFirst(pin), func(ctx context.Context, card *jpki.Card) (err error) {
		serial, err = card.Serial(ctx, jpki.Auth)
		return err
	})
	if err == nil {
		fmt.Println("now commit:", serial)
	}
	// Output: now commit: [redacted]
}

// Card first, as on Android phones: the card stays while the holder types. Here
// somebody takes it away meanwhile.
func ExampleCardFirst() {
	ctx := context.Background()
	reader := simcard.New()
	wait := func(context.Context) (apdu.Transmitter, error) { return reader, nil }
	ask := func(_ context.Context, left int) (jpki.PIN, error) {
		fmt.Println("type your PIN, tries left:", left)
		reader.Remove()
		return jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	}
	err := jpki.Tap(ctx, wait, jpki.CardFirst(jpki.AuthPIN, ask), func(context.Context, *jpki.Card) error {
		fmt.Println("not reached")
		return nil
	})
	var step *jpki.StepError
	fmt.Println(errors.Is(err, apdu.ErrCardRemoved), errors.As(err, &step), step.Step)
	// Output:
	// type your PIN, tries left: 3
	// true true check that the card is the same
}

func ExampleCard_Identity() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		log.Fatal(err)
	}
	before, err := card.Identity(ctx)
	if err != nil {
		log.Fatal(err)
	}
	now, err := card.Identity(ctx)
	fmt.Println(before, before == now, now.Weak(), err)
	// Output: [redacted] true false <nil>
}
