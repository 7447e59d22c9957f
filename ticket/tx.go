package ticket

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// Do runs f in a durable transaction, and again from its start if another
// transaction was in the way. Within f, [Book.In] and the In of other keepers
// join the transaction. f must not end it and must have no effect outside it.
//
// Do returns the error of f. Errors of the database are [ErrBusy],
// [ErrOutcomeUnknown], a [*LostError] if f ended the transaction, an
// [*UnresolvedError], or the driver's, wrapped.
func (b *Book) Do(ctx context.Context, f func(ctx context.Context, tx *sql.Tx) error) error {
	return failed("transaction", b.db.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return answered(f(ctx, tx))
	}))
}

// In returns the book within somebody else's transaction of the same database.
// Its calls are carried out when that transaction commits, and none is
// repeated. Nothing of a call that fails remains, and the transaction can go
// on. Audit is called after each call, even if the transaction is rolled back
// later.
//
// A call returns [ErrNotDurable] if the transaction would not be durable.
// [Book.Inspect] and [Book.Redeem] return [ErrTyped] for a typed number, since
// a rollback would uncount it. Inspect such a ticket before the transaction,
// and pass the result of [Book.QR] as the code.
func (b *Book) In(tx *sql.Tx) *Book {
	in := *b
	in.tx = tx
	return &in
}

// An answer is an error that is returned to the caller as it is: it does not
// come from the database.
type answer struct{ error }

func (a answer) Unwrap() error { return a.error }

func answered(err error) error {
	if err == nil {
		return nil
	}
	return answer{err}
}

// failed returns the error of a call: an answer as it is, and an error of the
// database with the name of the act.
func failed(act string, err error) error {
	if err == nil {
		return nil
	}
	if own, ok := own(err); ok {
		return own
	}
	return fmt.Errorf("ticket: %s: %w", act, err)
}

// own returns the answer within an error, unless a transaction was lost with
// it, or was repeated for it until the time was up.
func own(err error) (error, bool) {
	if _, lost := errors.AsType[*LostError](err); lost || errors.Is(err, ErrBusy) {
		return nil, false
	}
	a, ok := errors.AsType[answer](err)
	return a.error, ok
}

// Losses returns the lost transactions that are written down, the earliest
// first. Open the book with [Config].Unresolved to call it.
func (b *Book) Losses(ctx context.Context) ([]Loss, error) {
	losses, err := b.db.Losses(ctx)
	return losses, failed("list lost transactions", err)
}

// Resolve deletes a loss by its ID. Call it when a person has compared the
// tickets with the payments and corrected what differs. It returns [ErrNoLoss]
// if there is none of this ID.
func (b *Book) Resolve(ctx context.Context, id string) error {
	err := b.db.Resolve(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoLoss
	}
	return failed("resolve a lost transaction", err)
}

// write runs fn in a durable transaction, or in the one that the book is in.
func (b *Book) write(ctx context.Context, fn func(ctx context.Context, tx *sqldb.Tx) error) error {
	if b.tx == nil {
		return b.db.Write(ctx, fn)
	}
	tx, err := b.db.In(ctx, b.tx)
	if err != nil {
		return err
	}
	return tx.Whole(ctx, func() error { return fn(ctx, tx) })
}

// queries returns what reads without a transaction, or within the one that the
// book is in.
func (b *Book) queries(ctx context.Context) (sqldb.Queries, error) {
	if b.tx == nil {
		return b.db.Queries, nil
	}
	tx, err := b.db.In(ctx, b.tx)
	if err != nil {
		return sqldb.Queries{}, err
	}
	return tx.Queries, nil
}
