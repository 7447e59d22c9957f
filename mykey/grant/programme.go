package grant

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// Items is a set of the items by which a person is identified (本人確認項目, システム設計書
// V(3)). Of a roster's row, those that the programme demands must be there.
type Items uint8

// The seven items.
const (
	ItemName    Items = 1 << iota // 名前
	ItemBirth                     // 生年月日
	ItemAddress                   // 住所
	ItemSex                       // 性別
	ItemPhone                     // 電話番号
	ItemMail                      // メールアドレス
	ItemRemark                    // 備考

	AllItems = ItemName | ItemBirth | ItemAddress | ItemSex | ItemPhone | ItemMail | ItemRemark
)

// Programme is something for which points are granted (ポイント付与事業, システム設計書
// V(1)). The name and the expiry of the points are those of the account, and do
// not change here.
type Programme struct {
	Code       string        // of the form of a [point.Account]; the program's own
	Account    point.Account // 自治体ポイント
	Name       string        // 事業名
	Department string        // 担当部署
	Points     int64         // 付与ポイント数, for each person
	Remark     string        // 備考; may be empty
	Sessions   bool          // once for each session of the programme, instead of once for all
	Roster     bool          // only people on the roster
	Items      Items         // what a row of the roster must have
	Period     mykey.Period  // when taps count; zero: always
}

// MaxText is the greatest length of a programme's texts and of a roster's
// fields, in characters.
const MaxText = 200

// Check returns a [*mykey.FormError] that names the first field that is missing
// or malformed.
func (p Programme) Check() error {
	if _, err := point.ParseAccount(p.Code); err != nil {
		return &mykey.FormError{Field: "programme code", Rule: mykey.RuleCharacter, Pos: -1}
	}
	if _, err := point.ParseAccount(string(p.Account)); err != nil {
		return err
	}
	for _, f := range []struct{ name, value string }{{"programme name", p.Name}, {"department", p.Department}} {
		if strings.TrimSpace(f.value) == "" {
			return &mykey.FormError{Field: f.name, Rule: mykey.RuleMissing, Pos: -1}
		}
		if err := checkText(f.name, f.value); err != nil {
			return err
		}
	}
	if err := checkText("remark", p.Remark); err != nil {
		return err
	}
	switch {
	case p.Points <= 0 || p.Points > point.MaxPoints:
		return &mykey.FormError{Field: "points", Rule: mykey.RuleNotAllowed, Pos: -1}
	case p.Items&^AllItems != 0:
		return &mykey.FormError{Field: "items", Rule: mykey.RuleUnknown, Pos: -1}
	case !p.Period.IsZero():
		return p.Period.Check()
	}
	return nil
}

// checkText refuses what no list shows. It does not name the text, which may be
// a person's.
func checkText(field, s string) error {
	switch {
	case !utf8.ValidString(s) || strings.ContainsRune(s, unicode.ReplacementChar) || strings.ContainsFunc(s, unicode.IsControl):
		return &mykey.FormError{Field: field, Rule: mykey.RuleCharacter, Pos: -1}
	case utf8.RuneCountInString(s) > MaxText:
		return &mykey.FormError{Field: field, Rule: mykey.RuleLength, Pos: -1}
	}
	return nil
}

// ErrProgramme is returned for a programme whose account the ledger of points
// does not have, or has as another kind than a municipality's or an event's.
var ErrProgramme = errors.New("grant: no account of a municipality or an event for this programme")

// Of returns what cannot be changed in p: the programme of points behind its
// account. The error is [ErrProgramme].
func (p Programme) Of(all []point.Programme) (point.Programme, error) {
	i := slices.IndexFunc(all, func(q point.Programme) bool { return q.Account == p.Account })
	if i < 0 || all[i].Kind == point.Reserved {
		return point.Programme{}, ErrProgramme
	}
	return all[i], nil
}
