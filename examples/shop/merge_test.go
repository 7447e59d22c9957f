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
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// fileOf is a file as the city's cloud would send it.
func fileOf(t testing.TB, keys shop.Keys, r mergefile.Record) []byte {
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

// A record leaves as a file, is merged once whatever comes of it, and is done when
// the mall has acknowledged it.
func TestMergeInbox(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		cfg := config(t)
		s := open(t, db, cfg)
		card, id := enrolled(t, s, 0)
		v, err := s.Begin(ctx, card)
		require.NoError(t, err)
		at := s.Terminal("T1")
		combine := func(points int64, key string) error {
			_, err := v.Combine(ctx, card, at, shop.Order{Points: points, Key: key})
			return err
		}
		assert.ErrorIs(t, combine(300, "merge-1"), shop.ErrNoMember)
		_, err = v.RegisterService(ctx, card, parse(t, mykey.ParseServiceID, "000002:520625"))
		require.NoError(t, err)

		record, err := v.Combine(ctx, card, at, shop.Order{Points: 300, Key: "merge-1"})
		require.NoError(t, err)
		again, err := v.Combine(ctx, card, at, shop.Order{Points: 300, Key: "merge-1"})
		require.NoError(t, err)
		assert.True(t, again.Receipt.Repeated)
		assert.Equal(t, record.Number, again.Number, "twice is once")
		assert.ErrorIs(t, combine(301, "merge-1"), point.ErrRequestReused)
		assert.ErrorIs(t, combine(1701, "merge-2"), point.ErrShort)
		assert.ErrorIs(t, combine(0, "merge-2"), point.ErrPoints)
		assert.ErrorIs(t, combine(1, ""), shop.ErrOrderKey)

		// One that is taken back before its file is written.
		undone, err := v.Combine(ctx, card, at, shop.Order{Points: 50, Key: "merge-3"})
		require.NoError(t, err)
		back, err := s.Cancel(ctx, at, "merge-3")
		require.NoError(t, err)
		assert.EqualValues(t, 50, back.Points)
		gone, err := v.Combine(ctx, card, at, shop.Order{Points: 50, Key: "merge-3"})
		require.NoError(t, err)
		assert.Zero(t, gone.Number)
		assert.NotZero(t, undone.Number)
		assert.EqualValues(t, 50, gone.Receipt.Undone)

		sent, err := s.Send(ctx)
		require.NoError(t, err)
		assert.Equal(t, outbox.Sent{Files: 1}, sent)
		_, err = s.Cancel(ctx, at, "merge-1")
		assert.ErrorIs(t, err, point.ErrNotUndoable, "its file may be on its way")
		assert.ErrorIs(t, err, outbox.ErrWritten)
		files, err := os.ReadDir(cfg.Outbox)
		require.NoError(t, err)
		require.Len(t, files, 1)
		file, err := os.ReadFile(filepath.Join(cfg.Outbox, files[0].Name()))
		require.NoError(t, err)

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

		a := arrive("1.dat", file)
		require.NoError(t, a.Err)
		assert.EqualValues(t, 1, a.Report.Merged)
		assert.EqualValues(t, 300, a.Report.Points)
		waiting, err := s.Unacknowledged(ctx, 10)
		require.NoError(t, err)
		assert.Empty(t, waiting)

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

		holder, err := mergefile.NewMallHolder("520625")
		require.NoError(t, err)
		a = arrive("3.dat", fileOf(t, cfg.Keys, mergefile.Record{Holder: holder, Points: 900, Transaction: record.Number}))
		assert.True(t, ledger.Refused(a.Err), "the same number with other points")
		assert.Contains(t, a.Target, "quarantine")

		c, err := s.Find(ctx, id)
		require.NoError(t, err)
		assert.EqualValues(t, 300, c.MallPoints)
		assert.EqualValues(t, 1700, c.CityPoints)
		assert.Equal(t, shop.Books{Granted: 2000, Combined: 300, City: 1700, Merged: 300, Mall: 300}, exact(t, s))
		day, err := s.Settle(ctx, lately(s))
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
	file := fileOf(t, cfg.Keys, mergefile.Record{Holder: holder, Points: 300, Transaction: number})
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

// outgoing is a file that has left.
type outgoing struct {
	name    string
	content []byte
}

func (f outgoing) reader() *bytes.Reader { return bytes.NewReader(f.content) }

// send has what is due leave, and takes the files.
func send(t testing.TB, s *shop.Shop, cfg shop.Config) (files []outgoing) {
	t.Helper()
	_, err := s.Send(t.Context())
	require.NoError(t, err)
	entries, err := os.ReadDir(cfg.Outbox)
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(cfg.Outbox, e.Name()))
		require.NoError(t, err)
		files = append(files, outgoing{e.Name(), content})
	}
	return files
}

// deliverAll sends what is due and has it received.
func deliverAll(t testing.TB, s *shop.Shop, cfg shop.Config) {
	t.Helper()
	for _, f := range send(t, s, cfg) {
		_, err := s.Receive(t.Context(), f.reader(), f.name)
		require.NoError(t, err)
	}
}
