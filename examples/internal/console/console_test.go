package console_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/internal/console"
)

// full is a disk with room for so many writes.
type full struct {
	bytes.Buffer
	room int
}

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if f.room--; f.room < 0 {
		return 0, errFull
	}
	return f.Buffer.Write(p)
}

func TestFirstErrorStays(t *testing.T) {
	disk := &full{room: 2}
	w := console.To(disk)
	w.Printf("%d\n", 1)
	w.Println("two")
	require.NoError(t, w.Err())
	w.Println("three")
	disk.room = 9
	_, err := w.Write([]byte("four"))
	assert.ErrorIs(t, err, errFull)
	assert.ErrorIs(t, w.Err(), errFull)
	assert.ErrorIs(t, w.Close(), errFull)
	assert.Equal(t, "1\ntwo\n", disk.String(), "and nothing after it")
}

func TestClose(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	w := console.To(f)
	require.NoError(t, w.Close())
	w.Println("x")
	require.NoError(t, w.Close(), "a file that nothing was written to is left alone")
	assert.Error(t, f.Close(), "it is closed")

	// What was closed by somebody else, as by >&-, is an error if there is
	// something to say.
	w = console.To(f)
	require.NoError(t, w.Close())
	w.Println("x")
	assert.ErrorIs(t, w.Close(), os.ErrClosed)
}
