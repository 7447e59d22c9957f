// Package paper puts point tickets (ポイント券) on paper: as an SVG drawing,
// as an HTML page that prints three to a sheet of A4, and as ESC/POS bytes
// for a receipt printer.
//
// # What is on it
//
// The title and the issuer, the points, the last day (有効期限), the number
// (発券番号) as 9876-5432 with a check digit behind it if wanted, the QR code
// with four modules of white around it, and two frames: one for the issuer's
// seal (発行認印), against forgery, and one for the shop's (利用店舗印),
// against double use, as the public design document asks
// (システム設計書(活用マニュアル概要) II.11②). A reprint says so (再発行).
//
//	text, err := book.QR(t)
//	err = paper.WriteHTML(w, paper.Slip{Ticket: t, QR: text, Issuer: "あおば商店街"})
//
// # Fonts and safety
//
// Nothing is fetched: the page names the Japanese fonts that Windows, macOS,
// Android and Linux bring along, and forbids itself every other source. All
// texts are escaped. What cannot be printed (a control character, or one that
// a receipt printer's Shift_JIS does not have) is a [*TextError], never a
// question mark on a ticket.
//
// The output holds a live number. Treat it as money: do not log or keep it.
package paper
