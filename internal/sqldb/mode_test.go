package sqldb_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// What counts and what does not never join one transaction, whichever is around
// the other. A DB without a mode joins both.
func TestModes(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		keep := make(map[sqldb.Mode]*sqldb.DB)
		for mode, prefix := range map[sqldb.Mode]string{0: "any_", sqldb.Live: "live_", sqldb.Training: "training_"} {
			d, err := sqldb.Open(ctx, db, sqldb.Schema{Name: "mode"}, sqldb.Config{Prefix: prefix, Mode: mode})
			require.NoError(t, err)
			keep[mode] = d
		}
		for outer, around := range keep {
			for inner, d := range keep {
				err := around.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
					_, err := d.In(ctx, tx)
					return err
				})
				if outer != 0 && inner != 0 && outer != inner {
					assert.ErrorIs(t, err, sqldb.ErrMode, "%d in %d", inner, outer)
				} else {
					assert.NoError(t, err, "%d in %d", inner, outer)
				}
			}
		}
		err := keep[sqldb.Live].Do(ctx, func(ctx context.Context, _ *sql.Tx) error {
			return keep[sqldb.Training].Write(ctx, func(context.Context, *sqldb.Tx) error { return nil })
		})
		assert.Error(t, err)
	})
}
