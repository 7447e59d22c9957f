package ticket

import (
	"context"
	"database/sql"

	"github.com/mynakit/mynakit/internal/sqldb"
)

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
			cfg.Prefix = "training_ticket_"
		}
	}
	return sqldb.Config{Mode: mode, Prefix: cfg.Prefix, RetryFor: cfg.RetryFor, Clock: cfg.Clock, Prepare: often, Unresolved: cfg.Unresolved}
}
