//go:build unix

package private_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/internal/private"
)

func TestModes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(file, []byte("secret"), 0o600))
	for mode, want := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false, 0o602: false, 0o601: false, 0o666: false} {
		require.NoError(t, os.Chmod(file, mode))
		text, err := private.ReadFile(file)
		assert.Equal(t, want, err == nil, "%o", mode)
		assert.Equal(t, want, private.File(file) == nil, "%o", mode)
		if want {
			assert.Equal(t, "secret", string(text))
			continue
		}
		assert.Empty(t, text)
		var open *private.Error
		if assert.ErrorAs(t, err, &open) {
			assert.False(t, open.Foreign)
			assert.Equal(t, file, open.Path)
			assert.Contains(t, err.Error(), "chmod 600")
		}
	}
	for mode, want := range map[fs.FileMode][2]bool{0o700: {true, true}, 0o755: {false, true}, 0o775: {false, false}, 0o777: {false, false}, 0o1777: {false, false}} {
		require.NoError(t, os.Chmod(dir, mode))
		assert.Equal(t, want, [2]bool{private.Folder(dir) == nil, private.Parent(dir) == nil}, "%o", mode)
	}
}

func TestOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("skipped: only root gives files away")
	}
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Chown(file, 12345, 12345))
	var foreign *private.Error
	_, err := private.ReadFile(file)
	require.ErrorAs(t, err, &foreign)
	assert.True(t, foreign.Foreign)
	assert.Contains(t, err.Error(), "another user")
}

func TestNotAFile(t *testing.T) {
	dir := t.TempDir()
	_, err := private.ReadFile(filepath.Join(dir, "nothing"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	large := filepath.Join(dir, "large")
	require.NoError(t, os.WriteFile(large, []byte(strings.Repeat("x", 1<<20+1)), 0o600))
	_, err = private.ReadFile(large)
	assert.ErrorContains(t, err, "larger")

	// A shell's <(…) is a pipe.
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o666))
	wrote := make(chan error, 1)
	go func() { wrote <- os.WriteFile(pipe, []byte("secret"), 0o600) }()
	text, err := private.ReadFile(pipe)
	require.NoError(t, errors.Join(err, <-wrote))
	assert.Equal(t, "secret", string(text))
}
