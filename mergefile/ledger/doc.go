// Package ledger merges merge files (合算ポイントファイル) into a program's own
// database, each record exactly once.
//
// Most programs need three calls: [Open] creates the tables and returns a
// [Ledger], [NewReceiver] returns a [Receiver] for one kind of file, and
// [Receiver.Receive] merges a file.
//
// Source: システム設計書(活用マニュアル概要) III.14 ④ to ⑥.
//
// # How a file is merged
//
// One file is one transaction. The whole file is verified first. Then its
// transaction numbers are inserted under a unique constraint, the program's
// Apply credits the records whose numbers are new, in the same transaction, and
// all of it is committed or nothing is. A number that is there with the same
// content is a duplicate and is skipped. A number that is there with other
// content is a conflict, and the whole file is refused. Any number of receivers
// may work on one database: each number is merged by one of them.
//
// After any error a file can be received again. What had been merged is found
// to be a duplicate. After an error of the disk ([ErrStopped]) nothing more is
// merged until the database has been opened anew.
//
// # What is remembered
//
// A number is the date and time, the sequence number and the scope, which says
// whose numbers they are. All that a profile's Reset promises is covered, since
// the whole time is part of the number. If each shop or terminal counts for
// itself, each has a scope and a Receiver of its own.
//
// The ledger remembers contents as digests under a [Key]. [Ledger.Forget]
// deletes what is older than [Config].Keep, and numbers that old are refused
// from then on. [Ledger.Export] and [Ledger.Import] move a ledger to another
// machine. [Ledger.Reconcile] compares it with a list from the cloud's side.
package ledger
