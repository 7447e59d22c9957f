package mergefile

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Who stops going over the records has no error from it, however large the file
// is: whatever made him stop is what there is to tell.
func TestStoppingIsNoFault(t *testing.T) {
	k, err := NewKey("k1", []byte("0123456789abcdef"), []byte("a secret of some length"))
	require.NoError(t, err)
	for _, n := range []uint32{3, 30_000} {
		var file bytes.Buffer
		w, err := NewWriter(t.Context(), &file, Standard(), k, nil)
		require.NoError(t, err)
		h, err := NewMallHolder("52062500")
		require.NoError(t, err)
		for i := range n {
			tx, err := NewTransaction(time.Date(2017, 5, 12, 9, 30, 0, 0, time.UTC), i)
			require.NoError(t, err)
			require.NoError(t, w.Write(Record{Holder: h, Points: 100, Transaction: tx}))
		}
		require.NoError(t, w.Close())
		for _, workers := range []int{1, 3} {
			r, err := NewReaderAt(t.Context(), bytes.NewReader(file.Bytes()), int64(file.Len()), Standard(), k, &ReaderOptions{Workers: workers})
			require.NoError(t, err)
			calls := 0
			require.NoError(t, r.again(func(records []Record) bool {
				calls++
				require.NotEmpty(t, records)
				return false
			}))
			require.Equal(t, 1, calls)
			seen := 0
			require.NoError(t, r.again(func(records []Record) bool { seen += len(records); return true }))
			require.EqualValues(t, n, seen)
			require.NoError(t, r.Close())
		}
	}
}
