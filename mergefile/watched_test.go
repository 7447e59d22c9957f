package mergefile_test

import (
	"context"
	"database/sql/driver"
	"sync"
)

// watched is a driver with a hook before and after each call that goes to the
// engine, and before each row that comes from it. The calls' numbers start at 1
// once the hook is set. An error of the hook's becomes the call's: then a call
// that it was asked about before is not made.
type watched struct {
	driver driver.Driver
	dsn    string

	mu   sync.Mutex
	hook func(at int, what string) error
	at   int
}

func (w *watched) Driver() driver.Driver { return w.driver }

func (w *watched) Connect(context.Context) (driver.Conn, error) {
	c, err := w.driver.Open(w.dsn)
	if err != nil {
		return nil, err
	}
	return &watchedConn{c, w}, nil
}

func (w *watched) set(hook func(at int, what string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook, w.at = hook, 0
}

func (w *watched) step(what string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hook == nil {
		return nil
	}
	w.at++
	return w.hook(w.at, what)
}

// around makes a call between two steps.
func around[T any](w *watched, what string, call func() (T, error)) (T, error) {
	var none T
	if err := w.step("before " + what); err != nil {
		return none, err
	}
	v, err := call()
	if err == nil {
		err = w.step("after " + what)
	}
	return v, err
}

type watchedConn struct {
	driver.Conn
	w *watched
}

func (c *watchedConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	return around(c.w, q, func() (driver.Result, error) { return c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args) })
}

func (c *watchedConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	return c.w.rows(around(c.w, q, func() (driver.Rows, error) { return c.Conn.(driver.QueryerContext).QueryContext(ctx, q, args) }))
}

func (c *watchedConn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	s, err := around(c.w, "prepare "+q, func() (driver.Stmt, error) { return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, q) })
	if err != nil {
		return nil, err
	}
	return &watchedStmt{s, c.w}, nil
}

func (c *watchedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := around(c.w, "begin", func() (driver.Tx, error) { return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts) })
	if err != nil {
		return nil, err
	}
	return &watchedTx{tx, c.w}, nil
}

type watchedStmt struct {
	driver.Stmt
	w *watched
}

func (s *watchedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return around(s.w, "a prepared statement", func() (driver.Result, error) { return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args) })
}

func (s *watchedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.w.rows(around(s.w, "a prepared query", func() (driver.Rows, error) { return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args) }))
}

type watchedTx struct {
	driver.Tx
	w *watched
}

func (t *watchedTx) Commit() error {
	sent := false
	_, err := around(t.w, "commit", func() (any, error) { sent = true; return nil, t.Tx.Commit() })
	if !sent {
		t.Tx.Rollback() // as an engine does that fails to commit
	}
	return err
}

type watchedRows struct {
	driver.Rows
	w *watched
}

func (w *watched) rows(rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		if rows != nil {
			rows.Close()
		}
		return nil, err
	}
	return &watchedRows{rows, w}, nil
}

func (r *watchedRows) Next(dest []driver.Value) error {
	if err := r.w.step("a row"); err != nil {
		return err
	}
	return r.Rows.Next(dest)
}
