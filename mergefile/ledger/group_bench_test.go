package ledger_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// BenchmarkWaitingFiles merges 5,120 waiting files of one record together, beside
// as many one by one and as many commits of the two statements that each needs.
// All commits are durable.
func BenchmarkWaitingFiles(b *testing.B) {
	var durable pgtest.Server
	durable.Durable = true
	defer durable.Stop()
	b.Run("SQLite", func(b *testing.B) {
		waitingFiles(b, func() *sql.DB { return dbtest.Open(b, "sqlite", dbtest.SQLite(b.TempDir())) })
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		waitingFiles(b, func() *sql.DB {
			db := dbtest.Open(b, "pgx", durable.DSN(b))
			db.SetMaxIdleConns(ledger.DefaultWorkers)
			return db
		})
	})
}

// waitingFiles lets the three ways take turns. The ratios are the medians of
// those of the turns, since what else the machine does comes in bursts.
func waitingFiles(b *testing.B, open func() *sql.DB) {
	const turns, n = 16, 320
	names := [3]string{"together", "one-by-one", "bare"}
	var took [3]time.Duration
	var ratios [3][]float64
	for b.Loop() {
		s := openShop(b, open(), ledger.Config{})
		_, err := s.db.Exec("CREATE TABLE bare (number VARCHAR(32) NOT NULL PRIMARY KEY)")
		require.NoError(b, err)
		rs := records(b, s.profile, turns*n+1)
		contents := s.single(b, rs)
		receiver := func(scope string) *ledger.Receiver {
			r := s.receiver(b, func(c *ledger.ReceiverConfig) { c.Scope = scope })
			_, err := r.Receive(b.Context(), bytes.NewReader(contents[turns*n]), "", nil) // makes the scope
			require.NoError(b, err)
			return r
		}
		together, alone := receiver("together"), receiver("alone")
		ways := [3]func(rs []mergefile.Record, contents [][]byte){
			func(_ []mergefile.Record, contents [][]byte) {
				for some := range slices.Chunk(contents, 64) {
					for _, res := range together.ReceiveAll(b.Context(), asFiles(some)) {
						require.NoError(b, res.Err)
					}
				}
			},
			func(_ []mergefile.Record, contents [][]byte) {
				for _, c := range contents {
					_, err := alone.Receive(b.Context(), bytes.NewReader(c), "", nil)
					require.NoError(b, err)
				}
			},
			func(rs []mergefile.Record, _ [][]byte) {
				for _, r := range rs {
					tx, err := s.db.BeginTx(b.Context(), nil)
					require.NoError(b, err)
					_, err = tx.Exec(fmt.Sprintf("INSERT INTO bare (number) VALUES ('%v')", r.Transaction))
					require.NoError(b, err)
					require.NoError(b, credit(b.Context(), tx, r))
					require.NoError(b, tx.Commit())
				}
			},
		}
		for turn := range turns {
			var now [3]time.Duration
			for k := range ways {
				way := (turn + k) % len(ways)
				began := time.Now()
				ways[way](rs[turn*n:][:n], contents[turn*n:][:n])
				now[way] = time.Since(began)
				took[way] += now[way]
			}
			for way := range ways {
				ratios[way] = append(ratios[way], float64(now[way])/float64(now[0]))
			}
		}
	}
	for way, name := range names {
		b.ReportMetric(float64(n*len(ratios[0]))/took[way].Seconds(), name+"-files/s")
		if way > 0 {
			slices.Sort(ratios[way])
			b.ReportMetric(ratios[way][len(ratios[way])/2], "of-"+name)
		}
	}
	b.ReportMetric(0, "ns/op") // the three together say nothing
}
