package registry_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/mykey/terminal"
)

// exampleTap stands for a card in the reader. With package jpki it is:
//
//	card, err := jpki.Open(ctx, reader)
//	err = card.Verify(ctx, pin)
//	presence, err := registry.Prove(ctx, card, verifier)
func exampleTap(serialNumber string) registry.Presence {
	serial, err := jpki.ParseSerial(serialNumber)
	if err != nil {
		log.Fatal(err)
	}
	issuer, err := registry.ParseIssuer("d1e5f00dd1e5f00dd1e5f00dd1e5f00dd1e5f00d")
	if err != nil {
		log.Fatal(err)
	}
	return registry.Presence{
		Certificate: registry.Certificate{
			Serial:   serial,
			Issuer:   issuer,
			NotAfter: time.Now().AddDate(5, 0, 0),
			Device:   registry.DeviceCard,
		},
		Proved: true,
	}
}

// exampleDB stands for the program's own database, opened with a driver of its
// choice; here it is modernc.org/sqlite.
func exampleDB() *sql.DB {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(1) // each connection would have a memory of its own
	return db
}

func exampleRegistry(ctx context.Context, db *sql.DB) *registry.Registry {
	key := []byte("32 random bytes, kept by itself.")
	reg, err := registry.Open(ctx, db, registry.Config{Serials: registry.Pseudonyms(key)})
	if err != nil {
		log.Fatal(err)
	}
	return reg
}

func Example() {
	ctx := context.Background()
	db := exampleDB()
	defer db.Close()
	reg := exampleRegistry(ctx, db)

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
// whole certificate, finds its holder without a PIN. The first call with a proved
// presence binds it.
func ExampleRegistry_LookupService() {
	ctx := context.Background()
	db := exampleDB()
	defer db.Close()
	old, card := exampleTap("030D45"), exampleTap("0249FB")
	reg, err := registry.Open(ctx, db, registry.Config{
		Serials: registry.Pseudonyms([]byte("32 random bytes, kept by itself.")),
		// The verifier's service that knows which certificate replaced which.
		Former: func(_ context.Context, s jpki.Serial, i registry.Issuer) (jpki.Serial, registry.Issuer, error) {
			if s == card.Certificate.Serial {
				return old.Certificate.Serial, i, nil
			}
			return jpki.Serial{}, registry.Issuer{}, nil
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
	if err := reg.Import(ctx, []registry.ImportRow{{ID: id, Certificates: []registry.Certificate{old.Certificate},
		Services: []mykey.ServiceID{library}}}); err != nil {
		log.Fatal(err)
	}

	service, err := reg.LookupService(ctx, card.Certificate.Serial, library.Operator)
	fmt.Println(errors.Is(err, registry.ErrNotEnrolled))
	if errors.Is(err, registry.ErrNotEnrolled) {
		session, err := reg.Begin(ctx, registry.Presence{Certificate: card.Certificate}) // no PIN
		if err != nil {
			log.Fatal(err)
		}
		defer session.Close()
		if !session.ID().IsZero() {
			holder, err := session.ConfirmUnproved(ctx, registry.Presence{Certificate: card.Certificate})
			if err != nil {
				log.Fatal(err)
			}
			service, _ = holder.Service(library.Operator)
		}
	}
	fmt.Println(service.Customer)
	// Output:
	// true
	// 180000000011
}

func ExampleOpen() {
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
	key := []byte("32 random bytes, kept by itself.")
	reg, err := registry.Open(ctx, db, registry.Config{Prefix: "mall_", Serials: registry.Pseudonyms(key)})
	if err != nil {
		log.Fatal(err)
	}
	_, err = reg.Lookup(ctx, exampleTap("030D45").Certificate.Serial)
	fmt.Println(err)
	// With another key no card would be found, so the table is refused.
	_, err = registry.Open(ctx, db, registry.Config{Prefix: "mall_", Serials: registry.Pseudonyms([]byte("not the key it was begun with..."))})
	fmt.Println(errors.Is(err, registry.ErrSerialForm))
	// Output:
	// registry: no MyKey ID is bound to this card
	// true
}

func ExampleEnrolment_Offer() {
	ctx := context.Background()
	db := exampleDB()
	defer db.Close()
	card := exampleTap("030D45")
	session, err := exampleRegistry(ctx, db).Begin(ctx, card)
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
	db := exampleDB()
	defer db.Close()
	reg := exampleRegistry(ctx, db)
	id, err := mykey.ParseID("MY123456")
	if err != nil {
		log.Fatal(err)
	}
	anna, ben := exampleTap("030D45"), exampleTap("030D48")
	if err := reg.Import(ctx, []registry.ImportRow{{ID: id, Certificates: []registry.Certificate{anna.Certificate}}}); err != nil {
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
	fmt.Println(errors.Is(err, registry.ErrWrongCard))
	_, err = session.RegisterService(ctx, anna, shop)
	fmt.Println(errors.Is(err, registry.ErrSessionOver))
	// Output:
	// true
	// true
}

func ExampleCodeOf() {
	code, ok := registry.CodeOf(registry.ErrExpired)
	fmt.Println(code, ok)
	// Output: MKCZ403E true
}

// A till spends in one transaction: the holder's card has proved itself, the
// holder is locked, and the points go. The tables of the till are in the same
// database.
func ExampleRegistry_Do() {
	ctx := context.Background()
	db := exampleDB()
	defer db.Close()
	reg := exampleRegistry(ctx, db)
	card := exampleTap("030D45")
	id, err := mykey.ParseID("MY123456")
	if err != nil {
		log.Fatal(err)
	}
	if err := reg.Import(ctx, []registry.ImportRow{{ID: id, Certificates: []registry.Certificate{card.Certificate}}}); err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE till (holder TEXT, points INTEGER); INSERT INTO till VALUES ('MY123456', 500)"); err != nil {
		log.Fatal(err)
	}
	session, err := reg.Begin(ctx, card)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	spend := func(p registry.Presence) error {
		return reg.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			holder, err := session.In(tx).Confirm(ctx, p)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, "UPDATE till SET points = points - 100 WHERE holder = ?", holder.ID)
			return err
		})
	}
	fmt.Println(spend(card))
	fmt.Println(spend(registry.Presence{Certificate: card.Certificate})) // a copy of it
	var left int
	err = db.QueryRow("SELECT points FROM till").Scan(&left)
	fmt.Println(left, err)
	// Output:
	// <nil>
	// registry: the card must have accepted its PIN and signed for this
	// 400 <nil>
}

func ExampleTerminals() {
	ctx := context.Background()
	db := exampleDB()
	defer db.Close()
	operators, err := mykey.ReadOperators(strings.NewReader("000001,川崎市立図書館\n"))
	if err != nil {
		log.Fatal(err)
	}
	terminals, err := registry.OpenTerminals(ctx, db, registry.TerminalConfig{Operators: operators})
	if err != nil {
		log.Fatal(err)
	}

	// The municipality counts what it needs, and gets IDs and passwords.
	kawasaki, err := mykey.ParseMunicipality("141305")
	if err != nil {
		log.Fatal(err)
	}
	library, err := operators.Named("川崎市立図書館")
	if err != nil {
		log.Fatal(err)
	}
	planned := []registry.Terminal{{Municipality: kawasaki, Kind: terminal.Service, Place: "中央図書館", Operator: library}}
	counts, err := registry.CountTerminals(planned, operators)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(counts[0].Kind, counts[0].Place, counts[0].Operator, counts[0].Count)
	issued, err := terminals.Issue(ctx, "form of 2026-11", planned)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued[0].ID, issued[0].Password)

	// The manager registers the terminal. From here on it logs in.
	device, err := terminal.FingerprintAndroid("drawn when the app was installed")
	if err != nil {
		log.Fatal(err)
	}
	login := registry.TerminalLogin{ID: issued[0].ID, Password: issued[0].Password, Fingerprint: device}
	contact := mykey.Contact{Organisation: "川崎市立図書館", Person: "青葉 太郎", PostalCode: "210-0001",
		Address: "川崎市川崎区本町1-1", Phone: "044-000-0000", Mail: "library@example.jp"}
	if _, err := terminals.Register(ctx, login, contact, library); err != nil {
		log.Fatal(err)
	}
	at, err := terminals.Authenticate(ctx, login)
	fmt.Println(at.Place, at.Kind, err)

	// A lost one is replaced.
	next, err := terminals.Replace(ctx, at.ID)
	fmt.Println(next.ID, err)
	_, err = terminals.Authenticate(ctx, login)
	fmt.Println(err)
	// Output:
	// ア 中央図書館 川崎市立図書館 1
	// 141305-00001 [redacted]
	// 中央図書館 ア <nil>
	// 141305-00002 <nil>
	// registry: the terminal is refused
}

// A table moves to another database, from SQLite to PostgreSQL for example.
func ExampleRegistry_Export() {
	ctx := context.Background()
	db := exampleDB()
	defer db.Close()
	reg := exampleRegistry(ctx, db)
	id, err := mykey.ParseID("MY123456")
	if err != nil {
		log.Fatal(err)
	}
	before, err := mykey.ParseID("OLD34567")
	if err != nil {
		log.Fatal(err)
	}
	if err := reg.Import(ctx, []registry.ImportRow{{ID: id, Former: []mykey.ID{before}}}); err != nil {
		log.Fatal(err)
	}
	var export bytes.Buffer // a file that is guarded as the database
	if err := reg.Export(ctx, &export); err != nil {
		log.Fatal(err)
	}

	other := exampleDB()
	defer other.Close()
	moved := exampleRegistry(ctx, other)
	fmt.Println(moved.ImportExport(ctx, bytes.NewReader(export.Bytes())))
	fmt.Println(moved.Successor(ctx, before))
	// Output:
	// <nil>
	// MY123456 <nil>
}

// Once a day the list of the authority for digital signature is looked through.
func ExampleRegistry_RevokedNotices() {
	ctx := context.Background()
	db := exampleDB()
	defer db.Close()
	reg := exampleRegistry(ctx, db)
	authority, list := exampleRevocationList() // from the addresses that the certificates name
	for person, err := range reg.RevokedNotices(ctx, list, authority) {
		if err != nil {
			log.Fatal(err)
		}
		if person.Notice.Reported.IsZero() {
			fmt.Println("ask for the address of", person.Services)
		}
	}
	// Output:
}

// exampleRevocationList stands for a revocation list and its authority.
func exampleRevocationList() (*x509.Certificate, *x509.RevocationList) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"JPKI-TEST"}},
		SubjectKeyId: []byte{1}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	der, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1)}, authority, key)
	if err != nil {
		log.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		log.Fatal(err)
	}
	return authority, list
}
