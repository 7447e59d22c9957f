package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Tx is one transaction. It is used by one goroutine, and not after the
// function it was given to has returned.
type Tx struct {
	Queries
	conn  *sql.Conn // nil in a Read and in somebody else's transaction
	db    *DB
	guard guard
}

// SQL returns the *sql.Tx itself. A function of the integrator's gets it by
// [Tx.Call], and not otherwise.
func (t *Tx) SQL() *sql.Tx { return t.tx }

// Conn returns the connection that a transaction of Write runs on, for what a
// driver offers beyond database/sql (see [sql.Conn.Raw]), such as COPY. It must
// not begin or end a transaction, nor be closed.
func (t *Tx) Conn() *sql.Conn { return t.conn }

// ours is the key under which a context holds the *Tx that it is for.
type ours struct{}

// Write runs fn in a transaction and commits when fn returns nil. On any
// error, or a panic, it rolls back and nothing is written.
//
// fn is run again from its start, in a new transaction, when the engine reports
// that another was in the way ([IsBusy]), so it must have no effect outside
// its transaction. After [Config.RetryFor] the error wraps [ErrBusy] and the
// driver's last error. PostgreSQL is told to wait for a lock no longer than
// that either (lock_timeout, for this transaction alone); SQLite has its
// busy_timeout. An error of fn's own is returned as it is.
//
// On PostgreSQL the commit waits until the transaction is on the disk, whatever
// the role's default: synchronous_commit is raised from off and local to on for
// this transaction. On SQLite that is decided when the file is opened.
func (d *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if t, _ := ctx.Value(ours{}).(*Tx); t != nil && t.base.dialect == SQLite && t.base.db == d.base.db {
		return ErrNested
	}
	if err := d.checkMode(ctx); err != nil {
		return err
	}
	d.noteAgain(ctx)
	again := func(err error) bool {
		return IsBusy(err) || errors.Is(err, errNotBegun) || errors.Is(err, errResolved)
	}
	until := time.Now().Add(d.retryFor)
	return d.retry(ctx, again, func() error { return d.attempt(ctx, until, fn) })
}

// Do runs an integrator's function in a transaction, as [DB.Write] does, and
// guards it as [Tx.Call] does. It is what the keepers' Do calls.
func (d *DB) Do(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return d.Write(ctx, func(ctx context.Context, t *Tx) error { return t.Call(ctx, "", fn) })
}

// In returns our queries for somebody else's transaction, which must be one of
// the *sql.DB that Open was given. Nothing in it is tried again, since only its
// owner can: its owner commits, rolls back and repeats. Within [DB.Do] the
// transaction is our own already.
//
// In returns [ErrMode] within a function of a DB in the other mode, [ErrNotDurable] on PostgreSQL if synchronous_commit is off or
// local in it, [ErrOtherDatabase] on SQLite if it is not one of that *sql.DB,
// or the driver's error.
func (d *DB) In(ctx context.Context, tx *sql.Tx) (*Tx, error) {
	if err := d.checkMode(ctx); err != nil {
		return nil, err
	}
	own, _ := ctx.Value(ours{}).(*Tx)
	if own != nil && own.tx == tx && own.base == d.base {
		return own, nil
	}
	t := d.within(tx)
	if d.base.dialect == SQLite {
		var n int64
		err := t.QueryRow(ctx, totalChanges).Scan(&n)
		if err != nil && strings.Contains(err.Error(), "statement from different database") {
			return nil, ErrOtherDatabase
		}
		if err != nil {
			return nil, err
		}
		return t, nil
	}
	if own != nil && own.tx == tx {
		return t, nil // another keeper's Do has seen to it
	}
	var setting string
	if err := t.QueryRow(ctx, "SELECT current_setting('synchronous_commit')").Scan(&setting); err != nil {
		return nil, err
	}
	if setting == "off" || setting == "local" {
		return nil, fmt.Errorf("%w: synchronous_commit is %s; set it to on", ErrNotDurable, setting)
	}
	return t, nil
}

// Whole runs fn so that all of what it does stands, or nothing of it: if fn
// fails, its statements are undone and the transaction goes on. Somebody else's
// transaction may be committed although a call in it failed. On PostgreSQL a
// savepoint costs more than a statement; within hundreds of them a backend slows
// down.
func (t *Tx) Whole(ctx context.Context, fn func() error) error {
	const name = "mynakit_whole"
	if _, err := t.run.ExecContext(ctx, "SAVEPOINT "+name); err != nil {
		return err
	}
	err := fn()
	end := "RELEASE SAVEPOINT " + name
	if err == nil {
		_, err = t.run.ExecContext(ctx, end)
		return err
	}
	// Where this fails too, the transaction is at its end and cannot commit.
	ctx = context.WithoutCancel(ctx)
	if _, undo := t.run.ExecContext(ctx, "ROLLBACK TO SAVEPOINT "+name); undo == nil {
		_, _ = t.run.ExecContext(ctx, end)
	}
	return err
}

// errNotBegun marks a transaction that never reached the engine.
var errNotBegun = errors.New("stale connection")

// Read runs fn in a read-only transaction, so that all its queries see the
// database at one moment. fn must not write.
func (d *DB) Read(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if d.base.dialect == PostgreSQL {
		opts.Isolation = sql.LevelRepeatableRead
	}
	return d.retry(ctx, IsBusy, func() error {
		tx, err := d.base.db.BeginTx(ctx, opts)
		if err != nil {
			return err
		}
		defer tx.Rollback() // nothing to keep
		return fn(ctx, d.within(tx))
	})
}

func (d *DB) within(tx *sql.Tx) *Tx {
	t := &Tx{Queries: Queries{base: d.base, run: tx, tx: tx}, db: d}
	if d.base.dialect == SQLite {
		t.copies = make([]*sql.Stmt, len(d.base.stmts))
	}
	return t
}

// attempt is one try of Write. A transaction that was lost is written down when
// everything of it has been let go.
func (d *DB) attempt(ctx context.Context, until time.Time, fn func(context.Context, *Tx) error) (err error) {
	var t *Tx
	defer func() {
		if t != nil && t.guard.loss != nil {
			err = d.settle(ctx, &t.guard, err)
		}
		err = readOnly(err)
	}()
	return d.write(ctx, until, func(ctx context.Context, tx *Tx) error {
		t = tx
		return fn(context.WithValue(ctx, ours{}, tx), tx)
	})
}

const (
	// BeginTx says plain BEGIN and offers no way to say IMMEDIATE. A
	// statement that writes, be it no row at all, takes the same lock in
	// the same way as long as it comes first.
	takeLock = "UPDATE {schema_version} SET version = version WHERE 0"
	// The engine's own default is to wait for a row for ever. The argument makes
	// it a statement that pgx prepares: as a text it costs twice as much.
	setForWrite = "SELECT set_config('lock_timeout', ?, true), " + raiseCommit
	raiseCommit = `CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
		THEN set_config('synchronous_commit', 'on', true) END`
)

// write runs fn in one transaction, which waits for no lock beyond until.
func (d *DB) write(ctx context.Context, until time.Time, fn func(context.Context, *Tx) error) (err error) {
	if d.writer != nil {
		select {
		case d.writer <- struct{}{}:
			defer func() { <-d.writer }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() {
		if err != nil && d.failed != nil {
			d.failed(err)
		}
	}()
	// One connection is held throughout, so that a commit that failed can be
	// undone on it.
	conn, err := d.base.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	tx, err := beginOn(ctx, conn)
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
			_ = tx.Rollback() // an error, or fn panicked
		}
	}()
	t := d.within(tx)
	t.conn = conn
	if d.base.dialect == SQLite {
		_, err = t.Exec(ctx, takeLock)
	} else {
		wait := "0" // which is without end
		if d.retryFor > 0 {
			wait = strconv.FormatInt(min(max(time.Until(until).Milliseconds(), 1), math.MaxInt32), 10)
		}
		_, err = t.Exec(ctx, setForWrite, wait)
	}
	if err != nil {
		return err
	}
	if err := fn(ctx, t); err != nil {
		return err
	}
	if err := t.finish(ctx); err != nil {
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
	if d.base.dialect == SQLite {
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

// beginOn begins a transaction. ctx ends the wait for it and not the
// transaction: if package sql rolled it back by itself, nobody could tell that
// from an integrator's function having ended it.
func beginOn(ctx context.Context, conn *sql.Conn) (*sql.Tx, error) {
	begun, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	tx, err := conn.BeginTx(begun, nil)
	if err == nil && !stop() {
		_ = tx.Rollback() // package sql may have been first
		err = ctx.Err()
	}
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	return tx, nil
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

// retry calls try until it returns an error that again does not accept, the
// time is up or ctx is done.
func (d *DB) retry(ctx context.Context, again func(error) bool, try func() error) error {
	const first, most = time.Millisecond, 100 * time.Millisecond
	start := time.Now()
	for wait := first; ; wait = min(2*wait, most) {
		err := try()
		if err == nil || !again(err) || errors.Is(err, ErrOutcomeUnknown) {
			return err
		}
		if _, lost := errors.AsType[*LostError](err); lost {
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
