package payment_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/payment"
)

func wantRule(t *testing.T, err error, rule mykey.Rule) {
	t.Helper()
	if rule == "" {
		require.NoError(t, err)
		return
	}
	fe, ok := errors.AsType[*mykey.FormError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, rule, fe.Rule)
}

func form(service, payID string, codes []mykey.Secret, phone mykey.Secret) payment.Application {
	return payment.Application{Service: service, PaymentServiceID: payID, SecurityCodes: codes, PhoneLast4: phone}
}

var rules = payment.Rules{
	"waon": {
		ID:    payment.TextRule{Min: 1, Max: 16, Chars: payment.Digits},
		Codes: []payment.TextRule{{Min: 4, Max: 4, Chars: payment.Digits}},
		Phone: true,
	},
	"pay": {
		ID:    payment.TextRule{Min: 1, Max: 16, Chars: payment.Digits},
		Codes: []payment.TextRule{{Min: 4, Max: 4, Chars: payment.Digits}},
		Phone: true,
	},
	"three": {
		ID:    payment.TextRule{Min: 3, Max: 12, Chars: payment.Upper | payment.Digits | payment.Hyphen},
		Codes: []payment.TextRule{{Min: 2, Max: 8, Chars: payment.Lower}, {Min: 1, Max: 1, Chars: payment.Digits}, {Min: 1, Max: 1, Chars: payment.Digits}},
	},
}

func application(service, payID string) payment.Application {
	return payment.Application{Service: service, PaymentServiceID: payID,
		SecurityCodes: []mykey.Secret{mykey.NewSecret("9753")}, PhoneLast4: mykey.NewSecret("2468")}
}

func TestRules(t *testing.T) {
	codes := func(in ...string) (out []mykey.Secret) {
		for _, s := range in {
			out = append(out, mykey.NewSecret(s))
		}
		return out
	}
	phone := mykey.NewSecret("0123")
	for _, tc := range []struct {
		name string
		a    payment.Application
		rule mykey.Rule
	}{
		{"good", form("waon", "123", codes("0000"), phone), ""},
		{"three codes and no phone", form("three", "AB-1", codes("ab", "1", "2"), mykey.Secret{}), ""},
		{"no service", form("", "123", codes("0000"), phone), mykey.RuleUnknown},
		{"unknown service", form("other", "123", codes("0000"), phone), mykey.RuleUnknown},
		{"no ID", form("waon", "", codes("0000"), phone), mykey.RuleMissing},
		{"long ID", form("waon", strings.Repeat("1", 17), codes("0000"), phone), mykey.RuleLength},
		{"short ID", form("three", "AB", codes("ab", "1", "2"), mykey.Secret{}), mykey.RuleLength},
		{"letter in ID", form("waon", "12a", codes("0000"), phone), mykey.RuleCharacter},
		{"lower case", form("three", "ab1", codes("ab", "1", "2"), mykey.Secret{}), mykey.RuleLowerCase},
		{"full width", form("waon", "１２３", codes("0000"), phone), mykey.RuleFullWidth},
		{"no code", form("waon", "123", nil, phone), mykey.RuleMissing},
		{"empty code", form("waon", "123", codes(""), phone), mykey.RuleMissing},
		{"second code missing", form("three", "AB-1", codes("ab"), mykey.Secret{}), mykey.RuleMissing},
		{"code too many", form("waon", "123", codes("0000", "1"), phone), mykey.RuleNotAllowed},
		{"code too long", form("waon", "123", codes("00000"), phone), mykey.RuleLength},
		{"no phone", form("waon", "123", codes("0000"), mykey.Secret{}), mykey.RuleMissing},
		{"phone not asked for", form("three", "AB-1", codes("ab", "1", "2"), phone), mykey.RuleNotAllowed},
		{"three digits", form("waon", "123", codes("0000"), mykey.NewSecret("123")), mykey.RuleLength},
		{"the whole number", form("waon", "123", codes("0000"), mykey.NewSecret("09012345678")), mykey.RuleLength},
		{"a word", form("waon", "123", codes("0000"), mykey.NewSecret("abcd")), mykey.RuleCharacter},
	} {
		t.Run(tc.name, func(t *testing.T) { wantRule(t, rules.Check(tc.a), tc.rule) })
	}
	one := payment.TextRule{Min: 1, Max: 1, Chars: payment.Digits}
	four := payment.Rules{"four": {ID: one, Codes: []payment.TextRule{one, one, one, one}}}
	wantRule(t, four.Check(form("four", "1", codes("1", "2", "3", "4"), mykey.Secret{})), mykey.RuleLength)
	wantRule(t, payment.Rules(nil).Check(application("waon", "1")), mykey.RuleUnknown)
}

func TestTerms(t *testing.T) {
	rules := payment.Rules{"waon": {ID: payment.TextRule{Min: 1, Max: 3, Chars: payment.Digits}, Terms: "2026-09-01"}, "free": {ID: payment.TextRule{Min: 1, Max: 3, Chars: payment.Digits}},
		"long": {Terms: strings.Repeat("a", payment.MaxTerms+1)}, "damaged": {Terms: "a\n"}}
	for _, tc := range []struct {
		service, terms, campaign string
		rule                     mykey.Rule
	}{
		{"waon", "2026-09-01", "", ""}, {"waon", "2026-09-01", "第2弾", ""}, {"free", "", "", ""},
		{"waon", "", "", mykey.RuleMissing}, {"waon", "2020-07-01", "", mykey.RuleNotAllowed}, {"free", "2026-09-01", "", mykey.RuleNotAllowed},
		{"long", strings.Repeat("a", payment.MaxTerms+1), "", mykey.RuleLength}, {"damaged", "a\n", "", mykey.RuleCharacter},
		{"free", "", strings.Repeat("a", payment.MaxCampaign+1), mykey.RuleLength}, {"free", "", "a\x00", mykey.RuleCharacter}, {"free", "", "\xff", mykey.RuleCharacter},
	} {
		wantRule(t, rules.Check(payment.Application{Service: tc.service, PaymentServiceID: "1", Terms: tc.terms, Campaign: tc.campaign}), tc.rule)
	}
}

func TestSearch(t *testing.T) {
	rules := payment.Rules{"電子マネーWAON（イオンカード）": {Keywords: []string{"イオン銀行"}}, "キャッシュ+デビット": {Keywords: []string{"イオン銀行"}}, "ほかのペイ": {}}
	card, debit, other := "電子マネーWAON（イオンカード）", "キャッシュ+デビット", "ほかのペイ"
	for keyword, want := range map[string][]string{
		"イオン": {debit, card}, "ｲｵﾝ": {debit, card}, "いおん": {debit, card}, "ｗａｏｎ": {card}, "waon　イオン": {card}, "イオン ペイ": nil,
		"ホカノ": {other}, "": {other, debit, card}, " ": {other, debit, card}, "行キャ": nil, "\x00": nil, "\n": {other, debit, card},
	} {
		assert.Equal(t, want, rules.Search(keyword), "%q", keyword)
	}
}

func TestPage(t *testing.T) {
	for s, rule := range map[string]mykey.Rule{"012345": "", "12345": mykey.RuleLength, "1234567": mykey.RuleLength, "12345a": mykey.RuleCharacter,
		"１２３４５６": mykey.RuleFullWidth, "": mykey.RuleLength, "-12345": mykey.RuleCharacter} {
		code, err := payment.ParseOTP(s)
		wantRule(t, err, rule)
		assert.Equal(t, rule == "", code.Reveal() == s && s != "")
	}
	for s, rule := range map[string]mykey.Rule{"abcdefg1": "", "ABCDEFG1": "", "1234567a": "", strings.Repeat("a", payment.MaxPagePassword-1) + "1": "",
		"abcdef1": mykey.RuleLength, strings.Repeat("a", payment.MaxPagePassword) + "1": mykey.RuleLength, "abcdefgh": mykey.RuleMissing, "12345678": mykey.RuleMissing,
		"abcdefg-1": mykey.RuleCharacter, "abcdefg１": mykey.RuleFullWidth, "パスワード1": mykey.RuleCharacter, "": mykey.RuleLength} {
		password, err := payment.ParsePagePassword(s)
		wantRule(t, err, rule)
		assert.Equal(t, rule == "", password.Reveal() == s && s != "", s)
	}
}
