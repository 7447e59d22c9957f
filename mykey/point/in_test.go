package point_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Calls within somebody else's transaction stand or fall with it, and one that
// fails leaves nothing in it.
func TestIn(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.grant(t, "aoba", 100)
		_, err := db.ExecContext(ctx, "CREATE TABLE sold (what VARCHAR(20) NOT NULL)")
		require.NoError(t, err)
		sell := func(u point.Use, what string, end error) error {
			return b.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
				if _, err := b.In(tx).Use(ctx, u); err != nil && what != "although" {
					return err
				}
				if _, err := tx.ExecContext(ctx, "INSERT INTO sold (what) VALUES ('"+what+"')"); err != nil {
					return err
				}
				return end
			})
		}
		sold := func() (n int) {
			require.NoError(t, db.QueryRowContext(ctx, "SELECT count(*) FROM sold").Scan(&n))
			return n
		}
		u := b.use(t, 60)
		require.NoError(t, sell(u, "tea", nil))
		assert.Equal(t, 1, sold())
		assert.EqualValues(t, 40, b.balance(t, "aoba"))

		outOfTea := errors.New("out of tea")
		u = b.use(t, 40)
		assert.ErrorIs(t, sell(u, "tea", outOfTea), outOfTea)
		assert.EqualValues(t, 40, b.balance(t, "aoba"))
		_, err = b.Status(ctx, u.Request)
		assert.ErrorIs(t, err, point.ErrNoRequest)

		u = b.use(t, 41)
		assert.ErrorIs(t, sell(u, "tea", nil), point.ErrShort)
		assert.Equal(t, 1, sold())
		require.NoError(t, sell(u, "although", nil))
		assert.Equal(t, 2, sold())
		_, err = b.Status(ctx, u.Request)
		assert.ErrorIs(t, err, point.ErrNoRequest, "nothing of the call that failed stands")
		b.whole(t)

		tx, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = b.In(tx).Use(ctx, b.use(t, 40))
		require.NoError(t, err)
		require.NoError(t, tx.Rollback())
		assert.EqualValues(t, 40, b.balance(t, "aoba"))
	})
}

func TestNotDurable(t *testing.T) {
	db := dbtest.Open(t, "pgx", pg.DSN(t))
	b, ctx := open(t, db, point.Config{}), t.Context()
	b.grant(t, "aoba", 100)
	tx, err := db.BeginTx(ctx, nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(ctx, "SET LOCAL synchronous_commit = off")
	require.NoError(t, err)
	_, err = b.In(tx).Use(ctx, b.use(t, 1))
	assert.ErrorIs(t, err, point.ErrNotDurable)
}
