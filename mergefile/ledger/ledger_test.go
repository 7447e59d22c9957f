package ledger_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

func TestLedgerKey(t *testing.T) {
	for _, bad := range []int{0, 15, 4097} {
		_, err := ledger.NewKey(make([]byte, bad))
		assert.ErrorIs(t, err, ledger.ErrKey, bad)
	}
	for _, good := range []int{16, 4096} {
		_, err := ledger.NewKey(make([]byte, good))
		assert.NoError(t, err, good)
	}
	secret := "a secret that must not be seen anywhere"
	k := ledgerKey(t, secret)
	j, err := json.Marshal(struct{ K ledger.Key }{k})
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "cfg", ledger.Config{Key: k})
	out := fmt.Sprintf("%v %+v %#v %s %x %q %d", k, k, k, k, k, k, k) + fmt.Sprintf("%+v %#v", ledger.Config{Key: k}, struct{ k ledger.Key }{k}) + string(j) + log.String()
	assert.NotContains(t, out, secret)
	assert.NotContains(t, out, fmt.Sprintf("%x", secret))
	assert.Contains(t, out, "[redacted]")
}

func TestOpenLedger(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		_, err := ledger.Open(t.Context(), s.db, ledger.Config{})
		assert.ErrorIs(t, err, ledger.ErrKey)
		_, err = ledger.Open(t.Context(), s.db, ledger.Config{Key: ledgerKey(t, "another secret altogether")})
		assert.ErrorIs(t, err, ledger.ErrOtherKey)
		_, err = ledger.Open(t.Context(), s.db, ledger.Config{Key: ledgerKey(t, ledgerSecret), Prefix: "No!"})
		assert.Error(t, err)
		// Another ledger in the same database, under another key.
		_, err = ledger.Open(t.Context(), s.db, ledger.Config{Key: ledgerKey(t, "another secret altogether"), Prefix: "mall_"})
		assert.NoError(t, err)
		_, err = ledger.Open(t.Context(), s.db, ledger.Config{Key: ledgerKey(t, ledgerSecret)})
		assert.NoError(t, err)
	})
}

// A database that somebody else's eyes fall on does not tell the holders.
func TestLedgerKeepsNoHolder(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		rs := records(t, s.profile, 3)
		// One holder with the same points, in one second and in another.
		for i, at := range []struct {
			after    time.Duration
			sequence uint32
		}{{0, 1}, {0, 2}, {time.Second, 1}} {
			n, err := mergefile.NewTransaction(testStart.Add(at.after), at.sequence)
			require.NoError(t, err)
			rs[i] = mergefile.Record{Holder: rs[0].Holder, Points: rs[0].Points, Transaction: n}
		}
		contents := func() (out []string) {
			rows, err := s.db.Query("SELECT content FROM mergefile_number ORDER BY at, sequence")
			require.NoError(t, err)
			defer rows.Close()
			for rows.Next() {
				var c string
				require.NoError(t, rows.Scan(&c))
				out = append(out, c)
			}
			return out
		}
		_, err := s.receiver(t, nil).Receive(t.Context(), s.file(t, rs), "", nil)
		require.NoError(t, err)
		first := contents()
		require.Len(t, first, 3)
		assert.NotEqual(t, first[0], first[1], "nor who was given the same")
		assert.NotEqual(t, first[0], first[2])
		// Under another key the same records leave other traces.
		_, err = s.db.Exec("DELETE FROM mergefile_number")
		require.NoError(t, err)
		_, err = s.db.Exec("DELETE FROM mergefile_ledger")
		require.NoError(t, err)
		s.ledger, err = ledger.Open(t.Context(), s.db, ledger.Config{Key: ledgerKey(t, "another secret altogether")})
		require.NoError(t, err)
		_, err = s.receiver(t, nil).Receive(t.Context(), s.file(t, rs), "", nil)
		require.NoError(t, err)
		second := contents()
		for i := range first {
			assert.NotEqual(t, first[i], second[i])
		}
	})
}

const day = 24 * time.Hour

func TestForget(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			now := testStart
			s := openShop(t, dbtest.Open(t, e.driver, e.dsn(t)), ledger.Config{Keep: 30 * day, Clock: func() time.Time { return now }})
			forget := func() int64 {
				t.Helper()
				n, err := s.ledger.Forget(t.Context())
				require.NoError(t, err)
				return n
			}
			assert.Zero(t, forget(), "nothing there")
			old := records(t, s.profile, 2100) // more than is forgotten at a time
			r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
			_, err := r.Receive(t.Context(), s.file(t, old), "", nil)
			require.NoError(t, err)
			assert.Zero(t, forget(), "all is young")

			// The clock goes wrong: the newest number says how late it is.
			now = testStart.Add(400 * day)
			assert.Zero(t, forget())

			// Five weeks later a file comes, and the old numbers may go.
			young := []mergefile.Record{later(t, old[0], 35*day), later(t, old[1], 35*day)}
			_, err = r.Receive(t.Context(), s.file(t, young), "", nil)
			require.NoError(t, err)
			now = testStart.Add(20 * day)
			assert.Zero(t, forget(), "the clock has the last word where it is behind the newest number")
			now = testStart.Add(400 * day)
			border := old[len(old)-1].Transaction.Time().Add(time.Second)
			require.True(t, border.Before(young[0].Transaction.Time().Add(-30*day)))
			would, err := s.ledger.WouldForget(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []ledger.Closing{{Before: border, Numbers: int64(len(old))}}, would)
			assert.EqualValues(t, len(old), forget())
			assert.Zero(t, s.has(t, old[:3]))
			assert.Equal(t, 2, s.has(t, young))
			assert.Zero(t, forget(), "once is enough")
			would, err = s.ledger.WouldForget(t.Context())
			require.NoError(t, err)
			assert.Empty(t, would)

			// What was forgotten is refused, and so is the file around it.
			balances := s.balances(t)
			fresh := later(t, old[0], 36*day)
			rep, err := r.Receive(t.Context(), s.file(t, []mergefile.Record{fresh, old[3], old[4]}), "", nil)
			want := &ledger.TooOldError{Records: 2, First: old[3].Transaction, Forgotten: border}
			require.Equal(t, want, err)
			assert.Equal(t, "ledger: the ledger has forgotten the numbers from before 2017-05-12 09:35:00, and 2 of the file's are; nothing was merged", err.Error())
			assert.Zero(t, rep)
			assert.Equal(t, balances, s.balances(t))
			assert.Zero(t, s.has(t, []mergefile.Record{fresh}))

			// A conflict beside what is too old is the worse of the two, and
			// the report has each record where it belongs.
			other := young[0]
			other.Points++
			rep, err = r.Receive(t.Context(), s.file(t, []mergefile.Record{old[3], other, young[1]}), "", nil)
			var conflict *ledger.ConflictError
			require.ErrorAs(t, err, &conflict)
			assert.Equal(t, ledger.Report{KeyID: "k1", Records: 3, Duplicates: 1, Conflicts: 1,
				DuplicateRecords: young[1:], ConflictRecords: []mergefile.Record{other}}, rep)

			// Just on the border is remembered, so it is a duplicate or new.
			edge := old[0]
			edge.Transaction, err = mergefile.NewTransaction(border, 5)
			require.NoError(t, err)
			rep, err = r.Receive(t.Context(), s.file(t, []mergefile.Record{edge}), "", nil)
			require.NoError(t, err)
			assert.EqualValues(t, 1, rep.Merged)

			// A wrong clock in the other direction forgets nothing.
			now = testStart.Add(-4000 * day)
			assert.Zero(t, forget())

			scopes, err := s.ledger.Scopes(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []ledger.ScopeInfo{{Numbers: 3, Oldest: edge.Transaction, Newest: young[1].Transaction, Forgotten: border}}, scopes)

			// Without Keep nothing is ever forgotten.
			ever, err := ledger.Open(t.Context(), s.db, ledger.Config{Key: ledgerKey(t, ledgerSecret)})
			require.NoError(t, err)
			n, err := ever.Forget(t.Context())
			require.NoError(t, err)
			assert.Zero(t, n)
		})
	}
}

// One number dated 2099 and a clock ten years ahead close no more than up to the
// newest number that was merged, and are seen beforehand.
func TestForgetByAWrongClock(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			now := testStart.Add(3650 * day)
			s := openShop(t, dbtest.Open(t, e.driver, e.dsn(t)), ledger.Config{Keep: 30 * day, Clock: func() time.Time { return now }})
			r := s.receiver(t, nil)
			rs := records(t, s.profile, 10)
			_, err := r.Receive(t.Context(), s.file(t, append(rs, later(t, rs[0], 80*365*day))), "", nil)
			require.NoError(t, err)
			would, err := s.ledger.WouldForget(t.Context())
			require.NoError(t, err)
			closed := rs[9].Transaction.Time().Add(time.Second)
			assert.Equal(t, []ledger.Closing{{Before: closed, Numbers: 10, Ahead: 1}}, would)
			_, err = s.ledger.Forget(t.Context())
			require.NoError(t, err)
			rep, err := r.Receive(t.Context(), s.file(t, []mergefile.Record{later(t, rs[9], time.Second)}), "", nil)
			require.NoError(t, err, "what is sent today is not refused")
			assert.EqualValues(t, 1, rep.Merged)
			var old *ledger.TooOldError
			_, err = r.Receive(t.Context(), s.file(t, rs), "", nil)
			assert.ErrorAs(t, err, &old, "and nothing is merged twice")
		})
	}
}

// A number just on the border stays, wherever a step of forgetting ends.
func TestForgetBorder(t *testing.T) {
	s := openShop(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), ledger.Config{Keep: 30 * day, Clock: func() time.Time { return testStart.Add(90 * day) }})
	rs := records(t, s.profile, 2001)
	for i := range rs {
		at, sequence := testStart, uint32(i+1)
		switch i {
		case 1999:
			at = at.Add(time.Second)
		case 2000:
			at = at.Add(time.Second + 30*day)
		}
		var err error
		rs[i].Transaction, err = mergefile.NewTransaction(at, sequence)
		require.NoError(t, err)
	}
	r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
	_, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
	require.NoError(t, err)
	// A scope without a number is in nobody's way.
	_, err = s.db.Exec("INSERT INTO mergefile_scope (name, forgotten) VALUES ('empty', 0)")
	require.NoError(t, err)
	n, err := s.ledger.Forget(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1999, n)
	assert.Equal(t, 2, s.has(t, rs[1999:]))
	scopes, err := s.ledger.Scopes(t.Context())
	require.NoError(t, err)
	require.Len(t, scopes, 2)
	assert.Equal(t, ledger.ScopeInfo{Name: "empty"}, scopes[1])
	_, err = s.ledger.Has(t.Context(), "\x00", rs[0].Transaction)
	assert.ErrorIs(t, err, ledger.ErrScope)
	// What somebody else has written into the tables is no row passed over.
	_, err = s.db.Exec("UPDATE mergefile_scope SET forgotten = 'never' WHERE name = 'empty'")
	require.NoError(t, err)
	_, err = s.ledger.Scopes(t.Context())
	assert.Error(t, err)
}

// Of a step of forgetting that fails nothing is counted as gone.
func TestForgetHalfway(t *testing.T) {
	h := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
	db := sql.OpenDB(h)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	s := openShop(t, db, ledger.Config{Keep: 30 * day, Clock: func() time.Time { return testStart.Add(90 * day) }})
	rs := records(t, s.profile, 2100)
	rs = append(rs, later(t, rs[0], 60*day))
	r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
	_, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
	require.NoError(t, err)
	failed := errors.New("no commit today")
	// The first commit makes the border known, the others forget 2000 and 100.
	for first, want := range []int64{0, 0, 2000} {
		commits := 0
		h.Set(func(step dbtest.Step) error {
			if step.What != "commit" || step.After {
				return nil
			}
			if commits++; commits > first {
				return failed
			}
			return nil
		})
		n, err := s.ledger.Forget(t.Context())
		assert.ErrorIs(t, err, failed)
		assert.EqualValues(t, want, n)
		h.Set(nil)
		scopes, err := s.ledger.Scopes(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 2101-want, scopes[0].Numbers)
	}
	n, err := s.ledger.Forget(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 100, n)
}

// A row of the ledger that somebody else has written into ends the merge.
func TestLedgerDamaged(t *testing.T) {
	s := openShop(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), ledger.Config{})
	rs := records(t, s.profile, 5)
	r := s.receiver(t, nil)
	_, err := r.Receive(t.Context(), s.file(t, rs[:3]), "", nil)
	require.NoError(t, err)
	for _, column := range []string{"content", "sequence", "at"} {
		before := s.balances(t)
		_, err = s.db.Exec("UPDATE mergefile_number SET " + column + " = " + column + " || ' or so'")
		require.NoError(t, err)
		if column == "content" {
			rep, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
			require.Error(t, err)
			assert.NotErrorIs(t, err, mergefile.ErrInvalid, "the file is whole")
			assert.Zero(t, rep)
		}
		err = s.ledger.Export(t.Context(), io.Discard)
		assert.Error(t, err)
		assert.Equal(t, before, s.balances(t))
		_, err = s.db.Exec("UPDATE mergefile_number SET " + column + " = CAST(replace(" + column + ", ' or so', '') AS INTEGER)")
		require.NoError(t, err)
	}
	rep, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
	require.NoError(t, err)
	assert.EqualValues(t, 2, rep.Merged)
}

// Forget and a merge of what it forgets, at the same time: whoever comes first,
// no number is merged twice.
func TestForgetBesideMerges(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := openShop(t, dbtest.Open(t, e.driver, e.dsn(t)), ledger.Config{Keep: day, Clock: func() time.Time { return testStart.Add(300 * day) }})
			r := s.receiver(t, nil)
			var merged []mergefile.Record
			for i := range 15 {
				rec := later(t, records(t, s.profile, 1)[0], time.Duration(i)*2*day)
				_, err := r.Receive(t.Context(), s.file(t, []mergefile.Record{rec}), "", nil)
				require.NoError(t, err)
				merged = append(merged, rec)
				done := make(chan error, 2)
				go func() {
					_, err := s.ledger.Forget(t.Context())
					done <- err
				}()
				again := s.file(t, merged[max(0, i-1):i+1])
				go func() {
					_, err := r.Receive(t.Context(), again, "", nil)
					if _, tooOld := err.(*ledger.TooOldError); tooOld {
						err = nil
					}
					done <- err
				}()
				require.NoError(t, <-done)
				require.NoError(t, <-done)
				require.Equal(t, sum(merged), s.balances(t))
			}
		})
	}
}

// A scope's name in Japanese is one in databases of other encodings too, or an
// error of the database with which nothing is merged.
func TestDatabasesOfOtherEncodings(t *testing.T) {
	for encoding, stored := range map[string]bool{"EUC_JP": true, "LATIN1": false} {
		t.Run(encoding, func(t *testing.T) {
			s := openShop(t, dbtest.Open(t, "pgx", pg.Encoded(t, encoding)+" client_encoding=UTF8"), ledger.Config{})
			rs := records(t, s.profile, 2)
			r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Scope = "商店街の合算" })
			for i := range 2 {
				rep, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
				if !stored {
					require.ErrorContains(t, err, "no equivalent")
					require.Empty(t, s.balances(t))
					continue
				}
				require.NoError(t, err)
				require.EqualValues(t, 2-2*i, rep.Merged)
				require.Equal(t, sum(rs), s.balances(t))
			}
		})
	}
}
