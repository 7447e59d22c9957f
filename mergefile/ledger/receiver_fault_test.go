package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// The server goes down when all is done but the commit. Nobody knows what
// became of it, and receiving once more tells.
func TestOutcomeUnknown(t *testing.T) {
	h := &dbtest.Hooked{Engine: stdlib.GetDefaultDriver(), DSN: pg.DSN(t)}
	db := sql.OpenDB(h)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	s := openShop(t, db, ledger.Config{})
	rs := records(t, s.profile, 5)
	r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
	crash := true
	h.Set(func(s dbtest.Step) error {
		if s.What == "commit" && !s.After && crash {
			crash = false
			pg.Crash(t)
		}
		return nil
	})
	_, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
	require.ErrorIs(t, err, ledger.ErrOutcomeUnknown)
	require.NotErrorIs(t, err, ledger.ErrStopped, "it is the connection that broke")
	pg.Restart(t)
	var rep ledger.Report
	// A first try may meet the connection that died.
	require.Eventually(t, func() bool {
		rep, err = r.Receive(t.Context(), s.file(t, rs), "", nil)
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	assert.EqualValues(t, 5, rep.Merged+rep.Duplicates)
	assert.Equal(t, sum(rs), s.balances(t))
}

// Another program keeps the database to itself for too long.
func TestBusy(t *testing.T) {
	dsn := dbtest.ImpatientSQLite(t.TempDir())
	s := openShop(t, dbtest.Open(t, "sqlite", dsn), ledger.Config{RetryFor: time.Millisecond})
	rs := records(t, s.profile, 5)
	r := s.receiver(t, nil)
	other, err := dbtest.Open(t, "sqlite", dsn).BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = other.Exec("DELETE FROM balance")
	require.NoError(t, err)
	rep, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
	assert.ErrorIs(t, err, ledger.ErrBusy)
	assert.Zero(t, rep)
	require.NoError(t, other.Rollback())
	_, err = r.Receive(t.Context(), s.file(t, rs), "", nil)
	assert.NoError(t, err)
}

// The same file at two receivers in the same moment, and files whose balances
// meet in the opposite order under two scopes, where PostgreSQL sees deadlocks.
func TestAtTheSameTime(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := openShop(t, dbtest.Open(t, e.driver, e.dsn(t)), ledger.Config{})
			rs := records(t, s.profile, 30)
			other := slices.Clone(rs)
			slices.Reverse(other)
			var want []mergefile.Record
			for round := range 6 {
				for i := range rs {
					rs[i] = later(t, rs[i], day)
					other[i] = later(t, other[i], day)
				}
				one, two := s.receiver(t, nil), s.receiver(t, func(c *ledger.ReceiverConfig) { c.Scope = "two" })
				var wg sync.WaitGroup
				var mu sync.Mutex
				var errs error
				merged := int64(0)
				for i := range 6 {
					r, file := one, s.file(t, rs)
					if i%2 == 1 {
						r, file = two, s.file(t, other)
					}
					wg.Go(func() {
						rep, err := r.Receive(t.Context(), file, "", nil)
						mu.Lock()
						defer mu.Unlock()
						errs = errors.Join(errs, err)
						merged += rep.Merged
					})
				}
				wg.Wait()
				require.NoError(t, errs, "round %d", round)
				require.EqualValues(t, 2*len(rs), merged)
				want = append(append(want, rs...), other...)
				require.Equal(t, sum(want), s.balances(t))
			}
		})
	}
}

// Reports and errors go into logs.
func TestReportsTellNoHolder(t *testing.T) {
	s := openShop(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), ledger.Config{})
	rs := records(t, s.profile, 3)
	const holder = "HOLDERWHOMNOBODYMAYSEE"
	for i := range rs {
		var err error
		rs[i].Holder, err = mergefile.NewMallHolder(holder)
		require.NoError(t, err)
	}
	var out strings.Builder
	r := s.receiver(t, func(c *ledger.ReceiverConfig) {
		c.Alarm = func(_ context.Context, e *ledger.ConflictError) { fmt.Fprintf(&out, "%v %+v %#v\n", e, *e, *e) }
	})
	for range 2 {
		rep, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
		require.NoError(t, err)
		fmt.Fprintf(&out, "%v %+v %#v\n", rep, rep, rep)
	}
	rs[1].Points++
	rep, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
	require.Error(t, err)
	fmt.Fprintf(&out, "%v %+v %#v %v %+v %#v %+v\n", rep, rep, rep, err, err, err, s.ledger)
	assert.NotContains(t, out.String(), holder)
	assert.NotContains(t, out.String(), ledgerSecret)
	assert.Contains(t, out.String(), rs[1].Transaction.String())
}
