package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/simcard"
)

// The software card takes the phone's place and connects to what the QR code
// says.
func TestPhone(t *testing.T) {
	for _, args := range [][]string{
		{"phone", "-listen", "127.0.0.1:0", "-json"},
		{"info", "-reader", "phone", "-listen", "127.0.0.1:0", "-json"},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		errReader, errWriter := io.Pipe()
		var out bytes.Buffer
		code := make(chan int, 1)
		go func() {
			code <- run(ctx, args, os.Stdin, &out, errWriter)
			errWriter.Close()
		}()
		lines := bufio.NewScanner(errReader)
		var addr string
		for addr == "" && lines.Scan() {
			addr, _ = strings.CutPrefix(lines.Text(), "vpcd://")
			if addr == lines.Text() {
				addr = ""
			}
		}
		require.NotEmpty(t, addr)
		rest := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(errReader)
			rest <- string(b)
		}()
		slot, err := vpcd.Insert(ctx, addr, simcard.New(simcard.WithKind(simcard.Android)))
		require.NoError(t, err)
		assert.Zero(t, <-code)
		<-slot.Done()
		assert.Contains(t, out.String(), `"reader":"phone"`)
		assert.Contains(t, out.String(), `"kind":"android"`)
		assert.Contains(t, <-rest, "█", "the QR code")
	}
}

func TestPhoneWantsAnAddress(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:35963", ":35963", "nonsense", "[::]:1", "name:1"} {
		_, stderr, code := tool(t, "phone", "-listen", addr)
		assert.Equal(t, exitUsage, code, addr)
		assert.Contains(t, stderr, "-listen")
	}
	_, stderr, code := tool(t, "phone", "-listen", "127.0.0.1:0", "-wait", "20ms")
	assert.Equal(t, exitError, code)
	assert.Contains(t, stderr, "No card came in time")
}
