package grant

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// Loss is a lost transaction. Its Work and Step name what the program's function
// was called for, and At the time. Committed reports whether what was done before
// the transaction's end is stored.
type Loss = sqldb.Loss

// ErrNoLoss is returned by [Office.Resolve] when there is no such loss.
var ErrNoLoss = errors.New("grant: no such loss")

// Losses returns the lost transactions that are written down, the earliest first.
// Open the office with [Config].Unresolved to call it.
func (o *Office) Losses(ctx context.Context) ([]Loss, error) {
	return o.db.Losses(ctx)
}

// Resolve deletes a loss. Call it when a person has compared the grants with what
// Config.Resolve wrote, and corrected what differs. It returns [ErrNoLoss] if
// there is none of this ID.
func (o *Office) Resolve(ctx context.Context, id string) error {
	return o.db.Resolve(ctx, id)
}

// Check returns the error with which [Open] would refuse to bring the tables up
// to date, and changes nothing. A program that keeps several things in one
// database checks all of them before it opens the first.
func Check(ctx context.Context, db *sql.DB, cfg Config) error {
	return officeDomain.Check(ctx, db, cfg.database())
}

func (cfg Config) database() sqldb.Config {
	return sqldb.Config{Prefix: cfg.Prefix, RetryFor: cfg.RetryFor, Clock: cfg.Clock, Unresolved: cfg.Unresolved}
}

// Do runs f in a durable transaction, and again from its start if another
// transaction was in the way. Within f, [Office.In] and the In of other keepers
// join it. f must not end the transaction.
func (o *Office) Do(ctx context.Context, f func(ctx context.Context, tx *sql.Tx) error) error {
	return o.db.Do(ctx, f)
}

// In returns the office within somebody else's transaction of the same database:
// its calls are carried out when that transaction commits, and none of them is
// tried again. Of a call that fails nothing stands, and the transaction can go
// on. A call returns [ErrNotDurable] if the transaction would not be durable.
func (o *Office) In(tx *sql.Tx) *Office {
	in := *o
	in.db = o.db.In(tx)
	return &in
}
