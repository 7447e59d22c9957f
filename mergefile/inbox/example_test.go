package inbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// A cron job's way: receive what is there, once.
func ExampleInbox_Scan() {
	ctx := context.Background()
	top, err := os.MkdirTemp("", "inbox")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(top)
	dir := filepath.Join(top, "from-cloud")
	if err := os.Mkdir(dir, 0o700); err != nil {
		log.Fatal(err)
	}

	receiver, db := exampleReceiver(ctx, filepath.Join(top, "points.db"))
	defer db.Close()
	in, err := inbox.Open(inbox.Config{
		Dir: dir,
		Receive: func(ctx context.Context, d inbox.Delivery) error {
			report, err := receiver.Receive(ctx, d.Content, d.Name, d.Sidecar)
			if err == nil {
				fmt.Printf("%d merged, %d duplicates\n", report.Merged, report.Duplicates)
			}
			return err
		},
		Audit: func(e inbox.Event) { fmt.Printf("%s %q\n", e.What, e.Name) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer in.Close()

	// The cloud sent a file, and sent it again; and somebody sent another.
	sent := time.Now().Add(-time.Minute)
	for name, content := range map[string][]byte{
		"1.dat": exampleFile(ctx),
		"2.dat": exampleFile(ctx),
		"3.dat": []byte("100 points, please"),
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chtimes(path, sent, sent)); err != nil {
			log.Fatal(err)
		}
	}
	sum, err := in.Scan(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", sum)
	// Output:
	// 1 merged, 0 duplicates
	// done "1.dat"
	// 0 merged, 1 duplicates
	// done "2.dat"
	// quarantined "3.dat"
	// {Done:2 Quarantined:1 Left:0 Waiting:0}
}

// A service's way: receive what comes, until the program is told to end.
func ExampleInbox_Run() {
	top, err := os.MkdirTemp("", "inbox")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(top)
	dir := filepath.Join(top, "from-cloud")
	if err := os.Mkdir(dir, 0o700); err != nil {
		log.Fatal(err)
	}

	// A service takes this from signal.NotifyContext.
	ctx, stop := context.WithCancel(context.Background())
	in, err := inbox.Open(inbox.Config{
		Dir:    dir,
		Settle: time.Millisecond, // for a sender that does not rename, some 30 seconds
		Poll:   time.Minute,
		Receive: func(_ context.Context, d inbox.Delivery) error {
			fmt.Println("received", d.Name, d.Content.Size(), "bytes")
			return nil // with a ledger.Receiver, what Receive said
		},
		Audit: func(e inbox.Event) {
			if e.What == inbox.Done {
				stop()
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer in.Close()
	if err := os.WriteFile(filepath.Join(dir, "1.dat"), []byte("points"), 0o600); err != nil {
		log.Fatal(err)
	}
	fmt.Println(in.Run(ctx))
	// Output:
	// received 1.dat 6 bytes
	// <nil>
}

func exampleKey() mergefile.Key {
	k, err := mergefile.NewKey("2026-04", []byte("0123456789abcdef"), []byte("8f1d0c3ab94e7725d6a1b2c3"))
	if err != nil {
		log.Fatal(err)
	}
	return k
}

// exampleReceiver credits points in a table of the program's own.
func exampleReceiver(ctx context.Context, path string) (*ledger.Receiver, *sql.DB) {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path)+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE balance (member TEXT PRIMARY KEY, points INTEGER NOT NULL)"); err != nil {
		log.Fatal(err)
	}
	secret, err := ledger.NewKey([]byte("from a safe place, 32 bytes long"))
	if err != nil {
		log.Fatal(err)
	}
	book, err := ledger.Open(ctx, db, ledger.Config{Key: secret})
	if err != nil {
		log.Fatal(err)
	}
	r, err := ledger.NewReceiver(ledger.ReceiverConfig{
		Ledger:  book,
		Profile: mergefile.Standard(),
		Keys:    exampleKey(),
		Apply: func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO balance VALUES (?, ?)
				ON CONFLICT DO UPDATE SET points = points + excluded.points`, rec.Holder.Reveal(), rec.Points)
			return err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	return r, db
}

// exampleFile is a merge file of one record.
func exampleFile(ctx context.Context) []byte {
	var file bytes.Buffer
	w, err := mergefile.NewWriter(ctx, &file, mergefile.Standard(), exampleKey(), nil)
	if err != nil {
		log.Fatal(err)
	}
	h, err := mergefile.NewMallHolder("520625")
	if err != nil {
		log.Fatal(err)
	}
	at := time.Date(2017, 5, 12, 9, 30, 0, 0, time.FixedZone("JST", 9*60*60))
	tx, err := mergefile.NewTransaction(at, 1)
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Write(mergefile.Record{Holder: h, Points: 100, Transaction: tx}); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	return file.Bytes()
}
