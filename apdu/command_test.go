package apdu_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b[:len(b):len(b)]
}

func filled(n int) []byte { return bytes.Repeat([]byte{0xAB}, n) }

// Every boundary of Lc and Le in both forms, to the byte.
func TestCommandBoundaries(t *testing.T) {
	tests := []struct {
		lc, ne   int
		extended bool
		want     apdu.Case
		lcField  string
		leField  string
	}{
		{0, 0, false, apdu.Case1, "", ""},
		{0, 0, true, apdu.Case1, "", ""},
		{0, 1, false, apdu.Case2S, "", "01"},
		{0, 255, false, apdu.Case2S, "", "FF"},
		{0, 256, false, apdu.Case2S, "", "00"},
		{0, 1, true, apdu.Case2E, "", "000001"},
		{0, 256, true, apdu.Case2E, "", "000100"},
		{0, 257, false, apdu.Case2E, "", "000101"},
		{0, 65279, false, apdu.Case2E, "", "00FEFF"},
		{0, 65280, false, apdu.Case2E, "", "00FF00"},
		{0, 65535, false, apdu.Case2E, "", "00FFFF"},
		{0, 65536, false, apdu.Case2E, "", "000000"},
		{1, 0, false, apdu.Case3S, "01", ""},
		{255, 0, false, apdu.Case3S, "FF", ""},
		{1, 0, true, apdu.Case3E, "000001", ""},
		{256, 0, false, apdu.Case3E, "000100", ""},
		{65279, 0, false, apdu.Case3E, "00FEFF", ""},
		{65280, 0, false, apdu.Case3E, "00FF00", ""},
		{65500, 0, false, apdu.Case3E, "00FFDC", ""},
		{65535, 0, false, apdu.Case3E, "00FFFF", ""},
		{1, 1, false, apdu.Case4S, "01", "01"},
		{255, 256, false, apdu.Case4S, "FF", "00"},
		{255, 257, false, apdu.Case4E, "0000FF", "0101"},
		{256, 1, false, apdu.Case4E, "000100", "0001"},
		{1, 65536, false, apdu.Case4E, "000001", "0000"},
		{65280, 65280, false, apdu.Case4E, "00FF00", "FF00"},
		{65535, 65536, false, apdu.Case4E, "00FFFF", "0000"},
		{65535, 65535, false, apdu.Case4E, "00FFFF", "FFFF"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("Lc %d Ne %d %v", tt.lc, tt.ne, tt.extended), func(t *testing.T) {
			c := apdu.Command{CLA: 0x80, INS: 0x2A, P1: 1, P2: 2, Ne: tt.ne, Extended: tt.extended}
			if tt.lc > 0 {
				c.Data = filled(tt.lc)
			}
			assert.Equal(t, tt.want, c.Case())
			b, err := c.MarshalBinary()
			require.NoError(t, err)
			want := append(unhex("802A0102"+tt.lcField), filled(tt.lc)...)
			want = append(want, unhex(tt.leField)...)
			require.True(t, bytes.Equal(want, b))

			got, err := apdu.ParseCommand(b)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.Case())
			assert.Equal(t, tt.ne, got.Ne)
			assert.True(t, bytes.Equal(c.Data, got.Data))
			again, err := got.AppendBinary(nil)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(b, again))
		})
	}
}

func TestCommandOutOfRange(t *testing.T) {
	for _, c := range []apdu.Command{
		{Data: filled(65536)}, {Ne: 65537}, {Ne: -1},
	} {
		dst := []byte{1, 2, 3}
		out, err := c.AppendBinary(dst)
		assert.ErrorIs(t, err, apdu.ErrCommandRange)
		assert.Equal(t, dst, out)
	}
}

func TestParseCommandRefuses(t *testing.T) {
	for _, s := range []string{
		"", "00", "00A4", "00A404",
		"00A40000 0001",          // six bytes with a leading 00: a known library reads past the end
		"00A40000 0000",          // the same
		"00A40000 02 AA",         // data cut
		"00A40000 01 AA 00 00",   // one byte too many
		"00A40000 00 0000 00",    // extended Lc of 0
		"00A40000 00 0000 0000",  // the same with Le
		"00A40000 00 0002 AA",    // extended data cut
		"00A40000 00 0001 AA 00", // half an extended Le
		"00A40000 00 0001 AA 000000",
	} {
		in := unhex(s)
		_, err := apdu.ParseCommand(in[:len(in):len(in)])
		assert.ErrorIs(t, err, apdu.ErrCommandLength, "%q", s)
	}
}

func TestParseCommandDataIsFenced(t *testing.T) {
	b := unhex("00A4040C 02 3F00 00")
	c, err := apdu.ParseCommand(b)
	require.NoError(t, err)
	_ = append(c.Data, 0xEE)
	assert.Equal(t, byte(0), b[7], "appending to Data must not reach Le")
}

func TestCommandNames(t *testing.T) {
	for ins, want := range map[byte]string{
		0xA4: "SELECT", 0xB0: "READ BINARY", 0xB2: "READ RECORD", 0x20: "VERIFY", 0x21: "VERIFY",
		0x24: "CHANGE REFERENCE DATA", 0x2C: "RESET RETRY COUNTER", 0x2A: "PERFORM SECURITY OPERATION",
		0xC0: "GET RESPONSE", 0xCA: "GET DATA", 0x84: "GET CHALLENGE", 0x88: "INTERNAL AUTHENTICATE",
		0x82: "EXTERNAL AUTHENTICATE", 0x32: "INS 32", 0x5A: "INS 5A",
	} {
		assert.Equal(t, want, (&apdu.Command{INS: ins}).Name())
	}
	assert.Equal(t, "CHANGE KEY", (&apdu.Command{CLA: 0x80, INS: 0x32}).Name())
	assert.Equal(t, "UNLOCK KEY", (&apdu.Command{CLA: 0x80, INS: 0x54}).Name())
	assert.Equal(t, "4E", apdu.Case4E.String())
	assert.Equal(t, "Case(9)", apdu.Case(9).String())
}

func TestCommandCarriesSecret(t *testing.T) {
	secret := map[byte]bool{0x20: true, 0x21: true, 0x24: true, 0x25: true, 0x2C: true, 0x2D: true,
		0x32: true, 0x33: true, 0x54: true, 0x55: true, 0x82: true, 0x83: true}
	for ins := range 256 {
		c := apdu.Command{INS: byte(ins)}
		assert.Equal(t, secret[byte(ins)], c.CarriesSecret(), "INS %02X", ins)
	}
}

func TestCommandNoAllocations(t *testing.T) {
	raw := unhex("00A4040C 0A D392F000260100000001 00")
	dst := make([]byte, 0, 32)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		c, err := apdu.ParseCommand(raw)
		if err != nil {
			panic(err)
		}
		if dst, err = c.AppendBinary(dst[:0]); err != nil {
			panic(err)
		}
		r, err := apdu.ParseResponse(dst)
		if err != nil {
			panic(err)
		}
		if dst, err = r.AppendBinary(dst[:0]); err != nil {
			panic(err)
		}
	}))
}

// Whatever parses is written back byte for byte, and points into its input.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"00A4040C0AD392F000260100000001", "00200080", "00B0000000", "00B00000000000",
		"00A400000001", "802A0080 00 0001 AA 0000", "00D60000 00 0002 AABB"} {
		f.Add(unhex(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		c, err := apdu.ParseCommand(in)
		if err != nil {
			if !cmp.Equal(apdu.Command{}, c) {
				t.Fatal("a failed parse gave something")
			}
			return
		}
		out, err := c.AppendBinary(make([]byte, 0, len(in)))
		require.NoError(t, err)
		require.Equal(t, in, out)
		require.LessOrEqual(t, c.Case(), apdu.Case4E)
		_ = c.Name()
	})
}

func FuzzResponse(f *testing.F) {
	f.Add(unhex("9000"))
	f.Add(unhex("0102 6A82"))
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		r, err := apdu.ParseResponse(in)
		if len(in) < 2 {
			require.ErrorIs(t, err, apdu.ErrCardRemoved)
			return
		}
		require.NoError(t, err)
		out, err := r.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, in, out)
		_ = r.Status.Error()
	})
}

func BenchmarkParseCommand(b *testing.B) {
	raw := unhex("00A4040C 0A D392F000260100000001 00")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := apdu.ParseCommand(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendCommand(b *testing.B) {
	c, err := apdu.ParseCommand(unhex("00A4040C 0A D392F000260100000001 00"))
	require.NoError(b, err)
	dst := make([]byte, 0, 16)
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = c.AppendBinary(dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
