package point_test

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/require"
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

// kind is a kind of database that the suite runs on.
type kind struct {
	name, driver string
	dsn          func(t testing.TB) string // of a new one
}

var (
	onSQLite     = kind{"SQLite", "sqlite", func(t testing.TB) string { return dbtest.FastSQLite(t.TempDir()) }}
	onPostgreSQL = kind{"PostgreSQL", "pgx", func(t testing.TB) string { return pg.DSN(t) }}
	inPartitions = kind{"PostgreSQL in partitions", "pgx", func(t testing.TB) string {
		dsn := pg.DSN(t)
		db := dbtest.Open(t, "pgx", dsn)
		_, err := point.Open(t.Context(), db, point.Config{})
		require.NoError(t, err)
		divide := partitions
		if os.Getenv("MYNAKIT_LONG") == "" { // which has all sixteen
			divide = strings.NewReplacer("0..15", "0..2", "MODULUS 16", "MODULUS 3").Replace(divide)
			require.NotEqual(t, partitions, divide)
		}
		_, err = db.ExecContext(t.Context(), divide)
		require.NoError(t, err)
		return dsn
	}}
	kinds = []kind{onSQLite, onPostgreSQL, inPartitions}
)

func (k kind) open(t testing.TB) *sql.DB { return dbtest.Open(t, k.driver, k.dsn(t)) }

// engines runs f on each engine; in the long form on partitions too.
func engines(t *testing.T, f func(t *testing.T, db *sql.DB)) {
	for _, k := range kinds {
		if k.name != inPartitions.name || os.Getenv("MYNAKIT_LONG") != "" {
			t.Run(k.name, func(t *testing.T) { f(t, k.open(t)) })
		}
	}
}

// partitions divides the tables of a ledger on PostgreSQL.
//
//go:embed partitions.sql
var partitions string

// clock is a clock that a test sets.
type clock struct{ us atomic.Int64 }

func (c *clock) Now() time.Time      { return time.UnixMicro(c.us.Load()) }
func (c *clock) Set(at time.Time)    { c.us.Store(at.UnixMicro()) }
func (c *clock) Add(d time.Duration) { c.us.Add(d.Microseconds()) }
func (c *clock) Days(n int)          { c.Add(time.Duration(n) * 24 * time.Hour) }
func id(t testing.TB, s string) mykey.ID {
	t.Helper()
	v, err := mykey.ParseID(s)
	require.NoError(t, err)
	return v
}

// bench is a ledger with three programmes, one partner and a holder.
type bench struct {
	*point.Ledger
	db    *sql.DB
	clock *clock
	cfg   point.Config
	n     atomic.Int64
}

const (
	hanako = "HANAKO01"
	taro   = "TAROTA02"
)

var noReserved = point.Programme{Account: "reserved", Kind: point.Reserved, Name: "留保ポイント"}

func open(t testing.TB, db *sql.DB, cfg point.Config) *bench {
	t.Helper()
	b := &bench{db: db, clock: &clock{}, cfg: cfg}
	b.clock.Set(japan(t, "2026-11-28 10:00:00"))
	b.cfg.Clock = b.clock.Now
	var err error
	b.Ledger, err = point.Open(t.Context(), db, b.cfg)
	require.NoError(t, err)
	for _, p := range []point.Programme{city(t), festival(t), noReserved} {
		require.NoError(t, b.SetProgramme(t.Context(), p))
	}
	require.NoError(t, b.SetPartner(t.Context(), point.Partner{Code: "card-a", Name: "カード会社A", Link: point.LinkCoupon}))
	require.NoError(t, b.Enrol(t.Context(), id(t, hanako), point.Profile{Base: "aoba"}))
	return b
}

// request is a request that has not been made.
func (b *bench) request() point.Request {
	return point.Request{Scope: "000002", Name: fmt.Sprintf("r%d", b.n.Add(1))}
}

// grant gives points to hanako.
func (b *bench) grant(t testing.TB, a point.Account, points int64) point.Request {
	t.Helper()
	r := b.request()
	_, err := b.Credit(t.Context(), point.Credit{Request: r, Holder: id(t, hanako), Account: a, Points: points, Kind: point.OpGrant})
	require.NoError(t, err)
	return r
}

// reserve transfers points of a partner to hanako.
func (b *bench) reserve(t testing.TB, points int64) {
	t.Helper()
	ref, err := point.ParseReference(fmt.Sprintf("coupon-%d", b.n.Add(1)))
	require.NoError(t, err)
	_, err = b.Credit(t.Context(), point.Credit{Request: b.request(), Holder: id(t, hanako), Account: "reserved", Points: points,
		Kind: point.OpPartner, Partner: "card-a", Reference: ref})
	require.NoError(t, err)
}

func (b *bench) use(t testing.TB, points int64) point.Use {
	return point.Use{Request: b.request(), Holder: id(t, hanako), Account: "aoba", Points: points, Terminal: "000002", Place: "あおば美術館", Proved: true}
}

// balance is what hanako has in an account.
func (b *bench) balance(t testing.TB, a point.Account) int64 {
	t.Helper()
	all, err := b.Balances(t.Context(), id(t, hanako))
	require.NoError(t, err)
	for _, x := range all {
		if x.Account == a {
			return x.Points
		}
	}
	return 0
}

// whole checks the books.
func (b *bench) whole(t testing.TB) point.Books {
	t.Helper()
	books, err := b.Books(context.WithoutCancel(t.Context()))
	require.NoError(t, err)
	require.Empty(t, books.Faults)
	return books
}
