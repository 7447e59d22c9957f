// Package cp932 writes text in Microsoft's Shift_JIS, code page 932, as Windows
// and Java do.
package cp932

import (
	"fmt"
	"strings"

	"golang.org/x/text/encoding/japanese"
)

// twins are characters for which Japanese conversion tables disagree: one
// and the same byte pair of CP932 is the left character in the JIS tables
// (macOS, Java's "Shift_JIS") and the right one in Microsoft's. Text may come
// in either; both are written as the byte pair.
var twins = strings.NewReplacer(
	"〜", "～", // U+301C wave dash, U+FF5E fullwidth tilde: 81 60
	"‖", "∥", // U+2016, U+2225: 81 61
	"−", "－", // U+2212 minus sign, U+FF0D fullwidth hyphen-minus: 81 7C
	"¢", "￠", // U+00A2, U+FFE0: 81 91
	"£", "￡", // U+00A3, U+FFE1: 81 92
	"¬", "￢", // U+00AC, U+FFE2: 81 CA
	"—", "―", // U+2014 em dash, U+2015 horizontal bar: 81 5C
)

// Same returns s with each character that the tables name differently as the one
// that code page 932 decodes to. Two texts of one byte sequence are equal then.
func Same(s string) string { return twins.Replace(s) }

// Encode returns s in code page 932. A character that the code page does not have
// is an error, and never a question mark.
func Encode(s string) ([]byte, error) {
	enc := japanese.ShiftJIS.NewEncoder()
	out := make([]byte, 0, len(s))
	for i, r := range []rune(s) {
		if r < 0x80 {
			out = append(out, byte(r))
			continue
		}
		b, err := enc.String(twins.Replace(string(r)))
		// The encoder writes a yen sign as a backslash and an overline as a
		// tilde, which read back as those: not the same text.
		if err != nil || r == '¥' || r == '‾' {
			return nil, fmt.Errorf("character %d (%U) is not in cp932", i+1, r)
		}
		out = append(out, ibmBytes(b)...)
	}
	return out, nil
}

// ibmBytes turns a character of NEC's selection (ED 40 to EE FC) into the one
// of IBM's extension (FA 40 to FC 4B) that it repeats. CP932 has such letters
// as 髙 twice; Windows and Java write the latter, the encoder here the former.
func ibmBytes(b string) string {
	if b[0] != 0xED && b[0] != 0xEE {
		return b
	}
	dec := japanese.ShiftJIS.NewDecoder()
	want, _ := dec.String(b)
	for lead := byte(0xFA); lead <= 0xFC; lead++ {
		for trail := 0x40; trail <= 0xFC; trail++ {
			twin := string([]byte{lead, byte(trail)})
			if got, _ := dec.String(twin); got == want {
				return twin
			}
		}
	}
	return b
}
