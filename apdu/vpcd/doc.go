// Package vpcd speaks the wire protocol of the virtual smart card reader vpcd
// (Debian package vsmartcard-vpcd), both ends of it.
//
// # A software card in a real reader
//
// vpcd is a driver of the PC/SC daemon pcscd. It listens on TCP port 35963
// for the first slot and 35964 for the second. Whatever connects is the card.
// [Insert] puts a [Card] there, and every PC/SC client of the machine sees it
// in the reader "Virtual PCD 00 00" within half a second:
//
//	slot, err := vpcd.Insert(ctx, vpcd.DefaultAddr, card)
//	…
//	defer slot.Remove()
//
// A slot takes one card. The kernel accepts a second one, which then waits in
// silence until the first leaves. Insert detects that and returns
// [ErrSlotTaken].
//
// # A phone as the reader
//
// This package can also listen as vpcd does. [Listen] waits for a card. The app
// Remote Smart Card Reader on a phone scans the address from [Listener.URL] as a
// QR code, and connects the card that is held to the phone. [Listener.Accept]
// returns a [Remote], which is an [apdu.Transmitter]. A browser, a port scanner
// or a phone without a card may connect meanwhile: it neither ends the wait nor
// keeps the card out.
//
// The link is plain TCP without any authentication. PIN, certificates and
// personal data travel on it in the clear, and whatever connects first is the
// card. Listen therefore refuses any address that is not loopback, unless
// [AllowNetwork] is given. Use it on a network that you own.
//
// # The protocol
//
// Each message is a two-byte big-endian length and that many bytes. From the
// reader, one byte is a control code: 0 power off, 1 power on, 2 reset, 4 asks
// for the ATR. Anything longer is a command APDU. The card answers APDUs with
// response APDUs and code 4 with its ATR. The other codes have no answer.
//
// Debian's vpcd writes length and body separately, which costs 40 ms an exchange
// with delayed acknowledgements. On Linux this package acknowledges at once, and
// it writes each message whole. That makes thousands of exchanges a second
// instead of twenty.
package vpcd
