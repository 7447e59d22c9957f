package realstack

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/simcard"
)

// An ssh-agent that holds the card's key goes on signing after a program of ours
// has used the card in shared mode and closed it, and no PIN that was verified
// stays so behind it.
func TestAgentGoesOnAfterClose(t *testing.T) {
	needStack(t)
	sim := simcard.New()
	insert(t, sim)
	dir := t.TempDir()
	askpass := filepath.Join(dir, "askpass")
	require.NoError(t, os.WriteFile(askpass, []byte("#!/bin/sh\necho "+simcard.DefaultAuthPIN+"\n"), 0o700))
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(dir, "agent"))
	t.Setenv("SSH_ASKPASS", askpass)
	t.Setenv("SSH_ASKPASS_REQUIRE", "force")
	t.Setenv("OPENSC_DRIVER", "jpki")
	agent := exec.Command("ssh-agent", "-D", "-a", os.Getenv("SSH_AUTH_SOCK"))
	agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, agent.Start())
	t.Cleanup(func() {
		agent.Process.Signal(syscall.SIGTERM)
		agent.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, time.Minute, time.Millisecond)
	output(t, "ssh-add", "-s", findModule(t))
	var key string
	for line := range strings.Lines(output(t, "ssh-add", "-L")) {
		key = line
		break
	}
	public := file(t, "key.pub", []byte(key))
	signed := func(n int) error {
		data := file(t, fmt.Sprint("data", n), []byte("2,000 points"))
		_, err := command(t, "ssh-keygen", "-Y", "sign", "-n", "file", "-f", public, data)
		return err
	}
	require.NoError(t, signed(0), "the agent signs")
	for n := range 3 {
		ours := open(t)
		for _, c := range []string{"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", "\x00\xB0\x8A\x00\x24"} {
			_, err := ours.Transmit([]byte(c))
			require.NoError(t, err)
		}
		require.NoError(t, ours.Close())
		assert.False(t, sim.Verified(simcard.AuthPIN), "the agent's PIN is forgotten too; it has to verify again")
		assert.NoError(t, signed(n+1))
	}
	ours := open(t)
	_, err := ours.Transmit([]byte("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"))
	require.NoError(t, err)
	require.NoError(t, ours.CloseContext(limit(t), pcsc.Unpower))
	t.Logf("after a close that takes the power: %v", signed(9))
}
