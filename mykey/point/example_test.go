package point_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// A till uses points, loses the answer, asks again by the request, and takes the
// use back.
func Example() {
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", ":memory:")
	check(err)
	defer db.Close()
	db.SetMaxOpenConns(1)            // each connection would be a database of its own
	points := exampleLedger(ctx, db) // with 1,200 points of HANAKO01
	hanako, err := mykey.ParseID("HANAKO01")
	check(err)

	press := point.Request{Scope: "000002", Name: "press-1"}
	_, err = points.Use(ctx, point.Use{Request: press, Holder: hanako, Account: "aoba", Points: 500, Proved: true, Terminal: "000002", Place: "あおば美術館"})
	check(err)
	receipt, err := points.Status(ctx, press)
	check(err)
	fmt.Println(receipt.Points, "used,", receipt.Balance, "left")
	_, err = points.Cancel(ctx, press, point.At{Terminal: "000002"})
	check(err)
	balances, err := points.Balances(ctx, hanako)
	check(err)
	fmt.Println(balances[0].Name, balances[0].Points)
	// Output:
	// 500 used, 700 left
	// あおば市ポイント 1200
}

// exampleLedger is a ledger with one programme and one holder.
func exampleLedger(ctx context.Context, db *sql.DB) *point.Ledger {
	check := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	points, err := point.Open(ctx, db, point.Config{})
	check(err)
	m, err := mykey.ParseMunicipality("131016")
	check(err)
	check(points.SetProgramme(ctx, point.Programme{Account: "aoba", Kind: point.Municipal, Name: "あおば市ポイント", Municipality: m,
		Contact: mykey.Contact{Organisation: "あおば市", Person: "見本 花子", PostalCode: "100-0001", Address: "A町1-1", Phone: "03-1234-5678", Mail: "p@city.example.jp"},
		Bank:    point.BankAccount{BankName: "あおば銀行", BankCode: "0001", BranchName: "本店", BranchCode: "001", Type: point.Ordinary, Number: "0012345", Holder: "アオバシ"}}))
	hanako, err := mykey.ParseID("HANAKO01")
	check(err)
	check(points.Enrol(ctx, hanako, point.Profile{Base: "aoba"}))
	_, err = points.Credit(ctx, point.Credit{Request: point.Request{Scope: "city", Name: "1"}, Holder: hanako, Account: "aoba", Points: 1200, Kind: point.OpGrant})
	check(err)
	return points
}
