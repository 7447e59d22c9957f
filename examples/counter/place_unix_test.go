//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Without a home folder there is none that only this user can have written to.
func TestPlaceWithoutHome(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for lang, want := range map[string]string{"en": "HOME is not set", "ja": "HOME が設定されていません"} {
		code, out, errs := counter(t.Context(), "-lang", lang)
		assert.Equal(t, exitError, code)
		assert.Empty(t, out)
		assert.Contains(t, errs, want)
		assert.Contains(t, errs, "-data")
	}
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	assert.Empty(t, left)
	mustCounter(t, "-lang", "en", "-data", filepath.Join(tmp, "shop"))
}

// What others can read or change is not believed.
func TestOthersCannotReadOrChangeThePlace(t *testing.T) {
	dir := t.TempDir()
	mustCounter(t, "-lang", "en", "-data", dir)
	path := func(name string) string { return filepath.Join(dir, name) }
	refused := func(args ...string) string {
		t.Helper()
		for lang, want := range map[string]string{"en": "Other users can read or change ", "ja": "ほかのユーザーが "} {
			code, out, errs := counter(t.Context(), append([]string{"-lang", lang, "-data", dir}, args...)...)
			assert.Equal(t, exitError, code)
			assert.Empty(t, out)
			assert.Contains(t, errs, want)
			if lang == "ja" {
				return errs
			}
		}
		return ""
	}
	for name, modes := range map[string][2]os.FileMode{
		".":         {0o777, 0o755},
		"tickets":   {0o750, 0o700},
		"keys.json": {0o640, 0o600},
		"shop.db":   {0o604, 0o600},
	} {
		require.NoError(t, os.Chmod(path(name), modes[0]))
		refused()
		require.NoError(t, os.Chmod(path(name), modes[1]))
		mustCounter(t, "-lang", "en", "-data", dir)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	require.NoError(t, os.WriteFile(other, nil, 0o644))
	refused("-db", other)

	if os.Geteuid() != 0 {
		t.Skip("skipped: only root gives files away")
	}
	for _, name := range []string{"keys.json", "shop.db", "."} {
		require.NoError(t, os.Chown(path(name), 12345, 12345))
		for lang, want := range map[string]string{"en": "belongs to another user", "ja": "別のユーザーのもの"} {
			code, out, errs := counter(t.Context(), "-lang", lang, "-data", dir)
			assert.Equal(t, exitError, code)
			assert.Empty(t, out)
			assert.Contains(t, errs, want)
		}
		require.NoError(t, os.Chown(path(name), 0, 0))
	}
}

// brokenPipe fails after a number of lines.
type brokenPipe struct{ lines int }

var errPipe = errors.New("broken pipe")

func (p *brokenPipe) Write(b []byte) (int, error) {
	if p.lines -= bytes.Count(b, []byte("\n")); p.lines < 0 {
		return 0, errPipe
	}
	return len(b), nil
}

// A day that nobody could read to its end is no success, and its books balance.
func TestOutputIsLost(t *testing.T) {
	dir := t.TempDir()
	for _, lines := range []int{0, 1, 20} {
		var errs bytes.Buffer
		w := &world{func(string) string { return "" }, &brokenPipe{lines}, &errs, now}
		assert.Equal(t, exitError, w.run(t.Context(), []string{"-lang", "en", "-data", dir}), "%d lines", lines)
		assert.Contains(t, errs.String(), "broken pipe")
	}
	mustCounter(t, "-lang", "en", "-data", dir)
}
