// Package bench measures mynakit against what a program would otherwise do, or
// otherwise use, side by side in one run. It is a module of its own, so that
// what it compares with is no dependency of the library.
//
//	cd internal/bench
//	go run ./table                            # the table in docs/proof.md, and the plot
//	go test -run '^$' -bench TLV -count 10 .  # one subject, for benchstat
//
// An absolute time does not carry over to another machine; a ratio between two
// lines of one run does, more or less.
//
// # Names
//
// A benchmark's last part is who does the work, and what stands before it is
// the work: APDU/parse/mynakit and APDU/parse/skythen. A part with an equals
// sign is how much of it there is: Ledger/records=1000/bbolt. "mynakit" is
// the way that the library's documentation shows; with a hyphen it is another
// way of the library's.
//
// # What is compared
//
//   - APDU, APDUGrowth: commands, with skythen/apdu.
//   - TLV, TLVSiblings, TLVNesting: objects, with skythen/bertlv and
//     moov-io/bertlv. These build a tree, and the library visits; the work is
//     to have seen every object.
//   - Tap, TapGrowth: what other programs send to a card from the tap to the
//     serial number, and to a signature, replayed on one software card under
//     one model of the link. Their figures are exchanges, bytes and modelled
//     milliseconds, and the same everywhere.
//   - Mergefile: the program that one writes in an afternoon, and what no
//     reader can do without.
//   - Ledger: SQLite's own INSERTs, bbolt, and a transaction for each record,
//     on a disk. Only the library's line has reading and verifying in it.
//   - In internal/realstack, because the card stack is there: the software card
//     in pcscd, with a naive program for vpcd's protocol.
//
// The tests see to it that all of them come to the same answer. None of them
// looks at a clock.
package bench
