package unlock

import (
	"fmt"
	"time"

	"github.com/mynakit/mynakit/jpki"
)

// The rules of the kiosks. CheckKiosk names their source.
const (
	kioskOpens     = 6*time.Hour + 30*time.Minute
	kioskCloses    = 23 * time.Hour
	kioskReserved  = 24 * time.Hour
	kioskDayLength = 24 * time.Hour // Japan has no summer time
)

// A KioskReason is the reason why a kiosk cannot reset a PIN.
type KioskReason uint8

// The reasons.
const (
	KioskClosed        KioskReason = iota + 1 // before 06:30 or after 23:00 in Japan
	ReservationExpired                        // more than 24 hours old
	ReservationAhead                          // in the future: some clock is wrong
)

// A KioskError is returned when a kiosk cannot reset a PIN at the time.
type KioskError struct{ Reason KioskReason }

// Error returns the reason.
func (e *KioskError) Error() string { return "unlock: " + e.Text(jpki.English) }

// Text returns the reason for a screen.
func (e *KioskError) Text(l jpki.Language) string {
	ja, en := "", ""
	switch e.Reason {
	case KioskClosed:
		ja, en = "キオスク端末で手続きできる時間は6:30から23:00までです。", "the kiosk is open from 06:30 to 23:00"
	case ReservationExpired:
		ja, en = "予約から24時間を過ぎました。アプリで予約し直してください。", "the reservation is older than 24 hours: reserve again with the app"
	case ReservationAhead:
		ja, en = "予約日時が現在より後になっています。時計を確認してください。", "the reservation is in the future: check the clock"
	default:
		return fmt.Sprintf("KioskReason(%d)", uint8(e.Reason))
	}
	if l == jpki.Japanese {
		return ja
	}
	return en
}

// CheckKiosk returns a [*KioskError] if a kiosk cannot reset a PIN at the time
// at, and nil otherwise. The reservation was made with the app at the time
// reserved and holds for 24 hours, to the instant. Kiosks are open from 06:30:00
// to 23:00:00 JST, both ends included (「本サービスの利用手順」別紙 STEP 2①, 備考).
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

// midnight returns the beginning of the day on which t falls in Japan.
func midnight(t time.Time) time.Time {
	y, m, d := t.In(jst()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, jst())
}

// A KioskVisit is a span in which a kiosk resets a PIN, both ends included.
type KioskVisit struct{ From, To time.Time }

// KioskVisits returns when a kiosk can be visited after a reservation made at
// the time reserved: one or two spans, in JST.
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
