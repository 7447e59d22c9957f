package jpki

import (
	"fmt"
	"time"
)

// A Language is the language of a text for a screen.
type Language uint8

// The languages of texts. Any other value gives English.
const (
	English Language = iota + 1
	Japanese
)

// Label gives the name of a PIN as its holder knows it, for a screen.
func (k PINKind) Label(l Language) string {
	ja, en := "", ""
	switch k {
	case AuthPIN:
		ja, en = "利用者証明用電子証明書の暗証番号(数字4桁)", "PIN for user authentication (4 digits)"
	case SignPIN:
		ja, en = "署名用電子証明書の暗証番号(英数字6〜16桁)", "password for digital signature (6 to 16 letters and digits)"
	case TextPIN:
		ja, en = "券面事項入力補助用の暗証番号(数字4桁)", "PIN for card-face data entry (4 digits)"
	case JukiPIN, CommonPIN:
		ja, en = "住民基本台帳用の暗証番号(数字4桁)", "PIN for the resident register (4 digits)"
	case TextNumberA, VisualNumberA:
		ja, en = "照合番号A(個人番号)", "verification number A (My Number)"
	case TextNumberB, VisualNumberB:
		ja, en = "照合番号B(生年月日・有効期限・セキュリティコード)", "verification number B (birth date, expiry, security code)"
	case BirthDateKey:
		ja, en = "生年月日", "birth date"
	default:
		return k.String()
	}
	if l == Japanese {
		return ja
	}
	return en
}

// An UnlockPlace is where a locked PIN can be reset.
type UnlockPlace uint8

// The places.
const (
	MunicipalCounter UnlockPlace = iota + 1 // 市区町村の窓口
	Kiosk                                   // キオスク端末 of a convenience store or supermarket
)

// String gives "municipal counter" or "kiosk".
func (p UnlockPlace) String() string {
	switch p {
	case MunicipalCounter:
		return "municipal counter"
	case Kiosk:
		return "kiosk"
	}
	return fmt.Sprintf("UnlockPlace(%d)", uint8(p))
}

// An Unlock is one way to have a locked PIN reset. No reader and no program of
// an integrator's can do it.
type Unlock struct {
	PIN   PINKind
	Place UnlockPlace

	// Other is the PIN that the holder has to know for it, 0 for none. Who has
	// locked both has to go to the counter.
	Other PINKind

	// KnownSince is the first day on which a public notice shows this way to be
	// open; it may have been open before. The zero value stands for as long as
	// there are cards.
	KnownSince Date
}

// UnlockWays gives the ways to have pin reset at the time at, the best for the
// holder first. The table is as of this version of the module:
//
//   - Every PIN at the counter of the municipality, since there are cards.
//   - The sign PIN at a kiosk by who knows the auth PIN: open by 2022-03-31,
//     when notices of municipalities of that month describe it, with the remark
//     that PINs of 4 digits are left out.
//   - The auth PIN at a kiosk by who knows the sign PIN: open by 2024-08-07, the
//     date of a notice of Osakasayama city, in fewer stores than the other.
//   - Text and juki PIN at the counter alone.
//
// When the kiosks opened for each is not stated in a public source that is
// used here, hence [Unlock.KnownSince]. For the keys that are printed on the
// card no procedure is published; one holder's account says that the kiosk does
// not help, and the municipality, which alone can write to cards, is given. An
// unknown kind has no way. On a phone the operating system's own rules hold and
// not these.
func UnlockWays(pin PINKind, at time.Time) []Unlock {
	if _, ok := pin.rule(); !ok {
		return nil
	}
	var ways []Unlock
	kiosk := Unlock{PIN: pin, Place: Kiosk}
	switch pin {
	case SignPIN:
		kiosk.Other, kiosk.KnownSince = AuthPIN, Date{2022, 3, 31}
	case AuthPIN:
		kiosk.Other, kiosk.KnownSince = SignPIN, Date{2024, 8, 7}
	}
	if kiosk.Other != 0 && DateOf(at).Compare(kiosk.KnownSince) >= 0 {
		ways = append(ways, kiosk)
	}
	return append(ways, Unlock{PIN: pin, Place: MunicipalCounter})
}

// Text says in a sentence or two how to go about it, for a screen; "" for an
// Unlock without a place.
func (u Unlock) Text(l Language) string {
	label := u.PIN.Label(l)
	switch {
	case u.Place == MunicipalCounter && l == Japanese:
		return label + "は、お住まいの市区町村の窓口で再設定できます。マイナンバーカードと本人確認書類をお持ちください。"
	case u.Place == MunicipalCounter:
		return "The " + label + " can be reset at the counter of the municipality where you live. Bring the card and another proof of identity."
	case u.Place == Kiosk && l == Japanese:
		return label + "は、コンビニエンスストア等のキオスク端末で再設定できます(無料)。スマートフォンの専用アプリで" +
			u.Other.Label(l) + "の入力と顔認証により予約し、予約から24時間以内、6:30から23:00までの間に端末で手続きしてください。店舗により対応していないことがあります。"
	case u.Place == Kiosk:
		return "The " + label + " can be reset at a kiosk in a convenience store, free of charge. Reserve with the app on a phone, by " +
			u.Other.Label(l) + " and face recognition; then go to the kiosk within 24 hours, between 06:30 and 23:00. Not every store offers it."
	}
	return ""
}

// The rules of the kiosks, as stated in 「本サービスの利用手順」別紙 STEP 2① and
// 備考: within 24 hours of the reservation, from 6:30 to 23:00.
const (
	kioskOpens     = 6*time.Hour + 30*time.Minute
	kioskCloses    = 23 * time.Hour
	kioskReserved  = 24 * time.Hour
	kioskDayLength = 24 * time.Hour // Japan has no summer time
)

// A KioskReason says why a kiosk does not take a holder.
type KioskReason uint8

// The reasons.
const (
	KioskClosed        KioskReason = iota + 1 // before 06:30 or after 23:00 in Japan
	ReservationExpired                        // more than 24 hours old
	ReservationAhead                          // in the future: some clock is wrong
)

// A KioskError says that a PIN cannot be reset at a kiosk at the moment.
type KioskError struct{ Reason KioskReason }

// Error gives the reason.
func (e *KioskError) Error() string { return "jpki: " + e.Text(English) }

// Text gives the reason for a screen.
func (e *KioskError) Text(l Language) string {
	ja, en := "", ""
	switch e.Reason {
	case KioskClosed:
		ja, en = "キオスク端末で手続きできる時間は6:30から23:00までです。", "the kiosk is open from 06:30 to 23:00"
	case ReservationExpired:
		ja, en = "予約から24時間を過ぎました。アプリで予約し直してください。", "the reservation is older than 24 hours: reserve again with the app"
	case ReservationAhead:
		ja, en = "予約の日時が未来になっています。時計を確かめてください。", "the reservation is in the future: check the clock"
	default:
		return fmt.Sprintf("KioskReason(%d)", uint8(e.Reason))
	}
	if l == Japanese {
		return ja
	}
	return en
}

// CheckKiosk reports whether a kiosk resets a PIN at the time at, after a
// reservation made with the app at the time reserved: nil, or a [*KioskError].
// It is open from 06:30:00 to 23:00:00 in Japan, both included, and a
// reservation holds for 24 hours to the instant.
func CheckKiosk(reserved, at time.Time) error {
	switch {
	case at.Before(reserved):
		return &KioskError{ReservationAhead}
	case at.Sub(reserved) > kioskReserved:
		return &KioskError{ReservationExpired}
	}
	if since := at.Sub(midnight(at)); since < kioskOpens || since > kioskCloses {
		return &KioskError{KioskClosed}
	}
	return nil
}

// midnight gives the beginning of the day on which t falls in Japan.
func midnight(t time.Time) time.Time {
	y, m, d := t.In(jst()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, jst())
}

// A KioskVisit is a span in which a kiosk resets a PIN, both ends included.
type KioskVisit struct{ From, To time.Time }

// KioskVisits gives when a kiosk can be visited after a reservation made at the
// time reserved: one span or two, in Japan Standard Time.
func KioskVisits(reserved time.Time) []KioskVisit {
	var visits []KioskVisit
	ends := reserved.Add(kioskReserved)
	for day := midnight(reserved); !day.After(ends); day = day.Add(kioskDayLength) {
		v := KioskVisit{day.Add(kioskOpens), day.Add(kioskCloses)}
		if v.From.Before(reserved) {
			v.From = reserved.In(jst())
		}
		if v.To.After(ends) {
			v.To = ends.In(jst())
		}
		if !v.From.After(v.To) {
			visits = append(visits, v)
		}
	}
	return visits
}
