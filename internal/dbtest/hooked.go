package dbtest

import (
	"context"
	"database/sql/driver"
	"sync"

	"modernc.org/sqlite"
)

// Hooked is a database, to be opened with [sql.OpenDB], that calls a hook before
// and after each call to the engine, and before each row of a result. If the hook
// returns an error, the call returns it.
type Hooked struct {
	Engine driver.Driver // nil means SQLite's
	DSN    string

	mu   sync.Mutex
	hook func(Step) error
}

// Step is a moment at which the hook is called.
type Step struct {
	// What is the SQL text of a statement, prepared or not, or one of "begin",
	// "commit", "prepare" and "row".
	What string
	// After is false before the call, which is not made if the hook returns an
	// error. It is true after a call that succeeded; the hook's error then takes
	// the place of its result.
	After bool
}

// Call reports whether the step comes before a call to the engine.
func (s Step) Call() bool { return !s.After && s.What != "row" }

// Set sets the hook, or removes it if hook is nil. One call of it runs at a time.
func (h *Hooked) Set(hook func(Step) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hook = hook
}

// Driver returns the engine's driver. Package sql calls it.
func (h *Hooked) Driver() driver.Driver {
	if h.Engine == nil {
		return &sqlite.Driver{}
	}
	return h.Engine
}

// Connect opens a connection. Package sql calls it.
func (h *Hooked) Connect(context.Context) (driver.Conn, error) {
	c, err := h.Driver().Open(h.DSN)
	if err != nil {
		return nil, err
	}
	return &Conn{c, h}, nil
}

func (h *Hooked) step(s Step) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hook == nil {
		return nil
	}
	return h.hook(s)
}

// Around makes a call between two steps. It is for calls on a [Conn] that package
// sql does not know.
func Around[T any](h *Hooked, what string, call func() (T, error)) (T, error) {
	var none T
	if err := h.step(Step{What: what}); err != nil {
		return none, err
	}
	v, err := call()
	if err == nil {
		err = h.step(Step{What: what, After: true})
	}
	return v, err
}

// Conn is the connection that [sql.Conn.Raw] passes on. It embeds the engine's.
type Conn struct {
	driver.Conn
	h *Hooked
}

// ExecContext runs a statement. Package sql calls it.
func (c *Conn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	return Around(c.h, q, func() (driver.Result, error) { return c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args) })
}

// QueryContext runs a query. Package sql calls it.
func (c *Conn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	return c.h.rows(Around(c.h, q, func() (driver.Rows, error) { return c.Conn.(driver.QueryerContext).QueryContext(ctx, q, args) }))
}

// PrepareContext prepares a statement. Package sql calls it.
func (c *Conn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	s, err := Around(c.h, "prepare", func() (driver.Stmt, error) { return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, q) })
	if err != nil {
		return nil, err
	}
	return &stmt{s, c.h, q}, nil
}

// BeginTx begins a transaction. Package sql calls it.
func (c *Conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	t, err := Around(c.h, "begin", func() (driver.Tx, error) { return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts) })
	if err != nil {
		return nil, err
	}
	return &tx{t, c.h}, nil
}

type stmt struct {
	driver.Stmt
	h    *Hooked
	text string
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return Around(s.h, s.text, func() (driver.Result, error) { return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args) })
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.h.rows(Around(s.h, s.text, func() (driver.Rows, error) { return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args) }))
}

type tx struct {
	driver.Tx
	h *Hooked
}

func (t *tx) Commit() error {
	sent := false
	_, err := Around(t.h, "commit", func() (any, error) { sent = true; return nil, t.Tx.Commit() })
	if !sent {
		t.Tx.Rollback() // as an engine does that fails to commit
	}
	return err
}

type rows struct {
	driver.Rows
	h *Hooked
}

func (h *Hooked) rows(r driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		if r != nil {
			r.Close()
		}
		return nil, err
	}
	return &rows{r, h}, nil
}

func (r *rows) Next(dest []driver.Value) error {
	if err := r.h.step(Step{What: "row"}); err != nil {
		return err
	}
	return r.Rows.Next(dest)
}
