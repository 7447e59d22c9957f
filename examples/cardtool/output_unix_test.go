//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// No task reports success when nobody got its answer.
func TestOutputIsLost(t *testing.T) {
	pin := filepath.Join(t.TempDir(), "pin")
	require.NoError(t, os.WriteFile(pin, []byte("1234\n"), 0o600))
	for _, args := range [][]string{
		{"help"}, {"info"}, {"pins"}, {"serial"}, {"serial", "-json"}, {"cert"}, {"cert", "-json"},
		{"verify", "-pin-file", pin}, {"sign", "-pin-file", pin, "-in", pin, "-json"},
	} {
		var stderr bytes.Buffer
		code := run(context.WithoutCancel(t.Context()), func() {}, args, noEnv, os.Stdin, fullDisk{}, &stderr)
		assert.Equal(t, exitError, code, "%v", args)
		assert.Contains(t, stderr.String(), "no space left", "%v", args)
	}
}

// A PIN that others can read is not sent to a card.
func TestPINFileOfAll(t *testing.T) {
	pin := filepath.Join(t.TempDir(), "pin")
	require.NoError(t, os.WriteFile(pin, []byte("1234\n"), 0o600))
	require.NoError(t, os.Chmod(pin, 0o644))
	_, stderr, code := tool(t, "verify", "-pin-file", pin)
	assert.Equal(t, exitError, code)
	assert.Contains(t, stderr, "chmod 600")
	assert.NotContains(t, stderr, "1234")
}
