package inbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// The database's machine fails in the middle of an inbox, with commits under way,
// and its standby takes over. Each file is merged once, and nobody has to do
// anything.
func TestFailover(t *testing.T) {
	var pg pgtest.Server
	defer pg.Stop()
	dsn, failover := pg.Pair(t)
	db := dbtest.Open(t, "pgx", dsn)
	_, err := db.Exec("CREATE TABLE balance (member TEXT PRIMARY KEY, points BIGINT NOT NULL)")
	require.NoError(t, err)

	count := 400
	if os.Getenv("MYNAKIT_LONG") == "1" {
		count = 4000
	}
	top := t.TempDir()
	dir := filepath.Join(top, "in")
	require.NoError(t, os.Mkdir(dir, 0o700))
	numbers := make([]mergefile.Transaction, count)
	want := map[string]int64{}
	for i := range count {
		rec := mergefile.Record{Points: uint64(1 + i)}
		rec.Holder, err = mergefile.NewMallHolder(fmt.Sprint(520625 + i%100))
		require.NoError(t, err)
		rec.Transaction, err = mergefile.NewTransaction(time.Date(2026, 4, 1, 9, 0, i, 0, time.UTC), 1)
		require.NoError(t, err)
		numbers[i] = rec.Transaction
		want[rec.Holder.Reveal()] += int64(rec.Points)
		var file bytes.Buffer
		w, err := mergefile.NewWriter(t.Context(), &file, mergefile.Standard(), exampleKey(), nil)
		require.NoError(t, err)
		require.NoError(t, w.Write(rec))
		require.NoError(t, w.Close())
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d.dat", i)), file.Bytes(), 0o600))
	}

	secret, err := ledger.NewKey([]byte("from a safe place, 32 bytes long"))
	require.NoError(t, err)
	// The mark tells whether the standby lacks what was acknowledged.
	book, err := ledger.Open(t.Context(), db, ledger.Config{Key: secret, Mark: ledger.FileMark(filepath.Join(top, "mark"))})
	require.NoError(t, err)
	var applied atomic.Int64
	middle := make(chan struct{})
	r, err := ledger.NewReceiver(ledger.ReceiverConfig{
		Ledger: book, Profile: mergefile.Standard(), Keys: exampleKey(),
		Apply: func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
			if applied.Add(1) == int64(count/3) {
				close(middle)
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO balance VALUES ($1, $2)
				ON CONFLICT (member) DO UPDATE SET points = balance.points + excluded.points`, rec.Holder.Reveal(), int64(rec.Points))
			return err
		},
	})
	require.NoError(t, err)
	var mu sync.Mutex
	heard := map[inbox.What]int{}
	finished, lost := make(chan struct{}), make(chan error, 1)
	in, err := inbox.Open(inbox.Config{
		Dir: dir, Poll: 50 * time.Millisecond,
		ReceiveAll: func(ctx context.Context, ds []inbox.Delivery) (errs []error) {
			var files []ledger.File
			for _, d := range ds {
				files = append(files, ledger.File{Content: d.Content, Name: d.Name, Sidecar: d.Sidecar})
			}
			for _, res := range r.ReceiveAll(ctx, files) {
				errs = append(errs, res.Err)
			}
			return errs
		},
		Audit: func(e inbox.Event) {
			mu.Lock()
			defer mu.Unlock()
			if heard[e.What]++; e.What == inbox.Done && heard[e.What] == count {
				close(finished)
			}
			if restored := (*ledger.RestoredError)(nil); errors.As(e.Err, &restored) {
				select {
				case lost <- e.Err:
				default:
				}
			}
		},
	})
	require.NoError(t, err)
	defer in.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx) }()
	<-middle
	mu.Lock()
	before := heard[inbox.Done]
	mu.Unlock()
	failover()
	select {
	case <-finished:
	case err := <-lost:
		t.Error(err)
	case err := <-ended:
		require.NoError(t, err)
		t.Fatal("the inbox has ended by itself")
	}
	cancel()
	require.NoError(t, <-ended)

	assert.Equal(t, count, heard[inbox.Done])
	assert.Zero(t, heard[inbox.Quarantined])
	assert.NotZero(t, heard[inbox.Left], "nobody noticed")
	t.Logf("%d done before; left to be tried again %d times", before, heard[inbox.Left])
	rows, err := db.Query("SELECT member, points FROM balance")
	require.NoError(t, err)
	defer rows.Close()
	got := map[string]int64{}
	for rows.Next() {
		var member string
		var points int64
		require.NoError(t, rows.Scan(&member, &points))
		got[member] = points
	}
	require.NoError(t, rows.Err())
	assert.Equal(t, want, got)
	for _, n := range numbers {
		ok, err := book.Has(t.Context(), "", n)
		require.NoError(t, err)
		assert.True(t, ok, n)
	}
}
