package simcard

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"
)

// jst is Japan Standard Time (日本標準時), which has no summer time. A fixed
// zone needs no time zone database.
var jst = time.FixedZone("JST", 9*60*60)

// Sex is the sex as the card writes it, one digit.
type Sex uint8

// The values of [Sex].
const (
	SexUnknown    Sex = 0
	Male          Sex = 1
	Female        Sex = 2
	NotApplicable Sex = 9
)

// A Holder is the person on a card. It is plain data; the zero value is a
// person about whom nothing is known. Strings that are not UTF-8 are repaired
// with U+FFFD where they are written to the card.
//
// Printed through fmt, log/slog or encoding/json a Holder is "[redacted]":
// nothing stops a program from putting a real person here.
type Holder struct {
	// Name (氏名) is family name, U+3000 and given name.
	Name string
	// NameSubstitutes marks the characters of Name that stand in for ones
	// outside the character set (代替文字): '1' for such a character, '0' for
	// any other. Empty means that there are none.
	NameSubstitutes string

	// Address (住所), usually with full-width digits.
	Address string
	// AddressSubstitutes is to Address what NameSubstitutes is to Name.
	AddressSubstitutes string

	// Birth is the date of birth (生年月日): the date in its own time zone.
	// The zero time is a date that is not known.
	Birth time.Time

	// Sex (性別).
	Sex Sex

	// Prefecture and City are where the certificate was asked for, in Roman
	// letters, such as "Tokyo-to" and "Kiyose-shi".
	Prefecture, City string

	// Municipality is the five-digit code of the municipality
	// (市区町村コード), such as "13221".
	Municipality string

	// specimen marks SampleHolder(0), whose card bears specimenSerials.
	specimen bool
}

// specimenSerials are the serial numbers, for user authentication and for
// digital signature, that stand as examples in the system design of the MyKey
// platform (システム設計書(活用マニュアル概要) II.9③).
var specimenSerials = [...]int64{0x030D45, 0x0249FB}

// Format prints "[redacted]" for every verb.
func (Holder) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// LogValue gives "[redacted]".
func (Holder) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON gives "[redacted]".
func (Holder) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

const redacted = "[redacted]"

// SampleHolder makes the n-th of the invented holders. The same n always gives
// the same person, another n another one. Holder 0 is who a card belongs to
// when nothing else is said; unless [WithIssued] says otherwise, the serial
// numbers of that plastic card are the platform's own examples, 030D45 for user
// authentication and 0249FB for digital signature.
func SampleHolder(n uint) Holder {
	family := [...]string{"試験", "見本", "架空", "仮名", "例示", "模擬", "想定", "検査"}
	given := [...]string{"太郎", "花子", "一郎", "桜", "次郎", "梅", "三郎", "菊"}
	h := Holder{
		Name:         family[n%8] + "　" + given[(n+n/8)%8],
		Address:      "東京都千代田区霞が関９丁目" + fullWidth(n/99+1) + "番" + fullWidth(n%99+1) + "号",
		Birth:        time.Date(1985, time.April, 12, 0, 0, 0, 0, jst).AddDate(0, 0, int(n%64)*173),
		Sex:          Male,
		Prefecture:   "Tokyo-to",
		City:         "Chiyoda-ku",
		Municipality: "13101",
		specimen:     n == 0,
	}
	if (n+n/8)%2 == 1 {
		h.Sex = Female
	}
	return h
}

// sampleChild is the holder of a child's card when nothing else is said.
func sampleChild() Holder {
	h := SampleHolder(1)
	h.Birth = time.Date(2019, time.June, 1, 0, 0, 0, 0, jst)
	return h
}

// fullWidth writes n in the digits U+FF10 to U+FF19.
func fullWidth(n uint) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, fmt.Sprint(n))
}

// birthCode is the date of birth in the sign certificate: a digit for the era
// (1 Meiji, 2 Taisho, 3 Showa, 4 Heisei, 5 Reiwa, 0 unknown) and the date in
// the Gregorian calendar, YYYYMMDD.
func (h *Holder) birthCode() string {
	if h.Birth.IsZero() {
		return "000000000"
	}
	// The first day of each era; an era has no day in common with the next.
	eras := [...]struct {
		digit byte
		from  string
	}{{'5', "20190501"}, {'4', "19890108"}, {'3', "19261225"}, {'2', "19120730"}, {'1', "18680125"}}
	day := h.Birth.Format("20060102")
	for _, era := range eras {
		if len(day) == 8 && day >= era.from {
			return string(era.digit) + day
		}
	}
	return "0" + day
}

// substitutes gives flags, or as many zeros as text has characters.
func substitutes(flags, text string) string {
	if flags != "" {
		return flags
	}
	return strings.Repeat("0", utf8.RuneCountInString(text))
}

// fifthBirthday is the fifth birthday after issued, the last day of a
// certificate. Who was born on 29 February has it on the 28th in other years.
// Where the date of birth is not known the day of issue stands for it.
func (h *Holder) fifthBirthday(issued time.Time) time.Time {
	year, month, day := issued.In(jst).Date()
	birthMonth, birthDay := month, day
	if !h.Birth.IsZero() {
		_, birthMonth, birthDay = h.Birth.Date()
	}
	if birthMonth > month || birthMonth == month && birthDay > day {
		year-- // the birthday of this year is the first of the five
	}
	year += 5
	if birthMonth == time.February && birthDay == 29 && time.Date(year, 2, 29, 0, 0, 0, 0, jst).Day() != 29 {
		birthDay = 28
	}
	return time.Date(year, birthMonth, birthDay, 23, 59, 59, 0, jst)
}
