package point_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a use, a grant and a settlement cost beside many holders, in statements,
// rows, bytes on the disk and bytes of log. docs/scale.md has the figures.
//
//	MYNAKIT_LONG=1 MYNAKIT_HOLDERS=10000000 go test -v -timeout 0 -run TestScale ./mykey/point
func TestScale(t *testing.T) {
	holders, calls := 1_000, 200
	if os.Getenv("MYNAKIT_LONG") != "" {
		holders, calls = 1_000_000, 2_000
	}
	if n, err := strconv.Atoi(os.Getenv("MYNAKIT_HOLDERS")); err == nil {
		holders = n
	}
	run := func(t *testing.T, h *dbtest.Hooked, e engine) {
		db := sql.OpenDB(h)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		db.SetMaxOpenConns(1)
		b := open(t, db, point.Config{RetryFor: time.Minute})
		ctx := t.Context()
		for _, q := range e.fill(holders) {
			_, err := db.ExecContext(ctx, q)
			require.NoError(t, err)
		}
		who := func() point.Use {
			return point.Use{Request: b.request(), Holder: id(t, fmt.Sprintf("A%07d", rand.IntN(holders))), Account: "aoba", Points: 1, Proved: true,
				Terminal: fmt.Sprintf("%06d", rand.IntN(1000)), Place: "あおば商店"}
		}
		measure := func(name string, statements int, call func() error) {
			t.Helper()
			rows, bytes, log := e.measured(t, db)
			n := 0
			h.Set(func(s dbtest.Step) error {
				if s.Call() && s.What != "begin" && s.What != "commit" && s.What != "prepare" {
					n++
				}
				return nil
			})
			start := time.Now()
			for range calls {
				require.NoError(t, call())
			}
			took := time.Since(start)
			h.Set(nil)
			rows2, bytes2, log2 := e.measured(t, db)
			per := func(a, b int64) float64 { return float64(b-a) / float64(calls) }
			t.Logf("%s: %.1f statements, %.1f rows, %.0f bytes, %.0f bytes of log, %v each", name, float64(n)/float64(calls), per(rows, rows2), per(bytes, bytes2),
				per(log, log2), (took / time.Duration(calls)).Round(time.Microsecond))
			assert.LessOrEqual(t, float64(n)/float64(calls), float64(statements), name)
		}
		use := func() error { return second(b.Use(ctx, who())) }
		e.rest(t, db)
		measure("use after a checkpoint", 6, use) // five, and what begins a write
		measure("use", 6, use)
		measure("grant", 6, func() error {
			u := who()
			return second(b.Credit(ctx, point.Credit{Request: u.Request, Holder: u.Holder, Account: "aoba", Points: 5, Kind: point.OpGrant, Place: u.Place}))
		})
		measure("balances", 3, func() error { return second(b.Balances(ctx, who().Holder)) })
		b.clock.Set(japan(t, "2026-12-02 00:00:00"))
		month := period(t, "2026-11-01", "2026-11-30")
		n := 0
		h.Set(func(s dbtest.Step) error {
			if s.Call() && s.What != "begin" && s.What != "commit" && s.What != "prepare" {
				n++
			}
			return nil
		})
		start := time.Now()
		s, err := b.Settle(ctx, month)
		took := time.Since(start)
		h.Set(nil)
		require.NoError(t, err)
		require.EqualValues(t, 2*calls, s.Sum().Uses.Count)
		t.Logf("settlement of %d lines: %d statements, %v", len(s.Lines), n, took.Round(time.Millisecond))
		assert.LessOrEqual(t, n, 2*len(s.Lines)+20)
	}
	t.Run("SQLite", func(t *testing.T) {
		dir := t.TempDir()
		run(t, &dbtest.Hooked{DSN: dbtest.SQLite(dir) + "&_pragma=wal_autocheckpoint(0)"}, sqliteEngine{filepath.Join(dir, "t.db-wal")})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		run(t, &dbtest.Hooked{Engine: stdlib.GetDefaultDriver(), DSN: pg.DSN(t)}, pgEngine{})
	})
}

// engine is how one is filled and measured.
type engine interface {
	fill(holders int) []string
	rest(t *testing.T, db *sql.DB)
	measured(t *testing.T, db *sql.DB) (rows, bytes, log int64)
}

// filled are the statements that write holders as Enrol and Credit do.
func filled(source, name string) []string {
	const holder = "i * 900000000000 + 7"
	return []string{
		"INSERT INTO point_alias (mykey, holder) " + source + " SELECT " + name + ", " + holder + " FROM n",
		"INSERT INTO point_holder (id, state, notices) " + source + " SELECT " + holder + ", 1, 0 FROM n",
		"INSERT INTO point_lot (holder, programme, expires, points) " + source + " SELECT " + holder + ", p.id, 20280331, 1000000 FROM n, point_programme p WHERE p.code = 'aoba'",
	}
}

type sqliteEngine struct{ wal string }

func (sqliteEngine) fill(holders int) []string {
	return filled(fmt.Sprintf("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)", holders-1), "printf('A%07d', i)")
}

func (sqliteEngine) rest(t *testing.T, db *sql.DB) {
	var busy, log, done int
	require.NoError(t, db.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done))
	require.Zero(t, busy)
}

func (e sqliteEngine) measured(t *testing.T, db *sql.DB) (rows, bytes, log int64) {
	require.NoError(t, db.QueryRowContext(context.Background(), "SELECT total_changes(), (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)").Scan(&rows, &bytes))
	info, err := os.Stat(e.wal)
	require.NoError(t, err)
	return rows, bytes, info.Size()
}

type pgEngine struct{}

func (pgEngine) fill(holders int) []string {
	all := filled(fmt.Sprintf("WITH n AS (SELECT generate_series(0::bigint, %d) AS i)", holders-1), "'A' || lpad(i::text, 7, '0')")
	return append(all, "VACUUM ANALYZE")
}

func (pgEngine) rest(t *testing.T, db *sql.DB) {
	_, err := db.Exec("CHECKPOINT")
	require.NoError(t, err)
}

func (pgEngine) measured(t *testing.T, db *sql.DB) (rows, bytes, log int64) {
	_, _ = db.Exec("SELECT pg_stat_force_next_flush()") // before version 15 the rows come late
	require.NoError(t, db.QueryRow(strings.Join([]string{
		"SELECT (SELECT CAST(coalesce(sum(n_tup_ins + n_tup_upd), 0) AS BIGINT) FROM pg_stat_user_tables WHERE schemaname = current_schema()),",
		"(SELECT CAST(sum(pg_total_relation_size(c.oid)) AS BIGINT) FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace),",
		"CAST(pg_current_wal_insert_lsn() - '0/0' AS BIGINT)"}, " ")).Scan(&rows, &bytes, &log))
	return rows, bytes, log
}
