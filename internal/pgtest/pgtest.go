// Package pgtest starts a real PostgreSQL server for a test, in a directory of
// its own, and stops it again. Tests call [Server.DSN] for each database and
// [Server.Stop] at the end. Only tests import it.
//
//	var pg pgtest.Server
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		pg.Stop()
//		os.Exit(code)
//	}
//
//	func TestStore(t *testing.T) {
//		db, err := sql.Open("pgx", pg.DSN(t)) // a new, empty schema
//		…
//	}
//
// The server starts at the first call of [Server.DSN] and is reachable only
// through a Unix socket in its directory. Where PostgreSQL is not installed
// the test is skipped with the name of the package to install, or fails when
// the environment variable MYNAKIT_REQUIRE contains the word postgres. The
// environment variable MYNAKIT_POSTGRES names the directory of another server's
// programs.
package pgtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a PostgreSQL server. The zero Server is ready for use and starts
// when it is first needed.
type Server struct {
	// Durable makes the server sync each commit to disk, as in production.
	// Without it a commit is as fast as memory, which is what most tests
	// want.
	Durable bool

	mu   sync.Mutex
	dir  string
	bin  string // the directory of the server's programs
	psql string
	args []string // the server's further settings
	cmd  *exec.Cmd
	done chan struct{} // closed when the server's output has ended
	next int
	err  error // why the server cannot start; sticky

	standby *Server // see Pair
}

var errAbsent = errors.New("PostgreSQL is not installed (Debian package: postgresql)")

// DSN returns the connection string of a new schema, in the key=value form that
// pgx and lib/pq read. The schema is empty and the only one on the search path,
// so that a test may create anything in it.
func (s *Server) DSN(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil && s.err == nil {
		if s.dir == "" {
			s.err = s.start()
		} else {
			s.err = s.run()
		}
	}
	if errors.Is(s.err, errAbsent) && !strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "postgres") {
		t.Skipf("skipped: %v", s.err)
	}
	if s.err != nil {
		t.Fatalf("start PostgreSQL: %v", s.err)
	}
	// A schema of its own is as good as a database of its own and takes
	// milliseconds instead of half a second.
	return fmt.Sprintf("host=%s user=postgres dbname=postgres search_path=%s sslmode=disable", s.dir, s.create(t, "SCHEMA %s"))
}

// Encoded returns the connection string of a new database in an encoding such as
// EUC_JP. It leaves the connection's encoding open.
func (s *Server) Encoded(t testing.TB, encoding string) string {
	t.Helper()
	s.DSN(t) // starts the server
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.create(t, "DATABASE %s TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING "+encoding)
	return fmt.Sprintf("host=%s user=postgres dbname=%s sslmode=disable", s.dir, name)
}

// create creates something and returns its name.
func (s *Server) create(t testing.TB, what string) string {
	t.Helper()
	s.next++
	name := fmt.Sprintf("t%d", s.next)
	s.command(t, "CREATE "+fmt.Sprintf(what, name))
	return name
}

// command runs a statement.
func (s *Server) command(t testing.TB, text string) {
	t.Helper()
	psql := exec.Command(s.psql, "--no-psqlrc", "--quiet", "--host="+s.dir, "--username=postgres",
		"--dbname=postgres", "--output=/dev/null", "--command="+text)
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", text, err, out)
	}
}

// Crash ends the server as abruptly as a failing machine would. The data stay, and
// [Server.Restart] recovers them.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		t.Fatal("the server is not running")
	}
	// SIGQUIT makes the server abort its sessions and end without a
	// checkpoint, and unlike SIGKILL it leaves no child or shared memory.
	s.end(syscall.SIGQUIT)
}

// Restart starts a crashed server again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.run(); err != nil {
		t.Fatalf("restart PostgreSQL: %v", err)
	}
}

// Stop ends the server and removes its directory. It may be called on a
// server that never started.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		s.end(syscall.SIGINT) // fast shutdown, which sends a standby the rest
	}
	if s.standby != nil {
		s.standby.Stop()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
		s.dir = ""
	}
}

// end signals the server and waits for it. It always ends: after a minute it
// is killed.
func (s *Server) end(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig)
	late := time.AfterFunc(time.Minute, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	<-s.done
	_ = s.cmd.Wait()
	s.cmd = nil
}

// start makes the data directory and runs the server.
func (s *Server) start() (err error) {
	s.bin, s.psql, err = find()
	if err != nil {
		return err
	}
	// The socket's path has room for about 100 bytes, so t.TempDir will not
	// do.
	s.dir, err = os.MkdirTemp("", "pgtest")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(s.dir)
			s.dir = ""
		}
	}()
	if err := giveAway(s.dir); err != nil {
		return err
	}
	init := exec.Command(filepath.Join(s.bin, "initdb"), "--auth=trust", "--username=postgres",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata="+filepath.Join(s.dir, "data"))
	init.Dir = s.dir
	dropRoot(init)
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s.run()
}

// run starts the server and waits until it accepts connections.
func (s *Server) run() error {
	fsync := "off"
	if s.Durable {
		fsync = "on"
	}
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-k", s.dir,
		"-c", "listen_addresses=", "-c", "fsync="+fsync, "-c", "max_connections=200",
		"-c", "lc_messages=C", "-c", "deadlock_timeout=50ms", "-c", "logging_collector=off", "-c", "log_min_messages=warning")
	cmd.Args = append(cmd.Args, s.args...)
	cmd.Dir = s.dir
	dropRoot(cmd)
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		var seen strings.Builder
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if line := lines.Text(); strings.Contains(line, "ready to accept connections") || strings.Contains(line, "ready to accept read-only connections") {
				ready <- nil
				_, _ = io.Copy(io.Discard, out)
				return
			}
			seen.WriteString(lines.Text() + "\n")
		}
		ready <- fmt.Errorf("the server ended: %s", seen.String())
	}()
	s.cmd, s.done = cmd, done
	if err := <-ready; err != nil {
		s.end(syscall.SIGKILL)
		return err
	}
	return nil
}

// find returns the directory of the server's programs, and psql. The server is
// that of the environment variable MYNAKIT_POSTGRES, the newest of Debian's, or
// the one on the path. A package of a server may come without psql.
func find() (bin, psql string, err error) {
	var dirs []string
	if runtime.GOOS != "windows" { // where that, if there at all, is another system's
		dirs, _ = filepath.Glob("/usr/lib/postgresql/*/bin")
	}
	slices.Sort(dirs)
	slices.Reverse(dirs)
	if p, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	has := func(dir, program string) bool {
		_, err := os.Stat(filepath.Join(dir, program))
		return err == nil
	}
	chosen := os.Getenv("MYNAKIT_POSTGRES")
	if chosen != "" {
		dirs = slices.Insert(dirs, 0, chosen)
	}
	i := slices.IndexFunc(dirs, func(d string) bool { return has(d, "initdb") && has(d, "postgres") })
	if i < 0 {
		return "", "", errAbsent
	}
	bin = dirs[i]
	if chosen != "" && bin != chosen {
		return "", "", fmt.Errorf("MYNAKIT_POSTGRES names %s, which has no initdb and postgres", chosen)
	}
	if i := slices.IndexFunc(dirs, func(d string) bool { return has(d, "psql") }); i >= 0 {
		return bin, filepath.Join(dirs[i], "psql"), nil
	}
	if psql, err := exec.LookPath("psql"); err == nil {
		return bin, psql, nil
	}
	return "", "", errors.New("psql is not installed (Debian package: postgresql-client)")
}
