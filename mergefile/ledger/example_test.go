package ledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log"
	"time"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
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

func exampleLedger(ctx context.Context, db *sql.DB) *ledger.Ledger {
	key, err := ledger.NewKey([]byte("32 random bytes from a safe place")) // never changes
	if err != nil {
		log.Fatal(err)
	}
	book, err := ledger.Open(ctx, db, ledger.Config{Key: key, Keep: 400 * 24 * time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	return book
}

// exampleCredit adds a record's points to a balance.
func exampleCredit(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO balance (member, points) VALUES (?, ?)
		ON CONFLICT (member) DO UPDATE SET points = balance.points + excluded.points`,
		rec.Holder.Reveal(), int64(rec.Points))
	return err
}

func exampleReceiver(book *ledger.Ledger) *ledger.Receiver {
	r, err := ledger.NewReceiver(ledger.ReceiverConfig{
		Ledger: book, Profile: mergefile.Standard(), Keys: exampleKey(), Apply: exampleCredit,
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
	r, err := ledger.NewReceiver(ledger.ReceiverConfig{
		Ledger: exampleLedger(ctx, db), Profile: mergefile.Standard(), Keys: exampleKey(), Apply: exampleCredit,
		Alarm: func(_ context.Context, c *ledger.ConflictError) {
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
	// ledger: 1 of the file's numbers have been merged with other content; nothing was merged
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

	book := exampleLedger(ctx, after)
	moved, err := book.Import(ctx, bytes.NewReader(stick.Bytes()))
	if err != nil {
		log.Fatal(err)
	}
	rep, err := exampleReceiver(book).Receive(ctx, bytes.NewReader(exampleFile()), "points.dat", nil)
	fmt.Println(moved.New, "numbers moved;", rep.Duplicates, "duplicates", err)
	// Output: 2 numbers moved; 2 duplicates <nil>
}

// The cloud's side says which numbers it has sent.
func ExampleLedger_Reconcile() {
	ctx := context.Background()
	db := exampleDB(ctx)
	defer db.Close()
	book := exampleLedger(ctx, db)
	if _, err := exampleReceiver(book).Receive(ctx, bytes.NewReader(exampleFile()), "points.dat", nil); err != nil {
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
	for d, err := range book.Reconcile(ctx, "", time.Time{}, time.Time{}, sent) {
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
	book := exampleLedger(ctx, db)
	if _, err := exampleReceiver(book).Receive(ctx, bytes.NewReader(exampleFile()), "points.dat", nil); err != nil {
		log.Fatal(err)
	}
	n, err := book.Forget(ctx)
	if err != nil {
		log.Fatal(err)
	}
	scopes, err := book.Scopes(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "forgotten,", scopes[0].Numbers, "remembered, the newest", scopes[0].Newest)
	// Output: 0 forgotten, 2 remembered, the newest 20170512093000-000002
}

func exampleKey() mergefile.Key {
	k, err := mergefile.NewKey("2026-04", []byte("0123456789abcdef"), []byte("8f1d0c3ab94e7725d6a1b2c3"))
	if err != nil {
		log.Fatal(err)
	}
	return k
}

// exampleFile is a merge file of two records.
func exampleFile() []byte {
	var file bytes.Buffer
	w, err := mergefile.NewWriter(context.Background(), &file, mergefile.Standard(), exampleKey(), nil)
	if err != nil {
		log.Fatal(err)
	}
	at := time.Date(2017, 5, 12, 9, 30, 0, 0, time.FixedZone("JST", 9*60*60))
	for i, id := range []string{"520625", "180000000011"} {
		h, err := mergefile.NewMallHolder(id)
		if err != nil {
			log.Fatal(err)
		}
		tx, err := mergefile.NewTransaction(at, uint32(i+1))
		if err != nil {
			log.Fatal(err)
		}
		if err := w.Write(mergefile.Record{Holder: h, Points: 100, Transaction: tx}); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	return file.Bytes()
}
