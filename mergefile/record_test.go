package mergefile_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mykey"
)

func TestHolder(t *testing.T) {
	for _, good := range []string{"1", "520625", "180000000011", "aZ9", strings.Repeat("9", 32)} {
		h, err := mergefile.NewMallHolder(good)
		require.NoError(t, err)
		assert.Equal(t, good, h.Reveal())
		assert.Equal(t, mergefile.MallPointID, h.Kind())
		_, is := h.RevealMyKeyID()
		assert.False(t, is)
	}
	for _, bad := range []string{"", strings.Repeat("9", 33), "52,0625", "52 0625", "５２０６２５", "\x00", "ｱ", "a\n"} {
		_, err := mergefile.NewMallHolder(bad)
		assert.ErrorIs(t, err, mergefile.ErrHolder, "%q", bad)
	}
	id, err := mykey.ParseID("MY123456")
	require.NoError(t, err)
	h, err := mergefile.NewMyKeyHolder(id)
	require.NoError(t, err)
	back, is := h.RevealMyKeyID()
	assert.True(t, is)
	assert.Equal(t, id, back)
	mall, err := mergefile.NewMallHolder("MY123456")
	require.NoError(t, err)
	assert.NotEqual(t, mall, h, "the same text of the other kind is another holder")
	_, err = mergefile.NewMyKeyHolder(mykey.ID{})
	assert.ErrorIs(t, err, mergefile.ErrHolder)
}

func TestCanonicalContent(t *testing.T) {
	r := record(t, mergefile.Standard(), 0)
	assert.Equal(t, "mall,520625,1,20170512093000-000000", string(r.AppendCanonical(nil)))
	seen := map[string]bool{string(r.AppendCanonical(nil)): true}
	for _, change := range []func(*mergefile.Record){
		func(r *mergefile.Record) { r.Holder, _ = mergefile.NewMallHolder("52062") },
		func(r *mergefile.Record) { r.Points++ },
		func(r *mergefile.Record) {
			r.Transaction, _ = mergefile.NewTransaction(r.Transaction.Time(), 1)
		},
		func(r *mergefile.Record) {
			r.Transaction, _ = mergefile.NewTransaction(r.Transaction.Time().Add(time.Millisecond), 0)
		},
	} {
		other := r
		change(&other)
		assert.NotEqual(t, r, other)
		key := string(other.AppendCanonical(nil))
		assert.False(t, seen[key], key)
		seen[key] = true
	}
}

func TestTransaction(t *testing.T) {
	at := time.Date(2017, 5, 12, 0, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		at   time.Time
		seq  uint32
		want string
	}{
		{at, 1, "20170512093000-000001"},
		{at, 0, "20170512093000-000000"},
		{at, 999_999_999, "20170512093000-999999999"},
		{at.Add(7 * time.Millisecond), 1, "20170512093000.007-000001"},
		{time.Date(2000, 1, 1, 0, 0, 0, 0, time.FixedZone("", 9*3600)), 1, "20000101000000-000001"},
		{time.Date(2099, 12, 31, 23, 59, 59, 999e6, time.FixedZone("", 9*3600)), 1, "20991231235959.999-000001"},
	} {
		tx, err := mergefile.NewTransaction(c.at, c.seq)
		require.NoError(t, err)
		assert.Equal(t, c.want, tx.String())
		assert.True(t, c.at.Equal(tx.Time()))
		assert.Equal(t, "JST", tx.Time().Location().String())
		assert.Equal(t, c.seq, tx.Sequence())
		back, err := mergefile.ParseTransaction(c.want)
		require.NoError(t, err)
		assert.Equal(t, tx, back)

		j, err := json.Marshal(tx)
		require.NoError(t, err)
		var fromJSON mergefile.Transaction
		require.NoError(t, json.Unmarshal(j, &fromJSON))
		assert.Equal(t, tx, fromJSON)
		v, err := tx.Value()
		require.NoError(t, err)
		var scanned, bytes mergefile.Transaction
		require.NoError(t, scanned.Scan(v))
		require.NoError(t, bytes.Scan([]byte(v.(string))))
		assert.Equal(t, tx, scanned)
		assert.Equal(t, tx, bytes)
	}
	for _, bad := range []struct {
		at  time.Time
		seq uint32
	}{
		{at.Add(time.Microsecond), 1},
		{at, 1_000_000_000},
		{time.Time{}, 1},
		{time.Date(1999, 12, 31, 14, 59, 59, 0, time.UTC), 1},
		{time.Date(2099, 12, 31, 15, 0, 0, 0, time.UTC), 1},
	} {
		_, err := mergefile.NewTransaction(bad.at, bad.seq)
		assert.ErrorIs(t, err, mergefile.ErrTransaction)
	}
	for _, bad := range []string{"", "20170512093000", "20170512093000-", "20170512093000-1", "20170512093000-0000001",
		"20170512093000.000-000001", "20170512093000.7-000001", "20170230093000-000001", "20170512093000-00000x",
		"20170512093000-1000000000", "20170512093000000001", "20170512093000-000001 "} {
		_, err := mergefile.ParseTransaction(bad)
		assert.ErrorIs(t, err, mergefile.ErrTransaction, "%q", bad)
	}
	var tx mergefile.Transaction
	assert.Error(t, tx.Scan(42))
	assert.Error(t, tx.Scan(nil))

	early, err := mergefile.NewTransaction(at, 5)
	require.NoError(t, err)
	late, err := mergefile.NewTransaction(at.Add(time.Second), 0)
	require.NoError(t, err)
	assert.Equal(t, []int{-1, 0, 1}, []int{early.Compare(late), early.Compare(early), late.Compare(early)})
}
