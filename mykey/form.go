package mykey

import (
	"database/sql/driver"
	"errors"
	"fmt"
)

// ErrForm is matched, through errors.Is, by every [*FormError]: the text is
// not of the form its type demands.
var ErrForm = errors.New("mykey: not of the required form")

// Rule names the one rule of form that a text broke.
type Rule string

const (
	RuleLength     Rule = "length"         // too short or too long
	RuleCharacter  Rule = "character"      // a character outside the permitted set
	RuleLowerCase  Rule = "lower case"     // a lower-case letter where upper case is demanded
	RuleFullWidth  Rule = "full width"     // a full-width (全角) character where half width is demanded
	RuleCheckDigit Rule = "check digit"    // the check digit does not match the other digits
	RulePrefecture Rule = "prefecture"     // the prefecture number is not 01 to 47
	RuleUnknown    Rule = "not in table"   // a name that the table in use does not hold
	RuleType       Rule = "type"           // a database column of a type that cannot hold the value
	RuleMissing    Rule = "missing value"  // a required value is absent
	RuleNotAllowed Rule = "not applicable" // a value is present that this form does not have
)

// FormError reports which value did not have its form, which rule it broke and
// where. It never holds the text itself, because the text may be a security
// code or a serial number typed into the wrong box.
type FormError struct {
	Field string // what was being read, such as "MyKey ID"
	Rule  Rule   // the rule that was broken
	Pos   int    // byte offset of the first offence, or -1 when no one place is wrong
}

// Error names the field, the rule and the place.
func (e *FormError) Error() string {
	if e.Pos < 0 {
		return fmt.Sprintf("mykey: %s: wrong %s", e.Field, e.Rule)
	}
	return fmt.Sprintf("mykey: %s: wrong %s at byte %d", e.Field, e.Rule, e.Pos)
}

// Is reports whether target is [ErrForm].
func (e *FormError) Is(target error) bool { return target == ErrForm }

// set sets *v to what parse makes of text. On error *v is unchanged.
func set[T any](v *T, text string, parse func(string) (T, error)) error {
	parsed, err := parse(text)
	if err == nil {
		*v = parsed
	}
	return err
}

// scan sets *v to what parse makes of a database column, and to its zero value for
// NULL. Only text is taken: a number has lost its leading zeros already.
func scan[T any](v *T, field string, src any, parse func(string) (T, error)) error {
	switch src := src.(type) {
	case nil:
		var zero T
		*v = zero
		return nil
	case string:
		return set(v, src, parse)
	case []byte:
		return set(v, string(src), parse)
	}
	return &FormError{Field: field, Rule: RuleType, Pos: -1}
}

// column returns what a database keeps of v: its text, and NULL for its zero
// value.
func column(v interface {
	IsZero() bool
	String() string
}) (driver.Value, error) {
	if v.IsZero() {
		return nil, nil
	}
	return v.String(), nil
}

// digits copies s into dst, which it must fill exactly with half-width digits.
func digits(field string, dst []byte, s string) error {
	for pos, r := range s {
		switch {
		case r >= '0' && r <= '9':
			if pos < len(dst) {
				dst[pos] = byte(r)
			}
		case r >= '\uFF10' && r <= '\uFF19':
			return &FormError{Field: field, Rule: RuleFullWidth, Pos: pos}
		default:
			return &FormError{Field: field, Rule: RuleCharacter, Pos: pos}
		}
	}
	if len(s) != len(dst) {
		return &FormError{Field: field, Rule: RuleLength, Pos: min(len(s), len(dst))}
	}
	return nil
}
