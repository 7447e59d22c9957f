//go:build unix

package main

import (
	"bytes"
	"database/sql"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slow makes the table of balances, with a trigger that has the engine count
// for a while at each row, so that there is time to end the process in the
// middle of a merge.
func slow(t *testing.T, db *sql.DB) {
	t.Helper()
	require.NoError(t, (&store{DB: db}).createBalance(t.Context()))
	_, err := db.Exec(`CREATE TRIGGER slow AFTER INSERT ON mergetool_balance BEGIN
		SELECT (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000000) SELECT count(*) FROM n);
	END`)
	require.NoError(t, err)
	_, err = db.Exec("PRAGMA journal_mode = WAL")
	require.NoError(t, err)
}

// merging waits until the process holds the database's write lock in the
// middle of a merge: it has remembered numbers, and is at the balances.
func merging(t *testing.T, db *sql.DB) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 0")
	require.NoError(t, err)
	// The ledger's tables are the last that are made before.
	until(t.Context(), t, func() bool {
		var n int
		err := conn.QueryRowContext(t.Context(), "SELECT count(*) FROM mergefile_ledger").Scan(&n)
		return err == nil && n == 1
	})
	until(t.Context(), t, func() bool {
		_, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		if err == nil {
			_, err = conn.ExecContext(t.Context(), "ROLLBACK")
			require.NoError(t, err)
			return false
		}
		return strings.Contains(err.Error(), "locked")
	})
}

func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	if err != nil {
		require.IsType(t, new(exec.ExitError), err)
	}
	return cmd.ProcessState.ExitCode()
}

// listener hears a word in what a process says.
type listener struct {
	all   bytes.Buffer // and no part of it, for io.Copy would use its ReadFrom
	word  string
	heard chan struct{}
	once  sync.Once
}

func (l *listener) Write(b []byte) (int, error) {
	l.all.Write(b)
	if strings.Contains(l.all.String(), l.word) {
		l.once.Do(func() { close(l.heard) })
	}
	return len(b), nil
}

// end sends SIGTERM, and a second one when the first has been taken: two that
// nobody has taken yet would be one.
func end(t *testing.T, cmd *exec.Cmd, signals int) {
	t.Helper()
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	if signals == 2 {
		finishing(t, cmd)
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	}
}

// finishing waits until the process says that it finishes the file in hand.
func finishing(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	select {
	case <-cmd.Stderr.(*listener).heard:
	case <-t.Context().Done():
		t.Fatal("it never said so")
	}
}

// start starts a process of mergetool whose words are listened to.
func (s *shop) start(args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := s.receive(args...)
	cmd.Stderr = &listener{word: "another signal", heard: make(chan struct{})}
	require.NoError(s.t, cmd.Start())
	return cmd
}

// A merge that is told to end is rolled back when its time is up, or at the
// second signal: nothing of it is left, and the same command makes the books
// whole.
func TestRolledBack(t *testing.T) {
	for _, tc := range []struct {
		name    string
		args    []string
		signals int
		code    int
	}{
		{"no time", []string{"-grace", "0", "in/1.bin", "in/2.bin"}, 1, exitLeft},
		{"second signal", []string{"-grace", "1h", "in/1.bin", "in/2.bin"}, 2, exitLeft},
		{"inbox", []string{"-grace", "0", "-inbox", "in"}, 1, exitOK},
		{"inbox once", []string{"-grace", "0", "-inbox", "in", "-once"}, 1, exitLeft},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newShop(t, "")
			db := sqlite(s.db)
			defer db.Close()
			slow(t, db)
			require.NoError(t, os.Mkdir(s.path("in"), 0o700))
			s.seal("in/1.bin", 900)
			s.seal("in/2.bin", 50)

			cmd := s.start(tc.args...)
			merging(t, db)
			end(t, cmd, tc.signals)
			assert.Equal(t, tc.code, exitCode(t, cmd), "%s", cmd.Stdout)
			assert.Zero(t, s.result(cmd).Summary.Merged)
			got, err := balances(db)
			require.NoError(t, err)
			assert.Empty(t, got)
			var numbers int
			require.NoError(t, db.QueryRow("SELECT count(*) FROM mergefile_number").Scan(&numbers))
			assert.Zero(t, numbers)
			for _, name := range []string{"in/1.bin", "in/2.bin"} {
				assert.FileExists(t, s.path(name))
			}

			_, err = db.Exec("DROP TRIGGER slow")
			require.NoError(t, err)
			again := s.receive("-inbox", "in", "-once")
			require.NoError(t, again.Run(), "%s", again.Stderr)
			got, err = balances(db)
			require.NoError(t, err)
			assert.Equal(t, s.books(), got)
		})
	}
}

// The file in hand is finished if there is time, and no other is begun.
func TestFinished(t *testing.T) {
	s := newShop(t, "")
	db := sqlite(s.db)
	defer db.Close()
	s.seal("1.bin", 900)
	first := s.books()
	s.seal("2.bin", 50)
	// A pipe gives as much of the file as the test wants.
	require.NoError(t, syscall.Mkfifo(s.path("pipe"), 0o600))
	cmd := s.start("-grace", "1h", "pipe", "2.bin")
	pipe, err := os.OpenFile(s.path("pipe"), os.O_WRONLY, 0)
	require.NoError(t, err)
	content, err := os.ReadFile(s.path("1.bin"))
	require.NoError(t, err)
	_, err = pipe.Write(content[:1000])
	require.NoError(t, err)
	end(t, cmd, 1)
	finishing(t, cmd)
	_, err = pipe.Write(content[1000:])
	require.NoError(t, err)
	require.NoError(t, pipe.Close())
	assert.Equal(t, exitLeft, exitCode(t, cmd), "%s", cmd.Stdout)
	r := s.result(cmd)
	assert.Equal(t, 900, r.Summary.Merged)
	assert.Equal(t, 1, r.Summary.Left)
	got, err := balances(db)
	require.NoError(t, err)
	assert.Equal(t, first, got)
}

// On PostgreSQL the test holds the table of balances, so that the process has
// remembered the numbers and waits to credit them.
func TestTermPostgreSQL(t *testing.T) {
	for _, finish := range []bool{true, false} {
		t.Run(map[bool]string{true: "finished", false: "rolled back"}[finish], func(t *testing.T) {
			db, address := postgres(t)
			require.NoError(t, (&store{DB: db, dollar: true}).createBalance(t.Context()))
			s := newShop(t, address)
			require.NoError(t, os.Mkdir(s.path("in"), 0o700))
			s.seal("in/1.bin", 900)
			first := s.books()
			s.seal("in/2.bin", 50)

			tx, err := db.Begin()
			require.NoError(t, err)
			defer tx.Rollback()
			_, err = tx.Exec("LOCK TABLE mergetool_balance IN EXCLUSIVE MODE")
			require.NoError(t, err)
			grace := "0"
			if finish {
				grace = "1h"
			}
			cmd := s.start("-grace", grace, "-inbox", "in", "-workers", "1")
			until(t.Context(), t, func() bool {
				var waiting int
				err := db.QueryRow("SELECT count(*) FROM pg_locks WHERE relation = 'mergetool_balance'::regclass AND NOT granted").Scan(&waiting)
				require.NoError(t, err)
				return waiting > 0
			})
			end(t, cmd, 1)
			want := ""
			if finish {
				finishing(t, cmd)
				want = first
				require.NoError(t, tx.Rollback())
			}
			assert.Equal(t, exitOK, exitCode(t, cmd), "%s", cmd.Stdout)
			got, err := balances(db)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			var numbers int
			require.NoError(t, db.QueryRow("SELECT count(*) FROM mergefile_number").Scan(&numbers))
			assert.Equal(t, finish, numbers == 900)
			assert.Equal(t, !finish, numbers == 0)

			_ = tx.Rollback()
			again := s.receive("-inbox", "in", "-once")
			require.NoError(t, again.Run(), "%s", again.Stderr)
			got, err = balances(db)
			require.NoError(t, err)
			assert.Equal(t, s.books(), got)
		})
	}
}
