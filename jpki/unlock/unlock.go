// Package unlock holds the rules and texts about resetting a locked PIN of an
// Individual Number Card. [Ways] returns the ways that are open at a time, and
// [Way.Text] their text for a screen. [CheckKiosk] and [KioskVisits] return when a
// kiosk can be used.
//
// The rules are those of public notices and carry their dates. They change
// more often than the card: take the newest version of this module. On a phone
// the rules of its operating system apply instead.
package unlock

import (
	"fmt"
	"time"

	"github.com/mynakit/mynakit/jpki"
)

// A Place is where a locked PIN can be reset.
type Place uint8

// The places.
const (
	MunicipalCounter Place = iota + 1 // 市区町村の窓口
	Kiosk                             // キオスク端末 of a convenience store or supermarket
)

// String returns "municipal counter" or "kiosk".
func (p Place) String() string {
	switch p {
	case MunicipalCounter:
		return "municipal counter"
	case Kiosk:
		return "kiosk"
	}
	return fmt.Sprintf("Place(%d)", uint8(p))
}

// A Way is one way to have a locked PIN reset. No reader and no program of an
// integrator can do it.
type Way struct {
	PIN   jpki.PINKind
	Place Place

	// Other is the PIN that the holder has to know for it, 0 for none. Holders
	// who have locked both go to the counter.
	Other jpki.PINKind

	// KnownSince is the first day on which a public notice shows this way to be
	// open; it may have been open before. The zero Date means that the way has
	// been open for as long as there are cards.
	KnownSince jpki.Date
}

// Ways returns the ways to have pin reset at the time at, the best for the
// holder first. It returns no way for an unknown kind. The table is as of this
// version of the module:
//
//   - Every PIN at the counter of the municipality.
//   - The sign PIN at a kiosk by holders who know the auth PIN: open by
//     2022-03-31, when notices of municipalities of that month describe it. The
//     notices exclude PINs of 4 digits.
//   - The auth PIN at a kiosk by holders who know the sign PIN: open by
//     2024-08-07, the date of a notice of Osakasayama city. Fewer stores offer
//     it.
//   - Text and juki PIN at the counter alone.
//
// No public source that is used here states when the kiosks opened, hence
// [Way.KnownSince]. For the keys that are printed on the card no procedure is
// published. One holder reports that the kiosk does not reset them, so Ways
// returns the municipality, which alone can write to cards.
func Ways(pin jpki.PINKind, at time.Time) []Way {
	if pin.Application() == 0 {
		return nil
	}
	var ways []Way
	kiosk := Way{PIN: pin, Place: Kiosk}
	switch pin {
	case jpki.SignPIN:
		kiosk.Other, kiosk.KnownSince = jpki.AuthPIN, dated(2022, time.March, 31)
	case jpki.AuthPIN:
		kiosk.Other, kiosk.KnownSince = jpki.SignPIN, dated(2024, time.August, 7)
	}
	if kiosk.Other != 0 && jpki.DateOf(at).Compare(kiosk.KnownSince) >= 0 {
		ways = append(ways, kiosk)
	}
	return append(ways, Way{PIN: pin, Place: MunicipalCounter})
}

// dated returns a date of the table.
func dated(year int, month time.Month, day int) jpki.Date {
	return jpki.DateOf(time.Date(year, month, day, 0, 0, 0, 0, jst()))
}

// jst returns Japan Standard Time, which has no summer time. A fixed zone needs
// no time zone database.
func jst() *time.Location { return time.FixedZone("JST", 9*60*60) }

// Text returns a sentence or two for a screen on how to go about it. It returns
// "" for a Way without a place.
func (w Way) Text(l jpki.Language) string {
	label := w.PIN.Label(l)
	switch {
	case w.Place == MunicipalCounter && l == jpki.Japanese:
		return label + "は、お住まいの市区町村の窓口で初期化・再設定ができます。マイナンバーカードと本人確認書類をお持ちください。"
	case w.Place == MunicipalCounter:
		return "The " + label + " can be reset at the counter of the municipality where you live. Bring the card and another proof of identity."
	case w.Place == Kiosk && l == jpki.Japanese:
		return label + "の初期化・再設定は、コンビニエンスストア等のキオスク端末でできます（無料）。先に、スマートフォンの専用アプリで" +
			w.Other.Label(l) + "を入力し、顔認証をして予約します。予約から24時間以内（6:30〜23:00）に、対応する店舗で手続きしてください。"
	case w.Place == Kiosk:
		return "The " + label + " can be reset at a kiosk in a convenience store, free of charge. Reserve with the app on a phone, by " +
			w.Other.Label(l) + " and face recognition; then go to the kiosk within 24 hours, between 06:30 and 23:00. Not every store offers it."
	}
	return ""
}
