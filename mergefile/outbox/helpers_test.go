package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/stretchr/testify/require"
)

var pg pgtest.Server

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	code := m.Run()
	pg.Stop()
	if code == 0 {
		if err := dbtest.Leaks(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func engines(t *testing.T, f func(t *testing.T, db *sql.DB)) {
	t.Run("SQLite", func(t *testing.T) { f(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir()))) })
	t.Run("PostgreSQL", func(t *testing.T) { f(t, dbtest.Open(t, "pgx", pg.DSN(t))) })
}

var (
	fileKey, _ = mergefile.NewKey("k1", []byte("0123456789abcdef"), []byte("correct horse battery staple 42!"))
	ackKey, _  = outbox.NewAckKey([]byte("a secret of the tests, acks"))
	japan      = time.FixedZone("JST", 9*60*60)
)

// cloud is an outbox with a clock, its folder, and who gets the points.
type cloud struct {
	*outbox.Outbox
	db     *sql.DB
	cfg    outbox.Config
	now    atomic.Int64
	member map[string]string // of each subject
	events []outbox.Event
}

func (c *cloud) set(s string) {
	at, err := time.ParseInLocation(time.DateTime, s, japan)
	if err != nil {
		panic(err)
	}
	c.now.Store(at.UnixMicro())
}

var errNoMember = errors.New("no member number")

func open(t testing.TB, db *sql.DB, change func(*outbox.Config)) *cloud {
	t.Helper()
	c := &cloud{db: db, member: map[string]string{"HANAKO01": "520625"}}
	c.set("2026-11-28 10:00:00")
	c.cfg = outbox.Config{Profile: mergefile.Standard(), Keys: fileKey, Dir: t.TempDir(), Acks: ackKey, RetryFor: time.Minute,
		Clock: func() time.Time { return time.UnixMicro(c.now.Load()) },
		Holder: func(_ context.Context, _ *sql.Tx, it outbox.Item) (mergefile.Holder, error) {
			if m := c.member[it.Subject]; m != "" {
				return mergefile.NewMallHolder(m)
			}
			return mergefile.Holder{}, errNoMember
		},
		Audit: func(_ context.Context, e outbox.Event) { c.events = append(c.events, e) },
	}
	if change != nil {
		change(&c.cfg)
	}
	var err error
	c.Outbox, err = outbox.Open(t.Context(), db, c.cfg)
	require.NoError(t, err)
	return c
}

func order(n int) outbox.Order {
	return outbox.Order{Operation: fmt.Sprintf("op%d", n), Subject: "HANAKO01", Points: int64(n)}
}

// files lists the folder.
func files(t testing.TB, dir string) (out []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			out = append(out, filepath.ToSlash(name))
		}
		return err
	}))
	return out
}

// read returns the records of a file.
func read(t testing.TB, p mergefile.Profile, path string) (out []mergefile.Record) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	opts := &mergefile.ReaderOptions{Name: filepath.Base(path)}
	if mac, err := os.ReadFile(path + mergefile.SidecarSuffix); err == nil {
		opts.Sidecar = mac
	}
	r, err := mergefile.NewReader(t.Context(), f, p, fileKey, opts)
	require.NoError(t, err)
	defer r.Close()
	for rec, err := range r.Records() {
		require.NoError(t, err)
		out = append(out, rec)
	}
	return out
}

// mall is the receiving side, in a database of its own.
type mall struct {
	*ledger.Receiver
	db *sql.DB
}

func openMall(t testing.TB, p mergefile.Profile, scope string) *mall {
	t.Helper()
	db := dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir()))
	_, err := db.Exec("CREATE TABLE member (id TEXT PRIMARY KEY, points BIGINT NOT NULL)")
	require.NoError(t, err)
	key, err := ledger.NewKey([]byte("a secret of the tests, mall"))
	require.NoError(t, err)
	l, err := ledger.Open(t.Context(), db, ledger.Config{Key: key})
	require.NoError(t, err)
	r, err := ledger.NewReceiver(ledger.ReceiverConfig{Ledger: l, Profile: p, Keys: fileKey, Scope: scope,
		Apply: func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO member (id, points) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET points = points + excluded.points",
				holderText(rec), int64(rec.Points))
			return err
		}})
	require.NoError(t, err)
	return &mall{r, db}
}

// holderText takes the identifier out of a record, as a program does to credit
// it.
func holderText(r mergefile.Record) string { return r.Holder.Reveal() }

// take receives the files of a folder and returns the acknowledgements of what
// is now merged. Files are gone afterwards.
func (m *mall) take(t testing.TB, dir, scope string) (acks []string) {
	t.Helper()
	for _, name := range files(t, dir) {
		if strings.HasSuffix(name, ".tmp") {
			continue
		}
		path := filepath.Join(dir, name)
		f, err := os.Open(path)
		require.NoError(t, err)
		report, err := m.Receive(t.Context(), f, name, nil)
		require.NoError(t, f.Close())
		require.NoError(t, err, name)
		require.NoError(t, os.Remove(path))
		for _, r := range append(report.MergedRecords, report.DuplicateRecords...) {
			acks = append(acks, ackKey.Seal(scope, r))
		}
	}
	return acks
}

// points is the sum of what the mall has credited.
func (m *mall) points(t testing.TB) (sum int64) {
	t.Helper()
	require.NoError(t, m.db.QueryRow("SELECT coalesce(sum(points), 0) FROM member").Scan(&sum))
	return sum
}
