package ticket_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/ticket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// expectedRedraws gives how many draws of N different numbers out of S meet a
// taken one, S·ln(S/(S−N))−N, which is N²/2S while N is small.
func expectedRedraws(n, s float64) float64 { return s*math.Log(s/(s-n)) - n }

// The numbers drawn again are as many as chance demands: a generator that is
// not even, or a count that is not right, would show. The small run draws
// from a hundredth of the space.
func TestRedraws(t *testing.T) {
	const small = 1_000_000
	eachStore(t, func(t *testing.T, s tables) {
		tickets, redraws := 20_000, 0
		d := newDesk(t, s, ticket.Config{})
		d.SetDraw(func() ticket.Number {
			n := ticket.NewNumber()
			return number(t, "00"+n.Digits()[2:])
		})
		orders := slices.Repeat([]ticket.Order{{Points: 1}}, 5000)
		for range tickets / len(orders) {
			b, err := d.IssueBatch(t.Context(), shop, orders)
			require.NoError(t, err)
			redraws += b.Redraws
		}
		want := expectedRedraws(float64(tickets), small)
		assert.InDelta(t, want, redraws, 5*math.Sqrt(want), "five standard deviations")
	})
}

func TestMillion(t *testing.T) {
	if !long() {
		t.Skip("a million tickets: set MYNAKIT_LONG=1")
	}
	const n = 1_000_000
	b := openSQL(t, "sqlite", dbtest.SQLite(t.TempDir())).open(t, ticket.Config{})
	orders := make([]ticket.Order, ticket.MaxBatch)
	for i := range orders {
		orders[i] = ticket.Order{Points: int64(i + 1)}
	}
	began, redraws := time.Now(), 0
	var last ticket.Batch
	var err error
	for range n / len(orders) {
		last, err = b.IssueBatch(t.Context(), shop, orders)
		require.NoError(t, err)
		redraws += last.Redraws
	}
	took := time.Since(began)
	assert.Equal(t, int64(n), last.Taken)
	want := expectedRedraws(n, ticket.Space)
	assert.InDelta(t, want, redraws, 5*math.Sqrt(want))
	t.Logf("a million tickets in %v (%.0f a second), %d redraws where chance expects %.0f ± %.0f",
		took.Round(time.Millisecond), n/took.Seconds(), redraws, want, math.Sqrt(want))
}

// rawInserts inserts tickets by database/sql alone into tables of the same
// schema, in the way that is fastest: rows gathered into large INSERTs, in
// one transaction.
func rawInserts(ctx context.Context, db *sql.DB, prefix string, tickets []ticket.Ticket, dollars bool) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	const rows = 1000
	for len(tickets) > 0 {
		part := tickets[:min(rows, len(tickets))]
		tickets = tickets[len(part):]
		var q strings.Builder
		q.WriteString("INSERT INTO " + prefix + "ticket (scope, number, state, points, until, issued_at, issued_by, order_key, prints, replaces) VALUES ")
		args := make([]any, 0, 8*len(part))
		for i, t := range part {
			if i > 0 {
				q.WriteByte(',')
			}
			if dollars {
				n := len(args)
				fmt.Fprintf(&q, "($%d,$%d,1,$%d,$%d,$%d,$%d,$%d,1,$%d)", n+1, n+2, n+3, n+4, n+5, n+6, n+7, n+8)
			} else {
				q.WriteString("(?,?,1,?,?,?,?,?,1,?)")
			}
			args = append(args, string(t.Scope), t.Number.Digits(), t.Points, 20261221, t.IssuedAt.UnixMicro(), t.IssuedBy, nil, nil)
		}
		q.WriteString(" ON CONFLICT DO NOTHING") // or a number that is there already ends the run
		if _, err := tx.ExecContext(ctx, q.String(), args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// What a batch of 10,000 costs against the bare INSERTs that it makes. Both
// run in turn on tables of the same size, each first as often as the other;
// the ratio is of the medians, since what else the machine does comes in bursts.
func BenchmarkBatchCost(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			ctx := b.Context()
			db := dbtest.Open(b, e.driver, e.dsn(b))
			book := func(prefix string) *ticket.Book {
				return tables{db: db, prefix: prefix}.open(b, ticket.Config{Policy: ticket.Policy{RefuseAt: ticket.Space / 2}})
			}
			ours := book("ours_")
			book("raw_")
			orders := make([]ticket.Order, ticket.MaxBatch)
			for i := range orders {
				orders[i] = ticket.Order{Points: int64(i + 1)}
			}
			warm, err := ours.IssueBatch(ctx, shop, orders)
			require.NoError(b, err)
			require.NoError(b, rawInserts(ctx, db, "raw_", warm.Tickets, e.driver == "pgx"))
			tickets := warm.Tickets
			var took [2][]time.Duration
			for i := 0; b.Loop(); i++ {
				// The raw side has other numbers of the same kind ready.
				for j := range tickets {
					tickets[j].Number = ticket.NewNumber()
				}
				for k := range 2 {
					side := (i + k) % 2
					began := time.Now()
					if side == 0 {
						_, err = ours.IssueBatch(ctx, shop, orders)
					} else {
						err = rawInserts(ctx, db, "raw_", tickets, e.driver == "pgx")
					}
					took[side] = append(took[side], time.Since(began))
					require.NoError(b, err)
				}
			}
			median := func(d []time.Duration) float64 {
				slices.Sort(d)
				return float64(d[len(d)/2])
			}
			b.ReportMetric(median(took[0])/median(took[1]), "times-raw")
			b.ReportMetric(0, "ns/op") // both sides together say nothing
		})
	}
}

func BenchmarkIssueBatch(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			bk := openSQL(b, e.driver, e.dsn(b)).open(b, ticket.Config{Policy: ticket.Policy{RefuseAt: ticket.Space / 2}})
			orders := make([]ticket.Order, 1000)
			for i := range orders {
				orders[i] = ticket.Order{Points: int64(i + 1)}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bk.IssueBatch(b.Context(), shop, orders); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(orders)*b.N)/b.Elapsed().Seconds(), "tickets/s")
		})
	}
}

func BenchmarkRedeem(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			keys := ticket.Keys{key(b, "K1")}
			bk := openSQL(b, e.driver, e.dsn(b)).open(b, ticket.Config{Keys: keys})
			var codes []ticket.Code
			for b.Loop() {
				if len(codes) == 0 {
					b.StopTimer()
					orders := make([]ticket.Order, 2000)
					for i := range orders {
						orders[i].Points = 1
					}
					batch, err := bk.IssueBatch(b.Context(), shop, orders)
					require.NoError(b, err)
					for _, t := range batch.Tickets {
						text, err := bk.QR(t)
						require.NoError(b, err)
						codes = append(codes, ticket.NewCode(text))
					}
					b.StartTimer()
				}
				if _, err := bk.Redeem(b.Context(), ticket.Presentation{Terminal: shop, Code: codes[0]}); err != nil {
					b.Fatal(err)
				}
				codes = codes[1:]
			}
		})
	}
}

// A year of a million redeemed tickets, and as many that have lapsed, of 200
// terminals: how long its settlement takes, and beside it two statements that add
// up the same rows and do nothing else (bare).
//
//	go test -run '^$' -bench SettleYear -benchtime 5x ./ticket
func BenchmarkSettleYear(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			s := openSQL(b, e.driver, e.dsn(b))
			d := newDesk(b, s, ticket.Config{})
			fill := `INSERT INTO ticket_ticket (scope, number, state, points, until, issued_at, issued_by, prints, ended_at, ended_by, place, account)
				SELECT '141305-01', %s, 1 + (n + n / 100) %% 2, 500, 20260000 + 100 * (1 + n %% 12) + 1 + n %% 28, 1, '1', 1,
				1767193200000000 + n * 15000000, %s, %s, 'aoba' FROM %s`
			if e.driver == "pgx" {
				fill = fmt.Sprintf(fill, "lpad(n::text, 8, '0')", "lpad((n % 200)::text, 6, '0')", "'shop ' || (n % 100)", "generate_series(0::bigint, 1999999) n")
			} else {
				fill = "WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 1999999) " +
					fmt.Sprintf(fill, "printf('%08d', n)", "printf('%06d', n % 200)", "'shop ' || (n % 100)", "c")
			}
			_, err := s.db.Exec(fill)
			require.NoError(b, err)
			_, err = s.db.Exec(map[string]string{"pgx": "VACUUM ANALYZE ticket_ticket", "sqlite": "ANALYZE"}[e.driver])
			require.NoError(b, err)
			d.clock.set(at(b, "2027-02-01 00:00:00"))
			year := period(b, "2026-01-01", "2026-12-31")
			var bare time.Duration
			for b.Loop() {
				b.StopTimer()
				start := time.Now()
				for _, state := range []int{1, 2} {
					var n, points int64
					require.NoError(b, s.db.QueryRow(fmt.Sprintf("SELECT count(*), CAST(sum(points) AS BIGINT) FROM ticket_ticket WHERE scope = '141305-01' AND state = %d", state)).Scan(&n, &points))
				}
				bare += time.Since(start)
				b.StartTimer()
				got, err := d.Settle(b.Context(), shop.Scope, year)
				require.NoError(b, err)
				require.Equal(b, ticket.Total{Tickets: 1_000_000, Points: 500_000_000}, got.Redeemed)
				require.Equal(b, got.Redeemed, got.Lapsed)
				require.Len(b, got.Places(), 100)
			}
			b.ReportMetric(float64(bare.Nanoseconds())/float64(b.N), "bare-ns/op")
		})
	}
}

// What the menu and the issue screen of a counter ask for, beside a million
// tickets: those of a terminal that wait for paper.
func BenchmarkUnprinted(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			s := openSQL(b, e.driver, e.dsn(b))
			d := newDesk(b, s, ticket.Config{})
			fill := `INSERT INTO ticket_ticket (scope, number, state, points, until, issued_at, issued_by, prints, account)
				SELECT '141305-01', %s, 1, 500, 20261221, n, '000002', 1, 'aoba' FROM %s`
			if e.driver == "pgx" {
				fill = fmt.Sprintf(fill, "lpad(n::text, 8, '0')", "generate_series(0::bigint, 999999) n")
			} else {
				fill = "WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 999999) " + fmt.Sprintf(fill, "printf('%08d', n)", "c")
			}
			_, err := s.db.Exec(fill)
			require.NoError(b, err)
			_, err = s.db.Exec(map[string]string{"pgx": "VACUUM ANALYZE ticket_ticket", "sqlite": "ANALYZE"}[e.driver])
			require.NoError(b, err)
			_, err = s.db.Exec("UPDATE ticket_ticket SET unprinted = 1 WHERE number IN ('00000007', '00500000', '00999999')")
			require.NoError(b, err)
			at := ticket.Terminal{ID: "000002", Scope: "141305-01"}
			for b.Loop() {
				got, err := d.Unprinted(b.Context(), at)
				require.NoError(b, err)
				require.Len(b, got, 3)
			}
		})
	}
}
