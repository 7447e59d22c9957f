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
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	defer master.Close()
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	defer slave.Close()

	// The test binary is the program when it goes by its name.
	self, err := os.Executable()
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "cardtool")
	require.NoError(t, os.Symlink(self, program))
	cmd := exec.CommandContext(t.Context(), program, "verify")
	cmd.Stdin = slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())

	var shown bytes.Buffer
	buf := make([]byte, 256)
	for !bytes.Contains(shown.Bytes(), []byte("auth PIN: ")) {
		n, err := master.Read(buf)
		require.NoError(t, err)
		shown.Write(buf[:n])
	}
	require.Eventually(t, func() bool {
		mode, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		return err == nil && mode.Lflag&unix.ECHO == 0
	}, 20*time.Second, time.Millisecond, "echo is still on behind the prompt")
	_, err = master.Write([]byte("1234\n"))
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), out.String())
	assert.Contains(t, out.String(), "auth PIN is right")

	master.SetReadDeadline(time.Now().Add(time.Second))
	n, _ = master.Read(buf) // the end of the line that was typed
	shown.Write(buf[:n])
	assert.NotContains(t, shown.String(), "1234")
}
