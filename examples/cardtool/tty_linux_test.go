package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What is typed for a PIN does not show on the terminal.
func TestPINIsNotEchoed(t *testing.T) {
	p := atPrompt(t)
	_, err := p.master.Write([]byte("1234\n"))
	require.NoError(t, err)
	require.NoError(t, p.cmd.Wait(), p.out.String())
	assert.Contains(t, p.out.String(), "auth PIN is right")

	p.master.SetReadDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 256)
	n, _ := p.master.Read(buf) // the end of the line that was typed
	p.shown.Write(buf[:n])
	assert.NotContains(t, p.shown.String(), "1234")
}

// A signal at the prompt ends the program, and the terminal is as before.
func TestSignalAtThePrompt(t *testing.T) {
	p := atPrompt(t)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	var exit *exec.ExitError
	require.ErrorAs(t, p.cmd.Wait(), &exit)
	assert.Equal(t, 1, exit.ExitCode())
	assert.Contains(t, p.out.String(), "terminated")
	assert.True(t, p.echoes())
}

// prompted is the program where it has asked for a PIN.
type prompted struct {
	master, slave *os.File
	cmd           *exec.Cmd
	out, shown    bytes.Buffer
}

func (p *prompted) echoes() bool {
	mode, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	return err == nil && mode.Lflag&unix.ECHO != 0
}

func atPrompt(t *testing.T) *prompted {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { slave.Close() })

	// The test binary is the program when it goes by its name.
	self, err := os.Executable()
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "cardtool")
	require.NoError(t, os.Symlink(self, program))
	p := &prompted{master: master, slave: slave, cmd: exec.CommandContext(t.Context(), program, "verify")}
	p.cmd.Env = append(os.Environ(), "LC_ALL=C") // which prompt it is, it says in English
	p.cmd.Stdin = slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	require.NoError(t, p.cmd.Start())

	buf := make([]byte, 256)
	for !bytes.Contains(p.shown.Bytes(), []byte("auth PIN: ")) {
		n, err := master.Read(buf)
		require.NoError(t, err)
		p.shown.Write(buf[:n])
	}
	require.Eventually(t, func() bool { return !p.echoes() }, time.Minute, time.Millisecond, "echo is still on behind the prompt")
	return p
}
