// Package registry keeps the user table (利用者テーブル) of the MyKey platform in the
// operator's own database. The table ties a person's Individual Number Card to
// the numbers by which libraries, shops and cities know the person. Most
// programs need [Open], [Registry.Lookup] and [Registry.Begin].
//
// # The table
//
// [Open] creates the tables in the program's own database, SQLite or PostgreSQL.
// It keeps each certificate's serial number as a keyed pseudonym ([Pseudonyms])
// or in plain ([PlainSerials]); the caller chooses.
//
//	db, err := sql.Open("sqlite", "file:shop.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
//	reg, err := registry.Open(ctx, db, registry.Config{Serials: registry.Pseudonyms(key)})
//
// At a counter, [Registry.Lookup] or [Registry.LookupService] finds the holder
// of a card in one query, by the serial number alone. That only shows: see
// [Presence]. If the error is [ErrNotEnrolled], the card may be a reissued one,
// which [Registry.Begin] recognises. [Registry.Find] finds a person by any
// [mykey.Identifier], and [Registry.Successor] the present MyKey ID of an old one.
//
// # Sessions
//
// Every change of the table needs a [Session]. [Registry.Begin] starts one with
// the [Presence] of a card, and each changing call takes the Presence of the card
// in the reader again, in which the card has signed a challenge ([Prove]).
// Another person's card is refused and ends the session, so a terminal left
// logged in binds nobody to a stranger's account.
//
// [Session.Enrol] and [Session.ChangeID] return an [Enrolment]: three automatic
// candidates, the third registered without asking, or candidates of the
// holder's own until three were taken. Its counts are in the database and belong
// to the card. Revoked and abandoned IDs stay on record and are never issued
// again. [Config.Changed] moves what others keep under an ID.
//
// A reissued card takes the place of the former one if the authority says whose
// it was ([Config.Former]), or by [Session.Recover]: on the grounds of the
// operator's own records, with a notice to the holder and a waiting period.
// [Session.Join] makes one of two IDs of one person.
//
// # Terminals
//
// [OpenTerminals] opens the book of terminals, with tables of its own:
// [Terminals.Issue] gives them IDs and passwords, [Terminals.Register] binds one to
// its device, and [Terminals.Authenticate] returns the terminal that logs in.
// [CountTerminals], [WriteFormI] and [WriteFormII] write the forms.
//
// # Transactions
//
// [Registry.Do] runs a durable transaction; [Registry.In] and [Session.In] make
// the same calls within it, beside those of other keepers.
//
// # What comes in and goes out
//
// [Registry.Import] takes people over from another system. [Registry.Export] and
// [Registry.ImportExport] move a whole table, from one engine to the other too.
// [Registry.RevokedNotices] finds those who want the address-change notice and whose
// certificate for digital signature has been revoked.
//
// # Errors
//
// A refusal is one of the Err values, a [*DuplicateError] or a
// [*mykey.FormError], and leaves the table as it was. An error of a database that
// is gone, full or locked names the act and wraps the driver's. Nothing is half
// written, and the same call can be repeated, even if it was carried out and
// only its answer was lost. Two calls count again: [Enrolment.Offer], and
// [Enrolment.Check] of an ID that is taken. Read [Enrolment.Progress] first.
// [CodeOf] returns the platform's own code for an error.
//
// # What is not here
//
// The registry verifies no PIN. Package jpki does, and the registry trusts the [Presence] that it is given.
package registry
