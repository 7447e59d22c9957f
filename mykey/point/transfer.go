package point

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/mynakit/mynakit/mykey"
)

// Payout is the head of a file of transfers (総合振込, 全銀協規定フォーマット): who
// orders them, from which account, and on which day.
type Payout struct {
	Orderer string      // 依頼人コード: 10 digits, which the bank gives
	Name    string      // 依頼人名, as [BankText] accepts it; at most 40 of its characters
	From    BankAccount // ordinary, current or other
	Month   time.Month  // 取組日; the file has no year
	Day     int
}

// Transfer is what one account receives.
type Transfer struct {
	To  BankAccount
	Yen int64 // 1 to 9,999,999,999
	// First marks a first transfer to this account (新規コード).
	First bool
	// References are the customer codes (顧客コード1, 顧客コード2), which the bank hands
	// on: at most 10 digits each, or empty. Read back, they have 10 digits.
	References [2]string
}

const (
	recordSize      = 120
	maxTransfer     = 9_999_999_999
	maxTransfers    = 999_999
	maxTransfersYen = 999_999_999_999
)

var (
	// ErrTransfer is matched by every [*TransferError].
	ErrTransfer = errors.New("point: not a file of transfers")
	// ErrNotPayable is returned by [Settlement.Transfers] for a settlement that
	// can still change, or is of a ledger for practice.
	ErrNotPayable = errors.New("point: the settlement is not final, or for practice")
)

// TransferError says where a file of transfers is not of its form, or cannot be
// written. It names the field and never holds its text. It matches
// [ErrTransfer].
type TransferError struct {
	Record int // from 1, the header's
	Field  string
	Err    error // the reason
}

// Error returns the place and the reason.
func (e *TransferError) Error() string {
	return fmt.Sprintf("point: record %d, %s: %v", e.Record, e.Field, e.Err)
}

// Unwrap returns the reason.
func (e *TransferError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrTransfer].
func (e *TransferError) Is(target error) bool { return target == ErrTransfer }

var (
	errCharacters = errors.New("a character that the field does not have")
	errRange      = errors.New("out of range")
	errRecord     = errors.New("a record that does not belong here")
	errLength     = errors.New("not 120 bytes and a line end")
	errSum        = errors.New("not the sum of the records")
)

// Transfers returns what is paid for a settlement: one transfer for each place,
// of all lines, a yen for a point. payee returns the account of a place, and
// false if there is none. unpaid are the places without an account, those whose
// sum is not above zero, and those whose sum is beyond one transfer. Use
// [Settlement.Only] to pay the accounts of one payer; see [Programme.PaidFrom].
//
// The error is [ErrNotPayable].
func (s Settlement) Transfers(payee func(place string) (BankAccount, bool)) (pay []Transfer, unpaid []Line, err error) {
	if !s.Final || s.Training {
		return nil, nil, ErrNotPayable
	}
	for _, l := range s.by(func(l Line) Line { return Line{Place: l.Place} }) {
		to, ok := payee(l.Place)
		yen := l.Sum().Points
		if !ok || yen < 1 || yen > maxTransfer {
			unpaid = append(unpaid, l)
			continue
		}
		pay = append(pay, Transfer{To: to, Yen: yen})
	}
	return pay, unpaid, nil
}

// WriteTransfers writes a file of transfers: records of 120 bytes and CRLF, in
// the half-width kana of JIS X 0201. It returns the number of transfers and
// their yen, for the order's cover. Names of banks and branches, which the file
// does not need, are left blank if they have other characters than [BankText]
// accepts or more than 15.
//
// For what a record cannot hold WriteTransfers returns a [*TransferError]; else
// the error of the sequence or of w. What it has written then is no file.
func WriteTransfers(w io.Writer, p Payout, transfers iter.Seq2[Transfer, error]) (Total, error) {
	out := transferWriter{w: bufio.NewWriter(w)}
	out.header(p)
	for t, err := range transfers {
		if err != nil {
			return Total{}, err
		}
		if out.transfer(t); out.err != nil {
			break
		}
	}
	out.begin("8")
	out.number("count", out.sum.Count, 6)
	out.number("amount", out.sum.Points, 12)
	out.end()
	out.begin("9")
	out.end()
	if out.err != nil {
		return Total{}, out.err
	}
	return out.sum, out.w.Flush()
}

// transferWriter keeps the first error.
type transferWriter struct {
	w      *bufio.Writer
	buf    []byte
	record int
	sum    Total
	err    error
}

func (t *transferWriter) fail(field string, err error) {
	if t.err == nil {
		t.err = &TransferError{Record: t.record, Field: field, Err: err}
	}
}

func (t *transferWriter) begin(kind string) {
	t.record++
	t.buf = append(t.buf[:0], kind...)
}

// end fills the record with spaces and writes it.
func (t *transferWriter) end() {
	t.buf = append(t.buf, bytes.Repeat([]byte{' '}, recordSize-len(t.buf))...)
	t.buf = append(t.buf, "\r\n"...)
	if t.err == nil {
		_, t.err = t.w.Write(t.buf)
	}
}

// text appends a text to the left of its field.
func (t *transferWriter) text(field, s string, size int) {
	kana, err := BankText(s)
	b := bankBytes(kana)
	if err == nil && len(b) > size {
		err = &mykey.FormError{Field: field, Rule: mykey.RuleLength, Pos: -1}
	}
	if err != nil {
		t.fail(field, err)
		b = nil
	}
	t.buf = append(append(t.buf, b...), bytes.Repeat([]byte{' '}, size-len(b))...)
}

// number appends a number with leading zeros.
func (t *transferWriter) number(field string, n int64, size int) {
	s := strconv.FormatInt(n, 10)
	if n < 0 || len(s) > size {
		t.fail(field, errRange)
		s = ""
	}
	t.buf = append(append(t.buf, strings.Repeat("0", size-len(s))...), s...)
}

// account appends bank and branch, more between, type, number.
func (t *transferWriter) account(field string, b BankAccount, between string) {
	if err := checkTransferAccount(b); err != nil {
		t.fail(field, err)
		b = BankAccount{BankCode: "0000", BranchCode: "000", Number: "0000000", Type: Ordinary}
	}
	t.buf = append(append(t.buf, b.BankCode...), optional(b.BankName)...)
	t.buf = append(append(append(t.buf, b.BranchCode...), optional(b.BranchName)...), between...)
	t.buf = append(append(t.buf, '0'+byte(b.Type)), b.Number...)
}

// checkTransferAccount checks what a transfer needs of an account.
func checkTransferAccount(b BankAccount) error {
	for _, name := range []*string{&b.BankName, &b.BranchName} {
		if *name == "" {
			*name = "-"
		}
	}
	return b.Check()
}

// optional is the name of a bank or branch in its field of 15 bytes.
func optional(name string) []byte {
	out := bytes.Repeat([]byte{' '}, 15)
	if kana, err := BankText(name); err == nil {
		if b := bankBytes(kana); len(b) <= len(out) {
			copy(out, b)
		}
	}
	return out
}

func (t *transferWriter) header(p Payout) {
	t.begin("1210")
	if !isDigits(p.Orderer, 10) {
		t.fail("customer", errCharacters)
		p.Orderer = strings.Repeat("0", 10)
	}
	t.buf = append(t.buf, p.Orderer...)
	if strings.TrimSpace(p.Name) == "" {
		t.fail("customer's name", &mykey.FormError{Field: "name", Rule: mykey.RuleMissing, Pos: -1})
	}
	t.text("customer's name", p.Name, 40)
	if !isDay(p.Month, p.Day) {
		t.fail("day", errRange)
	}
	t.number("day", int64(p.Month)*100+int64(p.Day), 4)
	if p.From.Type == Savings {
		t.fail("account", &mykey.FormError{Field: "account type", Rule: mykey.RuleNotAllowed, Pos: -1})
	}
	t.account("account", p.From, "")
	t.end()
}

// isDay reports whether a day is one of a leap year.
func isDay(m time.Month, day int) bool {
	return m >= time.January && m <= time.December && mykey.Date{Year: 2028, Month: m, Day: day}.Valid()
}

func (t *transferWriter) transfer(v Transfer) {
	t.begin("2")
	t.account("account", v.To, "    ")
	t.text("payee", v.To.Holder, MaxBankHolder)
	if v.Yen < 1 {
		t.fail("amount", errRange)
	}
	t.number("amount", v.Yen, 10)
	first := byte('0')
	if v.First {
		first = '1'
	}
	t.buf = append(t.buf, first)
	for _, c := range v.References {
		if c == "" {
			t.buf = append(t.buf, strings.Repeat(" ", 10)...)
			continue
		}
		if len(c) > 10 || !isDigits(c, len(c)) {
			t.fail("customer code", errCharacters)
			c = ""
		}
		t.buf = append(append(t.buf, strings.Repeat("0", 10-len(c))...), c...)
	}
	t.buf = append(t.buf, '7') // 電信扱
	if t.sum.Count++; t.sum.Count > maxTransfers {
		t.fail("count", errRange)
	}
	if t.sum.Points += v.Yen; t.sum.Points > maxTransfersYen {
		t.fail("sum", errRange)
	}
	t.end()
}

func isDigits(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789") == ""
}

// bankBytes returns what [BankText] returned in JIS X 0201.
func bankBytes(kana string) []byte {
	out := make([]byte, 0, len(kana))
	for _, r := range kana {
		if r >= '｡' && r <= 'ﾟ' {
			r += 0xA1 - '｡'
		}
		out = append(out, byte(r))
	}
	return out
}

// bankString returns bytes of JIS X 0201 as text, and false if one is not of the
// banks' set.
func bankString(b []byte) (string, bool) {
	var s strings.Builder
	for _, c := range b {
		r := rune(c)
		if c >= 0xA1 && c <= 0xDF {
			r += '｡' - 0xA1
		}
		if c >= 0x80 && r == rune(c) || bankRune(r) != r {
			return "", false
		}
		s.WriteRune(r)
	}
	return s.String(), true
}

// ReadTransfers reads a file of transfers back: its head at once, and its
// transfers one at a time. The records end with CRLF, LF or nothing, all in the
// same way, and the file may end with Ctrl-Z. Count and sum stand at its end:
// what the sequence yields is to be believed when it has ended without an error.
// Memory does not grow with the file.
//
// The errors are a [*TransferError] and that of r.
func ReadTransfers(r io.Reader) (Payout, iter.Seq2[Transfer, error], error) {
	in := &transferReader{r: bufio.NewReader(r)}
	p := in.header()
	if in.err != nil {
		return Payout{}, nil, in.err
	}
	return p, func(yield func(Transfer, error) bool) {
		var sum Total
		for {
			kind := in.next()
			if kind != '2' {
				in.trailer(kind, sum)
				break
			}
			t := in.transfer()
			if in.err != nil {
				break
			}
			sum.Count++
			sum.Points += t.Yen
			if sum.Count > maxTransfers || sum.Points > maxTransfersYen {
				in.fail("sum", errRange)
				break
			}
			if !yield(t, nil) {
				return
			}
		}
		if in.err != nil {
			yield(Transfer{}, in.err)
		}
	}, nil
}

// transferReader reads records and keeps the first error.
type transferReader struct {
	r      *bufio.Reader
	record int
	ends   string // how records end
	buf    [recordSize]byte
	left   []byte // of the record
	err    error
}

func (t *transferReader) fail(field string, err error) {
	if t.err == nil {
		t.err = &TransferError{Record: t.record, Field: field, Err: err}
	}
}

// next reads a record and returns its kind, 0 if there is an error.
func (t *transferReader) next() byte {
	if t.err != nil {
		return 0
	}
	t.record++
	_, err := io.ReadFull(t.r, t.buf[:])
	if err == nil {
		end, _ := t.r.Peek(2)
		switch {
		case bytes.Equal(end, []byte("\r\n")):
		case len(end) > 0 && end[0] == '\n':
			end = end[:1]
		default:
			end = nil
		}
		if t.record == 1 {
			t.ends = string(end)
		}
		// The last record may be without.
		if last, peek := t.r.Peek(1); t.ends != string(end) && (peek == nil && last[0] != 0x1A || t.buf[0] != '9') {
			err = errLength
		}
		_, _ = t.r.Discard(len(end))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errLength
	}
	if errors.Is(err, errLength) {
		t.fail("record", err)
	} else if err != nil {
		t.err = err
	}
	if t.err != nil {
		return 0
	}
	t.left = t.buf[1:]
	return t.buf[0]
}

func (t *transferReader) take(n int) []byte {
	b := t.left[:n]
	t.left = t.left[n:]
	return b
}

func (t *transferReader) digits(field string, n int) string {
	s := string(t.take(n))
	if !isDigits(s, n) {
		t.fail(field, errCharacters)
		return strings.Repeat("0", n)
	}
	return s
}

func (t *transferReader) number(field string, n int) int64 {
	v, _ := strconv.ParseInt(t.digits(field, n), 10, 64) // at most 12 digits
	return v
}

func (t *transferReader) text(field string, n int) string {
	s, ok := bankString(t.take(n))
	if !ok {
		t.fail(field, errCharacters)
	}
	return strings.TrimRight(s, " ")
}

// blank passes over a field that has nothing to say.
func (t *transferReader) blank(n int, also string) {
	if s := string(t.take(n)); strings.Trim(s, " ") != "" && strings.Trim(s, also) != "" {
		t.fail("filler", errCharacters)
	}
}

func (t *transferReader) header() (p Payout) {
	if t.next() != '1' {
		t.fail("record", errRecord)
		return Payout{}
	}
	if string(t.take(3)) != "210" {
		t.fail("kind", errRecord)
	}
	p.Orderer = t.digits("customer", 10)
	p.Name = t.text("customer's name", 40)
	day := t.number("day", 4)
	if p.Month, p.Day = time.Month(day/100), int(day%100); !isDay(p.Month, p.Day) {
		t.fail("day", errRange)
	}
	t.account(&p.From, 0)
	p.From.Holder = p.Name
	if p.From.Type == Savings || p.Name == "" {
		t.fail("account", errRange)
	}
	t.blank(17, "")
	return p
}

// account reads bank, branch, what lies between, type and number.
func (t *transferReader) account(b *BankAccount, between int) {
	b.BankCode = t.digits("bank", 4)
	b.BankName = t.text("bank's name", 15)
	b.BranchCode = t.digits("branch", 3)
	b.BranchName = t.text("branch's name", 15)
	t.blank(between, "0")
	b.Type = AccountType(t.number("account type", 1))
	b.Number = t.digits("account number", 7)
}

func (t *transferReader) transfer() (v Transfer) {
	t.account(&v.To, 4)
	v.To.Holder = t.text("payee", MaxBankHolder)
	if err := checkTransferAccount(v.To); err != nil {
		t.fail("account", err)
	}
	if v.Yen = t.number("amount", 10); v.Yen == 0 {
		t.fail("amount", errRange)
	}
	switch t.take(1)[0] {
	case '0', '2':
	case '1':
		v.First = true
	default:
		t.fail("first", errCharacters)
	}
	for i := range v.References {
		if s := string(t.take(10)); strings.Trim(s, " ") != "" {
			if v.References[i] = s; !isDigits(s, 10) {
				t.fail("customer code", errCharacters)
			}
		}
	}
	t.blank(1, "78")
	t.blank(8, "")
	return v
}

// trailer reads what comes behind the transfers.
func (t *transferReader) trailer(kind byte, sum Total) {
	if kind != '8' {
		t.fail("record", errRecord)
		return
	}
	if count, yen := t.number("count", 6), t.number("amount", 12); count != sum.Count || yen != sum.Points {
		t.fail("sum", errSum)
	}
	t.blank(101, "")
	if t.next() != '9' {
		t.fail("record", errRecord)
		return
	}
	t.blank(119, "")
	if c, err := t.r.ReadByte(); err == nil && c != 0x1A {
		t.fail("record", errRecord)
	} else if _, more := t.r.ReadByte(); err == nil && more == nil {
		t.fail("record", errRecord)
	}
}
