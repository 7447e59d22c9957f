// Package sqldb lets one store run on two SQL engines: SQLite through any
// database/sql driver, and PostgreSQL (or an engine that speaks its wire
// protocol and dialect) through pgx's database/sql driver. It knows nothing
// of any domain and imports no driver; the program brings the *sql.DB.
//
// # Queries
//
// A query is written once, for both engines:
//
//	SELECT id FROM {person} WHERE serial = ?
//
// {person} becomes the table or index name under the caller's prefix, each ?
// becomes $1, $2 … on PostgreSQL, and a few {:words} stand for what the
// engines spell differently (see [Dialect.Rewrite]). Text in quotes and
// comments is left alone. Both engines know INSERT … ON CONFLICT … DO NOTHING
// and RETURNING, so nothing else needs translating.
//
// # Transactions
//
// [DB.Write] runs a function in a transaction that may read first and write
// afterwards. On SQLite it takes the write lock before the function runs, as
// BEGIN IMMEDIATE does: a transaction that starts by reading and then asks
// for the lock would fail at once with SQLITE_BUSY when another has written
// in between, and no waiting helps. On PostgreSQL it runs at READ COMMITTED,
// so the function must decide by constraints and row locks: insert first with
// ON CONFLICT DO NOTHING, or SELECT … {:forupdate}, and look at the outcome.
//
// When the engine reports a lock held elsewhere, a deadlock or a
// serialization failure, the whole function is run again after a short random
// wait, until [Config.RetryFor] has passed. The function must therefore have
// no effect outside its transaction.
//
// [DB.Read] gives several queries one consistent view.
//
// # Schema
//
// [Open] creates the tables and brings older ones up to date, one numbered
// step at a time, each in a transaction of its own. A database made by a
// newer program is refused with a [*SchemaError] and left as it is.
package sqldb
