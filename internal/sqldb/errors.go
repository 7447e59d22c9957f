package sqldb

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The packages that keep something in a database export these errors under
// their own names, and put their own names in front.
var (
	// ErrBusy is wrapped, beside the driver's own error, by [DB.Write] when
	// another writer was still in the way after [Config.RetryFor]. Nothing was
	// written; the same call may be made again.
	ErrBusy = errors.New("the database stayed busy")
	// ErrOutcomeUnknown is wrapped, beside the driver's own error, by [DB.Write]
	// when COMMIT itself failed in a way that does not tell whether the engine
	// had carried it out, as when the connection broke or the disk failed while
	// it was under way. Everything was written or nothing was.
	ErrOutcomeUnknown = errors.New("the outcome of the commit is unknown")
	// ErrReadOnly is wrapped, beside the driver's own error, by [DB.Write] when
	// the database takes no writes: an SQLite file that was opened for reading
	// or that may not be written, a PostgreSQL standby, or a role whose
	// transactions are read-only. The same call fails again until that changes.
	ErrReadOnly = errors.New("the database is read-only")
	// ErrNotDurable is returned by [DB.In] for a transaction that a crash could
	// undo after its commit: on PostgreSQL one whose synchronous_commit is off
	// or local.
	ErrNotDurable = errors.New("the transaction would not be durable")
	// ErrOtherDatabase is returned by [DB.In] for a transaction of another
	// *sql.DB than the one that was opened. It is noticed on SQLite.
	ErrOtherDatabase = errors.New("the transaction is of another *sql.DB")
	// ErrNested is returned by [DB.Write] and [DB.Do] if they are called from
	// within a transaction of the same SQLite database, which would wait for
	// itself. Use [DB.In] there.
	ErrNested = errors.New("a transaction within a transaction of the same database")
)

// ErrPrefix is returned by [Open] for a table-name prefix that is not 1 to
// [MaxPrefix] lower-case letters, digits and underscores starting with a
// letter, or that the engines keep for themselves.
var ErrPrefix = errors.New("not a usable table-name prefix")

// SchemaError means that the database holds a schema that this program does
// not know, because a newer one made it. The database was left as it is.
type SchemaError struct {
	Schema string // the schema's name
	Found  int    // the version in the database
	Known  int    // the newest version this program knows
}

// Error returns the schema's name and both versions.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("schema %q is at version %d; this program knows up to %d", e.Schema, e.Found, e.Known)
}

// Drivers are told apart by the methods of their errors, so that none need be
// imported. pgx and lib/pq have the first, modernc.org/sqlite the second.
type (
	sqlStater interface {
		error
		SQLState() string
	}
	coder interface {
		error
		Code() int
	}
)

// SQLite's result codes, https://sqlite.org/rescode.html. The low byte is the
// primary code, the rest the extended one.
const (
	liteBusy     = 5
	liteLocked   = 6
	liteReadOnly = 8
	liteIOErr    = 10

	liteConstraintPrimaryKey = 1555
	liteConstraintUnique     = 2067
	liteConstraintRowID      = 2579
)

// IsUnique reports whether err is a driver's report that a row broke a UNIQUE
// or PRIMARY KEY constraint.
//
// On PostgreSQL such an error ends the transaction. Prefer INSERT … ON
// CONFLICT DO NOTHING and a look at the number of rows.
func IsUnique(err error) bool {
	if err == nil {
		return false
	}
	if s, ok := errors.AsType[sqlStater](err); ok {
		return s.SQLState() == "23505"
	}
	if c, ok := errors.AsType[coder](err); ok {
		switch c.Code() {
		case liteConstraintPrimaryKey, liteConstraintUnique, liteConstraintRowID:
			return true
		}
	}
	// The sentence is SQLite's own and the same in every driver.
	return strings.Contains(err.Error(), "UNIQUE constraint failed")
}

// IsBusy reports whether err is a driver's report that another transaction
// was in the way and that the same work, tried again from its start, can
// succeed: SQLITE_BUSY and SQLITE_LOCKED; on PostgreSQL a serialization
// failure (40001), a deadlock (40P01) or a lock not available (55P03).
func IsBusy(err error) bool {
	if err == nil {
		return false
	}
	if s, ok := errors.AsType[sqlStater](err); ok {
		switch s.SQLState() {
		case "40001", "40P01", "55P03":
			return true
		}
		return false
	}
	if c, ok := errors.AsType[coder](err); ok {
		switch c.Code() & 0xff {
		case liteBusy, liteLocked:
			return true
		}
	}
	msg := err.Error()
	return strings.Contains(msg, "database is locked") || strings.Contains(msg, "database table is locked")
}

// IsIO reports whether err is a driver's report that the engine could not read
// from or write to its disk: SQLITE_IOERR in all its forms; on PostgreSQL
// io_error (58030). A full disk is another matter and is not meant.
//
// After a failed sync the system may have thrown away what it was to write and
// say nothing of it the next time. Whoever goes on after this error goes on
// guessing; open the database anew, so that the engine recovers from what is
// really there.
func IsIO(err error) bool {
	if err == nil {
		return false
	}
	if s, ok := errors.AsType[sqlStater](err); ok {
		return s.SQLState() == "58030"
	}
	if c, ok := errors.AsType[coder](err); ok {
		return c.Code()&0xff == liteIOErr
	}
	// The sentence is SQLite's own and the same in every driver.
	return strings.Contains(err.Error(), "disk I/O error")
}

// IsReadOnly reports whether err is a driver's report that the database takes no
// writes: SQLITE_READONLY; on PostgreSQL read_only_sql_transaction (25006).
func IsReadOnly(err error) bool {
	if err == nil {
		return false
	}
	if s, ok := errors.AsType[sqlStater](err); ok {
		return s.SQLState() == "25006"
	}
	if c, ok := errors.AsType[coder](err); ok {
		return c.Code()&0xff == liteReadOnly
	}
	// The sentence is SQLite's own and the same in every driver.
	return strings.Contains(err.Error(), "attempt to write a readonly database")
}

// readOnly wraps an error of which IsReadOnly is true with [ErrReadOnly].
func readOnly(err error) error {
	if IsReadOnly(err) && !errors.Is(err, ErrReadOnly) {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}

// hasState reports whether err is PostgreSQL's with the given SQLSTATE.
func hasState(err error, state string) bool {
	s, ok := errors.AsType[sqlStater](err)
	return ok && s.SQLState() == state
}

// password finds a password in a connection string, in the forms that drivers
// read: password = x, password='x y' and user:x@host.
var password = regexp.MustCompile(`(?i)(pass(?:word|wd)?|pwd)(\s*=\s*)('(?:[^'\\]|\\.)*'?|[^\s&'` + "`" + `]+)|(://[^/@\s:]*:)[^@\s]*@`)

// withoutPassword returns err, or if its text holds a password, an error that
// has the rest of the text and wraps nothing.
func withoutPassword(err error) error {
	text := err.Error()
	// pgx shows the connection string that it cannot parse. What stands in the
	// wrong place of it may be a password as well.
	if strings.Contains(text, "cannot parse `") {
		return errors.New("the driver cannot parse the data source name, which is not shown since it may hold a password")
	}
	clean := password.ReplaceAllString(text, "$1$2$4[redacted]")
	if clean == text {
		return err
	}
	return errors.New(clean)
}
