package bench

import (
	"context"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// needLong skips what needs minutes.
func needLong(t *testing.T) {
	t.Helper()
	if os.Getenv("MYNAKIT_LONG") != "1" {
		t.Skip("set MYNAKIT_LONG=1 to run it")
	}
}

// Memory does not grow with the file.
func TestMergefileMemory(t *testing.T) {
	needLong(t)
	const n = 10_000_000
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	writeMergefile(t, file, n)
	for _, workers := range []int{1, 2} {
		_, err = file.Seek(0, io.SeekStart)
		require.NoError(t, err)
		grown := peak(func() {
			r, err := mergefile.NewReader(context.Background(), file, mergefile.Standard(), mergefileKey(t), &mergefile.ReaderOptions{Workers: workers})
			if err != nil {
				t.Error(err)
				return
			}
			got := 0
			for _, err := range r.Records() {
				if err != nil {
					t.Error(err)
					return
				}
				got++
			}
			assert.Equal(t, n, got)
		})
		t.Logf("%d workers: %.1f MiB above the base for %d records", workers, float64(grown)/(1<<20), n)
		assert.Less(t, grown, int64(8<<20))
	}
	_, err = file.Seek(0, io.SeekStart)
	require.NoError(t, err)
	grown := peak(func() {
		r, err := mergefile.NewProvisionalReader(context.Background(), file, mergefile.Standard(), mergefileKey(t), nil)
		if err != nil {
			t.Error(err)
			return
		}
		for _, err := range r.Records() {
			if err != nil {
				t.Error(err)
			}
		}
		assert.NoError(t, r.Close())
	})
	t.Logf("provisional: %.1f MiB above the base", float64(grown)/(1<<20))
	assert.Less(t, grown, int64(8<<20))
}

// peak gives how far the memory in use grew while f ran: everything the
// runtime has from the system and does not lie idle.
func peak(f func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	debug.FreeOSMemory()
	inUse := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	base := inUse()
	var most atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			if g := inUse() - base; g > most.Load() {
				most.Store(g)
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	f()
	close(stop)
	wg.Wait()
	return most.Load()
}
