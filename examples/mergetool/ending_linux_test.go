package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/speak"
)

// blocked starts a task that is going to wait for ever. Without stdin it reads
// an empty one.
func (s *shop) blocked(stdin []byte, args ...string) *exec.Cmd {
	s.t.Helper()
	self, err := os.Executable()
	require.NoError(s.t, err)
	cmd := exec.CommandContext(s.t.Context(), self)
	cmd.Args = append([]string{"mergetool"}, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+s.path("tmp"))
	cmd.Stderr = new(bytes.Buffer)
	in, err := cmd.StdinPipe()
	require.NoError(s.t, err)
	s.t.Cleanup(func() { in.Close() })
	out, err := cmd.StdoutPipe() // and nobody reads it
	require.NoError(s.t, err)
	s.t.Cleanup(func() { out.Close() })
	require.NoError(s.t, cmd.Start())
	_, err = in.Write(stdin)
	require.NoError(s.t, err)
	if len(stdin) == 0 {
		in.Close()
	}
	return cmd
}

// idle waits until a process takes its signals, and then until it has not
// worked for a while, nor wanted to: one that gets no processor is not idle.
func idle(t *testing.T, pid int) {
	t.Helper()
	until(t.Context(), t, func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		require.NoError(t, err)
		_, mask, _ := strings.Cut(string(status), "SigIgn:\t")
		ignored, err := strconv.ParseUint(mask[:16], 16, 64)
		require.NoError(t, err)
		return ignored>>(syscall.SIGPIPE-1)&1 == 1 // main does this last
	})
	last, since := "", time.Now()
	until(t.Context(), t, func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		require.NoError(t, err)
		now := ""
		for _, name := range threads {
			stat, _ := os.ReadFile(name) // none of a thread that has just ended
			f := strings.Fields(string(stat[max(bytes.LastIndexByte(stat, ')'), 0):]))
			if len(f) < 14 || f[1] == "R" || f[1] == "D" {
				since = time.Now()
				return false
			}
			now += f[12] + " " + f[13] + "\n" // utime and stime
		}
		if now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}

// leftovers are the files that are there now and were not before.
func (s *shop) leftovers(before []string) []string {
	var more []string
	for _, name := range s.files() {
		if !strings.Contains(strings.Join(before, "\n")+"\n", name+"\n") {
			more = append(more, name)
		}
	}
	return more
}

func (s *shop) files() []string {
	var names []string
	for _, dir := range []string{s.dir, s.path("tmp")} {
		entries, err := os.ReadDir(dir)
		require.NoError(s.t, err)
		for _, e := range entries {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names
}

// The first signal ends every task, whatever it waits for, and nothing of it
// is left.
func TestEndedWhileBlocked(t *testing.T) {
	s := newShop(t, "")
	require.NoError(t, os.Mkdir(s.path("tmp"), 0o700))
	s.seal("big.bin", 60_000)
	big, err := os.ReadFile(s.path("big.bin"))
	require.NoError(t, err)
	rows, err := os.ReadFile(s.path("csv"))
	require.NoError(t, err)
	require.NoError(t, syscall.Mkfifo(s.path("pipe"), 0o600))
	keys := []string{"-key-file", s.path("k"), "-secret-file", s.path("s")}
	ledger := []string{"-ledger-key-file", s.path("l"), "-db", s.db}
	require.NoError(t, os.WriteFile(s.db, nil, 0o600)) // an empty database
	require.Zero(t, run(t.Context(), append(append([]string{"ledger"}, ledger...), "show"), console.To(os.Stdout), speak.VoiceIn("en")))
	for name, tc := range map[string]struct {
		task  string
		stdin []byte // an idle one if it is not empty
		args  []string
	}{
		"seal reads an idle input":     {"seal", rows[:1000], []string{"-", "out.bin"}},
		"seal reads a fifo":            {"seal", nil, []string{"pipe", "out.bin"}},
		"seal writes where none reads": {"seal", nil, []string{"csv", "-"}},
		"seal writes to a fifo":        {"seal", nil, []string{"csv", "pipe"}},
		"open reads an idle input":     {"open", big[:2<<20], []string{"-", "out.csv"}},
		"open writes where none reads": {"open", nil, []string{"big.bin", "-"}},
		"open writes to a fifo":        {"open", nil, []string{"big.bin", "pipe"}},
		"inspect":                      {"inspect", big[:2<<20], []string{"-"}},
		"probe":                        {"probe", big[:2<<20], []string{"-"}},
		"ledger":                       {"ledger", rows[:1000], []string{"reconcile", "-"}},
		"receive":                      {"receive", big[:2<<20], []string{"-"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.files()
			args := []string{tc.task}
			switch tc.task {
			case "ledger":
				args = append(args, ledger...)
			case "receive":
				args = append(append(append(args, keys...), ledger...), "-grace", "0")
			default:
				args = append(args, keys...)
			}
			cmd := s.blocked(tc.stdin, append(args, tc.args...)...)
			idle(t, cmd.Process.Pid)
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			want := exitError
			if tc.task == "receive" {
				want = exitLeft
			}
			assert.Equal(t, want, exitCode(t, cmd), "%s", cmd.Stderr)
			assert.Empty(t, s.leftovers(before))
		})
	}
}

// A FIFO is written to, and stays one: with all of a file, or nothing.
func TestFIFO(t *testing.T) {
	s := newShop(t, "")
	s.seal("good.bin", 2000)
	require.NoError(t, syscall.Mkfifo(s.path("pipe"), 0o600))
	rows, err := os.ReadFile(s.path("csv"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.path("bad.csv"), append(rows, "520625,none,,\n"...), 0o600))
	keys := []string{"-key-file", s.path("k"), "-secret-file", s.path("s")}
	through := func(code int, args ...string) []byte {
		// The test holds both ends, so that neither waits for the other.
		pipe, err := os.OpenFile(s.path("pipe"), os.O_RDWR, 0)
		require.NoError(t, err)
		defer pipe.Close()
		require.Equal(t, code, run(t.Context(), append(append(args[:1:1], keys...), args[1:]...), console.To(os.Stdout), speak.VoiceIn("en")))
		const end = "\x00that was all\x00"
		_, err = io.WriteString(pipe, end)
		require.NoError(t, err)
		var got []byte
		for buf := make([]byte, 4096); !bytes.HasSuffix(got, []byte(end)); {
			n, err := pipe.Read(buf)
			require.NoError(t, err)
			got = append(got, buf[:n]...)
		}
		return bytes.TrimSuffix(got, []byte(end))
	}
	assert.Empty(t, through(exitError, "seal", s.path("bad.csv"), s.path("pipe")))
	assert.Empty(t, through(exitError, "open", s.path("bad.csv"), s.path("pipe")))
	require.NoError(t, os.WriteFile(s.path("one.csv"), rows[:bytes.IndexByte(rows[50:], '\n')+51], 0o600))
	sealed := through(exitOK, "seal", s.path("one.csv"), s.path("pipe"))
	require.NoError(t, os.WriteFile(s.path("one.bin"), sealed, 0o600))
	opened := through(exitOK, "open", s.path("one.bin"), s.path("pipe"))
	assert.NotEmpty(t, opened)
	info, err := os.Lstat(s.path("pipe"))
	require.NoError(t, err)
	assert.Equal(t, os.ModeNamedPipe, info.Mode().Type())
}

// What lies where a sidecar may be is looked at if the profile has one, and
// then only so far.
func TestSidecarIsBounded(t *testing.T) {
	s := newShop(t, "")
	s.seal("plain.bin", 3)
	keys := []string{"-key-file", s.path("k"), "-secret-file", s.path("s")}
	task := func(name string, args ...string) int {
		return run(t.Context(), append(append([]string{name}, keys...), args...), console.To(os.Stdout), speak.VoiceIn("en"))
	}
	require.Zero(t, task("seal", "-profile", "Sidecar", s.path("csv"), s.path("side.bin")))

	require.NoError(t, syscall.Mkfifo(s.path("plain.bin.mac"), 0o600))
	assert.Equal(t, exitOK, task("open", s.path("plain.bin"), s.path("out.csv")))
	for name, put := range map[string]func() error{
		"a fifo":      func() error { return syscall.Mkfifo(s.path("side.bin.mac"), 0o600) },
		"a directory": func() error { return os.Mkdir(s.path("side.bin.mac"), 0o700) },
		"half a terabyte": func() error {
			if err := os.WriteFile(s.path("side.bin.mac"), nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(s.path("side.bin.mac"), 1<<39)
		},
		"none": func() error { return nil },
	} {
		require.NoError(t, os.RemoveAll(s.path("side.bin.mac")))
		require.NoError(t, put())
		assert.Equal(t, exitError, task("open", "-profile", "Sidecar", s.path("side.bin"), s.path("out.csv")), name)
		assert.Equal(t, exitRefused, task("receive", "-profile", "Sidecar", "-ledger-key-file", s.path("l"), "-db", s.db, s.path("side.bin")), name)
	}
}
