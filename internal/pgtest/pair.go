package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Pair gives the server a standby, and returns the connection string of a schema
// that no other call has been given, which names both. A commit is acknowledged
// when the standby has it, too. What failover does is what happens when the
// server's machine fails: it ends abruptly, as by [Server.Crash], and the standby
// takes its place. Pair is called once, and [Server.Stop] ends both.
func (s *Server) Pair(t testing.TB) (dsn string, failover func()) {
	t.Helper()
	dsn = s.DSN(t) // starts the server
	s.mu.Lock()
	defer s.mu.Unlock()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("start a standby: %v", err)
		}
	}
	dir, err := os.MkdirTemp("", "pgtest") // see start
	must(err)
	s.standby = &Server{Durable: s.Durable, dir: dir, bin: s.bin, psql: s.psql,
		args: []string{"-c", "primary_conninfo=host=" + s.dir + " user=postgres"}}
	must(giveAway(dir))
	// The copy is made while the server is down, which needs no further program:
	// a package of a server may come without pg_basebackup.
	s.end(syscall.SIGINT)
	clone := exec.Command("cp", "-R", filepath.Join(s.dir, "data"), dir)
	dropRoot(clone)
	if out, err := clone.CombinedOutput(); err != nil {
		must(errors.Join(err, errors.New(string(out))))
	}
	signal := filepath.Join(dir, "data", "standby.signal")
	must(os.WriteFile(signal, nil, 0o600))
	must(giveAway(signal))
	s.args = []string{"-c", "synchronous_standby_names=*"}
	must(s.run())
	must(s.standby.run())
	both := strings.Replace(dsn, "host="+s.dir, fmt.Sprintf("host=%s,%s", s.dir, dir), 1) + " target_session_attrs=read-write"
	return both, func() {
		t.Helper()
		s.Crash(t)
		s.standby.command(t, "SELECT pg_promote()")
	}
}
