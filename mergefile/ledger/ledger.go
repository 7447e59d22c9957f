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
	// ErrBusy says that other writers were in the way for all of
	// [Config.RetryFor]. Nothing was merged; try again.
	ErrBusy = sqldb.ErrBusy
	// ErrOutcomeUnknown says that the database did not tell whether it had
	// carried out the commit, because the connection broke or the disk failed
	// meanwhile. The file was merged whole or not at all: receive it again, and
	// what was merged is found to be a duplicate.
	ErrOutcomeUnknown = sqldb.ErrOutcomeUnknown
	// ErrStopped says that the disk under the database failed and that the
	// [Ledger] writes no more. After a failed sync the system may have dropped
	// what it was to write without saying so again. Close the *sql.DB, look at
	// the disk, and open both anew.
	ErrStopped = errors.New("ledger: the ledger has stopped after a failure of the disk")
	// ErrScope says that a scope's name is longer than [MaxScopeLen] bytes, is
	// not UTF-8, or has a control character.
	ErrScope = errors.New("ledger: a scope is up to 128 bytes of UTF-8 without control characters")
)

// SchemaError is what [Open] wraps for tables made by a newer version of
// this package.
type SchemaError = sqldb.SchemaError

// MaxScopeLen is the greatest length of a scope's name, in bytes.
const MaxScopeLen = 128

// Config says how to keep a ledger. Only Key is needed.
type Config struct {
	// Key is the secret under which contents are remembered.
	Key Key
	// Prefix goes before the name of every table, so that they can live in the
	// program's own database: a lower-case letter, then lower-case letters,
	// digits and underscores, at most 24. Empty means "mergefile_".
	Prefix string
	// Keep is how long a number is remembered at least, counted from its own
	// date: the longest time that a file may be on its way, and the time in
	// which it may be sent once more. [Ledger.Forget] forgets what is older.
	// Zero keeps everything for ever, at some 30 bytes a number.
	Keep time.Duration
	// RetryFor bounds how long a merge is tried again while another is in its
	// way. Zero means ten seconds; a negative value means one try.
	RetryFor time.Duration
	// Copy, if set, stores rows by PostgreSQL's COPY, which database/sql does
	// not know and which takes a quarter of the time of INSERT. The program
	// knows its driver; with pgx it is
	//
	//	func(ctx context.Context, conn *sql.Conn, table string, columns []string, rows [][]any) error {
	//		return conn.Raw(func(c any) error {
	//			_, err := c.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
	//			return err
	//		})
	//	}
	//
	// A transaction is under way on conn, and Copy works in it. Its error wraps
	// the driver's. On SQLite it is not called.
	Copy func(ctx context.Context, conn *sql.Conn, table string, columns []string, rows [][]any) error
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
}

// Ledger remembers, in the program's own database, which transaction numbers
// (取引済番号) have been merged, and with what content. It is safe for use by
// several goroutines, and several programs may share one database.
type Ledger struct {
	db    *sqldb.DB
	key   Key
	keep  time.Duration
	copy  func(context.Context, *sql.Conn, string, []string, [][]any) error
	clock func() time.Time

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
}}}

// Open creates or upgrades the ledger's tables and gives the ledger. The
// engine behind db, which the program opened with a driver of its choice, is
// SQLite 3.35 or later or PostgreSQL 12 or later. Open SQLite with
// journal_mode=WAL and synchronous=FULL: with less, a merge that was
// acknowledged may be undone by a power cut.
//
// The ledger does not close db. The errors are [ErrKey] without a key,
// [ErrOtherKey], a [*SchemaError], or the driver's, wrapped.
func Open(ctx context.Context, db *sql.DB, cfg Config) (*Ledger, error) {
	if cfg.Key.k == nil {
		return nil, fmt.Errorf("%w: no ledger key", ErrKey)
	}
	d, err := sqldb.Open(ctx, db, ledgerSchema, sqldb.Config{Prefix: cfg.Prefix, RetryFor: cfg.RetryFor})
	if err != nil {
		return nil, fmt.Errorf("ledger: open the ledger: %w", err)
	}
	l := &Ledger{db: d, key: cfg.Key, keep: cfg.Keep, clock: cfg.Clock}
	if d.Dialect() == sqldb.PostgreSQL {
		l.copy = cfg.Copy
	}
	if l.clock == nil {
		l.clock = time.Now
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
		return nil, fmt.Errorf("ledger: open the ledger: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(found), []byte(want)) != 1 {
		return nil, ErrOtherKey
	}
	return l, nil
}

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
		l.mu.Lock()
		if l.dead == nil {
			// As text, because the outcome is unknown for this call alone.
			l.dead = fmt.Errorf("%w: %v", ErrStopped, err)
		}
		l.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		// A driver may only say that it was interrupted.
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// remember is write for what puts numbers into the ledger. What it is given
// runs once more if some numbers are new and some are not, see memory.told.
func (l *Ledger) remember(ctx context.Context, fn func(ctx context.Context, tx *sqldb.Tx, m memory) error) error {
	run := func(told bool) error {
		return l.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			return fn(ctx, tx, memory{tx: tx, copy: l.copy, told: told})
		})
	}
	err := run(false)
	if errors.Is(err, errSomeNew) {
		err = run(true)
	}
	return err
}

// stopped gives the error of a ledger that writes no more.
func (l *Ledger) stopped() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// checkScope gives [ErrScope] for a name that cannot be stored everywhere.
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
	query := "SELECT id, forgotten FROM {scope} WHERE name = ? {:forshare}"
	if alone {
		query = "SELECT id, forgotten FROM {scope} WHERE name = ? {:forupdate}"
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

// Has tells whether a number is remembered. The errors are [ErrScope] or the
// driver's, wrapped.
func (l *Ledger) Has(ctx context.Context, scope string, t mergefile.Transaction) (bool, error) {
	if err := checkScope(scope); err != nil {
		return false, err
	}
	var n int
	err := l.db.QueryRow(ctx, `SELECT count(*) FROM {number}
		WHERE scope = (SELECT id FROM {scope} WHERE name = ?) AND at = ? AND sequence = ?`,
		scope, t.UnixMilli(), int64(t.Sequence())).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("ledger: look up a number: %w", err)
	}
	return n == 1, nil
}
