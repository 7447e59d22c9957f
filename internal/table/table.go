// Package table writes and reads CSV tables that people open in a spreadsheet on
// the way. It knows nothing of any domain: [NewWriter] writes rows in an encoding
// that Excel opens by a double click, and [Read] yields them again, whatever of
// it Excel has changed that can be told without guessing.
package table

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

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
	csv  *csv.Writer
	enc  Encoding
	line int
	err  error
}

// NewWriter returns a writer of a table in an encoding.
func NewWriter(w io.Writer, enc Encoding) *Writer {
	out := &Writer{csv: csv.NewWriter(w), enc: enc}
	out.csv.UseCRLF = true
	switch enc {
	case UTF8BOM:
		_, out.err = io.WriteString(w, "\ufeff")
	case ShiftJIS:
	default:
		out.err = fmt.Errorf("no such encoding: %d", enc)
	}
	return out
}

// Write writes a row. It returns the first error of the table, which is an
// [*Error] for a field that the encoding does not have.
func (w *Writer) Write(fields ...string) error {
	w.line++
	if w.err != nil {
		return w.err
	}
	row := slices.Clone(fields)
	for i, f := range fields {
		ok := utf8.ValidString(f)
		if ok && w.enc == ShiftJIS {
			b, err := cp932.Encode(f)
			row[i], ok = string(b), err == nil
		}
		if !ok {
			w.err = &Error{Line: w.line, Column: i + 1, Err: ErrUnmappable}
			return w.err
		}
	}
	w.err = w.csv.Write(row)
	return w.err
}

// Close writes what is left.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	w.csv.Flush()
	return w.csv.Error()
}

// Formula reports whether Excel takes a text for a formula.
func Formula(s string) bool {
	return s != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(s)[0])
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

// Row is a row of a table.
type Row struct {
	Line   int      // from 1, the header's
	Fields []string // as many as the header has; valid until the next row
}

// MaxRow bounds one row, in bytes of UTF-8.
const MaxRow = 16 << 10

// Read yields the rows of a table that has one of the headers, with the header.
// It is told apart by the header alone, so nothing is guessed: UTF-8 with or
// without its byte order mark, Shift_JIS and UTF-16, commas or tabs, and empty
// columns at the end.
//
// An error is an [*Error] that wraps [ErrForm] or [ErrSpreadsheet], or that of r.
// It ends the sequence. Memory does not grow with the table.
func Read(r io.Reader, headers ...[]string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		line := 1
		fail := func(column int, err error) {
			yield(Row{}, &Error{Line: line, Column: column, Err: err})
		}
		text, err := decoded(r)
		if err != nil {
			yield(Row{}, err)
			return
		}
		in := &rowReader{r: text}
		rows := csv.NewReader(in)
		rows.FieldsPerRecord, rows.ReuseRecord = -1, true
		if head, _ := text.Peek(MaxRow); bytes.IndexByte(head, '\t') >= 0 {
			if end := bytes.IndexByte(head, '\n'); end < 0 || bytes.IndexByte(head[:end], ',') < 0 {
				rows.Comma = '\t'
			}
		}
		var header []string
		for ; ; line++ {
			in.left = MaxRow
			fields, err := rows.Read()
			parse, isParse := errors.AsType[*csv.ParseError](err)
			if isParse {
				line = parse.StartLine
			} else if len(fields) > 0 {
				line, _ = rows.FieldPos(0)
			}
			switch {
			case err == io.EOF && header == nil:
				fail(0, fmt.Errorf("%w: empty", ErrForm))
				return
			case err == io.EOF:
				return
			case isParse:
				fail(0, fmt.Errorf("%w: %w", ErrForm, parse.Err)) // the text is not shown
				return
			case err != nil:
				fail(0, err)
				return
			}
			if header == nil {
				fields = trimmed(fields, 0)
				if i := slices.IndexFunc(headers, func(h []string) bool { return slices.Equal(h, fields) }); i >= 0 {
					header = headers[i]
					continue
				}
				fail(unlike(fields, headers), fmt.Errorf("%w: another header", ErrForm))
				return
			}
			if strings.Join(fields, "") == "" {
				continue // a row of nothing
			}
			if fields = trimmed(fields, len(header)); len(fields) != len(header) {
				fail(0, fmt.Errorf("%w: %d columns and not %d", ErrForm, len(fields), len(header)))
				return
			}
			if !yield(Row{line, fields}, nil) {
				return
			}
		}
	}
}

// trimmed returns the fields without empty ones at the end, but at least least.
func trimmed(fields []string, least int) []string {
	n := len(fields)
	for n > max(least, 1) && fields[n-1] == "" {
		n--
	}
	return fields[:n]
}

// unlike returns the first column in which a header is none of the others, 0 if
// that is their number.
func unlike(fields []string, headers [][]string) int {
	best := 0
	for _, h := range headers {
		i := 0
		for i < min(len(h), len(fields)) && h[i] == fields[i] {
			i++
		}
		if i < len(fields) && i < len(h) {
			best = max(best, i+1)
		}
	}
	return best
}

// decoded returns the table's text in UTF-8 without a mark.
func decoded(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, MaxRow)
	head, err := in.Peek(MaxRow)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i]
	}
	switch {
	case bytes.HasPrefix(head, []byte("\ufeff")):
		_, err = in.Discard(3)
		return in, err
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		return bufio.NewReaderSize(transform.NewReader(in, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()), MaxRow), nil
	case utf8.Valid(head):
		return in, nil
	}
	return bufio.NewReaderSize(transform.NewReader(in, japanese.ShiftJIS.NewDecoder()), MaxRow), nil
}

// rowReader ends a row that goes on for too long. What encoding/csv has read
// ahead is a part of the budget.
type rowReader struct {
	r    io.Reader
	left int
}

func (r *rowReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("%w: a row of more than %d bytes", ErrForm, MaxRow)
	}
	n, err := r.r.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}
