package point

import (
	"strconv"
	"strings"
	"time"

	"github.com/mynakit/mynakit/mykey"
)

// Expiry is the rule by which a programme's points lapse (有効期限). The
// published outline leaves it open (取扱検討中), so it is chosen by programme.
// The zero Expiry means that points never lapse. Values compare with ==.
//
// A point counts up to the end of its last day in Japan Standard Time, to the
// second.
type Expiry struct {
	Rule ExpiryRule
	Day  mykey.Date // for [FixedDay]: the last day
	N    int        // for the other rules: years, months or days
}

// ExpiryRule is how an [Expiry] finds the last day.
type ExpiryRule uint8

// The rules.
const (
	Never      ExpiryRule = iota // points do not lapse
	FixedDay                     // on Day, whenever the points came
	FiscalYear                   // with the fiscal year (March 31) of the grant, or N years later
	MonthEnd                     // at the end of the month N months after the grant
	Days                         // N days after the day of the grant
	Rolling                      // N months after the last movement of the account
)

// MaxExpiry is the greatest N of an [Expiry], in years, months or days as its
// rule counts.
const MaxExpiry = 36_500

// names are the texts of the rules.
func (r ExpiryRule) name() string {
	switch r {
	case Never:
		return "never"
	case FixedDay:
		return "day"
	case FiscalYear:
		return "fiscal-year"
	case MonthEnd:
		return "month-end"
	case Days:
		return "days"
	case Rolling:
		return "rolling"
	}
	return ""
}

// Check returns a [*mykey.FormError] unless e is one of the rules with the
// value that the rule needs.
func (e Expiry) Check() error {
	least := 1
	switch e.Rule {
	case Never:
		if e.N != 0 || !e.Day.IsZero() {
			return errExpiry(mykey.RuleNotAllowed)
		}
		return nil
	case FixedDay:
		if e.N != 0 || !e.Day.Valid() {
			return errExpiry(mykey.RuleNotAllowed)
		}
		return nil
	case FiscalYear, Days:
		least = 0
	case MonthEnd, Rolling:
	default:
		return errExpiry(mykey.RuleUnknown)
	}
	most := MaxExpiry
	switch e.Rule {
	case FiscalYear:
		most /= 365
	case MonthEnd, Rolling:
		most /= 30
	}
	if e.N < least || e.N > most || !e.Day.IsZero() {
		return errExpiry(mykey.RuleNotAllowed)
	}
	return nil
}

func errExpiry(rule mykey.Rule) error {
	return &mykey.FormError{Field: "expiry", Rule: rule, Pos: -1}
}

// LastDay returns the last day on which points granted at the instant t count,
// or the zero Date if they never lapse. For [Rolling], t is the instant of the
// last movement.
func (e Expiry) LastDay(t time.Time) mykey.Date {
	day := mykey.DateOf(t)
	switch e.Rule {
	case FixedDay:
		return e.Day
	case FiscalYear:
		year := day.Year + e.N
		if day.Month >= time.April {
			year++
		}
		return mykey.Date{Year: year, Month: time.March, Day: 31}
	case MonthEnd:
		first := mykey.Date{Year: day.Year, Month: day.Month, Day: 1}
		return first.AddMonths(e.N + 1).AddDays(-1)
	case Days:
		return day.AddDays(e.N)
	case Rolling:
		return day.AddMonths(e.N)
	}
	return mykey.Date{}
}

// String returns the form that [ParseExpiry] parses, such as "fiscal-year:1".
func (e Expiry) String() string {
	switch e.Rule {
	case Never:
		return e.Rule.name()
	case FixedDay:
		return e.Rule.name() + ":" + e.Day.String()
	}
	return e.Rule.name() + ":" + strconv.Itoa(e.N)
}

// ParseExpiry parses "never", "day:2027-03-31", "fiscal-year:1",
// "month-end:12", "days:180" or "rolling:12". The error is a
// [*mykey.FormError].
func ParseExpiry(s string) (Expiry, error) {
	name, value, _ := strings.Cut(s, ":")
	var e Expiry
	for e.Rule = Never; e.Rule.name() != name; e.Rule++ {
		if e.Rule > Rolling {
			return Expiry{}, errExpiry(mykey.RuleUnknown)
		}
	}
	var err error
	switch e.Rule {
	case Never:
	case FixedDay:
		e.Day, err = mykey.ParseDate(value)
	default:
		e.N, err = strconv.Atoi(value)
	}
	if err != nil {
		return Expiry{}, errExpiry(mykey.RuleCharacter)
	}
	if e.Check() != nil || e.String() != s {
		return Expiry{}, errExpiry(mykey.RuleNotAllowed)
	}
	return e, nil
}

// MarshalText returns [Expiry.String].
func (e Expiry) MarshalText() ([]byte, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	return []byte(e.String()), nil
}

// UnmarshalText parses as [ParseExpiry] does. If it fails, e is unchanged.
func (e *Expiry) UnmarshalText(text []byte) error {
	v, err := ParseExpiry(string(text))
	if err == nil {
		*e = v
	}
	return err
}
