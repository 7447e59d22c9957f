package bench

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	moov "github.com/moov-io/bertlv"
	skythen "github.com/skythen/bertlv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/simcard"
)

// fci is a file control information template of 49 bytes, as a card's answer
// to SELECT.
func fci(tb testing.TB) []byte {
	return unhex(tb, "6F2F 840A D392F000260100000001 A521 500B 4D79204E756D6265722043"+
		"870101 5F2D026A61 BF0C09 9F4D020B0A 9F6E0102")
}

// certificateFile is a certificate of 2,048 bytes, the size of a card's file.
func certificateFile(tb testing.TB) []byte {
	tb.Helper()
	return paddedCertificate(tb, 2048)
}

// paddedCard is a software card whose certificate for user authentication has
// size bytes.
func paddedCard(tb testing.TB, size int) *simcard.Card {
	tb.Helper()
	pad := 0
	for range 4 { // a longer name may take longer lengths around it
		card := simcard.New(simcard.WithAuthProfile(func(c *x509.Certificate) {
			c.OCSPServer = []string{"http://" + strings.Repeat("o", pad) + ".test"}
		}))
		have := len(card.AuthCertificate().Raw)
		if have == size {
			return card
		}
		pad += size - have
		require.GreaterOrEqual(tb, pad, 0, "no certificate is as short as %d bytes", size)
	}
	tb.Fatalf("no certificate of %d bytes", size)
	return nil
}

func paddedCertificate(tb testing.TB, size int) []byte {
	tb.Helper()
	return paddedCard(tb, size).AuthCertificate().Raw
}

// nested is an object in an object, levels times, the innermost empty.
func nested(levels int) []byte {
	var reversed []byte // headers, the innermost first
	size := 0
	for range levels {
		h := tlv.AppendHeader(nil, 0x30, size)
		size += len(h)
		for i := len(h) - 1; i >= 0; i-- {
			reversed = append(reversed, h[i])
		}
	}
	for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
		reversed[i], reversed[j] = reversed[j], reversed[i]
	}
	return reversed
}

// walk visits every object.
func walk(b []byte) error {
	w := tlv.Walk(b)
	for w.Next() {
	}
	return w.Err()
}

// descend follows the first object at each level to the innermost one. A
// Walker ends with [tlv.ErrDepth] at the 33rd level.
func descend(b []byte) error {
	for len(b) > 0 {
		var err error
		if _, b, _, err = tlv.Next(b); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkTLV: every object of the FCI and of a certificate is visited.
func BenchmarkTLV(b *testing.B) {
	for _, in := range []struct {
		name string
		data []byte
	}{{"fci", fci(b)}, {"certificate", certificateFile(b)}} {
		b.Run(in.name+"/mynakit", each(func() error { return walk(in.data) }))
		b.Run(in.name+"/skythen", each(func() error { _, err := skythen.Parse(in.data); return err }))
		b.Run(in.name+"/moov", each(func() error { _, err := moov.Decode(in.data); return err }))
	}
}

// BenchmarkTLVSiblings is an honest file that grows: more and more objects side
// by side, in one.
func BenchmarkTLVSiblings(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 8000} {
		data := tlv.Append(nil, 0x30, bytes.Repeat([]byte{0x30, 5, 4, 3, 1, 2, 3}, n))
		name := fmt.Sprintf("bytes=%d/", len(data))
		b.Run(name+"mynakit", each(func() error { return walk(data) }))
		b.Run(name+"moov", each(func() error { _, err := moov.Decode(data); return err }))
		b.Run(name+"skythen", each(func() error { _, err := skythen.Parse(data); return err }))
	}
}

// sixtyKilobytes is a nesting of 60 kB.
const sixtyKilobytes = 15_000

// BenchmarkTLVNesting is the file that an attacker sends. skythen/bertlv takes
// half a minute for 60 kB, so it is measured up to a quarter of the levels, and
// to the end where MYNAKIT_LONG=1 is set. "mynakit-walk" ends with an error at
// the bound of the depth, as a program's parser would.
func BenchmarkTLVNesting(b *testing.B) {
	for _, levels := range []int{235, 469, 938, 1875, 3750, sixtyKilobytes} {
		data := nested(levels)
		name := fmt.Sprintf("bytes=%d/", len(data))
		b.Run(name+"mynakit", each(func() error { return descend(data) }))
		b.Run(name+"mynakit-walk", each(func() error {
			if err := walk(data); !errors.Is(err, tlv.ErrDepth) {
				return fmt.Errorf("walked: %w", err)
			}
			return nil
		}))
		b.Run(name+"moov", each(func() error { _, err := moov.Decode(data); return err }))
		b.Run(name+"skythen", each(func() error { _, err := skythen.Parse(data); return err }))
	}
}

// Everybody finds the same objects.
func TestObjectsAgree(t *testing.T) {
	for name, in := range map[string][]byte{"fci": fci(t), "certificate": certificateFile(t), "nesting": nested(20)} {
		var want []string
		w := tlv.Walk(in)
		for w.Next() {
			if !w.Tag.Constructed() {
				want = append(want, fmt.Sprintf("%v=%X", w.Tag, w.Value))
			}
		}
		require.NoError(t, w.Err())

		objects, err := skythen.Parse(in)
		require.NoError(t, err)
		written := objects.Bytes()
		assert.True(t, bytes.Equal(in, written), "skythen/bertlv writes %s as it stands", name)

		tree, err := moov.Decode(in)
		require.NoError(t, err)
		var got []string
		var leaves func([]moov.TLV)
		leaves = func(list []moov.TLV) {
			for _, o := range list {
				tag, err := hex.DecodeString(o.Tag)
				require.NoError(t, err)
				if tag[0]&0x20 == 0 {
					got = append(got, fmt.Sprintf("%s=%X", o.Tag, o.Value))
				}
				leaves(o.TLVs)
			}
		}
		leaves(tree)
		assert.Equal(t, want, got, name)
	}
	require.NoError(t, descend(nested(sixtyKilobytes)))
	_, err := moov.Decode(nested(sixtyKilobytes))
	require.NoError(t, err)
}
