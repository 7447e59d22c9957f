// Package sqldb lets one store run on two SQL engines: SQLite through any
// database/sql driver, and PostgreSQL (or an engine that speaks its wire
// protocol and dialect) through pgx's database/sql driver. It knows nothing
// of any domain and imports no driver; the program brings the *sql.DB.
//
// A package that keeps something describes itself by a [Domain]. The [Keeper]
// that [Domain.Open] returns runs the package's calls, each in a transaction of
// its own or all in somebody else's, and tells the database's errors from the
// package's own answers.
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
// On PostgreSQL the names of tables have their schema before them, so that the
// search path, which belongs to the program, decides nothing after Open.
//
// SQLite spends half of its time on preparing statements. Queries that are
// named in [Config.Prepare] are prepared once for each connection.
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
// [DB.Read] gives several queries one consistent view. [DB.In] is for a
// transaction of somebody else's, which is not repeated.
//
// # Functions of the integrator's
//
// A function that a program gives us to run in our transaction can end that
// transaction, by COMMIT, ROLLBACK or tx.Commit, and SQLite itself ends one on
// a full disk, an interrupted statement, INSERT OR ROLLBACK and
// RAISE(ROLLBACK). If the function goes on, it writes outside any transaction.
// [Tx.Call] runs such functions and finds that out: on SQLite by a savepoint
// under a random name, on PostgreSQL by the transaction's identifier. A
// transaction that was lost is written down, with what it was for, in a
// transaction of its own; from then on Open, Call and Do return an
// [*UnresolvedError] until [DB.Resolve] is called. A row that is written before
// the function and deleted before the commit reveals a foreign COMMIT even if
// the program dies at once.
//
// Nothing tells of a program that dies after a function has rolled back and
// written something, and before that function returns.
//
// # Schema
//
// [Open] creates the tables and brings older ones up to date, one numbered
// step at a time, each in a transaction of its own. A database made by a
// newer program is refused with a [*SchemaError] and left as it is. [Check]
// looks without changing anything.
package sqldb
