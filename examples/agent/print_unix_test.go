//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/agent/api"
)

// opening waits until a paper has its turn at a device that does not open. Nothing
// but a goroutine shows it.
func opening(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("toDevice(")) {
			return
		}
		require.True(t, time.Now().Before(limit), "it has no turn")
	}
}

// A device that keeps a write for ever keeps no call, and what was given up is not
// printed later.
func TestDeviceHangs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lp0")
	require.NoError(t, syscall.Mkfifo(name, 0o600))
	printer := printTo(name)
	try := func(paper []byte) error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return printer(ctx, paper)
	}
	early, giveUp := context.WithCancel(t.Context())
	given := make(chan error, 1)
	go func() { given <- printer(early, []byte("early")) }()
	opening(t)
	giveUp()
	assert.Equal(t, api.ErrOffline, <-given, "it does not open")
	assert.Equal(t, api.ErrOffline, try([]byte("early")), "nor is the first try over")
	reader, err := os.Open(name) // as a printer that is switched on
	require.NoError(t, err)
	came, err := io.ReadAll(reader)
	require.NoError(t, err)
	assert.Empty(t, came)
	require.NoError(t, reader.Close())

	keep, err := os.OpenFile(name, os.O_RDWR, 0) // which takes some and then no more
	require.NoError(t, err)
	long := make([]byte, 1<<20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(keep, make([]byte, 1))
		cancel()
		began <- err
	}()
	assert.ErrorIs(t, printer(ctx, long), context.Canceled, "the end is not known")
	require.NoError(t, <-began)
	assert.Equal(t, api.ErrOffline, try([]byte("next")))
	_, err = io.ReadFull(keep, long[1:])
	require.NoError(t, err)
	read := make(chan []byte, 1)
	go func() {
		b := make([]byte, 4)
		_, _ = io.ReadFull(keep, b)
		read <- b
	}()
	require.NoError(t, printer(t.Context(), []byte("next")))
	assert.Equal(t, "next", string(<-read))
	require.NoError(t, keep.Close())
}
