package mergefile_test

import (
	"context"
	"database/sql/driver"

	"modernc.org/sqlite"
)

// watched is SQLite's driver with a hook before and after each call that goes
// to the engine. The calls' numbers start at 1 once the hook is set.
type watched struct {
	dsn  string
	hook func(at int, what string)
	at   int
}

func (w *watched) Driver() driver.Driver { return &sqlite.Driver{} }

func (w *watched) Connect(context.Context) (driver.Conn, error) {
	c, err := (&sqlite.Driver{}).Open(w.dsn)
	if err != nil {
		return nil, err
	}
	return &watchedConn{c, w}, nil
}

func (w *watched) step(what string) {
	if w.hook != nil {
		w.at++
		w.hook(w.at, what)
	}
}

type watchedConn struct {
	driver.Conn
	w *watched
}

func (c *watchedConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	c.w.step("before " + q)
	defer c.w.step("after " + q)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args)
}

func (c *watchedConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	c.w.step("before " + q)
	defer c.w.step("after " + q)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, q, args)
}

func (c *watchedConn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	return &watchedStmt{s, c.w}, nil
}

func (c *watchedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.w.step("before begin")
	defer c.w.step("after begin")
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
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
	s.w.step("before a prepared statement")
	defer s.w.step("after a prepared statement")
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *watchedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.w.step("before a prepared query")
	defer s.w.step("after a prepared query")
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

type watchedTx struct {
	driver.Tx
	w *watched
}

func (t *watchedTx) Commit() error {
	t.w.step("before commit")
	defer t.w.step("after commit")
	return t.Tx.Commit()
}
