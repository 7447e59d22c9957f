package payment

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/mynakit/mynakit/mykey"
)

// Application is the form by which a holder chooses the cashless service that
// is to receive the points (マイナポイントの申込). What of it a service asks for, and in
// which form, its [Rule] says.
type Application struct {
	Service          string         // the service's name in the rule table
	PaymentServiceID string         // 決済サービスID
	SecurityCodes    []mykey.Secret // セキュリティコード 1 to 3
	PhoneLast4       mykey.Secret   // the last four digits of the telephone number (電話番号下4桁)
	Campaign         string         // whose points they are; may be empty where there is one campaign
	Terms            string         // which terms of use (利用規約) the holder has accepted, see Rule.Terms
}

// MaxCampaign is the greatest length of a campaign's name, in bytes.
const MaxCampaign = 64

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
			return &mykey.FormError{Field: field, Rule: mykey.RuleFullWidth, Pos: pos}
		}
		switch {
		case is&t.Chars != 0:
		case is == Lower && t.Chars&Upper != 0:
			return &mykey.FormError{Field: field, Rule: mykey.RuleLowerCase, Pos: pos}
		default:
			return &mykey.FormError{Field: field, Rule: mykey.RuleCharacter, Pos: pos}
		}
		if n++; n > t.Max {
			return &mykey.FormError{Field: field, Rule: mykey.RuleLength, Pos: pos}
		}
	}
	if n < t.Min {
		return &mykey.FormError{Field: field, Rule: mykey.RuleLength, Pos: len(s)}
	}
	return nil
}

// MaxSecurityCodes is how many security codes the form has (セキュリティコード 1 to
// 3).
const MaxSecurityCodes = 3

// Rule is what one service asks for.
type Rule struct {
	ID    TextRule   // the payment service ID; always asked for
	Codes []TextRule // one for each security code, at most [MaxSecurityCodes]
	Phone bool       // whether the last four digits of the telephone number are asked for
	// Terms names the terms of use that are in force, such as "2026-09-01", in at
	// most MaxTerms bytes. An application must have accepted these. Empty means that
	// the service has none.
	Terms string
	// Keywords are what [Rules.Search] finds the service by, beside its name.
	Keywords []string
}

// MaxTerms is the greatest length of the name of terms of use, in bytes.
const MaxTerms = 64

// Rules is the rule table, by the name of the service. The operators
// publish no common form, so the program fills it from the instructions of
// the services it offers.
type Rules map[string]Rule

// Check applies the rule of the application's service. The error is the first
// [*mykey.FormError]: [mykey.RuleUnknown] for a service without a rule,
// [mykey.RuleMissing] for a field the service asks for, [mykey.RuleNotAllowed] for
// one it does not have and for other terms of use than those in force, and the
// rules of length and characters. A rule with too many security codes or a long
// name of its terms is [mykey.RuleLength], whatever the application: no form can
// meet it.
func (rules Rules) Check(a Application) error {
	rule, ok := rules[a.Service]
	if !ok || a.Service == "" {
		return &mykey.FormError{Field: "payment service", Rule: mykey.RuleUnknown, Pos: -1}
	}
	if len(rule.Codes) > MaxSecurityCodes {
		return &mykey.FormError{Field: "payment rule's security codes", Rule: mykey.RuleLength, Pos: -1}
	}
	if err := checkTerms(rule.Terms, a); err != nil {
		return err
	}
	const fieldID, fieldPhone = "payment service ID", "telephone number, last four digits"
	if a.PaymentServiceID == "" {
		return &mykey.FormError{Field: fieldID, Rule: mykey.RuleMissing, Pos: -1}
	}
	if err := rule.ID.check(fieldID, a.PaymentServiceID); err != nil {
		return err
	}
	for i := range max(len(rule.Codes), len(a.SecurityCodes)) {
		field := fmt.Sprintf("security code %d", i+1)
		switch {
		case i >= len(rule.Codes):
			return &mykey.FormError{Field: field, Rule: mykey.RuleNotAllowed, Pos: -1}
		case i >= len(a.SecurityCodes) || a.SecurityCodes[i].IsZero():
			return &mykey.FormError{Field: field, Rule: mykey.RuleMissing, Pos: -1}
		}
		if err := rule.Codes[i].check(field, a.SecurityCodes[i].Reveal()); err != nil {
			return err
		}
	}
	switch {
	case rule.Phone && a.PhoneLast4.IsZero():
		return &mykey.FormError{Field: fieldPhone, Rule: mykey.RuleMissing, Pos: -1}
	case !rule.Phone && !a.PhoneLast4.IsZero():
		return &mykey.FormError{Field: fieldPhone, Rule: mykey.RuleNotAllowed, Pos: -1}
	case rule.Phone:
		return TextRule{Min: 4, Max: 4, Chars: Digits}.check(fieldPhone, a.PhoneLast4.Reveal())
	}
	return nil
}

// checkTerms checks the terms of use that were accepted, and the campaign.
func checkTerms(inForce string, a Application) error {
	const fieldTerms, fieldCampaign = "terms of use", "campaign"
	wrong := func(field string, rule mykey.Rule) error { return &mykey.FormError{Field: field, Rule: rule, Pos: -1} }
	switch {
	case len(inForce) > MaxTerms:
		return wrong(fieldTerms, mykey.RuleLength)
	case inForce != "" && a.Terms == "":
		return wrong(fieldTerms, mykey.RuleMissing)
	case a.Terms != inForce:
		return wrong(fieldTerms, mykey.RuleNotAllowed)
	case !utf8.ValidString(a.Terms) || strings.ContainsFunc(a.Terms, unicode.IsControl):
		return wrong(fieldTerms, mykey.RuleCharacter)
	case len(a.Campaign) > MaxCampaign:
		return wrong(fieldCampaign, mykey.RuleLength)
	case !utf8.ValidString(a.Campaign) || strings.ContainsFunc(a.Campaign, unicode.IsControl):
		return wrong(fieldCampaign, mykey.RuleCharacter)
	}
	return nil
}

// Search returns the names of the services that have every word of keyword in
// their name or their keywords, in order. Width, case, and hiragana against
// katakana make no difference: ｲｵﾝ and いおん find イオン. An empty keyword finds all
// services.
func (rules Rules) Search(keyword string) []string {
	words := strings.Fields(fold(keyword))
	var found []string
	for name, rule := range rules {
		text := fold(name + "\n" + strings.Join(rule.Keywords, "\n"))
		if name != "" && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// fold makes a text comparable: half width for ASCII, full width for kana, lower
// case, katakana.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'ぁ' && r <= 'ゖ' {
			return r + 'ァ' - 'ぁ'
		}
		return unicode.ToLower(r)
	}, norm.NFKC.String(s))
}
