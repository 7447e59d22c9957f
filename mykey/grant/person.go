package grant

import (
	"strings"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// Identity is what a roster says of a person, item by item.
type Identity struct {
	Name    string    // 名前
	Birth   jpki.Date // 生年月日
	Address string    // 住所
	Sex     jpki.Sex  // 性別
	Phone   string    // 電話番号
	Mail    string    // メールアドレス
	Remark  string    // 備考
}

// Person is an [Identity] that shows as [redacted] wherever it is printed,
// logged or encoded. The zero Person says nothing of anybody.
type Person struct {
	secret.Hidden
	v secret.Box[Identity]
}

// Hide returns a Person.
func (v Identity) Hide() Person { return Person{v: secret.New(v)} }

// Reveal returns the identity, to be shown to the staff who check it.
func (p Person) Reveal() Identity { return p.v.Reveal() }

// check refuses texts that no list shows, and items that are demanded and
// missing. The error is a [*mykey.FormError] whose field is the column's name.
func (v Identity) check(want Items) error {
	for _, f := range []struct{ name, value string }{
		{columns[3], v.Name}, {columns[5], v.Address}, {columns[7], v.Phone}, {columns[8], v.Mail}, {columns[9], v.Remark},
	} {
		if err := checkText(f.name, f.value); err != nil {
			return err
		}
	}
	for i, item := range itemColumns {
		if want&item != 0 && v.has()&item == 0 {
			return &mykey.FormError{Field: columns[3+i], Rule: mykey.RuleMissing, Pos: -1}
		}
	}
	if v.Mail != "" {
		if mykey.CheckMail(v.Mail) != nil {
			return &mykey.FormError{Field: columns[8], Rule: mykey.RuleCharacter, Pos: -1}
		}
	}
	return nil
}

// itemColumns are the items in the order of their columns.
var itemColumns = [...]Items{ItemName, ItemBirth, ItemAddress, ItemSex, ItemPhone, ItemMail, ItemRemark}

// has returns the items that v has.
func (v Identity) has() (s Items) {
	for i, there := range []bool{v.Name != "", !v.Birth.IsZero(), v.Address != "", v.Sex != jpki.SexUnknown, v.Phone != "", v.Mail != "", v.Remark != ""} {
		if there {
			s |= itemColumns[i]
		}
	}
	return s
}

// Matches reports whether v and w agree in all of the items, which both must
// have: names and addresses but for spaces and width, telephone numbers by their
// digits, mail addresses but for case. With no items it reports false.
func (v Identity) Matches(w Identity, items Items) bool {
	if items == 0 || v.has()&items != items || w.has()&items != items {
		return false
	}
	for _, f := range []struct {
		item Items
		same bool
	}{
		{ItemName, plain(v.Name) == plain(w.Name)},
		{ItemBirth, v.Birth == w.Birth},
		{ItemAddress, plain(v.Address) == plain(w.Address)},
		{ItemSex, v.Sex == w.Sex},
		{ItemPhone, onlyDigits(v.Phone) == onlyDigits(w.Phone)},
		{ItemMail, strings.EqualFold(v.Mail, w.Mail)},
		{ItemRemark, plain(v.Remark) == plain(w.Remark)},
	} {
		if items&f.item != 0 && !f.same {
			return false
		}
	}
	return true
}

// plain folds width and removes spaces, and writes the many dashes as one.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '　', '\t':
			return -1
		case '‐', '‑', '–', '—', '―', '−', 'ー', 'ｰ':
			return '-'
		}
		return r
	}, width.Fold.String(norm.NFC.String(s)))
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, width.Fold.String(s))
}

// parseSex reads what rosters write.
func parseSex(s string) (jpki.Sex, bool) {
	switch plain(s) {
	case "":
		return jpki.SexUnknown, true
	case "男", "男性", "M", "m", "1":
		return jpki.Male, true
	case "女", "女性", "F", "f", "2":
		return jpki.Female, true
	case "その他", "適用不能", "9":
		return jpki.SexNotApplicable, true
	}
	return 0, false
}
