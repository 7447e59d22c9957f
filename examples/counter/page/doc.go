// Package page is the shop's counter as a web page: the clerk's screens of the
// MyKey platform's public design (システム設計書(活用マニュアル概要) II and III) on
// package shop, for a browser on the same machine as the card reader.
//
// # One terminal
//
// A [Page] is one terminal: one [Reader], one name ([Config.Terminal]), one
// browser at a time. [Page.Path] has the key by which a browser gets it; other
// programs of the machine get nothing. Whoever opens it in a second browser is
// asked before the first one ends. Several terminals are several programs, or
// several Pages, on one database.
//
//	p, err := page.New(page.Config{Shop: s, Reader: reader, Terminal: "T-01"})
//	listener, err := net.Listen("tcp", "127.0.0.1:8080")
//	fmt.Println("http://" + listener.Addr().String() + p.Path())
//	err = p.Serve(ctx, listener) // until ctx ends
//
// # The screens
//
//	1  サービスIDの登録      a library or mall number is tied to the card
//	2  サービスIDの照会      the card is tapped, the number is there
//	3  ポイント券発行        points on paper, A4 or a roll of 58 or 80 mm
//	4  ポイント券消込        QR code by keyboard wedge or camera, or the typed number
//	5  合算ポイント受取      merge files: merged, skipped, put aside
//	6  自治体ポイント集計    the settlement by place and terminal, and its files
//	7  マイキーIDの作成・登録
//	8  ポイント利用            the account, the points, the till's discount; undo
//	9  商店街ポイント合算      by card, or by the mall's point card alone
//	A  ポイント券の再発行・取消  a ticket found again after the next customer
//	B  マイキーIDの変更・失効    (IV(8), IV(9))
//	C  以前のマイキーIDの引き継ぎ  a new card for the ID of one that has ended
//	D  住所変更の自動通知        with the explanation that has to be shown (II.9②)
//	E  ポイント付与            the points of [Config.Grants], once to each person
//
// They are forms and links, in Japanese and English. A card shows as it is
// tapped, through server-sent events; without script it shows after a reload,
// and all else works the same. Every screen is used with the keyboard alone, on a
// phone's width as on a counter's, and axe-core finds nothing on any (WCAG 2.2 AA).
//
// # In a hurry
//
// A form that is refused comes back with what was typed and with the focus in the
// field that is at fault; only a PIN and a scanned code are gone. What a
// keyboard-wedge reader adds to a code, or a keyboard's mode makes of it, is
// undone. What it types where a key chooses a screen chooses none.
//
// # A phone as the card
//
// A phone with certificates in it (スマートフォン用電子証明書) shows nothing without its
// PIN, which is asked for on whatever screen is shown. The phone stays in hand
// from when it is seen, so that its PIN goes to it and to no other, and for all
// steps after the PIN: five minutes at most, until it is taken away or another
// browser takes the terminal over.
//
// # The PIN
//
// What spends or binds something demands the holder's PIN in the same step, and
// the card signs. A form carries which presentation of a card it was shown for;
// for another one it is refused before anything is sent. No PIN field takes the
// focus, where a scanner may type; none cuts what is typed; the last try is
// neither asked for nor sent. Whatever belongs to a holder leaves the screen with
// the card.
//
// # What is kept apart
//
// A PIN is typed here, so the page is for this machine: requests from others,
// or under a name that is not this machine's, are refused. A PIN is in the body
// of one request and in no URL, log, history or session. Neither is a MyKey ID,
// a customer number or a ticket's number in any URL or log: the steps of a
// screen hand them on in the session, and each form's answer is a redirect. Each
// form carries a token that only its own session's pages have; scripts, styles
// and pictures come from this program or not at all (Content-Security-Policy).
//
// A step that changes something reads the card again. Another card than the one
// that the screen is about is refused by [registry.Session], and the visit is over.
package page
