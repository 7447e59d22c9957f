package grant_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/link"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// BenchmarkTap is a device at a venue: the certificate of a card is read through
// jpki at 106 kbit/s, and the tap is on the disk when it ends. taps/min is how
// many of those a minute has, by the time on the air, the time that a card
// thinks, which is an assumption, and the time that was measured.
func BenchmarkTap(b *testing.B) {
	ctx := b.Context()
	key, err := grant.NewKey([]byte("0123456789abcdef0123456789abcdef"))
	require.NoError(b, err)
	d, err := grant.OpenDevice(ctx, dbtest.Open(b, "sqlite", dbtest.SQLite(b.TempDir())), grant.DeviceConfig{Office: key.Public(), Passphrase: passphrase})
	require.NoError(b, err)
	defer d.Close()
	var air time.Duration
	var all []float64 // seconds
	for n := range b.N {
		b.StopTimer()
		sim := simcard.New(simcard.WithHolder(simcard.SampleHolder(uint(n))))
		sim.AuthCertificate() // issued when it is first needed: no part of the tap
		contact := &link.Card{Next: sim, Model: link.Contactless{Rate: link.Rate106}, Processing: link.Typical}
		b.StartTimer()
		began := time.Now()
		card, err := jpki.Open(ctx, contact)
		require.NoError(b, err)
		c, err := grant.ReadCard(ctx, card, true)
		require.NoError(b, err)
		require.NoError(b, d.Tap(ctx, "course", "", c))
		air += contact.Elapsed()
		all = append(all, (contact.Elapsed() + time.Since(began)).Seconds())
	}
	sum, worst := 0.0, 0.0
	for _, s := range all {
		sum, worst = sum+s, max(worst, s)
	}
	b.ReportMetric(air.Seconds()*1000/float64(b.N), "air-ms/tap")
	b.ReportMetric(worst*1000, "worst-ms")
	b.ReportMetric(60*float64(b.N)/sum, "taps/min")
}

// rosterOf is a roster of n rows that is written while it is read.
func rosterOf(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, err := io.WriteString(w, header)
		for i := 0; i < n && err == nil; i++ {
			_, err = fmt.Fprintf(w, "認知症サポーター養成講座,100,,山田太郎%d,昭和15年1月1日,東京都千代田区A町1-%d,男性,03-1234-5678,taro@xx.example,\r\n", i, i)
		}
		w.CloseWithError(err) // nil is io.EOF
	}()
	return r
}

// The memory for a roster does not grow with its rows.
func TestRosterMemory(t *testing.T) {
	inUse := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, peak, n := inUse(), int64(0), 0
	for _, err := range grant.ReadRoster(rosterOf(100_000), course(), grant.UTF8) {
		require.NoError(t, err)
		if n++; n%10_000 == 0 {
			peak = max(peak, inUse()-before)
		}
	}
	assert.Equal(t, 100_000, n)
	assert.Less(t, peak, int64(1<<20), "bytes")
}

func BenchmarkRoster(b *testing.B) {
	var text strings.Builder
	_, err := io.Copy(&text, rosterOf(100_000))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range grant.ReadRoster(strings.NewReader(text.String()), course(), grant.UTF8) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 100_000 {
			b.Fatal(n)
		}
	}
}
