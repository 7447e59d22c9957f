package ticket_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/ticket"
)

var errDisk = errors.New("injected: the disk is full")

// failing is SQLite on a disk that fails at one step, counted from when it was
// armed: a statement, the reading of a row, a BEGIN or a COMMIT.
type failing struct {
	dbtest.Hooked
	fired bool
}

func (f *failing) arm(step int) {
	f.fired = false
	f.Set(func(s dbtest.Step) error {
		if s.After {
			return nil
		}
		if step--; step == 0 {
			f.fired = true
			return errDisk
		}
		return nil
	})
}

func (f *failing) disarm() { f.Set(nil) }

// Every step of every call fails once. The call says so, with nothing in its
// hands; nothing is stored of it; and made again it does its work.
func TestEveryStepFails(t *testing.T) {
	ctx := context.Background()
	type world struct {
		*desk
		live, used, spare, paid, old ticket.Ticket
	}
	pay := func(context.Context, *sql.Tx, ticket.Ticket) error { return nil }
	order := func(key string, points int64) ticket.Order { return ticket.Order{Points: points, Key: key} }
	wrong := ticket.Presentation{Terminal: shop, Code: ticket.NewCode("0000-0001")}
	for name, call := range map[string]func(w *world) (any, error){
		"issue": func(w *world) (any, error) { return w.Issue(ctx, shop, order("new", 3)) },
		"issue again, and one more": func(w *world) (any, error) {
			b, err := w.IssueBatch(ctx, shop, []ticket.Order{order("first", 10), order("third", 1), order("", 2)})
			return len(b.Tickets), err
		},
		"inspect": func(w *world) (any, error) {
			return w.Inspect(ctx, ticket.Presentation{Terminal: shop, Code: code(w.live.Number)})
		},
		"inspect a wrong number": func(w *world) (any, error) {
			if _, err := w.Inspect(ctx, wrong); err != ticket.ErrRefused {
				return nil, err
			}
			return true, nil
		},
		"redeem": func(w *world) (any, error) {
			return w.Redeem(ctx, ticket.Presentation{Terminal: shop, Code: code(w.live.Number), Attempt: "x"})
		},
		"redeem a wrong number": func(w *world) (any, error) {
			if _, err := w.Redeem(ctx, wrong); err != ticket.ErrRefused {
				return nil, err
			}
			return true, nil
		},
		"issue where no number is free": func(w *world) (any, error) {
			w.SetDraw(func() ticket.Number { return w.live.Number })
			_, err := w.Issue(ctx, shop, order("", 3))
			if fe, ok := errors.AsType[*ticket.FullError](err); ok {
				return *fe, nil
			}
			return nil, err
		},
		"issue paid": func(w *world) (any, error) {
			return w.Issue(ctx, shop, ticket.Order{Points: 3, Key: "new", Pay: pay})
		},
		"cancel a paid one":     func(w *world) (any, error) { return w.Cancel(ctx, shop, w.paid.Number, "again") },
		"cancel by the payment": func(w *world) (any, error) { return w.CancelPaid(ctx, shop, "paid", "again") },
		"replace a second time": func(w *world) (any, error) { return w.Replace(ctx, shop, w.old.Number, "replaced") },
		"list what is not redeemed": func(w *world) (any, error) {
			n := 0
			for _, err := range w.Unredeemed(ctx, shop.Scope, period(t, "2026-11-01", "2026-12-31")) {
				if err != nil {
					return nil, err
				}
				n++
			}
			return n, nil
		},
		"cancel":  func(w *world) (any, error) { return w.Cancel(ctx, shop, w.live.Number, "again") },
		"reprint": func(w *world) (any, error) { return w.Reprint(ctx, shop, w.live.Number, "again") },
		"replace": func(w *world) (any, error) { return w.Replace(ctx, shop, w.live.Number, "again") },
		"find":    func(w *world) (any, error) { return w.Find(ctx, shop.Scope, w.used.Number) },
		"settle": func(w *world) (any, error) {
			return w.Settle(ctx, shop.Scope, period(t, "2026-11-01", "2026-12-31"))
		},
		"details": func(w *world) (any, error) {
			n := 0
			for _, err := range w.Details(ctx, shop.Scope, period(t, "2026-11-01", "2026-12-31")) {
				if err != nil {
					return nil, err
				}
				n++
			}
			return n, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &failing{Hooked: dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}}
			db := sql.OpenDB(f)
			db.SetMaxOpenConns(1)
			t.Cleanup(func() { assert.NoError(t, db.Close()) })
			w := &world{desk: newDesk(t, tables{db: db}, ticket.Config{
				Refund: func(context.Context, *sql.Tx, ticket.Ticket, ticket.Terminal) error { return nil }})}
			var err error
			w.spare, err = w.Issue(ctx, shop, order("first", 10))
			require.NoError(t, err)
			w.paid, err = w.Issue(ctx, shop, ticket.Order{Points: 20, Key: "paid", Pay: pay})
			require.NoError(t, err)
			w.live, w.used, w.old = w.issue(t, 500), w.issue(t, 7), w.issue(t, 8)
			_, err = w.Replace(ctx, shop, w.old.Number, "replaced")
			require.NoError(t, err)
			_, err = w.Redeem(ctx, ticket.Presentation{Terminal: shop2, Code: code(w.used.Number)})
			require.NoError(t, err)
			for step := 1; ; step++ {
				require.Less(t, step, 600, "it ends")
				before := dump(t, db)
				f.arm(step)
				got, err := call(w)
				f.disarm()
				if !f.fired {
					require.NoError(t, err)
					require.Greater(t, step, 1, "nothing was asked of the database")
					require.NotZero(t, got)
					return
				}
				require.ErrorIs(t, err, errDisk, "step %d", step)
				require.Empty(t, got, "step %d", step)
				require.Equal(t, before, dump(t, db), "step %d: what failed has stored nothing", step)
			}
		})
	}
}

// dump gives all that a store has in its tables.
func dump(t *testing.T, db *sql.DB) (all []string) {
	t.Helper()
	for _, table := range []string{"ticket_ticket", "ticket_fill", "ticket_closed", "ticket_print"} {
		rows, err := db.Query("SELECT * FROM " + table + " ORDER BY 1, 2")
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			require.NoError(t, rows.Scan(values...))
			line := table
			for i, c := range columns {
				line += fmt.Sprintf(" %s=%v", c, *values[i].(*any))
			}
			all = append(all, line)
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
	return all
}

// A database that fails while the tables are made or looked at.
func TestOpenFails(t *testing.T) {
	failures := 0
	for step := 1; ; step++ {
		require.Less(t, step, 100, "it ends")
		f := &failing{Hooked: dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}}
		db := sql.OpenDB(f)
		f.arm(step)
		s, err := ticket.Open(t.Context(), db, ticket.Config{})
		f.disarm()
		if err == nil {
			// Of the questions by which the engine is found out one may fail.
			_, err = s.Find(t.Context(), "A", number(t, "12345678"))
			require.ErrorIs(t, err, ticket.ErrNotFound, "step %d", step)
		} else {
			require.True(t, f.fired)
			require.Nil(t, s, "step %d", step)
			failures++
		}
		require.NoError(t, db.Close())
		if !f.fired {
			require.Greater(t, failures, 5)
			return
		}
	}
}

// Another program keeps the database to itself for longer than RetryFor.
func TestBusy(t *testing.T) {
	dsn := dbtest.ImpatientSQLite(t.TempDir())
	d := newDesk(t, openSQL(t, "sqlite", dsn), ticket.Config{RetryFor: time.Millisecond})
	other, err := dbtest.Open(t, "sqlite", dsn+"&_txlock=immediate").Begin()
	require.NoError(t, err)
	_, err = d.Issue(t.Context(), shop, ticket.Order{Points: 1})
	assert.ErrorIs(t, err, ticket.ErrBusy)
	require.NoError(t, other.Rollback())
	_, err = d.Issue(t.Context(), shop, ticket.Order{Points: 1})
	assert.NoError(t, err)
}
