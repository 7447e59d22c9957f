// Package ticket issues point tickets (ポイント券), answers the counters that
// take them, and settles what was redeemed, as the public design document of
// Japan's MyKey platform describes them (システム設計書(活用マニュアル概要)
// II.11② and VI). The sub-package paper prints them.
//
// # A ticket's life
//
// A resident turns points into a paper ticket. It has a number of eight
// random digits, an amount, and a last day at most 30 days ahead, inclusive,
// in Japan Standard Time. A shop takes the paper as money and redeems it
// (消込) at its own terminal or later at a collecting point; only what was
// redeemed is paid out, and what was not by its last day lapses.
//
//	book.Issue ──> Issued ──> book.Redeem  ──> Redeemed ──> book.Settle
//	                 │ └────> book.Cancel, book.Replace
//	                 └ the last day goes by ──> Lapsed
//
// A ticket is spent whole, once. [Book.Redeem] has one winner among any
// number of terminals and programs; the terminal whose answer was lost asks
// again with the same [Presentation].Attempt. Nothing need run at midnight:
// whether a ticket has lapsed is decided by the clock when somebody asks.
//
// # Start
//
// A program brings a *sql.DB with a driver of its choice, SQLite or
// PostgreSQL, and a key for the QR codes:
//
//	store, err := ticket.OpenSQL(ctx, db, ticket.SQLConfig{})
//	key, err := ticket.NewKey("K1", secret)
//	book, err := ticket.NewBook(store, ticket.Config{Keys: ticket.Keys{key}})
//
//	t, err := book.Issue(ctx, terminal, ticket.Order{Points: 500})
//	r, err := book.Redeem(ctx, ticket.Presentation{Terminal: terminal, Code: scanned, Attempt: id})
//
// [Memory] is a store for tests and demonstrations.
//
// # Who may know what
//
// A counter learns one thing of a code that does not redeem: [ErrRefused].
// Whether the number is unknown, used, lapsed, cancelled, of another
// association, forged, or was not looked up because of too many wrong tries,
// is for [Config.Audit] alone, whose events hold no number. This is what
// keeps eight digits from being guessed, together with three things: numbers
// belong to a [Scope], and a terminal reaches its own only; wrong numbers are
// bounded by a [Throttle]; and a QR code carries a MAC, so that a forged one
// costs no look-up and a true one is no guess. Calls for the issuer's own
// programs, such as [Book.Find], answer with errors that say what is wrong.
//
// # Compatibility
//
// QR codes of this version stay readable, and the tables are upgraded by
// [OpenSQL], for as long as the module's major version stays.
package ticket
