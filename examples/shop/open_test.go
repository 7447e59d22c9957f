package shop_test

import (
	"database/sql"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey/registry"
)

// Twenty shops start at once on an empty database.
func TestOpenTogether(t *testing.T) {
	dsn := pg.DSN(t)
	cfg := config(t)
	var wg sync.WaitGroup
	for range 20 {
		db := dbtest.Open(t, "pgx", dsn)
		wg.Go(func() {
			_, err := shop.Open(t.Context(), db, cfg)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
}

// If one of the shop's schemas is a newer program's, none is changed.
func TestOpenNewer(t *testing.T) {
	engines := map[string]*sql.DB{
		"SQLite":     dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())),
		"PostgreSQL": dbtest.Open(t, "pgx", pg.DSN(t)),
	}
	for name, db := range engines {
		t.Run(name, func(t *testing.T) {
			for _, statement := range []string{
				"CREATE TABLE mergefile_schema_version (name TEXT NOT NULL PRIMARY KEY, version BIGINT NOT NULL)",
				"INSERT INTO mergefile_schema_version (name, version) VALUES ('mergefile', 99)",
			} {
				_, err := db.Exec(statement)
				require.NoError(t, err)
			}
			_, err := shop.Open(t.Context(), db, config(t))
			newer, ok := errors.AsType[*registry.SchemaError](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, 99, newer.Found)
			for _, table := range []string{"mykey_schema_version", "ticket_schema_version", "shop_account", "mergefile_number"} {
				_, err := db.Exec("SELECT * FROM " + table)
				assert.Error(t, err, "%s was made", table)
			}
		})
	}
}
