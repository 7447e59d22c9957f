package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	errOwn    = errors.New("counters: no")
	errNoLoss = errors.New("counters: no such loss")
	domain    = sqldb.Domain{Package: "counters", Schema: counters, Own: sqldb.Among(errOwn), NoLoss: errNoLoss}
)

// several is an error of a type that cannot be compared.
type several []error

func (s several) Error() string { return "several" }

// A keeper's calls return its own answers as they are and the database's errors
// with package and act, whether the call has a transaction of its own or not.
func TestKeeper(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		require.NoError(t, domain.Check(ctx, db, sqldb.Config{}))
		k, err := domain.Open(ctx, db, sqldb.Config{RetryFor: 50 * time.Millisecond})
		require.NoError(t, err)
		put := func(k sqldb.Keeper, name string, then error) error {
			return k.Write(ctx, "put", func(ctx context.Context, tx *sqldb.Tx) error {
				if _, err := tx.Exec(ctx, "INSERT INTO {counter} (name, n) VALUES (?, 1)", name); err != nil {
					return err
				}
				return then
			})
		}
		count := func(k sqldb.Keeper) (n int) {
			require.NoError(t, k.Read(ctx, "count", func(ctx context.Context, tx *sqldb.Tx) error {
				return tx.QueryRow(ctx, "SELECT count(*) FROM {counter}").Scan(&n)
			}))
			q, err := k.Queries(ctx)
			require.NoError(t, err)
			var again int
			require.NoError(t, q.QueryRow(ctx, "SELECT count(*) FROM {counter}").Scan(&again))
			require.Equal(t, n, again)
			return n
		}
		told := func(err error) string {
			var e *sqldb.StoreError
			require.ErrorAs(t, err, &e)
			return e.Package + " " + e.Act
		}
		require.NoError(t, put(k, "a", nil))
		assert.Same(t, errOwn, put(k, "b", errOwn))
		assert.Equal(t, "counters put", told(put(k, "a", nil)), "a name that is there")
		assert.Equal(t, "counters put", told(put(k, "b", errors.New("another's"))))
		within := k.Write(ctx, "outer", func(context.Context, *sqldb.Tx) error { return domain.Told("inner", errors.New("another's")) })
		assert.Equal(t, "counters inner", told(within), "told once")
		assert.Equal(t, 1, count(k))

		err = k.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			in := k.In(tx)
			require.NoError(t, put(in, "b", nil))
			assert.Same(t, errOwn, put(in, "c", errOwn))
			assert.Error(t, put(in, "a", nil), "and the transaction goes on")
			assert.Equal(t, 2, count(in))
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, 2, count(k))

		for _, own := range []error{errors.New("the caller's"), errOwn, several{errOwn}} {
			assert.Equal(t, own, k.Do(ctx, func(context.Context, *sql.Tx) error { return own }))
		}
		tx, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		require.NoError(t, tx.Rollback())
		assert.Error(t, put(k.In(tx), "d", nil), "a transaction that is over")
		_, err = k.In(tx).Queries(ctx)
		assert.Error(t, err)

		losses, err := k.Losses(ctx)
		require.NoError(t, err)
		assert.Empty(t, losses)
		assert.Same(t, errNoLoss, k.Resolve(ctx, "none"))
		busy := k.Do(ctx, func(context.Context, *sql.Tx) error { return stateError("40001") })
		assert.ErrorIs(t, busy, sqldb.ErrBusy)
		assert.Equal(t, "counters transaction", told(busy))
	})
}
