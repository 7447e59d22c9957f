// Package grant supports a municipality that grants points to people who come to
// something (いわゆる行政ポイントとしての自治体ポイント付与業務, システム設計書 V). Most programs
// need [Open] and [Office.Import] at the office, [OpenDevice] and [Device.Tap] at
// the venue, and [Office.Receive] for what the devices send.
//
// # At the office
//
// An [Office] keeps programmes (ポイント付与事業) and their rosters (対象者名簿) in the
// program's database. A roster comes as a file of ten columns or row by row.
// What a device gets of it is MyKey IDs alone ([Office.IDs]). Who comes without
// the card is found by the programme's items ([Office.Match]) and granted by hand
// ([Office.Grant]).
//
// # At the venue
//
// A [Device] (持ち歩き用ポイント付与アプリ) has a database of its own and works without a
// network. A tap is on its disk before Tap returns. The serial number of a card is sealed to the
// office's public key, so that a device that is lost reveals nobody; a second
// tap of the same person is found by a MAC whose key comes from a passphrase
// that is typed at each start and never stored.
//
// # Sending
//
// [Device.Chunk] returns taps that have no verdict, and [Office.Receive] judges
// each of them once, however often the chunk comes: the points are credited in
// the transaction that stores the verdict. [Device.Answer] stores the verdicts.
// A person is granted points once for each programme, or for each session of
// it, whatever the device and also after a change of the MyKey ID. A [Chunk] and an
// [Answer] can be sent as JSON.
//
// [Office.Gaps] lists the devices of which something is missing, [Office.Waiting]
// the taps that staff have to look at, and [Office.Tally] what was granted.
package grant
