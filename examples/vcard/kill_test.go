package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/vpcd"
)

// A kill at any moment gives no try back: what the card told of, its file has.
func TestKill(t *testing.T) {
	rounds := 6
	if os.Getenv("MYNAKIT_LONG") != "" {
		rounds = 200
	}
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	pcscd, err := vpcd.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer pcscd.Close()
	state := filepath.Join(t.TempDir(), "state")
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	least, most := 3, 3 // tries that may be left, by the answers so far
	for range rounds {
		cmd := exec.CommandContext(ctx, self, "-addr", pcscd.Addr().String(), "-state", state)
		cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+t.TempDir())
		require.NoError(t, cmd.Start())
		card, err := pcscd.Accept(ctx)
		require.NoError(t, err)
		send := func(command string) (string, bool) {
			reply, err := card.TransmitContext(ctx, nil, []byte(command))
			if err != nil || len(reply) < 2 {
				return "", false
			}
			return fmt.Sprintf("%X", reply), true
		}
		_, ok := send("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01")
		require.True(t, ok)
		left, ok := send("\x00\x20\x00\x98")
		require.True(t, ok)
		require.GreaterOrEqual(t, left, fmt.Sprintf("63C%d", least))
		require.LessOrEqual(t, left, fmt.Sprintf("63C%d", most), "a try was given back")
		after := time.Duration(r.IntN(30)) * time.Millisecond
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			time.Sleep(after)
			_ = cmd.Process.Kill()
		}()
		for n := 0; ; n++ {
			command, then := "\x00\x20\x00\x98\x041234", 3 // all are there again
			if n%3 > 0 {
				command, then = "\x00\x20\x00\x98\x049999", least-1
			}
			reply, ok := send(command)
			if !ok { // it was carried out or not
				least, most = min(least, then), max(most, then)
				break
			}
			least, most = then, then
			want := fmt.Sprintf("63C%d", then)
			if then == 3 {
				want = "9000"
			}
			require.Equal(t, want, reply)
		}
		<-killed
		_ = cmd.Wait()
		card.Close()
	}
	left, err := filepath.Glob(state + ".*")
	require.NoError(t, err)
	assert.LessOrEqual(t, len(left), 1, "a kill may leave the file that was being written")
}
