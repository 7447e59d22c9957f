package outbox_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey/point"
)

// What another program has numbered goes out under its number, as the record that
// may be out already, and the sequence goes on behind it.
func TestAdopt(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db, nil), t.Context()
		number, err := mergefile.ParseTransaction("20261128100000-000007")
		require.NoError(t, err)
		later, err := mergefile.ParseTransaction("20261128095900-000003")
		require.NoError(t, err)
		holder, err := mergefile.NewMallHolder("777777")
		require.NoError(t, err)
		record := mergefile.Record{Holder: holder, Points: 5, Transaction: number}
		for range 2 {
			it, err := c.Adopt(ctx, order(5), record)
			require.NoError(t, err)
			assert.Equal(t, number, it.Number)
			assert.False(t, it.Written.IsZero())
		}
		assert.ErrorIs(t, c.Withdraw(ctx, "op5"), outbox.ErrWritten, "its file may be out")
		open, err := c.Adopt(ctx, order(6), mergefile.Record{Points: 6, Transaction: later})
		require.NoError(t, err)
		assert.True(t, open.Written.IsZero())

		for _, bad := range []struct {
			or   outbox.Order
			r    mergefile.Record
			want error
		}{
			{order(5), mergefile.Record{Points: 6, Transaction: number}, outbox.ErrOrder},
			{order(5), mergefile.Record{Points: 5}, outbox.ErrOrder},
			{order(5), mergefile.Record{Points: 5, Transaction: later}, outbox.ErrReused},
			{outbox.Order{Operation: "op7", Subject: "HANAKO01", Points: 5}, record, outbox.ErrReused},
			{outbox.Order{Operation: "op5", Subject: "TARO0001", Points: 5}, record, outbox.ErrReused},
			{outbox.Order{Operation: "training:5", Subject: "HANAKO01", Points: 5}, record, outbox.ErrTraining},
		} {
			_, err := c.Adopt(ctx, bad.or, bad.r)
			assert.ErrorIs(t, err, bad.want, "%+v", bad.or)
		}
		next, err := c.Add(ctx, order(8))
		require.NoError(t, err)
		assert.Equal(t, "20261128100000-000008", next.Number.String())

		sent, err := c.Send(ctx)
		require.NoError(t, err)
		assert.Equal(t, 3, sent.Files)
		assert.Equal(t, []mergefile.Record{record}, read(t, c.cfg.Profile, filepath.Join(c.cfg.Dir, number.String()+".dat")))
		books, err := c.Books(ctx)
		require.NoError(t, err)
		assert.Equal(t, outbox.Books{Items: 3, Points: 19, Open: 3}, books)
	})
}

// An outbox in training takes points in training alone, and a live one none; a
// live receiver refuses the files.
func TestTraining(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		live, drill := open(t, db, nil), open(t, db, func(c *outbox.Config) { c.Training = true })
		practice := outbox.Order{Operation: "training:0000000000000001", Subject: "HANAKO01", Points: 5}
		_, err := live.Add(ctx, practice)
		assert.ErrorIs(t, err, outbox.ErrTraining)
		_, err = drill.Add(ctx, order(5))
		assert.ErrorIs(t, err, outbox.ErrTraining)
		_, err = drill.Add(ctx, practice)
		require.NoError(t, err)
		points, err := point.Open(ctx, db, point.Config{Training: true})
		require.NoError(t, err)
		err = points.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := live.In(tx).Add(ctx, order(5))
			return err
		})
		assert.ErrorIs(t, err, outbox.ErrTraining)
		require.NoError(t, points.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := drill.In(tx).Add(ctx, practice)
			return err
		}))

		sent, err := drill.Send(ctx)
		require.NoError(t, err)
		assert.Equal(t, 1, sent.Files)
		names := files(t, drill.cfg.Dir)
		require.Len(t, names, 1)
		content, err := os.Open(filepath.Join(drill.cfg.Dir, names[0]))
		require.NoError(t, err)
		defer content.Close()
		m := openMall(t, drill.cfg.Profile, "")
		_, err = m.Receive(ctx, content, names[0], nil)
		assert.ErrorIs(t, err, mergefile.ErrInvalid)
		assert.Zero(t, m.points(t))
		books, err := live.Books(ctx)
		require.NoError(t, err)
		assert.Zero(t, books)
	})
}
