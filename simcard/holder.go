package simcard

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/simcard/internal/photo"
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
	hidden

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

	// MyNumber (個人番号) is the Individual Number, and with it the 照合番号A.
	// For a holder who has none [New] invents one from the rest.
	MyNumber MyNumber

	// Expiry (有効期限) is the last day of the card: the date in its own time
	// zone. For the zero time New takes the tenth birthday after the issue of
	// the card, or the fifth for a holder who was under 18.
	Expiry time.Time

	// SecurityCode (セキュリティコード) is the four digits beside the expiry on
	// the card's face. For a holder who has none New invents one from the rest.
	SecurityCode string

	// Foreign marks a foreign resident (外国人住民). The card's face shows such a
	// holder's dates in the Gregorian calendar, and what is made from them
	// follows: [Holder.NumberB], [Holder.BirthKey], and the date of birth in the
	// sign certificate, which has no era.
	Foreign bool

	// Photo (顔写真) is a JPEG 2000 picture in the JP2 container, at most some 30
	// kB: it stands in a file of 32,767 bytes at the most, with the rest of the
	// face. It is a string so that holders can be compared. Without one the card
	// has a drawing that shows nobody.
	Photo string

	// specimen marks SampleHolder(0), whose card bears specimenSerials.
	specimen bool
}

// specimenSerials are the serial numbers, for user authentication and for
// digital signature, that stand as examples in the system design of the MyKey
// platform (システム設計書(活用マニュアル概要) II.9③).
var specimenSerials = [...]int64{0x030D45, 0x0249FB}

// A hidden struct shows as [redacted] wherever it is printed, logged or encoded.
type hidden = secret.Hidden

// SampleHolder creates the n-th of the invented holders. The same n always gives
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
		MyNumber:     SampleMyNumber(123456789 + n*7919),
		SecurityCode: fmt.Sprintf("%04d", (2468+n*37)%10000),
		specimen:     n == 0,
	}
	if (n+n/8)%2 == 1 {
		h.Sex = Female
	}
	return h
}

// SampleForeigner creates the n-th of the invented foreign residents: a holder
// with [Holder.Foreign] set and a name in Latin letters. The same n always
// gives the same person.
func SampleForeigner(n uint) Holder {
	family := [...]string{"SPECIMEN", "EXAMPLE", "INVENTED", "PLACEHOLDER"}
	given := [...]string{"ALEX", "MARIA JOSE", "KIM", "O'NEIL PAT"}
	h := SampleHolder(n + 1)
	h.Name = family[n%4] + " " + given[(n+n/4)%4]
	h.Foreign = true
	h.MyNumber = SampleMyNumber(987654321 - n%1e8)
	return h
}

// NumberA returns 照合番号A, which opens files of both card-face applications: the
// twelve digits of the My Number, or "" without one.
func (h Holder) NumberA() string { return h.MyNumber.Digits() }

// NumberB returns 照合番号B, 14 digits that stand on the card's face: the date of
// birth as YYMMDD, the year of expiry, the security code. YY is the year of the
// Japanese era, or for a foreign resident the last two digits of the Gregorian
// year (an assumption: it is what such a card's face shows). It is "" where the
// expiry or the security code is missing; the holder that [Card.Holder] returns
// has both.
func (h Holder) NumberB() string {
	if h.Expiry.IsZero() || h.SecurityCode == "" {
		return ""
	}
	return h.shortBirth() + day(h.Expiry)[:4] + h.SecurityCode
}

// BirthKey returns the key of the age record (生年月日, file 0011 of 券面事項確認):
// the date of birth as YYMMDD, with the same years as [Holder.NumberB].
func (h Holder) BirthKey() string { return h.shortBirth() }

// complete returns h with what New invents for a holder who lacks it.
func (h Holder) complete(seed [32]byte, issued time.Time) Holder {
	if h.MyNumber == (MyNumber{}) {
		h.MyNumber = SampleMyNumber(uint(binary.BigEndian.Uint32(seed[16:])))
	}
	if h.SecurityCode == "" {
		h.SecurityCode = fmt.Sprintf("%04d", binary.BigEndian.Uint16(seed[20:])%10000)
	}
	if h.Expiry.IsZero() {
		h.Expiry = h.cardEnd(issued)
	}
	if h.Photo == "" {
		h.Photo = photo.JP2
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

// substitutes returns flags, or as many zeros as text has characters.
func substitutes(flags, text string) string {
	if flags != "" {
		return flags
	}
	return strings.Repeat("0", utf8.RuneCountInString(text))
}
