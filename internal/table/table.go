// Package table writes and reads CSV tables that people open in a spreadsheet on
// the way. It knows nothing of any domain: [NewWriter] writes rows in an encoding
// that Excel opens by a double click, and [Read] yields them again, whatever of
// it Excel has changed that can be told without guessing.
package table

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mynakit/mynakit/internal/cp932"
)

// Encoding is the character encoding of a table. Excel opens both by a double
// click.
type Encoding uint8

// The encodings.
const (
	UTF8BOM  Encoding = iota // UTF-8 with a byte order mark
	ShiftJIS                 // Windows code page 932
)

// Error reports where a table cannot be written or read.
type Error struct {
	Line   int // from 1, the header's
	Column int // from 1, or 0 for the line as a whole
	Err    error
}

// Error returns the place and the fault.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

var (
	// ErrUnmappable is wrapped for a character that the encoding does not have,
	// or text that is not valid.
	ErrUnmappable = errors.New("a character that the encoding does not have")
	// ErrForm is wrapped for what is not a table of the header.
	ErrForm = errors.New("not a table of this form")
	// ErrSpreadsheet is wrapped for a fault that a spreadsheet makes when it
	// saves a table, and that cannot be mended without guessing.
	ErrSpreadsheet = errors.New("a spreadsheet has changed the file")
)

// Writer writes rows with CRLF line ends. It keeps the first error.
type Writer struct {
	w    io.Writer
	enc  Encoding
	line int
	buf  []byte // what is to be written
	err  error
}

// bufSize is how much is written at a time, about.
const bufSize = 64 << 10

// NewWriter returns a writer of a table in an encoding.
func NewWriter(w io.Writer, enc Encoding) *Writer {
	out := &Writer{w: w, enc: enc}
	switch enc {
	case UTF8BOM:
		out.buf = append(out.buf, "\ufeff"...)
	case ShiftJIS:
	default:
		out.err = fmt.Errorf("no such encoding: %d", enc)
	}
	return out
}

// Write writes a row. It returns the first error of the table, which is an
// [*Error] for a field that the encoding does not have. It keeps no field.
func (w *Writer) Write(fields ...string) error {
	w.line++
	if w.err != nil {
		return w.err
	}
	for i, f := range fields {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		if err := w.field(f); err != nil {
			w.err = &Error{Line: w.line, Column: i + 1, Err: err}
			return w.err
		}
	}
	w.buf = append(w.buf, "\r\n"...)
	if len(w.buf) >= bufSize {
		w.flush()
	}
	return w.err
}

// field writes a field in the form of encoding/csv.
func (w *Writer) field(f string) (err error) {
	if !utf8.ValidString(f) {
		return ErrUnmappable
	}
	start := len(w.buf)
	if w.enc == ShiftJIS {
		if w.buf, err = cp932.Append(w.buf, f); err != nil {
			return ErrUnmappable
		}
	} else {
		w.buf = append(w.buf, f...)
	}
	if !quoted(w.buf[start:]) {
		return nil
	}
	plain := string(w.buf[start:])
	w.buf = append(w.buf[:start], '"')
	for i := range len(plain) {
		switch c := plain[i]; c {
		case '"':
			w.buf = append(w.buf, `""`...)
		case '\r': // a line in a field ends as a row does
		case '\n':
			w.buf = append(w.buf, "\r\n"...)
		default:
			w.buf = append(w.buf, c)
		}
	}
	w.buf = append(w.buf, '"')
	return nil
}

// quoted reports whether a field is written in quotes. No second byte of Shift_JIS
// is one that it looks for.
func quoted(f []byte) bool {
	for _, c := range f {
		if c == ',' || c == '"' || c == '\r' || c == '\n' {
			return true
		}
	}
	first, _ := utf8.DecodeRune(f)
	return unicode.IsSpace(first) || string(f) == `\.`
}

func (w *Writer) flush() {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// Close writes what is left.
func (w *Writer) Close() error {
	w.flush()
	return w.err
}

// Formula reports whether Excel takes a text for a formula.
func Formula(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	switch first {
	case '=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠':
		return true
	}
	return false
}

// Plain keeps Excel from taking a text for a formula, by an apostrophe in front.
func Plain(s string) string {
	if Formula(s) || strings.HasPrefix(s, "'") {
		return "'" + s
	}
	return s
}

// Bare returns the text of which [Plain] returned s.
func Bare(s string) string {
	rest, ok := strings.CutPrefix(s, "'")
	if ok && Plain(rest) == s {
		return rest
	}
	return s
}
