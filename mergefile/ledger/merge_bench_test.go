package ledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// inserter inserts records in the fastest way that database/sql has by itself:
// many rows in a statement, and the statement kept ready.
type inserter struct {
	tx      *sql.Tx
	dollars bool // PostgreSQL's placeholders
	table   string
	columns int
	values  func([]any, *mergefile.Record) []any
	ready   *sql.Stmt
	args    []any
}

const rowsAtOnce = 100

func (in *inserter) insert(ctx context.Context, recs []mergefile.Record) error {
	for len(recs) > 0 {
		part := recs[:min(rowsAtOnce, len(recs))]
		recs = recs[len(part):]
		in.args = in.args[:0]
		for i := range part {
			in.args = in.values(in.args, &part[i])
		}
		var err error
		// pgx keeps statements ready by itself.
		if len(part) < rowsAtOnce || in.dollars {
			_, err = in.tx.ExecContext(ctx, in.query(len(part)), in.args...)
		} else {
			if in.ready == nil {
				if in.ready, err = in.tx.PrepareContext(ctx, in.query(rowsAtOnce)); err != nil {
					return err
				}
			}
			_, err = in.ready.ExecContext(ctx, in.args...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *inserter) query(n int) string {
	var rows []string
	for i := range n {
		var marks []string
		for j := range in.columns {
			if in.dollars {
				marks = append(marks, fmt.Sprintf("$%d", i*in.columns+j+1))
			} else {
				marks = append(marks, "?")
			}
		}
		rows = append(rows, "("+strings.Join(marks, ",")+")")
	}
	return "INSERT INTO " + in.table + " VALUES " + strings.Join(rows, ",") + " ON CONFLICT DO NOTHING"
}

func (in *inserter) close() {
	if in.ready != nil {
		in.ready.Close()
	}
}

func creditInserter(tx *sql.Tx, e engine, table string) *inserter {
	return &inserter{tx: tx, dollars: e.driver == "pgx", table: table, columns: 2,
		values: func(args []any, r *mergefile.Record) []any {
			return append(args, r.Holder.Reveal(), int64(r.Points))
		}}
}

// creditRows is an ApplyAll that adds a row for each record, in the second of
// the two tables that the figures are about.
func creditRows(e engine) func(context.Context, *sql.Tx, []mergefile.Record) error {
	return func(ctx context.Context, tx *sql.Tx, recs []mergefile.Record) error {
		in := creditInserter(tx, e, "credit")
		defer in.close()
		return in.insert(ctx, recs)
	}
}

// raw puts records into two tables like ours by database/sql alone: nothing is
// read, verified, hashed or looked at.
func raw(ctx context.Context, db *sql.DB, e engine, recs []mergefile.Record) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	numbers := &inserter{tx: tx, dollars: e.driver == "pgx", table: "raw_number", columns: 4,
		values: func(args []any, r *mergefile.Record) []any {
			at := r.Transaction.Time().UnixMilli()
			return append(args, int64(1), at, int64(r.Transaction.Sequence()), at*7919)
		}}
	defer numbers.close()
	credits := creditInserter(tx, e, "raw_credit")
	defer credits.close()
	for len(recs) > 0 {
		part := recs[:min(1000, len(recs))]
		recs = recs[len(part):]
		if err := numbers.insert(ctx, part); err != nil {
			return err
		}
		if err := credits.insert(ctx, part); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// figureShop has the tables of both sides.
func figureShop(b testing.TB, e engine) (*shop, *ledger.Receiver) {
	db := dbtest.Open(b, e.driver, e.dsn(b))
	s := openShop(b, db, ledger.Config{Copy: e.copy})
	_, err := ledger.Open(b.Context(), db, ledger.Config{Key: ledgerKey(b, ledgerSecret), Prefix: "raw_"})
	require.NoError(b, err)
	for _, table := range []string{"credit", "raw_credit"} {
		_, err := db.Exec("CREATE TABLE " + table + " (holder VARCHAR(32) NOT NULL, points BIGINT NOT NULL)")
		require.NoError(b, err)
	}
	return s, s.receiver(b, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditRows(e) })
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2])
}

// What it costs to merge a file of 100,000 records, read and verified, against
// the bare inserts of the same rows into two tables of the same size. Both run
// in turn, each first as often as the other; the ratio is the median of those of
// the turns, since what else the machine does comes in bursts.
func BenchmarkMergeCost(b *testing.B) {
	const n = 100_000
	byCopy := engines[1]
	byCopy.name, byCopy.copy = "PostgreSQL by COPY", pgxCopy
	for _, e := range append(engines[:2:2], byCopy) {
		b.Run(e.name, func(b *testing.B) {
			ctx := b.Context()
			s, r := figureShop(b, e)
			var took [2][]time.Duration
			var ratios []float64
			for i := 0; b.Loop(); i++ {
				recs := from(b, s.profile, i*n, n)
				file := s.file(b, recs)
				for k := range 2 {
					side := (i + k) % 2
					began := time.Now()
					var err error
					if side == 0 {
						_, err = r.Receive(ctx, file, "", nil)
					} else {
						err = raw(ctx, s.db, e, recs)
					}
					took[side] = append(took[side], time.Since(began))
					require.NoError(b, err)
				}
				ratios = append(ratios, float64(took[1][i])/float64(took[0][i]))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "of-raw-speed")
			b.ReportMetric(n/median(took[0])*1e9, "records/s")
			b.ReportMetric(0, "ns/op") // both sides together say nothing
		})
	}
}

// One file against one transaction for each of its records, to the disk.
func BenchmarkMergeAgainstOneByOne(b *testing.B) {
	const n = 1000
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			ctx := b.Context()
			s, r := figureShop(b, e)
			var took [2][]time.Duration
			for i := 0; b.Loop(); i++ {
				recs := from(b, s.profile, i*n, n)
				file := s.file(b, recs)
				began := time.Now()
				_, err := r.Receive(ctx, file, "", nil)
				took[0] = append(took[0], time.Since(began))
				require.NoError(b, err)
				began = time.Now()
				for j := range recs {
					if err := raw(ctx, s.db, e, recs[j:j+1]); err != nil {
						b.Fatal(err)
					}
				}
				took[1] = append(took[1], time.Since(began))
			}
			b.ReportMetric(median(took[1])/median(took[0]), "times-faster")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A file that was merged before.
func BenchmarkDuplicates(b *testing.B) {
	const n = 100_000
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			s, r := figureShop(b, e)
			file, _ := write(b, s.profile, testKey(b), from(b, s.profile, 0, n))
			for b.Loop() {
				if _, err := r.Receive(b.Context(), bytes.NewReader(file), "", nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// What a record costs when the ledger remembers ever more numbers, as a table:
// new records, and ones that were merged long ago. The ledgers take turns, so
// that whatever else the machine does falls on all of them.
func TestGrowth(t *testing.T) {
	if !long() {
		t.Skip("ten million numbers: set MYNAKIT_LONG=1")
	}
	const n = 2000
	for _, e := range engines {
		sizes := []int{10_000, 100_000, 1_000_000, 10_000_000}
		if e.driver == "pgx" {
			sizes = sizes[:3]
		}
		t.Run(e.name, func(t *testing.T) {
			type side struct {
				s               *shop
				r               *ledger.Receiver
				size, filled    int
				merges, repeats []time.Duration
			}
			ctx := t.Context()
			first := from(t, mergefile.Standard(), 0, n)
			var sides []*side
			for _, size := range sizes {
				s, _ := figureShop(t, e)
				s.db.SetMaxIdleConns(1)
				r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll, c.List = nil, creditAll, -1 })
				_, err := r.Receive(ctx, s.file(t, first), "", nil)
				require.NoError(t, err)
				a := &side{s: s, r: r, size: size, filled: n}
				for a.filled < size {
					part := from(t, s.profile, a.filled, min(100_000, size-a.filled))
					a.filled += len(part)
					tx, err := s.db.BeginTx(ctx, nil)
					require.NoError(t, err)
					in := &inserter{tx: tx, dollars: e.driver == "pgx", table: "mergefile_number", columns: 4,
						values: func(args []any, r *mergefile.Record) []any {
							at := r.Transaction.Time().UnixMilli()
							return append(args, int64(1), at, int64(r.Transaction.Sequence()), at*7919)
						}}
					require.NoError(t, in.insert(ctx, part))
					in.close()
					require.NoError(t, tx.Commit())
				}
				sides = append(sides, a)
			}
			for range 25 {
				for _, a := range sides {
					file := a.s.file(t, from(t, a.s.profile, a.filled, n))
					began := time.Now()
					rep, err := a.r.Receive(ctx, file, "", nil)
					a.merges = append(a.merges, time.Since(began)/n)
					require.NoError(t, err)
					require.EqualValues(t, n, rep.Merged)
					a.filled += n
					file = a.s.file(t, first)
					began = time.Now()
					rep, err = a.r.Receive(ctx, file, "", nil)
					a.repeats = append(a.repeats, time.Since(began)/n)
					require.NoError(t, err)
					require.EqualValues(t, n, rep.Duplicates)
				}
			}
			for _, a := range sides {
				t.Logf("%9d numbers remembered: %5.2f µs a new record, %5.2f µs a repeated one", a.size, median(a.merges)/1e3, median(a.repeats)/1e3)
			}
		})
	}
}
