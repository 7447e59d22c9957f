package table

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Row is a row of a table.
type Row struct {
	Line   int      // from 1, the header's
	Fields []string // as many as the header has; the slice is valid until the next row
}

// MaxRow bounds one row, in bytes of UTF-8.
const MaxRow = 16 << 10

// Read yields the rows of a table that has one of the headers, without the
// header. It is told apart by the header alone, so nothing is guessed: UTF-8 with
// or without its byte order mark, Shift_JIS and UTF-16, commas or tabs, and empty
// columns at the end.
//
// An error is an [*Error] that wraps [ErrForm] or [ErrSpreadsheet], or that of r.
// It ends the sequence. Memory does not grow with the table.
func Read(r io.Reader, headers ...[]string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		text, err := decoded(r)
		if err != nil {
			yield(Row{}, err)
			return
		}
		in := rows{in: text, comma: ','}
		fail := func(column int, err error) {
			yield(Row{}, &Error{Line: in.line, Column: column, Err: err})
		}
		if head, _ := text.Peek(MaxRow); bytes.IndexByte(head, '\t') >= 0 {
			if end := bytes.IndexByte(head, '\n'); end < 0 || bytes.IndexByte(head[:end], ',') < 0 {
				in.comma = '\t'
			}
		}
		var header []string
		for {
			fields, err := in.next()
			switch {
			case err == io.EOF && header == nil:
				fail(0, fmt.Errorf("%w: empty", ErrForm))
				return
			case err == io.EOF:
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
			if !slices.ContainsFunc(fields, func(f string) bool { return f != "" }) {
				continue // a row of nothing
			}
			if fields = trimmed(fields, len(header)); len(fields) != len(header) {
				fail(0, fmt.Errorf("%w: %d columns and not %d", ErrForm, len(fields), len(header)))
				return
			}
			if !yield(Row{in.line, fields}, nil) {
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
	in := bufio.NewReaderSize(r, bufSize)
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
		return bufio.NewReaderSize(transform.NewReader(in, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()), bufSize), nil
	case utf8.Valid(head):
		return in, nil
	}
	return bufio.NewReaderSize(transform.NewReader(in, japanese.ShiftJIS.NewDecoder()), bufSize), nil
}

// rows reads rows as encoding/csv does, with one allocation for each.
type rows struct {
	in    *bufio.Reader
	comma byte

	line   int // at which the row begins
	lines  int // that were read
	left   int // bytes of the row
	text   []byte
	ends   []int // of each field, in text
	fields []string
}

// next returns the fields of the next row that is not empty.
func (r *rows) next() ([]string, error) {
	var line []byte
	for len(line) <= 1 {
		r.line, r.left = r.lines+1, MaxRow
		var err error
		if line, err = r.read(); err != nil {
			return nil, err
		}
	}
	r.text, r.ends = r.text[:0], r.ends[:0]
	for more := true; more; {
		if line[0] == '"' {
			var err error
			if line, more, err = r.quoted(line[1:]); err != nil {
				return nil, err
			}
			continue
		}
		end := bytes.IndexByte(line, r.comma)
		if more = end >= 0; !more {
			end = len(line) - 1 // the line feed
		}
		if bytes.IndexByte(line[:end], '"') >= 0 {
			return nil, fmt.Errorf("%w: %w", ErrForm, csv.ErrBareQuote)
		}
		r.text = append(r.text, line[:end]...)
		r.ends = append(r.ends, len(r.text))
		line = line[end+1:]
	}
	all, from := string(r.text), 0
	r.fields = r.fields[:0]
	for _, end := range r.ends {
		r.fields = append(r.fields, all[from:end])
		from = end
	}
	return r.fields, nil
}

// quoted reads a field after its first quote, which may go on for several lines.
// It returns what follows, and whether that is one more field.
func (r *rows) quoted(line []byte) (rest []byte, more bool, err error) {
	for {
		end := bytes.IndexByte(line, '"')
		if end < 0 {
			r.text = append(r.text, line...)
			if line, err = r.read(); err == io.EOF {
				err = fmt.Errorf("%w: %w", ErrForm, csv.ErrQuote)
			}
			if err != nil {
				return nil, false, err
			}
			continue
		}
		r.text = append(r.text, line[:end]...)
		switch c := line[end+1]; c {
		case '"':
			r.text = append(r.text, '"')
			line = line[end+2:]
		case r.comma, '\n':
			r.ends = append(r.ends, len(r.text))
			return line[end+2:], c != '\n', nil
		default:
			return nil, false, fmt.Errorf("%w: %w", ErrForm, csv.ErrQuote)
		}
	}
}

// read returns the next line. It ends with a line feed, whatever it ends with in
// the file, and is valid until the next call.
func (r *rows) read() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if r.left -= len(line); r.left < 0 || err == bufio.ErrBufferFull {
		return nil, fmt.Errorf("%w: a row of more than %d bytes", ErrForm, MaxRow)
	}
	if err != nil && (err != io.EOF || len(line) == 0) {
		return nil, err
	}
	r.lines++
	if n := len(line); err == io.EOF {
		line = append(bytes.TrimSuffix(line, []byte("\r")), '\n')
	} else if n > 1 && line[n-2] == '\r' {
		line = line[:n-1]
		line[n-2] = '\n'
	}
	return line, nil
}
