package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// What an Apply may do to the transaction that it runs in, and then go on as if
// nothing had happened. Each is given a connection on which writing is possible.
var misdeeds = []struct {
	name, on string
	do       func(t require.TestingT, tx *sql.Tx)
}{
	{"COMMIT", "", func(t require.TestingT, tx *sql.Tx) { mustExec(t, tx, "COMMIT") }},
	{"ROLLBACK", "", func(t require.TestingT, tx *sql.Tx) { mustExec(t, tx, "ROLLBACK") }},
	{"tx.Commit", "", func(t require.TestingT, tx *sql.Tx) { require.NoError(t, tx.Commit()) }},
	{"tx.Rollback", "", func(t require.TestingT, tx *sql.Tx) { require.NoError(t, tx.Rollback()) }},
	{"OR ROLLBACK", "SQLite", func(t require.TestingT, tx *sql.Tx) {
		_, err := tx.Exec("INSERT OR ROLLBACK INTO balance (holder, points) VALUES ('x', NULL)")
		require.Error(t, err)
	}},
	{"RAISE(ROLLBACK)", "SQLite", func(t require.TestingT, tx *sql.Tx) {
		mustExec(t, tx, "CREATE TEMP TRIGGER IF NOT EXISTS no BEFORE INSERT ON balance WHEN NEW.holder = 'x' BEGIN SELECT RAISE(ROLLBACK, 'no'); END")
		_, err := tx.Exec("INSERT INTO balance (holder, points) VALUES ('x', 1)")
		require.Error(t, err)
	}},
	{"a full disk", "SQLite", func(t require.TestingT, tx *sql.Tx) {
		var pages int
		require.NoError(t, tx.QueryRow("PRAGMA max_page_count = 1").Scan(&pages)) // as many as there are
		_, err := tx.Exec("INSERT INTO balance (holder, points) VALUES (zeroblob(1000000), 1)")
		require.ErrorContains(t, err, "full")
		require.NoError(t, tx.QueryRow("PRAGMA max_page_count = 1000000").Scan(&pages))
	}},
	{"an interrupted statement", "SQLite", func(t require.TestingT, tx *sql.Tx) {
		mustExec(t, tx, "INSERT INTO balance (holder, points) VALUES ('x', 1)")
		// Until it was interrupted, and not ended before it had begun: then the
		// row is gone with the transaction.
		for there, wait := 1, 10*time.Millisecond; there > 0; wait *= 2 {
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			_, err := tx.ExecContext(ctx, `INSERT INTO balance (holder, points)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'n' || i, 1 FROM n`)
			cancel()
			require.Error(t, err)
			require.NoError(t, tx.QueryRow("SELECT count(*) FROM balance WHERE holder = 'x'").Scan(&there))
		}
	}},
}

func mustExec(t require.TestingT, tx *sql.Tx, query string) {
	_, err := tx.Exec(query)
	require.NoError(t, err)
}

// However the transaction is lost, the file is not merged a second time by
// itself, and a person finds out what there is to be looked at.
func TestLost(t *testing.T) {
	for _, m := range misdeeds {
		t.Run(m.name, func(t *testing.T) {
			for _, e := range engines {
				for _, all := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, all %v", e.name, all), func(t *testing.T) {
						if m.on != "" && m.on != e.name {
							t.Skip("this is a matter of " + m.on)
						}
						testLost(t, e, all, m.do)
					})
				}
			}
		})
	}
}

func testLost(t *testing.T, e engine, all bool, misdeed func(require.TestingT, *sql.Tx)) {
	dsn := e.dsn(t)
	s := openShop(t, dbtest.Open(t, e.driver, dsn), ledger.Config{})
	rs := records(t, s.profile, 10)
	const at = 4 // the record in whose credit it happens
	misbehave := true
	apply := func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
		if err := credit(ctx, tx, rec); err != nil {
			return err
		}
		if misbehave && rec.Transaction == rs[at].Transaction {
			misdeed(t, tx)
		}
		return nil
	}
	r := s.receiver(t, func(c *ledger.ReceiverConfig) {
		c.Apply = apply
		if all {
			c.Apply, c.ApplyAll = nil, func(ctx context.Context, tx *sql.Tx, recs []mergefile.Record) error {
				for _, rec := range recs {
					_ = apply(ctx, tx, rec) // and whatever comes of it is passed over
				}
				return nil
			}
		}
	})
	rep, err := r.Receive(t.Context(), s.file(t, rs), "monday.bin", nil)
	lost, ok := errors.AsType[*ledger.LostError](err)
	require.True(t, ok, "%v", err)
	require.NoError(t, lost.Unnoted)
	assert.Zero(t, rep)
	assert.Equal(t, "monday.bin", lost.Loss.Work)
	assert.Contains(t, lost.Loss.Step, rs[map[bool]int{false: at, true: 0}[all]].Transaction.String())
	assert.NotContains(t, err.Error(), rs[at].Holder.Reveal())
	assert.False(t, ledger.Refused(err), "the file is not to blame")
	after := s.balances(t)

	// The file again, another file, another scope, a restart: nothing.
	misbehave = false
	restarted := dbtest.Open(t, e.driver, dsn)
	var stands *ledger.UnresolvedError
	_, err = ledger.Open(t.Context(), restarted, ledger.Config{Key: ledgerKey(t, ledgerSecret)})
	require.ErrorAs(t, err, &stands)
	other := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Scope = "mall" })
	for _, try := range []func() error{
		func() error { _, err := r.Receive(t.Context(), s.file(t, rs), "monday.bin", nil); return err },
		func() error {
			_, err := r.Receive(t.Context(), s.file(t, from(t, s.profile, 10, 3)), "tuesday.bin", nil)
			return err
		},
		func() error { _, err := other.Receive(t.Context(), s.file(t, rs), "monday.bin", nil); return err },
		func() error {
			_, err := s.ledger.Import(t.Context(), strings.NewReader(string(export(t, s.ledger))))
			return err
		},
		func() error { return s.ledger.Do(t.Context(), func(context.Context, *sql.Tx) error { return nil }) },
		func() error {
			return inTransaction(t, s, func(tx *ledger.Tx) error {
				_, err := tx.Remember(t.Context(), "", rs)
				return err
			})
		},
	} {
		assert.ErrorAs(t, try(), &stands)
	}
	assert.Equal(t, after, s.balances(t))

	// A person looks. What the numbers tell is what the loss says.
	again, err := ledger.Open(t.Context(), restarted, ledger.Config{Key: ledgerKey(t, ledgerSecret), Unresolved: true})
	require.NoError(t, err)
	losses, err := again.Losses(t.Context())
	require.NoError(t, err)
	require.Len(t, losses, 1)
	assert.Equal(t, lost.Loss.ID, losses[0].ID)
	assert.Equal(t, losses[0].Committed, s.has(t, rs[:1]) == 1, "committed means that the numbers are there")
	assert.ErrorIs(t, again.Resolve(t.Context(), "another"), ledger.ErrNoLoss)

	// What is remembered has been or is put right by hand; the rest is merged.
	require.NoError(t, correct(t, s, rs))
	require.NoError(t, again.Resolve(t.Context(), losses[0].ID))
	rep, err = r.Receive(t.Context(), s.file(t, rs), "monday.bin", nil)
	require.NoError(t, err)
	assert.EqualValues(t, len(rs), rep.Merged+rep.Duplicates)
	assert.Equal(t, sum(rs), s.balances(t))
}

// correct is the person's part: the balances become what the numbers that are
// remembered add up to.
func correct(t *testing.T, s *shop, rs []mergefile.Record) error {
	if _, err := s.db.Exec("DELETE FROM balance"); err != nil {
		return err
	}
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, rec := range rs {
		if there, err := s.inLedger(t, tx, rec); err != nil {
			return err
		} else if !there {
			continue
		}
		if err := credit(t.Context(), tx, rec); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (s *shop) inLedger(t *testing.T, tx *sql.Tx, rec mergefile.Record) (bool, error) {
	return s.ledger.In(tx).Has(t.Context(), "", rec.Transaction)
}

func inTransaction(t *testing.T, s *shop, fn func(*ledger.Tx) error) error {
	tx, err := s.db.Begin()
	require.NoError(t, err)
	defer tx.Rollback()
	if err := fn(s.ledger.In(tx)); err != nil {
		return err
	}
	return tx.Commit()
}

// In a transaction of the program's own the numbers and the points are one.
func TestRemember(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		s.db.SetMaxOpenConns(1) // one is enough
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		rs := records(t, s.profile, 1500)
		merge := func(scope string, rs []mergefile.Record) (fresh []mergefile.Record, err error) {
			err = s.ledger.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
				if fresh, err = s.ledger.In(tx).Remember(ctx, scope, rs); err != nil || len(fresh) == 0 {
					return err
				}
				return creditAll(ctx, tx, fresh)
			})
			return fresh, err
		}
		fresh, err := merge("", rs[:1200])
		require.NoError(t, err)
		assert.Equal(t, rs[:1200], fresh)
		fresh, err = merge("", rs)
		require.NoError(t, err)
		assert.Equal(t, rs[1200:], fresh)
		assert.Equal(t, sum(rs), s.balances(t))
		rep, err := s.receiver(t, nil).Receive(ctx, s.file(t, rs), "", nil)
		require.NoError(t, err)
		assert.EqualValues(t, len(rs), rep.Duplicates, "it is the same ledger")

		changed := rs[7]
		changed.Points++
		_, err = merge("", []mergefile.Record{later(t, rs[0], day), changed})
		var conflict *ledger.ConflictError
		require.ErrorAs(t, err, &conflict)
		assert.Equal(t, []mergefile.Record{changed}, conflict.Records)
		assert.Zero(t, s.has(t, []mergefile.Record{later(t, rs[0], day)}))
		_, err = merge("", []mergefile.Record{rs[0], rs[0]})
		assert.ErrorIs(t, err, ledger.ErrTwice)
		_, err = merge("\x00", rs)
		assert.ErrorIs(t, err, ledger.ErrScope)
		fresh, err = merge("", nil)
		require.NoError(t, err)
		assert.Empty(t, fresh)
		_, err = merge("another", rs[:3])
		require.NoError(t, err)
		_, err = s.db.Exec("UPDATE mergefile_scope SET forgotten = 4000000000000 WHERE name = 'another'")
		require.NoError(t, err)
		_, err = merge("another", rs[:3])
		var old *ledger.TooOldError
		require.ErrorAs(t, err, &old)
		assert.EqualValues(t, 3, old.Records)

		// What fails in somebody's transaction leaves the rest of it.
		tx, err := s.db.Begin()
		require.NoError(t, err)
		defer tx.Rollback()
		_, err = s.ledger.In(tx).Remember(ctx, "", []mergefile.Record{later(t, rs[0], 2*day), changed})
		require.ErrorAs(t, err, &conflict)
		fresh, err = s.ledger.In(tx).Remember(ctx, "", []mergefile.Record{later(t, rs[0], 3*day)})
		require.NoError(t, err)
		assert.Len(t, fresh, 1)
		require.NoError(t, tx.Commit())
		assert.Equal(t, 1, s.has(t, []mergefile.Record{later(t, rs[0], 2*day), later(t, rs[0], 3*day)}))

		boom := errors.New("boom")
		assert.Same(t, boom, s.ledger.Do(ctx, func(context.Context, *sql.Tx) error { return boom }), "as it is")
	})
}

// A transaction that a crash could undo is refused.
func TestInNotDurable(t *testing.T) {
	s := openShop(t, dbtest.Open(t, "pgx", pg.DSN(t)+" synchronous_commit=off"), ledger.Config{})
	tx, err := s.db.Begin()
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = s.ledger.In(tx).Has(t.Context(), "", records(t, s.profile, 1)[0].Transaction)
	assert.ErrorIs(t, err, ledger.ErrNotDurable)
	_, err = s.ledger.In(tx).Remember(t.Context(), "", records(t, s.profile, 1))
	assert.ErrorIs(t, err, ledger.ErrNotDurable)
	// In our own it is raised.
	r := s.receiver(t, func(c *ledger.ReceiverConfig) {
		c.Apply = func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
			var setting string
			require.NoError(t, tx.QueryRow("SHOW synchronous_commit").Scan(&setting))
			assert.Equal(t, "on", setting)
			return credit(ctx, tx, rec)
		}
	})
	_, err = r.Receive(t.Context(), s.file(t, records(t, s.profile, 2)), "", nil)
	require.NoError(t, err)
}
