package mykey

import (
	"database/sql/driver"
	"strings"
)

// MaxPPID is the greatest length of a PPID's value, in bytes.
const MaxPPID = 255

// PPID is a pairwise pseudonymous identifier: what the platform's newer
// connection method gives one linked system for one holder, and gives no
// other system. It stands where a MyKey ID or a Service ID stood before.
//
// The Digital Agency publishes no form for it. This package takes 1 to
// [MaxPPID] visible ASCII characters, keeps them exactly, and ties them to the
// operator ID of the linked system, outside which they mean nothing. PPIDs
// compare with ==. The zero PPID is none.
type PPID struct {
	operator OperatorID
	value    string
}

const fieldPPID = "PPID"

// ParsePPID makes a PPID of the value that the platform gave the system of
// operator. The error is a [*FormError].
func ParsePPID(operator OperatorID, value string) (PPID, error) {
	if operator.IsZero() {
		return PPID{}, &FormError{Field: fieldOperator, Rule: RuleMissing, Pos: -1}
	}
	for pos := range len(value) {
		if c := value[pos]; c <= ' ' || c > '~' {
			return PPID{}, &FormError{Field: fieldPPID, Rule: RuleCharacter, Pos: pos}
		}
		if pos >= MaxPPID {
			return PPID{}, &FormError{Field: fieldPPID, Rule: RuleLength, Pos: pos}
		}
	}
	if value == "" {
		return PPID{}, &FormError{Field: fieldPPID, Rule: RuleLength}
	}
	return PPID{operator, strings.Clone(value)}, nil
}

// Operator returns the linked system's operator ID.
func (p PPID) Operator() OperatorID { return p.operator }

// Text returns the value as the platform gave it.
func (p PPID) Text() string { return p.value }

// IsZero reports whether p is no PPID.
func (p PPID) IsZero() bool { return p == PPID{} }

// String returns operator, colon and value.
func (p PPID) String() string {
	if p.IsZero() {
		return ""
	}
	return p.operator.String() + ":" + p.value
}

// MarshalText returns what String returns. The zero PPID is an error.
func (p PPID) MarshalText() ([]byte, error) {
	if p.IsZero() {
		return nil, &FormError{Field: fieldPPID, Rule: RuleMissing, Pos: -1}
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads what MarshalText returns. On error p is unchanged.
func (p *PPID) UnmarshalText(text []byte) error { return set(p, string(text), parsePPID) }

// parsePPID reads the text form.
func parsePPID(text string) (PPID, error) {
	op, value, ok := strings.Cut(text, ":")
	if !ok {
		return PPID{}, &FormError{Field: fieldPPID, Rule: RuleMissing, Pos: len(text)}
	}
	o, err := ParseOperatorID(op)
	if err != nil {
		return PPID{}, err
	}
	return ParsePPID(o, value)
}

// Value stores the text form, and the zero PPID as NULL.
func (p PPID) Value() (driver.Value, error) { return column(p) }

// Scan reads the text form, and NULL as the zero PPID.
func (p *PPID) Scan(src any) error { return scan(p, fieldPPID, src, parsePPID) }

// An Identifier is a value by which a person can be found: an [ID], a [ServiceID]
// or a [PPID].
type Identifier interface {
	isIdentifier()
	IsZero() bool
}

func (ID) isIdentifier()        {}
func (ServiceID) isIdentifier() {}
func (PPID) isIdentifier()      {}
