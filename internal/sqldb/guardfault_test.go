package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errInjected = errors.New("injected")

// eachHooked runs f on a fresh database of both engines whose statements can be
// made to fail by their beginnings.
func eachHooked(t *testing.T, f func(t *testing.T, db *sql.DB, failAt func(beginning string))) {
	run := func(t *testing.T, h *dbtest.Hooked) {
		db := sql.OpenDB(h)
		t.Cleanup(func() { assert.NoError(t, db.Close()) })
		f(t, db, func(beginning string) {
			h.Set(func(s dbtest.Step) error {
				if beginning != "" && !s.After && strings.HasPrefix(s.What, beginning) {
					return errInjected
				}
				return nil
			})
		})
	}
	t.Run("SQLite", func(t *testing.T) { run(t, &dbtest.Hooked{DSN: sqliteDSN(t, 5000)}) })
	t.Run("PostgreSQL", func(t *testing.T) { run(t, &dbtest.Hooked{Engine: stdlib.GetDefaultDriver(), DSN: pg.DSN(t)}) })
}

// A statement of the guard's that fails is an error, no foreign end, and nothing
// is written.
func TestGuardFails(t *testing.T) {
	ctx := t.Context()
	eachHooked(t, func(t *testing.T, db *sql.DB, failAt func(string)) {
		d := openBook(t, db, sqldb.Config{})
		before := []string{"INSERT INTO ", "SAVEPOINT ", "SELECT total_changes()"} // the function
		after := []string{"RELEASE ", "DELETE FROM "}
		if d.Dialect() == sqldb.PostgreSQL {
			before, after = before[:2], []string{"SELECT COALESCE(txid", "DELETE FROM "}
		}
		boom := errors.New("boom")
		for i, statement := range append(before, after...) {
			for _, cause := range []error{nil, boom} {
				called := false
				failAt(statement)
				err := d.Do(ctx, func(context.Context, *sql.Tx) error { called = true; return cause })
				failAt("")
				assert.Equal(t, i >= len(before), called, statement)
				if cause != nil && called {
					assert.ErrorIs(t, err, boom, statement)
				} else {
					assert.ErrorIs(t, err, errInjected, statement)
				}
				_, lost := errors.AsType[*sqldb.LostError](err)
				assert.False(t, lost, statement)
			}
		}
		require.NoError(t, d.Do(ctx, func(_ context.Context, tx *sql.Tx) error { return credit(tx, "good") }))
		assert.Equal(t, []string{"good"}, holders(t, db))
	})
}

// The statement that tells whose an aborted transaction is fails.
func TestAbortedAndUnknown(t *testing.T) {
	eachHooked(t, func(t *testing.T, db *sql.DB, failAt func(string)) {
		d := openBook(t, db, sqldb.Config{})
		if d.Dialect() == sqldb.SQLite {
			t.Skip("no statement aborts a transaction there")
		}
		failAt("ROLLBACK TO SAVEPOINT ")
		err := d.Do(t.Context(), func(_ context.Context, tx *sql.Tx) error {
			_, _ = tx.Exec("INSERT INTO book (holder, points) VALUES ('x', 1000)")
			return nil
		})
		assert.ErrorIs(t, err, errInjected)
		assert.NotErrorIs(t, err, sqldb.ErrEnded)
	})
}

// A lost transaction stays lost: no further function is called in it, and it is
// lost for the caller, too, who passes over the error.
func TestLostAndGoesOn(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		d := openBook(t, db, sqldb.Config{})
		called := false
		err := d.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			first := tx.Call(ctx, "first", func(_ context.Context, tx *sql.Tx) error { exec(t, tx, "COMMIT"); return nil })
			second := tx.Call(ctx, "second", func(context.Context, *sql.Tx) error { called = true; return nil })
			for _, err := range []error{first, second} {
				lost, ok := errors.AsType[*sqldb.LostError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, "first", lost.Loss.Step)
			}
			return nil
		})
		lost, ok := errors.AsType[*sqldb.LostError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, "first", lost.Loss.Step)
		assert.False(t, called)
	})
}

// That the caller gives up in the same moment hides no foreign end.
func TestLostAndCancelled(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		d := openBook(t, db, sqldb.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		err := d.Do(ctx, func(_ context.Context, tx *sql.Tx) error {
			exec(t, tx, "COMMIT")
			cancel()
			return nil
		})
		_, lost := errors.AsType[*sqldb.LostError](err)
		assert.True(t, lost, "%v", err)
		losses, err := d.Losses(t.Context())
		require.NoError(t, err)
		assert.Len(t, losses, 1, "it is written down all the same")
	})
}

// Somebody else's transaction ends with its context, and no function is to blame.
func TestInCancelled(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		d := openBook(t, db, sqldb.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		tx, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		in, err := d.In(ctx, tx)
		require.NoError(t, err)
		err = in.Call(ctx, "", func(_ context.Context, tx *sql.Tx) error {
			cancel()
			_ = tx.Rollback() // which package sql does as soon as it notices
			return nil
		})
		assert.ErrorIs(t, err, context.Canceled)
	})
}

// In somebody else's transaction a failure that was passed over is found out, and
// what was set for it is left alone.
func TestInLeavesSettings(t *testing.T) {
	ctx := t.Context()
	db := open(t, "pgx", pg.DSN(t))
	d := openBook(t, db, sqldb.Config{})
	tx, err := db.Begin()
	require.NoError(t, err)
	defer tx.Rollback()
	in, err := d.In(ctx, tx)
	require.NoError(t, err)
	require.NoError(t, in.Call(ctx, "", func(_ context.Context, tx *sql.Tx) error {
		exec(t, tx, "SET LOCAL synchronous_commit = local")
		return nil
	}))
	var setting string
	require.NoError(t, tx.QueryRow("SHOW synchronous_commit").Scan(&setting))
	assert.Equal(t, "local", setting)
	err = in.Call(ctx, "", func(_ context.Context, tx *sql.Tx) error {
		_, _ = tx.Exec("INSERT INTO book (holder, points) VALUES ('x', 1000)")
		return nil
	})
	assert.ErrorIs(t, err, sqldb.ErrEnded)
	// In our own it is put back.
	require.NoError(t, d.Write(ctx, func(ctx context.Context, t2 *sqldb.Tx) error {
		for _, low := range []string{"local", "off"} {
			require.NoError(t, t2.Call(ctx, "", func(_ context.Context, tx *sql.Tx) error {
				exec(t, tx, "SET LOCAL synchronous_commit = "+low)
				return nil
			}))
			require.NoError(t, t2.SQL().QueryRow("SHOW synchronous_commit").Scan(&setting))
			assert.Equal(t, "on", setting)
		}
		return nil
	}))
}

// A function that takes the mark away keeps the transaction from committing.
func TestMarkTaken(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		d := openBook(t, db, sqldb.Config{})
		err := d.Do(t.Context(), func(_ context.Context, tx *sql.Tx) error {
			exec(t, tx, "DELETE FROM counters_unfinished")
			return credit(tx, "x")
		})
		assert.ErrorIs(t, err, sqldb.ErrEnded)
		assert.Empty(t, holders(t, db))
	})
}

// What somebody else has resolved does not come back.
func TestResolvedElsewhere(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		d := openBook(t, db, sqldb.Config{})
		err := d.Do(ctx, func(_ context.Context, tx *sql.Tx) error { exec(t, tx, "COMMIT"); return nil })
		lost, ok := errors.AsType[*sqldb.LostError](err)
		require.True(t, ok, "%v", err)
		assert.EqualError(t, lost, "a transaction was lost while a function of the program's ran in it; nothing goes on before somebody has looked and resolved it")
		other, err := sqldb.Open(ctx, db, counters, sqldb.Config{Unresolved: true})
		require.NoError(t, err)
		require.NoError(t, other.Resolve(ctx, lost.Loss.ID))
		require.NoError(t, d.Do(ctx, func(context.Context, *sql.Tx) error { return nil }))
	})
}

// If it cannot be found out whether anything was changed since, it may have been.
func TestEndedAndUnknown(t *testing.T) {
	h := &dbtest.Hooked{DSN: sqliteDSN(t, 5000)}
	db := sql.OpenDB(h)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	d := openBook(t, db, sqldb.Config{})
	err := d.Do(t.Context(), func(_ context.Context, tx *sql.Tx) error {
		_, err := tx.Exec("INSERT OR ROLLBACK INTO book (holder, points) VALUES ('x', 1000)")
		require.Error(t, err)
		h.Set(func(s dbtest.Step) error {
			if s.What == "SELECT total_changes()" && !s.After {
				return errInjected
			}
			return nil
		})
		return nil
	})
	_, lost := errors.AsType[*sqldb.LostError](err)
	assert.True(t, lost, "%v", err)
}

// A database that fails while a loss is written down, listed or resolved says so.
func TestLossFails(t *testing.T) {
	ctx := t.Context()
	eachHooked(t, func(t *testing.T, db *sql.DB, failAt func(string)) {
		d := openBook(t, db, sqldb.Config{})
		err := d.Do(ctx, func(_ context.Context, tx *sql.Tx) error {
			exec(t, tx, "COMMIT")
			failAt("SELECT count(*) FROM ")
			return nil
		})
		failAt("")
		lost, ok := errors.AsType[*sqldb.LostError](err)
		require.True(t, ok, "%v", err)
		assert.ErrorIs(t, lost.Unnoted, errInjected)
		var stands *sqldb.UnresolvedError
		require.ErrorAs(t, d.Do(ctx, func(context.Context, *sql.Tx) error { return nil }), &stands)
		failAt("DELETE FROM ")
		assert.ErrorIs(t, d.Resolve(ctx, lost.Loss.ID), errInjected)
		failAt("SELECT id, work")
		_, err = d.Losses(ctx)
		assert.ErrorIs(t, err, errInjected)
		failAt("")
		if d.Dialect() == sqldb.SQLite {
			_, err = db.Exec("UPDATE counters_unfinished SET at = 'never'") // somebody else's writing
			require.NoError(t, err)
			_, err = d.Losses(ctx)
			assert.Error(t, err)
		}
		require.NoError(t, d.Resolve(ctx, lost.Loss.ID))
	})
}

// A server that fails while the tables are looked for says so.
func TestPlaceFails(t *testing.T) {
	eachHooked(t, func(t *testing.T, db *sql.DB, failAt func(string)) {
		d, err := sqldb.Open(t.Context(), db, counters, sqldb.Config{})
		require.NoError(t, err)
		statements := []string{"SELECT current_schema()", "SELECT n.nspname", "row", "SELECT count(*) FROM pg_catalog"}
		if d.Dialect() == sqldb.SQLite {
			statements = []string{"SELECT count(*) FROM sqlite_master"}
		}
		for _, s := range statements {
			failAt(s)
			_, err := sqldb.Open(t.Context(), db, counters, sqldb.Config{Dialect: d.Dialect()})
			assert.ErrorIs(t, err, errInjected, s)
			assert.ErrorIs(t, sqldb.Check(t.Context(), db, counters, sqldb.Config{Dialect: d.Dialect()}), errInjected, s)
			failAt("")
		}
	})
}
