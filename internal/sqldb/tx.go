package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// Tx is one transaction. It is used by one goroutine, and not after the
// function it was given to has returned.
type Tx struct {
	Queries
	tx   *sql.Tx
	conn *sql.Conn // nil in a Read
}

// SQL gives the *sql.Tx itself, for a function of the integrator's that is to
// share the transaction with us. It must not commit or roll back.
func (t *Tx) SQL() *sql.Tx { return t.tx }

// Conn gives the connection that a transaction of Write runs on, for what a
// driver offers beyond database/sql (see [sql.Conn.Raw]), such as COPY. It must
// not begin or end a transaction, nor be closed.
func (t *Tx) Conn() *sql.Conn { return t.conn }

// Write runs fn in a transaction and commits when fn returns nil. On any
// error, or a panic, it rolls back and nothing is written.
//
// fn is run again from its start, in a new transaction, when the engine says
// that another was in the way ([IsBusy]), so it must have no effect outside
// its transaction. After [Config.RetryFor] the error wraps [ErrBusy] and the
// driver's last error. PostgreSQL is told to wait for a lock no longer than
// that either (lock_timeout, for this transaction alone); SQLite has its
// busy_timeout. An error of fn's own is given back as it is.
func (d *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	again := func(err error) bool { return IsBusy(err) || errors.Is(err, errNotBegun) }
	until := time.Now().Add(d.retryFor)
	return d.retry(ctx, again, func() error { return d.write(ctx, until, fn) })
}

// errNotBegun marks a transaction that never reached the engine.
var errNotBegun = errors.New("sqldb: stale connection")

// Read runs fn in a read-only transaction, so that all its queries see the
// database at one moment. fn must not write.
func (d *DB) Read(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if d.dialect == PostgreSQL {
		opts.Isolation = sql.LevelRepeatableRead
	}
	return d.retry(ctx, IsBusy, func() error {
		tx, err := d.db.BeginTx(ctx, opts)
		if err != nil {
			return err
		}
		defer tx.Rollback() // nothing to keep
		return fn(ctx, d.tx(tx))
	})
}

func (d *DB) tx(tx *sql.Tx) *Tx {
	return &Tx{Queries: Queries{run: tx, dialect: d.dialect, prefix: d.prefix}, tx: tx}
}

// write is one try of Write, which waits for no lock beyond until.
func (d *DB) write(ctx context.Context, until time.Time, fn func(context.Context, *Tx) error) (err error) {
	if d.writer != nil {
		select {
		case d.writer <- struct{}{}:
			defer func() { <-d.writer }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	// One connection is held throughout, so that a commit that failed can be
	// undone on it.
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, nil)
	if errors.Is(err, driver.ErrBadConn) {
		// The pool kept a connection whose other end has gone. database/sql
		// takes another by itself only when it picks the connection.
		return fmt.Errorf("%w: %w", errNotBegun, err)
	}
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			tx.Rollback() // an error, or fn panicked
		}
	}()
	t := d.tx(tx)
	t.conn = conn
	switch {
	case d.dialect == SQLite:
		// BeginTx says plain BEGIN and offers no way to say IMMEDIATE. A
		// statement that writes, be it no row at all, takes the same lock in
		// the same way as long as it comes first.
		if _, err := t.Exec(ctx, "UPDATE {schema_version} SET version = version WHERE 0"); err != nil {
			return err
		}
	case d.retryFor > 0:
		// The engine's own default is to wait for a row for ever.
		wait := min(max(time.Until(until).Milliseconds(), 1), math.MaxInt32)
		if _, err := t.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", wait)); err != nil {
			return err
		}
	}
	if err := fn(ctx, t); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // nothing was sent, so the outcome is known
	}
	done = true
	err = tx.Commit()
	if err == nil {
		return nil
	}
	if d.dialect == SQLite {
		// A driver may leave the transaction open when COMMIT fails. The
		// usual answer here is that none is active, which is as good.
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		if IsIO(err) {
			// A sync that failed leaves open what reached the disk. Should
			// the machine go down now, recovery may find the transaction
			// complete.
			return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
		}
	} else if commitInDoubt(err) {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return err
}

// commitInDoubt reports whether a failed COMMIT may yet have been carried
// out: the engine did not answer. An engine that answered with an error of
// its own has rolled back, and an answer of ErrTxDone means that nothing was
// sent.
func commitInDoubt(err error) bool {
	if s, ok := errors.AsType[sqlStater](err); ok {
		// 40003 is statement_completion_unknown, class 08 is a connection
		// exception.
		code := s.SQLState()
		return code == "40003" || len(code) == 5 && code[:2] == "08"
	}
	// pgx says so when the engine answered COMMIT with ROLLBACK, because fn
	// had passed over a statement that failed.
	return !errors.Is(err, sql.ErrTxDone) && !strings.Contains(err.Error(), "commit unexpectedly resulted in rollback")
}

// retry calls try until it gives an error that again does not accept, the
// time is up or ctx is done.
func (d *DB) retry(ctx context.Context, again func(error) bool, try func() error) error {
	const first, most = time.Millisecond, 100 * time.Millisecond
	start := time.Now()
	for wait := first; ; wait = min(2*wait, most) {
		err := try()
		if err == nil || !again(err) || errors.Is(err, ErrOutcomeUnknown) {
			return err
		}
		if time.Since(start) >= d.retryFor {
			return fmt.Errorf("%w: %w", ErrBusy, err)
		}
		// A random wait keeps two that met from meeting again.
		timer := time.NewTimer(rand.N(wait) + 1)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}
