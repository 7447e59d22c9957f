package main

import (
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
