package ledger_test

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

func list(rs []mergefile.Record) iter.Seq2[mergefile.Record, error] {
	return func(yield func(mergefile.Record, error) bool) {
		for _, r := range rs {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// numbersOf leaves only the numbers.
func numbersOf(rs []mergefile.Record) (out []mergefile.Record) {
	for _, r := range rs {
		out = append(out, mergefile.Record{Transaction: r.Transaction})
	}
	return out
}

func differences(t testing.TB, seq iter.Seq2[ledger.Difference, error]) (out []ledger.Difference, err error) {
	for d, e := range seq {
		require.NoError(t, err, "nothing comes behind an error")
		if err = e; e == nil {
			out = append(out, d)
		} else {
			assert.Zero(t, d)
		}
	}
	return out, err
}

func TestReconcile(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *shop) {
		all := records(t, s.profile, 3500)
		var here, there []mergefile.Record
		var want, wantNumbers []ledger.Difference
		for i, r := range all {
			switch {
			case i%1000 == 3:
				there = append(there, r)
				want = append(want, ledger.Difference{Kind: ledger.MissingHere, Transaction: r.Transaction})
				wantNumbers = append(wantNumbers, want[len(want)-1])
			case i%1000 == 500, i > 3490:
				here = append(here, r)
				want = append(want, ledger.Difference{Kind: ledger.MissingThere, Transaction: r.Transaction})
				wantNumbers = append(wantNumbers, want[len(want)-1])
			case i%1000 == 700:
				here = append(here, r)
				r.Points++
				there = append(there, r)
				want = append(want, ledger.Difference{Kind: ledger.Different, Transaction: r.Transaction})
			default:
				here, there = append(here, r), append(there, r)
			}
		}
		r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
		_, err := r.Receive(t.Context(), s.file(t, here), "", nil)
		require.NoError(t, err)
		ctx := t.Context()
		var always time.Time

		got, err := differences(t, s.ledger.Reconcile(ctx, "", always, always, list(there)))
		require.NoError(t, err)
		assert.Equal(t, want, got)
		got, err = differences(t, s.ledger.Reconcile(ctx, "", always, always, list(numbersOf(there))))
		require.NoError(t, err)
		assert.Equal(t, wantNumbers, got)
		got, err = differences(t, s.ledger.Reconcile(ctx, "", always, always, list(here)))
		require.NoError(t, err)
		assert.Empty(t, got)
		got, err = differences(t, s.ledger.Reconcile(ctx, "", always, always, list(nil)))
		require.NoError(t, err)
		assert.Len(t, got, len(here))
		got, err = differences(t, s.ledger.Reconcile(ctx, "another", always, always, list(there)))
		require.NoError(t, err)
		assert.Len(t, got, len(there))

		// A period, to the second.
		from, to := all[700].Transaction.Time(), all[1703].Transaction.Time()
		var inside []ledger.Difference
		for _, d := range want {
			if at := d.Transaction.Time(); !at.Before(from) && at.Before(to) {
				inside = append(inside, d)
			}
		}
		require.Len(t, inside, 4)
		got, err = differences(t, s.ledger.Reconcile(ctx, "", from, to, list(there)))
		require.NoError(t, err)
		assert.Equal(t, inside, got)

		// A list that is not in order, or has a number twice.
		swapped := append([]mergefile.Record(nil), there...)
		swapped[9], swapped[10] = swapped[10], swapped[9]
		for _, bad := range [][]mergefile.Record{swapped, {all[0], all[0]}} {
			_, err = differences(t, s.ledger.Reconcile(ctx, "", always, always, list(bad)))
			assert.ErrorIs(t, err, ledger.ErrOrder)
		}
		boom := errors.New("boom")
		_, err = differences(t, s.ledger.Reconcile(ctx, "", always, always, func(yield func(mergefile.Record, error) bool) {
			_ = yield(all[0], nil) && yield(mergefile.Record{}, boom)
		}))
		assert.ErrorIs(t, err, boom)
		_, err = differences(t, s.ledger.Reconcile(ctx, "\x00", always, always, list(nil)))
		assert.ErrorIs(t, err, ledger.ErrScope)

		// The caller may stop anywhere, and ask again meanwhile.
		for i := range len(want) {
			n := 0
			for d, err := range s.ledger.Reconcile(ctx, "", always, always, list(there)) {
				require.NoError(t, err)
				require.Equal(t, want[n], d)
				if n == i {
					break
				}
				n++
			}
		}
	})
}

func TestReconcileWhatIsForgotten(t *testing.T) {
	s := openShop(t, dbtest.Open(t, "sqlite", dbtest.SQLite(t.TempDir())), ledger.Config{Keep: day})
	rs := records(t, s.profile, 5)
	for i := range rs {
		rs[i] = later(t, rs[i], time.Duration(i)*day)
	}
	_, err := s.receiver(t, nil).Receive(t.Context(), s.file(t, rs), "", nil)
	require.NoError(t, err)
	n, err := s.ledger.Forget(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	var always time.Time
	got, err := differences(t, s.ledger.Reconcile(t.Context(), "", always, always, list(rs)))
	require.NoError(t, err)
	assert.Empty(t, got, "what was forgotten is not missing")
	var old *ledger.TooOldError
	_, err = differences(t, s.ledger.Reconcile(t.Context(), "", testStart, always, list(rs)))
	require.ErrorAs(t, err, &old)
	assert.Equal(t, "ledger: the ledger has forgotten the numbers from before 2017-05-14 09:30:01", err.Error())
	assert.Equal(t, "missing here", ledger.MissingHere.String())
	assert.Equal(t, "missing there", ledger.MissingThere.String())
	assert.Equal(t, "different", ledger.Different.String())
}
