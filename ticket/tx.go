package ticket

import (
	"context"
	"database/sql"
	"errors"

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
	return b.db.Do(ctx, f)
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
	in.db = b.db.In(tx)
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

// own returns the answer within an error, unless a transaction was lost with
// it, or was repeated for it until the time was up.
func own(err error) error {
	if _, lost := errors.AsType[*LostError](err); lost || errors.Is(err, ErrBusy) {
		return nil
	}
	a, _ := errors.AsType[answer](err)
	return a.error
}

var domain = sqldb.Domain{Package: "ticket", Schema: schema, NoLoss: ErrNoLoss, Own: own}

// Losses returns the lost transactions that are written down, the earliest
// first. Open the book with [Config].Unresolved to call it.
func (b *Book) Losses(ctx context.Context) ([]Loss, error) {
	return b.db.Losses(ctx)
}

// Resolve deletes a loss by its ID. Call it when a person has compared the
// tickets with the payments and corrected what differs. It returns [ErrNoLoss]
// if there is none of this ID.
func (b *Book) Resolve(ctx context.Context, id string) error {
	return b.db.Resolve(ctx, id)
}
