// Package tape records what a program and a card say to each other, and plays
// the card's part again: a session with a real card becomes a test that needs
// none.
//
//	recorder := tape.Record(card, file) // once, with the card in the reader
//	player, err := tape.Play(file)      // from then on
//
// Both are an [apdu.ContextTransmitter]. The player is strict: commands must
// come as they were recorded, in their order, and each other one is a
// [*MismatchError] that names the line. At the end [Player.Done] reports whether
// all was played.
//
// # What is on a tape
//
// A tape is text, a line for each command and each reply, so that one can read
// what happened and correct it by hand:
//
//	mynakit tape 1
//	atr 3BE000FF8131FE4514
//	# a comment
//	> 00A4040C0AD392F000260100000001
//	< 9000
//	> 00200098 [*]
//	< 63C2
//	> 802A0097 [51] Le=256
//	< [256] 9000
//	> 00B08A0024
//	< 3082048C30820374A003020102020301010130 [17] 9000
//	> 00B0860010
//	! removed
//
// # What is not
//
// A tape is made to be kept, and so it must not hold a person. What stands in
// brackets was masked: [51] is 51 bytes, [*] is any number, because the length
// of a PIN is a secret too. It cannot be brought back.
//
// The data of commands that present or set a PIN or a key is masked always;
// there is no way to record it. All other data, both ways, is masked but for
// what [Recorder.Keep] keeps, and by default that is [Public]: what is the same
// on the cards of all people. Lengths and status words are always there.
// Recorded from a software card, whose holder is invented, [Everything] may be
// kept.
//
// Of the four certificates of JPKI the head is kept, so that a program finds a
// serial number when it is played: tags, lengths, the version, and the tag after
// the number. The number itself is another, of the same length: each byte is 01,
// which in DER is a positive INTEGER. So it is no serial number of anybody's, and
// the same on all tapes; only how long it was, and the certificate, is true. Names,
// key and signature are masked like the rest. It is found wherever the file is
// read from its beginning on, at once or in pieces; a piece that was read without
// what stands before it in the file is masked whole.
//
// Where a reply was masked, the player returns as many bytes of FF. A program
// that looks into them finds nothing, and no certificate can be parsed or
// verified; a test of such a program is better off with a software card.
package tape
