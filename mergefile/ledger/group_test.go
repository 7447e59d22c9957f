package ledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// single makes a file of each record.
func (s *shop) single(t testing.TB, rs []mergefile.Record) (files [][]byte) {
	for _, r := range rs {
		f, _ := write(t, s.profile, testKey(t), []mergefile.Record{r})
		files = append(files, f)
	}
	return files
}

func asFiles(contents [][]byte) (files []ledger.File) {
	for i, c := range contents {
		files = append(files, ledger.File{Content: bytes.NewReader(c), Name: fmt.Sprintf("%04d.dat", i)})
	}
	return files
}

var errNoMember = errors.New("no such member")

// Files that are received together have the outcome that each has alone.
func TestReceiveAll(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		rs := records(t, s.profile, 150)
		contents := s.single(t, rs)
		changed := rs[7]
		changed.Points++
		mixed, _ := write(t, s.profile, testKey(t), []mergefile.Record{rs[3], later(t, rs[3], 5*day)})
		conflict, _ := write(t, s.profile, testKey(t), []mergefile.Record{later(t, rs[9], 6*day), changed})
		contents[20] = []byte("not valid")
		contents[40] = contents[2] // once more
		contents[60] = mixed
		contents[80] = conflict
		poor := rs[100]
		var alarms []string
		r := s.receiver(t, func(c *ledger.ReceiverConfig) {
			c.Apply = func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
				if err := credit(ctx, tx, rec); err != nil || rec != poor {
					return err
				}
				return errNoMember
			}
			c.Alarm = func(_ context.Context, c *ledger.ConflictError) { alarms = append(alarms, c.Name) }
			c.Workers = 1 // so that it is known which of two copies comes first
		})
		results := r.ReceiveAll(t.Context(), asFiles(contents))
		require.Len(t, results, 150)
		for i, res := range results {
			switch i {
			case 20:
				assert.Equal(t, mergefile.ErrInvalid, res.Err)
			case 40:
				require.NoError(t, res.Err)
				assert.EqualValues(t, 1, res.Report.Duplicates)
			case 60:
				require.NoError(t, res.Err)
				assert.EqualValues(t, 1, res.Report.Merged)
				assert.EqualValues(t, 1, res.Report.Duplicates)
			case 80:
				var c *ledger.ConflictError
				require.ErrorAs(t, res.Err, &c)
				assert.Equal(t, "0080.dat", c.Name)
			case 100:
				var a *ledger.ApplyError
				require.ErrorAs(t, res.Err, &a)
				assert.ErrorIs(t, res.Err, errNoMember)
			default:
				require.NoError(t, res.Err, "%d", i)
				assert.EqualValues(t, 1, res.Report.Merged, "%d", i)
				assert.Equal(t, rs[i].Points, res.Report.Points)
			}
		}
		assert.Equal(t, []string{"0080.dat"}, alarms)
		var merged []mergefile.Record
		for i, rec := range rs {
			if i != 20 && i != 40 && i != 60 && i != 80 && i != 100 {
				merged = append(merged, rec)
			}
		}
		assert.Equal(t, sum(merged, []mergefile.Record{later(t, rs[3], 5*day)}), s.balances(t))
		assert.Equal(t, len(merged), s.has(t, rs))

		for i, res := range r.ReceiveAll(t.Context(), asFiles(contents)) {
			if i != 20 && i != 80 && i != 100 {
				require.NoError(t, res.Err)
				assert.Zero(t, res.Report.Merged)
			}
		}
		assert.Empty(t, r.ReceiveAll(t.Context(), nil))
	})
}

// A hundred waiting files of one record cost two commits on SQLite, where the time
// of a group is no matter, and a file by itself one.
func TestReceiveAllSharesSyncs(t *testing.T) {
	h := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
	db := sql.OpenDB(h)
	defer db.Close()
	s := openShop(t, db, ledger.Config{})
	var commits atomic.Int64
	h.Set(func(step dbtest.Step) error {
		if step.What == "commit" && !step.After {
			commits.Add(1)
		}
		return nil
	})
	contents := s.single(t, records(t, s.profile, 101))
	r := s.receiver(t, nil)
	ledger.SetGroupTime(r, time.Hour)
	for _, res := range r.ReceiveAll(t.Context(), asFiles(contents[:100])) {
		require.NoError(t, res.Err)
	}
	assert.EqualValues(t, 2, commits.Load(), "no group has more than 64 files")
	commits.Store(0)
	require.NoError(t, r.ReceiveAll(t.Context(), asFiles(contents[100:]))[0].Err)
	assert.EqualValues(t, 1, commits.Load())
}

// A group gives way to other writers after 50 ms of work.
func TestReceiveAllEndsInTime(t *testing.T) {
	h := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
	db := sql.OpenDB(h)
	defer db.Close()
	s := openShop(t, db, ledger.Config{})
	commits := 0
	h.Set(func(step dbtest.Step) error {
		if step.What == "commit" && !step.After {
			commits++
		}
		return nil
	})
	slow := s.receiver(t, func(c *ledger.ReceiverConfig) {
		c.Apply = func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
			time.Sleep(60 * time.Millisecond)
			return credit(ctx, tx, rec)
		}
	})
	for _, res := range slow.ReceiveAll(t.Context(), asFiles(s.single(t, records(t, s.profile, 4)))) {
		require.NoError(t, res.Err)
	}
	assert.Equal(t, 4, commits)
}

// A transaction that Apply has lost halts everything, and nothing is merged that
// a person has not looked at.
func TestReceiveAllLost(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := openShop(t, dbtest.Open(t, e.driver, e.dsn(t)), ledger.Config{})
			rs := records(t, s.profile, 30)
			var calls atomic.Int64
			r := s.receiver(t, func(c *ledger.ReceiverConfig) {
				c.Workers = 1
				c.Apply = func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
					calls.Add(1)
					if rec == rs[5] {
						_, _ = tx.ExecContext(ctx, "ROLLBACK")
					}
					return credit(ctx, tx, rec)
				}
			})
			ledger.SetGroupTime(r, time.Hour) // all are in one group
			results := r.ReceiveAll(t.Context(), asFiles(s.single(t, rs)))
			assert.EqualValues(t, 6, calls.Load(), "nobody else is applied")
			merged := 0
			for i, res := range results {
				if res.Err == nil {
					merged++
					continue
				}
				var lost *ledger.LostError
				require.ErrorAs(t, res.Err, &lost, "%d", i)
				assert.Contains(t, lost.Loss.Step, rs[5].Transaction.String())
				assert.Contains(t, lost.Loss.Work+lost.Loss.Step, "0005.dat")
			}
			if e.name == "SQLite" {
				assert.Zero(t, merged)
			} else {
				assert.Equal(t, 5, merged)
			}
			assert.Equal(t, merged, s.has(t, rs))
			_, err := r.Receive(t.Context(), s.file(t, rs[:1]), "", nil)
			var open *ledger.UnresolvedError
			assert.ErrorAs(t, err, &open)
		})
	}
}

// What ends a whole group costs only the file that did it: the others are
// received one by one.
func TestReceiveAllAfterAFailedGroup(t *testing.T) {
	for name, misdeed := range map[string]func(ctx context.Context, tx *sql.Tx) error{
		"the engine rolls back": func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT OR ROLLBACK INTO balance (holder, points) VALUES ('x', 1), ('x', 2)")
			return err
		},
		"and it is passed over": func(ctx context.Context, tx *sql.Tx) error {
			_, _ = tx.ExecContext(ctx, "INSERT OR ROLLBACK INTO balance (holder, points) VALUES ('x', 1), ('x', 2)")
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openShop(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), ledger.Config{})
			rs := records(t, s.profile, 20)
			r := s.receiver(t, func(c *ledger.ReceiverConfig) {
				c.Apply = func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
					if rec == rs[5] {
						return misdeed(ctx, tx)
					}
					return credit(ctx, tx, rec)
				}
			})
			ledger.SetGroupTime(r, time.Hour)
			for i, res := range r.ReceiveAll(t.Context(), asFiles(s.single(t, rs))) {
				assert.Equal(t, i == 5, res.Err != nil, "%d: %v", i, res.Err)
			}
			assert.Equal(t, sum(rs[:5], rs[6:]), s.balances(t))
			assert.Equal(t, 19, s.has(t, rs))
		})
	}
}

// An answer to a COMMIT that was lost is the answer for the whole group, and
// receiving again finds out what it was.
func TestReceiveAllOutcomeUnknown(t *testing.T) {
	h := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
	db := sql.OpenDB(h)
	defer db.Close()
	s := openShop(t, db, ledger.Config{})
	rs := records(t, s.profile, 10)
	contents := s.single(t, rs)
	boom := errors.New("the answer is lost")
	for _, after := range []bool{false, true} {
		fired := false
		h.Set(func(step dbtest.Step) error {
			if step == (dbtest.Step{What: "commit", After: after}) && !fired {
				fired = true
				return boom
			}
			return nil
		})
		for _, res := range s.receiver(t, nil).ReceiveAll(t.Context(), asFiles(contents)) {
			if res.Err != nil {
				assert.ErrorIs(t, res.Err, boom)
			}
		}
		assert.True(t, fired)
	}
	h.Set(nil)
	for _, res := range s.receiver(t, nil).ReceiveAll(t.Context(), asFiles(contents)) {
		require.NoError(t, res.Err)
	}
	assert.Equal(t, sum(rs), s.balances(t))
}

// Several files are merged at a time on PostgreSQL, and each once.
func TestReceiveAllWorkers(t *testing.T) {
	s := openShop(t, dbtest.Open(t, "pgx", pg.DSN(t)), ledger.Config{})
	rs := records(t, s.profile, 40)
	var mu sync.Mutex
	now, most := 0, 0
	together := make(chan struct{})
	// The first file of a scope makes the scope, and the others wait for it.
	first := records(t, s.profile, 41)[40:]
	_, err := s.receiver(t, nil).Receive(t.Context(), s.file(t, first), "", nil)
	require.NoError(t, err)
	r := s.receiver(t, func(c *ledger.ReceiverConfig) {
		c.Workers = 3
		c.Apply = func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
			mu.Lock()
			if now++; now > most {
				if most = now; most == 3 {
					close(together)
				}
			}
			mu.Unlock()
			select { // until three are here
			case <-together:
			case <-ctx.Done():
			}
			mu.Lock()
			now--
			mu.Unlock()
			return credit(ctx, tx, rec)
		}
	})
	for _, res := range r.ReceiveAll(t.Context(), asFiles(s.single(t, rs))) {
		require.NoError(t, res.Err)
		assert.EqualValues(t, 1, res.Report.Merged)
	}
	assert.Equal(t, 3, most)
	assert.Equal(t, sum(rs, first), s.balances(t))
}

func TestReceiveAllCancelled(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		rs := records(t, s.profile, 20)
		ctx, cancel := context.WithCancel(t.Context())
		r := s.receiver(t, func(c *ledger.ReceiverConfig) {
			c.Apply = func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
				if rec == rs[7] {
					cancel()
				}
				return credit(ctx, tx, rec)
			}
		})
		merged := 0
		for _, res := range r.ReceiveAll(ctx, asFiles(s.single(t, rs))) {
			if res.Err == nil {
				merged++
			} else {
				assert.ErrorIs(t, res.Err, context.Canceled)
			}
		}
		assert.Equal(t, merged, s.has(t, rs))
		assert.Less(t, merged, 20)
	})
}
