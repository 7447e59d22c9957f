package pgtest_test

import (
	"database/sql"
	"os"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func open(t *testing.T, dsn string) *sql.DB {
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestServer(t *testing.T) {
	var s pgtest.Server
	defer s.Stop()
	a, b := s.DSN(t), s.DSN(t)
	require.NotEqual(t, a, b, "each call gives a schema of its own")
	db := open(t, a)
	_, err := db.Exec("CREATE TABLE x (n int); INSERT INTO x VALUES (7)")
	require.NoError(t, err)
	_, err = open(t, b).Exec("SELECT * FROM x")
	assert.ErrorContains(t, err, "does not exist")

	s.Crash(t)
	assert.Error(t, db.Ping())
	s.Restart(t)
	var n int
	db = open(t, a)
	require.NoError(t, db.QueryRow("SELECT n FROM x").Scan(&n))
	assert.Equal(t, 7, n, "what was committed is there after a crash")
	db.Close()

	// The directory is the socket's; it is gone once the server is.
	dir := strings.TrimPrefix(strings.Fields(a)[0], "host=")
	require.DirExists(t, dir)
	s.Stop()
	_, err = os.Stat(dir)
	assert.ErrorIs(t, err, os.ErrNotExist)
	s.Stop() // once more does no harm
}

func TestPair(t *testing.T) {
	var s pgtest.Server
	defer s.Stop()
	dsn, failover := s.Pair(t)
	db := open(t, dsn)
	_, err := db.Exec("CREATE TABLE x (n int); INSERT INTO x VALUES (7)")
	require.NoError(t, err)
	var waits string
	require.NoError(t, db.QueryRow("SELECT sync_state FROM pg_stat_replication").Scan(&waits))
	assert.Equal(t, "sync", waits)
	failover()
	db = open(t, dsn)
	var n int
	require.NoError(t, db.QueryRow("SELECT n FROM x").Scan(&n))
	assert.Equal(t, 7, n, "what was acknowledged is on the standby")
	_, err = db.Exec("INSERT INTO x VALUES (8)")
	require.NoError(t, err)
}
