package mykey

import (
	"fmt"
	"time"
)

// jst is Japan Standard Time. Japan has had no summer time since 1951, so a
// fixed zone serves and no time-zone data need be installed.
var jst = time.FixedZone("JST", 9*60*60)

// Date is a day of the calendar in Japan Standard Time. Dates compare with ==.
// The zero Date represents no date.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

const fieldDate = "date"

// DateOf returns the day in Japan on which the instant t lies.
func DateOf(t time.Time) Date {
	y, m, d := t.In(jst).Date()
	return Date{y, m, d}
}

// ParseDate parses a day in the form "2026-11-21". The error is a
// [*FormError].
func ParseDate(s string) (Date, error) {
	if len(s) != len(time.DateOnly) {
		return Date{}, &FormError{Field: fieldDate, Rule: RuleLength, Pos: min(len(s), len(time.DateOnly))}
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return Date{}, &FormError{Field: fieldDate, Rule: RuleCharacter, Pos: -1}
	}
	return Date{t.Year(), t.Month(), t.Day()}, nil
}

// Valid reports whether d is a day of the calendar in the years 1 to 9999.
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

// AddMonths returns the same day of the month n months later, or earlier if n
// is negative. If that month is shorter, it returns the last day of the month.
func (d Date) AddMonths(n int) Date {
	first := time.Date(d.Year, d.Month+time.Month(n), 1, 0, 0, 0, 0, jst)
	last := time.Date(first.Year(), first.Month()+1, 0, 0, 0, 0, 0, jst).Day()
	return Date{first.Year(), first.Month(), min(d.Day, last)}
}

// Compare returns -1, 0 or +1 as d is before, on or after other. The zero Date
// is before all others.
func (d Date) Compare(other Date) int { return d.Start().Compare(other.Start()) }

// String returns the form "2026-11-21", or "" for the zero Date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// Japanese returns the form "2026年11月21日", or "" for the zero Date.
func (d Date) Japanese() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d年%d月%d日", d.Year, d.Month, d.Day)
}

// MarshalText returns [Date.String]. The error is a [*FormError] if d is
// neither valid nor zero.
func (d Date) MarshalText() ([]byte, error) {
	if !d.IsZero() && !d.Valid() {
		return nil, &FormError{Field: fieldDate, Rule: RuleCharacter, Pos: -1}
	}
	return []byte(d.String()), nil
}

// UnmarshalText parses a day as [ParseDate] does, and no text as the zero
// Date. If it fails, d is unchanged.
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

// Period is a number of whole days in Japan, both ends included: a service
// period (サービス期間), or the period of a settlement (集計対象期間). The zero
// Period represents no period.
type Period struct {
	From, To Date
}

// IsZero reports whether p is the zero Period.
func (p Period) IsZero() bool { return p == Period{} }

// Check returns a [*FormError] unless both days are valid and From is not
// after To.
func (p Period) Check() error {
	if !p.From.Valid() || !p.To.Valid() || p.From.Compare(p.To) > 0 {
		return &FormError{Field: "period", Rule: RuleNotAllowed, Pos: -1}
	}
	return nil
}

// Contains reports whether the instant t lies in the period.
func (p Period) Contains(t time.Time) bool {
	return !t.Before(p.From.Start()) && t.Before(p.To.End())
}
