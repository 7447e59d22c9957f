package apdu_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

// Defects that were found in other libraries, each by its name. What stands
// elsewhere: data dropped on 61xx is TestChannelKeepsDataOnMoreData, and data
// that reaches into Le is TestParseCommandDataIsFenced.

// skythen/apdu takes the two bytes of an extended length out of six bytes,
// which have one. Where the slice's memory ends there it panics, and where it
// does not, the result depends on what stands behind the command.
func TestSixByteCommandIsNotOverread(t *testing.T) {
	for last := range 256 {
		command := []byte{0x00, 0xA4, 0x00, 0x00, 0x00, byte(last)}
		_, err := apdu.ParseCommand(command[:6:6])
		require.ErrorIs(t, err, apdu.ErrCommandLength, "%X", command)
	}
}

// No command of any length is read beyond its end: with its memory ending
// there, or with other bytes behind it, the answer is the same.
func TestNoCommandIsOverread(t *testing.T) {
	for _, lengths := range []string{"", "00", "01", "02", "FF", "0000", "0001", "0100", "000000", "000001", "000002", "00FFFF", "0001AA", "000001AA", "000002AABB", "02AABB", "02AABB00"} {
		whole := unhex("00A40000" + lengths)
		for n := range len(whole) + 1 {
			exact := bytes.Clone(whole[:n])
			want, wantErr := apdu.ParseCommand(exact[:n:n])
			for _, behind := range []byte{0x00, 0x01, 0xFF} {
				roomy := append(bytes.Clone(whole[:n]), bytes.Repeat([]byte{behind}, 600)...)
				got, err := apdu.ParseCommand(roomy[:n])
				require.Equal(t, wantErr, err, "%X", exact)
				require.Equal(t, want, got, "%X", exact)
			}
		}
	}
}

// gmrtd writes the high byte of Lc modulo 255, so that 65,500 bytes are
// announced as 220.
func TestLcFrom65280On(t *testing.T) {
	data := filled(apdu.MaxExtendedData)
	var raw []byte
	for n := 65_280; n <= apdu.MaxExtendedData; n++ {
		for _, ne := range []int{0, 256} {
			c := apdu.Command{INS: apdu.InsPSO, Data: data[:n], Ne: ne}
			var err error
			raw, err = c.AppendBinary(raw[:0])
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("00%04X", n), fmt.Sprintf("%X", raw[4:7]))
			back, err := apdu.ParseCommand(raw)
			require.NoError(t, err)
			require.Len(t, back.Data, n)
			require.Equal(t, ne, back.Ne)
		}
	}
}

// gmrtd leaves the leading 00 of a command away that has an extended Le and no
// data: a card takes 00B00000 0400 for one in short length with data.
func TestCase2ExtendedKeepsItsLeading00(t *testing.T) {
	var raw []byte
	for ne := 257; ne <= apdu.MaxExtendedNe; ne++ {
		c := apdu.Command{INS: apdu.InsReadBinary, Ne: ne}
		var err error
		raw, err = c.AppendBinary(raw[:0])
		require.NoError(t, err)
		if len(raw) != 7 || raw[4] != 0 || raw[5] != byte(ne>>8) || raw[6] != byte(ne) {
			t.Fatalf("Ne %d: %X", ne, raw)
		}
		back, err := apdu.ParseCommand(raw)
		require.NoError(t, err)
		require.Equal(t, ne, back.Ne)
	}
}
