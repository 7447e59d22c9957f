package mykey

import (
	"fmt"

	"github.com/mynakit/mynakit/internal/secret"
)

// A Secret is a text that the holder typed and nobody else is to see: a security
// code (セキュリティコード), the digits of a telephone number. The zero Secret
// represents no text.
type Secret struct {
	secret.Hidden
	text secret.Box[string]
}

// NewSecret returns a Secret that holds s, and the zero Secret if s is empty.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{text: secret.New(s)}
}

// Reveal returns the text itself.
func (s Secret) Reveal() string { return s.text.Reveal() }

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.text.IsZero() }

// Application is the form by which a holder chooses the cashless service that
// is to receive the points (マイナポイントの申込). What of it a service asks for, and in
// which form, its [PaymentRule] says.
type Application struct {
	Service          string   // the service's name in the rule table
	PaymentServiceID string   // 決済サービスID
	SecurityCodes    []Secret // セキュリティコード 1 to 3
	PhoneLast4       Secret   // the last four digits of the telephone number (電話番号下4桁)
}

// Chars is a set of half-width characters.
type Chars uint8

const (
	Digits Chars = 1 << iota // 0 to 9
	Upper                    // A to Z
	Lower                    // a to z
	Hyphen                   // -
)

// TextRule is the form of one field: its length and its characters. The zero
// TextRule admits nothing.
type TextRule struct {
	Min, Max int // in characters
	Chars    Chars
}

func (t TextRule) check(field, s string) error {
	n := 0
	for pos, r := range s {
		var is Chars
		switch {
		case r >= '0' && r <= '9':
			is = Digits
		case r >= 'A' && r <= 'Z':
			is = Upper
		case r >= 'a' && r <= 'z':
			is = Lower
		case r == '-':
			is = Hyphen
		case r >= '\uFF01' && r <= '\uFF5E':
			return &FormError{Field: field, Rule: RuleFullWidth, Pos: pos}
		}
		switch {
		case is&t.Chars != 0:
		case is == Lower && t.Chars&Upper != 0:
			return &FormError{Field: field, Rule: RuleLowerCase, Pos: pos}
		default:
			return &FormError{Field: field, Rule: RuleCharacter, Pos: pos}
		}
		if n++; n > t.Max {
			return &FormError{Field: field, Rule: RuleLength, Pos: pos}
		}
	}
	if n < t.Min {
		return &FormError{Field: field, Rule: RuleLength, Pos: len(s)}
	}
	return nil
}

// MaxSecurityCodes is how many security codes the form has (セキュリティコード 1 to
// 3).
const MaxSecurityCodes = 3

// PaymentRule is what one service asks for.
type PaymentRule struct {
	ID    TextRule   // the payment service ID; always asked for
	Codes []TextRule // one for each security code, at most [MaxSecurityCodes]
	Phone bool       // whether the last four digits of the telephone number are asked for
}

// PaymentRules is the rule table, by the name of the service. The operators
// publish no common form, so the program fills it from the instructions of
// the services it offers.
type PaymentRules map[string]PaymentRule

// Check applies the rule of the application's service. The error is the first
// [*FormError]: [RuleUnknown] for a service without a rule, [RuleMissing] for
// a field the service asks for, [RuleNotAllowed] for one it does not have,
// and the rules of length and characters. A rule with too many security codes
// is [RuleLength], whatever the application: no form can meet it.
func (rules PaymentRules) Check(a Application) error {
	rule, ok := rules[a.Service]
	if !ok || a.Service == "" {
		return &FormError{Field: "payment service", Rule: RuleUnknown, Pos: -1}
	}
	if len(rule.Codes) > MaxSecurityCodes {
		return &FormError{Field: "payment rule's security codes", Rule: RuleLength, Pos: -1}
	}
	const fieldID, fieldPhone = "payment service ID", "telephone number, last four digits"
	if a.PaymentServiceID == "" {
		return &FormError{Field: fieldID, Rule: RuleMissing, Pos: -1}
	}
	if err := rule.ID.check(fieldID, a.PaymentServiceID); err != nil {
		return err
	}
	for i := range max(len(rule.Codes), len(a.SecurityCodes)) {
		field := fmt.Sprintf("security code %d", i+1)
		switch {
		case i >= len(rule.Codes):
			return &FormError{Field: field, Rule: RuleNotAllowed, Pos: -1}
		case i >= len(a.SecurityCodes) || a.SecurityCodes[i].IsZero():
			return &FormError{Field: field, Rule: RuleMissing, Pos: -1}
		}
		if err := rule.Codes[i].check(field, a.SecurityCodes[i].Reveal()); err != nil {
			return err
		}
	}
	switch {
	case rule.Phone && a.PhoneLast4.IsZero():
		return &FormError{Field: fieldPhone, Rule: RuleMissing, Pos: -1}
	case !rule.Phone && !a.PhoneLast4.IsZero():
		return &FormError{Field: fieldPhone, Rule: RuleNotAllowed, Pos: -1}
	case rule.Phone:
		var four [4]byte
		return digits(fieldPhone, four[:], a.PhoneLast4.Reveal())
	}
	return nil
}
