// Package pcsc reaches a card through a PC/SC reader: the readers that
// Windows, macOS and pcscd on Linux know. It stands on
// github.com/ebfe/scard.
//
// # From a reader to a card
//
// [Readers] lists the readers, [WaitCard] waits until one of them holds a
// card, [Open] connects to it:
//
//	reader, err := pcsc.WaitCard(ctx)
//	…
//	card, err := pcsc.Open(ctx, reader)
//	…
//	defer card.Close()
//
// The [Card] is an [apdu.ContextTransmitter]. [Watch] reports readers and
// cards as they come and go.
//
// # What a card remembers
//
// A verified PIN stays verified until the card loses power or another
// application is selected, across processes and across a warm reset.
// [Card.Close] therefore takes the power away unless told otherwise. Where
// other programs use the same reader, open with [Exclusive], or put what
// belongs together into [Card.Transaction].
//
// # Cards that leave or fall silent
//
// A card that is taken away in the middle is [apdu.ErrCardRemoved]. PC/SC has
// no time limit: a card or a driver that stops answering holds the call for
// ever. With a context that ends, the call comes back with [ErrGivenUp], and
// the Card is of no more use; the operating system's handle is let go when the
// driver comes back, if it does. Close has a limit of its own.
//
// # Building
//
// On Windows nothing is needed. On macOS cgo is. On Linux, cgo, the package
// libpcsclite-dev, pkg-config and the build tag pcsc are:
//
//	apt-get install libpcsclite-dev pkg-config pcscd
//	go build -tags pcsc ./...
//
// Without them the package builds all the same, and every call fails with
// [ErrUnavailable], whose text says this. Programs for machines without a
// reader so need no C compiler.
package pcsc
