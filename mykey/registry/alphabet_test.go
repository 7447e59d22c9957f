package registry_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// An automatic ID is even over its alphabet, and leaves the look-alikes out unless
// asked for.
func TestNewID(t *testing.T) {
	for _, tc := range []struct {
		alphabet registry.Alphabet
		size     int
	}{{registry.ClearAlphabet, 32}, {registry.FullAlphabet, 36}} {
		const draws = 36 * 2000
		var counts [mykey.IDLen][256]int
		for range draws {
			s := registry.NewID(tc.alphabet).String()
			parsed, err := mykey.ParseID(s)
			require.NoError(t, err)
			require.Equal(t, s, parsed.String())
			for i := range s {
				counts[i][s[i]]++
			}
		}
		for pos := range counts {
			// Pearson's statistic over k-1 = 31 or 35 degrees of freedom. A
			// fair source passes 100 once in 10^8 runs; bytes taken modulo 36
			// would give about 190.
			chi, seen := 0.0, 0
			want := float64(draws) / float64(tc.size)
			for c, n := range counts[pos] {
				if n > 0 {
					seen++
					chi += (float64(n) - want) * (float64(n) - want) / want
				}
				if tc.alphabet == registry.ClearAlphabet && n > 0 {
					require.NotContains(t, "0O1I", string(rune(c)))
				}
			}
			assert.Equal(t, tc.size, seen)
			assert.Less(t, chi, 100.0, "position %d", pos)
		}
	}
}

// Bytes beyond the last whole multiple of the alphabet are drawn again.
func TestDrawRejects(t *testing.T) {
	next := byte(0)
	calls := 0
	got := registry.Draw(registry.FullAlphabet, mykey.IDLen, func(b []byte) {
		calls++
		for i := range b {
			b[i] = 252 // 7 × 36
			if calls > 3 {
				b[i] = next
				next = (next + 36) % 252
			}
		}
	})
	assert.Equal(t, 4, calls)
	assert.Equal(t, "AAAAAAAA", got)
}
