// Package cp932 writes text in Microsoft's Shift_JIS, code page 932, as Windows
// and Java do.
package cp932

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
)

// left are characters for which Japanese conversion tables disagree: one and the
// same byte pair of CP932 is such a character in the JIS tables (macOS, Java's
// "Shift_JIS") and another in Microsoft's. Text may come in either; both are
// written as the byte pair. None comes after 〜.
const left = "¢£¬—‖−〜"

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
func Same(s string) string {
	for _, r := range s {
		if r >= utf8.RuneSelf && r <= '〜' && strings.ContainsRune(left, r) {
			return twins.Replace(s)
		}
	}
	return s
}

// Encode returns s in code page 932. A character that the code page does not have
// is an error, and never a question mark.
func Encode(s string) ([]byte, error) { return Append(make([]byte, 0, len(s)), s) }

// Append appends s in code page 932 to out. The error is that of [Encode].
func Append(out []byte, s string) ([]byte, error) {
	var pairs *[1 << 16]uint16
	n := 0
	for _, r := range s {
		n++
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
			continue
		}
		if pairs == nil {
			pairs = encoding()
		}
		var b uint16
		if r < 1<<16 {
			b = pairs[r]
		}
		switch {
		case b == 0:
			return nil, fmt.Errorf("character %d (%U) is not in cp932", n, r)
		case b < 1<<8:
			out = append(out, byte(b))
		default:
			out = append(out, byte(b>>8), byte(b))
		}
	}
	return out, nil
}

// encoding returns the bytes of each character, 0 for none. It is made once, from
// what the decoder has.
var encoding = sync.OnceValue(func() *[1 << 16]uint16 {
	out := new([1 << 16]uint16)
	enc, dec := japanese.ShiftJIS.NewEncoder(), japanese.ShiftJIS.NewDecoder()
	decode := func(b ...byte) rune {
		text, _ := dec.Bytes(b)
		if r, n := utf8.DecodeRune(text); n == len(text) && r != utf8.RuneError && r >= utf8.RuneSelf {
			return r
		}
		return 0
	}
	add := func(r rune) {
		if b, err := enc.Bytes([]byte(string(r))); err == nil && len(b) == 1 {
			out[r] = uint16(b[0])
		} else if err == nil {
			out[r] = uint16(b[0])<<8 | uint16(b[1])
		}
	}
	for b := 0x80; b <= 0xFF; b++ {
		if r := decode(byte(b)); r != 0 {
			add(r)
		}
	}
	for lead := 0x81; lead <= 0xFC; lead++ {
		for trail := 0x40; trail <= 0xFC; trail++ {
			r := decode(byte(lead), byte(trail))
			switch {
			case r == 0:
			case lead >= 0xFA && (out[r]>>8 == 0xED || out[r]>>8 == 0xEE):
				// CP932 has such letters as 髙 twice, in NEC's selection (ED 40
				// to EE FC) and in IBM's extension: Windows and Java write the
				// latter, the encoder here the former.
				out[r] = uint16(lead)<<8 | uint16(trail)
			case out[r] == 0:
				add(r)
			}
		}
	}
	for _, r := range left {
		same, _ := utf8.DecodeRuneInString(Same(string(r)))
		out[r] = out[same]
	}
	return out
})
