package mergefile

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/mynakit/mynakit/internal/cp932"
)

// charset is how text becomes bytes. The fields themselves are ASCII.
type charset struct {
	mark   string // begins the text
	encode func(string) ([]byte, error)
}

// charsets are the choices of Profile.Charset.
var charsets = table[Charset, charset]{
	{CharsetASCII, charset{encode: asciiBytes}},
	{CharsetUTF8, charset{encode: utf8Bytes}},
	{CharsetCP932, charset{encode: cp932.Encode}},
	{CharsetUTF8BOM, charset{encode: utf8Bytes, mark: "\xEF\xBB\xBF"}},
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
}

// bytes returns the line end itself.
func (e EOL) bytes() string { return eols.row(e) }
