package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// No task reports success when nobody got its answer, on a full disk or behind a
// pipe that nobody reads any more.
func TestOutputIsLost(t *testing.T) {
	s := newShop(t, "")
	s.seal("1.bin", 3)
	require.NoError(t, os.WriteFile(s.path("list.csv"), []byte("transaction_time,sequence\n"), 0o600))
	keys := []string{"-key-file", s.path("k"), "-secret-file", s.path("s")}
	ledger := []string{"ledger", "-ledger-key-file", s.path("l"), "-db", s.db}
	with := func(name string, args ...string) []string { return append(append([]string{name}, keys...), args...) }
	receive := with("receive", "-ledger-key-file", s.path("l"), "-db", s.db)
	join := func(a []string, b ...string) []string { return append(a[:len(a):len(a)], b...) }
	for _, args := range [][]string{
		{"help"},
		with("inspect", "1.bin"),
		with("open", "1.bin", "-"),
		with("seal", "csv", "-"),
		with("probe", "1.bin"),
		{"lint"},
		{"lint", "-json"},
		{"vectors"},
		join(receive, "1.bin"),
		join(receive, "-json", "1.bin"),
		join(ledger, "show"),
		join(ledger, "export", "-"),
		join(ledger, "-keep-days", "36500", "forget"),
		join(ledger, "resolve"),
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		defer full.Close()
		r, gone, err := os.Pipe()
		require.NoError(t, err)
		defer gone.Close()
		require.NoError(t, r.Close())
		for name, out := range map[string]*os.File{"full disk": full, "closed pipe": gone} {
			var stderr bytes.Buffer
			cmd := s.program(args...)
			cmd.Stdout, cmd.Stderr = out, &stderr
			var exit *exec.ExitError
			if assert.ErrorAs(t, cmd.Run(), &exit, "%s: %v", name, args) {
				assert.Equal(t, exitError, exit.ExitCode(), "%s: %v: %s", name, args, &stderr)
			}
			assert.Contains(t, stderr.String(), map[string]string{"full disk": "no space left", "closed pipe": "broken pipe"}[name], "%v", args)
		}
	}
}

// A receiver whose reader has gone stops; what it had merged stays merged.
func TestOutputIsLostToAReceiver(t *testing.T) {
	for name, args := range map[string][]string{
		"named": {"in/1.bin", "in/2.bin", "in/3.bin"},
		"once":  {"-inbox", "in", "-once"},
		"watch": {"-inbox", "in"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, "")
			require.NoError(t, os.Mkdir(s.path("in"), 0o700))
			files := 3
			if name != "named" {
				files = 70 // more than a group
			}
			for i := range files {
				s.seal(fmt.Sprintf("in/%d.bin", i+1), 2)
			}
			r, gone, err := os.Pipe()
			require.NoError(t, err)
			defer gone.Close()
			require.NoError(t, r.Close())
			cmd := s.receive(args...)
			cmd.Stdout = gone
			var exit *exec.ExitError
			require.ErrorAs(t, cmd.Run(), &exit)
			assert.Equal(t, exitError, exit.ExitCode())

			again := s.receive(args...)
			if name == "watch" {
				again = s.receive(append(args, "-once")...)
			}
			require.NoError(t, again.Run(), "%s", again.Stderr)
			sum := s.result(again).Summary
			if name == "named" {
				assert.Equal(t, 4, sum.Merged, "two of three files were not begun")
				assert.Equal(t, 2, sum.Duplicates)
			} else {
				assert.GreaterOrEqual(t, sum.Merged, 12, "the next group was not begun")
				assert.Zero(t, sum.Duplicates, "what was merged was moved")
			}
		})
	}
}

// program is a process of mergetool.
func (s *shop) program(args ...string) *exec.Cmd {
	s.t.Helper()
	self, err := os.Executable()
	require.NoError(s.t, err)
	cmd := exec.CommandContext(s.t.Context(), self)
	cmd.Args = append([]string{"mergetool"}, args...)
	cmd.Dir = s.dir
	return cmd
}
