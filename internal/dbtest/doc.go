// Package dbtest opens databases for the tests of several packages: [Open] opens
// one for the length of a test, a [Ready] gives copies of one that has its tables,
// and a [Hooked] has a hook around each call of the engine, so that any of them
// can be made to fail. Only tests import it.
//
//	db := dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir()))
//
//	h := &dbtest.Hooked{DSN: dbtest.SQLite(t.TempDir())}
//	db := sql.OpenDB(h)
//	h.Set(func(s dbtest.Step) error {
//		if s.What == "commit" && !s.After {
//			return errInjected
//		}
//		return nil
//	})
//
// A PostgreSQL server comes from [github.com/mynakit/mynakit/internal/pgtest].
package dbtest

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// SQLite returns the data source name of the file t.db in dir, with the settings
// that this module's documentation asks programs for.
func SQLite(dir string) string {
	return "file:" + filepath.ToSlash(filepath.Join(dir, "t.db")) +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)"
}

// FastSQLite returns the name that SQLite returns, without syncs. It is for tests
// in which no power cut is in question.
func FastSQLite(dir string) string {
	return strings.Replace(SQLite(dir), "synchronous(FULL)", "synchronous(OFF)", 1)
}

// ImpatientSQLite returns the name that SQLite returns, without its five seconds
// of waiting for another program. It is for tests of a locked database.
func ImpatientSQLite(dir string) string {
	return strings.Replace(SQLite(dir), "busy_timeout(5000)", "busy_timeout(1)", 1)
}

// Open opens a database for the length of a test.
func Open(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return db
}
