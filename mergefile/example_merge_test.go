package mergefile_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log"
	"time"

	"github.com/mynakit/mynakit/mergefile"
)

// exampleDB stands for the program's own database, with a table of balances.
func exampleDB(ctx context.Context) *sql.DB {
	db, err := sql.Open("sqlite", ":memory:") // a file with journal_mode(WAL) and synchronous(FULL), or PostgreSQL
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(1) // each connection would have a memory of its own
	if _, err := db.ExecContext(ctx, "CREATE TABLE balance (member TEXT PRIMARY KEY, points BIGINT NOT NULL)"); err != nil {
		log.Fatal(err)
	}
	return db
}

func exampleLedger(ctx context.Context, db *sql.DB) *mergefile.Ledger {
	key, err := mergefile.NewLedgerKey([]byte("32 random bytes from a safe place")) // never changes
	if err != nil {
		log.Fatal(err)
	}
	ledger, err := mergefile.OpenLedger(ctx, db, mergefile.LedgerConfig{Key: key, Keep: 400 * 24 * time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	return ledger
}

// exampleCredit adds a record's points to a balance.
func exampleCredit(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO balance (member, points) VALUES (?, ?)
		ON CONFLICT (member) DO UPDATE SET points = balance.points + excluded.points`,
		rec.Holder.Reveal(), int64(rec.Points))
	return err
}

func exampleReceiver(ledger *mergefile.Ledger) *mergefile.Receiver {
	r, err := mergefile.NewReceiver(mergefile.ReceiverConfig{
		Ledger: ledger, Profile: mergefile.Standard(), Keys: exampleKey(), Apply: exampleCredit,
	})
	if err != nil {
		log.Fatal(err)
	}
	return r
}

// The same file comes twice, and its points are given once.
func ExampleReceiver_Receive() {
	ctx := context.Background()
	db := exampleDB(ctx)
	defer db.Close()
	r := exampleReceiver(exampleLedger(ctx, db))
	for range 2 {
		rep, err := r.Receive(ctx, bytes.NewReader(exampleFile()), "points.dat", nil)
		if err != nil {
			log.Fatal(err) // nothing was merged; see Receive for what to do
		}
		fmt.Println(rep.Merged, "merged,", rep.Duplicates, "duplicates,", rep.Points, "points")
	}
	var sum int
	err := db.QueryRow("SELECT sum(points) FROM balance").Scan(&sum)
	fmt.Println(sum, err)
	// Output:
	// 2 merged, 0 duplicates, 200 points
	// 0 merged, 2 duplicates, 0 points
	// 200 <nil>
}

// The whole file is refused if one number has come before with other content.
func ExampleConflictError() {
	ctx := context.Background()
	db := exampleDB(ctx)
	defer db.Close()
	r, err := mergefile.NewReceiver(mergefile.ReceiverConfig{
		Ledger: exampleLedger(ctx, db), Profile: mergefile.Standard(), Keys: exampleKey(), Apply: exampleCredit,
		Alarm: func(_ context.Context, c *mergefile.ConflictError) {
			fmt.Println("call the manager:", c.Records[0].Transaction)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	holder, err := mergefile.NewMallHolder("520625")
	if err != nil {
		log.Fatal(err)
	}
	number, err := mergefile.ParseTransaction("20170512093000-000001")
	if err != nil {
		log.Fatal(err)
	}
	for _, points := range []uint64{100, 100_000} {
		var file bytes.Buffer
		w, err := mergefile.NewWriter(ctx, &file, mergefile.Standard(), exampleKey(), nil)
		if err != nil {
			log.Fatal(err)
		}
		if err := w.Write(mergefile.Record{Holder: holder, Points: points, Transaction: number}); err != nil {
			log.Fatal(err)
		}
		if err := w.Close(); err != nil {
			log.Fatal(err)
		}
		_, err = r.Receive(ctx, &file, "points.dat", nil)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// call the manager: 20170512093000-000001
	// mergefile: 1 of the file's numbers have been merged with other content; nothing was merged
}

// A shop gets a new PC: what the old one has merged is not merged again.
func ExampleLedger_Import() {
	ctx := context.Background()
	before, after := exampleDB(ctx), exampleDB(ctx)
	defer before.Close()
	defer after.Close()
	if _, err := exampleReceiver(exampleLedger(ctx, before)).Receive(ctx, bytes.NewReader(exampleFile()), "points.dat", nil); err != nil {
		log.Fatal(err)
	}
	var stick bytes.Buffer
	if err := exampleLedger(ctx, before).Export(ctx, &stick); err != nil {
		log.Fatal(err)
	}

	ledger := exampleLedger(ctx, after)
	moved, err := ledger.Import(ctx, bytes.NewReader(stick.Bytes()))
	if err != nil {
		log.Fatal(err)
	}
	rep, err := exampleReceiver(ledger).Receive(ctx, bytes.NewReader(exampleFile()), "points.dat", nil)
	fmt.Println(moved.New, "numbers moved;", rep.Duplicates, "duplicates", err)
	// Output: 2 numbers moved; 2 duplicates <nil>
}

// The cloud's side says which numbers it has sent.
func ExampleLedger_Reconcile() {
	ctx := context.Background()
	db := exampleDB(ctx)
	defer db.Close()
	ledger := exampleLedger(ctx, db)
	if _, err := exampleReceiver(ledger).Receive(ctx, bytes.NewReader(exampleFile()), "points.dat", nil); err != nil {
		log.Fatal(err)
	}
	sent := func(yield func(mergefile.Record, error) bool) {
		for _, s := range []string{"20170512093000-000002", "20170512093000-000003"} {
			number, err := mergefile.ParseTransaction(s)
			if !yield(mergefile.Record{Transaction: number}, err) {
				return
			}
		}
	}
	for d, err := range ledger.Reconcile(ctx, "", time.Time{}, time.Time{}, sent) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(d.Transaction, d.Kind)
	}
	// Output:
	// 20170512093000-000001 missing there
	// 20170512093000-000003 missing here
}

// Once a day, what nobody will send again may go.
func ExampleLedger_Forget() {
	ctx := context.Background()
	db := exampleDB(ctx)
	defer db.Close()
	ledger := exampleLedger(ctx, db)
	if _, err := exampleReceiver(ledger).Receive(ctx, bytes.NewReader(exampleFile()), "points.dat", nil); err != nil {
		log.Fatal(err)
	}
	n, err := ledger.Forget(ctx)
	if err != nil {
		log.Fatal(err)
	}
	scopes, err := ledger.Scopes(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "forgotten,", scopes[0].Numbers, "remembered, the newest", scopes[0].Newest)
	// Output: 0 forgotten, 2 remembered, the newest 20170512093000-000002
}
