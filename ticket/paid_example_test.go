package ticket_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
)

// A ticket is paid out of the ledger of points, and cancelled with its points
// going back, in one transaction each. The ledger and the book call each other.
func ExampleOrder() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1)

	var book *ticket.Book
	ledger, err := point.Open(ctx, db, point.Config{
		Undo: func(ctx context.Context, tx *sql.Tx, paid point.Receipt) error {
			at := ticket.Terminal{ID: paid.Terminal, Scope: ticket.Scope(paid.Request.Scope)}
			_, err := book.In(tx).CancelPaid(ctx, at, paid.Request.Name, "undo")
			return err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// payment is the same for a ticket and for all that replace it.
	payment := func(scope ticket.Scope, key string) point.Request {
		return point.Request{Scope: string(scope), Name: key}
	}
	book, err = ticket.Open(ctx, db, ticket.Config{
		Refund: func(ctx context.Context, tx *sql.Tx, t ticket.Ticket, at ticket.Terminal) error {
			_, err := ledger.In(tx).Cancel(ctx, payment(t.Scope, t.Payment), point.At{Terminal: at.ID, Place: at.Place})
			return err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	holder, err := grant(ctx, ledger, 800)
	if err != nil {
		fmt.Println(err)
		return
	}

	office := ticket.Terminal{ID: "000001", Scope: "141305-01"}
	order := func(key string) ticket.Order {
		return ticket.Order{Points: 500, Account: "aoba", Key: key,
			Pay: func(ctx context.Context, tx *sql.Tx, t ticket.Ticket) error {
				_, err := ledger.In(tx).Use(ctx, point.Use{Request: payment(t.Scope, t.OrderKey), Holder: holder,
					Account: point.Account(t.Account), Points: t.Points, Terminal: t.IssuedBy, Proved: true, For: point.OpTicket})
				return err
			}}
	}
	left := func() {
		balances, err := ledger.Balances(ctx, holder)
		fmt.Println("left:", balances[0].Points, err)
	}
	t, err := book.Issue(ctx, office, order("sale-1"))
	fmt.Println(t.Points, t.Account, err)
	left()
	_, err = book.Issue(ctx, office, order("sale-2"))
	fmt.Println("not enough:", errors.Is(err, point.ErrShort))
	_, err = book.Cancel(ctx, office, t.Number, "press-3")
	fmt.Println("cancelled:", err)
	left()
	// Output:
	// 500 aoba <nil>
	// left: 300 <nil>
	// not enough: true
	// cancelled: <nil>
	// left: 800 <nil>
}

// grant sets up a programme and gives points of it to a holder.
func grant(ctx context.Context, ledger *point.Ledger, points int64) (mykey.ID, error) {
	holder, err := mykey.ParseID("HANAKO01")
	if err != nil {
		return mykey.ID{}, err
	}
	city, err := mykey.ParseMunicipality("141305")
	if err != nil {
		return mykey.ID{}, err
	}
	err = ledger.SetProgramme(ctx, point.Programme{Account: "aoba", Kind: point.Municipal, Name: "あおば市ポイント", Municipality: city,
		Contact: mykey.Contact{Organisation: "あおば市", Department: "商工課", Person: "見本 花子", PostalCode: "100-0001",
			Address: "あおば市A町1-1", Phone: "03-1234-5678", Mail: "points@city.example.jp"},
		Bank: point.BankAccount{BankName: "あおば銀行", BankCode: "0001", BranchName: "本店", BranchCode: "001",
			Type: point.Ordinary, Number: "0012345", Holder: "アオバシ カイケイカンリシャ"}})
	if err != nil {
		return mykey.ID{}, err
	}
	if err := ledger.Enrol(ctx, holder, point.Profile{Base: "aoba"}); err != nil {
		return mykey.ID{}, err
	}
	_, err = ledger.Credit(ctx, point.Credit{Request: point.Request{Scope: "office", Name: "welcome"}, Holder: holder,
		Account: "aoba", Points: points, Kind: point.OpGrant})
	return holder, err
}
