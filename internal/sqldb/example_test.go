package sqldb_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/mynakit/mynakit/internal/sqldb"
)

func ExampleDB_Write() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection would have a memory of its own
	schema := sqldb.Schema{Name: "till", Steps: [][]string{
		{"CREATE TABLE {balance} (holder {:text} NOT NULL PRIMARY KEY, points BIGINT NOT NULL)"},
	}}
	till, err := sqldb.Open(ctx, db, schema, sqldb.Config{Prefix: "shop_"})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		err = till.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO {balance} (holder, points) VALUES (?, ?)
				ON CONFLICT (holder) DO UPDATE SET points = {balance}.points + excluded.points`, "MY123456", 50)
			return err
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	var points int
	err = till.QueryRow(ctx, "SELECT points FROM {balance} WHERE holder = ?", "MY123456").Scan(&points)
	fmt.Println(till.Dialect(), points, err)
	// Output: SQLite 100 <nil>
}
