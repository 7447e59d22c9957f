package mykey

import (
	"cmp"
	"database/sql/driver"
	"strings"
	"unicode/utf8"
)

// IDLen is the number of characters in a MyKey ID.
const IDLen = 8

// ID is a MyKey ID (マイキーID): exactly eight half-width upper-case letters
// or digits. The platform uses it as the holder's login name and as the key
// of the user table (システム設計書(活用マニュアル概要) I.6④, IV(8)).
//
// IDs compare with == and serve as map keys. The zero ID means "no ID"; no
// text parses to it. O and 0 are different characters of different people's
// IDs, and so are I and 1: no function of this package ever exchanges them.
type ID struct{ b [IDLen]byte }

const fieldID = "MyKey ID"

// ParseID reads a MyKey ID strictly: eight bytes, each A to Z or 0 to 9.
// The error is a [*FormError] whose rule is [RuleLength], [RuleLowerCase],
// [RuleFullWidth] or [RuleCharacter].
func ParseID(s string) (ID, error) { return parseID(s, false) }

// ParseIDFold reads a MyKey ID as a person may have typed it: it takes lower-case
// letters as upper-case ones, and full-width (全角) letters and digits as their
// half-width forms, and repairs nothing else. Use it at a keyboard, never on a
// file or a database column, where an odd form is a fault to be shown.
func ParseIDFold(s string) (ID, error) { return parseID(s, true) }

func parseID(s string, fold bool) (ID, error) {
	var id ID
	n := 0
	for pos, r := range s {
		c, rule := idChar(r)
		if fold && (rule == RuleLowerCase || rule == RuleFullWidth) {
			rule = ""
		}
		// A wrong character says more than a wrong count, so it is
		// looked for first; past the end only the count matters.
		if n == IDLen {
			return ID{}, &FormError{Field: fieldID, Rule: RuleLength, Pos: pos}
		}
		if rule != "" {
			return ID{}, &FormError{Field: fieldID, Rule: rule, Pos: pos}
		}
		id.b[n] = c
		n++
	}
	if n != IDLen {
		return ID{}, &FormError{Field: fieldID, Rule: RuleLength, Pos: len(s)}
	}
	return id, nil
}

// idChar returns the ID character that r stands for, and the rule that r breaks
// if it is another one.
func idChar(r rune) (byte, Rule) {
	var rule Rule
	// U+FF01 to U+FF5E are the full-width forms of '!' to '~'.
	if r >= '\uFF01' && r <= '\uFF5E' {
		r -= 0xFEE0
		rule = RuleFullWidth
	}
	if r >= 'a' && r <= 'z' {
		r -= 'a' - 'A'
		rule = cmp.Or(rule, RuleLowerCase)
	}
	if !isUpperAlnum(r) {
		return 0, RuleCharacter
	}
	return byte(r), rule
}

func isUpperAlnum(r rune) bool {
	return r < utf8.RuneSelf && (r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
}

// String returns the eight characters, or "" for the zero ID.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	return string(id.b[:])
}

// IsZero reports whether id is the zero ID, which stands for no ID.
func (id ID) IsZero() bool { return id == ID{} }

// Compare orders IDs by their characters: -1, 0 or +1. The zero ID is first.
func (id ID) Compare(other ID) int { return strings.Compare(string(id.b[:]), string(other.b[:])) }

// AppendText appends the eight characters to b. The zero ID is an error.
func (id ID) AppendText(b []byte) ([]byte, error) {
	if id.IsZero() {
		return b, &FormError{Field: fieldID, Rule: RuleMissing, Pos: -1}
	}
	return append(b, id.b[:]...), nil
}

// MarshalText returns the eight characters. The zero ID is an error, so that
// no empty ID slips into a file; mark an optional JSON field omitzero.
func (id ID) MarshalText() ([]byte, error) {
	return id.AppendText(make([]byte, 0, IDLen))
}

// UnmarshalText reads a MyKey ID as strictly as [ParseID]. On error id is
// unchanged.
func (id *ID) UnmarshalText(text []byte) error { return set(id, string(text), ParseID) }

// Value stores the ID as text, and the zero ID as NULL.
func (id ID) Value() (driver.Value, error) { return column(id) }

// Scan reads a text column as strictly as [ParseID], and NULL as the zero
// ID. On error id is unchanged.
func (id *ID) Scan(src any) error { return scan(id, fieldID, src, ParseID) }
