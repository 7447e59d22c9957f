package ticket_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/mynakit/mynakit/ticket"
)

var errDisk = errors.New("injected: the disk is full")

// failing is SQLite on a disk that fails at one step, counted from when it was
// armed: a statement, the reading of a row, a BEGIN or a COMMIT.
type failing struct {
	dsn   string
	step  int // so many are left until the one that fails; 0 for never
	fired bool
}

func (f *failing) arm(step int) { f.step, f.fired = step, false }
func (f *failing) disarm()      { f.step = 0 }

func (f *failing) fail() error {
	if f.step > 0 {
		if f.step--; f.step == 0 {
			f.fired = true
			return errDisk
		}
	}
	return nil
}

func (f *failing) Driver() driver.Driver { return &sqlite.Driver{} }

func (f *failing) Connect(context.Context) (driver.Conn, error) {
	c, err := f.Driver().Open(f.dsn)
	return &failingConn{f, c}, err
}

type failingConn struct {
	f *failing
	driver.Conn
}

func (c *failingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.f.fail(); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *failingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.f.fail(); err != nil {
		return nil, err
	}
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	return &failingRows{c.f, rows}, err
}

func (c *failingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.f.fail(); err != nil {
		return nil, err
	}
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return &failingTx{c.f, tx}, err
}

type failingTx struct {
	f *failing
	driver.Tx
}

func (t *failingTx) Commit() error {
	if err := t.f.fail(); err != nil {
		return errors.Join(err, t.Rollback())
	}
	return t.Tx.Commit()
}

type failingRows struct {
	f *failing
	driver.Rows
}

func (r *failingRows) Next(dest []driver.Value) error {
	if err := r.f.fail(); err != nil {
		return err
	}
	return r.Rows.Next(dest)
}

// Every step of every call fails once. The call says so, with nothing in its
// hands; nothing is stored of it; and made again it does its work.
func TestEveryStepFails(t *testing.T) {
	ctx := context.Background()
	type world struct {
		*desk
		store             ticket.Store
		live, used, spare ticket.Ticket
	}
	order := func(key string, points int64) ticket.Order { return ticket.Order{Points: points, Key: key} }
	wrong := ticket.Presentation{Terminal: shop, Code: "0000-0001"}
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
			draft := w.live
			draft.OrderKey = ""
			_, err := w.store.Issue(ctx, ticket.Drafts{Scope: shop.Scope, Tickets: []ticket.Ticket{draft},
				Room: ticket.Room{Draw: func() ticket.Number { return w.live.Number }, Limit: 1000}})
			if fe, ok := errors.AsType[*ticket.FullError](err); ok {
				return *fe, nil
			}
			return nil, err
		},
		"cancel":  func(w *world) (any, error) { return w.Cancel(ctx, shop, w.live.Number) },
		"reprint": func(w *world) (any, error) { return w.Reprint(ctx, shop, w.live.Number) },
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
			f := &failing{dsn: "file:" + t.TempDir() + "/t.db?_pragma=synchronous(OFF)"}
			db := sql.OpenDB(f)
			db.SetMaxOpenConns(1)
			t.Cleanup(func() { assert.NoError(t, db.Close()) })
			s, err := ticket.OpenSQL(ctx, db, ticket.SQLConfig{})
			require.NoError(t, err)
			w := &world{desk: newDesk(t, s, ticket.Config{}), store: s}
			w.spare, err = w.Issue(ctx, shop, order("first", 10))
			require.NoError(t, err)
			w.live, w.used = w.issue(t, 500), w.issue(t, 7)
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
	for _, table := range []string{"ticket_ticket", "ticket_fill", "ticket_miss"} {
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
	dir := t.TempDir()
	failures := 0
	for step := 1; ; step++ {
		require.Less(t, step, 100, "it ends")
		f := &failing{dsn: fmt.Sprintf("file:%s/%d.db?_pragma=synchronous(OFF)", dir, step)}
		db := sql.OpenDB(f)
		f.arm(step)
		s, err := ticket.OpenSQL(t.Context(), db, ticket.SQLConfig{})
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
