package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ledger runs the task ledger as a process and returns what it printed.
func (s *shop) ledger(args ...string) (code int, out string) {
	s.t.Helper()
	cmd := s.receive()
	cmd.Args = append([]string{"mergetool", "ledger", "-ledger-key-file", s.path("l"), "-db", s.db}, args...)
	text := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = text, text
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), text.String()
}

// What -db means is decided by its form, and no stray file is made of what is
// none.
func TestWhatIsNoDatabase(t *testing.T) {
	for _, db := range []string{"hots=localhost dbname=shop", ":memory:", "file:points.db?mode=ro", "mysql://clerk:open-sesame-42@localhost/shop",
		"host=localhost password=open-sesame-42 dbname=shop", "postgres://clerk:open-sesame-42@localhost/shop"} {
		t.Run(db, func(t *testing.T) {
			s := newShop(t, db)
			s.seal("1.bin", 10)
			before, err := os.ReadDir(s.dir)
			require.NoError(t, err)
			cmd := s.receive("1.bin")
			require.Error(t, cmd.Run())
			assert.Equal(t, exitError, cmd.ProcessState.ExitCode(), "%s", cmd.Stderr)
			assert.NotContains(t, cmd.Stderr.(interface{ String() string }).String(), "open-sesame-42")
			after, err := os.ReadDir(s.dir)
			require.NoError(t, err)
			assert.Len(t, after, len(before), "nothing was made")
		})
	}
	s := newShop(t, "")
	code, out := s.ledger("show")
	assert.Equal(t, exitError, code, out)
	assert.NoFileExists(t, s.db, "looking makes no database")
}

// The words dbname=… and host=… reach the server that they name.
func TestKeywordsReachTheServer(t *testing.T) {
	s := newShop(t, "host="+t.TempDir()+" dbname=shop user=till connect_timeout=5")
	s.seal("1.bin", 10)
	cmd := s.receive("1.bin")
	require.Error(t, cmd.Run())
	assert.Contains(t, cmd.Stderr.(interface{ String() string }).String(), "does not answer")
}

// A lost merge stands in every process's way until somebody has resolved it.
func TestResolve(t *testing.T) {
	s := newShop(t, "")
	s.seal("1.bin", 100)
	s.seal("2.bin", 100)
	cmd := s.receive("1.bin")
	require.NoError(t, cmd.Run(), "%s", cmd.Stderr)
	code, out := s.ledger("resolve")
	require.Zero(t, code, out)
	assert.Equal(t, "lost 0\n", out)

	db, err := sql.Open("sqlite", s.db)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("INSERT INTO mergefile_unfinished (id, work, step, at, committed) VALUES ('abc', 'x.bin', 'record 7', 1494549000000, 0)")
	require.NoError(t, err)
	cmd = s.receive("2.bin")
	require.Error(t, cmd.Run())
	assert.Equal(t, exitError, cmd.ProcessState.ExitCode())
	assert.Contains(t, cmd.Stderr.(interface{ String() string }).String(), "mergetool ledger resolve")
	require.NoError(t, os.Mkdir(s.path("in"), 0o700))
	s.seal("in/3.bin", 10)
	for _, args := range [][]string{{"-inbox", "in"}, {"-inbox", "in", "-once"}} {
		cmd = s.receive(args...)
		require.Error(t, cmd.Run(), "a watch ends by itself")
		assert.Equal(t, exitError, cmd.ProcessState.ExitCode())
		assert.FileExists(t, s.path("in/3.bin"))
	}
	code, out = s.ledger("resolve")
	require.Zero(t, code, out)
	for _, word := range []string{"abc", `"x.bin"`, "record 7", "mergetool_balance", "count as new"} {
		assert.Contains(t, out, word)
	}
	code, out = s.ledger("resolve", "abd")
	assert.Equal(t, exitError, code, out)
	code, out = s.ledger("resolve", "abc")
	require.Zero(t, code, out)
	cmd = s.receive("2.bin", "in/3.bin")
	require.NoError(t, cmd.Run(), "%s", cmd.Stderr)
	got, err := balances(db)
	require.NoError(t, err)
	assert.Equal(t, s.books(), got)
}

// A backup is restored under a mark that is not: the way back is that of the
// documentation, and both sides are equal afterwards.
func TestAcceptRestore(t *testing.T) {
	s := newShop(t, "")
	require.NoError(t, os.Mkdir(s.path("in"), 0o700))
	receive := func() {
		t.Helper()
		cmd := s.receive("-inbox", "in", "-done", s.path("done"), "-quarantine", s.path("quarantine"), "-once")
		require.NoError(t, cmd.Run(), "%s", cmd.Stderr)
	}
	require.NoError(t, os.Mkdir(s.path("done"), 0o700))
	require.NoError(t, os.Mkdir(s.path("quarantine"), 0o700))
	s.seal("in/1.bin", 100)
	receive()
	// A backup, as SQLite makes it.
	db, err := sql.Open("sqlite", s.db)
	require.NoError(t, err)
	_, err = db.Exec("VACUUM INTO '" + filepath.ToSlash(s.path("backup.db")) + "'")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	s.seal("in/2.bin", 100)
	receive()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		require.NoError(t, os.RemoveAll(s.db+suffix))
	}
	require.NoError(t, os.Rename(s.path("backup.db"), s.db))

	s.seal("3.bin", 100)
	cmd := s.receive("3.bin")
	require.Error(t, cmd.Run())
	assert.Equal(t, exitError, cmd.ProcessState.ExitCode())
	assert.Contains(t, cmd.Stderr.(interface{ String() string }).String(), "accept-restore")
	code, out := s.ledger("accept-restore")
	require.Zero(t, code, out)
	done, err := filepath.Glob(s.path("done/*"))
	require.NoError(t, err)
	require.Len(t, done, 2)
	cmd = s.receive(append(done, "3.bin")...)
	require.NoError(t, cmd.Run(), "%s", cmd.Stderr)
	r := s.result(cmd)
	assert.Equal(t, 100, r.Summary.Duplicates)
	assert.Equal(t, 200, r.Summary.Merged)
	db, err = sql.Open("sqlite", s.db)
	require.NoError(t, err)
	defer db.Close()
	got, err := balances(db)
	require.NoError(t, err)
	assert.Equal(t, s.books(), got)
}

// A schema of the user's name appears: balances are where they were.
func TestBalancesInOneSchema(t *testing.T) {
	db, address := postgres(t)
	s := newShop(t, address)
	s.seal("1.bin", 50)
	s.seal("2.bin", 50)
	cmd := s.receive("1.bin")
	require.NoError(t, cmd.Run(), "%s", cmd.Stderr)
	var home string
	require.NoError(t, db.QueryRow("SELECT current_schema()").Scan(&home))
	_, err := db.Exec("CREATE SCHEMA front_" + home)
	require.NoError(t, err)
	s.db = strings.Replace(address, "search_path="+home, "search_path=front_"+home+"%2C"+home, 1)
	require.NotEqual(t, address, s.db)
	cmd = s.receive("2.bin")
	require.NoError(t, cmd.Run(), "%s", cmd.Stderr)
	got, err := balances(db)
	require.NoError(t, err)
	assert.Equal(t, s.books(), got)
	_, err = db.Exec("CREATE TABLE front_" + home + ".mergetool_balance (kind TEXT, holder TEXT, points BIGINT)")
	require.NoError(t, err)
	s.seal("3.bin", 5)
	cmd = s.receive("3.bin")
	require.Error(t, cmd.Run())
	assert.Contains(t, cmd.Stderr.(interface{ String() string }).String(), `"front_`+home+`"`)
}
