package ledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

var errInjected = errors.New("injected: the engine says no")

// ledgerStory uses every call of a ledger, in each way that it has of using the
// engine. It makes each call through once, which does it again when it failed.
func ledgerStory(t *testing.T, db *sql.DB, copy func(context.Context, *sql.Conn, []string, []string, [][]any) error, once func(name string, call func() error)) {
	ctx := t.Context()
	now := testStart
	cfg := ledger.Config{Key: ledgerKey(t, ledgerSecret), Keep: 30 * day, Copy: copy, Clock: func() time.Time { return now }}
	s := &shop{db: db, profile: mergefile.Standard()}
	once("open", func() (err error) { s.ledger, err = ledger.Open(ctx, db, cfg); return err })
	once("open again", func() (err error) { s.ledger, err = ledger.Open(ctx, db, cfg); return err })

	// Two files are a little longer than what is remembered at a time.
	rs := records(t, s.profile, 2140)
	receive := func(name string, rs []mergefile.Record, want ledger.Report, change func(*ledger.ReceiverConfig)) {
		r := s.receiver(t, func(c *ledger.ReceiverConfig) {
			c.Apply, c.ApplyAll, c.List = nil, creditAll, 2
			if change != nil {
				change(c)
			}
		})
		again := false
		once(name, func() error {
			rep, err := r.Receive(ctx, s.file(t, rs), "", nil)
			if err != nil {
				if want.Conflicts == 0 {
					require.Zero(t, rep)
				}
				again = true
				return err
			}
			if again && want.Merged > 0 && rep.Merged == 0 {
				// The answer of the first time was lost.
				require.EqualValues(t, len(rs), rep.Duplicates)
				return nil
			}
			require.Equal(t, want.Merged, rep.Merged, name)
			require.Equal(t, want.Duplicates, rep.Duplicates, name)
			require.Equal(t, want.Points, rep.Points, name)
			return nil
		})
	}
	first, second, third := rs[:1010], rs[1010:1135], rs[1135:]
	receive("one", rs[:1], ledger.Report{Merged: 1, Points: rs[0].Points}, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = credit, nil })
	receive("some new", first, ledger.Report{Merged: 1009, Duplicates: 1, Points: total(first[1:])}, nil)
	receive("all new", third, ledger.Report{Merged: 1005, Points: total(third)}, nil)
	receive("few", second[:25], ledger.Report{Merged: 25, Points: total(second[:25])}, nil)
	receive("all old", first, ledger.Report{Duplicates: 1010}, nil)
	receive("another scope", second, ledger.Report{Merged: 125, Points: total(second)}, func(c *ledger.ReceiverConfig) { c.Scope = "mall" })

	changed := slices.Clone(first)
	changed[0].Points++
	changed[1009].Points++
	once("conflict", func() error {
		r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll, c.List = nil, creditAll, 1 })
		rep, err := r.Receive(ctx, s.file(t, changed), "", nil)
		var conflict *ledger.ConflictError
		if !errors.As(err, &conflict) {
			require.Error(t, err)
			return err
		}
		require.EqualValues(t, 2, conflict.Conflicts)
		require.Equal(t, changed[:1], conflict.Records)
		require.EqualValues(t, 2, rep.Conflicts)
		require.Zero(t, rep.Merged+int64(rep.Points))
		return nil
	})
	once("has", func() error {
		for _, tt := range []struct {
			r  mergefile.Record
			in bool
		}{{first[7], true}, {second[30], false}} {
			in, err := s.ledger.Has(ctx, "", tt.r.Transaction)
			if err != nil {
				require.False(t, in)
				return err
			}
			require.Equal(t, tt.in, in)
		}
		return nil
	})
	once("reconcile", func() error {
		there := slices.Clone(first)
		there[3].Points++
		var got []ledger.Difference
		for d, err := range s.ledger.Reconcile(ctx, "", time.Time{}, first[1009].Transaction.Time().Add(time.Millisecond), list(there[1:])) {
			if err != nil {
				return err
			}
			got = append(got, d)
		}
		require.Equal(t, []ledger.Difference{
			{Kind: ledger.MissingThere, Transaction: first[0].Transaction},
			{Kind: ledger.Different, Transaction: first[3].Transaction},
		}, got[:2])
		return nil
	})
	receive("a year later", []mergefile.Record{later(t, rs[0], 365*day)}, ledger.Report{Merged: 1, Points: rs[0].Points}, nil)
	now = testStart.Add(365 * day)
	var copied []byte
	once("export", func() error {
		var out bytes.Buffer
		err := s.ledger.Export(ctx, &out)
		copied = out.Bytes()
		return err
	})
	var forgotten int64
	once("forget", func() error {
		n, err := s.ledger.Forget(ctx)
		forgotten += n // of a call that fails, too
		return err
	})
	require.LessOrEqual(t, forgotten, int64(2040))
	once("scopes", func() error {
		scopes, err := s.ledger.Scopes(ctx)
		if err != nil {
			require.Empty(t, scopes)
			return err
		}
		require.Len(t, scopes, 2)
		require.EqualValues(t, 1, scopes[0].Numbers)
		require.EqualValues(t, 125, scopes[1].Numbers)
		return nil
	})
	once("too old", func() error {
		_, err := s.receiver(t, nil).Receive(ctx, s.file(t, []mergefile.Record{rs[0], later(t, rs[1], 365*day)}), "", nil)
		var old *ledger.TooOldError
		if errors.As(err, &old) {
			return nil
		}
		require.Error(t, err)
		return err
	})
	cfg.Prefix = "second_"
	var other *ledger.Ledger
	once("open another", func() (err error) { other, err = ledger.Open(ctx, db, cfg); return err })
	for range 2 {
		once("import", func() error {
			rep, err := other.Import(ctx, bytes.NewReader(copied))
			if err != nil {
				require.Zero(t, rep)
				return err
			}
			require.EqualValues(t, 2166, rep.Numbers)
			return nil
		})
	}
}

// ledgerBooks is the whole state of both ledgers and of the balances.
func ledgerBooks(t *testing.T, db *sql.DB) string {
	var out strings.Builder
	for _, q := range []string{
		"SELECT holder, points, 0, 0 FROM balance ORDER BY holder",
		"SELECT s.name, n.at, n.sequence, n.content FROM mergefile_number n JOIN mergefile_scope s ON s.id = n.scope ORDER BY s.name, n.at, n.sequence",
		"SELECT s.name, n.at, n.sequence, n.content FROM second_number n JOIN second_scope s ON s.id = n.scope ORDER BY s.name, n.at, n.sequence",
		"SELECT name, forgotten, 0, 0 FROM mergefile_scope ORDER BY name",
		"SELECT name, forgotten, 0, 0 FROM second_scope ORDER BY name",
	} {
		rows, err := db.Query(q)
		require.NoError(t, err)
		for rows.Next() {
			var name string
			var n [3]int64
			require.NoError(t, rows.Scan(&name, &n[0], &n[1], &n[2]))
			fmt.Fprintln(&out, name, n)
		}
		require.NoError(t, rows.Err())
		rows.Close()
	}
	return out.String()
}

// Every statement of the story fails once, every answer breaks off once, and
// every COMMIT loses its answer once. Each time the call says so, and when it
// is made again all is as it is without faults: nothing lost, nothing twice.
func TestEveryStatementFails(t *testing.T) {
	counts := regexp.MustCompile(`\(?[0-9]+,.*`) // the scope, or how many rows
	numbers := regexp.MustCompile(`mergefile_number .*After:false|copy|commit`)
	copyOf := func(w *dbtest.Hooked) func(context.Context, *sql.Conn, []string, []string, [][]any) error {
		return func(ctx context.Context, conn *sql.Conn, table, columns []string, rows [][]any) error {
			return conn.Raw(func(c any) error {
				_, err := dbtest.Around(w, "copy", func() (int64, error) {
					return c.(*dbtest.Conn).Conn.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier(table), columns, pgx.CopyFromRows(rows))
				})
				return err
			})
		}
	}
	// The ways of merging have their calls in common.
	merges := []string{"one", "some new", "all new", "few", "all old", "another scope", "conflict", "a year later", "too old"}
	for _, e := range []struct {
		name string
		d    driver.Driver
		dsn  func(testing.TB) string
		copy bool
	}{
		{"SQLite", &sqlite.Driver{}, func(t testing.TB) string {
			return dbtest.FastSQLite(t.TempDir())
		}, false},
		{"PostgreSQL", stdlib.GetDefaultDriver(), func(t testing.TB) string { return pg.DSN(t) }, false},
		{"PostgreSQL by COPY", stdlib.GetDefaultDriver(), func(t testing.TB) string { return pg.DSN(t) }, true},
	} {
		t.Run(e.name, func(t *testing.T) {
			// run tells the story with the fault at a call, and what call it was.
			run := func(t *testing.T, fault int) (books string, calls []string) {
				w := &dbtest.Hooked{Engine: e.d, DSN: e.dsn(t)}
				db := sql.OpenDB(w)
				defer db.Close()
				require.NoError(t, createBalances(t.Context(), db))
				fired := false
				rows := 0
				group := "before"
				w.Set(func(s dbtest.Step) error {
					// Of the rows of an answer the first few stand for all.
					if s.What != "row" {
						rows = 0
					} else if rows++; rows > 3 {
						return nil
					}
					if s.After && s.What != "commit" {
						return nil
					}
					calls = append(calls, fmt.Sprintf("%s: %+v", group, s))
					if len(calls) == fault {
						fired = true
						return errInjected
					}
					return nil
				})
				var copy func(context.Context, *sql.Conn, []string, []string, [][]any) error
				if e.copy {
					copy = copyOf(w)
				}
				ledgerStory(t, db, copy, func(name string, call func() error) {
					if group = name; slices.Contains(merges, name) {
						group = "merge"
					}
					before := fired
					err := call()
					// What opens a ledger looks for the kind of engine and of
					// tables first, and may take an error for an answer.
					if !before && fired && (err != nil || !strings.HasPrefix(name, "open")) {
						require.ErrorIs(t, err, errInjected, "%s: %s", name, calls[fault-1])
						require.NotErrorIs(t, err, mergefile.ErrInvalid)
						err = call()
					}
					require.NoError(t, err, "%s", name)
				})
				require.Equal(t, fault > 0, fired)
				w.Set(nil)
				return ledgerBooks(t, db), calls
			}
			want, calls := run(t, 0)
			require.Greater(t, len(calls), 150)
			// Where time is short, the first of those that are alike, and on a
			// server those that are about numbers.
			seen, tried := map[string]bool{}, 0
			for i, call := range calls {
				like := counts.ReplaceAllString(call, "?")
				if !long() && (seen[like] || raceDetector && i%8 > 0 || e.name != "SQLite" && !numbers.MatchString(call)) {
					continue
				}
				seen[like] = true
				tried++
				t.Run(fmt.Sprint(i+1), func(t *testing.T) {
					t.Parallel()
					got, _ := run(t, i+1)
					require.Equal(t, want, got, "%d of %d: %s", i+1, len(calls), call)
				})
			}
			t.Logf("%d of %d calls", tried, len(calls))
		})
	}
}
