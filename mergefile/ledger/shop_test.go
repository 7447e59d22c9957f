package ledger_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

var pg pgtest.Server

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	code := m.Run()
	pg.Stop()
	if code == 0 {
		if err := dbtest.Leaks(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// long says whether to run what is for the full figures.
func long() bool { return os.Getenv("MYNAKIT_LONG") == "1" }

// engine is a database that programs share.
type engine struct {
	name, driver string
	dsn          func(testing.TB) string
	copy         func(context.Context, *sql.Conn, []string, []string, [][]any) error
}

var engines = []engine{
	{name: "SQLite", driver: "sqlite", dsn: func(t testing.TB) string { return dbtest.FastSQLite(t.TempDir()) }},
	{name: "PostgreSQL", driver: "pgx", dsn: func(t testing.TB) string { return pg.DSN(t) }},
}

// eachEngine runs f on a fresh database of both engines, in every way that the
// ledger has of using them.
func eachEngine(t *testing.T, f func(t *testing.T, s *shop)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { f(t, openShop(t, dbtest.Open(t, e.driver, e.dsn(t)), ledger.Config{})) })
	}
	t.Run("PostgreSQL by COPY", func(t *testing.T) {
		f(t, openShop(t, dbtest.Open(t, "pgx", pg.DSN(t)), ledger.Config{Copy: pgxCopy}))
	})
}

func ledgerKey(t testing.TB, secret string) ledger.Key {
	k, err := ledger.NewKey([]byte(secret))
	require.NoError(t, err)
	return k
}

const ledgerSecret = "the ledger's secret of the tests"

// shop is a shop's system: a ledger, and a table of balances beside it.
type shop struct {
	db      *sql.DB
	ledger  *ledger.Ledger
	profile mergefile.Profile
}

func openShop(t testing.TB, db *sql.DB, cfg ledger.Config) *shop {
	cfg.Key = ledgerKey(t, ledgerSecret)
	// As long as those who want one row may need on a machine on which much else runs.
	cfg.RetryFor = cmp.Or(cfg.RetryFor, time.Minute)
	l, err := ledger.Open(t.Context(), db, cfg)
	require.NoError(t, err)
	require.NoError(t, createBalances(t.Context(), db))
	return &shop{db: db, ledger: l, profile: mergefile.Standard()}
}

// pgxCopy is a program's Copy for pgx.
func pgxCopy(ctx context.Context, conn *sql.Conn, table, columns []string, rows [][]any) error {
	return conn.Raw(func(c any) error {
		_, err := c.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier(table), columns, pgx.CopyFromRows(rows))
		return err
	})
}

func createBalances(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS balance (holder VARCHAR(32) NOT NULL PRIMARY KEY, points BIGINT NOT NULL)")
	return err
}

// credit is the Apply of the tests. The numbers in it are safe to write out.
func credit(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO balance (holder, points) VALUES ('%s', %d)
		ON CONFLICT (holder) DO UPDATE SET points = balance.points + excluded.points`, rec.Holder.Reveal(), rec.Points))
	return err
}

// creditAll is the same for many records, each holder once.
func creditAll(ctx context.Context, tx *sql.Tx, recs []mergefile.Record) error {
	sums := map[string]uint64{}
	for _, rec := range recs {
		sums[rec.Holder.Reveal()] += rec.Points
	}
	var rows []string
	for holder, points := range sums {
		rows = append(rows, fmt.Sprintf("('%s', %d)", holder, points))
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO balance (holder, points) VALUES "+strings.Join(rows, ",")+
		" ON CONFLICT (holder) DO UPDATE SET points = balance.points + excluded.points")
	return err
}

// receiver gives one with the shop's ledger and a change.
func (s *shop) receiver(t testing.TB, change func(*ledger.ReceiverConfig)) *ledger.Receiver {
	cfg := ledger.ReceiverConfig{Ledger: s.ledger, Profile: s.profile, Keys: testKey(t), Apply: credit}
	if change != nil {
		change(&cfg)
	}
	r, err := ledger.NewReceiver(cfg)
	require.NoError(t, err)
	return r
}

// file writes a merge file under the shop's profile.
func (s *shop) file(t testing.TB, rs []mergefile.Record) *bytes.Reader {
	f, _ := write(t, s.profile, testKey(t), rs)
	return bytes.NewReader(f)
}

// balances reads them all.
func (s *shop) balances(t testing.TB) map[string]uint64 { return balancesIn(t, s.db) }

// sum gives the balances that records add up to.
func sum(rs ...[]mergefile.Record) map[string]uint64 {
	out := map[string]uint64{}
	for _, rs := range rs {
		for _, r := range rs {
			out[r.Holder.Reveal()] += r.Points
		}
	}
	return out
}

func total(rs []mergefile.Record) (points uint64) {
	for _, r := range rs {
		points += r.Points
	}
	return points
}

// has tells which of the records' numbers are remembered.
func (s *shop) has(t testing.TB, rs []mergefile.Record) (n int) {
	for _, r := range rs {
		ok, err := s.ledger.Has(t.Context(), "", r.Transaction)
		require.NoError(t, err)
		if ok {
			n++
		}
	}
	return n
}

// later gives a number of another day.
func later(t testing.TB, r mergefile.Record, d time.Duration) mergefile.Record {
	var err error
	r.Transaction, err = mergefile.NewTransaction(r.Transaction.Time().Add(d), r.Transaction.Sequence())
	require.NoError(t, err)
	return r
}
