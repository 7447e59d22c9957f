package point

import (
	"strings"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"github.com/mynakit/mynakit/mykey"
)

// AccountType is the type of a bank account (口座種別), with the number that the
// banks' transfer files use (全銀協規定フォーマット).
type AccountType uint8

// The types of bank accounts.
const (
	Ordinary AccountType = 1 // 普通
	Current  AccountType = 2 // 当座
	Savings  AccountType = 4 // 貯蓄
	Other    AccountType = 9 // その他
)

// BankAccount is an account that a municipality pays to or from
// (振込先金融機関情報, システム設計書 I.1⑦). The zero BankAccount represents no
// account.
type BankAccount struct {
	BankName   string      // 機関名
	BankCode   string      // 機関コード: 4 digits
	BranchName string      // 支店名
	BranchCode string      // 支店コード: 3 digits
	Type       AccountType // 口座種別
	Number     string      // 口座番号: 7 digits, leading zeros included
	Holder     string      // 口座名義人, as [BankText] accepts it
}

// MaxBankHolder is the greatest length of an account holder's name in a
// transfer file, in characters of [BankText].
const MaxBankHolder = 30

// IsZero reports whether b is the zero BankAccount.
func (b BankAccount) IsZero() bool { return b == BankAccount{} }

// Check returns a [*mykey.FormError] that names the first field that is
// missing or malformed.
func (b BankAccount) Check() error {
	for _, f := range []struct {
		name, value string
		length      int
	}{{"bank code", b.BankCode, 4}, {"branch code", b.BranchCode, 3}, {"account number", b.Number, 7}} {
		for i := range len(f.value) {
			if c := f.value[i]; c < '0' || c > '9' {
				return &mykey.FormError{Field: f.name, Rule: mykey.RuleCharacter, Pos: i}
			}
		}
		if len(f.value) != f.length {
			return &mykey.FormError{Field: f.name, Rule: mykey.RuleLength, Pos: min(len(f.value), f.length)}
		}
	}
	for _, f := range []struct{ name, value string }{{"bank name", b.BankName}, {"branch name", b.BranchName}} {
		if err := checkName(f.name, f.value); err != nil {
			return err
		}
	}
	switch b.Type {
	case Ordinary, Current, Savings, Other:
	default:
		return &mykey.FormError{Field: "account type", Rule: mykey.RuleUnknown, Pos: -1}
	}
	kana, err := BankText(b.Holder)
	if err != nil {
		return err
	}
	if n := len([]rune(kana)); n == 0 || n > MaxBankHolder {
		return &mykey.FormError{Field: "account holder", Rule: mykey.RuleLength, Pos: -1}
	}
	return nil
}

// BankText returns s in the characters that the banks' files carry: digits,
// capital letters, half-width katakana without small letters, space and
// \ ｢ ｣ ( ) - / . and the sound marks ﾞ ﾟ. It converts full-width forms,
// hiragana, lower-case letters, small kana and the long mark ー, which becomes
// a hyphen. The error is a [*mykey.FormError] at the first character that has
// no such form, such as a kanji.
func BankText(s string) (string, error) {
	var b strings.Builder
	for pos, r := range s {
		if r >= 'ぁ' && r <= 'ゖ' {
			r += 'ァ' - 'ぁ'
		}
		// A voiced letter becomes its letter and the mark, as half width has it.
		for _, c := range width.Narrow.String(norm.NFD.String(string(r))) {
			c = bankRune(c)
			if c == 0 {
				return "", &mykey.FormError{Field: "bank text", Rule: mykey.RuleCharacter, Pos: pos}
			}
			b.WriteRune(c)
		}
	}
	return b.String(), nil
}

// bankRune returns the character of the banks' set for a half-width one, or 0.
func bankRune(c rune) rune {
	switch {
	case c >= '0' && c <= '9', c >= 'A' && c <= 'Z':
		return c
	case c >= 'a' && c <= 'z':
		return c - ('a' - 'A')
	case c >= 'ｧ' && c <= 'ｮ': // ｧ ｨ ｩ ｪ ｫ ｬ ｭ ｮ
		return []rune("ｱｲｳｴｵﾔﾕﾖ")[c-'ｧ']
	case c >= 'ｱ' && c <= 'ﾝ', c == 'ｦ':
		return c
	}
	switch c {
	case 'ｯ':
		return 'ﾂ'
	case 'ー', 'ｰ', '‐', '−', '–':
		return '-'
	case 'ﾞ', '\u3099':
		return 'ﾞ'
	case 'ﾟ', '\u309A':
		return 'ﾟ'
	case '¥', '\\':
		return '\\'
	case '（', '(':
		return '('
	case '）', ')':
		return ')'
	case '　', ' ':
		return ' '
	case '｢', '｣', '-', '/', '.':
		return c
	}
	return 0
}
