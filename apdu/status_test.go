package apdu_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

func TestStatusText(t *testing.T) {
	for status, want := range map[apdu.Status]string{
		0x9000: "9000 success",
		0x6A82: "6A82 file or application not found",
		0x63C3: "63C3 3 tries left",
		0x63C0: "63C0 0 tries left",
		0x6110: "6110 more data available: 16 bytes",
		0x6100: "6100 more data available: 256 bytes",
		0x6C24: "6C24 wrong Le: 36 bytes",
		0x6984: "6984 reference data not usable",
		0x1234: "1234 unknown status word",
		0x0000: "0000 unknown status word",
	} {
		assert.Equal(t, want, status.Error())
	}
}

func TestStatusName(t *testing.T) {
	for status, want := range map[apdu.Status]string{
		0x9000: "OK", 0x6A82: "FileNotFound", 0x63C2: "Counter", 0x61FF: "MoreData", 0x6C10: "WrongLe", 0x1234: "",
	} {
		assert.Equal(t, want, status.Name())
	}
	// What the card is known to answer (docs/card.md).
	for _, status := range []apdu.Status{
		0x9000, 0x63C3, 0x6300, 0x6282, 0x6B00, 0x6700, 0x6881, 0x6882, 0x6884, 0x69FC, 0x6987, 0x6988, 0x6981, 0x6982, 0x6983,
		0x6984, 0x6985, 0x6986, 0x6A80, 0x6A81, 0x6A82, 0x6A83, 0x6A86, 0x6A87, 0x6A88, 0x6D00, 0x6E00, 0x6F00, 0x66F1,
	} {
		assert.NotEmpty(t, status.Name(), "%04X", uint16(status))
		assert.NotContains(t, status.Error(), "unknown", "%04X", uint16(status))
	}
}

func TestStatusIs(t *testing.T) {
	assert.ErrorIs(t, apdu.Status(0x63C2), apdu.Counter)
	assert.ErrorIs(t, apdu.Status(0x61FF), apdu.MoreData)
	assert.ErrorIs(t, apdu.Status(0x6C01), apdu.WrongLe)
	assert.NotErrorIs(t, apdu.Status(0x6300), apdu.Counter)
	assert.NotErrorIs(t, apdu.Status(0x6983), apdu.ReferenceDataNotUsable)
	assert.NotErrorIs(t, apdu.Status(0x6A82), errors.New("6A82 file or application not found"))
}

func TestStatusCounter(t *testing.T) {
	n, ok := apdu.Status(0x63C5).Counter()
	assert.Equal(t, 5, n)
	assert.True(t, ok)
	_, ok = apdu.Status(0x6983).Counter()
	assert.False(t, ok)
	_, ok = apdu.Status(0x6305).Counter()
	assert.False(t, ok)
}

func TestStatusError(t *testing.T) {
	err := fmt.Errorf("tap: %w", &apdu.StatusError{CLA: 0, INS: 0xA4, P1: 4, P2: 0xC, Status: apdu.FileNotFound})
	assert.EqualError(t, err, "tap: apdu: SELECT (00 A4 04 0C): 6A82 file or application not found")
	assert.ErrorIs(t, err, apdu.FileNotFound)
	var refused *apdu.StatusError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, byte(0xA4), refused.INS)
	var status apdu.Status
	require.ErrorAs(t, err, &status)
	assert.Equal(t, apdu.FileNotFound, status)
}

func TestParseResponse(t *testing.T) {
	r, err := apdu.ParseResponse(unhex("0102036A82"))
	require.NoError(t, err)
	assert.Equal(t, unhex("010203"), r.Data)
	assert.Equal(t, apdu.FileNotFound, r.Status)
	assert.Equal(t, 3, cap(r.Data))

	for _, short := range [][]byte{nil, {}, {0x90}} {
		_, err = apdu.ParseResponse(short)
		assert.ErrorIs(t, err, apdu.ErrCardRemoved)
	}
	_, err = apdu.ParseResponse(make([]byte, apdu.MaxResponse))
	assert.NoError(t, err)
	_, err = apdu.ParseResponse(make([]byte, apdu.MaxResponse+1))
	assert.ErrorIs(t, err, apdu.ErrResponseLength)
	_, err = apdu.Response{Data: make([]byte, 65537)}.AppendBinary(nil)
	assert.ErrorIs(t, err, apdu.ErrResponseLength)
}
