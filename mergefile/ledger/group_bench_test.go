package ledger_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// BenchmarkWaitingFiles merges waiting files of one record, together and one by
// one, beside commits of the two statements that each needs. All commits are
// durable.
func BenchmarkWaitingFiles(b *testing.B) {
	const n = 5000
	var durable pgtest.Server
	durable.Durable = true
	defer durable.Stop()
	for _, e := range []struct {
		name string
		open func(testing.TB) *sql.DB
	}{
		{"SQLite", func(t testing.TB) *sql.DB { return dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())) }},
		{"PostgreSQL", func(t testing.TB) *sql.DB { return dbtest.Open(t, "pgx", durable.DSN(t)) }},
	} {
		run := func(name string, f func(b *testing.B, s *shop, rs []mergefile.Record, contents [][]byte)) {
			b.Run(e.name+"/"+name, func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					s := openShop(b, e.open(b), ledger.Config{})
					rs := records(b, s.profile, n+1)
					contents := s.single(b, rs)
					_, err := s.receiver(b, nil).Receive(b.Context(), bytes.NewReader(contents[n]), "", nil) // makes the scope
					require.NoError(b, err)
					_, err = s.db.Exec("CREATE TABLE bare (number VARCHAR(32) NOT NULL PRIMARY KEY)")
					require.NoError(b, err)
					b.StartTimer()
					f(b, s, rs[:n], contents[:n])
				}
				b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "files/s")
			})
		}
		run("together", func(b *testing.B, s *shop, _ []mergefile.Record, contents [][]byte) {
			r := s.receiver(b, nil)
			for i := 0; i < n; i += 64 {
				for _, res := range r.ReceiveAll(b.Context(), asFiles(contents[i:min(i+64, n)])) {
					require.NoError(b, res.Err)
				}
			}
		})
		run("one by one", func(b *testing.B, s *shop, _ []mergefile.Record, contents [][]byte) {
			r := s.receiver(b, nil)
			for _, c := range contents {
				_, err := r.Receive(b.Context(), bytes.NewReader(c), "", nil)
				require.NoError(b, err)
			}
		})
		run("bare statements", func(b *testing.B, s *shop, rs []mergefile.Record, _ [][]byte) {
			for _, r := range rs {
				tx, err := s.db.BeginTx(b.Context(), nil)
				require.NoError(b, err)
				_, err = tx.Exec(fmt.Sprintf("INSERT INTO bare (number) VALUES ('%v')", r.Transaction))
				require.NoError(b, err)
				require.NoError(b, credit(b.Context(), tx, r))
				require.NoError(b, tx.Commit())
			}
		})
	}
}
