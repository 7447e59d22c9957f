package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Within Do, In is the transaction of Do, so that a foreign end found by the one
// is written down by the other; and another keeper's In has tables of its own.
func TestInWithinDo(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		d := openBook(t, db, sqldb.Config{})
		other, err := sqldb.Open(ctx, db, counters, sqldb.Config{Prefix: "other_"})
		require.NoError(t, err)
		err = d.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			in, err := d.In(ctx, tx)
			require.NoError(t, err)
			losses, err := in.Losses(ctx)
			require.NoError(t, err)
			require.Empty(t, losses, "its own mark is no loss")
			their, err := other.In(ctx, tx)
			require.NoError(t, err)
			_, err = their.Exec(ctx, insertCounter, "theirs", 1)
			require.NoError(t, err)
			_, err = in.Exec(ctx, insertCounter, "ours", 1)
			return err
		})
		require.NoError(t, err)
		for name, d := range map[string]*sqldb.DB{"ours": d, "theirs": other} {
			var got string
			require.NoError(t, d.QueryRow(ctx, "SELECT name FROM {counter}").Scan(&got))
			assert.Equal(t, name, got)
		}

		err = d.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			in, err := d.In(ctx, tx)
			require.NoError(t, err)
			return in.Call(ctx, "inner", func(_ context.Context, tx *sql.Tx) error { exec(t, tx, "COMMIT"); return nil })
		})
		lost, ok := errors.AsType[*sqldb.LostError](err)
		require.True(t, ok, "%v", err)
		assert.NotEmpty(t, lost.Loss.ID)
		assert.Equal(t, "inner", lost.Loss.Step)
		tx, err := db.Begin()
		require.NoError(t, err)
		defer tx.Rollback()
		in, err := d.In(ctx, tx)
		require.NoError(t, err)
		losses, err := in.Losses(ctx)
		require.NoError(t, err)
		assert.Len(t, losses, 1)
	})
}

// A transaction that is over is not taken for one of another database, and one
// that the context of Do is not about is looked at.
func TestInRefuses(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		d := openBook(t, db, sqldb.Config{})
		tx, err := db.Begin()
		require.NoError(t, err)
		require.NoError(t, tx.Rollback())
		_, err = d.In(ctx, tx)
		assert.ErrorIs(t, err, sql.ErrTxDone)
		assert.NotErrorIs(t, err, sqldb.ErrOtherDatabase)
		if d.Dialect() == sqldb.SQLite {
			return
		}
		require.NoError(t, d.Do(ctx, func(ctx context.Context, _ *sql.Tx) error {
			another, err := db.Begin()
			require.NoError(t, err)
			defer another.Rollback()
			exec(t, another, "SET LOCAL synchronous_commit = off")
			_, err = d.In(ctx, another)
			assert.ErrorIs(t, err, sqldb.ErrNotDurable)
			return nil
		}))
	})
}

// What is noted has the clock's time and keeps a text of the greatest length.
func TestLossHasItsTime(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		at := time.Date(2017, 5, 12, 9, 30, 0, 0, time.UTC)
		d := openBook(t, db, sqldb.Config{Clock: func() time.Time { return at }})
		work := strings.Repeat("名", 200)
		require.Error(t, d.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			require.NoError(t, tx.Guard(ctx, work))
			return tx.Call(ctx, "", func(_ context.Context, tx *sql.Tx) error { exec(t, tx, "COMMIT"); return nil })
		}))
		losses, err := d.Losses(ctx)
		require.NoError(t, err)
		require.Len(t, losses, 1)
		assert.True(t, losses[0].At.Equal(at), "%v", losses[0].At)
		assert.Equal(t, work, losses[0].Work)
	})
}

// All of what a call does in somebody else's transaction stands, or nothing of
// it, and the transaction goes on.
func TestWhole(t *testing.T) {
	eachHooked(t, func(t *testing.T, db *sql.DB, failAt func(string)) {
		ctx := t.Context()
		d := openBook(t, db, sqldb.Config{})
		tx, err := db.Begin()
		require.NoError(t, err)
		defer tx.Rollback()
		in, err := d.In(ctx, tx)
		require.NoError(t, err)
		put := func(name string, then error) error {
			return in.Whole(ctx, func() error {
				if _, err := in.Exec(ctx, insertCounter, name, 1); err != nil {
					return err
				}
				return then
			})
		}
		boom := errors.New("boom")
		require.NoError(t, put("a", nil))
		require.ErrorIs(t, put("b", boom), boom)
		require.Error(t, put("a", nil), "a statement that fails")
		failAt("SAVEPOINT ")
		called := false
		assert.ErrorIs(t, in.Whole(ctx, func() error { called = true; return nil }), errInjected)
		assert.False(t, called)
		failAt("RELEASE ")
		assert.ErrorIs(t, in.Whole(ctx, func() error { return nil }), errInjected)
		failAt("")
		require.NoError(t, put("c", nil))
		require.NoError(t, tx.Commit())
		var n int
		require.NoError(t, d.QueryRow(ctx, "SELECT count(*) FROM {counter} WHERE name IN ('a', 'c')").Scan(&n))
		assert.Equal(t, 2, n)
		require.NoError(t, d.QueryRow(ctx, "SELECT count(*) FROM {counter}").Scan(&n))
		assert.Equal(t, 2, n)
	})
}
