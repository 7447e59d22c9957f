package mergefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mynakit/mynakit/internal/cp932"
)

// charset is how text becomes bytes. The fields themselves are ASCII.
type charset struct {
	mark   string // begins the text
	encode func(string) ([]byte, error)
	wide   bool // each character takes two bytes: UTF-16, little-endian
}

// charsets are the choices of Profile.Charset.
var charsets = table[Charset, charset]{
	{CharsetASCII, charset{encode: asciiBytes}},
	{CharsetUTF8, charset{encode: utf8Bytes}},
	{CharsetCP932, charset{encode: cp932.Encode}},
	{CharsetUTF8BOM, charset{encode: utf8Bytes, mark: "\xEF\xBB\xBF"}},
	{"utf-16le-bom", charset{encode: func(s string) ([]byte, error) { return utf16Bytes(s, binary.LittleEndian), nil }, mark: "\xFF\xFE", wide: true}}, // what Excel calls Unicode text
}

func utf16Bytes(s string, order binary.AppendByteOrder) (out []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

// widen spells text from the n-th byte on, which is ASCII, in the charset.
func (c *codec) widen(text []byte, n int) []byte {
	if !c.wide {
		return text
	}
	return append(text[:n], utf16Bytes(string(text[n:]), binary.LittleEndian)...)
}

// narrow is the reverse of widen, in place. What is not ASCII becomes a byte
// that no field may have.
func (c *codec) narrow(text []byte) (ascii []byte, ok bool) {
	if !c.wide {
		return text, true
	}
	for i := range len(text) / 2 {
		lo, hi := text[2*i], text[2*i+1]
		if hi != 0 {
			lo = 0xFF
		}
		text[i] = lo
	}
	return text[:len(text)/2], len(text)%2 == 0
}

// tails are the choices of Profile.Tail.
var tails = []string{"", "eol", "ctrl-z"}

// epilog returns what stands behind the last record and its end.
func (p *Profile) epilog() string {
	switch p.Tail {
	case "eol":
		return p.EOL.bytes()
	case "ctrl-z":
		return "\x1A"
	}
	return ""
}

// body takes off what stands in front of the first record. The text may go on
// behind the last one.
func (c *codec) begin(text []byte) ([]byte, bool) {
	body, found := bytes.CutPrefix(text, c.prolog)
	body, whole := c.narrow(body)
	return body, found && whole
}

// end takes off what stands behind the last record.
func (c *codec) end(text []byte) ([]byte, bool) {
	return bytes.CutSuffix(text, []byte(c.epilog))
}

// encode returns the text in the charset, without a byte order mark. A character
// that the charset does not have is an error and never a question mark.
func (c Charset) encode(s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, errors.New("not UTF-8")
	}
	if encode := charsets.row(c).encode; encode != nil {
		return encode(s)
	}
	return asciiBytes(s)
}

func utf8Bytes(s string) ([]byte, error) { return []byte(s), nil }

func asciiBytes(s string) ([]byte, error) {
	for i, r := range []rune(s) {
		if r >= 0x80 {
			return nil, fmt.Errorf("character %d (%U) is not in ascii", i+1, r)
		}
	}
	return []byte(s), nil
}

// eols are the choices of Profile.EOL and the other line ends.
var eols = table[EOL, string]{
	{EOLNone, ""},
	{EOLLF, "\n"},
	{EOLCRLF, "\r\n"},
	{"cr", "\r"},
}

// bytes returns the line end itself.
func (e EOL) bytes() string { return eols.row(e) }
