package shop_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

// exampleShop opens a shop in a folder, with the keys that are there or new
// ones. With real cards the roots are those of J-LIS: see [jpki.ParseRoots].
func exampleShop(ctx context.Context, dir string) (*shop.Shop, func() error) {
	keys, _, err := shop.LoadKeys(filepath.Join(dir, "keys.json"))
	if err != nil {
		log.Fatal(err)
	}
	trusted, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()})
	if err != nil {
		log.Fatal(err)
	}
	mall, err := mykey.ParseOperatorID("000002")
	if err != nil {
		log.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "shop.db"))+
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		log.Fatal(err)
	}
	city, err := shop.SampleProgramme() // a city sets up its own
	if err != nil {
		log.Fatal(err)
	}
	s, err := shop.Open(ctx, db, shop.Config{Keys: keys, Verifier: trusted, Scope: "141305-01", Mall: mall, Programmes: []point.Programme{city}})
	if err != nil {
		log.Fatal(err)
	}
	return s, db.Close
}

// From the first tap to a ticket that is taken once.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, closeDB := exampleShop(ctx, dir)
	defer closeDB()

	card, err := jpki.Open(ctx, simcard.New()) // or a card on a reader: package pcsc
	if err != nil {
		log.Fatal(err)
	}
	who, err := s.Recognise(ctx, card)
	fmt.Println("known:", who.Enrolled(), err)

	// The holder types the PIN and takes the first MyKey ID that is offered.
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	if err != nil {
		log.Fatal(err)
	}
	defer pin.Clear()
	visit, err := s.BeginWithPIN(ctx, card, pin)
	if err != nil {
		log.Fatal(err)
	}
	defer visit.Close()
	if _, err := visit.Offer(ctx, card); err != nil {
		log.Fatal(err)
	}
	enrolled, err := visit.Accept(ctx, card)
	fmt.Println("registered:", enrolled.Registered, err)

	// 500 of 2,000 points go on paper, and come back at another terminal.
	if err := s.Grant(ctx, visit.ID(), 2000, "welcome"); err != nil {
		log.Fatal(err)
	}
	t, err := visit.IssueTicket(ctx, card, s.Terminal("OFFICE-1"), ticket.Order{Points: 500, Key: "sale-17"})
	if err != nil {
		log.Fatal(err)
	}
	slip, err := s.Slip(t) // slip.SVG, paper.WriteHTML or slip.ESCPOS puts it on paper
	if err != nil {
		log.Fatal(err)
	}
	for _, press := range []string{"press 1", "press 2"} {
		receipt, err := s.Redeem(ctx, s.Terminal("TILL-2"), slip.QR, press)
		if errors.Is(err, ticket.ErrRefused) {
			fmt.Println(shop.Explain(err).What.EN)
			continue
		}
		fmt.Println("redeemed:", receipt.Ticket.Points, err)
	}

	books, err := s.Books(ctx)
	fmt.Println("exact:", books.Exact(), err)
	// Output:
	// known: false <nil>
	// registered: true <nil>
	// redeemed: 500 <nil>
	// This ticket cannot be taken.
	// exact: true <nil>
}
