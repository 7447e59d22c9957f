package registry

import (
	"context"
	"database/sql"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// OpenVersion makes the tables as version n of the schema has them.
func OpenVersion(ctx context.Context, db *sql.DB, prefix string, n int) error {
	_, err := sqldb.Open(ctx, db, sqldb.Schema{Name: schema.Name, Steps: schema.Steps[:n]}, sqldb.Config{Prefix: prefix})
	return err
}

// StoreError is the type of the errors of the database.
type StoreError = sqldb.StoreError

// Failed makes one.
var Failed = domain.Told

// SetGenerate makes the registry draw its automatic candidates from f.
func SetGenerate(r *Registry, f func() mykey.ID) { r.generate = f }

// SetCost sets the cost of bcrypt.
func SetCost(b *Terminals, cost int) { b.cost = cost }

// NewID and Draw are what draws automatic IDs, the latter for a test that chooses
// the random bytes.
var (
	NewID = newID
	Draw  = draw
)
