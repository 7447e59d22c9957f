package ticket_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mynakit/mynakit/ticket"
)

// exampleDBs are closed when the tests have run.
var exampleDBs []*sql.DB

// exampleBook opens a book in memory on a fixed day. A program opens a database
// of its own and leaves the clock out.
func exampleBook(audit func(context.Context, ticket.Event)) *ticket.Book {
	key, err := ticket.NewKey("K1", []byte("at least sixteen random bytes"))
	if err != nil {
		panic(err)
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		panic(err)
	}
	db.SetMaxOpenConns(1) // or each connection has a database of its own
	exampleDBs = append(exampleDBs, db)
	book, err := ticket.Open(context.Background(), db, ticket.Config{
		Keys:  ticket.Keys{key},
		Audit: audit,
		Clock: func() time.Time { return time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		panic(err)
	}
	return book
}

// From the counter that issues to the shop that redeems, and its receipt asked
// for again because the first answer was lost.
func Example() {
	ctx := context.Background()
	book := exampleBook(nil)
	office := ticket.Terminal{ID: "000001", Scope: "141305-01"}
	shop := ticket.Terminal{ID: "000002", Scope: "141305-01"}

	t, err := book.Issue(ctx, office, ticket.Order{Points: 500, Key: "order 1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	scanned, err := book.QR(t) // what the shop's reader will read
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("good until", t.Until)

	press := ticket.Presentation{Terminal: shop, Code: ticket.NewCode(scanned), Attempt: "till 2, 17"}
	for range 2 {
		r, err := book.Redeem(ctx, press)
		fmt.Println(r.Ticket.State, r.Ticket.Points, r.Repeated, err)
	}
	press.Attempt = "till 2, 18"
	_, err = book.Redeem(ctx, press)
	fmt.Println(err)
	// Output:
	// good until 2026-12-21
	// redeemed 500 false <nil>
	// redeemed 500 true <nil>
	// ticket: refused
}

// The counter's answer says nothing; the audit says why, without the number.
func ExampleBook_Inspect() {
	book := exampleBook(func(_ context.Context, e ticket.Event) {
		fmt.Println("audit:", e.Op, e.Reason, "…"+e.Tail)
	})
	shop := ticket.Terminal{ID: "000002", Scope: "141305-01"}
	for _, text := range []string{"９８７６－５４３２", "9876-543", "MPT1.K1.141305-01.98765432.AAAAAAAAAAAAAAAA"} {
		_, err := book.Inspect(context.Background(), ticket.Presentation{Terminal: shop, Code: ticket.NewCode(text)})
		fmt.Println(err, errors.Is(err, ticket.ErrRefused))
	}
	// Output:
	// audit: inspect unknown …32
	// ticket: refused true
	// audit: inspect malformed …
	// ticket: refused true
	// audit: inspect forged …
	// ticket: refused true
}

func ExampleParseNumber() {
	for _, s := range []string{"9876-5432", "０００１ー２３４５", " 98765432\r\n", "9876-543"} {
		n, err := ticket.ParseNumber(s)
		fmt.Printf("%q %v %v\n", n.Display(), n, err)
	}
	n, _ := ticket.ParseNumber("9876-5432")
	fmt.Println(n.DisplayChecked())
	// Output:
	// "9876-5432" ****-**32 <nil>
	// "0001-2345" ****-**45 <nil>
	// "9876-5432" ****-**32 <nil>
	// ""  ticket: not a ticket number: too few digits
	// 9876-5432-9
}

func ExampleNewNumber() {
	n := ticket.NewNumber()
	fmt.Println(len(n.Digits()), len(n.Display()))
	// Output: 8 9
}

func ExampleKeys_Open() {
	key, err := ticket.NewKey("K1", []byte("at least sixteen random bytes"))
	if err != nil {
		fmt.Println(err)
		return
	}
	keys := ticket.Keys{key}
	n, _ := ticket.ParseNumber("9876-5432")
	text, err := keys.Seal("141305-01", n)
	fmt.Println(len(text), err)
	scope, n, err := keys.Open(text)
	fmt.Println(scope, n.Display(), err)
	_, _, err = keys.Open(strings.Replace(text, "98765432", "98765433", 1))
	fmt.Println(err)
	// Output:
	// 43 <nil>
	// 141305-01 9876-5432 <nil>
	// ticket: QR code with a wrong MAC
}

// The municipality and the shop add up apart and compare.
func ExampleBook_Settle() {
	ctx := context.Background()
	book := exampleBook(nil)
	shop := ticket.Terminal{ID: "000002", Scope: "141305-01"}
	var receipts []ticket.Detail // the shop's own
	for _, points := range []int64{500, 1000, 300} {
		t, err := book.Issue(ctx, shop, ticket.Order{Points: points})
		if err != nil {
			fmt.Println(err)
			return
		}
		r, err := book.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: ticket.NewCode(t.Number.Digits())})
		if err != nil {
			fmt.Println(err)
			return
		}
		receipts = append(receipts, r.Ticket.Detail())
	}
	november := ticket.Period{From: ticket.Date{Year: 2026, Month: 11, Day: 1}, To: ticket.Date{Year: 2026, Month: 11, Day: 30}}
	ours, err := book.Settle(ctx, shop.Scope, november)
	if err != nil {
		fmt.Println(err)
		return
	}
	theirs, err := ticket.Tally(shop.Scope, november, func(yield func(ticket.Detail, error) bool) {
		for _, d := range receipts[1:] { // one was mislaid
			if !yield(d, nil) {
				return
			}
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ours.Redeemed, "final:", ours.Final)
	fmt.Printf("%+v\n", ours.Compare(theirs))
	var file strings.Builder // with a byte order mark and CRLF, for Excel
	err = ticket.CSV{Place: func(string) string { return "あおば美術館" }}.WriteSettlement(&file, ours)
	fmt.Print(strings.NewReplacer("\ufeff", "", "\r", "").Replace(file.String()))
	fmt.Println(err)
	// Output:
	// {3 1800} final: false
	// [{Terminal:000002 Account: Ours:{Tickets:3 Points:1800} Other:{Tickets:2 Points:1300}}]
	// 端末ID,端末設置場所,取引回数合計,利用ポイント数合計
	// 000002,あおば美術館,3,1800
	// 合計,,3,1800
	// 失効,,0,0
	// <nil>
}

// What is about to lapse, for the shops to bring in what they hold.
func ExampleBook_Unredeemed() {
	ctx := context.Background()
	book := exampleBook(nil)
	shop := ticket.Terminal{ID: "000002", Scope: "141305-01"}
	today := ticket.Date{Year: 2026, Month: 11, Day: 21}
	for days := range 4 {
		if _, err := book.Issue(ctx, shop, ticket.Order{Points: 100, Until: today.AddDays(days)}); err != nil {
			fmt.Println(err)
			return
		}
	}
	for t, err := range book.Unredeemed(ctx, shop.Scope, ticket.Period{From: today, To: today.AddDays(1)}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(t.Until, t.Points, t.State)
	}
	// Output:
	// 2026-11-21 100 issued
	// 2026-11-22 100 issued
}
