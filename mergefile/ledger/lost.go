package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

// Loss is a merge whose transaction came to an end that this package had not
// asked for, while the program's Apply ran in it. Its fields:
//
//   - ID, a string, identifies it for [Ledger.Resolve].
//   - Work is the file's name, and Step the record or records that Apply was
//     called with. Step is empty if the program died before it was known.
//   - At, a time.Time, is when the loss was found.
//   - Committed, a bool, reports whether what was done before that end was
//     committed: the numbers of the file up to Step are in the ledger then, and
//     what Apply wrote for them is in the program's tables. If it was rolled
//     back, neither is.
//
// What Apply wrote after that end, in the same call, is in the program's tables
// in any case.
type Loss = sqldb.Loss

// LostError is returned by [Receiver.Receive] and [Ledger.Do] when the
// transaction came to an end that this package had not asked for: the program's
// function ran COMMIT or ROLLBACK or called tx.Commit, or SQLite rolled back by
// itself, as on a full disk or an interrupted statement, and the function wrote
// on. Points may have been given outside of any transaction.
//
// Its fields are Loss, a [Loss]; Err, the function's own error or nil; and
// Unnoted, the error that kept the loss from being written down, or nil. From
// then on nothing is merged, see [UnresolvedError].
type LostError = sqldb.LostError

// UnresolvedError is returned by [Open], [Receiver.Receive], [Ledger.Import],
// [Ledger.Forget] and [Ledger.Do] while a loss stands in the database, also after a restart and for
// all files. Its field Losses lists them. A person has to look into each and
// then call [Ledger.Resolve].
type UnresolvedError = sqldb.UnresolvedError

// ErrNoLoss is returned by [Ledger.Resolve] when there is no such loss.
var ErrNoLoss = errors.New("ledger: no such loss")

// Losses returns the losses that stand in the database, the earliest first.
// Open the ledger with [Config].Unresolved to call it.
func (l *Ledger) Losses(ctx context.Context) ([]Loss, error) {
	losses, err := l.db.Losses(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: list losses: %w", err)
	}
	return losses, nil
}

// Resolve deletes a loss. Merges are possible again when none is left.
//
// Call it when a person has compared the balances of the file's holders with
// what they should be, and corrected them. After a loss that was committed, the
// records up to its Step count as merged: they are found to be duplicates when
// the file is received again, so what Apply left undone for them has to be done
// by hand. After one that was rolled back they count as new, so what Apply wrote
// for them after the end has to be taken back.
func (l *Ledger) Resolve(ctx context.Context, id string) error {
	err := l.db.Resolve(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: %.60q", ErrNoLoss, id)
	}
	if err != nil {
		return fmt.Errorf("ledger: resolve: %w", err)
	}
	return nil
}

// Do runs fn in a transaction that survives a crash once Do has returned nil.
// If another transaction is in the way, fn is run again in a new one, so it must
// have no effect outside tx. It must not end tx. Calls of [Ledger.In], and of
// other packages that offer In, with tx are part of the transaction.
//
// Do returns fn's error as it is. Its own errors are those of
// [Receiver.Receive].
func (l *Ledger) Do(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	own, err := sqldb.Own(fn, func(fn sqldb.Func) error {
		return l.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return tx.Call(ctx, "", fn) })
	})
	if err == nil || own {
		return err
	}
	return fmt.Errorf("ledger: do: %w", err)
}

// Tx is a [Ledger] within one transaction. It is used by one goroutine.
type Tx struct {
	l  *Ledger
	tx *sql.Tx
}

// In returns the ledger within a transaction that somebody else began, on the
// *sql.DB that [Open] was given, and commits or rolls back. Nothing is repeated
// in it. A call returns [ErrNotDurable] if the transaction would not be durable.
func (l *Ledger) In(tx *sql.Tx) *Tx { return &Tx{l, tx} }

// in returns the transaction with our queries.
func (t *Tx) in(ctx context.Context) (*sqldb.Tx, error) {
	if err := t.l.stopped(); err != nil {
		return nil, err
	}
	return t.l.db.In(ctx, t.tx)
}

// Has reports whether the ledger holds a number. It returns [ErrScope],
// [ErrNotDurable], or the driver's error, wrapped.
func (t *Tx) Has(ctx context.Context, scope string, n mergefile.Transaction) (bool, error) {
	tx, err := t.in(ctx)
	if err != nil {
		return false, fmt.Errorf("ledger: look up a number: %w", err)
	}
	return has(ctx, tx.Queries, scope, n)
}

// ErrTwice is returned by [Tx.Remember] for records of which two have one
// number.
var ErrTwice = errors.New("ledger: two records have one number")

// Remember puts the numbers of records into the ledger and returns the records
// whose numbers are new, in their order. The caller credits those in the same
// transaction. It is for programs that do not receive files by a [Receiver].
//
// Remember returns [ErrScope], [ErrTwice], [ErrNotDurable], an
// [*UnresolvedError], a [*TooOldError], a [*ConflictError], or the driver's error,
// wrapped. After an error nothing of the call stands, and the transaction can go
// on.
func (t *Tx) Remember(ctx context.Context, scope string, recs []mergefile.Record) (fresh []mergefile.Record, err error) {
	if err := checkScope(scope); err != nil {
		return nil, err
	}
	digest := t.l.key.digester()
	seen := make(map[mergefile.Transaction]bool, len(recs))
	numbers := make([]number, len(recs))
	for i := range recs {
		if n := recs[i].Transaction; seen[n] {
			return nil, ErrTwice
		}
		seen[recs[i].Transaction] = true
		numbers[i] = number{rowOf(recs[i].Transaction), digest.sum(&recs[i])}
	}
	tx, err := t.in(ctx)
	if err == nil {
		err = tx.Whole(ctx, func() error {
			fresh, err = t.remember(ctx, tx, scope, recs, numbers)
			return err
		})
	}
	if err == nil {
		return fresh, nil
	}
	if c, ok := errors.AsType[*ConflictError](err); ok {
		return nil, c
	}
	if old, ok := errors.AsType[*TooOldError](err); ok {
		return nil, old
	}
	return nil, fmt.Errorf("ledger: remember: %w", err)
}

func (t *Tx) remember(ctx context.Context, tx *sqldb.Tx, scope string, recs []mergefile.Record, numbers []number) ([]mergefile.Record, error) {
	losses, err := tx.Losses(ctx)
	if err != nil {
		return nil, err
	}
	if len(losses) > 0 {
		return nil, &UnresolvedError{Losses: losses}
	}
	id, forgotten, err := hold(ctx, tx, scope, true)
	if err != nil {
		return nil, err
	}
	var old TooOldError
	for i, n := range numbers {
		if n.t.milli >= forgotten {
			continue
		}
		if old.Records++; old.Records == 1 {
			old.First, old.Forgotten = recs[i].Transaction, instant(forgotten)
		}
	}
	if old.Records > 0 {
		return nil, &old
	}
	m := memory{tx: tx, scope: id, told: true}
	outcomes := make([]outcome, len(recs))
	for i := 0; i < len(recs); i += batchRows {
		end := min(i+batchRows, len(recs))
		if err := m.remember(ctx, numbers[i:end], outcomes[i:end]); err != nil {
			return nil, err
		}
	}
	conflict := ConflictError{Scope: scope}
	var fresh []mergefile.Record
	for i, o := range outcomes {
		switch o {
		case isNew:
			fresh = append(fresh, recs[i])
		case isConflict:
			conflict.Conflicts++
			if len(conflict.Records) < DefaultList {
				conflict.Records = append(conflict.Records, recs[i])
			}
		}
	}
	if conflict.Conflicts > 0 {
		return nil, &conflict
	}
	return fresh, nil
}
