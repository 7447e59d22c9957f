package md5pair_test

import (
	"bytes"
	"crypto/md5"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/md5pair"
)

// Two MD5s at once are what the standard library's are one by one.
func TestSum(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for n := range 300 {
		for range 3 {
			p, q := make([]byte, n), make([]byte, n)
			for i := range n {
				p[i], q[i] = byte(rnd.UintN(256)), byte(rnd.UintN(256))
			}
			x, y := md5pair.Sum(bytes.Clone(p), bytes.Clone(q))
			require.Equal(t, md5.Sum(p), x, "%d bytes", n)
			require.Equal(t, md5.Sum(q), y, "%d bytes", n)
			// Of another length.
			x, y = md5pair.Sum(bytes.Clone(p[:n/2]), bytes.Clone(q))
			require.Equal(t, md5.Sum(p[:n/2]), x, "%d bytes", n)
			require.Equal(t, md5.Sum(q), y, "%d bytes", n)
		}
	}
}

func BenchmarkMD5(b *testing.B) {
	var room [2][128]byte
	b.Run("one by one", func(b *testing.B) {
		for b.Loop() {
			md5.Sum(room[0][:64])
			md5.Sum(room[1][:64])
		}
	})
	b.Run("pair", func(b *testing.B) {
		for b.Loop() {
			md5pair.Sum(room[0][:64], room[1][:64])
		}
	})
}
