package jpki

import (
	"errors"
	"fmt"
	"time"
)

// ErrDate is returned when the input is not a calendar date.
var ErrDate = errors.New("jpki: not a date")

// jst is Japan Standard Time. It has had no summer time since 1951, and a fixed
// zone needs no zone database.
func jst() *time.Location { return time.FixedZone("JST", 9*60*60) }

// A Date is a day of the Gregorian calendar, as cards hold it: a birth date, the
// last day of validity. Dates are comparable with == and can be map keys. The
// zero Date represents no date.
//
// The birth dates of some people are not fully known. Cards have zeros in place of
// what is not known, and Month and Day, or only Day, are 0 then; see
// [Date.Complete].
type Date struct {
	year       uint16
	month, day uint8
}

// NewDate returns a complete date of the years 1 to 9999. It fails with
// [ErrDate] if the month does not have that day.
func NewDate(year int, month time.Month, day int) (Date, error) {
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31 ||
		time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Day() != day {
		return Date{}, ErrDate
	}
	return Date{uint16(year), uint8(month), uint8(day)}, nil
}

// ParseDate parses eight digits, YYYYMMDD. The day, or day and month, may be 00.
// It fails with [ErrDate].
func ParseDate(s string) (Date, error) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i == 8 {
			return Date{}, ErrDate
		}
		n = 10*n + int(s[i]-'0')
	}
	year, month, day := n/10000, n/100%100, n%100
	switch {
	case len(s) != 8 || year == 0:
		return Date{}, ErrDate
	case day == 0 && month <= 12:
		return Date{uint16(year), uint8(month), 0}, nil
	}
	return NewDate(year, time.Month(month), day)
}

// Year returns the year, and 0 for the zero value.
func (d Date) Year() int { return int(d.year) }

// Month returns the month, and 0 if it is not known.
func (d Date) Month() time.Month { return time.Month(d.month) }

// Day returns the day of the month, and 0 if it is not known.
func (d Date) Day() int { return int(d.day) }

// Complete reports whether year, month and day are known.
func (d Date) Complete() bool { return d.day != 0 }

// IsZero reports whether d is the zero value.
func (d Date) IsZero() bool { return d == Date{} }

// Compare returns -1 if d is before e, 0 if they are the same, and +1 if d is
// after e. A part that is not known comes before every known one.
func (d Date) Compare(e Date) int {
	n := func(d Date) int { return int(d.year)*10000 + int(d.month)*100 + int(d.day) }
	switch a, b := n(d), n(e); {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// String returns the form 1980-02-17, with zeros for what is not known, and ""
// for the zero value. A birth date is personal data: do not log it.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.year, d.month, d.day)
}

// DateOf returns the day on which t falls in Japan.
func DateOf(t time.Time) Date {
	y, m, d := t.In(jst()).Date()
	if y < 1 || y > 9999 {
		return Date{}
	}
	return Date{uint16(y), uint8(m), uint8(d)}
}

// An Era is an era of the Japanese calendar (元号).
type Era uint8

// The eras since 1868.
const (
	Meiji  Era = iota + 1 // 明治, from 1868-01-25
	Taisho                // 大正, from 1912-07-30
	Showa                 // 昭和, from 1926-12-25
	Heisei                // 平成, from 1989-01-08
	Reiwa                 // 令和, from 2019-05-01
)

// start returns the first day of an era. A day on which the era changed counts
// for the new one.
func (e Era) start() Date {
	switch e {
	case Meiji:
		return Date{1868, 1, 25}
	case Taisho:
		return Date{1912, 7, 30}
	case Showa:
		return Date{1926, 12, 25}
	case Heisei:
		return Date{1989, 1, 8}
	case Reiwa:
		return Date{2019, 5, 1}
	}
	return Date{}
}

// String returns the name in Latin letters, such as "Showa".
func (e Era) String() string {
	switch e {
	case Meiji:
		return "Meiji"
	case Taisho:
		return "Taisho"
	case Showa:
		return "Showa"
	case Heisei:
		return "Heisei"
	case Reiwa:
		return "Reiwa"
	}
	return fmt.Sprintf("Era(%d)", uint8(e))
}

// Japanese returns the name in Japanese, such as "昭和", and "" for an Era that
// is none of the constants.
func (e Era) Japanese() string {
	switch e {
	case Meiji:
		return "明治"
	case Taisho:
		return "大正"
	case Showa:
		return "昭和"
	case Heisei:
		return "平成"
	case Reiwa:
		return "令和"
	}
	return ""
}

// Era returns the era of the date and its year in that era, 1 for the first. ok is
// false before 1868-01-25. It is also false if the date is not complete and the
// era changed within what is known of it.
func (d Date) Era() (era Era, year int, ok bool) {
	first, last := d, d
	if d.month == 0 {
		first.month, last.month = 1, 12
	}
	if d.day == 0 {
		first.day, last.day = 1, 31
	}
	for e := Reiwa; e >= Meiji; e-- {
		if start := e.start(); first.Compare(start) >= 0 {
			return e, d.Year() - start.Year() + 1, true
		} else if last.Compare(start) >= 0 {
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// A Sex is the sex on a card, one digit of JIS X 0303 (ISO/IEC 5218).
type Sex uint8

// The sexes that a card can state.
const (
	SexUnknown       Sex = iota // 0, and any digit that the standard does not have
	Male                        // 1
	Female                      // 2
	SexNotApplicable            // 9
)

// parseSex reads the card's digit.
func parseSex(b []byte) (Sex, bool) {
	if len(b) != 1 || b[0] < '0' || b[0] > '9' {
		return SexUnknown, false
	}
	switch b[0] {
	case '1':
		return Male, true
	case '2':
		return Female, true
	case '9':
		return SexNotApplicable, true
	}
	return SexUnknown, true
}

// String returns "male", "female", "unknown" or "not applicable".
func (s Sex) String() string {
	switch s {
	case SexUnknown:
		return "unknown"
	case Male:
		return "male"
	case Female:
		return "female"
	case SexNotApplicable:
		return "not applicable"
	}
	return fmt.Sprintf("Sex(%d)", uint8(s))
}

// Japanese returns "男", "女", "不明" or "適用不能".
func (s Sex) Japanese() string {
	switch s {
	case Male:
		return "男"
	case Female:
		return "女"
	case SexNotApplicable:
		return "適用不能"
	}
	return "不明"
}
