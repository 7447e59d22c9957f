package mergefile_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// standardText spells records in the Standard profile with nothing but fmt, so
// that a mistake in the writer does not hide one in the reader. It also spells
// what the writer would refuse.
func standardText(t testing.TB, rs []mergefile.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, r := range rs {
		at := r.Transaction.Time().Format("20060102150405")
		head := fmt.Sprintf("%s,%d,%s%06d", r.Holder.Reveal(), r.Points, at, r.Transaction.Sequence())
		fmt.Fprintf(&b, "%s,%x\r\n", head, md5.Sum([]byte(head+","+string(testSecret))))
	}
	return b.Bytes()
}

func encryptStandard(t testing.TB, text []byte) []byte {
	return encryptStandardIV(t, []byte("fedcba9876543210"), text)
}

func encryptStandardIV(t testing.TB, iv, text []byte) []byte {
	t.Helper()
	n := 16 - len(text)%16
	return encryptBlocks(t, iv, append(bytes.Clone(text), bytes.Repeat([]byte{byte(n)}, n)...))
}

// encryptBlocks leaves the padding to the caller.
func encryptBlocks(t testing.TB, iv, text []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(testMaterial)
	require.NoError(t, err)
	out := append(bytes.Clone(iv), make([]byte, len(text))...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out[16:], text)
	return out[:len(out):len(out)]
}

// peakGrowth gives how far the heap grew beyond its base while f ran, as seen
// by a sampler that never lets garbage pile up.
func peakGrowth(f func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	var base, now runtime.MemStats
	runtime.ReadMemStats(&base)
	var peak atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&now)
			if grown := int64(now.HeapAlloc) - int64(base.HeapAlloc); grown > peak.Load() {
				peak.Store(grown)
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	return peak.Load()
}

// sealCBC encrypts text with a key of any size, IV in front.
func sealCBC(t testing.TB, key, iv, text []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	n := 16 - len(text)%16
	text = append(bytes.Clone(text), bytes.Repeat([]byte{byte(n)}, n)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	return append(bytes.Clone(iv), text...)
}

// sealGCM encrypts text, the nonce in front and the tag behind.
func sealGCM(t testing.TB, key, text []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(t, err)
	nonce := []byte("twelve bytes")
	return gcm.Seal(nonce, nonce, text, nil)
}
