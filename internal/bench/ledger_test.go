package bench

import (
	"bytes"
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
)

// A ledger remembers the numbers of transactions for good: when merge comes
// back without an error, all of them are on the disk. merge fails on a number
// that it knows, and then keeps none.
type ledger struct {
	name  string
	most  int // records at once that it is measured with
	merge func(records []mergefile.Record) error
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
func rawSQLite(tb testing.TB) ledger {
	db := openTable(tb)
	return ledger{"sqlite-rows", 10_000, func(records []mergefile.Record) error {
		tx, err := db.Begin()
		if err != nil {
			return err
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
				return err
			}
		}
		return tx.Commit()
	}}
}

// oneByOne is a transaction for each record. It cannot keep the promise of
// none or all.
func oneByOne(tb testing.TB) ledger {
	db := openTable(tb)
	return ledger{"sqlite-one-by-one", 1000, func(records []mergefile.Record) error {
		for _, r := range records {
			if _, err := db.Exec("INSERT INTO seen VALUES (?, ?)", r.Transaction.String(), int64(r.Points)); err != nil {
				return err
			}
		}
		return nil
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
func boltLedger(tb testing.TB) ledger {
	db, err := bbolt.Open(filepath.Join(tb.TempDir(), "ledger.bolt"), 0o600, nil)
	require.NoError(tb, err)
	tb.Cleanup(func() { db.Close() })
	name := []byte("seen")
	require.NoError(tb, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(name)
		return err
	}))
	return ledger{"bbolt", 10_000, func(records []mergefile.Record) error {
		return db.Update(func(tx *bbolt.Tx) error {
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

func ledgers(tb testing.TB) []ledger {
	return []ledger{rawSQLite(tb), boltLedger(tb), oneByOne(tb)}
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
					b.StartTimer()
					if err := l.merge(records); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

// Each takes what is new, and nothing of a batch with something known in it.
func TestLedgersAgree(t *testing.T) {
	for _, l := range ledgers(t) {
		t.Run(l.name, func(t *testing.T) {
			var s supply
			first := s.records(t, 700)
			require.NoError(t, l.merge(first))
			require.Error(t, l.merge(first[699:]))
			second := s.records(t, 700)
			require.Error(t, l.merge(append(append([]mergefile.Record{}, second...), first[0])))
			err := l.merge(second)
			if l.name == "sqlite-one-by-one" {
				require.Error(t, err, "half of a batch stays")
				return
			}
			require.NoError(t, err)
		})
	}
}
