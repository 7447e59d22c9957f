package registry

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/internal/sqldb"
)

type (
	// LostError is wrapped by the error of a call when [Config].Changed, or the
	// function of [Registry.Do], ended the transaction. What was changed until
	// then may stand or not. It is written down, and no such function is called
	// until a person has looked.
	LostError = sqldb.LostError
	// UnresolvedError is wrapped by the error of [Open], and of the calls that run
	// a function of the program's, while a lost transaction is written down.
	UnresolvedError = sqldb.UnresolvedError
	// Loss is a lost transaction. Its Work and Step name what the program's
	// function was called for, and At the time. Committed reports whether what
	// was done before the transaction's end is stored.
	Loss = sqldb.Loss
)

var (
	// ErrNotDurable is wrapped by the error of a call of [Registry.In] if a crash
	// could undo the transaction after its commit.
	ErrNotDurable = sqldb.ErrNotDurable
	// ErrReadOnly is wrapped by the error of a call that writes into a database
	// that takes no writes.
	ErrReadOnly = sqldb.ErrReadOnly
	// ErrNoLoss is returned by [Registry.Resolve] when there is no such loss.
	ErrNoLoss = errors.New("registry: no such loss")
)

// Losses returns the lost transactions that are written down, the earliest first.
// Open the registry with [Config].Unresolved to call it.
func (r *Registry) Losses(ctx context.Context) ([]Loss, error) {
	return r.db.Losses(ctx)
}

// Resolve deletes a loss. Call it when a person has compared the MyKey IDs with
// what [Config].Changed wrote and corrected what differs. It returns [ErrNoLoss]
// if there is none of this ID.
func (r *Registry) Resolve(ctx context.Context, id string) error {
	return r.db.Resolve(ctx, id)
}

// Check returns the error with which [Open] would refuse to bring the tables up
// to date, and changes nothing. A program that keeps several things in one
// database checks all of them before it opens the first, so that nothing has been
// changed if one is refused.
func Check(ctx context.Context, db *sql.DB, cfg Config) error {
	return domain.Check(ctx, db, cfg.database())
}

func (cfg Config) database() sqldb.Config {
	return sqldb.Config{Prefix: cfg.Prefix, RetryFor: cfg.RetryFor, Clock: cfg.Clock, Unresolved: cfg.Unresolved,
		Prepare: []string{lookupByClock + lookupLimit, lookupByClock + lookupIssued + lookupLimit}}
}
