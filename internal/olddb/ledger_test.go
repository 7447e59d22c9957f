package olddb

import (
	"context"
	"database/sql"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

func TestLedger(t *testing.T) {
	each(t, "keepers", func(t *testing.T, db *sql.DB, _ want) {
		ctx := t.Context()
		open := func(secret string) (*ledger.Ledger, error) {
			key := must(ledger.NewKey([]byte(secret)))(t)
			return ledger.Open(ctx, db, ledger.Config{Key: key, Keep: 60 * 24 * time.Hour, Clock: clock})
		}
		_, err := open("another secret than that of the fixture")
		require.ErrorIs(t, err, ledger.ErrOtherKey)
		l := must(open("the ledger secret of this old fixture"))(t)

		number := func(s string) mergefile.Transaction { return must(mergefile.ParseTransaction(s))(t) }
		for _, n := range []struct {
			scope, number string
			there         bool
		}{
			{"shop-1", "20260801100000-000001", false}, // forgotten
			{"shop-1", "20261101100000-000001", true},
			{"shop-1", "20261102100000-000002", true},
			{"shop-1", "20261103100000-000003", true},
			{"shop-1", "20261126100000-000009", false},
			{"川崎市 第一商店街", "20261101100000-000001", true},
			{"川崎市 第一商店街", "20261102100000-000002", false},
			{"", "20261101100000-000001", true},
		} {
			assert.Equal(t, n.there, must(l.Has(ctx, n.scope, number(n.number)))(t), "%q %s", n.scope, n.number)
		}
		scopes := must(l.Scopes(ctx))(t)
		require.Len(t, scopes, 3)
		for i, s := range []struct {
			name    string
			numbers int64
		}{{"", 1}, {"shop-1", 3}, {"川崎市 第一商店街", 1}} {
			assert.Equal(t, s.name, scopes[i].Name)
			assert.Equal(t, s.numbers, scopes[i].Numbers, s.name)
		}
		forgotten := scopes[1].Forgotten
		assert.Equal(t, number("20261103100000-000003").Time().AddDate(0, 0, -60), forgotten)

		key := must(mergefile.NewKey("K1", []byte("0123456789abcdef"), []byte("the secret text")))(t)
		receive := func(scope, name string) (ledger.Report, error) {
			r := must(ledger.NewReceiver(ledger.ReceiverConfig{Ledger: l, Profile: mergefile.Standard(), Keys: key, Scope: scope,
				Apply: func(ctx context.Context, tx *sql.Tx, rec mergefile.Record) error {
					_, err := tx.ExecContext(ctx, `INSERT INTO balance (holder, points) VALUES ($1, $2)
						ON CONFLICT (holder) DO UPDATE SET points = balance.points + excluded.points`, rec.Holder.Reveal(), int64(rec.Points))
					return err
				}}))(t)
			f := must(os.Open("testdata/merge/" + name))(t)
			defer f.Close()
			return r.Receive(ctx, f, name, nil)
		}
		for _, again := range [][2]string{{"shop-1", "shop-1-b.dat"}, {"川崎市 第一商店街", "kawasaki.dat"}, {"", "kawasaki.dat"}} {
			report, err := receive(again[0], again[1])
			require.NoError(t, err)
			assert.EqualValues(t, 1, report.Duplicates)
			assert.EqualValues(t, 0, report.Merged)
		}
		_, err = receive("shop-1", "shop-1-conflict.dat")
		var conflict *ledger.ConflictError
		assert.ErrorAs(t, err, &conflict)
		_, err = receive("shop-1", "shop-1-a.dat")
		var old *ledger.TooOldError
		assert.ErrorAs(t, err, &old)

		record := func(holder string, points uint64, n string) mergefile.Record {
			return mergefile.Record{Holder: must(mergefile.NewMallHolder(holder))(t), Points: points, Transaction: number(n)}
		}
		list := func(yield func(mergefile.Record, error) bool) {
			for _, r := range []mergefile.Record{
				record("520626", 200, "20261101100000-000001"),
				record("520627", 301, "20261102100000-000002"),
				record("520628", 1, "20261102100000-000003"),
			} {
				if !yield(r, nil) {
					return
				}
			}
		}
		var differences []ledger.Difference
		for d, err := range l.Reconcile(ctx, "shop-1", time.Time{}, time.Time{}, list) {
			require.NoError(t, err)
			differences = append(differences, d)
		}
		assert.Equal(t, []ledger.Difference{
			{Kind: ledger.Different, Transaction: number("20261102100000-000002")},
			{Kind: ledger.MissingHere, Transaction: number("20261102100000-000003")},
			{Kind: ledger.MissingThere, Transaction: number("20261103100000-000003")},
		}, differences)

		points := func() (out []int64) {
			for _, holder := range []string{"520625", "520626", "520627", "777777"} {
				out = append(out, balance(ctx, t, db, holder))
			}
			return out
		}
		before := []int64{500, 200, 300, 100}
		require.Equal(t, before, points())
		report, err := receive("shop-1", "new.dat")
		require.NoError(t, err)
		assert.EqualValues(t, 1, report.Merged)
		after := slices.Clone(before)
		after[0] += 900
		assert.Equal(t, after, points())
	})
}
