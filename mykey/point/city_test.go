package point_test

import (
	"database/sql"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// movements fills a ledger with operations as the calls write them, spread over
// a span of time: of 20 of a holder at a shop one is a grant, one gives a use back
// and 18 are uses.
func movements(t testing.TB, db *sql.DB, postgres bool, holders, shops, n int, from time.Time, span time.Duration) {
	t.Helper()
	var programme int64
	require.NoError(t, db.QueryRow("SELECT id FROM point_programme WHERE code = 'aoba'").Scan(&programme))
	shop, rows, with, analyze := fmt.Sprintf("printf('%%06d', n / 20 %% %d)", shops), "c",
		fmt.Sprintf("WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < %d)", n-1), "ANALYZE"
	if postgres {
		shop, rows, with, analyze = fmt.Sprintf("lpad((n / 20 %% %d)::text, 6, '0')", shops), fmt.Sprintf("generate_series(0::bigint, %d) AS n", n-1),
			"", "VACUUM ANALYZE point_operation"
	}
	_, err := db.Exec(fmt.Sprintf(`INSERT INTO point_operation (holder, id, kind, programme, points, at, terminal, place, proved, reverses)
		%s SELECT 1 + n / 20 * 7919 %% %d, 1 + n, CASE n %% 20 WHEN 0 THEN 'grant' WHEN 19 THEN 'refund' ELSE 'use' END, %d, 1 + n %% 1000, %d + n * %d,
			CASE n %% 20 WHEN 0 THEN '' ELSE %s END, CASE n %% 20 WHEN 0 THEN '' ELSE 'あおば商店 ' || %[6]s END, 1, CASE n %% 20 WHEN 19 THEN n END FROM %s`,
		with, holders, programme, from.UnixMicro(), span.Microseconds()/int64(n), shop, rows))
	require.NoError(t, err)
	_, err = db.Exec(analyze)
	require.NoError(t, err)
}

// A month of a city: settled, and its details written as CSV, read by the other
// side and added up there. Both come to the same, and memory stays flat.
//
//	MYNAKIT_LONG=1 go test -v -run TestCityMonth ./mykey/point
func TestCityMonth(t *testing.T) {
	holders, shops, n := 100, 10, 6_000
	long := os.Getenv("MYNAKIT_LONG") != ""
	if long {
		holders, shops, n = 100_000, 1_000, 3_000_000
	}
	run := func(t *testing.T, db *sql.DB, postgres bool) {
		b := open(t, db, point.Config{})
		month := period(t, "2026-11-01", "2026-11-30")
		movements(t, db, postgres, holders, shops, n, month.From.Start(), 30*24*time.Hour)
		b.clock.Set(japan(t, "2026-12-02 00:00:00"))

		start := time.Now()
		s, err := b.Settle(t.Context(), month)
		require.NoError(t, err)
		settled := time.Since(start)
		require.True(t, s.Final)
		require.Len(t, s.Places(), shops)
		require.EqualValues(t, n/20*18, s.Sum().Uses.Count)
		require.EqualValues(t, n/20, s.Sum().Refunds.Count)

		var most uint64
		details := func(yield func(point.Detail, error) bool) {
			i := 0
			for d, err := range b.Details(t.Context(), month) {
				if i++; i%(n/20) == 0 {
					var m runtime.MemStats
					runtime.GC()
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapAlloc)
				}
				if !yield(d, err) {
					return
				}
			}
		}
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r, w := io.Pipe()
		var size counter
		go func() { _ = w.CloseWithError(point.CSV{}.WriteDetails(io.MultiWriter(w, &size), details)) }()
		start = time.Now()
		theirs, err := point.Tally(month, point.CSV{}.ReadDetails(r))
		require.NoError(t, err)
		tallied := time.Since(start)
		assert.Empty(t, s.Compare(theirs))
		assert.Equal(t, s.Lines, theirs.Lines)
		grown := int64(most) - int64(before.HeapAlloc)
		t.Logf("%d movements of %d shops: settled in %v; %d MB of details written, read and added up in %v, %d kB of memory more",
			n, shops, settled.Round(time.Millisecond), size/1_000_000, tallied.Round(time.Millisecond), grown/1000)
		assert.Less(t, grown, int64(16<<20))
		if long {
			assert.Less(t, settled, time.Minute)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		run(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), false)
	})
	t.Run("PostgreSQL", func(t *testing.T) { run(t, dbtest.Open(t, "pgx", pg.DSN(t)), true) })
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// The suite runs on partitions in its long form, and races, faults and the model
// always do; here it is seen that no query reads a partition that it need not.
func TestPartitions(t *testing.T) {
	db := inPartitions.open(t)
	b, ctx := open(t, db, point.Config{}), t.Context()
	b.grant(t, "aoba", 1000)
	r := b.spend(t, "aoba", 300, "000002", "美術館")
	_, err := b.Refund(ctx, point.Refund{Request: b.request(), Of: r.Request, Points: 100, Terminal: "000002", Place: "美術館"})
	require.NoError(t, err)
	b.clock.Set(japan(t, "2026-12-01 00:01:00"))
	s, err := b.Settle(ctx, period(t, "2026-11-01", "2026-11-30"))
	require.NoError(t, err)
	assert.Equal(t, []point.Line{{Terminal: "000002", Place: "美術館", Account: "aoba", Uses: point.Total{Count: 1, Points: 300}, Refunds: point.Total{Count: 1, Points: 100}}}, s.Lines)
	assert.True(t, s.Final)
	b.whole(t)
	var plan strings.Builder
	rows, err := db.QueryContext(ctx, "EXPLAIN UPDATE point_lot SET points = points - 1 WHERE holder = 7 AND programme = 7 AND expires = 7")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		plan.WriteString(line)
	}
	require.NoError(t, rows.Err())
	assert.Equal(t, 1, strings.Count(plan.String(), "Index Scan"), plan.String())
}
