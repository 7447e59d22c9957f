package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/examples/internal/speak"
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
			code <- run(ctx, func() {}, args, noEnv, os.Stdin, &out, errWriter)
			errWriter.Close()
		}()
		lines := bufio.NewScanner(errReader)
		var said strings.Builder
		var addr string
		for addr == "" && lines.Scan() {
			addr, _ = strings.CutPrefix(lines.Text(), "vpcd://")
			if addr == lines.Text() {
				addr = ""
				said.WriteString(lines.Text() + "\n")
			}
		}
		require.NotEmpty(t, addr)
		assert.Contains(t, said.String(), "Only this machine")
		assert.Contains(t, said.String(), "PIN travels")
		rest := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(errReader)
			rest <- string(b)
		}()
		// A browser that strays here, and somebody who says nothing, are no cards.
		browser, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer browser.Close()
		_, err = browser.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		require.NoError(t, err)
		silent, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer silent.Close()
		slot, err := vpcd.Insert(ctx, addr, simcard.New(simcard.WithKind(simcard.Android)))
		require.NoError(t, err)
		assert.Zero(t, <-code)
		<-slot.Done()
		assert.Contains(t, out.String(), `"reader":"phone"`)
		assert.Contains(t, out.String(), `"kind":"android"`)
		assert.Contains(t, <-rest, "█", "the QR code")
	}
}

// A phone cannot reach loopback, and the screen does not ask it to.
func TestInvitation(t *testing.T) {
	for ip, want := range map[string]string{
		"127.0.0.1":   "say -listen ADDRESS:35963",
		"::1":         "say -listen ADDRESS:35963",
		"192.0.2.1":   "Scan this",
		"2001:db8::1": "Scan this",
	} {
		text := invitation(speak.VoiceIn("en"), net.ParseIP(ip), "35963")
		assert.Contains(t, text, want, ip)
		assert.Equal(t, net.ParseIP(ip).IsLoopback(), strings.Contains(text, "Only this machine"), ip)
		assert.Contains(t, text, "The link is plain, and the PIN travels on it", ip)
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
