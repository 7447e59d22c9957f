package point

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mynakit/mynakit/mykey"
)

// Programme is what a municipality or prefecture sets up for its points
// (自治体ポイントの設定, 特定支援イベントポイントの設定, システム設計書 I.1⑦, I.2⑦). The
// programme of reserved points has no municipality, contact or bank account, and
// neither has that of a mall.
type Programme struct {
	Account      Account
	Kind         Kind
	Name         string             // ポイント名
	Expiry       Expiry             // 有効期限; of reserved points never, see [Reserve]
	Municipality mykey.Municipality // 全国地方公共団体コード; a prefecture may set up an event
	Contact      mykey.Contact      // 所属, 担当者 and how to reach them
	Bank         BankAccount        // 振込先金融機関情報; of an event only if it differs
	Service      mykey.Period       // サービス期間, of an event alone
}

// MaxName is the greatest length of a programme's name, in characters.
const MaxName = 60

// Check returns a [*mykey.FormError] that names the first field that is
// missing, malformed or not applicable to the kind.
func (p Programme) Check() error {
	if _, err := ParseAccount(string(p.Account)); err != nil {
		return err
	}
	if !p.Kind.Valid() {
		return &mykey.FormError{Field: "kind", Rule: mykey.RuleUnknown, Pos: -1}
	}
	if err := checkName("point name", p.Name); err != nil {
		return err
	}
	if p.Kind == Reserved {
		if (p != Programme{Account: p.Account, Kind: Reserved, Name: p.Name}) {
			return &mykey.FormError{Field: "reserved points", Rule: mykey.RuleNotAllowed, Pos: -1}
		}
		return nil
	}
	if err := p.Expiry.Check(); err != nil {
		return err
	}
	if p.Kind == Mall {
		if (p != Programme{Account: p.Account, Kind: Mall, Name: p.Name, Expiry: p.Expiry}) {
			return &mykey.FormError{Field: "mall points", Rule: mykey.RuleNotAllowed, Pos: -1}
		}
		return nil
	}
	switch m := p.Municipality; {
	case m.IsZero():
		return &mykey.FormError{Field: "municipality", Rule: mykey.RuleMissing, Pos: -1}
	case m.IsPrefecture() && p.Kind != Event:
		return &mykey.FormError{Field: "municipality", Rule: mykey.RuleNotAllowed, Pos: -1}
	}
	if err := p.Contact.Check(); err != nil {
		return err
	}
	if p.Kind == Event {
		if err := p.Service.Check(); err != nil {
			return err
		}
		if p.Bank.IsZero() {
			return nil
		}
	} else if !p.Service.IsZero() {
		return &mykey.FormError{Field: "service period", Rule: mykey.RuleNotAllowed, Pos: -1}
	}
	return p.Bank.Check()
}

// checkName refuses a name that is empty, too long or holds what no printer
// shows.
func checkName(field, s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return &mykey.FormError{Field: field, Rule: mykey.RuleMissing, Pos: -1}
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return &mykey.FormError{Field: field, Rule: mykey.RuleCharacter, Pos: -1}
	case utf8.RuneCountInString(s) > MaxName:
		return &mykey.FormError{Field: field, Rule: mykey.RuleLength, Pos: -1}
	}
	return nil
}

// Serves reports whether the programme's points can be spent at the instant
// at: points of a municipality and of a mall at any time, points of an event
// within its service period, reserved points at no time.
func (p Programme) Serves(at time.Time) bool {
	switch p.Kind {
	case Municipal, Mall:
		return true
	case Event:
		return p.Service.Contains(at)
	}
	return false
}

// LastDay returns the last day of points that p grants at the instant at, or
// the zero Date if they never lapse. Points of an event lapse with its service
// period at the latest.
func (p Programme) LastDay(at time.Time) mykey.Date {
	day := p.Expiry.LastDay(at)
	if p.Kind == Event && (day.IsZero() || day.Compare(p.Service.To) > 0) {
		return p.Service.To
	}
	return day
}

// PaidFrom returns the bank account that stands behind p's points: its own, or,
// for an event without one, that of the municipality's points among all. It
// reports false if there is none.
func (p Programme) PaidFrom(all []Programme) (BankAccount, bool) {
	if !p.Bank.IsZero() {
		return p.Bank, true
	}
	for _, q := range all {
		if p.Kind == Event && q.Kind == Municipal && q.Municipality == p.Municipality {
			return q.Bank, true
		}
	}
	return BankAccount{}, false
}
