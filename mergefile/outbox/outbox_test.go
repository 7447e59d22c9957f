package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// From the order to the acknowledgement, and both books are equal.
func TestThroughTheMall(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db, nil), t.Context()
		m := openMall(t, c.cfg.Profile, "")
		for n := 1; n <= 100; n++ {
			it, err := c.Add(ctx, order(n))
			require.NoError(t, err)
			again, err := c.Add(ctx, order(n))
			require.NoError(t, err)
			require.Equal(t, it, again)
		}
		sent, err := c.Send(ctx)
		require.NoError(t, err)
		assert.Equal(t, outbox.Sent{Files: 100}, sent)
		sent, err = c.Send(ctx)
		require.NoError(t, err)
		assert.Equal(t, outbox.Sent{Waiting: 100}, sent)

		acks := m.take(t, c.cfg.Dir, "")
		require.Len(t, acks, 100)
		for _, ack := range append(acks, acks[0]) {
			require.NoError(t, c.Acknowledge(ctx, ack))
		}
		c.now.Add(time.Hour.Microseconds())
		sent, err = c.Send(ctx)
		require.NoError(t, err)
		assert.Zero(t, sent)
		assert.Empty(t, files(t, c.cfg.Dir))
		books, err := c.Books(ctx)
		require.NoError(t, err)
		assert.Equal(t, outbox.Books{Items: 100, Points: 5050}, books)
		assert.EqualValues(t, 5050, m.points(t))
		assert.Empty(t, c.events)
		open, err := c.Unacknowledged(ctx, 10)
		require.NoError(t, err)
		assert.Empty(t, open)
	})
}

// A file that is lost is written again, always with the same record, whoever the
// holder has become meanwhile.
func TestSameRecordAgain(t *testing.T) {
	for _, p := range []mergefile.Profile{mergefile.Standard(), mergefile.Sidecar(), mergefile.Published()} {
		t.Run(p.Name, func(t *testing.T) {
			c := open(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), func(cfg *outbox.Config) { cfg.Profile = p })
			ctx := t.Context()
			it, err := c.Add(ctx, order(7))
			require.NoError(t, err)
			var first []mergefile.Record
			for round := range 3 {
				sent, err := c.Send(ctx)
				require.NoError(t, err)
				require.Equal(t, 1, sent.Files)
				list := files(t, c.cfg.Dir)
				var main string
				for _, name := range list {
					if !strings.HasSuffix(name, mergefile.SidecarSuffix) {
						main = name
					}
				}
				want := p.FileNameFor(it.Number)
				if want == "" {
					want = it.Number.String() + ".dat"
				}
				require.Equal(t, want, main)
				got := read(t, p, filepath.Join(c.cfg.Dir, main))
				if round == 0 {
					first = got
					require.Len(t, got, 1)
					require.EqualValues(t, 7, got[0].Points)
					require.Equal(t, it.Number, got[0].Transaction)
				}
				require.Equal(t, first, got)
				for _, name := range list {
					require.NoError(t, os.Remove(filepath.Join(c.cfg.Dir, name)))
				}
				c.member["HANAKO01"] = "999999"
				c.now.Add((10 * time.Minute).Microseconds())
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		for i, tc := range []struct {
			reset mergefile.SequenceReset
			at    []string
			want  []string
		}{
			{mergefile.ResetSecond,
				[]string{"2026-11-28 10:00:00", "2026-11-28 10:00:00", "2026-11-28 10:00:01", "2026-11-28 09:00:00"},
				[]string{"20261128100000-000001", "20261128100000-000002", "20261128100001-000001", "20261128100001-000002"}},
			{mergefile.ResetDay,
				[]string{"2026-11-28 23:59:59", "2026-11-28 23:59:59", "2026-11-29 00:00:00", "2026-11-28 10:00:00", "2026-11-29 08:59:59", "2026-11-29 09:00:00"},
				[]string{"20261128235959-000001", "20261128235959-000002", "20261129000000-000001", "20261129000000-000002", "20261129085959-000003", "20261129090000-000004"}},
			{mergefile.ResetNever,
				[]string{"2026-11-28 10:00:00", "2027-11-28 10:00:00", "2026-01-01 00:00:00"},
				[]string{"20261128100000-000001", "20271128100000-000002", "20271128100000-000003"}},
		} {
			c := open(t, db, func(cfg *outbox.Config) {
				cfg.Prefix = fmt.Sprintf("t%d_", i)
				cfg.Profile.Transaction.Reset = tc.reset
			})
			for j, at := range tc.at {
				c.set(at)
				it, err := c.Add(t.Context(), order(j+1))
				require.NoError(t, err)
				assert.Equal(t, tc.want[j], it.Number.String(), "%s at %s", tc.reset, at)
			}
			other := order(1000)
			other.Scope = "shop-2"
			it, err := c.Add(t.Context(), other)
			require.NoError(t, err)
			assert.EqualValues(t, 1, it.Number.Sequence(), "each scope counts for itself")
		}
		c := open(t, db, func(cfg *outbox.Config) {
			cfg.Prefix, cfg.Profile.Transaction.Digits, cfg.Profile.Transaction.Reset = "full_", 1, mergefile.ResetSecond
		})
		for n := range 9 {
			_, err := c.Add(t.Context(), order(n+1))
			require.NoError(t, err)
		}
		_, err := c.Add(t.Context(), order(10))
		assert.ErrorIs(t, err, outbox.ErrFull)
		c.now.Add(time.Second.Microseconds())
		_, err = c.Add(t.Context(), order(10))
		assert.NoError(t, err)
	})
}

// Sixteen tills, a part of whose transactions is rolled back: no number twice,
// and no gap in what was committed.
func TestNoGap(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		db.SetMaxOpenConns(16)
		c := open(t, db, func(cfg *outbox.Config) { cfg.Profile.Transaction.Reset = mergefile.ResetNever })
		var mu sync.Mutex
		var numbers []int
		regret := errors.New("regret")
		var wg sync.WaitGroup
		for till := range 16 {
			wg.Go(func() {
				for i := range 12 {
					var it outbox.Item
					err := c.Do(t.Context(), func(ctx context.Context, tx *sql.Tx) (err error) {
						if it, err = c.In(tx).Add(ctx, order(1+till*100+i)); err == nil && i%3 == 0 {
							err = regret
						}
						return err
					})
					if errors.Is(err, regret) {
						continue
					}
					if !assert.NoError(t, err) {
						return
					}
					mu.Lock()
					numbers = append(numbers, int(it.Number.Sequence()))
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		sort.Ints(numbers)
		require.Len(t, numbers, 16*8)
		for i, n := range numbers {
			require.Equal(t, i+1, n)
		}
	})
}

func TestOrderRefused(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db, nil), t.Context()
		for name, spoil := range map[string]func(*outbox.Order){
			"no operation":         func(o *outbox.Order) { o.Operation = "" },
			"a long operation":     func(o *outbox.Order) { o.Operation = strings.Repeat("x", 129) },
			"no subject":           func(o *outbox.Order) { o.Subject = "" },
			"zero":                 func(o *outbox.Order) { o.Points = 0 },
			"negative":             func(o *outbox.Order) { o.Points = -5 },
			"more than the digits": func(o *outbox.Order) { o.Points = 1_000_000_000_000_000_000 },
			"a path":               func(o *outbox.Order) { o.Scope = "../x" },
			"a long scope":         func(o *outbox.Order) { o.Scope = strings.Repeat("x", 65) },
		} {
			or := order(1)
			spoil(&or)
			_, err := c.Add(ctx, or)
			assert.ErrorIs(t, err, outbox.ErrOrder, name)
		}
		_, err := c.Add(ctx, order(1))
		require.NoError(t, err)
		for _, spoil := range []func(*outbox.Order){
			func(o *outbox.Order) { o.Points++ }, func(o *outbox.Order) { o.Subject = "TARO0001" }, func(o *outbox.Order) { o.Scope = "b" }} {
			or := order(1)
			spoil(&or)
			_, err = c.Add(ctx, or)
			assert.ErrorIs(t, err, outbox.ErrReused)
		}
		_, err = c.Find(ctx, "op2")
		assert.ErrorIs(t, err, outbox.ErrNoItem)

		for name, spoil := range map[string]func(*outbox.Config){
			"no keys":   func(cfg *outbox.Config) { cfg.Keys = nil },
			"no holder": func(cfg *outbox.Config) { cfg.Holder = nil },
			"no folder": func(cfg *outbox.Config) { cfg.Dir = filepath.Join(cfg.Dir, "absent") },
			"a name for all": func(cfg *outbox.Config) {
				cfg.Profile.FileName = mergefile.FileNameForm{Kind: mergefile.NameFixed, Text: "a.dat"}
			},
			"no profile":       func(cfg *outbox.Config) { cfg.Profile = mergefile.Profile{} },
			"a negative pause": func(cfg *outbox.Config) { cfg.Repeat = -1 },
		} {
			cfg := c.cfg
			spoil(&cfg)
			_, err := outbox.Open(ctx, db, cfg)
			assert.ErrorIs(t, err, outbox.ErrConfig, name)
		}
		_, err = outbox.NewAckKey(make([]byte, outbox.MinAckSecret-1))
		assert.ErrorIs(t, err, outbox.ErrConfig)
	})
}

// An item is taken back or sent, never both.
func TestWithdraw(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db, nil), t.Context()
		_, err := c.Add(ctx, order(1))
		require.NoError(t, err)
		require.NoError(t, c.Withdraw(ctx, "op1"))
		assert.ErrorIs(t, c.Withdraw(ctx, "op1"), outbox.ErrNoItem)
		for n := 2; n < 12; n++ {
			it, err := c.Add(ctx, order(n))
			require.NoError(t, err)
			var wg sync.WaitGroup
			var withdrawn error
			wg.Go(func() { withdrawn = c.Withdraw(ctx, it.Operation) })
			wg.Go(func() {
				_, err := c.Send(ctx)
				assert.NoError(t, err)
			})
			wg.Wait()
			if withdrawn == nil {
				assert.NotContains(t, files(t, c.cfg.Dir), it.Number.String()+".dat")
				continue
			}
			assert.ErrorIs(t, withdrawn, outbox.ErrWritten)
			assert.Contains(t, files(t, c.cfg.Dir), it.Number.String()+".dat")
		}
	})
}

// One item whose holder is unknown, or whose function fails in the database,
// does not keep the others.
func TestHolderFails(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		var mode string
		c := open(t, db, func(cfg *outbox.Config) {
			known := cfg.Holder
			cfg.Holder = func(ctx context.Context, tx *sql.Tx, it outbox.Item) (mergefile.Holder, error) {
				if it.Operation != "op2" {
					return known(ctx, tx, it)
				}
				switch mode {
				case "statement":
					_, err := tx.ExecContext(ctx, "SELECT nonsense FROM nowhere")
					return mergefile.Holder{}, err
				case "malformed":
					return mergefile.Holder{}, nil
				case "end":
					_, err := tx.ExecContext(ctx, "COMMIT")
					if err == nil {
						return known(ctx, tx, it)
					}
					return mergefile.Holder{}, err
				}
				return known(ctx, tx, it)
			}
		})
		ctx := t.Context()
		for n := 1; n <= 3; n++ {
			_, err := c.Add(ctx, order(n))
			require.NoError(t, err)
		}
		for _, mode = range []string{"statement", "malformed"} {
			sent, err := c.Send(ctx)
			require.NoError(t, err, mode)
			assert.Equal(t, 1, sent.Failed, mode)
			assert.Len(t, files(t, c.cfg.Dir), 2)
			require.NotEmpty(t, c.events)
			assert.Equal(t, outbox.NoHolder, c.events[len(c.events)-1].What)
		}
		mode = "end"
		_, err := c.Send(ctx)
		var lost *outbox.LostError
		require.ErrorAs(t, err, &lost)
		assert.Len(t, files(t, c.cfg.Dir), 2)
	})
}

// A file that cannot be written stays for the next call, and the others go on.
func TestFolderFails(t *testing.T) {
	c := open(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), nil)
	ctx := t.Context()
	bad, good := order(1), order(2)
	bad.Scope, good.Scope = "a", "b"
	require.NoError(t, os.WriteFile(filepath.Join(c.cfg.Dir, "a"), []byte("in the way"), 0o600))
	for _, or := range []outbox.Order{bad, good} {
		_, err := c.Add(ctx, or)
		require.NoError(t, err)
	}
	sent, err := c.Send(ctx)
	require.NoError(t, err)
	assert.Equal(t, outbox.Sent{Files: 1, Failed: 1}, sent)
	require.Len(t, c.events, 1)
	assert.Equal(t, outbox.NotSent, c.events[0].What)
	assert.NotContains(t, c.events[0].Err.Error(), "520625")
	require.NoError(t, os.Remove(filepath.Join(c.cfg.Dir, "a")))
	sent, err = c.Send(ctx)
	require.NoError(t, err)
	assert.Equal(t, 1, sent.Files)
	assert.Len(t, files(t, c.cfg.Dir), 2)
	for _, name := range files(t, c.cfg.Dir) {
		assert.NotContains(t, name, ".tmp")
	}
}

func TestAcknowledge(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db, nil), t.Context()
		it, err := c.Add(ctx, order(5))
		require.NoError(t, err)
		h, err := mergefile.NewMallHolder("520625")
		require.NoError(t, err)
		r := mergefile.Record{Holder: h, Points: 5, Transaction: it.Number}
		good := ackKey.Seal("", r)
		assert.ErrorIs(t, c.Acknowledge(ctx, good), outbox.ErrAck, "nothing was sent")
		_, err = c.Send(ctx)
		require.NoError(t, err)

		other := r
		other.Points = 6
		stranger, err := outbox.NewAckKey([]byte("a secret of somebody else"))
		require.NoError(t, err)
		late, err := mergefile.NewTransaction(it.Number.Time().Add(time.Second), 1)
		require.NoError(t, err)
		unknown := r
		unknown.Transaction = late
		for name, ack := range map[string]string{
			"empty":            "",
			"long":             strings.Repeat("x", 1000),
			"other points":     ackKey.Seal("", other),
			"another scope":    ackKey.Seal("b", r),
			"another key":      stranger.Seal("", r),
			"no key":           outbox.AckKey{}.Seal("", r),
			"unknown number":   ackKey.Seal("", unknown),
			"a bit":            strings.Replace(good, good[len(good)-3:len(good)-2], string(good[len(good)-3]^1), 1),
			"scope moved":      strings.Replace(good, " . ", " b ", 1),
			"a word too many":  strings.TrimSuffix(good, "\n") + " x",
			"not hexadecimal":  strings.TrimSuffix(good, "\n")[:len(good)-3] + "zz",
			"no number":        strings.Replace(good, it.Number.String(), "x", 1),
			"number of nobody": strings.Replace(good, it.Number.String(), late.String(), 1),
		} {
			before := len(c.events)
			assert.Equal(t, outbox.ErrAck, c.Acknowledge(ctx, ack), name)
			assert.Len(t, c.events, before+1)
			assert.Equal(t, outbox.BadAck, c.events[before].What)
			assert.Error(t, c.events[before].Err)
		}
		require.NoError(t, c.Acknowledge(ctx, good))
		require.NoError(t, c.Acknowledge(ctx, good))
		found, err := c.Find(ctx, it.Operation)
		require.NoError(t, err)
		assert.False(t, found.Acked.IsZero())

		second, err := c.Add(ctx, order(6))
		require.NoError(t, err)
		assert.ErrorIs(t, c.Settle(ctx, "", second.Number, "tanaka"), outbox.ErrOrder, "it was never written")
		_, err = c.Send(ctx)
		require.NoError(t, err)
		assert.ErrorIs(t, c.Settle(ctx, "", second.Number, ""), outbox.ErrOrder)
		assert.ErrorIs(t, c.Settle(ctx, "b", second.Number, "tanaka"), outbox.ErrNoItem)
		require.NoError(t, c.Settle(ctx, "", second.Number, "tanaka"))
		found, err = c.Find(ctx, second.Operation)
		require.NoError(t, err)
		assert.Equal(t, "tanaka", found.AckedBy)

		without := c.cfg
		without.Acks = outbox.AckKey{}
		o, err := outbox.Open(ctx, db, without)
		require.NoError(t, err)
		assert.ErrorIs(t, o.Acknowledge(ctx, good), outbox.ErrAck)
	})
}
