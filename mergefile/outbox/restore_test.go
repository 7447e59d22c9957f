package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A database is restored from a backup. It is noticed, nothing is spent, and
// what the receivers know is booked again; no number is used twice.
func TestRestore(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	db := dbtest.Open(t, "sqlite", dbtest.SQLite(dir))
	note := filepath.Join(t.TempDir(), "sent.mark")
	var taken []string
	mark := func(cfg *outbox.Config) {
		cfg.Mark = outbox.FileMark(note)
		cfg.Profile.Transaction.Reset = mergefile.ResetDay
		cfg.Again = func(_ context.Context, _ *sql.Tx, scope string, r mergefile.Record) error {
			taken = append(taken, scope+" "+r.Transaction.String())
			return nil
		}
	}
	c := open(t, db, mark)
	m := openMall(t, c.cfg.Profile, "")
	add := func(c *cloud, n int) outbox.Item {
		it, err := c.Add(ctx, order(n))
		require.NoError(t, err)
		_, err = c.Send(ctx)
		require.NoError(t, err)
		return it
	}
	add(c, 1)
	acks := m.take(t, c.cfg.Dir, "")
	backup := filepath.Join(t.TempDir(), "t.db")
	_, err := db.ExecContext(ctx, "VACUUM INTO '"+backup+"'")
	require.NoError(t, err)
	second := add(c, 2)
	add(c, 3)
	acks = append(acks, m.take(t, c.cfg.Dir, "")...)
	require.Len(t, acks, 3)

	old := dbtest.Open(t, "sqlite", dbtest.SQLite(filepath.Dir(backup)))
	cfg := c.cfg
	restored, err := outbox.Open(ctx, old, cfg)
	var older *outbox.RestoredError
	require.ErrorAs(t, err, &older)
	assert.Equal(t, 2, older.Missing)
	assert.False(t, older.Since.After(c.cfg.Clock()))
	for name, call := range map[string]func() error{
		"add":  func() error { _, err := restored.Add(ctx, order(9)); return err },
		"send": func() error { _, err := restored.Send(ctx); return err },
	} {
		assert.ErrorIs(t, call(), outbox.ErrRestored, name)
	}

	known := func(yield func(outbox.Known, error) bool) {
		h, err := mergefile.NewMallHolder("520625")
		require.NoError(t, err)
		for i, number := range numbers(t, c, 3) {
			if !yield(outbox.Known{Record: mergefile.Record{Holder: h, Points: uint64(i + 1), Transaction: number}}, nil) {
				return
			}
		}
	}
	broken := errors.New("the list is cut")
	_, err = restored.Recover(ctx, func(yield func(outbox.Known, error) bool) {
		known(func(k outbox.Known, err error) bool { return yield(k, err) })
		yield(outbox.Known{}, broken)
	})
	require.ErrorIs(t, err, broken)
	_, err = restored.Add(ctx, order(9))
	assert.ErrorIs(t, err, outbox.ErrRestored, "a list that is cut changes nothing")
	taken = nil

	r, err := restored.Recover(ctx, iter.Seq2[outbox.Known, error](known))
	require.NoError(t, err)
	assert.Equal(t, outbox.Recovery{Again: 2, There: 1}, r)
	assert.Len(t, taken, 2)
	assert.Contains(t, taken, " "+second.Number.String())
	books, err := restored.Books(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 6, books.Points)
	it, err := restored.Add(ctx, order(9))
	require.NoError(t, err)
	assert.EqualValues(t, 4, it.Number.Sequence(), "past what was used")
	_, err = restored.Send(ctx)
	require.NoError(t, err)

	again, err := outbox.Open(ctx, old, cfg)
	require.NoError(t, err)
	_, err = again.Recover(ctx, iter.Seq2[outbox.Known, error](known))
	require.NoError(t, err, "again")
	assert.Len(t, taken, 2)
}

// numbers are those of op1 to opn.
func numbers(t testing.TB, c *cloud, n int) (out []mergefile.Transaction) {
	for i := range n {
		it, err := c.Find(t.Context(), order(i+1).Operation)
		require.NoError(t, err)
		out = append(out, it.Number)
	}
	return out
}

// Without the mark no file becomes visible.
func TestMarkFails(t *testing.T) {
	note := filepath.Join(t.TempDir(), "folder")
	require.NoError(t, os.Mkdir(note, 0o700))
	db := dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir()))
	var marks failingMark
	c := open(t, db, func(cfg *outbox.Config) { cfg.Mark = &marks })
	_, err := c.Add(t.Context(), order(1))
	require.NoError(t, err)
	marks.err = errors.New("the disk is full")
	_, err = c.Send(t.Context())
	assert.ErrorIs(t, err, outbox.ErrMark)
	assert.ErrorIs(t, err, marks.err)
	assert.Empty(t, files(t, c.cfg.Dir))
	marks.err = nil
	sent, err := c.Send(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, sent.Files)
	assert.ErrorIs(t, c.Withdraw(t.Context(), "op1"), outbox.ErrWritten)
}

type failingMark struct {
	err   error
	texts []string
}

func (m *failingMark) Read(context.Context) ([]string, error) { return m.texts, m.err }

func (m *failingMark) Note(_ context.Context, s string) error {
	if m.err == nil {
		m.texts = append(m.texts, s)
	}
	return m.err
}
