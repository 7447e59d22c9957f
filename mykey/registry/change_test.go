package registry_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// change gives the n-th person another ID.
func (w *world) change(n int, to string) {
	w.Helper()
	e, err := w.begin(tap(n)).ChangeID(w.Context())
	require.NoError(w, err)
	_, err = e.Check(w.Context(), tap(n), id(w, to))
	require.NoError(w, err)
	_, err = e.Accept(w.Context(), tap(n))
	require.NoError(w, err)
}

// Whatever changes an ID says so in its own transaction, and the line from an
// old ID to the present one has no end.
func TestChanged(t *testing.T) {
	var w0 *world
	fail := errors.New("the account could not be moved")
	var failing bool
	conform(t, func(w *world) {
		ctx := w.Context()
		w0, failing = w, false
		_, err := w.eng.db.Exec("CREATE TABLE account (id TEXT NOT NULL PRIMARY KEY, points BIGINT NOT NULL)")
		require.NoError(w, err)
		_, err = w.eng.db.Exec("INSERT INTO account VALUES ('MY123456', 1500)")
		require.NoError(w, err)
		points := func(of string) (n int) {
			err := w.eng.db.QueryRow("SELECT points FROM account WHERE id = $1", of).Scan(&n)
			if !errors.Is(err, sql.ErrNoRows) {
				require.NoError(w, err)
			}
			return n
		}
		w.enrolled(1, "MY123456")
		w.change(1, "NEW22222")
		assert.Equal(w, 1500, points("NEW22222"))
		w.change(1, "NEW33333")
		assert.Equal(w, 1500, points("NEW33333"))
		assert.Zero(w, points("MY123456"))
		for _, old := range []string{"MY123456", "NEW22222", "NEW33333"} {
			now, err := w.reg.Successor(ctx, id(w, old))
			require.NoError(w, err)
			assert.Equal(w, "NEW33333", now.String())
		}
		_, err = w.reg.Find(ctx, id(w, "MY123456"))
		assert.ErrorIs(w, err, registry.ErrRetired)
		_, err = w.reg.Successor(ctx, id(w, "NEVER222"))
		assert.ErrorIs(w, err, registry.ErrNotFound)

		// An account that cannot be moved keeps the ID where it is.
		failing = true
		e, err := w.begin(tap(1)).ChangeID(ctx)
		require.NoError(w, err)
		_, err = e.Check(ctx, tap(1), id(w, "NEW44444"))
		require.NoError(w, err)
		_, err = e.Accept(ctx, tap(1))
		assert.ErrorIs(w, err, fail)
		assert.ErrorIs(w, w.reg.Revoke(ctx, id(w, "NEW33333")), fail)
		assert.ErrorIs(w, w.begin(tap(1)).Revoke(ctx, tap(1)), fail)
		assert.Equal(w, "NEW33333", w.lookup(1))
		assert.Equal(w, 1500, points("NEW33333"))
		failing = false
		_, err = e.Accept(ctx, tap(1))
		require.NoError(w, err)
		assert.Equal(w, 1500, points("NEW44444"))

		require.NoError(w, w.reg.Revoke(ctx, id(w, "NEW44444")))
		assert.Zero(w, points("NEW44444"))
		_, err = w.reg.Successor(ctx, id(w, "MY123456"))
		assert.ErrorIs(w, err, registry.ErrRetired)
	}, func(c *registry.Config) {
		c.Changed = func(ctx context.Context, tx *sql.Tx, c mykey.Change) error {
			if failing {
				return fail
			}
			assert.True(w0, c.At.Equal(epoch))
			if c.Kind == mykey.ChangeRevoked {
				assert.True(w0, c.New.IsZero())
				_, err := tx.ExecContext(ctx, "DELETE FROM account WHERE id = $1", c.Old)
				return err
			}
			assert.Equal(w0, mykey.ChangeReplaced, c.Kind)
			_, err := tx.ExecContext(ctx, "UPDATE account SET id = $1 WHERE id = $2", c.New, c.Old)
			return err
		}
	})
}

// The last change of each card from before successors were kept is found.
func TestSuccessorsOfOldDatabases(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			ctx, db := t.Context(), e.make(t).db
			require.NoError(t, registry.OpenVersion(ctx, db, "old_", 2))
			for _, q := range []string{
				"INSERT INTO old_mykey_id (id, state, at) VALUES ('OLD22222', 3, 0), ('NEW22222', 2, 0), ('LOST2222', 3, 0), ('GONE2222', 4, 0)",
				"INSERT INTO old_person (person, mykey_id, created) VALUES (7, 'NEW22222', 0)",
				`INSERT INTO old_card (holder, offers, duplicates, duplicate_at, candidate, finished, replaces) VALUES
					('a', 1, 0, 0, 'NEW22222', 1, 'OLD22222'), ('b', 1, 0, 0, 'NEW22222', 0, 'LOST2222'), ('c', 0, 0, 0, NULL, 1, NULL)`,
			} {
				_, err := db.Exec(q)
				require.NoError(t, err, q)
			}
			reg, err := registry.Open(ctx, db, registry.Config{Prefix: "old_", Serials: registry.PlainSerials()})
			require.NoError(t, err)
			now, err := reg.Successor(ctx, id(t, "OLD22222"))
			require.NoError(t, err)
			assert.Equal(t, "NEW22222", now.String())
			for _, gone := range []string{"LOST2222", "GONE2222"} {
				_, err = reg.Successor(ctx, id(t, gone))
				assert.ErrorIs(t, err, registry.ErrRetired, gone)
			}
		})
	}
}

// In somebody else's transaction the holder is confirmed and locked, and what
// was done goes with it.
func TestInATransaction(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		s := w.enrolled(1, "MY123456")
		undo := errors.New("the till changed its mind")
		for _, end := range []error{undo, nil} {
			err := w.reg.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
				if _, err := s.In(tx).Confirm(ctx, withoutPIN(tap(1))); !errors.Is(err, registry.ErrPINRequired) {
					return errors.New("a copy was confirmed")
				}
				p, err := s.In(tx).Confirm(ctx, tap(1))
				if err != nil {
					return err
				}
				assert.Equal(w, "MY123456", p.ID.String())
				if _, err := s.In(tx).RegisterService(ctx, tap(1), service(w, "000001:1")); err != nil {
					return err
				}
				found, err := w.reg.In(tx).Find(ctx, service(w, "000001:1"))
				if err != nil {
					return err
				}
				assert.Equal(w, p.ID, found.ID)
				got, err := w.reg.In(tx).LookupService(ctx, serial(1), service(w, "000001:1").Operator)
				if err != nil {
					return err
				}
				assert.Equal(w, "000001:1", got.String())
				return end
			})
			require.ErrorIs(w, err, end)
			_, err = w.reg.Find(ctx, service(w, "000001:1"))
			if end != nil {
				assert.ErrorIs(w, err, registry.ErrNotFound)
			} else {
				assert.NoError(w, err)
			}
		}
		// The confirmed holder's ID stays what it is until the transaction ends.
		if w.eng.name == "SQLite" {
			return // one writer at a time
		}
		other := w.begin(tap(1))
		e, err := other.ChangeID(ctx)
		require.NoError(w, err)
		_, err = e.Check(ctx, tap(1), id(w, "NEW22222"))
		require.NoError(w, err)
		changed := make(chan error, 1)
		err = w.reg.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := s.In(tx).Confirm(ctx, tap(1)); err != nil {
				return err
			}
			go func() { _, err := e.Accept(ctx, tap(1)); changed <- err }()
			for waits := 0; waits == 0; { // on another connection
				select {
				case err := <-changed:
					return errors.Join(errors.New("changed under the till's hands"), err)
				default:
				}
				if err := w.eng.db.QueryRowContext(ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waits); err != nil {
					return err
				}
			}
			p, err := w.reg.In(tx).Find(ctx, id(w, "MY123456"))
			assert.Equal(w, "MY123456", p.ID.String())
			return err
		})
		require.NoError(w, err)
		require.NoError(w, <-changed)
		assert.Equal(w, "NEW22222", w.lookup(1))
		_, err = s.Confirm(ctx, tap(1))
		assert.ErrorIs(w, err, registry.ErrIDReplaced)
	})
}
