package olddb

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/ticket"
)

var pg pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	pg.Stop()
	os.Exit(code)
}

// want is what the old code drew at random.
type want struct {
	Offered string
	Tickets []oldTicket
	Counter struct{ ID, Live, LiveQR string }
}

type oldTicket struct {
	Number, State, Until, Key, Attempt, EndedBy, ReplacedBy, Replaces, QR string
	Points, Prints                                                        int64
	IssuedAt, EndedAt                                                     time.Time
}

// each opens a copy of the old database on each engine.
func each(t *testing.T, name string, f func(t *testing.T, db *sql.DB, w want)) {
	read := func(t *testing.T, ext string) (w want) {
		text, err := os.ReadFile("testdata/want." + ext + ".json")
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &w))
		return w
	}
	t.Run("SQLite", func(t *testing.T) {
		dir := t.TempDir()
		copyFile(t, "testdata/"+name+".sqlite", filepath.Join(dir, "t.db"))
		f(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(dir)), read(t, "sqlite"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := pg.DSN(t)
		dump, err := os.ReadFile("testdata/" + name + ".sql")
		require.NoError(t, err)
		restore, err := sql.Open("pgx", dsn)
		require.NoError(t, err)
		_, err = restore.Exec(string(dump))
		require.NoError(t, err)
		require.NoError(t, restore.Close())
		f(t, dbtest.Open(t, "pgx", dsn), read(t, "sql"))
	})
}

// copyFile copies a file for its owner alone.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, content, 0o600))
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

// noon is two hours after the last thing that the old code did.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.FixedZone("JST", 9*60*60))

func clock() time.Time { return noon }

func balance(ctx context.Context, t *testing.T, db *sql.DB, holder string) (points int64) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(ctx, "SELECT points FROM balance WHERE holder = $1", holder).Scan(&points))
	return points
}

var (
	november = ticket.Period{From: ticket.Date{Year: 2026, Month: 11, Day: 1}, To: ticket.Date{Year: 2026, Month: 11, Day: 25}}
	office   = ticket.Terminal{ID: "OFFICE-1", Scope: "141305-01"}
	till     = ticket.Terminal{ID: "TILL-2", Scope: "141305-01"}
)
