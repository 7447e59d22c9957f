package ticket

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/mynakit/mynakit/internal/table"
	"github.com/mynakit/mynakit/mykey"
)

// An Encoding is the character encoding of a CSV file. Excel opens both by a
// double click.
type Encoding = table.Encoding

const (
	UTF8BOM  = table.UTF8BOM  // UTF-8 with a byte order mark
	ShiftJIS = table.ShiftJIS // Windows code page 932
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
var ErrUnmappable = table.ErrUnmappable

// ErrSpreadsheet is wrapped in a [*CSVError], beside [ErrCSV], if the fault is
// one that a spreadsheet makes when it saves a file, such as times without
// seconds.
var ErrSpreadsheet = table.ErrSpreadsheet

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
	out := table.NewWriter(w, c.Encoding)
	_ = out.Write(summaryHeader...) // Close returns the first error
	total := func(name, place string, t Total) {
		_ = out.Write(name, table.Plain(place), strconv.FormatInt(t.Tickets, 10), strconv.FormatInt(t.Points, 10))
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
	return csvError(out.Close())
}

// WriteDetails writes details as CSV with CRLF line ends (明細表), which
// [CSV.ReadDetails] reads back to the second. The numbers are written whole,
// since they are used up. WriteDetails returns a [*CSVError], or the error of
// the sequence or of w.
func (c CSV) WriteDetails(w io.Writer, details iter.Seq2[Detail, error]) error {
	out := table.NewWriter(w, c.Encoding)
	_ = out.Write(detailHeader...)
	for d, err := range details {
		if err != nil {
			return err
		}
		err := out.Write(d.RedeemedAt.In(jst).Format(csvTime), d.Terminal, table.Plain(c.placeOf(d.Terminal, d.Place)), d.Number.Display(),
			strconv.FormatInt(d.Points, 10), slashed(d.Until), slashed(d.Accepted), d.Account)
		if err != nil {
			break
		}
	}
	return csvError(out.Close())
}

func slashed(d Date) string { return strings.ReplaceAll(d.String(), "-", "/") }

// placeOf returns the place of a redemption, as of then if it is known.
func (c CSV) placeOf(terminal, place string) string {
	if place == "" && c.Place != nil {
		place = c.Place(terminal)
	}
	return place
}

// ReadDetails reads a file that [CSV.WriteDetails] wrote, also one of an
// earlier version without accounts, for the other side to [Tally]. It ignores
// the 端末設置場所. What a spreadsheet has changed is mended if nothing has to be
// guessed: a lost byte order mark, another encoding or tabs, which the header
// tells, and empty columns at the end. Another fault is a [*CSVError] that wraps
// [ErrCSV] or a more specific error. It ends the sequence, as does an error of r.
// Memory does not grow with the file.
func (c CSV) ReadDetails(r io.Reader) iter.Seq2[Detail, error] {
	return func(yield func(Detail, error) bool) {
		for row, err := range table.Read(r, detailHeader, detailHeader[:detailColumns]) {
			if err != nil {
				yield(Detail{}, csvError(err))
				return
			}
			d, column, err := parseDetail(row.Fields)
			if err == nil && c.Known != nil && !c.Known(d.Terminal) {
				column, err = 2, ErrTerminal
			}
			if err != nil {
				yield(Detail{}, &CSVError{Line: row.Line, Column: column, Err: err})
				return
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

// csvError returns an error of a table as one of this package.
func csvError(err error) error {
	t, ok := errors.AsType[*table.Error](err)
	if !ok {
		return err
	}
	if errors.Is(t.Err, table.ErrForm) {
		return &CSVError{t.Line, t.Column, fmt.Errorf("%w: %w", ErrCSV, t.Err)}
	}
	return &CSVError{t.Line, t.Column, t.Err}
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
	return mykey.DateOf(t), nil
}
