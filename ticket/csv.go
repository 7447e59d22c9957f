package ticket

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/transform"
)

// An Encoding is the character encoding of a CSV file. Excel opens both by a
// double click.
type Encoding uint8

const (
	UTF8BOM  Encoding = iota // UTF-8 with a byte order mark
	ShiftJIS                 // Windows code page 932
)

// CSV holds the choices for settlement files. The zero CSV is usable.
type CSV struct {
	Encoding Encoding
	// Place, if not nil, returns the 端末設置場所 of a terminal ID, for
	// redemptions without a place. A name that Excel would take for a formula
	// gets an apostrophe in front.
	Place func(terminal string) string
	// Known, if not nil, reports whether there is a terminal of this ID.
	// ReadDetails then refuses others. A spreadsheet that drops leading zeros
	// would otherwise turn terminal 000002 into terminal 2.
	Known func(terminal string) bool
}

// A CSVError reports where a CSV file cannot be written or read.
type CSVError struct {
	Line   int // from 1, the header's
	Column int // from 1, or 0 for the line as a whole
	Err    error
}

// Error returns the place and the fault.
func (e *CSVError) Error() string {
	return fmt.Sprintf("ticket: line %d, column %d: %v", e.Line, e.Column, e.Err)
}

// Unwrap returns Err.
func (e *CSVError) Unwrap() error { return e.Err }

// ErrUnmappable is wrapped in a [*CSVError] if the encoding lacks a character or
// the text is not valid.
var ErrUnmappable = errors.New("a character that the encoding does not have")

// ErrSpreadsheet is wrapped in a [*CSVError], beside [ErrCSV], if the fault is
// one that a spreadsheet makes when it saves a file: times without seconds, tabs
// between the columns, or columns that are empty at the end.
var ErrSpreadsheet = errors.New("a spreadsheet has changed the file")

func spreadsheet(fault string) error { return fmt.Errorf("%w: %w: %s", ErrCSV, ErrSpreadsheet, fault) }

var (
	summaryHeader = []string{"端末ID", "端末設置場所", "取引回数合計", "利用ポイント数合計"}
	// Columns are added at the end, so that the header says which version a
	// file is of.
	detailHeader = []string{"消込日時", "端末ID", "端末設置場所", "発券番号", "利用ポイント数", "有効期限", "受取日", "アカウント"}
)

// detailColumns is the number of columns of the first version.
const detailColumns = 7

const (
	csvTime = "2006/01/02 15:04:05"
	csvDay  = "2006/01/02"
)

// WriteSettlement writes a settlement as CSV with CRLF line ends (集計表): a
// header, a line for each terminal at each of its places, one for the total
// (合計) and one for what lapsed (失効). It returns a [*CSVError] or the error of w.
func (c CSV) WriteSettlement(w io.Writer, s Settlement) error {
	out := c.writer(w)
	out.write(summaryHeader...)
	total := func(name, place string, t Total) {
		out.write(name, place, strconv.FormatInt(t.Tickets, 10), strconv.FormatInt(t.Points, 10))
	}
	for i := 0; i < len(s.Lines); {
		l := s.Lines[i]
		for i++; i < len(s.Lines) && s.Lines[i].Terminal == l.Terminal && s.Lines[i].Place == l.Place; i++ {
			l.Total, _ = l.Total.Add(s.Lines[i].Total) // a part of a sum that was made
		}
		total(l.Terminal, c.placeOf(l.Terminal, l.Place), l.Total)
	}
	total("合計", "", s.Redeemed)
	total("失効", "", s.Lapsed)
	return out.close()
}

// WriteDetails writes details as CSV with CRLF line ends (明細表), which
// [CSV.ReadDetails] reads back to the second. The numbers are written whole,
// since they are used up. WriteDetails returns a [*CSVError], or the error of
// the sequence or of w.
func (c CSV) WriteDetails(w io.Writer, details iter.Seq2[Detail, error]) error {
	out := c.writer(w)
	out.write(detailHeader...)
	for d, err := range details {
		if err != nil {
			return err
		}
		out.write(d.RedeemedAt.In(jst).Format(csvTime), d.Terminal, c.placeOf(d.Terminal, d.Place), d.Number.Display(),
			strconv.FormatInt(d.Points, 10), slashed(d.Until), slashed(d.Accepted), d.Account)
		if out.err != nil {
			break
		}
	}
	return out.close()
}

func slashed(d Date) string { return strings.ReplaceAll(d.String(), "-", "/") }

// placeOf returns the place of a redemption, as of then if it is known.
func (c CSV) placeOf(terminal, place string) string {
	if place == "" && c.Place != nil {
		place = c.Place(terminal)
	}
	return plain(place)
}

// plain keeps Excel from taking a text for a formula.
func plain(p string) string {
	if p != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(p)[0]) {
		return "'" + p
	}
	return p
}

// csvWriter keeps the first error and where it was.
type csvWriter struct {
	csv     *csv.Writer
	encoder *encoding.Encoder // nil for UTF-8
	line    int
	err     error
}

// sameInCP932 writes characters that differ between the tables of Unix and
// Windows as the one that code page 932 has. They look alike.
var sameInCP932 = strings.NewReplacer("〜", "～", "−", "－", "‖", "∥", "—", "―", "¢", "￠", "£", "￡", "¬", "￢")

func (c CSV) writer(w io.Writer) *csvWriter {
	out := &csvWriter{csv: csv.NewWriter(w)}
	out.csv.UseCRLF = true
	switch c.Encoding {
	case UTF8BOM:
		_, out.err = io.WriteString(w, "\ufeff")
	case ShiftJIS:
		out.encoder = japanese.ShiftJIS.NewEncoder()
	default:
		out.err = fmt.Errorf("ticket: no such encoding: %d", c.Encoding)
	}
	return out
}

func (w *csvWriter) write(fields ...string) {
	w.line++
	if w.err != nil {
		return
	}
	row := make([]string, len(fields))
	for i, f := range fields {
		row[i] = f
		ok := utf8.ValidString(f)
		if ok && w.encoder != nil {
			var err error
			row[i], err = w.encoder.String(sameInCP932.Replace(f))
			ok = err == nil
		}
		if !ok {
			w.err = &CSVError{Line: w.line, Column: i + 1, Err: ErrUnmappable}
			return
		}
	}
	w.err = w.csv.Write(row)
}

func (w *csvWriter) close() error {
	if w.err != nil {
		return w.err
	}
	w.csv.Flush()
	return w.csv.Error()
}

// maxRecord bounds one line of a details file, in bytes.
const maxRecord = 16 << 10

// ReadDetails reads a file that [CSV.WriteDetails] wrote, also one of an
// earlier version without accounts, for the other side to [Tally]. It ignores
// the 端末設置場所. A fault is a [*CSVError] that wraps [ErrCSV] or a more
// specific error. It ends the sequence, as does an error of r. Memory does not
// grow with the file.
func (c CSV) ReadDetails(r io.Reader) iter.Seq2[Detail, error] {
	return func(yield func(Detail, error) bool) {
		line := 1
		fail := func(column int, err error) { yield(Detail{}, &CSVError{Line: line, Column: column, Err: err}) }
		switch c.Encoding {
		case UTF8BOM:
			var bom [3]byte
			if _, err := io.ReadFull(r, bom[:]); err != nil || string(bom[:]) != "\ufeff" {
				fail(0, fmt.Errorf("%w: no byte order mark", ErrCSV))
				return
			}
		case ShiftJIS:
			r = transform.NewReader(r, japanese.ShiftJIS.NewDecoder())
		default:
			fail(0, fmt.Errorf("%w: no such encoding: %d", ErrCSV, c.Encoding))
			return
		}
		in := &recordReader{r: r}
		rows := csv.NewReader(in)
		rows.FieldsPerRecord = 0 // as many as the header has
		columns := 0
		rows.ReuseRecord = true
		for ; ; line++ {
			in.left = maxRecord
			row, err := rows.Read()
			switch {
			case err == io.EOF && line > 1:
				return
			case err == io.EOF:
				fail(0, fmt.Errorf("%w: empty", ErrCSV))
				return
			case errors.Is(err, csv.ErrFieldCount) && strings.Join(row[min(columns, len(row)):], "") == "" && len(row) > columns:
				fail(columns+1, spreadsheet("an empty column"))
				return
			case errors.Is(err, csv.ErrQuote), errors.Is(err, csv.ErrBareQuote), errors.Is(err, csv.ErrFieldCount):
				fail(0, ErrCSV)
				return
			case err != nil:
				fail(0, err)
				return
			}
			if line == 1 {
				columns = len(row)
				if len(row) == 1 && strings.Contains(row[0], "\t") {
					fail(0, spreadsheet("tabs between the columns"))
					return
				}
				if len(row) < detailColumns || len(row) > len(detailHeader) {
					fail(0, fmt.Errorf("%w: another header", ErrCSV))
					return
				}
				for i := range row {
					if row[i] != detailHeader[i] {
						fail(i+1, fmt.Errorf("%w: another header", ErrCSV))
						return
					}
				}
				continue
			}
			d, column, err := parseDetail(row)
			if err == nil && c.Known != nil && !c.Known(d.Terminal) {
				column, err = 2, ErrTerminal
			}
			if err != nil {
				fail(column, err)
				return
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

func parseDetail(row []string) (d Detail, column int, err error) {
	if d.RedeemedAt, err = time.ParseInLocation(csvTime, row[0], jst); err != nil {
		if _, short := time.ParseInLocation("2006/1/2 15:04", row[0], jst); short == nil {
			return d, 1, spreadsheet("a time without seconds")
		}
		return d, 1, fmt.Errorf("%w: not a time", ErrCSV)
	}
	d.Terminal = strings.Clone(row[1])
	if !validTerminal(d.Terminal) {
		return d, 2, ErrTerminal
	}
	if d.Number, err = ParseNumber(row[3]); err != nil {
		return d, 4, err
	}
	if d.Points, err = strconv.ParseInt(row[4], 10, 64); err != nil || d.Points < 1 || d.Points > MaxPoints {
		return d, 5, ErrPoints
	}
	if d.Until, err = parseSlashed(row[5]); err != nil {
		return d, 6, err
	}
	if row[6] != "" {
		if d.Accepted, err = parseSlashed(row[6]); err != nil {
			return d, 7, err
		}
	}
	if len(row) > detailColumns {
		d.Account = strings.Clone(row[7])
		if !validAccount(d.Account) {
			return d, 8, ErrAccount
		}
	}
	return d, 0, nil
}

func parseSlashed(s string) (Date, error) {
	t, err := time.ParseInLocation(csvDay, s, jst)
	if err != nil || t.Year() < 1 {
		return Date{}, ErrDate
	}
	return DateOf(t), nil
}

// recordReader ends a record that goes on for too long. What encoding/csv
// has read ahead is a part of the budget.
type recordReader struct {
	r    io.Reader
	left int
}

func (r *recordReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("%w: a line of more than %d bytes", ErrCSV, maxRecord)
	}
	n, err := r.r.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}
