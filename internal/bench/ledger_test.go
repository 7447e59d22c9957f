package bench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	_ "modernc.org/sqlite"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// A ledger remembers the numbers of transactions for good: when merge comes
// back without an error, all of them are on the disk. It gets the records, or
// the file that has them, and tells how many were new. On a number that they
// know, all but ours fail, and then they should keep nothing.
type engine struct {
	name  string
	most  int // records at once that it is measured with
	merge func(records []mergefile.Record, file []byte) (added int, err error)
}

// receiver is the library: it opens the file, verifies all of it, remembers
// numbers and contents, and calls the program's function with the records that
// are new, in the same transaction. The function does nothing here.
func receiver(tb testing.TB) engine {
	key, err := ledger.NewKey([]byte("0123456789abcdef0123456789abcdef"))
	require.NoError(tb, err)
	l, err := ledger.Open(tb.Context(), openSQLite(tb), ledger.Config{Key: key})
	require.NoError(tb, err)
	r, err := ledger.NewReceiver(ledger.ReceiverConfig{
		Ledger: l, Profile: mergefile.Standard(), Keys: mergefileKey(tb), List: -1,
		ApplyAll: func(context.Context, *sql.Tx, []mergefile.Record) error { return nil },
	})
	require.NoError(tb, err)
	return engine{"mynakit", 10_000, func(_ []mergefile.Record, file []byte) (int, error) {
		report, err := r.Receive(context.Background(), bytes.NewReader(file), "", nil)
		return int(report.Merged), err
	}}
}

// openSQLite opens a database of its own, as the stores of the library are
// used: a write-ahead log, synced at each commit.
func openSQLite(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(tb.TempDir(), "ledger.db"))+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate")
	require.NoError(tb, err)
	tb.Cleanup(func() { db.Close() })
	return db
}

// rawSQLite is one table, and one transaction with INSERTs of up to 500 rows:
// what SQLite does without anybody on top.
func rawSQLite(tb testing.TB) engine {
	db := openTable(tb)
	return engine{"sqlite-rows", 10_000, func(records []mergefile.Record, _ []byte) (int, error) {
		all := len(records)
		tx, err := db.Begin()
		if err != nil {
			return 0, err
		}
		defer tx.Rollback()
		for len(records) > 0 {
			n := min(len(records), 500)
			args := make([]any, 0, 2*n)
			for _, r := range records[:n] {
				args = append(args, r.Transaction.String(), int64(r.Points))
			}
			records = records[n:]
			if _, err := tx.Exec("INSERT INTO seen VALUES (?, ?)"+strings.Repeat(", (?, ?)", n-1), args...); err != nil {
				return 0, err
			}
		}
		return all, tx.Commit()
	}}
}

// oneByOne is a transaction for each record. It cannot keep the promise of
// none or all.
func oneByOne(tb testing.TB) engine {
	db := openTable(tb)
	return engine{"sqlite-one-by-one", 1000, func(records []mergefile.Record, _ []byte) (int, error) {
		for i, r := range records {
			if _, err := db.Exec("INSERT INTO seen VALUES (?, ?)", r.Transaction.String(), int64(r.Points)); err != nil {
				return i, err
			}
		}
		return len(records), nil
	}}
}

func openTable(tb testing.TB) *sql.DB {
	db := openSQLite(tb)
	_, err := db.Exec("CREATE TABLE seen (number TEXT PRIMARY KEY, points INTEGER NOT NULL) WITHOUT ROWID")
	require.NoError(tb, err)
	return db
}

// boltLedger is bbolt, synced at each commit. What else a merge changes would
// have to be in the same file.
func boltLedger(tb testing.TB) engine {
	db, err := bbolt.Open(filepath.Join(tb.TempDir(), "ledger.bolt"), 0o600, nil)
	require.NoError(tb, err)
	tb.Cleanup(func() { db.Close() })
	name := []byte("seen")
	require.NoError(tb, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(name)
		return err
	}))
	return engine{"bbolt", 10_000, func(records []mergefile.Record, _ []byte) (int, error) {
		return len(records), db.Update(func(tx *bbolt.Tx) error {
			seen := tx.Bucket(name)
			for _, r := range records {
				key := []byte(r.Transaction.String())
				if seen.Get(key) != nil {
					return fmt.Errorf("known: %s", key)
				}
				if err := seen.Put(key, binary.BigEndian.AppendUint64(nil, r.Points)); err != nil {
					return err
				}
			}
			return nil
		})
	}}
}

func ledgers(tb testing.TB) []engine {
	return []engine{receiver(tb), rawSQLite(tb), boltLedger(tb), oneByOne(tb)}
}

// A supply makes records that nobody has seen.
type supply struct{ used int }

func (s *supply) records(tb testing.TB, n int) []mergefile.Record {
	tb.Helper()
	h, err := mergefile.NewMallHolder("520625")
	require.NoError(tb, err)
	start := time.Date(2017, 5, 12, 0, 30, 0, 0, time.UTC)
	out := make([]mergefile.Record, n)
	for i := range out {
		tx, err := mergefile.NewTransaction(start.Add(time.Duration(s.used/7)*time.Second), uint32(s.used%7))
		if err != nil {
			tb.Fatal(err)
		}
		s.used++
		out[i] = mergefile.Record{Holder: h, Points: uint64(100 + i%900), Transaction: tx}
	}
	return out
}

// file is a merge file of records.
func (s *supply) file(tb testing.TB, records []mergefile.Record) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := mergefile.NewWriter(tb.Context(), &b, mergefile.Standard(), mergefileKey(tb), nil)
	require.NoError(tb, err)
	for _, r := range records {
		require.NoError(tb, w.Write(r))
	}
	require.NoError(tb, w.Close())
	return b.Bytes()
}

// BenchmarkLedger merges batches of records that are new, on a disk.
func BenchmarkLedger(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000, 10_000} {
		for _, l := range ledgers(b) {
			if n > l.most {
				continue
			}
			var s supply
			b.Run(fmt.Sprintf("records=%d/%s", n, l.name), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					records := s.records(b, n)
					file := s.file(b, records)
					b.StartTimer()
					if added, err := l.merge(records, file); err != nil || added != n {
						b.Fatal(added, err)
					}
				}
				b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

// All take what is new. Of what has something known in it, the library takes
// the rest, and the others nothing, but for the one that goes record by record.
func TestLedgersAgree(t *testing.T) {
	for _, l := range ledgers(t) {
		t.Run(l.name, func(t *testing.T) {
			var s supply
			merge := func(records []mergefile.Record) (int, error) { return l.merge(records, s.file(t, records)) }
			first, second := s.records(t, 700), s.records(t, 700)
			added, err := merge(first)
			require.NoError(t, err)
			require.Equal(t, 700, added)
			added, err = merge(append(append([]mergefile.Record{}, second...), first[0]))
			switch l.name {
			case "mynakit":
				require.NoError(t, err)
				require.Equal(t, 700, added)
				added, err = merge(second)
				require.NoError(t, err)
				require.Zero(t, added)
			case "sqlite-one-by-one":
				require.Error(t, err)
				_, err = merge(second)
				require.Error(t, err, "what came before the known one stays")
			default:
				require.Error(t, err)
				added, err = merge(second)
				require.NoError(t, err)
				require.Equal(t, 700, added)
			}
		})
	}
}
