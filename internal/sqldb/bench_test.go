package sqldb_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/stretchr/testify/require"
)

// BenchmarkFive compares five statements in a transaction, as a use of points
// has, with the same statements by hand: prepared, and as they come.
func BenchmarkFive(b *testing.B) {
	queries := []string{
		"INSERT INTO {counter} (name, n) VALUES (?, 0) ON CONFLICT (name) DO NOTHING",
		"SELECT n FROM {counter} WHERE name = ? {:forupdate}",
		"UPDATE {counter} SET n = n + 1 WHERE name = ?",
		"INSERT INTO {log} (note) VALUES (?)",
		"SELECT count(*) FROM {counter} WHERE name = ?",
	}
	ctx := b.Context()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		var db *sql.DB
		if engine == "SQLite" {
			dir := b.TempDir()
			db = openB(b, "sqlite", "file:"+dir+"/t.db?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_pragma=busy_timeout(5000)&_txlock=immediate")
		} else {
			db = openB(b, "pgx", pg.DSN(b))
		}
		d, err := sqldb.Open(ctx, db, counters, sqldb.Config{Prepare: queries})
		require.NoError(b, err)
		b.Run(engine+"/ours", func(b *testing.B) {
			for b.Loop() {
				err := d.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
					return five(queries, func(q string) (func(...any) error, func(string, *int) error) {
						return func(args ...any) error { _, err := tx.Exec(ctx, q, args...); return err },
							func(s string, n *int) error { return tx.QueryRow(ctx, q, s).Scan(n) }
					})
				})
				require.NoError(b, err)
			}
		})
		text := make(map[string]string)
		stmts := make(map[string]*sql.Stmt)
		for _, q := range queries {
			text[q], err = d.Rewrite(q)
			require.NoError(b, err)
			stmts[q], err = db.Prepare(text[q])
			require.NoError(b, err)
		}
		b.Run(engine+"/by hand, prepared", func(b *testing.B) {
			for b.Loop() {
				tx, err := db.BeginTx(ctx, nil)
				require.NoError(b, err)
				err = five(queries, func(q string) (func(...any) error, func(string, *int) error) {
					s := tx.StmtContext(ctx, stmts[q])
					return func(args ...any) error { _, err := s.ExecContext(ctx, args...); return err },
						func(a string, n *int) error { return s.QueryRowContext(ctx, a).Scan(n) }
				})
				require.NoError(b, err)
				require.NoError(b, tx.Commit())
			}
		})
		b.Run(engine+"/by hand", func(b *testing.B) {
			for b.Loop() {
				tx, err := db.BeginTx(ctx, nil)
				require.NoError(b, err)
				err = five(queries, func(q string) (func(...any) error, func(string, *int) error) {
					return func(args ...any) error { _, err := tx.ExecContext(ctx, text[q], args...); return err },
						func(a string, n *int) error { return tx.QueryRowContext(ctx, text[q], a).Scan(n) }
				})
				require.NoError(b, err)
				require.NoError(b, tx.Commit())
			}
		})
		b.Run(engine+"/a function of the integrator's", func(b *testing.B) {
			require.NoError(b, d.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
				for b.Loop() {
					if err := tx.Call(ctx, "", func(context.Context, *sql.Tx) error { return nil }); err != nil {
						return err
					}
				}
				return nil
			}))
		})
	}
}

func openB(b *testing.B, driver, dsn string) *sql.DB {
	db, err := sql.Open(driver, dsn)
	require.NoError(b, err)
	b.Cleanup(func() { db.Close() })
	return db
}

func five(queries []string, with func(string) (func(...any) error, func(string, *int) error)) error {
	for i, q := range queries {
		exec, query := with(q)
		var n int
		var err error
		if i == 1 || i == 4 {
			err = query("x", &n)
		} else {
			err = exec("x")
		}
		if err != nil {
			return fmt.Errorf("statement %d: %w", i, err)
		}
	}
	return nil
}
