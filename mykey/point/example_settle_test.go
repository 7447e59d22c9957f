package point_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// november is a ledger with two uses in November 2026, and their receipts.
func november(ctx context.Context, db *sql.DB) (*point.Ledger, []point.Receipt, mykey.Period) {
	db.SetMaxOpenConns(1) // each connection would be a database of its own
	exampleLedger(ctx, db)
	now := time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)
	points, err := point.Open(ctx, db, point.Config{Clock: func() time.Time { return now }})
	if err != nil {
		log.Fatal(err)
	}
	hanako, err := mykey.ParseID("HANAKO01")
	if err != nil {
		log.Fatal(err)
	}
	var receipts []point.Receipt
	for i, terminal := range []string{"000001", "000002"} {
		now = now.Add(time.Minute)
		r, err := points.Use(ctx, point.Use{Request: point.Request{Scope: terminal, Name: "press-1"}, Holder: hanako, Account: "aoba",
			Points: int64(500 + i), Terminal: terminal, Place: "あおば美術館", Proved: true})
		if err != nil {
			log.Fatal(err)
		}
		receipts = append(receipts, r)
	}
	now = now.AddDate(0, 1, 0)
	return points, receipts, mykey.Period{From: mykey.Date{Year: 2026, Month: 11, Day: 1}, To: mykey.Date{Year: 2026, Month: 11, Day: 30}}
}

func ExampleLedger_Settle() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	points, receipts, period := november(ctx, db)
	s, err := points.Settle(ctx, period)
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range s.Places() {
		fmt.Println(l.Place, l.Account, l.Sum().Count, l.Sum().Points, s.Final)
	}
	// The museum has its own receipts.
	theirs, err := point.Tally(period, func(yield func(point.Detail, error) bool) {
		for _, r := range receipts {
			if !yield(r.Detail(), nil) {
				return
			}
		}
	})
	fmt.Println(s.Compare(theirs), err)
	// Output:
	// あおば美術館 aoba 2 1001 true
	// [] <nil>
}

func ExampleLedger_CloseTill() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	points, receipts, _ := november(ctx, db)
	opened, closed := receipts[0].At.Add(-time.Hour), receipts[1].At.Add(time.Hour)
	c, err := points.CloseTill(ctx, "000001", opened, closed)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Kinds, c.Final)
	own, err := point.TillList("000001", opened, closed, slices.Values(receipts))
	fmt.Println(c.Compare(own), err)
	// Output:
	// [{use {1 500}}] true
	// [] <nil>
}
