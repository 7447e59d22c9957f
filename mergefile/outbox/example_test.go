package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/outbox"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// A city's cloud takes points and owes the mall a file. Both stand in one
// transaction; the file goes out afterwards, as often as it takes.
func Example() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection would be a database of its own
	dir, err := os.MkdirTemp("", "mall")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	key, err := mergefile.NewKey("K1", []byte("0123456789abcdef"), []byte("agreed with the mall, 32 letters"))
	if err != nil {
		log.Fatal(err)
	}
	box, err := outbox.Open(ctx, db, outbox.Config{Profile: mergefile.Standard(), Keys: key, Dir: dir,
		Holder: func(ctx context.Context, tx *sql.Tx, it outbox.Item) (mergefile.Holder, error) {
			return mergefile.NewMallHolder("520625") // the member number of it.Subject
		}})
	if err != nil {
		log.Fatal(err)
	}
	err = box.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// Take the points here, by the ledger of points within tx.
		_, err := box.In(tx).Add(ctx, outbox.Order{Operation: "op-1", Subject: "HANAKO01", Points: 500})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	sent, err := box.Send(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.Files, "file in the mall's folder")
	// Output: 1 file in the mall's folder
}
