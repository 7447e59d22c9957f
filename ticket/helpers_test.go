package ticket_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var pg pgtest.Server

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	code := m.Run()
	for _, db := range exampleDBs {
		_ = db.Close()
	}
	pg.Stop()
	if code == 0 {
		if err := dbtest.Leaks(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// long skips a test that is only for the full figures.
func long() bool { return os.Getenv("MYNAKIT_LONG") == "1" }

// tables is where books are kept.
type tables struct {
	db     *sql.DB
	prefix string
}

// patience is as long as 64 who want one row may need, one after the other, on a
// machine on which much else runs.
const patience = time.Minute

// open opens a book on the tables.
func (s tables) open(t testing.TB, cfg ticket.Config) *ticket.Book {
	t.Helper()
	cfg.Prefix = s.prefix
	cfg.RetryFor = cmp.Or(cfg.RetryFor, patience)
	b, err := ticket.Open(t.Context(), s.db, cfg)
	require.NoError(t, err)
	return b
}

func (s tables) table(name string) string { return cmp.Or(s.prefix, "ticket_") + name }

func openSQL(t testing.TB, driver, dsn string) tables {
	return tables{db: dbtest.Open(t, driver, dsn)}
}

// fast is SQLite without its syncs.
func fast(t testing.TB) tables { return openSQL(t, "sqlite", dbtest.FastSQLite(t.TempDir())) }

// engines are the databases that programs share.
var engines = []struct {
	name, driver string
	dsn          func(testing.TB) string
}{
	{"SQLite", "sqlite", func(t testing.TB) string { return dbtest.FastSQLite(t.TempDir()) }},
	{"PostgreSQL", "pgx", func(t testing.TB) string { return pg.DSN(t) }},
}

// eachStore runs f on fresh tables in each engine.
func eachStore(t *testing.T, f func(t *testing.T, s tables)) {
	t.Run("SQLite", func(t *testing.T) { f(t, fast(t)) })
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn, prefix := shared.next(t)
		f(t, tables{db: dbtest.Open(t, "pgx", dsn), prefix: prefix})
	})
}

// eachHooked runs f on fresh tables in each engine, with a hook on the one way
// to them and none on the other.
func eachHooked(t *testing.T, f func(t *testing.T, h *dbtest.Hooked, hooked, other tables)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn := e.dsn(t)
			other := openSQL(t, e.driver, dsn)
			h := &dbtest.Hooked{Engine: other.db.Driver(), DSN: dsn}
			db := sql.OpenDB(h)
			t.Cleanup(func() { assert.NoError(t, db.Close()) })
			f(t, h, tables{db: db}, other)
		})
	}
}

// looksUp reports whether a step looks a number up.
func looksUp(s dbtest.Step) bool { return strings.Contains(s.What, "AND number = ") }

// shared is a database in which each test has tables of its own, because a
// new database takes the server longer than the test does.
var shared sharedDB

type sharedDB struct {
	mu  sync.Mutex
	dsn string
	n   int
}

func (s *sharedDB) next(t testing.TB) (dsn, prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dsn == "" {
		// The server's own database outlives the test that comes first.
		s.dsn = regexp.MustCompile(`dbname=\S+`).ReplaceAllString(pg.DSN(t), "dbname=postgres")
	}
	s.n++
	return s.dsn, fmt.Sprintf("t%d_", s.n)
}

// clock is a clock that the test turns.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// at reads a time in Japan.
func at(t testing.TB, s string) time.Time {
	v, err := time.Parse("2006-01-02 15:04:05 -0700", s+" +0900")
	require.NoError(t, err)
	return v
}

func day(t testing.TB, s string) ticket.Date {
	d, err := mykey.ParseDate(s)
	require.NoError(t, err)
	return d
}

func key(t testing.TB, id string) ticket.Key {
	k, err := ticket.NewKey(id, []byte("a secret of the tests, "+id))
	require.NoError(t, err)
	return k
}

func number(t testing.TB, s string) ticket.Number {
	n, err := ticket.ParseNumber(s)
	require.NoError(t, err)
	return n
}

var (
	shop  = ticket.Terminal{ID: "000001", Scope: "141305-01"}
	shop2 = ticket.Terminal{ID: "000002", Scope: "141305-01"}
	far   = ticket.Terminal{ID: "000001", Scope: "131016-01"}
)

func code(n ticket.Number) ticket.Code { return ticket.NewCode(n.Display()) }

// full drains a sequence.
func full[T any](t testing.TB, seq func(func(T, error) bool)) []T {
	var out []T
	for v, err := range seq {
		require.NoError(t, err)
		out = append(out, v)
	}
	return out
}

// allocates fails if f allocates more than limit bytes. What the fuzzing
// engine allocates meanwhile is counted too, so limits leave room for it.
func allocates(t *testing.T, limit int, f func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > uint64(limit) {
		t.Fatalf("%d bytes allocated, %d allowed", n, limit)
	}
}
