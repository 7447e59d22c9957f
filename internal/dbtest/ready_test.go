package dbtest_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
)

// Each database has what was made once, and nothing of the others.
func TestReady(t *testing.T) {
	made := 0
	ready := dbtest.Ready{Make: func(t testing.TB, db *sql.DB) {
		made++
		_, err := db.Exec("CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (1)")
		require.NoError(t, err)
	}}
	for range 3 {
		db := dbtest.Open(t, "sqlite", ready.FastSQLite(t))
		var n int
		require.NoError(t, db.QueryRow("SELECT count(*) FROM n").Scan(&n))
		assert.Equal(t, 1, n)
		_, err := db.Exec("INSERT INTO n VALUES (2)")
		require.NoError(t, err)
	}
	assert.Equal(t, 1, made)
}
