package sqldb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// ErrEnded is returned by [Tx.Call] if the function returned nil although the
// transaction had come to an end or to nothing in it: the engine gave it up, or
// refuses every further statement after one that failed. Nothing was written.
var ErrEnded = errors.New("the transaction ended before its time, or a statement in it failed, and that was passed over")

// Loss is a transaction in which an integrator's function ran and that came to
// an end which this package had not asked for. What was done in it before may
// have been committed or rolled back; what the function did after it was
// written at once, by itself.
type Loss struct {
	// ID identifies the loss. It is empty in a [*LostError] from somebody
	// else's transaction, of which nothing is written down.
	ID string
	// Work and Step are what [Tx.Guard] and [Tx.Call] were given. Step is empty
	// if the program died before it was known.
	Work, Step string
	// At is when the transaction was begun, or when it was found lost.
	At time.Time
	// Committed is whether what was done in the transaction up to its end was
	// committed.
	Committed bool
}

// LostError means that a transaction came to an end which this package had not
// asked for, while a function of the integrator's ran in it: the function ran
// COMMIT or ROLLBACK or called tx.Commit, or SQLite itself rolled back and the
// function went on. It was written down before this error was returned.
type LostError struct {
	Loss Loss
	// Err is the function's own error, or nil.
	Err error
	// Unnoted is why the loss could not be written down, or nil. This DB refuses
	// guarded transactions all the same, and tries again to write it down.
	Unnoted error
}

// Error returns what the transaction was for.
func (e *LostError) Error() string {
	text := "a transaction was lost while a function of the program's ran in it" + e.Loss.place() +
		"; nothing goes on before somebody has looked and resolved it"
	if e.Unnoted != nil {
		text += "; it could not be written down: " + e.Unnoted.Error()
	}
	if e.Err != nil {
		text += "; the function's error: " + e.Err.Error()
	}
	return text
}

// Unwrap returns the function's own error.
func (e *LostError) Unwrap() error { return e.Err }

// UnresolvedError means that lost transactions stand in the database, so that
// nobody can tell what was written twice or not at all.
type UnresolvedError struct{ Losses []Loss }

// Error returns how many there are, and what the first was for.
func (e *UnresolvedError) Error() string {
	return fmt.Sprintf("%d lost transactions are unresolved, the first%s; nothing goes on before somebody has looked", len(e.Losses), e.Losses[0].place())
}

func (l Loss) place() string {
	text := ""
	for _, s := range []string{l.Work, l.Step} {
		if s != "" {
			text += fmt.Sprintf(", %q", s)
		}
	}
	return text
}

// guardSchema is the table of transactions that are guarded. A row is inserted
// before the first function of the integrator's runs and deleted before the
// commit, both in that transaction. So a row that anybody else sees is of a
// transaction that somebody else has committed, or was put there afterwards, in
// a transaction of its own, for one that was lost.
var guardSchema = Schema{Name: "transaction", Steps: [][]string{{
	`CREATE TABLE {unfinished} (
		id        {:text} NOT NULL PRIMARY KEY,
		work      {:text} NOT NULL,
		step      {:text} NOT NULL,
		at        BIGINT NOT NULL,
		committed BIGINT NOT NULL)`,
}}}

// errResolved means that a lost transaction stood in the way and was resolved a
// moment later, so that the same can be tried again.
var errResolved = errors.New("a lost transaction was resolved meanwhile")

const (
	mark = `INSERT INTO {unfinished} (id, work, step, at, committed)
		SELECT CAST(? AS TEXT), CAST(? AS TEXT), '', CAST(? AS BIGINT), 1 WHERE NOT EXISTS (SELECT 1 FROM {unfinished}) RETURNING `
	liteMark     = mark + "0"
	pgMark       = mark + "txid_current()"
	unmark       = "DELETE FROM {unfinished} WHERE id = ?"
	totalChanges = "SELECT total_changes()"
	// Who has a transaction's identifier can tell it from any other.
	pgWhose = "SELECT COALESCE(txid_current_if_assigned(), 0), current_setting('synchronous_commit')"
)

// own returns the queries of this package that are used often.
func (d *DB) own() []string {
	if d.base.dialect == SQLite {
		return []string{takeLock, liteMark, unmark, totalChanges}
	}
	return []string{setForWrite, pgMark, unmark, pgNow, pgWhose}
}

// mark returns the statement that marks a transaction and returns its identifier
// on PostgreSQL.
func (q Queries) mark() string {
	if q.base.dialect == SQLite {
		return liteMark
	}
	return pgMark
}

// guard is what is known of a transaction that integrators' functions run in.
type guard struct {
	begun     bool
	id        string // of the row; empty in somebody else's transaction
	savepoint string // a name that nobody else knows
	xid       int64  // of PostgreSQL
	work      string

	loss    *Loss
	changed bool  // rows were changed, or may have been, in the call that lost it
	cause   error // the function's own error
}

// Guard prepares t for calls of integrators' functions. It writes down, in t
// itself, that such a transaction is under way, and for what work, such as a
// file's name. Before the commit that is deleted again.
//
// Guard returns an [*UnresolvedError] if an earlier transaction was lost. The
// first [Tx.Call] of a transaction calls Guard if nobody has.
func (t *Tx) Guard(ctx context.Context, work string) error {
	if t.guard.begun {
		return nil
	}
	g := guard{begun: true, savepoint: "mynakit_" + strings.ToLower(rand.Text()), work: clip(work)}
	if t.conn != nil {
		g.id = g.savepoint
		if losses := t.db.notNoted(); len(losses) > 0 {
			return &UnresolvedError{Losses: losses}
		}
		err := t.QueryRow(ctx, t.mark(), g.id, g.work, t.base.system().UnixMilli()).Scan(&g.xid)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err != nil {
			losses, err := listLosses(ctx, t.Queries)
			if err != nil {
				return err
			}
			if len(losses) == 0 {
				return errResolved
			}
			return &UnresolvedError{Losses: losses}
		}
	}
	if t.base.dialect == PostgreSQL {
		// One savepoint for all calls: hundreds of them slow a backend. Somebody
		// else's transaction, of which there may be many of us, has none.
		var err error
		if t.conn != nil {
			_, err = t.run.ExecContext(ctx, "SAVEPOINT "+g.savepoint)
		} else {
			err = t.QueryRow(ctx, "SELECT txid_current()").Scan(&g.xid)
		}
		if err != nil {
			return err
		}
	}
	t.guard = g
	return nil
}

// Call runs a function of the integrator's in the transaction and afterwards
// sees whether the transaction is still ours. step is for whoever has to look
// into it if it is not, such as a record's number.
//
// Call returns the function's error. It returns [ErrEnded] or a [*LostError] if
// the transaction is not ours any more, and also if the function panics, a lost
// transaction is written down.
func (t *Tx) Call(ctx context.Context, step string, fn func(ctx context.Context, tx *sql.Tx) error) error {
	if err := t.Guard(ctx, ""); err != nil {
		return err
	}
	if t.guard.loss != nil {
		return t.lost(nil)
	}
	var before int64
	if t.base.dialect == SQLite {
		if err := t.QueryRow(ctx, totalChanges).Scan(&before); err != nil {
			return err
		}
		if _, err := t.run.ExecContext(ctx, "SAVEPOINT "+t.guard.savepoint); err != nil {
			return err
		}
	}
	returned := false
	defer func() {
		if !returned {
			_ = t.check(ctx, step, before, nil) // what matters is in t.guard
		}
	}()
	err := fn(t.db.withMode(ctx), t.tx)
	returned = true
	return t.check(ctx, step, before, err)
}

// checkFor bounds how long PostgreSQL may take to say whose transaction it is.
const checkFor = 10 * time.Second

// check finds out whether the transaction is ours after a function that
// returned cause.
func (t *Tx) check(ctx context.Context, step string, before int64, cause error) error {
	if t.guard.loss != nil {
		return t.lost(cause) // a call within the function has found it out
	}
	outer := ctx.Err()
	// Whether it was cancelled meanwhile makes no difference.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkFor)
	defer cancel()
	ended, err := t.ended(ctx)
	switch {
	case err != nil && cause != nil:
		return cause
	case err != nil:
		return err
	case !ended:
		return cause
	case t.conn == nil && outer != nil:
		return outer // package sql has ended it
	}
	g := &t.guard
	g.loss = &Loss{ID: g.id, Work: g.work, Step: clip(step), At: t.base.system()}
	g.cause, g.changed = cause, true
	if t.base.dialect == SQLite && t.conn != nil {
		var after int64
		if err := t.conn.QueryRowContext(ctx, totalChanges).Scan(&after); err == nil {
			g.changed = after != before
		}
	}
	return t.lost(cause)
}

func (t *Tx) lost(cause error) error { return &LostError{Loss: *t.guard.loss, Err: cause} }

// ended reports whether the transaction is not ours any more.
func (t *Tx) ended(ctx context.Context) (bool, error) {
	if t.base.dialect == SQLite {
		// The name is gone with the transaction, whatever ended it, and also if
		// another was begun since.
		_, err := t.run.ExecContext(ctx, "RELEASE "+t.guard.savepoint)
		if err != nil && (errors.Is(err, sql.ErrTxDone) || strings.Contains(err.Error(), "no such savepoint")) {
			return true, nil
		}
		return false, err
	}
	var xid int64
	var setting string
	err := t.QueryRow(ctx, pgWhose).Scan(&xid, &setting)
	switch {
	case errors.Is(err, sql.ErrTxDone):
		return true, nil
	case hasState(err, "25P02") && t.conn == nil:
		return false, ErrEnded
	case hasState(err, "25P02"):
		// A statement failed, so that none is taken but this one.
		_, err := t.run.ExecContext(ctx, "ROLLBACK TO SAVEPOINT "+t.guard.savepoint)
		if hasState(err, "3B001") {
			return true, nil
		}
		if err == nil {
			err = ErrEnded
		}
		return false, err
	case err != nil:
		return false, err
	case xid != t.guard.xid:
		return true, nil
	}
	if t.conn != nil && (setting == "off" || setting == "local") {
		_, err = t.run.ExecContext(ctx, "SELECT "+raiseCommit)
	}
	return false, err
}

// finish is the last of a guarded transaction.
func (t *Tx) finish(ctx context.Context) error {
	switch {
	case t.guard.loss != nil:
		return t.lost(t.guard.cause)
	case t.guard.id == "":
		return nil
	}
	n, err := t.Exec(ctx, unmark, t.guard.id)
	if err == nil && n != 1 {
		err = ErrEnded // the function has deleted it, or rolled back to a savepoint that was not its own
	}
	return err
}

// noteFor bounds how long it may take to write down a loss.
const noteFor = 10 * time.Second

// settle writes down that a transaction was lost, in one of its own, and
// returns the error of the lost one.
func (d *DB) settle(ctx context.Context, g *guard, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteFor)
	defer cancel()
	real, noteErr := d.note(ctx, g.loss, g.changed)
	if noteErr == nil && !real {
		// SQLite rolled back by itself, and the function has written nothing
		// since: it is as if it had never been called.
		if g.cause != nil {
			return g.cause
		}
		return ErrEnded
	}
	if noteErr != nil {
		d.mu.Lock()
		d.unnoted = append(d.unnoted, *g.loss)
		d.mu.Unlock()
	}
	return &LostError{Loss: *g.loss, Err: g.cause, Unnoted: noteErr}
}

// note writes down a loss and reports whether there was one: rows were changed,
// or the transaction was committed.
func (d *DB) note(ctx context.Context, l *Loss, changed bool) (real bool, err error) {
	until := time.Now().Add(noteFor)
	err = d.retry(ctx, IsBusy, func() error {
		return d.write(ctx, until, func(ctx context.Context, tx *Tx) error {
			var n int
			err := tx.QueryRow(ctx, "SELECT count(*) FROM {unfinished} WHERE id = ?", l.ID).Scan(&n)
			if err != nil {
				return err
			}
			l.Committed = n > 0
			real = changed || l.Committed
			if !real {
				return nil
			}
			_, err = tx.Exec(ctx, `INSERT INTO {unfinished} (id, work, step, at, committed) VALUES (?, ?, ?, ?, 0)
				ON CONFLICT (id) DO UPDATE SET step = excluded.step`, l.ID, l.Work, l.Step, l.At.UnixMilli())
			return err
		})
	})
	return real, err
}

// noteAgain tries to write down what could not be.
func (d *DB) noteAgain(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.unnoted) > 0 {
		if _, err := d.note(ctx, &d.unnoted[0], true); err != nil {
			return
		}
		d.unnoted = d.unnoted[1:]
	}
}

func (d *DB) notNoted() []Loss {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Loss(nil), d.unnoted...)
}

// Losses returns the lost transactions that stand in the database, the earliest
// first.
func (d *DB) Losses(ctx context.Context) ([]Loss, error) {
	var losses []Loss
	err := d.retry(ctx, IsBusy, func() (err error) {
		losses, err = listLosses(ctx, d.Queries)
		return err
	})
	return losses, err
}

// Losses returns the lost transactions that stand in the database as t sees it,
// without t itself.
func (t *Tx) Losses(ctx context.Context) ([]Loss, error) {
	losses, err := listLosses(ctx, t.Queries)
	return slices.DeleteFunc(losses, func(l Loss) bool { return l.ID == t.guard.id }), err
}

func listLosses(ctx context.Context, q Queries) ([]Loss, error) {
	rows, err := q.Query(ctx, "SELECT id, work, step, at, committed FROM {unfinished} ORDER BY at, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var losses []Loss
	for rows.Next() {
		var l Loss
		var at, committed int64
		if err := rows.Scan(&l.ID, &l.Work, &l.Step, &at, &committed); err != nil {
			return nil, err
		}
		l.At, l.Committed = time.UnixMilli(at), committed != 0
		losses = append(losses, l)
	}
	return losses, rows.Err()
}

// Resolve deletes a loss, once a person has looked into it. It returns
// sql.ErrNoRows if there is none of this ID.
func (d *DB) Resolve(ctx context.Context, id string) error {
	return d.Write(ctx, func(ctx context.Context, tx *Tx) error {
		n, err := tx.Exec(ctx, unmark, id)
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		return err
	})
}

// system is the time for what nothing is decided by.
func (b *base) system() time.Time {
	if b.clock != nil {
		return b.clock()
	}
	return time.Now()
}

// clip returns at most 200 characters of a text that anybody may have chosen,
// in a form that every database can store and every screen can show.
func clip(s string) string {
	runes := []rune(strings.ToValidUTF8(s, "?"))
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = '?'
		}
	}
	if len(runes) > 200 {
		runes = append(runes[:199], '…')
	}
	return string(runes)
}
