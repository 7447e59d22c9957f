package inbox_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// BenchmarkLoneFile is the time from the renaming of a file of one record into
// the directory until it lies in Done, merged by a durable commit, beside what
// the merge and two renames take without an inbox.
func BenchmarkLoneFile(b *testing.B) {
	var records int64
	next := func(b *testing.B) []byte {
		records++
		holder, err := mergefile.NewMallHolder("520625")
		require.NoError(b, err)
		tx, err := mergefile.NewTransaction(time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC).Add(time.Duration(records)*time.Second), 1)
		require.NoError(b, err)
		var file bytes.Buffer
		w, err := mergefile.NewWriter(b.Context(), &file, mergefile.Standard(), exampleKey(), nil)
		require.NoError(b, err)
		require.NoError(b, w.Write(mergefile.Record{Holder: holder, Points: 100, Transaction: tx}))
		require.NoError(b, w.Close())
		return file.Bytes()
	}
	// run lets finish bring each file, which lies beside the directory, to its end.
	run := func(b *testing.B, top string, finish func(from, name string)) {
		for i := range b.N {
			b.StopTimer()
			name := fmt.Sprintf("%08d.dat", i)
			from := filepath.Join(top, name)
			require.NoError(b, os.WriteFile(from, next(b), 0o600))
			b.StartTimer()
			finish(from, name)
		}
	}
	boxed := func(configure func(r *ledger.Receiver, c *inbox.Config)) func(b *testing.B) {
		return func(b *testing.B) {
			top := b.TempDir()
			r, db := exampleReceiver(b.Context(), filepath.Join(top, "points.db"))
			defer db.Close()
			dir := filepath.Join(top, "in")
			require.NoError(b, os.Mkdir(dir, 0o700))
			done := make(chan string, 1)
			cfg := inbox.Config{Dir: dir, Audit: func(e inbox.Event) {
				if e.What == inbox.Done {
					done <- e.Name
				}
			}}
			configure(r, &cfg)
			in, err := inbox.Open(cfg)
			require.NoError(b, err)
			defer in.Close()
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- in.Run(ctx) }()
			run(b, top, func(from, name string) {
				require.NoError(b, os.Rename(from, filepath.Join(dir, name)))
				require.Equal(b, name, <-done)
			})
			b.StopTimer()
			cancel()
			require.NoError(b, <-ended)
		}
	}
	b.Run("Receive", boxed(func(r *ledger.Receiver, c *inbox.Config) {
		c.Receive = func(ctx context.Context, d inbox.Delivery) error {
			_, err := r.Receive(ctx, d.Content, d.Name, d.Sidecar)
			return err
		}
	}))
	b.Run("ReceiveAll", boxed(func(r *ledger.Receiver, c *inbox.Config) {
		c.ReceiveAll = func(ctx context.Context, ds []inbox.Delivery) []error {
			var files []ledger.File
			for _, d := range ds {
				files = append(files, ledger.File{Content: d.Content, Name: d.Name, Sidecar: d.Sidecar})
			}
			var errs []error
			for _, res := range r.ReceiveAll(ctx, files) {
				errs = append(errs, res.Err)
			}
			return errs
		}
	}))
	b.Run("without an inbox", func(b *testing.B) {
		top := b.TempDir()
		r, db := exampleReceiver(b.Context(), filepath.Join(top, "points.db"))
		defer db.Close()
		for _, name := range []string{"in", "done"} {
			require.NoError(b, os.Mkdir(filepath.Join(top, name), 0o700))
		}
		run(b, top, func(from, name string) {
			to := filepath.Join(top, "in", name)
			require.NoError(b, os.Rename(from, to))
			f, err := os.Open(to)
			require.NoError(b, err)
			_, err = r.Receive(b.Context(), f, name, nil)
			require.NoError(b, err)
			require.NoError(b, f.Close())
			require.NoError(b, os.Rename(to, filepath.Join(top, "done", name)))
		})
	})
}
