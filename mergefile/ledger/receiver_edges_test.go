package ledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// nothing asserts that a shop has neither a number of rs nor a balance.
func (s *shop) nothing(t *testing.T, rs []mergefile.Record) {
	t.Helper()
	require.Zero(t, s.remembered(t, rs))
	require.Empty(t, s.balances(t))
}

func liteShop(t *testing.T) *shop {
	return openShop(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), ledger.Config{})
}

// The file is verified first and merged in another pass. A disk that fails in
// that pass, and a file that has become another one, merge nothing; the first
// decides nothing about the file, and the other is invalid like any.
func TestMergeOfWhatChangesMeanwhile(t *testing.T) {
	for _, all := range []bool{false, true} {
		s := liteShop(t)
		s.profile.Cipher.Mode, s.profile.Cipher.Padding = mergefile.CipherCTR, mergefile.PaddingNone
		s.profile.Cipher.IV, s.profile.Cipher.FixedIV = mergefile.IVFixed, "000102030405060708090a0b0c0d0e0f"
		r := s.receiver(t, func(c *ledger.ReceiverConfig) {
			if all {
				c.Apply, c.ApplyAll = nil, creditAll
			}
		})
		rs := records(t, s.profile, 40_000)
		file, _ := write(t, s.profile, testKey(t), rs)
		other := append([]mergefile.Record(nil), rs...)
		other[len(rs)/2].Points ^= 1
		then, _ := write(t, s.profile, testKey(t), other)
		receive := func(m *media) (ledger.Report, error) {
			return r.Receive(t.Context(), io.NewSectionReader(m, 0, int64(len(file))), "", nil)
		}
		report, err := receive(&media{content: file, fails: errDisk})
		require.ErrorIs(t, err, errDisk)
		require.NotErrorIs(t, err, mergefile.ErrInvalid)
		require.Zero(t, report)
		s.nothing(t, rs)

		report, err = receive(&media{content: file, then: then})
		require.Same(t, mergefile.ErrInvalid, err)
		require.Zero(t, report)
		s.nothing(t, rs)

		report, err = receive(&media{content: file})
		require.NoError(t, err)
		require.EqualValues(t, len(rs), report.Merged)
		require.Equal(t, sum(rs), s.balances(t))
	}
}

// An Apply that fails late in a large file undoes all of it, and is told of as
// it is.
func TestApplyFailsLate(t *testing.T) {
	errShop := errors.New("no such customer")
	for _, at := range []int{1, 999, 1000, 1001, 29_999, 30_000} {
		s := liteShop(t)
		rs := records(t, s.profile, 30_000)
		n := 0
		r := s.receiver(t, func(c *ledger.ReceiverConfig) {
			c.Apply, c.ApplyAll = nil, func(ctx context.Context, tx *sql.Tx, recs []mergefile.Record) error {
				if n += len(recs); n >= at {
					return errShop
				}
				return creditAll(ctx, tx, recs)
			}
		})
		report, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
		var apply *ledger.ApplyError
		require.ErrorAs(t, err, &apply)
		require.ErrorIs(t, err, errShop)
		require.NotErrorIs(t, err, mergefile.ErrInvalid)
		require.Zero(t, report)
		s.nothing(t, rs[:2000])
	}
}

// What a profile takes from the name and the sidecar reaches the reader.
func TestNameAndSidecarOfWhatIsReceived(t *testing.T) {
	s := liteShop(t)
	s.profile.Cipher.IV = mergefile.IVFileName
	s.profile.Integrity = mergefile.IntegritySidecar
	if err := s.profile.Validate(); err != nil {
		s.profile.Integrity = mergefile.Standard().Integrity
	}
	rs := records(t, s.profile, 5)
	file, mac := write(t, s.profile, testKey(t), rs)
	r := s.receiver(t, nil)
	receive := func(name string, mac []byte) error {
		_, err := r.Receive(t.Context(), bytes.NewReader(file), name, mac)
		return err
	}
	require.Same(t, mergefile.ErrInvalid, receive("short.dat", mac), "whoever sent the file named it")
	require.ErrorIs(t, receive("", mac), mergefile.ErrName, "whoever calls has left the name out")
	require.Same(t, mergefile.ErrInvalid, receive("20180512093000000001.dat", mac))
	if len(mac) > 0 {
		require.Same(t, mergefile.ErrInvalid, receive(fileName, nil))
	}
	s.nothing(t, rs)
	require.NoError(t, receive("a/folder/"+fileName, mac), "the name without its folder")
	require.Equal(t, sum(rs), s.balances(t))
}

// A counter of its own for each terminal needs a scope of its own.
func TestScopeOfAProfile(t *testing.T) {
	s := liteShop(t)
	for _, tt := range []struct {
		counter mergefile.SequenceScope
		scope   string
		ok      bool
	}{{mergefile.ScopeCloud, "", true}, {mergefile.ScopeCloud, "a", true}, {mergefile.ScopeTerminal, "", false}, {mergefile.ScopeTerminal, "a", true}} {
		p := mergefile.Standard()
		p.Transaction.Scope = tt.counter
		_, err := ledger.NewReceiver(ledger.ReceiverConfig{Ledger: s.ledger, Profile: p, Keys: testKey(t), Apply: credit, Scope: tt.scope})
		if tt.ok {
			assert.NoError(t, err, "%+v", tt)
		} else {
			assert.ErrorIs(t, err, ledger.ErrScope, "%+v", tt)
		}
	}
}

// Where the file's name is compared with its first record, a disk that fails at
// that moment is no wrong name.
func TestDiskFailsWhileTheNameIsLookedAt(t *testing.T) {
	s := liteShop(t)
	s.profile.FileName.Kind, s.profile.FileName.Text = mergefile.NameTransaction, ".dat"
	require.NoError(t, s.profile.Validate())
	rs := records(t, s.profile, 40_000)
	file, _ := write(t, s.profile, testKey(t), rs)
	r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
	name := s.profile.FileNameFor(rs[0].Transaction)
	receive := func(m *media, name string) error {
		_, err := r.Receive(t.Context(), io.NewSectionReader(m, 0, int64(len(file))), name, nil)
		return err
	}
	err := receive(&media{content: file, fails: errDisk}, name)
	require.ErrorIs(t, err, errDisk)
	require.NotErrorIs(t, err, mergefile.ErrInvalid)
	require.Same(t, mergefile.ErrInvalid, receive(&media{content: file}, "another"))
	s.nothing(t, rs[:100])
	require.NoError(t, receive(&media{content: file}, name))
}

// Points that no database can hold are refused, whole.
func TestSumLeavesRange(t *testing.T) {
	s := liteShop(t)
	s.profile.Points.Digits = 18
	require.NoError(t, s.profile.Validate())
	rs := records(t, s.profile, 10)
	applied := 0
	r := s.receiver(t, func(c *ledger.ReceiverConfig) {
		c.Apply = func(context.Context, *sql.Tx, mergefile.Record) error { applied++; return nil }
	})
	for i := range rs {
		rs[i].Points = 922_337_203_685_477_580
	}
	rs[9].Points += 8
	_, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
	require.ErrorIs(t, err, ledger.ErrSum)
	assert.True(t, ledger.Refused(err))
	assert.Zero(t, applied)
	s.nothing(t, rs)
	rs[9].Points--
	report, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
	require.NoError(t, err)
	assert.EqualValues(t, int64(1<<63-1), report.Points)
}
