package point_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
)

// Three keepers in one transaction: a holder's points become a ticket, and points
// for the mall, both or none of them.
func ExampleLedger_In() {
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", ":memory:")
	check(err)
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection would be a database of its own
	dir, err := os.MkdirTemp("", "mall")
	check(err)
	defer os.RemoveAll(dir)

	points := exampleLedger(ctx, db) // with 1,200 points of HANAKO01
	hanako, err := mykey.ParseID("HANAKO01")
	check(err)
	book, err := ticket.Open(ctx, db, ticket.Config{})
	check(err)
	key, err := mergefile.NewKey("K1", []byte("0123456789abcdef"), []byte("agreed with the mall, 32 letters"))
	check(err)
	box, err := outbox.Open(ctx, db, outbox.Config{Profile: mergefile.Standard(), Keys: key, Dir: dir,
		Holder: func(context.Context, *sql.Tx, outbox.Item) (mergefile.Holder, error) {
			return mergefile.NewMallHolder("520625")
		}})
	check(err)

	// both takes points for the ticket and for the mall.
	both := func(press string, forTicket, forMall int64) error {
		return points.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			use := func(kind point.Op, n int64) (point.Receipt, error) {
				return points.In(tx).Use(ctx, point.Use{Request: point.Request{Scope: "000002", Name: press + string(kind)}, For: kind,
					Holder: hanako, Account: "aoba", Points: n, Proved: true})
			}
			if _, err := use(point.OpTicket, forTicket); err != nil {
				return err
			}
			paid, err := use(point.OpMerge, forMall)
			if err != nil {
				return err
			}
			if _, err := book.In(tx).Issue(ctx, ticket.Terminal{ID: "000002", Scope: "131016"}, ticket.Order{Points: forTicket, Key: press, Account: "aoba"}); err != nil {
				return err
			}
			// Last, since it takes the number that others wait for.
			_, err = box.In(tx).Add(ctx, outbox.Order{Operation: paid.Operation, Subject: hanako.String(), Points: forMall})
			return err
		})
	}
	fmt.Println(both("press-1", 500, 300))
	fmt.Println(both("press-2", 300, 300))
	balances, err := points.Balances(ctx, hanako)
	check(err)
	books, err := box.Books(ctx)
	check(err)
	fmt.Println(balances[0].Points, "left,", books.Points, "for the mall")
	// Output:
	// <nil>
	// point: not enough points
	// 400 left, 300 for the mall
}
