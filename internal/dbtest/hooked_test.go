package dbtest_test

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
)

// A call that fails before is not made; one whose answer is lost was.
func TestHooked(t *testing.T) {
	h := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
	db := sql.OpenDB(h)
	defer db.Close()
	_, err := db.Exec("CREATE TABLE n (n INTEGER)")
	require.NoError(t, err)
	boom := errors.New("boom")
	failAt := func(step dbtest.Step) {
		h.Set(func(s dbtest.Step) error {
			if s == step {
				return boom
			}
			return nil
		})
	}
	count := func() (n int) {
		h.Set(nil)
		require.NoError(t, db.QueryRow("SELECT count(*) FROM n").Scan(&n))
		return n
	}
	const insert = "INSERT INTO n VALUES (1)"
	write := func() error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.Exec(insert); err != nil {
			return err
		}
		return tx.Commit()
	}
	for _, what := range []string{"begin", insert, "commit"} {
		failAt(dbtest.Step{What: what})
		assert.ErrorIs(t, write(), boom)
		assert.Zero(t, count(), what)
	}
	failAt(dbtest.Step{What: "commit", After: true})
	assert.ErrorIs(t, write(), boom)
	assert.Equal(t, 1, count())

	failAt(dbtest.Step{What: "row"})
	rows, err := db.Query("SELECT n FROM n")
	require.NoError(t, err)
	assert.False(t, rows.Next())
	assert.ErrorIs(t, rows.Err(), boom)
	failAt(dbtest.Step{What: "prepare"})
	_, err = db.Prepare(insert)
	assert.ErrorIs(t, err, boom)
	h.Set(nil)
	stmt, err := db.Prepare(insert)
	require.NoError(t, err)
	defer stmt.Close()
	failAt(dbtest.Step{What: insert})
	_, err = stmt.Exec()
	assert.ErrorIs(t, err, boom)
	assert.Equal(t, 1, count())
}
