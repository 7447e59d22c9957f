package mergefile

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// jstOffset is Japan Standard Time's distance from UTC in seconds. Japan has
// had no summer time since 1951, so a fixed zone is exact and needs no zone
// database on a shop's PC.
const jstOffset = 9 * 60 * 60

const (
	// minYear and maxYear bound the year of a transaction. The service began
	// in 2017; a date outside this century is damage.
	minYear = 2000
	maxYear = 2099

	// maxSequence is the greatest 連番: nine digits.
	maxSequence      = 999_999_999
	maxSequenceWidth = 9
)

// ErrTransaction is returned for a transaction number that cannot exist: a time before
// 2000 or after 2099, finer than a millisecond, or a sequence of more than
// nine digits.
var ErrTransaction = errors.New("mergefile: a transaction is a time of the years 2000 to 2099 in whole milliseconds and a sequence below 1000000000")

// A Transaction is a transaction number (取引済番号): the date and time of the
// transaction (取引日時) in Japan Standard Time and a sequence number (連番).
// How it is spelled in a file is the [Profile]'s business; its own text, from
// String and MarshalText, is one fixed spelling that sorts by time within
// equal width: 20170512093000-000001, with .123 before the dash where the time
// has milliseconds.
//
// A Transaction is comparable and may be stored: it implements
// encoding.TextMarshaler, sql.Scanner and driver.Valuer.
type Transaction struct {
	milli int64 // since 1970 in UTC
	seq   uint32
}

// NewTransaction returns the transaction number of an instant, in whatever zone,
// and a sequence number from 0 to 999,999,999. The error is [ErrTransaction].
func NewTransaction(at time.Time, sequence uint32) (Transaction, error) {
	year := at.UTC().Add(jstOffset * time.Second).Year()
	if at.Nanosecond()%int(time.Millisecond) != 0 || year < minYear || year > maxYear || sequence > maxSequence {
		return Transaction{}, ErrTransaction
	}
	return Transaction{milli: at.UnixMilli(), seq: sequence}, nil
}

// Time returns the instant, in Japan Standard Time.
func (t Transaction) Time() time.Time {
	return time.UnixMilli(t.milli).In(time.FixedZone("JST", jstOffset))
}

// UnixMilli returns the instant as milliseconds since 1970 in UTC.
func (t Transaction) UnixMilli() int64 { return t.milli }

// Sequence returns the sequence number (連番).
func (t Transaction) Sequence() uint32 { return t.seq }

// Compare orders by time, then by sequence: -1, 0 or 1.
func (t Transaction) Compare(u Transaction) int {
	switch {
	case t.milli < u.milli || t.milli == u.milli && t.seq < u.seq:
		return -1
	case t == u:
		return 0
	}
	return 1
}

// String returns the fixed spelling, such as 20170512093000-000001.
func (t Transaction) String() string { return string(t.append(nil)) }

func (t Transaction) append(dst []byte) []byte {
	dst = TimeSeconds.appendTime(dst, t.milli+jstOffset*1000)
	if ms := t.milli % 1000; ms != 0 {
		dst = append(dst, '.')
		dst = appendFixed(dst, uint64(ms), 3)
	}
	dst = append(dst, '-')
	if t.seq > 999_999 {
		return strconv.AppendUint(dst, uint64(t.seq), 10)
	}
	return appendFixed(dst, uint64(t.seq), 6)
}

// ParseTransaction reads the fixed spelling that [Transaction.String] writes,
// and nothing else. For the spelling inside a file, see [TransactionForm]. The
// error is [ErrTransaction].
func ParseTransaction(s string) (Transaction, error) {
	const head = len("20170512093000")
	if len(s) < head+1 {
		return Transaction{}, ErrTransaction
	}
	b := []byte(s)
	milli, ok := TimeSeconds.parseTime(b[:head])
	rest := b[head:]
	if ok && rest[0] == '.' && len(rest) > 4 {
		ms, good := parseDigits(rest[1:4])
		ok = good && ms != 0
		milli += int64(ms)
		rest = rest[4:]
	}
	if !ok || rest[0] != '-' || len(rest) < 7 || len(rest) > 1+maxSequenceWidth || len(rest) > 7 && rest[1] == '0' {
		return Transaction{}, ErrTransaction
	}
	seq, ok := parseDigits(rest[1:])
	if !ok {
		return Transaction{}, ErrTransaction
	}
	return Transaction{milli: milli - jstOffset*1000, seq: uint32(seq)}, nil
}

// MarshalText returns the fixed spelling, as [Transaction.String] does.
func (t Transaction) MarshalText() ([]byte, error) { return t.append(nil), nil }

// AppendText appends the fixed spelling to dst. The error is always nil.
func (t Transaction) AppendText(dst []byte) ([]byte, error) { return t.append(dst), nil }

// UnmarshalText reads what MarshalText wrote. The error is [ErrTransaction].
func (t *Transaction) UnmarshalText(text []byte) error {
	u, err := ParseTransaction(string(text))
	if err == nil {
		*t = u
	}
	return err
}

// Value stores the fixed spelling as text.
func (t Transaction) Value() (driver.Value, error) { return t.String(), nil }

// Scan reads what Value stored, as text or bytes. The error is
// [ErrTransaction] or says which type was found.
func (t *Transaction) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return t.UnmarshalText([]byte(v))
	case []byte:
		return t.UnmarshalText(v)
	}
	return fmt.Errorf("mergefile: cannot scan a transaction from %T", src)
}
