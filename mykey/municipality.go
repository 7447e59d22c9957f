package mykey

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// Municipality is a local government's code (全国地方公共団体コード): two digits of
// the prefecture, three of the municipality, and the check digit of the
// Ministry's rule (総務省「全国地方公共団体コード」の検査数字). Prefectures have codes
// too, with 000 in the middle.
//
// A Municipality is valid in form; whether there is such a municipality, a
// [MunicipalityTable] says. Municipalities compare with ==. The zero
// Municipality is none.
type Municipality struct{ b [6]byte }

const fieldMunicipality = "municipality code"

// ParseMunicipality reads the six-digit form, such as 131016. The error is a
// [*FormError]: [RuleLength], [RuleCharacter], [RuleFullWidth],
// [RulePrefecture] or [RuleCheckDigit].
//
// A code that has passed through a spreadsheet may have lost its leading zero,
// and five digits may be a code without its check digit. Nothing is guessed
// here: five digits are an error, and [ParseMunicipality5] is the call for
// those who know what they have.
func ParseMunicipality(s string) (Municipality, error) {
	var m Municipality
	if err := digits(fieldMunicipality, m.b[:], s); err != nil {
		return Municipality{}, err
	}
	if m.Prefecture() == 0 {
		return Municipality{}, &FormError{Field: fieldMunicipality, Rule: RulePrefecture}
	}
	if m.b[5] != checkDigit([5]byte(m.b[:5])) {
		return Municipality{}, &FormError{Field: fieldMunicipality, Rule: RuleCheckDigit, Pos: 5}
	}
	return m, nil
}

// ParseMunicipality5 reads the five-digit form without check digit, as the
// card's certificates carry it, and adds the check digit. The error is a
// [*FormError].
func ParseMunicipality5(s string) (Municipality, error) {
	var five [5]byte
	if err := digits(fieldMunicipality, five[:], s); err != nil {
		return Municipality{}, err
	}
	var m Municipality
	copy(m.b[:], five[:])
	m.b[5] = checkDigit(five)
	if m.Prefecture() == 0 {
		return Municipality{}, &FormError{Field: fieldMunicipality, Rule: RulePrefecture}
	}
	return m, nil
}

// checkDigit is the last digit of 11 less the remainder by 11 of the digits'
// sum, weighted 6, 5, 4, 3, 2. A sum below 11 is taken from 11 as it is, which
// comes to the same.
func checkDigit(five [5]byte) byte {
	sum := 0
	for i, d := range five {
		sum += (6 - i) * int(d-'0')
	}
	return '0' + byte((11-sum%11)%10)
}

// String returns the six digits, or "" for the zero Municipality.
func (m Municipality) String() string {
	if m.IsZero() {
		return ""
	}
	return string(m.b[:])
}

// Five returns the five-digit form, without check digit.
func (m Municipality) Five() string {
	if m.IsZero() {
		return ""
	}
	return string(m.b[:5])
}

// IsZero reports whether m is no municipality.
func (m Municipality) IsZero() bool { return m == Municipality{} }

// Prefecture returns the prefecture's number, 1 (北海道) to 47 (沖縄県), and 0 for
// the zero Municipality.
func (m Municipality) Prefecture() int {
	if m.IsZero() {
		return 0
	}
	n := int(m.b[0]-'0')*10 + int(m.b[1]-'0')
	if n > 47 {
		return 0
	}
	return n
}

// IsPrefecture reports whether m is a prefecture's own code.
func (m Municipality) IsPrefecture() bool { return !m.IsZero() && string(m.b[2:5]) == "000" }

// PrefectureName returns the prefecture's name in Japanese, such as 東京都.
func (m Municipality) PrefectureName() string { return prefectures[m.Prefecture()] }

var prefectures = [48]string{"",
	"北海道", "青森県", "岩手県", "宮城県", "秋田県", "山形県", "福島県",
	"茨城県", "栃木県", "群馬県", "埼玉県", "千葉県", "東京都", "神奈川県",
	"新潟県", "富山県", "石川県", "福井県", "山梨県", "長野県", "岐阜県", "静岡県", "愛知県",
	"三重県", "滋賀県", "京都府", "大阪府", "兵庫県", "奈良県", "和歌山県",
	"鳥取県", "島根県", "岡山県", "広島県", "山口県",
	"徳島県", "香川県", "愛媛県", "高知県",
	"福岡県", "佐賀県", "長崎県", "熊本県", "大分県", "宮崎県", "鹿児島県", "沖縄県"}

// MarshalText returns the six digits. The zero Municipality is an error.
func (m Municipality) MarshalText() ([]byte, error) {
	if m.IsZero() {
		return nil, &FormError{Field: fieldMunicipality, Rule: RuleMissing, Pos: -1}
	}
	return m.b[:], nil
}

// UnmarshalText is [ParseMunicipality]. On error m is unchanged.
func (m *Municipality) UnmarshalText(text []byte) error {
	return set(m, string(text), ParseMunicipality)
}

// Value stores the six digits as text, and the zero Municipality as NULL.
func (m Municipality) Value() (driver.Value, error) { return column(m) }

// Scan reads a text column as strictly as [ParseMunicipality], and NULL as the
// zero Municipality.
func (m *Municipality) Scan(src any) error { return scan(m, fieldMunicipality, src, ParseMunicipality) }

// ErrUnknownMunicipality means that a code is valid in form, but not in the
// table. It may be wrong: of single wrong digits the check digit lets one in 55
// pass. Or it may be newer than the table.
var ErrUnknownMunicipality = errors.New("mykey: municipality code valid in form, but not in the table")

// MunicipalityTable holds the names of municipalities. Codes come and go with
// mergers, so the program brings the Ministry's list of the day
// ([ReadMunicipalities]); [Prefectures] is what does not change.
type MunicipalityTable map[Municipality]string

// Name returns the name of m. The error wraps [ErrUnknownMunicipality].
func (t MunicipalityTable) Name(m Municipality) (string, error) {
	if name, ok := t[m]; ok {
		return name, nil
	}
	return "", fmt.Errorf("%w: %s", ErrUnknownMunicipality, m)
}

// Prefectures returns a new table of the 47 prefectures' own codes.
func Prefectures() MunicipalityTable {
	t := make(MunicipalityTable, 47)
	for n := 1; n <= 47; n++ {
		m, err := ParseMunicipality5(fmt.Sprintf("%02d000", n))
		if err == nil {
			t[m] = prefectures[n]
		}
	}
	return t
}

// maxMunicipalities bounds the records that ReadMunicipalities reads. There are
// about 1,900.
const maxMunicipalities = 10_000

// ReadMunicipalities reads a table from CSV in UTF-8, with or without a byte
// order mark, in one of two forms that may be mixed:
//
//   - the six-digit code, then the name;
//   - the Ministry's list: the code, the prefecture's name, the municipality's
//     name, and readings in kana. The name in the table is both together,
//     東京都千代田区, because names recur; the line of a prefecture itself has no
//     name of a municipality.
//
// A line is of the second form if its second column is the name of the code's
// own prefecture. Further columns are not looked at. A first line whose code is
// not digits is a heading. The prefectures are in the table in any case. A line
// with a wrong code, without a name, or that says something else of a code
// already read is an error that names the line; more than 10,000 lines
// are an error too.
func ReadMunicipalities(r io.Reader) (MunicipalityTable, error) {
	t, err := readTable(r, "municipalities", "municipality name", maxMunicipalities, ParseMunicipality, municipalityName)
	if err != nil {
		return nil, err
	}
	for m, name := range Prefectures() {
		if _, ok := t[m]; !ok {
			t[m] = name
		}
	}
	return t, nil
}

// municipalityName returns the name of m from the columns after its code, or "".
func municipalityName(m Municipality, columns []string) string {
	switch {
	case len(columns) == 0:
		return ""
	case m.IsPrefecture() || columns[0] != m.PrefectureName():
		return columns[0]
	case len(columns) == 1 || columns[1] == "":
		return "" // no municipality bears its prefecture's name
	}
	return columns[0] + columns[1]
}
