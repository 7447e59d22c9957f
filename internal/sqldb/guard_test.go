package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// book is the integrator's own table.
const createBook = "CREATE TABLE book (holder VARCHAR(20) PRIMARY KEY, points BIGINT NOT NULL CHECK (points < 1000))"

// openBook opens counters beside a table of the integrator's.
func openBook(t *testing.T, db *sql.DB, cfg sqldb.Config) *sqldb.DB {
	d, err := sqldb.Open(t.Context(), db, counters, cfg)
	require.NoError(t, err)
	_, err = db.Exec(createBook)
	require.NoError(t, err)
	return d
}

func credit(tx *sql.Tx, holder string) error {
	_, err := tx.Exec("INSERT INTO book (holder, points) VALUES ('" + holder + "', 1)")
	return err
}

func holders(t *testing.T, db *sql.DB) (out []string) {
	rows, err := db.Query("SELECT holder FROM book ORDER BY holder")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var h string
		require.NoError(t, rows.Scan(&h))
		out = append(out, h)
	}
	require.NoError(t, rows.Err())
	return out
}

// misdeed is what a function does to the transaction that it runs in.
type misdeed struct {
	name      string
	on        string // one engine alone
	do        func(t *testing.T, tx *sql.Tx)
	committed bool     // what was done before it was committed
	left      []string // the holders in the integrator's table afterwards
}

// Each of them credits "before" first and "after" last, and tells nobody.
var misdeeds = []misdeed{
	{name: "COMMIT", committed: true, left: []string{"after", "before"}, do: func(t *testing.T, tx *sql.Tx) { exec(t, tx, "COMMIT") }},
	{name: "ROLLBACK", left: []string{"after"}, do: func(t *testing.T, tx *sql.Tx) { exec(t, tx, "ROLLBACK") }},
	{name: "ROLLBACK and BEGIN", do: func(t *testing.T, tx *sql.Tx) { exec(t, tx, "ROLLBACK"); exec(t, tx, "BEGIN") }},
	{name: "COMMIT and BEGIN", committed: true, left: []string{"before"}, do: func(t *testing.T, tx *sql.Tx) { exec(t, tx, "COMMIT"); exec(t, tx, "BEGIN") }},
	{name: "tx.Commit", committed: true, left: []string{"before"}, do: func(t *testing.T, tx *sql.Tx) { require.NoError(t, tx.Commit()) }},
	{name: "tx.Rollback", do: func(t *testing.T, tx *sql.Tx) { require.NoError(t, tx.Rollback()) }},
	{name: "a failure in another transaction", on: "PostgreSQL", do: func(t *testing.T, tx *sql.Tx) {
		exec(t, tx, "ROLLBACK")
		exec(t, tx, "BEGIN")
		_, err := tx.Exec("INSERT INTO book (holder, points) VALUES ('x', 1000)")
		require.Error(t, err)
	}},
	{name: "OR ROLLBACK", on: "SQLite", left: []string{"after"}, do: func(t *testing.T, tx *sql.Tx) {
		_, err := tx.Exec("INSERT OR ROLLBACK INTO book (holder, points) VALUES ('x', 1000)")
		require.Error(t, err)
	}},
	{name: "RAISE(ROLLBACK)", on: "SQLite", left: []string{"after"}, do: func(t *testing.T, tx *sql.Tx) {
		exec(t, tx, "CREATE TEMP TRIGGER no BEFORE INSERT ON book WHEN NEW.holder = 'x' BEGIN SELECT RAISE(ROLLBACK, 'no'); END")
		require.Error(t, credit(tx, "x"))
	}},
	{name: "full", on: "SQLite", left: []string{"after"}, do: func(t *testing.T, tx *sql.Tx) {
		exec(t, tx, "CREATE TABLE ballast (b BLOB)")
		var pages int
		require.NoError(t, tx.QueryRow("PRAGMA max_page_count = 1").Scan(&pages)) // as many as there are
		_, err := tx.Exec("INSERT INTO ballast VALUES (zeroblob(1000000))")
		require.ErrorContains(t, err, "full")
	}},
	{name: "interrupted", on: "SQLite", left: []string{"after"}, do: func(t *testing.T, tx *sql.Tx) {
		exec(t, tx, "INSERT INTO book (holder, points) VALUES ('x', 1)")
		// Until it was interrupted, and not ended before it had begun: then the
		// row is gone with the transaction.
		for there, wait := 1, 10*time.Millisecond; there > 0; wait *= 2 {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			_, err := tx.ExecContext(ctx, `INSERT INTO book (holder, points)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'n' || i, 1 FROM n`)
			cancel()
			require.Error(t, err)
			require.NoError(t, tx.QueryRow("SELECT count(*) FROM book WHERE holder = 'x'").Scan(&there))
		}
	}},
}

func exec(t *testing.T, tx *sql.Tx, query string) {
	_, err := tx.Exec(query)
	require.NoError(t, err)
}

// However a function ends the transaction that it runs in, it is found out, and
// nothing goes on until somebody has resolved it.
func TestLost(t *testing.T) {
	for _, m := range misdeeds {
		t.Run(m.name, func(t *testing.T) {
			each(t, func(t *testing.T, db *sql.DB) {
				if m.on != "" && !strings.HasSuffix(t.Name(), m.on) {
					t.Skip("this is a matter of " + m.on)
				}
				ctx := t.Context()
				d := openBook(t, db, sqldb.Config{})
				misbehave := func(_ context.Context, tx *sql.Tx) error {
					if err := credit(tx, "before"); err != nil {
						return err
					}
					m.do(t, tx)
					_ = credit(tx, "after") // which fails where the transaction has no end
					return nil
				}
				work := func(fn func(context.Context, *sql.Tx) error) error {
					return d.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
						if err := tx.Guard(ctx, "monday.bin"); err != nil {
							return err
						}
						if _, err := tx.Exec(ctx, "INSERT INTO {counter} (name, n) VALUES ('ours', 1)"); err != nil {
							return err
						}
						return tx.Call(ctx, "number 7", fn)
					})
				}
				err := work(misbehave)
				lost, ok := errors.AsType[*sqldb.LostError](err)
				require.True(t, ok, "%v", err)
				assert.NoError(t, lost.Unnoted)
				assert.Equal(t, "monday.bin", lost.Loss.Work)
				assert.Equal(t, "number 7", lost.Loss.Step)
				assert.Equal(t, m.committed, lost.Loss.Committed)
				assert.Equal(t, m.left, holders(t, db), "what the function did is as it did it")
				var ours int
				require.NoError(t, d.QueryRow(ctx, "SELECT count(*) FROM {counter}").Scan(&ours))
				assert.Equal(t, m.committed, ours == 1)
				assert.Zero(t, db.Stats().InUse)

				// Whoever comes next is refused, here and after a restart.
				var stands *sqldb.UnresolvedError
				called := false
				assert.ErrorAs(t, work(func(context.Context, *sql.Tx) error { called = true; return nil }), &stands)
				assert.ErrorAs(t, d.Do(ctx, func(context.Context, *sql.Tx) error { called = true; return nil }), &stands)
				assert.False(t, called)
				_, err = sqldb.Open(ctx, db, counters, sqldb.Config{})
				require.ErrorAs(t, err, &stands)
				require.Len(t, stands.Losses, 1)
				assert.Equal(t, lost.Loss.ID, stands.Losses[0].ID)
				assert.Equal(t, m.committed, stands.Losses[0].Committed)

				// A person looks.
				again, err := sqldb.Open(ctx, db, counters, sqldb.Config{Unresolved: true})
				require.NoError(t, err)
				losses, err := again.Losses(ctx)
				require.NoError(t, err)
				require.Len(t, losses, 1)
				assert.Equal(t, "number 7", losses[0].Step)
				assert.ErrorIs(t, again.Resolve(ctx, "another"), sql.ErrNoRows)
				require.NoError(t, again.Resolve(ctx, losses[0].ID))
				require.NoError(t, d.Do(ctx, func(context.Context, *sql.Tx) error { called = true; return nil }))
				assert.True(t, called)
			})
		})
	}
}

// Of a transaction that SQLite has rolled back, and in which the function wrote
// nothing afterwards, nothing is left to be looked into.
func TestEndedAndNothingWritten(t *testing.T) {
	db := open(t, "sqlite", sqliteDSN(t, 5000))
	d := openBook(t, db, sqldb.Config{})
	end := func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT OR ROLLBACK INTO book (holder, points) VALUES ('x', 1000)")
		return err
	}
	err := d.Do(t.Context(), func(_ context.Context, tx *sql.Tx) error { return end(tx) })
	assert.ErrorContains(t, err, "constraint", "the function's own error")
	assert.ErrorIs(t, d.Do(t.Context(), func(_ context.Context, tx *sql.Tx) error { _ = end(tx); return nil }), sqldb.ErrEnded)
	require.NoError(t, d.Do(t.Context(), func(_ context.Context, tx *sql.Tx) error { return credit(tx, "good") }))
	assert.Equal(t, []string{"good"}, holders(t, db))
}

// A statement that failed and was passed over must not look like a commit.
func TestCallPassesOverFailure(t *testing.T) {
	db := open(t, "pgx", pg.DSN(t))
	d := openBook(t, db, sqldb.Config{})
	pass := func(_ context.Context, tx *sql.Tx) error {
		_, _ = tx.Exec("INSERT INTO book (holder, points) VALUES ('x', 1000)")
		return nil
	}
	assert.ErrorIs(t, d.Do(t.Context(), pass), sqldb.ErrEnded)
	require.NoError(t, d.Do(t.Context(), func(_ context.Context, tx *sql.Tx) error { return credit(tx, "good") }))
	boom := errors.New("boom")
	assert.ErrorIs(t, d.Do(t.Context(), func(ctx context.Context, tx *sql.Tx) error { _ = pass(ctx, tx); return boom }), boom)
}

// Also a function that panics, or ends its goroutine, is looked after.
func TestLostAndPanicked(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		d := openBook(t, db, sqldb.Config{})
		assert.PanicsWithValue(t, "boom", func() {
			_ = d.Do(t.Context(), func(_ context.Context, tx *sql.Tx) error {
				exec(t, tx, "ROLLBACK")
				require.NoError(t, credit(tx, "after"))
				panic("boom")
			})
		})
		losses, err := d.Losses(t.Context())
		require.NoError(t, err)
		require.Len(t, losses, 1)
		require.NoError(t, d.Resolve(t.Context(), losses[0].ID))

		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = d.Do(context.Background(), func(_ context.Context, tx *sql.Tx) error {
				_, _ = tx.Exec("COMMIT")
				runtime.Goexit()
				return nil
			})
		}()
		<-ended
		losses, err = d.Losses(t.Context())
		require.NoError(t, err)
		assert.Len(t, losses, 1)

		assert.Panics(t, func() { // and one that does not misbehave leaves nothing
			_ = d.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error { panic("boom") })
		})
		assert.Zero(t, db.Stats().InUse)
	})
}

// A program that dies after a foreign COMMIT leaves the mark, which tells.
func TestMarkStands(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		d := openBook(t, db, sqldb.Config{})
		seen := d.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			require.NoError(t, tx.Guard(ctx, "died.bin"))
			exec(t, tx.SQL(), "COMMIT") // and nobody comes back to see it
			return errors.New("power")
		})
		require.ErrorContains(t, seen, "power")
		_, err := sqldb.Open(ctx, db, counters, sqldb.Config{})
		var stands *sqldb.UnresolvedError
		require.ErrorAs(t, err, &stands)
		assert.Equal(t, "died.bin", stands.Losses[0].Work)
		assert.Empty(t, stands.Losses[0].Step)
		assert.True(t, stands.Losses[0].Committed)
	})
}

// A loss that cannot be written down is not forgotten while the program runs.
func TestUnnoted(t *testing.T) {
	ctx := t.Context()
	db := open(t, "sqlite", sqliteDSN(t, 1))
	d := openBook(t, db, sqldb.Config{RetryFor: -1})
	other, err := open(t, "sqlite", dsnOf(t, db)).Conn(ctx)
	require.NoError(t, err)
	defer other.Close()
	err = d.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		exec(t, tx, "ROLLBACK")
		require.NoError(t, credit(tx, "after"))
		_, err := other.ExecContext(ctx, "BEGIN IMMEDIATE") // now nobody else writes
		require.NoError(t, err)
		return nil
	})
	lost, ok := errors.AsType[*sqldb.LostError](err)
	require.True(t, ok, "%v", err)
	assert.True(t, sqldb.IsBusy(lost.Unnoted), "%v", lost.Unnoted)
	_, err = other.ExecContext(ctx, "ROLLBACK")
	require.NoError(t, err)
	var stands *sqldb.UnresolvedError
	assert.ErrorAs(t, d.Do(ctx, func(context.Context, *sql.Tx) error { return nil }), &stands)
	losses, err := d.Losses(ctx)
	require.NoError(t, err)
	assert.Len(t, losses, 1, "it was written down as soon as that was possible")
}

func dsnOf(t *testing.T, db *sql.DB) string {
	var n int
	var name, file string
	require.NoError(t, db.QueryRow("PRAGMA database_list").Scan(&n, &name, &file))
	return "file:" + file
}

// What a function says to somebody is kept short and clean.
func TestGuardClips(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		d := openBook(t, db, sqldb.Config{})
		err := d.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			require.NoError(t, tx.Guard(ctx, "a\x00b\xff\n"+strings.Repeat("名", 500)))
			return tx.Call(ctx, "", func(_ context.Context, tx *sql.Tx) error { exec(t, tx, "COMMIT"); return nil })
		})
		lost, ok := errors.AsType[*sqldb.LostError](err)
		require.True(t, ok, "%v", err)
		require.NoError(t, lost.Unnoted)
		assert.Equal(t, "a?b??"+strings.Repeat("名", 194)+"…", lost.Loss.Work)
	})
}

// In somebody else's transaction our queries are part of it, and a function
// that ends it is found out as well.
func TestIn(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		d := openBook(t, db, sqldb.Config{Prepare: []string{insertCounter}})
		put := func(ctx context.Context, tx *sql.Tx, name string) error {
			in, err := d.In(ctx, tx)
			if err != nil {
				return err
			}
			_, err = in.Exec(ctx, insertCounter, name, 1)
			return err
		}
		tx, err := db.Begin()
		require.NoError(t, err)
		require.NoError(t, put(ctx, tx, "gone"))
		require.NoError(t, tx.Rollback())
		assert.Error(t, put(ctx, tx, "late"))

		tx, err = db.Begin()
		require.NoError(t, err)
		require.NoError(t, credit(tx, "mine"))
		require.NoError(t, put(ctx, tx, "kept"))
		in, err := d.In(ctx, tx)
		require.NoError(t, err)
		require.NoError(t, in.Call(ctx, "", func(_ context.Context, tx *sql.Tx) error { return credit(tx, "theirs") }))
		require.NoError(t, tx.Commit())
		assert.Equal(t, []string{"mine", "theirs"}, holders(t, db))

		require.NoError(t, d.Do(ctx, func(ctx context.Context, tx *sql.Tx) error { return put(ctx, tx, "joined") }))
		var n int
		require.NoError(t, d.QueryRow(ctx, "SELECT count(*) FROM {counter}").Scan(&n))
		assert.Equal(t, 2, n)

		tx, err = db.Begin()
		require.NoError(t, err)
		in, err = d.In(ctx, tx)
		require.NoError(t, err)
		err = in.Call(ctx, "step", func(_ context.Context, tx *sql.Tx) error {
			if err := credit(tx, "x"); err != nil {
				return err
			}
			exec(t, tx, "ROLLBACK")
			return nil
		})
		lost, ok := errors.AsType[*sqldb.LostError](err)
		require.True(t, ok, "%v", err)
		assert.Empty(t, lost.Loss.ID)
		_ = tx.Rollback()
		_, err = sqldb.Open(ctx, db, counters, sqldb.Config{})
		assert.NoError(t, err, "of somebody else's transaction nothing is written down")
	})
}

const insertCounter = "INSERT INTO {counter} (name, n) VALUES (?, ?)"

func TestInOtherDatabase(t *testing.T) {
	d := openBook(t, open(t, "sqlite", sqliteDSN(t, 5000)), sqldb.Config{})
	tx, err := open(t, "sqlite", sqliteDSN(t, 5000)).Begin()
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = d.In(t.Context(), tx)
	assert.ErrorIs(t, err, sqldb.ErrOtherDatabase)
}

// SQLite has one writer, which would wait for itself.
func TestNested(t *testing.T) {
	ctx := t.Context()
	db := open(t, "sqlite", sqliteDSN(t, 5000))
	d := openBook(t, db, sqldb.Config{})
	other, err := sqldb.Open(ctx, db, counters, sqldb.Config{Prefix: "other_"})
	require.NoError(t, err)
	nothing := func(context.Context, *sql.Tx) error { return nil }
	require.NoError(t, d.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		assert.ErrorIs(t, d.Do(ctx, nothing), sqldb.ErrNested)
		assert.ErrorIs(t, other.Do(ctx, nothing), sqldb.ErrNested)
		_, err := other.In(ctx, tx)
		return err
	}))
}

// Cancelling takes a transaction back, and is not taken for a foreign end.
func TestCancelledInCall(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		d := openBook(t, db, sqldb.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		err := d.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			if err := credit(tx, "x"); err != nil {
				return err
			}
			cancel()
			_, err := tx.ExecContext(ctx, "SELECT 1")
			return err
		})
		assert.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, holders(t, db))
		_, err = sqldb.Open(t.Context(), db, counters, sqldb.Config{})
		assert.NoError(t, err)
	})
}

// A loss that could not be written down, for whatever reason, stands in the way
// of this program all the same.
func TestUnnotedStands(t *testing.T) {
	ctx := t.Context()
	h := &dbtest.Hooked{DSN: sqliteDSN(t, 5000)}
	db := sql.OpenDB(h)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	d := openBook(t, db, sqldb.Config{})
	full := errors.New("the disk is full")
	h.Set(func(s dbtest.Step) error {
		if strings.Contains(s.What, "DO UPDATE SET step") {
			return full
		}
		return nil
	})
	err := d.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		require.NoError(t, tx.Guard(ctx, "monday.bin"))
		return tx.Call(ctx, "number 7", func(_ context.Context, tx *sql.Tx) error {
			exec(t, tx, "ROLLBACK")
			require.NoError(t, credit(tx, "after"))
			return errors.New("no such customer")
		})
	})
	lost, ok := errors.AsType[*sqldb.LostError](err)
	require.True(t, ok, "%v", err)
	assert.ErrorIs(t, lost.Unnoted, full)
	assert.EqualError(t, err, `a transaction was lost while a function of the program's ran in it, "monday.bin", "number 7"; nothing goes on before somebody has looked and resolved it; it could not be written down: the disk is full; the function's error: no such customer`)
	called := false
	err = d.Do(ctx, func(context.Context, *sql.Tx) error { called = true; return nil })
	stands, ok := errors.AsType[*sqldb.UnresolvedError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, "number 7", stands.Losses[0].Step)
	assert.EqualError(t, err, `1 lost transactions are unresolved, the first, "monday.bin", "number 7"; nothing goes on before somebody has looked`)
	assert.False(t, called)
	require.NoError(t, d.Write(ctx, func(context.Context, *sqldb.Tx) error { return nil }), "what runs no function goes on")
	h.Set(nil)
	require.ErrorAs(t, d.Do(ctx, func(context.Context, *sql.Tx) error { return nil }), &stands)
	losses, err := d.Losses(ctx)
	require.NoError(t, err)
	require.Len(t, losses, 1)
	assert.Equal(t, "number 7", losses[0].Step)
	require.NoError(t, d.Resolve(ctx, losses[0].ID))
	require.NoError(t, d.Do(ctx, func(context.Context, *sql.Tx) error { return nil }))
}

// A person resolves a loss in the very moment in which it stands in the way; and
// a database that fails in that moment says so.
func TestResolvedMeanwhile(t *testing.T) {
	ctx := t.Context()
	dsn := pg.DSN(t)
	h := &dbtest.Hooked{Engine: stdlib.GetDefaultDriver(), DSN: dsn}
	db := sql.OpenDB(h)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	d := openBook(t, db, sqldb.Config{})
	nothing := func(context.Context, *sql.Tx) error { return nil }
	end := func(_ context.Context, tx *sql.Tx) error { exec(t, tx, "COMMIT"); return nil }
	_, lost := errors.AsType[*sqldb.LostError](d.Do(ctx, end))
	require.True(t, lost)
	other := open(t, "pgx", dsn)
	failed := errors.New("no answer")
	answer := failed
	h.Set(func(s dbtest.Step) error {
		if s.After || !strings.HasPrefix(s.What, "SELECT id, work") {
			return nil
		}
		if answer == nil {
			_, err := other.Exec("DELETE FROM counters_unfinished")
			require.NoError(t, err)
		}
		return answer
	})
	assert.ErrorIs(t, d.Do(ctx, nothing), failed)
	answer = nil
	assert.NoError(t, d.Do(ctx, nothing))
}
