package main

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/vpcd"
)

// Reads and control calls together: no error, and memory that does not grow.
// With MYNAKIT_LONG it is two million exchanges.
func TestLoad(t *testing.T) {
	exchanges := 15_000 // more than the log keeps
	if os.Getenv("MYNAKIT_LONG") != "" {
		exchanges = 2_000_000
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	pcscd, err := vpcd.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer pcscd.Close()
	first, _ := start(t, ctx, "-addr", pcscd.Addr().String())
	reader, err := pcscd.Accept(ctx)
	require.NoError(t, err)
	defer reader.Close()

	commands := []string{"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", "\x00\xB0\x8A\x00\x24"}
	dst := make([]byte, 0, 300)
	_, err = reader.TransmitContext(ctx, dst, []byte(commands[0])) // from now on the card is in
	require.NoError(t, err)

	reading, done := context.WithCancel(ctx)
	calls := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for ; reading.Err() == nil; calls++ {
			card := call(t, "GET", first.Control+"/v1/card", "")
			assert.Contains(t, card, `"inserted":true`)
			call(t, "PATCH", first.Control+"/v1/card", `{"pins":{"sign":{"left":3}}}`)
			call(t, "PUT", first.Control+"/v1/faults", `[{"do":"status","sw":"6F00","name":"GET CHALLENGE"}]`)
			call(t, "PUT", first.Control+"/v1/link", `{"rate":848}`)
			lines := call(t, "GET", first.Control+"/v1/log?event=mark", "")
			assert.LessOrEqual(t, strings.Count(lines, "\n"), 10_001)
			call(t, "POST", first.Control+"/v1/marks", "")
		}
	})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var warm uint64
	start := time.Now()
	for i := range exchanges {
		command := commands[i%len(commands)]
		reply, err := reader.TransmitContext(ctx, dst, []byte(command))
		require.NoError(t, err)
		require.True(t, bytes.HasSuffix(reply, []byte{0x90, 0x00}), "%d: %X", i, reply)
		if i == 12_000 { // the log is full
			warm = heap()
		}
	}
	took := time.Since(start)
	done()
	wg.Wait()
	end := heap()
	t.Logf("%d exchanges, %.0f a second, %d rounds of calls; heap %d kB with a full log, %d kB at the end",
		exchanges, float64(exchanges)/took.Seconds(), calls, warm>>10, end>>10)
	assert.Less(t, end, warm+4<<20)
	assert.NotZero(t, calls)
}
