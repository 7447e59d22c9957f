package mykey_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

func ExampleParseID() {
	id, err := mykey.ParseID("MY123456")
	fmt.Println(id, err)
	_, err = mykey.ParseID("my123456")
	fmt.Println(err)
	// Output:
	// MY123456 <nil>
	// mykey: MyKey ID: wrong lower case at byte 0
}

func ExampleParseIDFold() {
	// At a keyboard only: what a Japanese input method makes of it.
	id, err := mykey.ParseIDFold("ｍｙ１２３４５６", mykey.FoldCase|mykey.FoldWidth)
	fmt.Println(id, err)
	// Output: MY123456 <nil>
}

func ExampleGenerateID() {
	id := mykey.GenerateID(mykey.ClearAlphabet)
	fmt.Println(len(id.String()), strings.ContainsAny(id.String(), "0O1I"))
	// Output: 8 false
}

// exampleTap stands for a card in the reader. With package jpki it is:
//
//	card, err := jpki.Open(ctx, reader)
//	err = card.Verify(ctx, pin)
//	cert, err := card.Certificate(ctx, jpki.Auth)
//	serial, err := jpki.SerialOf(cert)
func exampleTap(serialNumber string) mykey.Tap {
	serial, err := jpki.ParseSerial(serialNumber)
	if err != nil {
		log.Fatal(err)
	}
	return mykey.Tap{
		Certificate: mykey.Certificate{
			Serial:   serial,
			NotAfter: time.Now().AddDate(5, 0, 0),
			Device:   mykey.DeviceCard,
		},
		PINVerified: true,
	}
}

func exampleRegistry(ctx context.Context) *mykey.Registry {
	key := []byte("32 random bytes, kept by itself.")
	reg, err := mykey.New(ctx, mykey.NewMemory(), mykey.Config{Serials: mykey.Pseudonyms(key)})
	if err != nil {
		log.Fatal(err)
	}
	return reg
}

func Example() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)

	// A holder comes to the library and gets a MyKey ID.
	card := exampleTap("030D45")
	session, err := reg.Begin(ctx, card)
	if err != nil {
		log.Fatal(err)
	}
	enrolment, err := session.Enrol(ctx)
	if err != nil {
		log.Fatal(err)
	}
	wish, err := mykey.ParseID("MY123456")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := enrolment.Check(ctx, card, wish); err != nil {
		log.Fatal(err)
	}
	if _, err := enrolment.Accept(ctx, card); err != nil {
		log.Fatal(err)
	}
	// The library card's number becomes the Service ID.
	library, err := mykey.ParseServiceID("000001:180000000011")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := session.RegisterService(ctx, card, library); err != nil {
		log.Fatal(err)
	}
	session.Close()

	// From now on the card is the library card.
	service, err := reg.LookupService(ctx, card.Certificate.Serial, library.Operator)
	fmt.Println(service.Customer, err)
	person, err := reg.Find(ctx, library)
	fmt.Println(person.ID, err)
	// Output:
	// 180000000011 <nil>
	// MY123456 <nil>
}

// A card that was reissued is unknown to a look-up. Begin, which is given the
// whole certificate, binds it; then the look-up finds its holder.
func ExampleRegistry_LookupService() {
	ctx := context.Background()
	old, card := exampleTap("030D45"), exampleTap("0249FB")
	reg, err := mykey.New(ctx, mykey.NewMemory(), mykey.Config{
		Serials: mykey.Pseudonyms([]byte("32 random bytes, kept by itself.")),
		// The verifier's service that knows which certificate replaced which.
		Former: func(_ context.Context, s jpki.Serial) (jpki.Serial, error) {
			if s == card.Certificate.Serial {
				return old.Certificate.Serial, nil
			}
			return jpki.Serial{}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	id, err := mykey.ParseID("MY123456")
	if err != nil {
		log.Fatal(err)
	}
	library, err := mykey.ParseServiceID("000001:180000000011")
	if err != nil {
		log.Fatal(err)
	}
	if err := reg.Import(ctx, []mykey.Record{{ID: id, Certificates: []mykey.Certificate{old.Certificate},
		Services: []mykey.ServiceID{library}}}); err != nil {
		log.Fatal(err)
	}

	service, err := reg.LookupService(ctx, card.Certificate.Serial, library.Operator)
	fmt.Println(errors.Is(err, mykey.ErrNotEnrolled))
	if errors.Is(err, mykey.ErrNotEnrolled) {
		session, err := reg.Begin(ctx, mykey.Tap{Certificate: card.Certificate}) // no PIN
		if err != nil {
			log.Fatal(err)
		}
		defer session.Close()
		fmt.Println(session.Rebound())
		if !session.ID().IsZero() {
			service, err = reg.LookupService(ctx, card.Certificate.Serial, library.Operator)
			if err != nil {
				log.Fatal(err)
			}
		}
	}
	fmt.Println(service.Customer)
	// Output:
	// true
	// true
	// 180000000011
}

func ExampleOpenSQL() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "mykey")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	// The driver is the program's choice; here it is modernc.org/sqlite.
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "shop.db"))+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	store, err := mykey.OpenSQL(ctx, db, mykey.SQLConfig{Prefix: "mall_"})
	if err != nil {
		log.Fatal(err)
	}
	key := []byte("32 random bytes, kept by itself.")
	reg, err := mykey.New(ctx, store, mykey.Config{Serials: mykey.Pseudonyms(key)})
	if err != nil {
		log.Fatal(err)
	}
	_, err = reg.Lookup(ctx, exampleTap("030D45").Certificate.Serial)
	fmt.Println(err)
	// With another key no card would be found, so the table is refused.
	_, err = mykey.New(ctx, store, mykey.Config{Serials: mykey.Pseudonyms([]byte("not the key it was begun with..."))})
	fmt.Println(errors.Is(err, mykey.ErrSerialForm))
	// Output:
	// mykey: no MyKey ID is bound to this card
	// true
}

func ExampleEnrolment_Offer() {
	ctx := context.Background()
	card := exampleTap("030D45")
	session, err := exampleRegistry(ctx).Begin(ctx, card)
	if err != nil {
		log.Fatal(err)
	}
	enrolment, err := session.Enrol(ctx)
	if err != nil {
		log.Fatal(err)
	}
	// A holder who does not like any candidate.
	for {
		p, err := enrolment.Offer(ctx, card)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(p.OffersLeft, p.Registered)
		if p.Registered {
			break
		}
	}
	// Output:
	// 2 false
	// 1 false
	// 0 true
}

func ExampleSession_RegisterService() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	id, err := mykey.ParseID("MY123456")
	if err != nil {
		log.Fatal(err)
	}
	anna, ben := exampleTap("030D45"), exampleTap("030D48")
	if err := reg.Import(ctx, []mykey.Record{{ID: id, Certificates: []mykey.Certificate{anna.Certificate}}}); err != nil {
		log.Fatal(err)
	}
	session, err := reg.Begin(ctx, anna)
	if err != nil {
		log.Fatal(err)
	}
	// Anna leaves, the terminal stays as it is, and Ben puts his card on it.
	shop, err := mykey.ParseServiceID("000002:520625")
	if err != nil {
		log.Fatal(err)
	}
	_, err = session.RegisterService(ctx, ben, shop)
	fmt.Println(errors.Is(err, mykey.ErrWrongCard))
	_, err = session.RegisterService(ctx, anna, shop)
	fmt.Println(errors.Is(err, mykey.ErrSessionOver))
	// Output:
	// true
	// true
}

func ExampleParseMunicipality() {
	m, err := mykey.ParseMunicipality("011011")
	fmt.Println(m.Five(), m.PrefectureName(), err)
	_, err = mykey.Prefectures().Name(m)
	fmt.Println(err)
	_, err = mykey.ParseMunicipality("011010")
	fmt.Println(err)
	// Output:
	// 01101 北海道 <nil>
	// mykey: municipality code valid in form, but not in the table: 011011
	// mykey: municipality code: wrong check digit at byte 5
}

func ExampleReadMunicipalities() {
	table, err := mykey.ReadMunicipalities(strings.NewReader("団体コード,名称\n131016,千代田区\n141305,川崎市\n"))
	if err != nil {
		log.Fatal(err)
	}
	m, err := mykey.ParseMunicipality5("14130")
	if err != nil {
		log.Fatal(err)
	}
	name, err := table.Name(m)
	fmt.Println(m, name, err)
	// Output: 141305 川崎市 <nil>
}

func ExampleFingerprintWindows() {
	values := mykey.TerminalValues{CPU: "BFEBFBFF000306C3", Board: "PF2X", Machine: "{8a1b}", Install: "0f3c"}
	fp, err := mykey.FingerprintWindows(values, mykey.JoinPrefixed)
	fmt.Println(fp, err)
	// Output: 6cfb719a4c002e8b7b9f6fa05495557080550f8e273ceb05cd223acaf35bbea2 <nil>
}

func ExampleTallyTerminals() {
	// The till of a shop with a point system is (ア) and (イ), and counts as (ア).
	tally := mykey.TallyTerminals([]mykey.Terminal{
		{ID: "T1", Kind: mykey.ServiceTerminal | mykey.PointTerminal},
		{ID: "T2", Kind: mykey.PointTerminal},
	})
	fmt.Println(tally[mykey.ServiceTerminal], tally[mykey.PointTerminal])
	// Output: 1 1
}

func ExampleCodeOf() {
	code, ok := mykey.CodeOf(mykey.ErrExpired)
	fmt.Println(code, ok)
	why, _ := mykey.KnownCodes().Explain(code)
	fmt.Println(why.Remedy.EN, why.Retry)
	// Output:
	// MKCZ403E true
	// Have a new certificate issued at the municipal office. never
}

func ExamplePaymentRules_Check() {
	rules := mykey.PaymentRules{"waon": {
		ID:    mykey.TextRule{Min: 16, Max: 16, Chars: mykey.Digits},
		Codes: []mykey.TextRule{{Min: 4, Max: 4, Chars: mykey.Digits}},
		Phone: true,
	}}
	form := mykey.Application{
		Service:          "waon",
		PaymentServiceID: "6900000000000001",
		SecurityCodes:    []mykey.Secret{mykey.NewSecret("12E4")},
		PhoneLast4:       mykey.NewSecret("5678"),
	}
	fmt.Println(rules.Check(form))
	fmt.Println(form.SecurityCodes)
	// Output:
	// mykey: security code 1: wrong character at byte 2
	// [[redacted]]
}
