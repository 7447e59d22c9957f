package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

var errDiskIO = errors.New("disk I/O error (10)") // SQLite's own words

// hookedShop is a shop on SQLite whose calls of the engine go past a hook.
func hookedShop(t *testing.T) (*dbtest.Hooked, *shop) {
	h := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
	db := sql.OpenDB(h)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return h, openShop(t, db, ledger.Config{})
}

// told is a file that tells when it is first read.
type told struct {
	io.Reader
	first func()
}

func (r *told) Read(p []byte) (int, error) {
	r.first()
	return r.Reader.Read(p)
}

// A failure of the engine is told in its own words.
func TestTold(t *testing.T) {
	h, s := hookedShop(t)
	h.Set(func(s dbtest.Step) error {
		if s.What == "commit" {
			return errInjected
		}
		return nil
	})
	_, err := s.receiver(t, nil).Receive(t.Context(), s.file(t, records(t, s.profile, 1)), "", nil)
	assert.EqualError(t, err, "ledger: merge: "+errInjected.Error())
}

// A merge that waits its turn while the disk fails under another does not
// begin.
func TestStoppedWhileWaiting(t *testing.T) {
	h, s := hookedShop(t)
	reading := make(chan struct{})
	applied := 0
	r := s.receiver(t, func(c *ledger.ReceiverConfig) {
		c.Apply = func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
			applied++
			<-reading // the other has begun, and can only wait
			h.Set(func(s dbtest.Step) error {
				if s.What == "commit" {
					return errDiskIO
				}
				return nil
			})
			return credit(ctx, tx, rec)
		}
	})
	rs := records(t, s.profile, 2)
	first := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		src := &told{s.file(t, rs[:1]), sync.OnceFunc(func() { close(begun) })}
		_, err := r.Receive(t.Context(), src, "", nil)
		first <- err
	}()
	<-begun
	other := &told{s.file(t, rs[1:]), sync.OnceFunc(func() { close(reading) })}
	_, err := r.Receive(t.Context(), other, "", nil)
	assert.ErrorIs(t, err, ledger.ErrStopped)
	assert.ErrorIs(t, <-first, ledger.ErrStopped)
	assert.Equal(t, 1, applied)
	h.Set(nil)
	assert.Empty(t, s.balances(t))
}

// The context ends in the middle of a statement, and the driver only says that
// it was interrupted; or it ends just after the commit, which holds.
func TestInterrupted(t *testing.T) {
	h, s := hookedShop(t)
	r := s.receiver(t, nil)
	rs := records(t, s.profile, 3)
	receive := func(at func(dbtest.Step) bool, then error) (ledger.Report, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		h.Set(func(s dbtest.Step) error {
			if at(s) {
				cancel()
				return then
			}
			return nil
		})
		defer h.Set(nil)
		return r.Receive(ctx, s.file(t, rs), "", nil)
	}
	errInterrupted := errors.New("interrupted (9)")
	rep, err := receive(func(s dbtest.Step) bool { return !s.After && s.What == "commit" }, errInterrupted)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errInterrupted)
	require.Zero(t, rep)
	_, err = receive(func(s dbtest.Step) bool { return s.After && strings.HasPrefix(s.What, "INSERT INTO balance") }, nil)
	require.EqualError(t, err, "ledger: merge: context canceled")
	_, err = receive(func(s dbtest.Step) bool { return s.After && s.What == "begin" }, nil)
	require.EqualError(t, err, "ledger: merge: context canceled")
	rep, err = receive(func(s dbtest.Step) bool { return s.After && s.What == "commit" }, nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, rep.Merged)
	assert.Equal(t, sum(rs), s.balances(t))
}
