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

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/ticket"
)

// sent is a file as the city's cloud would send it.
func sent(t testing.TB, keys shop.Keys, r mergefile.Record) []byte {
	t.Helper()
	key, err := keys.Merge()
	require.NoError(t, err)
	var file bytes.Buffer
	w, err := mergefile.NewWriter(t.Context(), &file, shop.Profile(), key, nil)
	require.NoError(t, err)
	require.NoError(t, w.Write(r))
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
		at := s.Terminal("T1")
		combine := func(points int64, key string) error { _, err := v.Combine(ctx, card, at, points, key); return err }
		assert.ErrorIs(t, combine(300, "merge 1"), shop.ErrNoMember)
		_, err = v.RegisterService(ctx, card, parse(t, mykey.ParseServiceID, "000002:520625"))
		require.NoError(t, err)

		record, err := v.Combine(ctx, card, at, 300, "merge 1")
		require.NoError(t, err)
		again, err := v.Combine(ctx, card, at, 300, "merge 1")
		require.NoError(t, err)
		assert.Equal(t, record, again, "twice is once")
		assert.ErrorIs(t, combine(301, "merge 1"), shop.ErrRepeat)
		assert.ErrorIs(t, combine(1701, "merge 2"), shop.ErrBalance)
		assert.ErrorIs(t, combine(0, "merge 2"), ticket.ErrPoints)
		assert.ErrorIs(t, combine(1, ""), shop.ErrOrderKey)
		owed, stuck, err := s.Unsent(ctx, at)
		require.NoError(t, err)
		assert.Equal(t, []mergefile.Record{record}, owed)
		assert.Zero(t, stuck)
		require.NoError(t, s.Sent(ctx, record))
		owed, stuck, err = s.Unsent(ctx, at)
		require.NoError(t, err)
		assert.Empty(t, owed)
		assert.Zero(t, stuck)

		dir := t.TempDir()
		var came []shop.Arrival
		box, err := s.OpenInbox(dir, func(a shop.Arrival) { came = append(came, a) })
		require.NoError(t, err)
		arrive := func(name string, file []byte) shop.Arrival {
			came = nil
			path, written := filepath.Join(dir, name), time.Now().Add(-time.Minute)
			require.NoError(t, os.WriteFile(path, file, 0o600))
			require.NoError(t, os.Chtimes(path, written, written))
			_, err := box.Scan(ctx)
			require.NoError(t, err)
			require.Len(t, came, 1)
			assert.Equal(t, name, came[0].Name)
			return came[0]
		}

		file := sent(t, cfg.Keys, record)
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
		assert.True(t, ledger.Refused(a.Err))
		assert.Contains(t, a.Target, "quarantine")

		record.Points = 900
		a = arrive("3.dat", sent(t, cfg.Keys, record))
		assert.True(t, ledger.Refused(a.Err), "the same number with other points")
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
	dsn := dbtest.ImpatientSQLite(t.TempDir())
	cfg := config(t)
	cfg.RetryFor = time.Millisecond
	s := open(t, dbtest.Open(t, "sqlite", dsn), cfg)
	dir := t.TempDir()
	var came []shop.Arrival
	box, err := s.OpenInbox(dir, func(a shop.Arrival) { came = append(came, a) })
	require.NoError(t, err)
	holder, err := mergefile.NewMallHolder("520625")
	require.NoError(t, err)
	number, err := mergefile.NewTransaction(time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC), 1)
	require.NoError(t, err)
	file := sent(t, cfg.Keys, mergefile.Record{Holder: holder, Points: 300, Transaction: number})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "1.dat"), file, 0o600))

	hold, err := dbtest.Open(t, "sqlite", dsn+"&_txlock=immediate").Begin()
	require.NoError(t, err)
	_, err = box.Scan(t.Context())
	require.NoError(t, err)
	require.Len(t, came, 1)
	assert.ErrorIs(t, came[0].Err, ledger.ErrBusy)
	assert.Empty(t, came[0].Target, "it stays")
	require.NoError(t, hold.Rollback())

	sum, err := box.Scan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, sum.Done)
	assert.Equal(t, shop.Books{Merged: 300, Mall: 300}, exact(t, s))
}
