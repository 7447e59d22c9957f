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
// of a card in one query. If the error is [ErrNotEnrolled], the card may be a
// reissued one; [Registry.Begin] binds it. [Registry.Find] finds a person by
// any [mykey.Identifier].
//
// # Sessions
//
// Every change of the table needs a [Session]. [Registry.Begin] starts one with
// the tap of a card, and each changing call takes the [Tap] of the card in the
// reader again. Another person's card is refused and ends the session, so a
// terminal left logged in binds nobody to a stranger's account.
//
// [Session.Enrol] and [Session.ChangeID] return an [Enrolment]: three automatic
// candidates, the third registered without asking, or candidates of the
// holder's own until three were taken. Its counts are in the database and belong
// to the card. A reissued card replaces the former one at its first use
// ([Config.Former]) or by [Session.Rebind]. Revoked and abandoned IDs stay on
// record and are never issued again.
//
// # Errors
//
// A refusal is one of the Err values, a [*DuplicateError] or a
// [*mykey.FormError], and leaves the table as it was. An error of a
// database that is gone, full or locked names the act and wraps the driver's; nothing is half
// written, and the same call can be repeated, even if it was carried out and
// only its answer was lost. Two calls count again: [Enrolment.Offer], and
// [Enrolment.Check] of an ID that is taken. Read [Enrolment.Progress] first.
// [CodeOf] returns the platform's own code for an error.
//
// # What is not here
//
// The registry does not read cards, check certificates or verify PINs. Package
// jpki does, and the registry trusts the [Tap] that it is given.
package registry
