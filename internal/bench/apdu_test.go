package bench

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	skythen "github.com/skythen/apdu"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

// unhex gives bytes whose memory ends where they end.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(tb, err)
	return b[:len(b):len(b)]
}

// selectJPKI is a command of 16 bytes with data and Le.
const selectJPKI = "00A4040C 0A D392F000260100000001 00"

// BenchmarkAPDU: "encode/mynakit" appends to memory that is there,
// "encode/mynakit-new" makes new memory, as skythen/apdu does.
func BenchmarkAPDU(b *testing.B) {
	raw := unhex(b, selectJPKI)
	ours, err := apdu.ParseCommand(raw)
	require.NoError(b, err)
	theirs, err := skythen.ParseCapdu(raw)
	require.NoError(b, err)
	dst := make([]byte, 0, len(raw))
	b.Run("parse/mynakit", each(func() error { _, err := apdu.ParseCommand(raw); return err }))
	b.Run("parse/skythen", each(func() error { _, err := skythen.ParseCapdu(raw); return err }))
	b.Run("encode/mynakit", each(func() (err error) { dst, err = ours.AppendBinary(dst[:0]); return err }))
	var fresh []byte // kept, or the compiler spares the memory
	b.Run("encode/mynakit-new", each(func() (err error) { fresh, err = ours.MarshalBinary(); return err }))
	b.Run("encode/skythen", each(func() (err error) { fresh, err = theirs.Bytes(); return err }))
	require.Equal(b, raw, fresh)
}

// BenchmarkAPDUGrowth is a command with more and more data, encoded and parsed
// again.
func BenchmarkAPDUGrowth(b *testing.B) {
	dst := make([]byte, 0, 70_000)
	for _, n := range []int{1, 16, 255, 4096, 65_535} {
		data := bytes.Repeat([]byte{0xAB}, n)
		ours := apdu.Command{INS: 0x2A, Data: data, Ne: 256}
		theirs := skythen.Capdu{Ins: 0x2A, Data: data, Ne: 256}
		b.Run(fmt.Sprintf("bytes=%d/mynakit", n), each(func() (err error) {
			if dst, err = ours.AppendBinary(dst[:0]); err != nil {
				return err
			}
			_, err = apdu.ParseCommand(dst)
			return err
		}))
		b.Run(fmt.Sprintf("bytes=%d/skythen", n), each(func() error {
			raw, err := theirs.Bytes()
			if err != nil {
				return err
			}
			_, err = skythen.ParseCapdu(raw)
			return err
		}))
	}
}

// each is a benchmark of f, with its allocations and its processor time, the
// garbage collector's included. On a machine with other tenants the clock tells
// how many they are.
func each(f func() error) func(*testing.B) {
	return func(b *testing.B) {
		b.ReportAllocs()
		before := cpuTime()
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	}
}

// What is compared does the same: the same bytes, the same fields.
func TestCommandsAgree(t *testing.T) {
	for _, n := range []int{0, 1, 10, 255, 256, 300, 65_279, 65_280, 65_500, 65_535} {
		for _, ne := range []int{0, 1, 255, 256, 257, 65_280, 65_535, 65_536} {
			if ne > 0 && ne <= 256 && n > 255 || n > 0 && n <= 255 && ne == 256 {
				continue // both forms of Le are right here, and the two choose alike or not
			}
			data := bytes.Repeat([]byte{0xAB}, n)
			ours := apdu.Command{CLA: 0x80, INS: 0x2A, P1: 1, P2: 2, Data: data, Ne: ne}
			theirs := skythen.Capdu{Cla: 0x80, Ins: 0x2A, P1: 1, P2: 2, Data: data, Ne: ne}
			a, err := ours.MarshalBinary()
			require.NoError(t, err)
			z, err := theirs.Bytes()
			require.NoError(t, err)
			require.True(t, bytes.Equal(a, z), "Lc %d Ne %d", n, ne)

			back, err := skythen.ParseCapdu(a)
			require.NoError(t, err)
			assert.Equal(t, ne, back.Ne)
			assert.True(t, bytes.Equal(data, back.Data))
			again, err := apdu.ParseCommand(z)
			require.NoError(t, err)
			assert.Equal(t, ne, again.Ne)
			assert.True(t, bytes.Equal(data, again.Data))
		}
	}
}
