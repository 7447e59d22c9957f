package ticket

import (
	"fmt"
	"time"
)

// jst is Japan Standard Time. It has had no summer time since 1951, so a
// fixed zone serves and no time-zone data need be installed.
var jst = time.FixedZone("JST", 9*60*60)

// A Date is a day of the calendar in Japan Standard Time. Dates compare with
// ==. The zero Date represents no day. Arithmetic is defined for [Date.Valid]
// dates alone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the day in Japan that contains the instant t.
func DateOf(t time.Time) Date {
	y, m, d := t.In(jst).Date()
	return Date{y, m, d}
}

// ParseDate parses a day such as "2026-11-21". Otherwise it returns [ErrDate].
func ParseDate(s string) (Date, error) {
	if len(s) != len(time.DateOnly) {
		return Date{}, ErrDate
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return Date{}, ErrDate
	}
	return Date{t.Year(), t.Month(), t.Day()}, nil
}

// Valid reports whether d is a day of the calendar between the years 1 and
// 9999.
func (d Date) Valid() bool {
	return d.Year >= 1 && d.Year <= 9999 && d == DateOf(d.Start())
}

// IsZero reports whether d is the zero Date.
func (d Date) IsZero() bool { return d == Date{} }

// Start returns the first instant of the day in Japan.
func (d Date) Start() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, jst) }

// End returns the first instant after the day in Japan.
func (d Date) End() time.Time { return time.Date(d.Year, d.Month, d.Day+1, 0, 0, 0, 0, jst) }

// AddDays returns the day n days later, or earlier if n is negative.
func (d Date) AddDays(n int) Date {
	return DateOf(time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, jst))
}

// Compare returns -1, 0 or +1 in the order of days. The zero Date is first.
func (d Date) Compare(other Date) int { return d.Start().Compare(other.Start()) }

// String returns a text such as "2026-11-21", or "" for the zero Date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// Japanese returns a text such as "2026年11月21日", or "" for the zero Date.
func (d Date) Japanese() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d年%d月%d日", d.Year, d.Month, d.Day)
}

// MarshalText returns [Date.String]. It returns [ErrDate] if d is neither valid
// nor zero.
func (d Date) MarshalText() ([]byte, error) {
	if !d.IsZero() && !d.Valid() {
		return nil, ErrDate
	}
	return []byte(d.String()), nil
}

// UnmarshalText parses a day as [ParseDate] does, and an empty text as the zero
// Date. On error d is unchanged.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	v, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// A Period is a sequence of whole days in Japan, both ends included
// (集計対象期間).
type Period struct {
	From, To Date
}

// Check returns [ErrPeriod] if a day is not valid or From is after To.
func (p Period) Check() error {
	if !p.From.Valid() || !p.To.Valid() || p.From.Compare(p.To) > 0 {
		return ErrPeriod
	}
	return nil
}

// contains reports whether the instant t lies in the period.
func (p Period) contains(t time.Time) bool {
	return !t.Before(p.From.Start()) && t.Before(p.To.End())
}
