package dbtest

import (
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Ready gives SQLite databases that already have something in them. It is for
// tests that need many: to make their tables takes longer than the tests do.
type Ready struct {
	// Make fills the first database, of which the others are copies.
	Make func(t testing.TB, db *sql.DB)

	mu   sync.Mutex
	file []byte
}

// FastSQLite returns what the function [FastSQLite] returns, of a new copy.
func (r *Ready) FastSQLite(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "t.db")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		if err := os.WriteFile(file, r.file, 0o600); err != nil {
			t.Fatal(err)
		}
		return FastSQLite(dir)
	}
	db, err := sql.Open("sqlite", FastSQLite(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() // a second time, unless Make failed
	r.Make(t, db)
	// The last connection writes what is in the log into the file.
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if r.file, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	return FastSQLite(dir)
}
