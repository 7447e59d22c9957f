package shop_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
)

// The shop's tables are all of the keepers' own.
func TestNoTablesOfItsOwn(t *testing.T) {
	db := dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir()))
	s := open(t, db, config(t))
	enrolled(t, s, 0)
	rows, err := db.Query("SELECT name FROM sqlite_master WHERE type = 'table'")
	require.NoError(t, err)
	defer rows.Close()
	var n int
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		keeper, _, _ := strings.Cut(name, "_")
		assert.Contains(t, []string{"mykey", "ticket", "point", "mall", "mergefile", "outbox", "sqlite"}, keeper, name)
		n++
	}
	require.NoError(t, rows.Err())
	assert.Greater(t, n, 30)
}

var errInjected = errors.New("injected: the disk is full")

// Each step of each act fails once, before it is made and after it was made: as if
// the program had died there, or the answer had been lost. The same call again
// does what is left to do. Every act counts once, and the books are exact in the
// middle.
func TestEveryStepFails(t *testing.T) {
	h := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
	db := sql.OpenDB(h)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	ctx := t.Context()
	cfg := config(t)
	s := open(t, db, cfg)
	card, id := enrolled(t, s, 0)
	require.NoError(t, s.Grant(ctx, id, 1_000_000, "much"))
	v := withMall(t, s, card, "520625")
	at := s.Terminal("T1")
	number := parse(t, mykey.ParseCustomerID, "520625")
	// What an act begins from is made without faults.
	used := func(key string) string {
		_, err := v.Use(ctx, card, at, shop.Order{Key: "of-" + key, Points: 7})
		require.NoError(t, err)
		return "of-" + key
	}
	paper := func(key string) ticket.Ticket {
		tk, err := v.IssueTicket(ctx, card, at, ticket.Order{Key: "of-" + key, Points: 7})
		require.NoError(t, err)
		return tk
	}
	for name, act := range map[string]func(key string) func() error{
		"use": func(key string) func() error {
			return func() error { _, err := v.Use(ctx, card, at, shop.Order{Key: key, Points: 3}); return err }
		},
		"ticket": func(key string) func() error {
			return func() error {
				_, err := v.IssueTicket(ctx, card, at, ticket.Order{Key: key, Points: 3})
				return err
			}
		},
		"combine": func(key string) func() error {
			return func() error { _, err := v.Combine(ctx, card, at, shop.Order{Key: key, Points: 3}); return err }
		},
		"cancel a use": func(key string) func() error {
			of := used(key)
			return func() error { _, err := s.Cancel(ctx, at, of); return err }
		},
		"cancel a ticket by its key": func(key string) func() error {
			tk := paper(key)
			return func() error { _, err := s.Cancel(ctx, at, tk.OrderKey); return err }
		},
		"cancel a ticket": func(key string) func() error {
			tk := paper(key)
			return func() error { _, err := s.CancelTicket(ctx, at, tk.Number, key); return err }
		},
		"cancel a merge": func(key string) func() error {
			_, err := v.Combine(ctx, card, at, shop.Order{Key: "of-" + key, Points: 7})
			require.NoError(t, err)
			return func() error { _, err := s.Cancel(ctx, at, "of-"+key); return err }
		},
		"refund": func(key string) func() error {
			of := used(key)
			return func() error { _, err := s.Refund(ctx, at, shop.Refund{Key: key, Of: of, Points: 2}); return err }
		},
		"paper into points": func(key string) func() error {
			slip, err := s.Slip(paper(key))
			require.NoError(t, err)
			return func() error { _, err := s.RedeemToPoints(ctx, at, slip.QR, key, number); return err }
		},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			v, err = s.Begin(ctx, card) // a visit has five minutes
			require.NoError(t, err)
			sums := func() [4]int64 {
				b, err := s.Books(context.WithoutCancel(ctx))
				require.NoError(t, err)
				require.True(t, b.Exact(), "%+v", b)
				return [4]int64{b.City, b.Ticketed, b.Combined, b.Mall}
			}
			var key int
			// run does one act, whose step number fail fails, and returns what it
			// came to and how many steps it had.
			run := func(fail int) (came [4]int64, steps int) {
				before := sums()
				key++
				do := act(fmt.Sprintf("%s-%d", strings.ReplaceAll(name, " ", "-"), key))
				h.Set(func(s dbtest.Step) error {
					if s.After && (s.What == "begin" || s.What == "row") {
						return nil // nothing is there to be called off
					}
					if steps++; steps == fail {
						return errInjected
					}
					return nil
				})
				err := do()
				h.Set(nil)
				if fail != 0 {
					for _, answer := range []error{point.ErrShort, point.ErrNotUndoable} {
						assert.NotErrorIs(t, err, answer, "step %d", fail)
					}
					sums()
					require.NoError(t, do(), "again after step %d", fail)
				} else {
					require.NoError(t, err)
				}
				for i, n := range sums() {
					came[i] = n - before[i]
				}
				return came, steps
			}
			want, steps := run(0)
			require.Greater(t, steps, 5)
			stride := 12
			if os.Getenv("MYNAKIT_LONG") == "1" {
				stride = 1
			}
			for n := steps; n > 0; n -= stride { // the last of them are those of the commit
				came, _ := run(n)
				require.Equal(t, want, came, "after step %d failed", n)
			}
		})
	}
}
