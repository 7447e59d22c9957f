package mykey

import (
	"strings"
	"unicode/utf8"
)

// maxContactField is the greatest length of a field of a Contact, in characters.
const maxContactField = 200

// Contact is who answers for a terminal, a point programme or an event (連絡先,
// システム設計書 I.1⑦, I.4⑤, III.13(ア)). It is an office's address, not a
// card holder's.
type Contact struct {
	Organisation string // 自治体名, 店舗名
	Department   string // 所属; may be empty
	Person       string // 担当者名
	PostalCode   string // 郵便番号: 7 digits, or 3 and 4 with a hyphen
	Address      string // 住所
	Phone        string // 電話番号: digits and hyphens
	Mail         string // メールアドレス
}

// Check returns a [*FormError] that names the first field that is missing or
// malformed. Department may be empty. A field has at most 200 characters; the
// published documents set no limit.
func (c Contact) Check() error {
	for _, f := range []struct{ name, value string }{
		{"organisation", c.Organisation}, {"department", c.Department}, {"person", c.Person},
		{"postal code", c.PostalCode}, {"address", c.Address}, {"phone", c.Phone}, {"mail", c.Mail},
	} {
		switch {
		case f.value == "" && f.name != "department":
			return &FormError{Field: f.name, Rule: RuleMissing, Pos: -1}
		case !utf8.ValidString(f.value) || strings.ContainsFunc(f.value, isControl):
			return &FormError{Field: f.name, Rule: RuleCharacter, Pos: -1}
		case utf8.RuneCountInString(f.value) > maxContactField:
			return &FormError{Field: f.name, Rule: RuleLength, Pos: -1}
		}
	}
	if err := checkPostalCode(c.PostalCode); err != nil {
		return err
	}
	if err := checkPhone(c.Phone); err != nil {
		return err
	}
	return CheckMail(c.Mail)
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7F && r < 0xA0 }

func checkPostalCode(s string) error {
	if len(s) == 8 && s[3] == '-' {
		s = s[:3] + s[4:]
	}
	var b [7]byte
	return digits("postal code", b[:], s)
}

// checkPhone accepts 10 or 11 digits that begin with 0, hyphens between them.
func checkPhone(s string) error {
	n := 0
	for pos, r := range s {
		switch {
		case r >= '0' && r <= '9':
			if n == 0 && r != '0' {
				return &FormError{Field: "phone", Rule: RuleCharacter, Pos: pos}
			}
			n++
		case r == '-' && n > 0 && s[pos-1] != '-' && pos < len(s)-1:
		case r >= '\uFF10' && r <= '\uFF19':
			return &FormError{Field: "phone", Rule: RuleFullWidth, Pos: pos}
		default:
			return &FormError{Field: "phone", Rule: RuleCharacter, Pos: pos}
		}
	}
	if n != 10 && n != 11 {
		return &FormError{Field: "phone", Rule: RuleLength, Pos: len(s)}
	}
	return nil
}

// CheckMail returns a [*FormError] unless s is one mail address in ASCII and
// nothing beside it: a local part of letters, digits and !#$%&'*+/=?^_`{|}~.- and
// a host name of at least two labels, 254 bytes in all. Dots may stand where old
// telephone companies put them, before the @ and twice.
func CheckMail(s string) error {
	if len(s) > 254 {
		return &FormError{Field: "mail", Rule: RuleLength, Pos: 254}
	}
	local, host, found := strings.Cut(s, "@")
	if !found {
		return &FormError{Field: "mail", Rule: RuleCharacter, Pos: len(s)}
	}
	for i := range len(local) {
		if c := local[i]; !isAlnum(c) && !strings.ContainsRune("!#$%&'*+/=?^_`{|}~.-", rune(c)) {
			return &FormError{Field: "mail", Rule: RuleCharacter, Pos: i}
		}
	}
	labels := strings.Split(host, ".")
	if local == "" || len(labels) < 2 {
		return &FormError{Field: "mail", Rule: RuleLength, Pos: -1}
	}
	for _, l := range labels {
		for i := range len(l) {
			if !isAlnum(l[i]) && (l[i] != '-' || i == 0 || i == len(l)-1) {
				return &FormError{Field: "mail", Rule: RuleCharacter, Pos: -1}
			}
		}
		if l == "" || len(l) > 63 {
			return &FormError{Field: "mail", Rule: RuleLength, Pos: -1}
		}
	}
	return nil
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
