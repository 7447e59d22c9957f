package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/internal/console"
	"github.com/mynakit/mynakit/examples/internal/speak"
)

// shop is a place with keys, merge files and a database.
type shop struct {
	t       *testing.T
	dir, db string
	seq     int
	want    map[string]int // points of each holder in all files made
}

func newShop(t *testing.T, db string) *shop {
	s := &shop{t: t, dir: t.TempDir(), db: db, want: map[string]int{}}
	if db == "" {
		s.db = s.path("points.db")
	}
	require.Zero(t, run(t.Context(), []string{"keygen", "-key-file", s.path("k"), "-secret-file", s.path("s"), "-ledger-key-file", s.path("l")}, console.To(os.Stdout), speak.VoiceIn("en")))
	return s
}

func (s *shop) path(name string) string { return filepath.Join(s.dir, name) }

// seal makes a merge file of n records that no other has.
func (s *shop) seal(name string, n int) {
	s.t.Helper()
	var csv strings.Builder
	csv.WriteString("holder,points,transaction_time,sequence\n")
	for range n {
		s.seq++
		holder := fmt.Sprint("5206", 10000+s.seq*7%997)
		s.want[holder] += s.seq%900 + 1
		at := time.Date(2017, 5, 12, 0, 0, s.seq, 0, time.UTC)
		fmt.Fprintf(&csv, "%s,%d,%s,%d\n", holder, s.seq%900+1, at.Format(time.RFC3339), s.seq)
	}
	require.NoError(s.t, os.WriteFile(s.path("csv"), []byte(csv.String()), 0o600))
	require.Zero(s.t, run(s.t.Context(), []string{"seal", "-key-file", s.path("k"), "-secret-file", s.path("s"), s.path("csv"), s.path(name)}, console.To(os.Stdout), speak.VoiceIn("en")))
}

// books are the balances that all files together make.
func (s *shop) books() string {
	var lines []string
	for holder, points := range s.want {
		lines = append(lines, fmt.Sprintf("mall %s %d\n", holder, points))
	}
	// All holders are of one length, so that text sorts like the table.
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// receive is a process of mergetool.
func (s *shop) receive(args ...string) *exec.Cmd {
	s.t.Helper()
	self, err := os.Executable()
	require.NoError(s.t, err)
	cmd := exec.CommandContext(s.t.Context(), self)
	cmd.Args = append([]string{"mergetool", "receive", "-json", "-key-file", s.path("k"), "-secret-file", s.path("s"),
		"-ledger-key-file", s.path("l"), "-db", s.db}, args...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), new(bytes.Buffer)
	return cmd
}

// result is what a process printed.
type result struct {
	Files   []line
	Summary struct{ Files, Refused, Left, Merged, Duplicates, Points int }
}

func (s *shop) result(cmd *exec.Cmd) (r result) {
	s.t.Helper()
	lines := bufio.NewScanner(cmd.Stdout.(*bytes.Buffer))
	for lines.Scan() {
		var one struct {
			line
			Summary *json.RawMessage
		}
		require.NoError(s.t, json.Unmarshal(lines.Bytes(), &one), lines.Text())
		if one.Summary != nil {
			require.NoError(s.t, json.Unmarshal(*one.Summary, &r.Summary))
			continue
		}
		r.Files = append(r.Files, one.line)
	}
	return r
}

// Several processes watch one inbox and share one database: every file is
// merged once.
func sharedInbox(t *testing.T, s *shop, db *sql.DB) {
	require.NoError(t, os.Mkdir(s.path("in"), 0o700))
	const files, processes = 40, 3
	for i := range files {
		s.seal(fmt.Sprintf("in/%03d.bin", i), 5)
	}
	var wg sync.WaitGroup
	merged := make([]int, processes)
	for i := range processes {
		cmd := s.receive("-inbox", "in", "-once")
		wg.Go(func() {
			out := assert.NoError(t, cmd.Run(), "%s", cmd.Stderr)
			if out {
				merged[i] = s.result(cmd).Summary.Merged
			}
		})
	}
	wg.Wait()
	assert.Equal(t, files*5, merged[0]+merged[1]+merged[2])
	got, err := balances(db)
	require.NoError(t, err)
	assert.Equal(t, s.books(), got)
	done, err := os.ReadDir(s.path("in-done"))
	require.NoError(t, err)
	assert.Len(t, done, files)
	left, err := os.ReadDir(s.path("in"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestSharedInbox(t *testing.T) {
	s := newShop(t, "")
	db := sqlite(s.db)
	defer db.Close()
	sharedInbox(t, s, db)
}

// postgres gives a schema of its own and its address.
func postgres(t *testing.T) (*sql.DB, string) {
	dsn := pg.DSN(t)
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	q := url.Values{}
	u := url.URL{Scheme: "postgres", Host: ""}
	for _, pair := range strings.Fields(dsn) {
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case "user":
			u.User = url.User(value)
		case "dbname":
			u.Path = "/" + value
		default:
			q.Set(key, value)
		}
	}
	u.RawQuery = q.Encode()
	return db, u.String()
}

func TestPostgreSQL(t *testing.T) {
	db, address := postgres(t)
	s := newShop(t, address)
	sharedInbox(t, s, db)
	s.seal("last.bin", 1500)
	for _, want := range []int{1500, 0} {
		cmd := s.receive("last.bin")
		require.NoError(t, cmd.Run(), "%s", cmd.Stderr)
		r := s.result(cmd)
		assert.Equal(t, want, r.Summary.Merged)
		assert.Equal(t, 1500-want, r.Summary.Duplicates)
	}
	got, err := balances(db)
	require.NoError(t, err)
	assert.Equal(t, s.books(), got)
	require.Zero(t, run(t.Context(), []string{"ledger", "-ledger-key-file", s.path("l"), "-db", address, "export", s.path("copy")}, console.To(os.Stdout), speak.VoiceIn("en")))
	require.Zero(t, run(t.Context(), []string{"ledger", "-ledger-key-file", s.path("l"), "-db", s.path("new.db"), "import", s.path("copy")}, console.To(os.Stdout), speak.VoiceIn("en")))
}

// until waits for something that another process does, for as long as the test
// may last.
func until(ctx context.Context, t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it never came")
		}
	}
}
