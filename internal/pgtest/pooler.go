package pgtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pooled returns the connection string of a schema that no other call has been
// given, as [Server.DSN] does, behind PgBouncer in transaction mode with two
// connections: each transaction may run on another one. The pooler ends with the
// test. If PgBouncer is not installed, the test is skipped, or fails when the
// environment variable MYNAKIT_REQUIRE contains the word pgbouncer.
func (s *Server) Pooled(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
		if _, err := os.Stat(program); err != nil {
			const absent = "PgBouncer is not installed (Debian package: pgbouncer)"
			if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "pgbouncer") {
				t.Fatal(absent)
			}
			t.Skip("skipped: " + absent)
		}
	}
	fields := map[string]string{}
	for _, pair := range strings.Fields(s.DSN(t)) {
		key, value, _ := strings.Cut(pair, "=")
		fields[key] = value
	}
	dir, err := os.MkdirTemp("", "pooler") // see start
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := giveAway(dir); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
pooled = host=%s dbname=%s user=%s connect_query='SET search_path TO %s'
[pgbouncer]
listen_addr =
unix_socket_dir = %s
auth_type = any
pool_mode = transaction
default_pool_size = 2
ignore_startup_parameters = extra_float_digits
`, fields["host"], fields["dbname"], fields["user"], fields["search_path"], dir)
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o600), giveAway(config)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, config)
	dropRoot(cmd)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start PgBouncer: %v", err)
	}
	ready, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		var seen strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); seen.WriteString(lines.Text() + "\n") {
			if strings.Contains(lines.Text(), "process up") {
				ready <- nil
				_, _ = io.Copy(io.Discard, out)
				return
			}
		}
		ready <- fmt.Errorf("PgBouncer ended: %s", seen.String())
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		<-done
		_ = cmd.Wait()
	})
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("host=%s port=6432 user=postgres dbname=pooled sslmode=disable", dir)
}
