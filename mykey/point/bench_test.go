package point_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/require"
)

// BenchmarkUse pairs uses with the same statements by hand, in slices that take
// turns, and reports the median of the ratios, by hand to ledger: 1 is as fast.
// Both engines sync each commit to the disk, as in production.
//
//	go test -run '^$' -bench 'Use$' -benchtime 5x ./mykey/point
func BenchmarkUse(b *testing.B) {
	server := pgtest.Server{Durable: true}
	defer server.Stop()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		for _, workers := range []int{16, 64} {
			b.Run(fmt.Sprintf("%s/%d", engine, workers), func(b *testing.B) {
				var db *sql.DB
				if engine == "SQLite" {
					db = dbtest.Open(b, "sqlite", dbtest.SQLite(b.TempDir()))
				} else {
					db = dbtest.Open(b, "pgx", server.DSN(b))
				}
				db.SetMaxOpenConns(workers)
				db.SetMaxIdleConns(workers)
				l, err := point.Open(b.Context(), db, point.Config{})
				require.NoError(b, err)
				ids := fill(b, l, 1000)
				hand := byHand(b, db, engine == "PostgreSQL")
				const slice = 500
				var ratios, rates []float64
				work := func(f func(n int) error) time.Duration {
					var n atomic.Int64
					var wg sync.WaitGroup
					start := time.Now()
					for range workers {
						wg.Go(func() {
							for i := n.Add(1); i <= slice; i = n.Add(1) {
								if err := f(int(i)); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					wg.Wait()
					return time.Since(start)
				}
				var seq atomic.Int64
				use := func(n int) error {
					_, err := l.Use(context.Background(), point.Use{Request: point.Request{Scope: "b", Name: fmt.Sprint("l", seq.Add(1))},
						Holder: ids[n%len(ids)], Account: "aoba", Points: 1, Proved: true, Terminal: "000002", Place: "本店"})
					return err
				}
				byHand := func(n int) error { return hand(ids[n%len(ids)], fmt.Sprint("h", seq.Add(1))) }
				for i := range 4 * b.N {
					var theirs, ours time.Duration
					if i%2 == 0 {
						theirs, ours = work(byHand), work(use)
					} else {
						ours, theirs = work(use), work(byHand)
					}
					ratios = append(ratios, theirs.Seconds()/ours.Seconds())
					rates = append(rates, slice/ours.Seconds())
				}
				slices.Sort(ratios)
				slices.Sort(rates)
				b.ReportMetric(ratios[len(ratios)/2], "of-by-hand")
				b.ReportMetric(rates[len(rates)/2], "uses/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// fill enrols holders with points.
func fill(b testing.TB, l *point.Ledger, holders int) []mykey.ID {
	ctx := b.Context()
	require.NoError(b, l.SetProgramme(ctx, city(b)))
	ids := make([]mykey.ID, holders)
	for i := range ids {
		ids[i] = id(b, fmt.Sprintf("A%07d", i))
		require.NoError(b, l.Enrol(ctx, ids[i], point.Profile{Base: "aoba"}))
		_, err := l.Credit(ctx, point.Credit{Request: point.Request{Scope: "f", Name: strconv.Itoa(i)}, Holder: ids[i], Account: "aoba", Points: 1_000_000_000, Kind: point.OpGrant})
		require.NoError(b, err)
	}
	return ids
}

// byHand is a use as somebody would write it for one engine, the statements
// prepared on SQLite.
func byHand(b testing.TB, db *sql.DB, postgres bool) func(id mykey.ID, name string) error {
	queries := []string{
		`INSERT INTO point_request (scope, name, holder, digest, operation) SELECT CAST(? AS TEXT), CAST(? AS TEXT), h.id, CAST(? AS {:blob}), CAST(? AS BIGINT)
			FROM point_alias a JOIN point_holder h ON h.id = a.holder WHERE a.mykey = ? AND h.state <= 1 {:forupdate}
			ON CONFLICT (scope, name) DO NOTHING RETURNING holder`,
		`SELECT p.id, p.kind, p.expiry, p.service_from, p.service_to, p.closed, l.expires, l.points FROM point_programme p
			LEFT JOIN point_lot l ON l.holder = ? AND l.programme = p.id AND (l.expires >= ? OR p.kind = 3) AND l.points > 0 WHERE p.code = ? ORDER BY l.expires`,
		"UPDATE point_lot SET points = points - ? WHERE holder = ? AND programme = ? AND expires = ? AND points >= ? RETURNING points",
		`INSERT INTO point_operation (holder, id, kind, programme, points, at, terminal, place, proved, partner, reverses, scope, name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		"INSERT INTO point_entry (holder, operation, programme, expires, delta, after, balance) VALUES (?, ?, ?, ?, ?, ?, ?)",
	}
	blob, lock := "BLOB", ""
	if postgres {
		blob, lock = "BYTEA", "FOR UPDATE"
	}
	prepared := make([]*sql.Stmt, len(queries))
	for i, q := range queries {
		q = strings.NewReplacer("{:blob}", blob, "{:forupdate}", lock).Replace(q)
		if postgres {
			for n := 1; strings.Contains(q, "?"); n++ {
				q = strings.Replace(q, "?", "$"+strconv.Itoa(n), 1)
			}
			queries[i] = q
			continue
		}
		var err error
		prepared[i], err = db.Prepare(q)
		require.NoError(b, err)
		b.Cleanup(func() { _ = prepared[i].Close() })
	}
	writer := make(chan struct{}, 1)
	return func(id mykey.ID, name string) error {
		ctx := context.Background()
		if !postgres {
			writer <- struct{}{}
			defer func() { <-writer }()
		}
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		row := func(i int, args ...any) *sql.Row {
			if postgres {
				return tx.QueryRowContext(ctx, queries[i], args...)
			}
			return tx.StmtContext(ctx, prepared[i]).QueryRowContext(ctx, args...)
		}
		exec := func(i int, args ...any) error {
			if postgres {
				_, err := tx.ExecContext(ctx, queries[i], args...)
				return err
			}
			_, err := tx.StmtContext(ctx, prepared[i]).ExecContext(ctx, args...)
			return err
		}
		digest := sha256.Sum256([]byte(name))
		op := rand.Int64N(1<<63-1) + 1
		at := time.Now().UnixMicro()
		var holder, programme, kind, from, to, closed, expires, points, after int64
		var expiry string
		if err := row(0, "b", name, digest[:], op, id.String()).Scan(&holder); err != nil {
			return err
		}
		if err := row(1, holder, 20261128, "aoba").Scan(&programme, &kind, &expiry, &from, &to, &closed, &expires, &points); err != nil {
			return err
		}
		if err := row(2, 1, holder, programme, expires, 1).Scan(&after); err != nil {
			return err
		}
		if err := exec(3, holder, op, "use", programme, 1, at, "000002", "本店", 1, nil, nil, "b", name); err != nil {
			return err
		}
		if err := exec(4, holder, op, programme, expires, -1, after, after); err != nil {
			return err
		}
		return tx.Commit()
	}
}

// BenchmarkUseBeside pairs uses beside few holders with uses beside many, in
// slices that take turns, and reports the median of the ratios: 1 is as fast.
// Ten million take MYNAKIT_LONG.
//
//	go test -run '^$' -bench UseBeside -benchtime 1x ./mykey/point
func BenchmarkUseBeside(b *testing.B) {
	sizes := []int{100_000}
	if os.Getenv("MYNAKIT_LONG") != "" {
		sizes = []int{1_000_000, 10_000_000}
	}
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		few := beside(b, engine, 10_000)
		for _, holders := range sizes {
			b.Run(fmt.Sprintf("%s/%d", engine, holders), func(b *testing.B) {
				many := beside(b, engine, holders)
				few(2000) // what both read first is warm
				many(2000)
				var ratios []float64
				for range 9 * b.N {
					short, long := few(500), many(500)
					ratios = append(ratios, long.Seconds()/short.Seconds())
				}
				slices.Sort(ratios)
				b.ReportMetric(ratios[len(ratios)/2], "of-few-holders")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// beside makes a ledger with so many holders and returns what makes n uses of
// holders drawn from all of them.
func beside(b *testing.B, engine string, holders int) func(n int) time.Duration {
	db, numbers, name := dbtest.Open(b, "sqlite", dbtest.FastSQLite(b.TempDir())),
		"WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d - 1) SELECT i FROM c", "printf('A%07d', i)"
	if engine == "PostgreSQL" {
		db, numbers, name = dbtest.Open(b, "pgx", pg.DSN(b)), "SELECT i FROM generate_series(0, %d - 1) i", "'A' || lpad(CAST(i AS TEXT), 7, '0')"
	}
	l, err := point.Open(b.Context(), db, point.Config{})
	require.NoError(b, err)
	require.NoError(b, l.SetProgramme(b.Context(), city(b)))
	// Rows as Enrol and Credit write them, in one statement each. The numbers
	// that Enrol draws are in no order.
	const number = "(i * CAST(2654435761 AS BIGINT) % 4294967296) * 2147483647 + 7"
	for _, q := range []string{
		"CREATE TABLE n AS " + fmt.Sprintf(numbers, holders),
		"INSERT INTO point_alias (mykey, holder) SELECT " + name + ", " + number + " FROM n",
		"INSERT INTO point_holder (id, state, notices) SELECT " + number + ", 1, 0 FROM n ORDER BY 1",
		"INSERT INTO point_lot (holder, programme, expires, points) SELECT " + number + ", p.id, 99991231, 1000000 FROM n, point_programme p ORDER BY 1",
		"DROP TABLE n",
		map[string]string{"SQLite": "ANALYZE", "PostgreSQL": "VACUUM ANALYZE"}[engine], // as it is soon in operation
	} {
		_, err := db.Exec(q)
		require.NoError(b, err)
	}
	if engine == "PostgreSQL" {
		// What the load has left to write would be written during the measurement.
		_, err := db.Exec("CHECKPOINT")
		require.NoError(b, err)
		// A server in operation has its tables in memory. Where the extension is
		// missing, so it is for what the load has left there.
		if _, err := db.Exec("CREATE EXTENSION pg_prewarm"); err == nil {
			_, err := db.Exec("SELECT pg_prewarm(oid::regclass, 'read') FROM pg_class WHERE relname LIKE 'point\\_%' AND relkind IN ('r', 'i')")
			require.NoError(b, err)
		}
	}
	used := 0
	return func(n int) time.Duration {
		start := time.Now()
		for range n {
			used++
			_, err := l.Use(b.Context(), point.Use{Request: point.Request{Scope: "b", Name: strconv.Itoa(used)},
				Holder: id(b, fmt.Sprintf("A%07d", rand.IntN(holders))), Account: "aoba", Points: 1, Proved: true})
			require.NoError(b, err)
		}
		return time.Since(start)
	}
}

// BenchmarkBalances is flat in the length of a holder's history.
func BenchmarkBalances(b *testing.B) {
	for _, history := range []int{10, 1000, 20_000} {
		b.Run(strconv.Itoa(history), func(b *testing.B) {
			l, err := point.Open(b.Context(), dbtest.Open(b, "sqlite", dbtest.FastSQLite(b.TempDir())), point.Config{})
			require.NoError(b, err)
			who := fill(b, l, 1)[0]
			for i := range history {
				_, err := l.Use(b.Context(), point.Use{Request: point.Request{Scope: "b", Name: strconv.Itoa(i)}, Holder: who, Account: "aoba", Points: 1, Proved: true})
				require.NoError(b, err)
			}
			b.ResetTimer()
			for range b.N {
				_, err := l.Balances(b.Context(), who)
				require.NoError(b, err)
			}
		})
	}
}
