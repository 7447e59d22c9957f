package grant

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/transform"

	"github.com/mynakit/mynakit/mykey"
)

// columns are those of the document's form (取り込み入力用様式, システム設計書 V(4)), in
// its order.
var columns = [...]string{"ポイント付与事業名", "付与ポイント", "マイキーID", "名前", "生年月日", "住所", "性別", "電話番号", "メールアドレス", "備考"}

// Row is a line of a roster (名簿). The MyKey ID may be empty: it comes with a tap
// or is told at the counter.
type Row struct {
	Line   int // of the file, counted from 1
	ID     mykey.ID
	Person Person
}

// Encoding is how a roster file is encoded.
type Encoding uint8

// The encodings.
const (
	UTF8     Encoding = iota // with or without a byte order mark
	ShiftJIS                 // as spreadsheets in Japan write it (CP932)
)

// RowError says where a roster file is not of its form. It names line and
// column, and never holds the text.
type RowError struct {
	Line   int    // counted from 1
	Column string // the column's name, or "" for the whole line
	Err    error
}

// Error returns line, column and reason.
func (e *RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("grant: line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("grant: line %d, column %s: %v", e.Line, e.Column, e.Err)
}

// Unwrap returns the reason.
func (e *RowError) Unwrap() error { return e.Err }

var (
	// ErrColumns is wrapped by a [*RowError] for a line that does not have the
	// ten columns, or whose first line is not their names.
	ErrColumns = errors.New("not the ten columns of the form")
	// ErrOther is wrapped by a [*RowError] for a row of another programme or
	// with other points than the programme's.
	ErrOther = errors.New("not of the programme that was chosen")
)

// WriteTemplate writes the form for a programme: the names of the columns, and
// a line that has programme and points and is to be copied. It is UTF-8 with a
// byte order mark, which spreadsheets want.
func WriteTemplate(w io.Writer, p Programme) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	line := make([]string, len(columns))
	line[0], line[1] = p.Name, strconv.FormatInt(p.Points, 10)
	return c.WriteAll([][]string{columns[:], line})
}

// ReadRoster returns the rows of a roster file for a programme, one at a time,
// with a [*RowError] in place of each that is not of its form; it goes on after
// that. Any other error is r's own and is the last. Lines without any field, and
// those of the template that say nothing of anybody, are passed over.
func ReadRoster(r io.Reader, p Programme, enc Encoding) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if enc == ShiftJIS {
			r = transform.NewReader(r, japanese.ShiftJIS.NewDecoder())
		}
		in := bufio.NewReader(r)
		if bom, _ := in.Peek(3); string(bom) == "\ufeff" {
			_, _ = in.Discard(3)
		}
		limit := &bounded{in: in}
		c := csv.NewReader(limit)
		c.ReuseRecord, c.FieldsPerRecord = true, -1
		first := true
		for {
			limit.run = 0
			fields, err := c.Read()
			line := 0
			if len(fields) > 0 {
				line, _ = c.FieldPos(0)
			}
			switch parse, isParse := errors.AsType[*csv.ParseError](err); {
			case errors.Is(err, io.EOF):
				return
			case isParse:
				// What csv says may quote nothing of the line, and it goes on.
				if !yield(Row{}, &RowError{Line: parse.StartLine, Err: parse.Err}) {
					return
				}
				continue
			case err != nil:
				yield(Row{}, err)
				return
			}
			if first {
				first = false
				if !isHeader(fields) {
					yield(Row{}, &RowError{Line: line, Err: ErrColumns})
					return
				}
				continue
			}
			row, err := parseRow(fields, p, line)
			if errors.Is(err, errEmpty) {
				continue
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// bounded refuses what no roster has, so that an unclosed quote does not take
// the memory: a line of more than 64 KiB.
type bounded struct {
	in  *bufio.Reader
	run int // since the last line was handed out
}

const maxLine = 64 << 10

var errLine = errors.New("grant: a line of the roster is too long")

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p[:min(len(p), 4096)])
	if b.run += n; b.run > maxLine {
		return 0, errLine
	}
	return n, err
}

func isHeader(fields []string) bool {
	if len(fields) != len(columns) {
		return false
	}
	for i, f := range fields {
		if strings.TrimSpace(f) != columns[i] {
			return false
		}
	}
	return true
}

var errEmpty = errors.New("an empty line")

// parseRow reads a line of the ten columns.
func parseRow(fields []string, p Programme, line int) (Row, error) {
	fail := func(column int, err error) (Row, error) {
		return Row{}, &RowError{Line: line, Column: columns[column], Err: err}
	}
	said := false
	for _, f := range fields[min(2, len(fields)):] {
		said = said || strings.TrimSpace(f) != ""
	}
	if !said {
		return Row{}, errEmpty
	}
	if len(fields) != len(columns) {
		return Row{}, &RowError{Line: line, Err: ErrColumns}
	}
	for i, f := range fields {
		if strings.ContainsRune(f, unicode.ReplacementChar) || !utf8.ValidString(f) {
			return fail(i, &mykey.FormError{Field: columns[i], Rule: mykey.RuleCharacter, Pos: -1})
		}
		fields[i] = strings.TrimSpace(f)
	}
	if fields[0] != p.Name {
		return fail(0, ErrOther)
	}
	if n, err := strconv.ParseInt(strings.ReplaceAll(fields[1], ",", ""), 10, 64); err != nil || n != p.Points {
		return fail(1, ErrOther)
	}
	row := Row{Line: line}
	var err error
	if fields[2] != "" {
		if row.ID, err = mykey.ParseID(fields[2]); err != nil {
			return fail(2, err)
		}
	}
	// The line's memory is used again for the next one.
	v := Identity{Name: strings.Clone(fields[3]), Address: strings.Clone(fields[5]), Phone: strings.Clone(fields[7]),
		Mail: strings.Clone(fields[8]), Remark: strings.Clone(fields[9])}
	if fields[4] != "" {
		if v.Birth, err = ParseDay(fields[4]); err != nil {
			return fail(4, err)
		}
	}
	sex, ok := parseSex(fields[6])
	if !ok {
		return fail(6, &mykey.FormError{Field: columns[6], Rule: mykey.RuleUnknown, Pos: -1})
	}
	v.Sex = sex
	if err := v.check(p.Items); err != nil {
		form, _ := errors.AsType[*mykey.FormError](err)
		return Row{}, &RowError{Line: line, Column: form.Field, Err: err}
	}
	row.Person = v.Hide()
	return row, nil
}
