package ledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/mynakit/mynakit/mergefile"
)

// A program that reads records in its own way remembers their numbers and
// credits them in one transaction. Other packages of this module that offer In
// can take part in it.
func ExampleLedger_Do() {
	ctx := context.Background()
	db := exampleDB(ctx)
	defer db.Close()
	book := exampleLedger(ctx, db)
	records, err := exampleRecords()
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		var fresh []mergefile.Record
		err := book.Do(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
			fresh, err = book.In(tx).Remember(ctx, "", records)
			for _, rec := range fresh {
				if err == nil {
					err = exampleCredit(ctx, tx, rec)
				}
			}
			return err
		})
		if err != nil {
			log.Fatal(err) // nothing was remembered or credited
		}
		fmt.Println(len(fresh), "of", len(records), "are new")
	}
	// Output:
	// 2 of 2 are new
	// 0 of 2 are new
}

// exampleRecords stands for the program's own way of reading records.
func exampleRecords() ([]mergefile.Record, error) {
	var records []mergefile.Record
	for i, member := range []string{"520625", "520626"} {
		holder, err := mergefile.NewMallHolder(member)
		if err != nil {
			return nil, err
		}
		number, err := mergefile.NewTransaction(testStart, uint32(i+1))
		if err != nil {
			return nil, err
		}
		records = append(records, mergefile.Record{Holder: holder, Points: 100, Transaction: number})
	}
	return records, nil
}
