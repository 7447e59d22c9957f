// Package paper prints point tickets (ポイント券): [Slip.SVG] draws one,
// [WriteHTML] writes a page with three to a sheet of A4, and [Slip.ESCPOS]
// returns the bytes for a receipt printer.
//
// # What is on it
//
// A ticket has its title, the issuer, the points, the last day (有効期限) and
// the number (発券番号), such as 9876-5432, with an optional check digit. The QR
// code has four modules of white around it. There are two frames: one for the
// issuer's seal (発行認印), against forgery, and one for the shop's
// (利用店舗印), against double use (システム設計書(活用マニュアル概要) II.11②).
// A reprint is marked (再発行).
//
//	text, err := book.QR(t)
//	slip := paper.Slip{Ticket: t, QR: ticket.NewCode(text), Issuer: "あおば商店街"}
//	err = paper.WriteHTML(w, slip)
//	receipt, err := slip.ESCPOS(paper.Roll80mm)
//
// A [Receipt] (控え) records on paper that points were used, given back, or
// redeemed with a ticket. It has the same two forms. It is never an invoice.
//
// # Fonts and safety
//
// The page fetches nothing. It names the Japanese fonts that come with Windows,
// macOS, Android and Linux, and a policy in it forbids every other source. All
// texts are escaped. A text that cannot be printed, with a control character or
// one outside a receipt printer's Shift_JIS, is a [*TextError].
//
// The output holds a live number. Treat it as money: do not log or keep it.
package paper
