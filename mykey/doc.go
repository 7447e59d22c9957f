// Package mykey holds the rules of the MyKey platform (マイキープラットフォーム) as
// typed values, and the user table that ties a person's Individual Number Card
// to the numbers that libraries, shops and cities know the person by. The
// table runs in the operator's own database.
//
// The rules are those of the Ministry's outline of operations
// (マイキープラットフォーム システム設計書(活用マニュアル概要), 2017-05-12), cited by
// section. Where it is silent, the choice made is stated where it is made.
//
// # Values
//
// An [ID] is a MyKey ID: eight half-width upper-case letters or digits. A
// [ServiceID] is an operator and the number that operator knows the holder by.
// A [PPID] is the newer identifier that differs from system to system. Each is
// a [Key] to find a person by. [Municipality], [Fingerprint] and [Code] are a
// local government's code, a terminal's fingerprint and an error code. All
// compare with ==, parse strictly, and go in and out of text, JSON and
// database columns. What is not of the form is a [*FormError] that names the
// rule it broke, and never shows the text.
//
// # The registry
//
// A [Registry] works on a [Store]: [NewMemory], or [OpenSQL] with SQLite or
// PostgreSQL. It keeps each certificate's serial number as a keyed pseudonym
// ([Pseudonyms]) or as it is ([PlainSerials]); the caller chooses.
//
//	db, err := sql.Open("sqlite", "file:shop.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
//	store, err := mykey.OpenSQL(ctx, db, mykey.SQLConfig{})
//	reg, err := mykey.New(ctx, store, mykey.Config{Serials: mykey.Pseudonyms(key)})
//
// A counter asks [Registry.Lookup] or [Registry.LookupService] whose card this
// is: one query. Where the answer is [ErrNotEnrolled], the card may be a
// reissued one, which [Registry.Begin] binds. Going the other way,
// [Registry.Find] takes any Key.
//
// # Sessions
//
// Everything that changes the table needs a [Session], which [Registry.Begin]
// starts with the tap of a card, and takes the [Tap] of the card in the reader
// once more. Another person's card there is refused and ends the session, so a
// terminal left logged in binds nobody to a stranger's account.
//
// [Session.Enrol] and [Session.ChangeID] give an [Enrolment]: three automatic
// candidates, the third registered without asking, or candidates of the
// holder's own until three were taken. Its counters are in the store and belong
// to the card. A reissued card takes the place of the former at its first use
// ([Config.Former]) or by [Session.Rebind]. Revoked and abandoned IDs stay on
// record and are never given to anybody again.
//
// # Errors
//
// A refusal is one of the Err values, a [*DuplicateError] or a [*FormError],
// and leaves the table as it was. A database that is gone, full or locked is a
// [*StoreError] around the driver's error; nothing is half written, and making
// the same call again is safe, even when it was carried out and only its answer
// was lost. Two calls count again: [Enrolment.Offer], and [Enrolment.Check] of
// an ID that is taken. Look at [Enrolment.Progress] first. [CodeOf] gives the
// platform's own code for an error, for the screen.
//
// # What it does not do
//
// It does not read cards, check certificates or verify PINs: package jpki does,
// and the registry believes the [Tap] it is given. It does not talk to the
// platform.
//
// What the platform keeps for itself is not here: the log-in to its page by
// password (システム設計書 I.6⑤), the mails of what has happened (I.6⑥), the base
// municipality and the reserved points (I.6⑦), the terminals' IDs and passwords
// (I.3③④).
package mykey
