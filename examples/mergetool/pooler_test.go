package main

import (
	"database/sql"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Several receivers behind PgBouncer in transaction mode, where each transaction
// may run on another connection.
func TestPooler(t *testing.T) {
	dsn := pg.Pooled(t)
	// The test's own look, which must not prepare statements either.
	db, err := sql.Open("pgx", dsn+" default_query_exec_mode=exec")
	require.NoError(t, err)
	defer db.Close()
	var host string
	for _, pair := range strings.Fields(dsn) {
		if value, ok := strings.CutPrefix(pair, "host="); ok {
			host = value
		}
	}
	q := url.Values{"host": {host}, "port": {"6432"}, "sslmode": {"disable"}}
	sharedInbox(t, newShop(t, "postgres://postgres@/pooled?"+q.Encode()), db)
}
