package ledger_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// backup copies the whole of a database, and returns what puts it back.
func backup(t *testing.T, s *shop) (restore func()) {
	t.Helper()
	tables := []string{"mergefile_scope", "mergefile_number", "mergefile_merge", "balance"}
	for _, table := range tables {
		for _, q := range []string{"DROP TABLE IF EXISTS old_" + table, "CREATE TABLE old_" + table + " AS SELECT * FROM " + table} {
			_, err := s.db.Exec(q)
			require.NoError(t, err)
		}
	}
	return func() {
		for _, table := range tables {
			for _, q := range []string{"DELETE FROM " + table, "INSERT INTO " + table + " SELECT * FROM old_" + table} {
				_, err := s.db.Exec(q)
				require.NoError(t, err)
			}
		}
	}
}

// A database from a backup is noticed, at once and after a restart. The way back
// is to accept it and to receive again what was received since.
func TestRestore(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			ctx := t.Context()
			cfg := ledger.Config{Key: ledgerKey(t, ledgerSecret), Mark: ledger.FileMark(filepath.Join(t.TempDir(), "mark"))}
			s := openShop(t, dbtest.Open(t, e.driver, e.dsn(t)), cfg)
			r := s.receiver(t, nil)
			files := [][]mergefile.Record{from(t, s.profile, 0, 5), from(t, s.profile, 5, 5), from(t, s.profile, 10, 5)}
			receive := func(r *ledger.Receiver, i int) (ledger.Report, error) {
				return r.Receive(ctx, s.file(t, files[i]), "", nil)
			}
			_, err := receive(r, 0)
			require.NoError(t, err)
			restore := backup(t, s)
			_, err = receive(r, 1)
			require.NoError(t, err)
			_, err = ledger.Open(ctx, s.db, cfg)
			require.NoError(t, err, "a database that goes on is no reason for alarm")
			restore()

			var restored *ledger.RestoredError
			_, err = receive(r, 2)
			require.ErrorAs(t, err, &restored, "under a program that runs")
			assert.Equal(t, 1, restored.Missing)
			assert.False(t, restored.Until.IsZero())
			_, err = ledger.Open(ctx, s.db, cfg)
			require.ErrorAs(t, err, &restored, "and after a restart")
			assert.Equal(t, sum(files[0]), s.balances(t))

			cfg.Unresolved = true
			again, err := ledger.Open(ctx, s.db, cfg)
			require.NoError(t, err)
			require.NoError(t, again.AcceptRestore(ctx))
			for i, want := range []ledger.Report{{Duplicates: 5}, {Merged: 5}, {Merged: 5}} {
				rep, err := receive(r, i)
				require.NoError(t, err)
				assert.Equal(t, want.Merged, rep.Merged)
				assert.Equal(t, want.Duplicates, rep.Duplicates)
			}
			assert.Equal(t, sum(files...), s.balances(t))
			cfg.Unresolved = false
			_, err = ledger.Open(ctx, s.db, cfg)
			require.NoError(t, err)

			// Another database altogether.
			_, err = ledger.Open(ctx, dbtest.Open(t, e.driver, e.dsn(t)), cfg)
			require.ErrorAs(t, err, &restored)
			assert.True(t, restored.Until.IsZero())
			assert.Equal(t, 5, restored.Missing)
		})
	}
}

// brokenMark notes nothing while it is broken.
type brokenMark struct {
	ledger.Mark
	broken bool
}

func (m *brokenMark) Note(ctx context.Context, text string) error {
	if m.broken {
		return errDisk
	}
	return m.Mark.Note(ctx, text)
}

// What could not be noted is not acknowledged, and is noted with the duplicate.
func TestMarkFails(t *testing.T) {
	ctx := t.Context()
	m := &brokenMark{Mark: ledger.FileMark(filepath.Join(t.TempDir(), "mark")), broken: true}
	s := openShop(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), ledger.Config{Mark: m})
	restore := backup(t, s)
	rs := records(t, s.profile, 3)
	r := s.receiver(t, nil)
	_, err := r.Receive(ctx, s.file(t, rs), "", nil)
	require.ErrorIs(t, err, ledger.ErrMark)
	require.ErrorIs(t, err, errDisk)
	assert.Equal(t, sum(rs), s.balances(t), "it is merged")
	m.broken = false
	rep, err := r.Receive(ctx, s.file(t, rs), "", nil)
	require.NoError(t, err)
	assert.EqualValues(t, 3, rep.Duplicates)
	restore()
	var restored *ledger.RestoredError
	_, err = r.Receive(ctx, s.file(t, rs), "", nil)
	assert.ErrorAs(t, err, &restored)

	// Of merges that were cancelled too late the mark is advanced all the same.
	require.NoError(t, s.ledger.AcceptRestore(ctx))
	late, cancel := context.WithCancel(ctx)
	cancel()
	_, err = r.Receive(late, s.file(t, rs), "", nil)
	require.ErrorIs(t, err, context.Canceled)

	assert.Error(t, liteShop(t).ledger.AcceptRestore(ctx), "without a mark there is nothing to accept")
}

// Lines that a crash has cut short, or that somebody else has written, are
// passed over, and many that write at once lose none.
func TestFileMark(t *testing.T) {
	ctx := t.Context()
	name := filepath.Join(t.TempDir(), "mark")
	m := ledger.FileMark(name)
	read := func() []string {
		texts, err := m.Read(ctx)
		require.NoError(t, err)
		return texts
	}
	assert.Empty(t, read())
	token := func(c byte) string { return "1494549000000-" + strings.Repeat(string(c), 26) }
	require.NoError(t, m.Note(ctx, token('A')))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString("rubbish\n" + token('B')[:20])
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, m.Note(ctx, token('C')))
	assert.Equal(t, []string{token('A'), token('C')}, read())
	info, err := os.Stat(name)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "nobody else reads it")
	}

	var wg sync.WaitGroup
	for range 8 {
		other := ledger.FileMark(name)
		wg.Go(func() {
			for range 5 {
				assert.NoError(t, other.Note(ctx, token('D')))
			}
		})
	}
	wg.Wait()
	texts := read()
	assert.Len(t, texts, 42)
	for range 100 {
		require.NoError(t, m.Note(ctx, token('E')))
	}
	texts = read()
	assert.GreaterOrEqual(t, len(texts), ledger.MarkLen)
	assert.Equal(t, token('E'), texts[len(texts)-1])

	_, err = ledger.FileMark(t.TempDir()).Read(ctx)
	assert.Error(t, err)
	err = ledger.FileMark(filepath.Join(t.TempDir(), "no", "mark")).Note(ctx, token('A'))
	assert.True(t, errors.Is(err, os.ErrNotExist), "%v", err)
}
