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
	var own error
	err := l.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.Call(ctx, "", func(ctx context.Context, tx *sql.Tx) error {
			own = fn(ctx, tx)
			return own
		})
	})
	if err == nil || err == own {
		return err
	}
	return fmt.Errorf("ledger: do: %w", err)
}

// Tx is a [Ledger] within one transaction. It is used by one goroutine.
type Tx struct {
	l  *Ledger
	tx *sqldb.Tx
}

// In returns the ledger within a transaction that somebody else began, on the
// *sql.DB that [Open] was given, and commits or rolls back. Nothing is repeated
// in it.
//
// In returns [ErrStopped], [ErrNotDurable], or the driver's error, wrapped.
func (l *Ledger) In(ctx context.Context, tx *sql.Tx) (*Tx, error) {
	if err := l.stopped(); err != nil {
		return nil, err
	}
	t, err := l.db.In(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("ledger: in a transaction: %w", err)
	}
	return &Tx{l, t}, nil
}

// Has reports whether the ledger holds a number, see [Ledger.Has].
func (t *Tx) Has(ctx context.Context, scope string, n mergefile.Transaction) (bool, error) {
	return has(ctx, t.tx.Queries, scope, n)
}

// ErrTwice is returned by [Tx.Remember] for records of which two have one
// number.
var ErrTwice = errors.New("ledger: two records have one number")

// Remember puts the numbers of records into the ledger and returns the records
// whose numbers are new, in their order. The caller credits those in the same
// transaction. It is for programs that do not receive files by a [Receiver].
//
// Remember returns [ErrScope], [ErrTwice], an [*UnresolvedError], a
// [*ConflictError], a [*TooOldError], or the driver's error, wrapped. After an
// error the caller rolls back.
func (t *Tx) Remember(ctx context.Context, scope string, recs []mergefile.Record) ([]mergefile.Record, error) {
	if err := checkScope(scope); err != nil {
		return nil, err
	}
	fail := func(err error) ([]mergefile.Record, error) { return nil, fmt.Errorf("ledger: remember: %w", err) }
	losses, err := t.l.db.Losses(ctx)
	if err != nil {
		return fail(err)
	}
	if len(losses) > 0 {
		return fail(&UnresolvedError{Losses: losses})
	}
	id, forgotten, err := hold(ctx, t.tx, scope, true)
	if err != nil {
		return fail(err)
	}
	m := memory{tx: t.tx, scope: id, told: true}
	digest := t.l.key.digester()
	seen := make(map[mergefile.Transaction]bool, len(recs))
	numbers := make([]number, len(recs))
	outcomes := make([]outcome, len(recs))
	var old TooOldError
	for i := range recs {
		n := recs[i].Transaction
		if seen[n] {
			return nil, ErrTwice
		}
		seen[n] = true
		numbers[i] = number{rowOf(n), digest.sum(&recs[i])}
		if n.UnixMilli() < forgotten {
			if old.Records++; old.Records == 1 {
				old.First, old.Forgotten = n, instant(forgotten)
			}
		}
	}
	if old.Records > 0 {
		return nil, &old
	}
	conflict := ConflictError{Scope: scope}
	var fresh []mergefile.Record
	for i := 0; i < len(recs); i += batchRows {
		end := min(i+batchRows, len(recs))
		if err := m.remember(ctx, numbers[i:end], outcomes[i:end]); err != nil {
			return fail(err)
		}
	}
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
