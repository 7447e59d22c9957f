package ledger_test

import (
	"database/sql"
	"errors"
	"flag"
	"iter"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// What the histories of chance have in common.

// modelKeep is how long their ledgers remember.
const modelKeep = 10 * time.Hour

// setHistories sets how many histories rapid tries in this test, unless the
// command line says it.
func setHistories(t *testing.T, n string) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		require.NoError(t, checks.Value.Set(n))
		t.Cleanup(func() { assert.NoError(t, checks.Value.Set(checks.DefValue)) })
	}
}

// copyDatabase copies the files of an SQLite database as they are now, which is
// what the next start would find after a power cut.
func copyDatabase(t require.TestingT, from, to string) {
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(from + suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to+suffix, content, 0o600))
	}
}

// balancesIn returns the points of each holder.
func balancesIn(t require.TestingT, db *sql.DB) map[string]uint64 {
	rows, err := db.Query("SELECT holder, points FROM balance")
	require.NoError(t, err)
	defer rows.Close()
	got := map[string]uint64{}
	for rows.Next() {
		var holder string
		var points uint64
		require.NoError(t, rows.Scan(&holder, &points))
		got[holder] = points
	}
	require.NoError(t, rows.Err())
	return got
}

// forgets returns the time before which a ledger that keeps numbers for modelKeep
// has forgotten them, when it forgets at the time now.
func forgets(kept iter.Seq[mergefile.Transaction], now, forgotten time.Time) time.Time {
	var newest time.Time
	for number := range kept {
		if number.Time().After(newest) {
			newest = number.Time()
		}
	}
	limit := newest
	if now.Before(limit) {
		limit = now
	}
	limit = limit.Add(-modelKeep)
	for number := range kept {
		if border := number.Time().Add(time.Second); number.Time().Before(limit) && border.After(forgotten) {
			forgotten = border
		}
	}
	return forgotten
}
