// Package ticket issues point tickets (ポイント券), redeems them for the counters
// that take them, and settles what was redeemed (システム設計書(活用マニュアル概要)
// II.11② and VI). [Open] opens an issuer's book of tickets in the program's own
// database, [Book.Issue] issues a ticket and [Book.Redeem] redeems one. The
// sub-package paper prints tickets.
//
// # A ticket's life
//
// A resident turns points into a paper ticket. It has a number of eight random
// digits, an amount, and a last day at most 30 days ahead, inclusive, in Japan
// Standard Time. A shop takes the paper as money and redeems it (消込) at its
// own terminal or later at a collecting point. Only what was redeemed is paid
// out. What was not redeemed by its last day lapses.
//
//	book.Issue ──> Issued ──> book.Redeem  ──> Redeemed ──> book.Settle
//	                 │ └────> book.Cancel, book.Replace
//	                 └ the last day goes by ──> Lapsed
//
// A ticket is spent whole, once. [Book.Redeem] has one winner among any number
// of terminals and programs. A terminal whose answer was lost repeats the call
// with the same attempt; [Book.Cancel], [Book.Replace] and [Book.Reprint] have
// attempts too. No job has to run at midnight: whether a ticket has lapsed is
// decided by the clock when somebody looks.
//
// # Start
//
// A program brings a *sql.DB with a driver of its choice, SQLite or
// PostgreSQL, and a key for the QR codes:
//
//	key, err := ticket.NewKey("K1", secret)
//	book, err := ticket.Open(ctx, db, ticket.Config{Keys: ticket.Keys{key}})
//
//	t, err := book.Issue(ctx, terminal, ticket.Order{Points: 500, Key: order})
//	r, err := book.Redeem(ctx, ticket.Presentation{Terminal: terminal, Code: ticket.NewCode(scanned), Attempt: press})
//
// # Who may know what
//
// A counter learns one thing about a code that does not redeem: [ErrRefused].
// The reason goes to [Config].Audit alone, whose events hold no number: the
// number is unknown, used, lapsed, cancelled, of another association or forged,
// or there were too many wrong tries. Together with three rules this keeps
// eight digits from being guessed. Numbers belong to a [Scope], and a terminal
// reaches its own only. A [Throttle] bounds wrong numbers. A QR code carries a
// MAC, so that a forged code costs no look-up and a true one is no guess. Calls
// for the issuer's own programs, such as [Book.Find], return errors that say
// what is wrong.
//
// # Time
//
// On PostgreSQL the server's clock decides, read after the locks; on SQLite the
// system's does. A program whose clock is more than a minute before the issue
// of a ticket cannot change it. A period that [Book.Settle] has made final
// never changes.
//
// # Compatibility
//
// QR codes of this version stay readable, and [Open] upgrades the tables, for
// as long as the module's major version stays.
package ticket
