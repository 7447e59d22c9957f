package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The database is put back from a backup of the first day, and nothing else: the
// program says so, and goes on when the second day's file was booked again.
func TestRestored(t *testing.T) {
	for _, lang := range []string{"en", "ja"} {
		t.Run(lang, func(t *testing.T) {
			dir := t.TempDir()
			run := func(args ...string) (int, string, string) {
				return counter(t.Context(), append([]string{"-lang", lang, "-data", dir}, args...)...)
			}
			mustCounter(t, "-data", dir)
			name := filepath.Join(dir, "shop.db")
			backup, err := os.ReadFile(name)
			require.NoError(t, err)
			mustCounter(t, "-data", dir)
			for _, left := range []string{"-wal", "-shm"} {
				_, err := os.Stat(name + left)
				require.ErrorIs(t, err, os.ErrNotExist, "it was closed")
			}
			require.NoError(t, os.WriteFile(name, backup, 0o600))

			code, _, errs := run()
			assert.Equal(t, exitError, code)
			assert.Contains(t, errs, map[string]string{"en": "restored from an older backup", "ja": "古いバックアップ"}[lang])
			assert.Contains(t, errs, "-restored")
			code, _, errs = run("-training")
			require.Zero(t, code, "training has a mark of its own: %s", errs)

			code, out, errs := run("-restored", filepath.Join(dir, "inbox-done"))
			require.Zero(t, code, errs)
			assert.Contains(t, out, map[string]string{"en": "booked again: 1.", "ja": "記帳し直したレコード：1件"}[lang])
			out = mustCounter(t, "-data", dir)
			assert.Contains(t, out, "Both are exact.")
			assert.Contains(t, out, "900 points merged = 900 with")
		})
	}
}

// Who practises leaves the shop's merge files alone.
func TestTrainingLeavesLiveFiles(t *testing.T) {
	dir := t.TempDir()
	mustCounter(t, "-data", dir)
	done, err := filepath.Glob(filepath.Join(dir, "inbox-done", "*.dat"))
	require.NoError(t, err)
	require.NotEmpty(t, done)
	waiting := filepath.Join(dir, "inbox", "waiting.dat")
	require.NoError(t, os.Rename(done[0], waiting))
	mustCounter(t, "-data", dir, "-training")
	assert.FileExists(t, waiting)
}
