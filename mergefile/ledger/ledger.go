package ledger

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

var (
	// ErrBusy is returned when other writers were in the way for all of
	// [Config.RetryFor]. Nothing was merged; the call can be repeated.
	ErrBusy = sqldb.ErrBusy
	// ErrOutcomeUnknown is returned when the database did not report whether it
	// had carried out the commit, because the connection broke or the disk
	// failed meanwhile. The file was merged whole or not at all: receive it
	// again, and what was merged is found to be a duplicate.
	ErrOutcomeUnknown = sqldb.ErrOutcomeUnknown
	// ErrReadOnly is returned when the database takes no writes, such as a file
	// opened for reading or a PostgreSQL standby. The call fails again until
	// that changes.
	ErrReadOnly = sqldb.ErrReadOnly
	// ErrNotDurable is returned by [Ledger.In] for a transaction that a crash
	// could undo after its commit.
	ErrNotDurable = sqldb.ErrNotDurable
	// ErrTwoSchemas is returned by [Open] when the ledger's tables are in two
	// schemas of PostgreSQL's search path. The error names both.
	ErrTwoSchemas = sqldb.ErrTwoSchemas
	// ErrEnded is returned when Apply returned nil although a statement of it
	// had failed and taken the transaction with it. Nothing was merged.
	ErrEnded = sqldb.ErrEnded
	// ErrStopped is returned when the disk under the database has failed, and
	// from then on: the [Ledger] writes no more. After a failed sync the system
	// may have dropped what it was to write without reporting it again. Close
	// the *sql.DB, look at the disk, and open both anew.
	ErrStopped = errors.New("ledger: the ledger has stopped after a failure of the disk")
	// ErrScope is returned for a scope's name that is longer than [MaxScopeLen]
	// bytes, is not UTF-8, or has a control character.
	ErrScope = errors.New("ledger: a scope is up to 128 bytes of UTF-8 without control characters")
)

// SchemaError is returned by [Open] for tables that a newer version of this
// package made. Its fields are the Schema's name and the versions Found and
// Known.
type SchemaError = sqldb.SchemaError

// MaxScopeLen is the greatest length of a scope's name, in bytes.
const MaxScopeLen = 128

// Config holds the choices of a [Ledger]. Only Key is required.
type Config struct {
	// Key is the secret under which contents are remembered.
	Key Key
	// Prefix goes before the name of every table, so that they can live in the
	// program's own database: a lower-case letter, then lower-case letters,
	// digits and underscores, at most 24. Empty means "mergefile_".
	Prefix string
	// Keep is how long a number is remembered at least, counted from its own
	// date: the longest time that a file may be on its way, and the time in
	// which it may be sent once more. [Ledger.Forget] deletes older numbers.
	// Zero keeps everything, at about 30 bytes a number.
	Keep time.Duration
	// RetryFor bounds how long a merge is repeated while another is in its
	// way. Zero means ten seconds; a negative value means one try.
	RetryFor time.Duration
	// Copy, if not nil, stores rows by PostgreSQL's COPY, which database/sql
	// does not know and which takes a quarter of the time of INSERT. The table
	// is its schema and its name. With pgx it is
	//
	//	func(ctx context.Context, conn *sql.Conn, table, columns []string, rows [][]any) error {
	//		return conn.Raw(func(c any) error {
	//			_, err := c.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier(table), columns, pgx.CopyFromRows(rows))
	//			return err
	//		})
	//	}
	//
	// A transaction is under way on conn, and Copy works in it. Its error wraps
	// the driver's. On SQLite it is not called.
	Copy func(ctx context.Context, conn *sql.Conn, table, columns []string, rows [][]any) error
	// Clock returns the time. Nil means the database's clock on PostgreSQL and
	// the system's on SQLite; another clock is for tests.
	Clock func() time.Time
	// Mark, if not nil, keeps outside the database which merges were the last,
	// so that a database that was restored from a backup is noticed. A program
	// has a mark of its own, see [FileMark].
	Mark Mark
	// Unresolved opens the ledger although [Open] would return an
	// [*UnresolvedError] or a [*RestoredError], for [Ledger.Losses],
	// [Ledger.Resolve] and [Ledger.AcceptRestore]. Nothing can be merged.
	Unresolved bool
}

// Ledger holds, in the program's own database, which transaction numbers
// (取引済番号) have been merged, and with what content. It is safe for use by
// several goroutines, and several programs may share one database.
type Ledger struct {
	db   *sqldb.DB
	key  Key
	keep time.Duration
	copy func(context.Context, *sql.Conn, []string, []string, [][]any) error
	mark *marked // nil without a Mark

	mu   sync.Mutex
	dead error // why the ledger has stopped
}

// The key of {number} is in the order of time, in which numbers come, so that
// new ones go to the end of the tree and cost the same however many there are.
// Times are milliseconds since 1970 UTC. Numbers before a scope's forgotten are
// refused: they may have been forgotten.
var ledgerSchema = sqldb.Schema{Name: "mergefile", Steps: [][]string{{
	`CREATE TABLE {ledger} (
		id        BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
		key_check {:text} NOT NULL)`,
	`CREATE TABLE {scope} (
		id        {:serial},
		name      {:text} NOT NULL UNIQUE,
		forgotten BIGINT NOT NULL)`,
	`CREATE TABLE {number} (
		scope    BIGINT NOT NULL,
		at       BIGINT NOT NULL,
		sequence BIGINT NOT NULL,
		content  BIGINT NOT NULL,
		PRIMARY KEY (scope, at, sequence)) {:withoutrowid}`,
}, {
	// What a Mark outside of the database compares with. Only merges of
	// programs with a Mark are in it.
	`CREATE TABLE {merge} (
		token {:text} NOT NULL PRIMARY KEY,
		at    BIGINT NOT NULL) {:withoutrowid}`,
}}}

const (
	scopeShared = "SELECT id, forgotten FROM {scope} WHERE name = ? {:forshare}"
	scopeAlone  = "SELECT id, forgotten FROM {scope} WHERE name = ? {:forupdate}"
	hasNumber   = `SELECT count(*) FROM {number}
		WHERE scope = (SELECT id FROM {scope} WHERE name = ?) AND at = ? AND sequence = ?`
)

func (cfg Config) database() sqldb.Config {
	return sqldb.Config{Prefix: cfg.Prefix, RetryFor: cfg.RetryFor, Clock: cfg.Clock, Unresolved: cfg.Unresolved,
		Prepare: []string{scopeShared, scopeAlone, hasNumber}}
}

// Check returns the error with which [Open] would refuse to bring the ledger's
// tables up to date, and changes nothing. A program that keeps several things in
// one database checks all of them before it opens the first, so that nothing has
// been changed if one is refused.
func Check(ctx context.Context, db *sql.DB, cfg Config) error {
	if err := sqldb.Check(ctx, db, ledgerSchema, cfg.database()); err != nil {
		return fmt.Errorf("ledger: check: %w", err)
	}
	return nil
}

// Open creates or upgrades the ledger's tables and returns the ledger. The
// engine behind db, which the program opened with a driver of its choice, is
// SQLite 3.35 or later or PostgreSQL 12 or later. Open SQLite with
// journal_mode=WAL and synchronous=FULL: with less, a merge that was
// acknowledged may be undone by a power cut. The ledger does not close db.
//
// On PostgreSQL the tables are looked for along the search path. New ones go
// beside those of this module, or else into the first schema of the path.
//
// Open returns [ErrKey] without a key, [ErrTwoSchemas], [ErrReadOnly] if
// tables would have to be made, a [*SchemaError], an [*UnresolvedError] if a
// transaction was lost, a [*RestoredError] if the database is older than
// cfg.Mark, [ErrOtherKey], or the driver's error, wrapped.
func Open(ctx context.Context, db *sql.DB, cfg Config) (*Ledger, error) {
	if cfg.Key.secrets.IsZero() {
		return nil, fmt.Errorf("%w: no ledger key", ErrKey)
	}
	l := &Ledger{key: cfg.Key, keep: cfg.Keep}
	own := cfg.database()
	own.Failed = l.failed
	d, err := sqldb.Open(ctx, db, ledgerSchema, own)
	if err != nil {
		return nil, fmt.Errorf("ledger: open: %w", err)
	}
	l.db = d
	if d.Dialect() == sqldb.PostgreSQL {
		l.copy = cfg.Copy
	}
	want := l.key.check()
	var found string
	err = d.QueryRow(ctx, "SELECT key_check FROM {ledger} WHERE id = 1").Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		err = l.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO {ledger} (id, key_check) VALUES (1, ?) ON CONFLICT DO NOTHING", want)
			if err != nil {
				return err
			}
			return tx.QueryRow(ctx, "SELECT key_check FROM {ledger} WHERE id = 1").Scan(&found)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: open: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(found), []byte(want)) != 1 {
		return nil, ErrOtherKey
	}
	if cfg.Mark != nil {
		if l.mark, err = openMark(ctx, cfg.Mark); err != nil {
			return nil, err
		}
		if err := l.mark.compare(ctx, d.Queries); err != nil && !cfg.Unresolved {
			return nil, fmt.Errorf("ledger: open: %w", err)
		}
	}
	return l, nil
}

// Schema returns the name of the PostgreSQL schema that holds the ledger's
// tables, and "" on SQLite. A program that keeps its tables in the same schema
// reads and writes one set of them, whatever becomes of the search path.
func (l *Ledger) Schema() string { return l.db.Schema() }

// write is sqldb's Write, until the disk fails.
func (l *Ledger) write(ctx context.Context, fn func(context.Context, *sqldb.Tx) error) error {
	err := l.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		// Here and not before, for whoever waited while the disk failed.
		if err := l.stopped(); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
	if sqldb.IsIO(err) {
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		// A driver may only say that it was interrupted.
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// remember is write for what puts numbers into the ledger, for the sake of some
// work. What it is given runs once more if some numbers are new and some are
// not, see memory.told. Before remember returns, the Mark has been advanced.
func (l *Ledger) remember(ctx context.Context, work string, fn func(ctx context.Context, tx *sqldb.Tx, m memory) error) error {
	token := ""
	run := func(told bool) error {
		return l.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			if err := tx.Guard(ctx, work); err != nil {
				return err
			}
			if l.mark != nil {
				if err := l.mark.compare(ctx, tx.Queries); err != nil {
					return err
				}
			}
			err := fn(ctx, tx, memory{tx: tx, copy: l.copy, told: told})
			if err == nil && l.mark != nil {
				token, err = insertToken(ctx, tx)
			}
			return err
		})
	}
	err := run(false)
	if errors.Is(err, errSomeNew) {
		err = run(true)
	}
	if err == nil && l.mark != nil {
		err = l.mark.note(ctx, token)
	}
	return err
}

// failed stops the ledger if a transaction failed by an error of the disk.
func (l *Ledger) failed(err error) {
	if !sqldb.IsIO(err) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead == nil {
		// As text, because the outcome is unknown for this call alone.
		l.dead = fmt.Errorf("%w: %v", ErrStopped, err)
	}
}

// stopped returns the error of a ledger that writes no more.
func (l *Ledger) stopped() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// checkScope returns [ErrScope] for a name that cannot be stored everywhere.
func checkScope(name string) error {
	if len(name) > MaxScopeLen || !utf8.ValidString(name) {
		return ErrScope
	}
	for _, r := range name {
		if r < ' ' || r == 0x7F {
			return ErrScope
		}
	}
	return nil
}

// hold finds a scope, or makes it, and holds it until the transaction ends:
// alone, or together with others. Whoever merges holds it, so that nothing is
// forgotten meanwhile.
func hold(ctx context.Context, tx *sqldb.Tx, name string, alone bool) (id, forgotten int64, err error) {
	query := scopeShared
	if alone {
		query = scopeAlone
	}
	err = tx.QueryRow(ctx, query, name).Scan(&id, &forgotten)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := tx.Exec(ctx, "INSERT INTO {scope} (name, forgotten) VALUES (?, 0) ON CONFLICT DO NOTHING", name); err != nil {
			return 0, 0, err
		}
		err = tx.QueryRow(ctx, query, name).Scan(&id, &forgotten)
	}
	return id, forgotten, err
}

// Has reports whether the ledger holds a number. It returns [ErrScope], or the
// driver's error, wrapped.
func (l *Ledger) Has(ctx context.Context, scope string, t mergefile.Transaction) (bool, error) {
	return has(ctx, l.db.Queries, scope, t)
}

func has(ctx context.Context, q sqldb.Queries, scope string, t mergefile.Transaction) (bool, error) {
	if err := checkScope(scope); err != nil {
		return false, err
	}
	var n int
	err := q.QueryRow(ctx, hasNumber, scope, t.UnixMilli(), int64(t.Sequence())).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("ledger: look up a number: %w", err)
	}
	return n == 1, nil
}
