package mykey

import (
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

// Fold selects the repairs that [ParseIDFold] makes before it applies the
// strict rule. The zero Fold makes none.
type Fold uint8

const (
	FoldCase  Fold = 1 << iota // take a to z as A to Z
	FoldWidth                  // take full-width (全角) letters and digits as their half-width forms
)

const fieldID = "MyKey ID"

// ParseID reads a MyKey ID strictly: eight bytes, each A to Z or 0 to 9.
// The error is a [*FormError] whose rule is [RuleLength], [RuleLowerCase],
// [RuleFullWidth] or [RuleCharacter].
func ParseID(s string) (ID, error) { return parseID(s, 0) }

// ParseIDFold reads a MyKey ID as a person may have typed it, with the
// repairs that f names and no others. Use it at a keyboard, never on a file
// or a database column, where an odd form is a fault to be shown.
func ParseIDFold(s string, f Fold) (ID, error) { return parseID(s, f) }

func parseID(s string, f Fold) (ID, error) {
	var id ID
	n := 0
	for pos, r := range s {
		c, rule := foldChar(r, f)
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

// foldChar returns the ID character that r stands for under f, or the rule
// that r breaks.
func foldChar(r rune, f Fold) (byte, Rule) {
	// U+FF01 to U+FF5E are the full-width forms of '!' to '~'.
	if r >= '\uFF01' && r <= '\uFF5E' {
		half := r - 0xFEE0
		if f&FoldWidth == 0 {
			if isUpperAlnum(half) || half >= 'a' && half <= 'z' {
				return 0, RuleFullWidth
			}
			return 0, RuleCharacter
		}
		r = half
	}
	if r >= 'a' && r <= 'z' {
		if f&FoldCase == 0 {
			return 0, RuleLowerCase
		}
		r -= 'a' - 'A'
	}
	if !isUpperAlnum(r) {
		return 0, RuleCharacter
	}
	return byte(r), ""
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
func (id *ID) UnmarshalText(text []byte) error {
	v, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = v
	return nil
}

// Value stores the ID as text, and the zero ID as NULL.
func (id ID) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.String(), nil
}

// Scan reads a text column as strictly as [ParseID], and NULL as the zero
// ID. On error id is unchanged.
func (id *ID) Scan(src any) error {
	if src == nil {
		*id = ID{}
		return nil
	}
	return scanText(fieldID, src, func(s string) error { return id.UnmarshalText([]byte(s)) })
}
