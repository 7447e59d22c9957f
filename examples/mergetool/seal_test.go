package main

import (
	"bufio"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// A time is of RFC 3339, to the letter.
func TestTimes(t *testing.T) {
	for text, ok := range map[string]bool{
		"2017-05-12T09:30:00+09:00":     true,
		"2017-05-12T00:30:00Z":          true,
		"2017-05-12T09:30:00.123+09:00": true,
		"2017-05-12T9:30:00+09:00":      false,
		"2017-05-12T09:30:00,123+09:00": false,
		"2017-05-12 09:30:00+09:00":     false,
		"2017-05-12T09:30:00+0900":      false,
		"2017-05-12T09:30:00-23:59":     true,
		"2017-05-12T09:30:00+24:00":     false,
		"2017-05-12T09:30:00+09:60":     false,
		"2017-05-12T9:30:00Z":           false,
		"2017-05-12T9:30:00.5Z":         false,
		"2017-05-12T00:30:00z":          false,
		"2017-05-12T09:30:00":           false,
		"2017-02-30T09:30:00+09:00":     false,
		"":                              false,
	} {
		_, err := parseNumber(text, "1")
		assert.Equal(t, ok, err == nil, text)
		if text != "" {
			_, err = parseBound(text)
			assert.Equal(t, ok, err == nil, text)
		}
	}
}

// Excel puts a byte order mark in front, once.
func TestByteOrderMark(t *testing.T) {
	const mark, list = "\uFEFF", "transaction_time,sequence\n2017-05-12T09:30:00+09:00,1\n"
	for text, ok := range map[string]bool{list: true, mark + list: true, mark + mark + list: false} {
		var got []mergefile.Record
		var last error
		for rec, err := range listRows(strings.NewReader(text), mergefile.MallPointID) {
			got, last = append(got, rec), err
		}
		require.Len(t, got, 1)
		assert.Equal(t, ok, last == nil, "%q", text)
	}
}

// A holder whose zeros a spreadsheet has dropped is not sealed for somebody else.
func TestDroppedZeros(t *testing.T) {
	for list, ok := range map[string]bool{
		"520625":             true,
		"000123 520625":      true,
		"123 520625":         false,
		"520625 123":         false,
		"123 000456 520625":  true, // a spreadsheet leaves none
		"A-1 B-22 123":       true,
		"123 A-1 1":          false,
		"123456 7":           false,
		"00 1":               true,
		"1 22 333":           false,
		"A B C D E F G":      true,
		"123 456 789":        true,
		"12345678 1234567":   false,
		"12345678 A1234567":  true,
		"0123 456 01 123456": true,
	} {
		var d digits
		for i, h := range strings.Fields(list) {
			d.add(h, i+2)
		}
		assert.Equal(t, ok, d.check() == nil, list)
		if !ok {
			assert.NotContains(t, d.check().Error(), "520625")
		}
	}
}

func TestBySpreadsheet(t *testing.T) {
	const head = "holder,points,transaction_time,sequence"
	for text, ok := range map[string]bool{head + "\n1,2\r\n": false, head + "\r\n": true, "\uFEFF" + head + "\n": true, head: false, "": false} {
		assert.Equal(t, ok, bySpreadsheet(bufio.NewReader(strings.NewReader(text))), "%q", text)
	}
}
