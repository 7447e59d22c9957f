package point_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey/point"
)

// A database that is busy, full or gone is told as that, and never as too few
// points or an unknown holder. Nothing is half done, and the same request is
// carried out once the database works again.
func TestDatabaseInTheWay(t *testing.T) {
	impatient := kind{"SQLite", "sqlite", func(t testing.TB) string { return dbtest.ImpatientSQLite(t.TempDir()) }}
	for _, k := range []kind{impatient, onPostgreSQL, inPartitions} {
		t.Run(k.name, func(t *testing.T) {
			engine, dsn := k.driver, k.dsn(t)
			db := dbtest.Open(t, engine, dsn)
			b, ctx := open(t, db, point.Config{RetryFor: 50 * time.Millisecond, Unproved: 50}), t.Context()
			b.grant(t, "aoba", 1_000_000)
			refused := func(err error, busy bool) {
				t.Helper()
				require.Error(t, err)
				assert.Equal(t, busy, errors.Is(err, point.ErrBusy), "%v", err)
				for _, answer := range []error{point.ErrShort, point.ErrNoHolder, point.ErrStopped, point.ErrProof, point.ErrClosed} {
					assert.NotErrorIs(t, err, answer)
				}
			}
			// again makes the request that was refused once more.
			again := func(u point.Use) {
				t.Helper()
				_, err := b.Status(ctx, u.Request)
				require.ErrorIs(t, err, point.ErrNoRequest)
				before := b.balance(t, "aoba")
				b.whole(t)
				r, err := b.Use(ctx, u)
				require.NoError(t, err)
				assert.False(t, r.Repeated)
				assert.Equal(t, before-r.Points, b.balance(t, "aoba"))
			}

			other, err := dbtest.Open(t, engine, dsn).BeginTx(ctx, nil)
			require.NoError(t, err)
			_, err = other.Exec("UPDATE point_holder SET state = state")
			require.NoError(t, err)
			most, unproved := b.use(t, 2_000_000), b.use(t, 40)
			most.AtMost, unproved.Proved = true, false
			busy := []point.Use{b.use(t, 60), unproved, most}
			for _, u := range busy {
				_, err = b.Use(ctx, u)
				refused(err, true)
			}
			require.NoError(t, other.Rollback())
			for _, u := range busy[:2] {
				again(u)
			}

			if engine == "sqlite" {
				db.SetMaxOpenConns(1)                         // the limit is a connection's
				_, err = db.Exec("PRAGMA max_page_count = 1") // which is taken for as many as there are
				require.NoError(t, err)
				var u point.Use
				for range 10_000 { // until the pages are full
					u = b.use(t, 1)
					if _, err = b.Use(ctx, u); err != nil {
						break
					}
				}
				refused(err, false)
				_, err = db.Exec("PRAGMA max_page_count = 1000000")
				require.NoError(t, err)
				again(u)
			}

			gone, err := sql.Open(engine, dsn)
			require.NoError(t, err)
			l, err := point.Open(ctx, gone, point.Config{})
			require.NoError(t, err)
			require.NoError(t, gone.Close())
			u := b.use(t, 60)
			_, err = l.Use(ctx, u)
			refused(err, false)
			again(u)
			again(most)
		})
	}
}
