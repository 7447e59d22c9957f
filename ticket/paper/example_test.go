package paper_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// exampleSlip issues a ticket as a program would.
func exampleSlip() (paper.Slip, error) {
	key, err := ticket.NewKey("K1", []byte("at least sixteen random bytes"))
	if err != nil {
		return paper.Slip{}, err
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return paper.Slip{}, err
	}
	db.SetMaxOpenConns(1) // or each connection has a database of its own
	book, err := ticket.Open(context.Background(), db, ticket.Config{Keys: ticket.Keys{key}})
	if err != nil {
		return paper.Slip{}, err
	}
	t, err := book.Issue(context.Background(), ticket.Terminal{ID: "000001", Scope: "141305-01"}, ticket.Order{Points: 500})
	if err != nil {
		return paper.Slip{}, err
	}
	text, err := book.QR(t)
	return paper.Slip{Ticket: t, QR: ticket.NewCode(text), Issuer: "あおば商店街", PointName: "あおば市ポイント"}, err
}

func ExampleWriteHTML() {
	slip, err := exampleSlip()
	if err != nil {
		fmt.Println(err)
		return
	}
	var page strings.Builder
	err = paper.WriteHTML(&page, slip)
	fmt.Println(strings.Contains(page.String(), slip.Ticket.Number.Display()), err)
	// Output: true <nil>
}

func ExampleSlip_SVG() {
	slip, err := exampleSlip()
	if err != nil {
		fmt.Println(err)
		return
	}
	svg, err := slip.SVG()
	fmt.Println(bytes.Contains(svg, []byte("発行認印")), bytes.Contains(svg, []byte("利用店舗印")), err)
	// Output: true true <nil>
}

func ExampleSlip_ESCPOS() {
	slip, err := exampleSlip()
	if err != nil {
		fmt.Println(err)
		return
	}
	receipt, err := slip.ESCPOS(paper.Roll58mm) // to be sent to the printer as it is
	fmt.Println(bytes.HasPrefix(receipt, []byte("\x1b@")), err)
	// Output: true <nil>
}

// What the till prints after a ticket was redeemed.
func ExampleRedeemed() {
	slip, err := exampleSlip()
	if err != nil {
		fmt.Println(err)
		return
	}
	redeemed := slip.Ticket // as Book.Redeem returns it
	redeemed.State, redeemed.EndedAt, redeemed.EndedBy = ticket.Redeemed, redeemed.IssuedAt, "000002"
	receipt, err := paper.Redeemed(ticket.Receipt{Ticket: redeemed}).ESCPOS(paper.Roll80mm512)
	fmt.Println(len(receipt) > 0, err)
	// Output: true <nil>
}
