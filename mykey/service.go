package mykey

import (
	"database/sql/driver"
	"strings"
)

// OperatorID is an ID-issuing operator's number (ID付与事業者ID): six digits,
// leading zeros included, such as 000001 for a library. The Ministry assigns
// it (システム設計書 I.3④, II.9③). The zero OperatorID is no operator.
type OperatorID struct{ b [6]byte }

const fieldOperator = "operator ID"

// ParseOperatorID reads exactly six half-width digits. The error is a
// [*FormError].
func ParseOperatorID(s string) (OperatorID, error) {
	var o OperatorID
	if err := digits(fieldOperator, o.b[:], s); err != nil {
		return OperatorID{}, err
	}
	return o, nil
}

// String returns the six digits, or "" for the zero OperatorID.
func (o OperatorID) String() string {
	if o.IsZero() {
		return ""
	}
	return string(o.b[:])
}

// IsZero reports whether o is no operator.
func (o OperatorID) IsZero() bool { return o == OperatorID{} }

// MarshalText returns the six digits. The zero OperatorID is an error.
func (o OperatorID) MarshalText() ([]byte, error) {
	if o.IsZero() {
		return nil, &FormError{Field: fieldOperator, Rule: RuleMissing, Pos: -1}
	}
	return o.b[:], nil
}

// UnmarshalText is [ParseOperatorID]. On error o is unchanged.
func (o *OperatorID) UnmarshalText(text []byte) error { return set(o, string(text), ParseOperatorID) }

// Value stores the six digits as text, and the zero OperatorID as NULL.
func (o OperatorID) Value() (driver.Value, error) { return column(o) }

// Scan reads a text column as strictly as [ParseOperatorID], and NULL as the
// zero OperatorID.
func (o *OperatorID) Scan(src any) error { return scan(o, fieldOperator, src, ParseOperatorID) }

// MaxCustomerID is the greatest length of a customer ID, in bytes. The
// published documents set no limit; their longest example has 12.
const MaxCustomerID = 32

// CustomerID is the number an operator knows its customer by (顧客ID,
// 利用カード番号): a library card's or a point card's number. It has 1 to
// [MaxCustomerID] half-width digits, letters of either case, or hyphens, and
// is kept exactly as it is: leading zeros and case belong to it. The zero
// CustomerID is no customer.
type CustomerID struct{ s string }

const fieldCustomer = "customer ID"

// ParseCustomerID reads a customer ID. The error is a [*FormError].
func ParseCustomerID(s string) (CustomerID, error) {
	for pos, r := range s {
		switch {
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r == '-':
		case r >= '\uFF01' && r <= '\uFF5E':
			return CustomerID{}, &FormError{Field: fieldCustomer, Rule: RuleFullWidth, Pos: pos}
		default:
			return CustomerID{}, &FormError{Field: fieldCustomer, Rule: RuleCharacter, Pos: pos}
		}
		if pos >= MaxCustomerID {
			return CustomerID{}, &FormError{Field: fieldCustomer, Rule: RuleLength, Pos: pos}
		}
	}
	if s == "" {
		return CustomerID{}, &FormError{Field: fieldCustomer, Rule: RuleLength}
	}
	return CustomerID{strings.Clone(s)}, nil
}

// String returns the number as it was read.
func (c CustomerID) String() string { return c.s }

// IsZero reports whether c is no customer.
func (c CustomerID) IsZero() bool { return c.s == "" }

// MarshalText returns the number. The zero CustomerID is an error.
func (c CustomerID) MarshalText() ([]byte, error) {
	if c.IsZero() {
		return nil, &FormError{Field: fieldCustomer, Rule: RuleMissing, Pos: -1}
	}
	return []byte(c.s), nil
}

// UnmarshalText is [ParseCustomerID]. On error c is unchanged.
func (c *CustomerID) UnmarshalText(text []byte) error { return set(c, string(text), ParseCustomerID) }

// Value stores the number as text, and the zero CustomerID as NULL.
func (c CustomerID) Value() (driver.Value, error) { return column(c) }

// Scan reads a text column as strictly as [ParseCustomerID], and NULL as the
// zero CustomerID.
func (c *CustomerID) Scan(src any) error { return scan(c, fieldCustomer, src, ParseCustomerID) }

// ServiceID is a Service ID (サービスID): an operator and the number that
// operator knows the holder by (システム設計書 II.9③, III.14). Service IDs
// compare with ==.
type ServiceID struct {
	Operator OperatorID
	Customer CustomerID
}

const fieldService = "Service ID"

// ParseServiceID reads the text form that [ServiceID.String] gives:
// 000001:1111111. The error is a [*FormError].
func ParseServiceID(s string) (ServiceID, error) {
	op, cust, ok := strings.Cut(s, ":")
	if !ok {
		return ServiceID{}, &FormError{Field: fieldService, Rule: RuleMissing, Pos: len(s)}
	}
	var out ServiceID
	var err error
	if out.Operator, err = ParseOperatorID(op); err != nil {
		return ServiceID{}, err
	}
	if out.Customer, err = ParseCustomerID(cust); err != nil {
		return ServiceID{}, err
	}
	return out, nil
}

// IsZero reports whether both parts are absent.
func (s ServiceID) IsZero() bool { return s == ServiceID{} }

// String returns operator, colon and customer: 000001:1111111. The colon is
// this package's own: the platform shows the two side by side.
func (s ServiceID) String() string {
	if s.IsZero() {
		return ""
	}
	return s.Operator.String() + ":" + s.Customer.String()
}

// MarshalText returns what String returns. An absent part is an error.
func (s ServiceID) MarshalText() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return []byte(s.String()), nil
}

// UnmarshalText is [ParseServiceID]. On error s is unchanged.
func (s *ServiceID) UnmarshalText(text []byte) error { return set(s, string(text), ParseServiceID) }

// Value stores the text form, and the zero ServiceID as NULL.
func (s ServiceID) Value() (driver.Value, error) {
	if s.IsZero() {
		return nil, nil
	}
	text, err := s.MarshalText()
	return string(text), err
}

// Scan reads the text form, and NULL as the zero ServiceID.
func (s *ServiceID) Scan(src any) error { return scan(s, fieldService, src, ParseServiceID) }

// check refuses a ServiceID with a part missing.
func (s ServiceID) check() error {
	if s.Operator.IsZero() {
		return &FormError{Field: fieldOperator, Rule: RuleMissing, Pos: -1}
	}
	if s.Customer.IsZero() {
		return &FormError{Field: fieldCustomer, Rule: RuleMissing, Pos: -1}
	}
	return nil
}
