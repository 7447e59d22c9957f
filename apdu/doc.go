// Package apdu sends ISO/IEC 7816-4 commands to a smart card and parses its
// responses and status words. Most programs leave that to package jpki. A
// program with commands of its own needs a [Transmitter], such as a card of
// apdu/pcsc, and two calls:
//
//	channel := apdu.Channel{Transmitter: card}
//	response, err := channel.Send(ctx, &apdu.Command{INS: apdu.InsReadBinary, P1: 0x8A, Ne: 36})
//
// # The subject
//
// A card answers one command at a time. A command APDU begins with a four-byte
// header (CLA INS P1 P2). A length Lc with that many bytes of data may follow, and
// Le, the number of bytes expected back. A response APDU is data followed by a
// two-byte status word such as 90 00. Lengths come in two
// forms: short (one byte, up to 255 in and 256 back) and extended (up to
// 65,535 in and 65,536 back).
//
//	00 A4 04 0C 0A D392F000260100000001    SELECT by AID, no data back
//	00 B0 8A 00 24                         READ BINARY, file 0A, 36 bytes
//
// # The pieces
//
//   - [Command] and [Response] encode and parse both forms to the byte. The
//     parsers do not allocate: what they return points into their input.
//   - [Status] is a status word and an error at once. A failed command is a
//     [*StatusError]; [errors.Is] and [errors.As] look through it.
//   - [Transmitter] is a card: one method, which [scard.Card] already has. A
//     [ContextTransmitter] can also honour a context and reuse memory, a
//     [Transactor] keeps other programs away, and a [Reconnector] takes up a
//     card again that another program has reset.
//   - [Channel] sends commands and does what the card asks for on the way:
//     GET RESPONSE on 61xx, the right Le on 6Cxx, command chaining, short
//     length if extended length is refused.
//   - [Tracer] writes each exchange to [log/slog] and masks PINs, keys and
//     everything that was read.
//
// # PINs are sent once
//
// A wrong PIN uses up a try of the holder's, and the last one locks the PIN. A
// Channel therefore sends a command that carries a PIN once, whatever the card
// answers: see [Command.CarriesSecret].
//
// Sub-packages: [tlv] reads BER-TLV, [pcsc] is a PC/SC reader, [vpcd] puts a
// software card into a PC/SC daemon.
//
// [scard.Card]: https://pkg.go.dev/github.com/ebfe/scard#Card
// [tlv]: https://pkg.go.dev/github.com/mynakit/mynakit/apdu/tlv
// [pcsc]: https://pkg.go.dev/github.com/mynakit/mynakit/apdu/pcsc
// [vpcd]: https://pkg.go.dev/github.com/mynakit/mynakit/apdu/vpcd
package apdu
