package point

import (
	"github.com/mynakit/mynakit/mykey"
)

// Account is the code of a programme under which a holder has points: 1 to 32
// lower-case letters, digits and hyphens, beginning with a letter or a digit.
type Account string

// MaxAccount is the greatest length of an [Account], in bytes.
const MaxAccount = 32

const fieldAccount = "account"

// ParseAccount parses an account code. The error is a [*mykey.FormError].
func ParseAccount(s string) (Account, error) {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' && i > 0 {
			continue
		}
		return "", &mykey.FormError{Field: fieldAccount, Rule: mykey.RuleCharacter, Pos: i}
	}
	if s == "" || len(s) > MaxAccount {
		return "", &mykey.FormError{Field: fieldAccount, Rule: mykey.RuleLength, Pos: min(len(s), MaxAccount)}
	}
	return Account(s), nil
}

// Kind is the kind of a programme's points.
type Kind uint8

// The kinds of points.
const (
	Municipal Kind = 1 + iota // 自治体ポイント
	Event                     // 特定支援イベントポイント
	Reserved                  // 留保ポイント
	Mall                      // 商店街ポイント, in the ledger of a mall
)

// Japanese returns the kind's name as the platform's screens show it.
func (k Kind) Japanese() string {
	switch k {
	case Municipal:
		return "自治体ポイント"
	case Event:
		return "特定支援イベントポイント"
	case Reserved:
		return "留保ポイント"
	case Mall:
		return "商店街ポイント"
	}
	return ""
}

// String returns one English word.
func (k Kind) String() string {
	switch k {
	case Municipal:
		return "municipal"
	case Event:
		return "event"
	case Reserved:
		return "reserved"
	case Mall:
		return "mall"
	}
	return "unknown kind"
}

// Valid reports whether k is one of the four kinds.
func (k Kind) Valid() bool { return k >= Municipal && k <= Mall }
