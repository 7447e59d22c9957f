package point

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

// ErrNoLoss is returned by [Ledger.Resolve] when there is no such loss.
var ErrNoLoss = errors.New("point: no such loss")

// Losses returns the lost transactions that are written down, the earliest first.
// Open the ledger with [Config].Unresolved to call it.
func (l *Ledger) Losses(ctx context.Context) ([]Loss, error) {
	return l.db.Losses(ctx)
}

// Resolve deletes a loss. Call it when a person has compared the accounts with what
// the function wrote and corrected what differs. It returns [ErrNoLoss] if there is
// none of this ID.
func (l *Ledger) Resolve(ctx context.Context, id string) error {
	return l.db.Resolve(ctx, id)
}

// Check returns the error with which [Open] would refuse to bring the tables up
// to date, and changes nothing. A program that keeps several things in one
// database checks all of them before it opens the first, so that nothing has been
// changed if one is refused.
func Check(ctx context.Context, db *sql.DB, cfg Config) error {
	return domain.Check(ctx, db, cfg.database())
}

func (cfg Config) database() sqldb.Config {
	mode := sqldb.Live
	if cfg.Training {
		mode = sqldb.Training
		if cfg.Prefix == "" {
			cfg.Prefix = "training_point_"
		}
	}
	return sqldb.Config{Prefix: cfg.Prefix, RetryFor: cfg.RetryFor, Clock: cfg.Clock, Unresolved: cfg.Unresolved, Mode: mode, Prepare: []string{
		insertRequest, selectLots, takeLot, fillLot, addUnproved, insertOperation, insertEntry, selectRequest, selectOperation, selectBalances}}
}
