package unlock_test

import (
	"fmt"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/unlock"
)

// What to tell the holder of a locked PIN.
func Example() {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	best := unlock.Ways(jpki.SignPIN, now)[0]
	fmt.Println(best.Place, "by who knows the", best.Other, "since", best.KnownSince, "at the latest")
	for _, way := range unlock.Ways(jpki.TextPIN, now) {
		fmt.Println(way.Text(jpki.Japanese))
		fmt.Println(way.Text(jpki.English))
	}
	// Output:
	// kiosk by who knows the auth PIN since 2022-03-31 at the latest
	// 券面事項入力補助用の暗証番号（数字4桁）は、お住まいの市区町村の窓口で初期化・再設定ができます。マイナンバーカードと本人確認書類をお持ちください。
	// The PIN for card-face data entry (4 digits) can be reset at the counter of the municipality where you live. Bring the card and another proof of identity.
}

func ExampleCheckKiosk() {
	jst := time.FixedZone("JST", 9*60*60)
	reserved := time.Date(2026, 11, 21, 22, 0, 0, 0, jst)
	fmt.Println(unlock.CheckKiosk(reserved, time.Date(2026, 11, 21, 23, 0, 0, 0, jst)))
	fmt.Println(unlock.CheckKiosk(reserved, time.Date(2026, 11, 21, 23, 1, 0, 0, jst)))
	for _, visit := range unlock.KioskVisits(reserved) {
		fmt.Println(visit.From.Format("2 Jan 15:04"), "to", visit.To.Format("2 Jan 15:04"))
	}
	// Output:
	// <nil>
	// unlock: the kiosk is open from 06:30 to 23:00
	// 21 Nov 22:00 to 21 Nov 23:00
	// 22 Nov 06:30 to 22 Nov 22:00
}

// What the holder of a locked sign PIN is told of the kiosk: what it takes, what
// to bring, when, and what it costs.
func ExampleWay_Text() {
	way := unlock.Ways(jpki.SignPIN, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))[0]
	fmt.Println(way.Text(jpki.Japanese))
	fmt.Println(way.Text(jpki.English))
	// Output:
	// 署名用電子証明書の暗証番号（英数字6〜16桁）の初期化・再設定は、コンビニエンスストア等のキオスク端末でできます（無料）。先に、スマートフォンの専用アプリで利用者証明用電子証明書の暗証番号（数字4桁）を入力し、顔認証をして予約します。予約から24時間以内（6:30〜23:00）に、対応する店舗で手続きしてください。
	// The password for digital signature (6 to 16 letters and digits) can be reset at a kiosk in a convenience store, free of charge. Reserve with the app on a phone, by PIN for user authentication (4 digits) and face recognition; then go to the kiosk within 24 hours, between 06:30 and 23:00. Not every store offers it.
}
