package shop_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/counter/shop"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/ticket"
)

// sent is a file as the city's cloud would send it: number n of this moment, to
// a member of the mall.
func sent(t testing.TB, keys shop.Keys, n uint32, member string, points uint64) []byte {
	t.Helper()
	key, err := keys.Merge()
	require.NoError(t, err)
	holder, err := mergefile.NewMallHolder(member)
	require.NoError(t, err)
	number, err := mergefile.NewTransaction(time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC), n)
	require.NoError(t, err)
	var file bytes.Buffer
	w, err := mergefile.NewWriter(t.Context(), &file, shop.Profile(), key, nil)
	require.NoError(t, err)
	require.NoError(t, w.Write(mergefile.Record{Holder: holder, Points: points, Transaction: number}))
	require.NoError(t, w.Close())
	return file.Bytes()
}

func TestMergeInbox(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		s := open(t, db, cfg)
		card, id := enrolled(t, s, 0)
		v, err := s.Begin(ctx, card)
		require.NoError(t, err)
		_, err = v.RegisterService(ctx, card, parse(t, mykey.ParseServiceID, "000002:520625"))
		require.NoError(t, err)

		for range 2 {
			require.NoError(t, v.Combine(ctx, card, s.Terminal("T1"), 300, "merge 1"), "twice is once")
		}
		assert.ErrorIs(t, v.Combine(ctx, card, s.Terminal("T1"), 301, "merge 1"), shop.ErrRepeat)
		assert.ErrorIs(t, v.Combine(ctx, card, s.Terminal("T1"), 1701, "merge 2"), shop.ErrBalance)
		assert.ErrorIs(t, v.Combine(ctx, card, s.Terminal("T1"), 0, "merge 2"), ticket.ErrPoints)

		dir := t.TempDir()
		var came []shop.Arrival
		box, err := s.OpenInbox(dir, func(a shop.Arrival) { came = append(came, a) })
		require.NoError(t, err)
		arrive := func(name string, file []byte) shop.Arrival {
			came = nil
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), file, 0o600))
			_, err := box.Scan(ctx)
			require.NoError(t, err)
			require.Len(t, came, 1)
			assert.Equal(t, name, came[0].Name)
			return came[0]
		}

		file := sent(t, cfg.Keys, 1, "520625", 300)
		a := arrive("1.dat", file)
		require.NoError(t, a.Err)
		assert.EqualValues(t, 1, a.Report.Merged)
		assert.EqualValues(t, 300, a.Report.Points)

		a = arrive("1.dat", file)
		require.NoError(t, a.Err)
		assert.EqualValues(t, 0, a.Report.Merged)
		assert.EqualValues(t, 1, a.Report.Duplicates)

		bent := bytes.Clone(file)
		bent[len(bent)/2] ^= 1
		a = arrive("2.dat", bent)
		assert.ErrorIs(t, a.Err, mergefile.ErrInvalid)
		assert.True(t, shop.Refused(a.Err))
		assert.Contains(t, a.Target, "quarantine")

		a = arrive("3.dat", sent(t, cfg.Keys, 1, "520625", 900))
		assert.True(t, shop.Refused(a.Err), "the same number with other points")
		assert.Contains(t, shop.Explain(a.Err).What.EN, "merged before with other content")
		assert.Contains(t, a.Target, "quarantine")

		c, err := s.Find(ctx, id)
		require.NoError(t, err)
		assert.EqualValues(t, 300, c.MallPoints)
		assert.EqualValues(t, 1700, c.CityPoints)
		assert.Equal(t, shop.Books{Granted: 2000, Combined: 300, City: 1700, Merged: 300, Mall: 300}, exact(t, s))
		day, err := s.Settle(ctx, ticket.Period{From: s.Today(), To: s.Today()})
		require.NoError(t, err)
		assert.EqualValues(t, 1, day.Merged.Records)
		assert.EqualValues(t, 300, day.Merged.Points)
	})
}

func TestMergeWhileTheDatabaseIsLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	cfg := config(t)
	cfg.RetryFor = time.Millisecond
	s := open(t, openDB(t, "sqlite", "file:"+filepath.ToSlash(path)+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1)"), cfg)
	dir := t.TempDir()
	var came []shop.Arrival
	box, err := s.OpenInbox(dir, func(a shop.Arrival) { came = append(came, a) })
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "1.dat"), sent(t, cfg.Keys, 1, "520625", 300), 0o600))

	hold, err := openDB(t, "sqlite", sqliteDSN(path, "&_txlock=immediate")).Begin()
	require.NoError(t, err)
	_, err = box.Scan(t.Context())
	require.NoError(t, err)
	require.Len(t, came, 1)
	assert.ErrorIs(t, came[0].Err, mergefile.ErrBusy)
	assert.Empty(t, came[0].Target, "it stays")
	require.NoError(t, hold.Rollback())

	sum, err := box.Scan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, sum.Done)
	assert.Equal(t, shop.Books{Merged: 300, Mall: 300}, exact(t, s))
}
