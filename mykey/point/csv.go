package point

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mynakit/mynakit/internal/cp932"
	"github.com/mynakit/mynakit/internal/table"
	"github.com/mynakit/mynakit/mykey"
)

// CSV holds the choices for settlement files. The zero CSV is usable.
//
// A spreadsheet that opens such a file and saves it changes what is in it: it
// drops leading zeros and seconds, and groups digits. Each row of details ends
// with a check value over its texts. A row whose texts do not fit the value is
// mended if one of the texts that a spreadsheet makes so does fit, and else
// refused: terminal 000002 never becomes terminal 2.
type CSV struct {
	Encoding Encoding // for writing; reading finds it out
}

// Encoding is the character encoding of a CSV file. Excel opens both by a double
// click.
type Encoding = table.Encoding

// The encodings.
const (
	UTF8BOM  = table.UTF8BOM  // UTF-8 with a byte order mark
	ShiftJIS = table.ShiftJIS // Windows code page 932
)

// CSVError reports where a CSV file cannot be written or read.
type CSVError = table.Error

var (
	// ErrCSV is wrapped in a [*CSVError] for a file or a row that is not of its
	// form, or was changed.
	ErrCSV = table.ErrForm
	// ErrSpreadsheet is wrapped in a [*CSVError], beside [ErrCSV], for a row in
	// which a spreadsheet was at work, and which only a guess could mend.
	ErrSpreadsheet = table.ErrSpreadsheet
	// ErrUnmappable is wrapped in a [*CSVError] if the encoding lacks a character.
	ErrUnmappable = table.ErrUnmappable
)

// The headers. The last column names the version: a later one has other columns
// and another number, and the reader knows all.
var (
	settlementHeader = []string{"端末設置場所", "アカウント", "利用回数", "利用ポイント数", "消込回数", "消込ポイント数", "返還回数", "返還ポイント数",
		"取引回数合計", "利用ポイント数合計", "開始日", "終了日", "状態1"}
	detailHeader  = []string{"日時", "種別", "端末ID", "端末設置場所", "アカウント", "ポイント数", "処理番号", "返還元の処理番号", "検査値1"}
	partnerHeader = []string{"協力会社コード", "アカウント", "移行件数", "移行ポイント数合計", "取消件数", "取消ポイント数合計", "開始日", "終了日", "状態1"}
	transferred   = []string{"日時", "種別", "協力会社コード", "アカウント", "ポイント数", "処理番号", "依頼元", "依頼番号", "検査値1"}
)

// kinds are the names of operations in a file.
var kinds = [...]struct {
	kind Op
	name string
}{
	{OpUse, "利用"}, {OpTicket, "ポイント券"}, {OpMerge, "合算"}, {OpRefund, "返還"}, {OpGrant, "付与"}, {OpPartner, "移行"}, {OpOpening, "繰越"},
	{OpSteer, "留保移行"}, {OpDue, "留保期日"}, {OpLapse, "失効"}, {OpRestore, "失効取消"}, {OpClawback, "取消"}, {OpJoin, "統合"},
}

// WriteSettlement writes a settlement as CSV with CRLF line ends (集計表): a
// header, a line for each place and account, and one for the total (合計). The
// last column says whether the figures are final (確定), can change (未確定), or
// are for practice (訓練). The errors are a [*CSVError] and that of w.
func (c CSV) WriteSettlement(w io.Writer, s Settlement) error {
	out := table.NewWriter(w, c.Encoding)
	_ = out.Write(settlementHeader...) // Close returns the first error
	end := periodColumns(s.Period, s.Final, s.Training)
	line := func(place string, l Line) {
		fields := []string{table.Plain(place), string(l.Account)}
		for _, t := range [...]Total{l.Uses, l.Tickets, l.Refunds, l.Sum()} {
			fields = append(fields, strconv.FormatInt(t.Count, 10), strconv.FormatInt(t.Points, 10))
		}
		_ = out.Write(append(fields, end...)...)
	}
	for _, l := range s.Places() {
		line(l.Place, l)
	}
	line("合計", s.Sum())
	return out.Close()
}

// WritePartners writes a settlement with partners as CSV with CRLF line ends
// (集計表): a header, and a line for each partner and account. The last column is
// that of [CSV.WriteSettlement]. The errors are a [*CSVError] and that of w.
func (c CSV) WritePartners(w io.Writer, s PartnerSettlement) error {
	out := table.NewWriter(w, c.Encoding)
	_ = out.Write(partnerHeader...)
	end := periodColumns(s.Period, s.Final, s.Training)
	for _, l := range s.Lines {
		fields := []string{l.Partner, string(l.Account)}
		for _, t := range [...]Total{l.Moved, l.Back} {
			fields = append(fields, strconv.FormatInt(t.Count, 10), strconv.FormatInt(t.Points, 10))
		}
		_ = out.Write(append(fields, end...)...)
	}
	return out.Close()
}

func periodColumns(p mykey.Period, final, training bool) []string {
	state := "未確定"
	switch {
	case training:
		state = "訓練"
	case final:
		state = "確定"
	}
	return []string{p.From.String(), p.To.String(), state}
}

// WriteDetails writes details as CSV with CRLF line ends (明細表), which
// [CSV.ReadDetails] reads back to the second. Memory does not grow with them. The
// errors are a [*CSVError], and those of the sequence and of w.
func (c CSV) WriteDetails(w io.Writer, details iter.Seq2[Detail, error]) error {
	return writeRows(w, c.Encoding, detailHeader, details, func(row *csvRow, d Detail) {
		row.time(d.At)
		row.text(csvKind(d.Kind))
		row.text(d.Terminal)
		row.text(d.Place)
		row.text(string(d.Account))
		row.number(d.Points)
		row.operation(d.Operation)
		row.operation(d.Reverses)
	})
}

// ReadDetails reads a file that [CSV.WriteDetails] wrote, for the other side to
// [Tally]. What a spreadsheet has changed is mended if nothing has to be guessed;
// see [CSV]. Memory does not grow with the file.
//
// A fault is a [*CSVError] that wraps [ErrCSV], [ErrSpreadsheet] or a more
// specific error. It ends the sequence, as does an error of r.
func (c CSV) ReadDetails(r io.Reader) iter.Seq2[Detail, error] {
	return readRows(r, detailHeader, func(f []string) (d Detail, column int, err error) {
		d = Detail{Terminal: f[2], Place: f[3], Account: Account(f[4])}
		if d.At, d.Kind, d.Points, column, err = parseCommon(f, 5); err != nil {
			return d, column, err
		}
		if _, err := ParseAccount(f[4]); err != nil {
			return d, 5, err
		}
		if d.Operation, err = parseCSVOperation(f[6]); err != nil {
			return d, 7, err
		}
		d.Reverses, err = parseCSVOperation(f[7])
		return d, 8, err
	})
}

// WriteTransferred writes the transfers of partners as CSV with CRLF line ends
// (明細表), which [CSV.ReadTransferred] reads back to the second. Memory does not
// grow with them. The errors are a [*CSVError], and those of the sequence and of
// w.
func (c CSV) WriteTransferred(w io.Writer, transfers iter.Seq2[Transferred, error]) error {
	return writeRows(w, c.Encoding, transferred, transfers, func(row *csvRow, t Transferred) {
		row.time(t.At)
		row.text(csvKind(t.Kind))
		row.text(t.Partner)
		row.text(string(t.Account))
		row.number(t.Points)
		row.operation(t.Operation)
		row.text(t.Request.Scope)
		row.text(t.Request.Name)
	})
}

// ReadTransferred reads a file that [CSV.WriteTransferred] wrote, for the partner
// to [TallyPartners]. Spreadsheets and errors are those of [CSV.ReadDetails].
func (c CSV) ReadTransferred(r io.Reader) iter.Seq2[Transferred, error] {
	return readRows(r, transferred, func(f []string) (t Transferred, column int, err error) {
		t = Transferred{Partner: f[2], Account: Account(f[3]), Request: Request{f[6], f[7]}}
		if t.At, t.Kind, t.Points, column, err = parseCommon(f, 4); err != nil {
			return t, column, err
		}
		if _, err := ParseAccount(f[3]); err != nil {
			return t, 4, err
		}
		t.Operation, err = parseCSVOperation(f[5])
		return t, 6, err
	})
}

const csvTimeForm = "2006/01/02 15:04:05"

// appendTime is Format with csvTimeForm, in a third of its time.
func appendTime(b []byte, at time.Time) []byte {
	at = at.In(jst)
	year, month, day := at.Date()
	hour, minute, second := at.Clock()
	if year < 0 || year > 9999 {
		return at.AppendFormat(b, csvTimeForm)
	}
	two := func(sep byte, n int) { b = append(b, sep, byte('0'+n/10), byte('0'+n%10)) }
	b = append(b, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10))
	two('/', int(month))
	two('/', day)
	two(' ', hour)
	two(':', minute)
	two(':', second)
	return b
}

func csvTime(at time.Time) string { return string(appendTime(nil, at)) }

// parseTime returns the time of which csvTime returned s.
func parseTime(s string) (at time.Time, ok bool) {
	if len(s) != len(csvTimeForm) {
		return time.Time{}, false
	}
	var part [6]int
	n := 0
	for i := range len(csvTimeForm) {
		switch form := csvTimeForm[i]; {
		case form < '0' || form > '9':
			if s[i] != form {
				return time.Time{}, false
			}
			n++
		case s[i] < '0' || s[i] > '9':
			return time.Time{}, false
		default:
			part[n] = part[n]*10 + int(s[i]-'0')
		}
	}
	at = time.Date(part[0], time.Month(part[1]), part[2], part[3], part[4], part[5], 0, jst)
	month := at.Month()
	return at, int(month) == part[1] && at.Day() == part[2] && part[3] < 24 && part[4] < 60 && part[5] < 60
}

func csvKind(k Op) string {
	for _, x := range kinds {
		if x.kind == k {
			return x.name
		}
	}
	return ""
}

func parseCSVOperation(s string) (string, error) {
	rest, ok := strings.CutPrefix(s, "#")
	if ok == (rest == "") {
		return "", ErrCSV
	}
	return rest, nil
}

// parseCommon reads time, kind and the points in column points, from 0.
func parseCommon(f []string, points int) (at time.Time, kind Op, n int64, column int, err error) {
	at, ok := parseTime(f[0])
	if !ok {
		return at, "", 0, 1, ErrCSV
	}
	for _, x := range kinds {
		if x.name == f[1] {
			kind = x.kind
		}
	}
	if kind == "" {
		return at, "", 0, 2, ErrCSV
	}
	n, err = strconv.ParseInt(f[points], 10, 64)
	if err != nil || f[points][0] < '1' || n < 1 || n > MaxPoints { // no sign, no zero in front
		return at, kind, 0, points + 1, ErrPoints
	}
	return at, kind, n, 0, nil
}

// csvRow is a row on its way to a file, all of it in one string.
type csvRow struct {
	all    []byte
	ends   []int // of each text
	fields []string
}

func (r *csvRow) end()           { r.ends = append(r.ends, len(r.all)) }
func (r *csvRow) text(s string)  { r.all = append(r.all, s...); r.end() }
func (r *csvRow) number(n int64) { r.all = strconv.AppendInt(r.all, n, 10); r.end() }

func (r *csvRow) time(at time.Time) { r.all = appendTime(r.all, at); r.end() }

// operation keeps a spreadsheet from taking an operation for a number, which has
// 15 digits there, or for a power of ten.
func (r *csvRow) operation(s string) {
	if s != "" {
		r.all = append(r.all, '#')
	}
	r.text(s)
}

// take returns the texts, and empties the row.
func (r *csvRow) take() []string {
	all, from := string(r.all), 0
	r.fields = r.fields[:0]
	for _, end := range r.ends {
		r.fields = append(r.fields, all[from:end])
		from = end
	}
	r.all, r.ends = r.all[:0], r.ends[:0]
	return r.fields
}

// writeRows writes a row for each value, with its check value.
func writeRows[T any](w io.Writer, enc Encoding, header []string, values iter.Seq2[T, error], add func(row *csvRow, v T)) error {
	out := table.NewWriter(w, enc)
	_ = out.Write(header...)
	check := checker{header: header}
	var row csvRow
	for v, err := range values {
		if err != nil {
			return err
		}
		add(&row, v)
		fields := row.take()
		fields = append(fields, string(check.value(fields)))
		row.fields = fields
		for i := range fields {
			fields[i] = table.Plain(fields[i])
		}
		if out.Write(fields...) != nil {
			break
		}
	}
	return out.Close()
}

// checker makes check values: a letter and 48 bits over the texts of a row, as a
// file in either encoding gives them back. It finds what was changed by mistake:
// anybody can make one.
type checker struct {
	header []string
	text   []byte
	out    [13]byte
}

// value returns the check value of a row. It is valid until the next call.
func (c *checker) value(fields []string) []byte {
	c.text = c.text[:0]
	c.add(c.header[len(c.header)-1])
	for _, s := range fields {
		c.add(s)
	}
	sum := sha256.Sum256(c.text)
	c.out[0] = 'k'
	hex.Encode(c.out[1:], sum[:6])
	return c.out[:]
}

func (c *checker) add(s string) {
	s = cp932.Same(s)
	c.text = append(append(strconv.AppendInt(c.text, int64(len(s)), 10), ':'), s...)
}

// readRows yields the values of a table's rows.
func readRows[T any](r io.Reader, header []string, parse func(fields []string) (v T, column int, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		check := checker{header: header}
		for row, err := range table.Read(r, header) {
			if err != nil {
				yield(none, err)
				return
			}
			fields := row.Fields
			for i, f := range fields {
				fields[i] = table.Bare(f)
			}
			last := len(fields) - 1
			fields, column, err := mend(&check, fields[:last], fields[last])
			var v T
			if err == nil {
				v, column, err = parse(fields)
			}
			if err != nil {
				yield(none, &CSVError{Line: row.Line, Column: column, Err: err})
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// mend returns the fields as they were when the check value was made. Of the
// texts that a spreadsheet turns into what is there, exactly the one that fits
// the value is taken.
func mend(c *checker, fields []string, check string) (out []string, column int, err error) {
	if string(c.value(fields)) == check {
		return fields, 0, nil
	}
	header := c.header
	choices := make([][]string, len(fields))
	seen := false // what only a spreadsheet writes
	for i, f := range fields {
		choices[i] = []string{f}
		switch header[i] {
		case "日時":
			choices[i] = timesBefore(f)
			seen = seen || !slices.Contains(choices[i], f)
		case "端末ID", "依頼元", "依頼番号", "端末設置場所":
			choices[i] = zerosBefore(f)
		case "ポイント数":
			choices[i] = []string{strings.ReplaceAll(f, ",", "")}
			seen = seen || strings.ContainsAny(f, ",E")
		}
		if len(choices[i]) == 0 {
			return nil, i + 1, fmt.Errorf("%w: not a time", ErrCSV)
		}
	}
	// At most a minute's seconds, and the zeros of two numbers.
	out = slices.Clone(fields)
	var try func(i int) bool
	try = func(i int) bool {
		if i == len(out) {
			return string(c.value(out)) == check
		}
		for _, c := range choices[i] {
			if out[i] = c; try(i + 1) {
				return true
			}
		}
		return false
	}
	if try(0) {
		return out, 0, nil
	}
	err = fmt.Errorf("%w: the check value does not fit the row", ErrCSV)
	if seen {
		err = fmt.Errorf("%w: %w", err, ErrSpreadsheet)
	}
	return nil, len(header), err
}

// timesBefore returns the texts of a time that a spreadsheet turns into s: it
// drops the zero of an hour, and the seconds.
func timesBefore(s string) (out []string) {
	s = strings.ReplaceAll(s, "-", "/")
	if at, err := time.ParseInLocation("2006/1/2 15:4:5", s, jst); err == nil {
		return []string{csvTime(at)}
	}
	at, err := time.ParseInLocation("2006/1/2 15:4", s, jst)
	if err != nil {
		return nil
	}
	for sec := range 60 {
		out = append(out, csvTime(at.Add(time.Duration(sec)*time.Second)))
	}
	return out
}

// zerosBefore returns the texts that a spreadsheet turns into the number s.
func zerosBefore(s string) []string {
	out := []string{s}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return out
	}
	for len(s) < 12 {
		s = "0" + s
		out = append(out, s)
	}
	return out
}
