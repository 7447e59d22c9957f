package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mynakit/mynakit/simcard"
)

// screen is a terminal of a test, and what is to be read on it.
type screen struct {
	t     *testing.T
	keys  *os.File // the other end: what is written there is typed
	slave *os.File

	mu   sync.Mutex
	text bytes.Buffer
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("skipped: there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { keys.Close() })
	raw, err := keys.SyscallConn()
	require.NoError(t, err)
	var n int
	require.NoError(t, raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("skipped: there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { slave.Close() })
	s := &screen{t: t, keys: keys, slave: slave}
	go func() {
		b := make([]byte, 1024)
		for {
			n, err := keys.Read(b)
			s.mu.Lock()
			s.text.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) termios() unix.Termios {
	s.t.Helper()
	raw, err := s.slave.SyscallConn()
	require.NoError(s.t, err)
	var got *unix.Termios
	require.NoError(s.t, raw.Control(func(fd uintptr) { got, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) }))
	require.NoError(s.t, err)
	return *got
}

// typed has somebody press keys.
func (s *screen) typed(keys string) {
	s.t.Helper()
	_, err := s.keys.WriteString(keys)
	require.NoError(s.t, err)
}

// until waits for something.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !f(); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(limit), what)
	}
}

// The PIN is typed on the terminal: it is not echoed, and who gives the question up
// leaves the terminal as it was, with nothing of a PIN in it.
func TestTerminalPIN(t *testing.T) {
	s := newScreen(t)
	before := s.termios()
	home := newHome(t)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-reader", "sim", "-listen", "127.0.0.1:0", "-pin", "tty")
	cmd.Env = append(os.Environ(), asAgent+"=1", homeVariable+"="+home)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.slave, s.slave, s.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	ended := sync.OnceValue(func() error { return cmd.Wait() })
	defer func() {
		_ = cmd.Process.Kill()
		_ = ended()
	}()
	until(t, "an agent", func() bool { return strings.Contains(s.String(), "agent.json") })
	call := registered(t, home)
	card := ""
	until(t, "a card", func() bool {
		c, _ := call("GET", "/v1/card", "")["card"].(map[string]any)
		card, _ = c["id"].(string)
		return c["state"] == "known"
	})
	asked := func() int { return strings.Count(s.String(), "tries left）: ") }
	proof := func() string {
		t.Helper()
		n := asked()
		p := call("POST", "/v1/proofs", `{"card":"`+card+`","act":"use","account":"aoba","points":1}`)["proof"].(map[string]any)
		until(t, "a question", func() bool { return asked() > n })
		return "/v1/proofs/" + p["id"].(string)
	}
	state := func(path string) (string, string) {
		p := call("GET", path, "")["proof"].(map[string]any)
		by, _ := p["by"].(string)
		return p["state"].(string), by
	}
	restored := func() {
		t.Helper()
		until(t, "the terminal as it was", func() bool { return s.termios() == before })
		raw, err := s.slave.SyscallConn()
		require.NoError(t, err)
		var n int
		require.NoError(t, raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), make([]byte, 10)) }))
		assert.ErrorIs(t, err, unix.EAGAIN, "%d bytes were left", n)
	}
	answered := func() string {
		text := s.String()
		return text[strings.LastIndex(text, "）: ")+len("）: "):]
	}

	// Given up by the client in the middle of a PIN.
	p := proof()
	s.typed("123")
	call("DELETE", p, "")
	restored()
	// The next question gets what is typed for it, and that alone.
	s.typed("99")
	p = proof()
	s.typed("77\x15x\x7f" + simcard.DefaultAuthPIN + "\r")
	until(t, "a proof", func() bool { now, _ := state(p); return now == "proved" })
	restored()
	until(t, "the end of the question", func() bool { return answered() == "\r\n" }) // without an echo
	// Given up by the holder, in both ways.
	for _, keys := range []string{"12\x03", "\r"} {
		p = proof()
		s.typed(keys)
		until(t, "an end", func() bool { now, _ := state(p); return now != "waiting_pin" })
		now, by := state(p)
		assert.Equal(t, "cancelled holder", now+" "+by)
		restored()
	}
	// The agent ends while it asks.
	proof()
	s.typed("12")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	assert.NoError(t, ended())
	restored()
	assert.NotContains(t, s.String(), simcard.DefaultAuthPIN)
}
