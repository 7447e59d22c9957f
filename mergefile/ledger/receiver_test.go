package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mykey"
)

func TestReceive(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
		first := records(t, s.profile, 2500)
		rep, err := r.Receive(t.Context(), s.file(t, first), "a.dat", nil)
		require.NoError(t, err)
		assert.Equal(t, ledger.Report{KeyID: "k1", Records: 2500, Merged: 2500, Points: total(first), MergedRecords: first[:ledger.DefaultList]}, rep)
		assert.Equal(t, sum(first), s.balances(t))
		assert.Equal(t, 2500, s.has(t, first))

		// The same file again, under whatever name.
		rep, err = r.Receive(t.Context(), s.file(t, first), "b.dat", nil)
		require.NoError(t, err)
		assert.Equal(t, ledger.Report{KeyID: "k1", Records: 2500, Duplicates: 2500, DuplicateRecords: first[:ledger.DefaultList]}, rep)
		assert.Equal(t, sum(first), s.balances(t))

		// A file that repeats some of it, here and there.
		all := records(t, s.profile, 5000)
		var mixed, added []mergefile.Record
		for i, rec := range all {
			switch {
			case i >= 2500:
				mixed, added = append(mixed, rec), append(added, rec)
			case i%3 == 0:
				mixed = append(mixed, rec)
			}
		}
		mixed[0], mixed[1500] = mixed[1500], mixed[0] // nor in order
		rep, err = r.Receive(t.Context(), s.file(t, mixed), "c.dat", nil)
		require.NoError(t, err)
		assert.EqualValues(t, 2500, rep.Merged)
		assert.EqualValues(t, len(mixed)-2500, rep.Duplicates)
		assert.Equal(t, total(added), rep.Points)
		assert.Equal(t, sum(first, added), s.balances(t))
	})
}

// Rows go through the program's COPY where that pays, and never on SQLite.
func TestCopy(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			var copied []int
			s := openShop(t, dbtest.Open(t, e.driver, e.dsn(t)), ledger.Config{
				Copy: func(ctx context.Context, conn *sql.Conn, table, columns []string, rows [][]any) error {
					copied = append(copied, len(rows))
					return pgxCopy(ctx, conn, table, columns, rows)
				},
			})
			rs := records(t, s.profile, 99+100+1100)
			r := s.receiver(t, nil)
			for _, part := range [][]mergefile.Record{rs[:99], rs[99:199], rs[199:]} {
				_, err := r.Receive(t.Context(), s.file(t, part), "", nil)
				require.NoError(t, err)
			}
			if e.driver == "pgx" {
				assert.Equal(t, []int{100, 1000, 100}, copied)
			} else {
				assert.Empty(t, copied)
			}
			assert.Equal(t, sum(rs), s.balances(t))
		})
	}
}

func TestReceiveOneRecord(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.List = -1 })
		one := records(t, s.profile, 1)
		for i := range int64(2) {
			rep, err := r.Receive(t.Context(), s.file(t, one), "", nil)
			require.NoError(t, err)
			assert.Equal(t, ledger.Report{KeyID: "k1", Records: 1, Merged: 1 - i, Duplicates: i, Points: one[0].Points * uint64(1-i)}, rep)
		}
		other := one[0]
		other.Points++
		rep, err := r.Receive(t.Context(), s.file(t, []mergefile.Record{other}), "", nil)
		var c *ledger.ConflictError
		require.ErrorAs(t, err, &c)
		assert.EqualValues(t, 1, rep.Conflicts)
		assert.Equal(t, sum(one), s.balances(t))
	})
}

// A number that comes with other content refuses the whole file, and says so.
func TestConflict(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		all := records(t, s.profile, 4000)
		first, second := all[:1500], append([]mergefile.Record(nil), all[1000:]...)
		var alarms []*ledger.ConflictError
		var seen int
		r := s.receiver(t, func(c *ledger.ReceiverConfig) {
			c.Alarm = func(_ context.Context, c *ledger.ConflictError) { alarms = append(alarms, c) }
			c.ApplyAll = func(ctx context.Context, tx *sql.Tx, recs []mergefile.Record) error {
				seen += len(recs)
				return creditAll(ctx, tx, recs)
			}
			c.Apply = nil
		})
		_, err := r.Receive(t.Context(), s.file(t, first), "1.dat", nil)
		require.NoError(t, err)
		require.Equal(t, len(first), seen)

		second[7].Points++                  // the same number, more points
		second[9].Holder = second[8].Holder // the same number, somebody else
		second[2999].Points++               // a new number, which is nobody's business
		rep, err := r.Receive(t.Context(), s.file(t, second), "2.dat", nil)
		want := &ledger.ConflictError{Name: "2.dat", Conflicts: 2, Records: []mergefile.Record{second[7], second[9]}}
		require.Equal(t, want, err)
		assert.Equal(t, []*ledger.ConflictError{want}, alarms)
		assert.Equal(t, "ledger: 2 of the file's numbers have been merged with other content; nothing was merged", err.Error())
		assert.EqualValues(t, 3000, rep.Records)
		assert.EqualValues(t, 498, rep.Duplicates)
		assert.EqualValues(t, 2, rep.Conflicts)
		assert.Zero(t, rep.Merged)
		assert.Zero(t, rep.Points)
		assert.Empty(t, rep.MergedRecords)
		assert.Equal(t, sum(first), s.balances(t))
		assert.Equal(t, 500, s.has(t, second), "of the refused file nothing is remembered")
		assert.Equal(t, len(first), seen, "nor was any of it applied, since the first batch holds the conflict")
	})
}

// The same text as a mall's number and as a MyKey ID is two holders.
func TestConflictOfKinds(t *testing.T) {
	s := liteShop(t)
	id, err := mykey.ParseID("AB123456")
	require.NoError(t, err)
	mall, err := mergefile.NewMallHolder("AB123456")
	require.NoError(t, err)
	rs := records(t, s.profile, 1)
	rs[0].Holder = mall
	s.profile.Holder = mergefile.HolderForm{Kind: mergefile.MallPointID, Chars: mergefile.CharsUpper, Min: 8, Max: 8}
	_, err = s.receiver(t, nil).Receive(t.Context(), s.file(t, rs), "", nil)
	require.NoError(t, err)
	rs[0].Holder, err = mergefile.NewMyKeyHolder(id)
	require.NoError(t, err)
	s.profile.Holder.Kind = mergefile.MyKeyID
	_, err = s.receiver(t, nil).Receive(t.Context(), s.file(t, rs), "", nil)
	var conflict *ledger.ConflictError
	require.ErrorAs(t, err, &conflict)
}

// A file that is not valid is one and the same error, and nothing happens.
func TestReceiveInvalid(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		r := s.receiver(t, nil)
		f, _ := write(t, s.profile, testKey(t), records(t, s.profile, 2000))
		for _, bad := range [][]byte{nil, f[:len(f)-1], append(append([]byte(nil), f...), 0), []byte("not a merge file")} {
			rep, err := r.Receive(t.Context(), strings.NewReader(string(bad)), "x.dat", nil)
			requireInvalid(t, err)
			assert.Zero(t, rep)
		}
		assert.Empty(t, s.balances(t))
	})
}

// If Apply fails, in whatever way, nothing of the file remains.
func TestRefused(t *testing.T) {
	for _, err := range []error{mergefile.ErrInvalid, &ledger.ConflictError{}, &ledger.TooOldError{}, fmt.Errorf("inbox: %w", &ledger.TooOldError{})} {
		assert.True(t, ledger.Refused(err), "%T", err)
	}
	for _, err := range []error{nil, ledger.ErrBusy, ledger.ErrStopped, ledger.ErrOutcomeUnknown, &ledger.ApplyError{Err: errors.New("no")}} {
		assert.False(t, ledger.Refused(err), "%T", err)
	}
}

func TestApplyFails(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		rs := records(t, s.profile, 150)
		boom := errors.New("boom")
		var fail func() error
		r := s.receiver(t, func(c *ledger.ReceiverConfig) {
			c.Apply = func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
				if err := credit(ctx, tx, rec); err != nil {
					return err
				}
				if rec == rs[120] && fail != nil {
					return fail()
				}
				return nil
			}
		})
		receive := func(ctx context.Context) error {
			_, err := r.Receive(ctx, s.file(t, rs), "", nil)
			return err
		}
		none := func() {
			t.Helper()
			assert.Empty(t, s.balances(t))
			assert.Zero(t, s.has(t, rs[:5]))
		}

		fail = func() error { return boom }
		err := receive(t.Context())
		var ae *ledger.ApplyError
		require.ErrorAs(t, err, &ae)
		assert.ErrorIs(t, err, boom)
		none()

		// The program's own errors are not taken for ours.
		fail = func() error { return mergefile.ErrInvalid }
		err = receive(t.Context())
		assert.ErrorAs(t, err, &ae)
		none()

		fail = func() error { panic("boom") }
		assert.PanicsWithValue(t, "boom", func() { _ = receive(t.Context()) })
		none()
		assert.Zero(t, s.db.Stats().InUse, "no transaction is left open")

		ctx, cancel := context.WithCancel(t.Context())
		fail = func() error { cancel(); return nil }
		assert.ErrorIs(t, receive(ctx), context.Canceled)
		none()

		fail = nil
		require.NoError(t, receive(t.Context()))
		assert.Equal(t, sum(rs), s.balances(t))
	})
}

func TestNewReceiver(t *testing.T) {
	s := openShop(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), ledger.Config{})
	good := ledger.ReceiverConfig{Ledger: s.ledger, Profile: s.profile, Keys: testKey(t), Apply: credit}
	for _, tc := range []struct {
		name   string
		change func(*ledger.ReceiverConfig)
		want   error
	}{
		{"no ledger", func(c *ledger.ReceiverConfig) { c.Ledger = nil }, nil},
		{"no keys", func(c *ledger.ReceiverConfig) { c.Keys = nil }, ledger.ErrKey},
		{"no Apply", func(c *ledger.ReceiverConfig) { c.Apply = nil }, nil},
		{"both", func(c *ledger.ReceiverConfig) { c.ApplyAll = creditAll }, nil},
		{"a shop's numbers without a scope", func(c *ledger.ReceiverConfig) { c.Profile.Transaction.Scope = mergefile.ScopeShop }, ledger.ErrScope},
		{"a long scope", func(c *ledger.ReceiverConfig) { c.Scope = strings.Repeat("a", ledger.MaxScopeLen+1) }, ledger.ErrScope},
		{"a scope with a DEL", func(c *ledger.ReceiverConfig) { c.Scope = "a\x7F" }, ledger.ErrScope},
		{"a scope that is not text", func(c *ledger.ReceiverConfig) { c.Scope = "a\x00" }, ledger.ErrScope},
		{"a scope in no encoding", func(c *ledger.ReceiverConfig) { c.Scope = "\xff" }, ledger.ErrScope},
	} {
		cfg := good
		tc.change(&cfg)
		_, err := ledger.NewReceiver(cfg)
		require.Error(t, err, tc.name)
		if tc.want != nil {
			assert.ErrorIs(t, err, tc.want, tc.name)
		}
	}
	good.Profile.Layout = "?"
	var pe *mergefile.ProfileError
	_, err := ledger.NewReceiver(good)
	assert.ErrorAs(t, err, &pe)
}

// The same number in two scopes is two numbers.
func TestScopes(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		rs := records(t, s.profile, 10)
		for _, scope := range []string{"", "mall 1", strings.Repeat("商店街", 14) + "ab"} {
			r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Scope = scope })
			for i := range int64(2) {
				rep, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
				require.NoError(t, err)
				assert.EqualValues(t, 10*(1-i), rep.Merged)
				assert.EqualValues(t, 10*i, rep.Duplicates)
			}
		}
		assert.Equal(t, sum(rs, rs, rs), s.balances(t))
	})
}

// Where the profile names files, a file under another name is refused.
func TestReceiveByName(t *testing.T) {
	s := openShop(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), ledger.Config{})
	rs := records(t, s.profile, 3)
	for _, tc := range []struct {
		form  mergefile.FileNameForm
		right []string
		wrong []string
	}{
		{mergefile.FileNameForm{Kind: mergefile.NameAny}, []string{"", "x", "a/b"}, nil},
		{mergefile.FileNameForm{Kind: mergefile.NameFixed, Text: "points.dat"}, []string{"points.dat"}, []string{"", "Points.dat", "x/points.dat", "points.dat/"}},
		{mergefile.FileNameForm{Kind: mergefile.NameTransaction, Text: ".bin"}, []string{"20170512093000-000000.bin"},
			[]string{"20170512093000-000001.bin", "20170512093000-000000.dat", "../20170512093000-000000.bin"}},
		{mergefile.FileNameForm{Kind: mergefile.NameDay, Text: ".bin"}, []string{"20170512/20170512093000-000000.bin", "20170512093000-000000.bin"},
			[]string{"20170513/20170512093000-000000.bin", "20170512", ""}},
	} {
		s.profile.Transaction.Join = "-"
		s.profile.FileName = tc.form
		r := s.receiver(t, nil)
		for _, name := range tc.right {
			_, err := r.Receive(t.Context(), s.file(t, rs), name, nil)
			assert.NoError(t, err, "%v %q", tc.form, name)
		}
		for _, name := range tc.wrong {
			_, err := r.Receive(t.Context(), s.file(t, rs), name, nil)
			requireInvalid(t, err, tc.form, name)
		}
	}
	assert.Equal(t, sum(rs), s.balances(t))
}
