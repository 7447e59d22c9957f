// Package pcsc reaches a card through a PC/SC reader: the readers that
// Windows, macOS and pcscd on Linux know.
//
// # Cards, one after another
//
// [Serve] is the loop of a till. It opens each card that comes to a reader, calls
// a function with it, and closes it:
//
//	err := pcsc.Serve(ctx, func(ctx context.Context, card *pcsc.Card) error {
//		…
//	})
//
// It outlives readers that are unplugged, services that restart, and other
// programs that hold a card for a while. A [Server] is Serve with settings, among
// them a function that is told of everything; [Server.Next] waits for one card.
// The [Card] is an [apdu.ContextTransmitter].
//
// Beneath that, [Readers] lists the readers, [WaitCard] waits until one of them
// holds a card, [Open] connects to it, and [Watch] reports readers and cards as
// they come and go.
//
// # What a card remembers
//
// A verified PIN stays verified until the card loses power or another
// application is selected, across processes and across a warm reset.
// [Card.Close] therefore makes the card forget it. If other programs use the same
// reader, open with [Exclusive], or put what belongs together into
// [Card.Transaction]: a PIN that is verified in shared mode is verified for all.
//
// # Cards that leave or fall silent
//
// A card that is taken away in the middle is [apdu.ErrCardRemoved]. PC/SC has
// no time limit: a card or a driver that stops answering holds the call as long
// as it likes. With a context that ends, the call returns [ErrGivenUp], and
// the Card cannot be used any more. When the driver comes back, if it does, the
// card loses its power. Close has a limit of its own.
//
// A reset by another program is [ErrReset]: what was selected and verified is
// gone, and [Card.Reconnect] takes the Card up again.
//
// # On Linux
//
// The package talks to pcscd's socket itself, in versions 4:4 to 4:6 of its
// protocol (pcsc-lite since 1.8.24, of 2018), and so needs neither cgo nor the
// system's library. A program in a container only needs the socket,
// /run/pcscd/pcscd.comm, or another that the environment variable
// PCSCLITE_CSOCK_NAME names. Versions of library and daemon that do not fit each
// other are no concern there. Of more than 16 readers, the first 16 are seen.
//
// With the build tag libpcsclite, cgo, libpcsclite-dev and pkg-config, the
// package uses the system's library through github.com/ebfe/scard instead. That
// library (1.9.9) can end the program when several goroutines open and close
// cards at once: serve one card at a time with it.
//
// # On Windows and macOS
//
// The package stands on github.com/ebfe/scard. Windows needs nothing else; macOS
// needs cgo. Without it, every call fails with [ErrUnavailable].
package pcsc
