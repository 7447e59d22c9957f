package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// MaxPrefix is the greatest length of a table-name prefix. It leaves room for
// the rest of a name in the 63 bytes that PostgreSQL keeps of one.
const MaxPrefix = 24

// DefaultRetryFor is how long [DB.Write] goes on trying when
// [Config.RetryFor] is zero.
const DefaultRetryFor = 10 * time.Second

// Config says how to use a database. The zero Config is usable.
type Config struct {
	// Dialect is the engine. Zero asks the engine itself.
	Dialect Dialect
	// Prefix goes before the name of every table and index: a lower-case
	// letter, then lower-case letters, digits and underscores, at most
	// MaxPrefix bytes. Empty means the schema's name and an underscore.
	Prefix string
	// RetryFor bounds how long a transaction is tried again when another is
	// in its way. Zero means DefaultRetryFor; a negative value means one try,
	// which waits for a lock for as long as the engine is set to.
	RetryFor time.Duration
}

// DB is a database with its dialect, its prefix and its schema in place. It is
// safe for use by several goroutines. It does not own the *sql.DB: closing
// that is the business of whoever opened it.
type DB struct {
	Queries
	db       *sql.DB
	retryFor time.Duration
	// writer holds one token on SQLite, which has one writer at a time.
	// Queueing here is fair and wakes at once; SQLite's own way is to
	// sleep and look again.
	writer chan struct{}
}

// Open finds the dialect if cfg does not name it, creates or upgrades the
// tables of schema, and gives the database ready for use.
//
// Errors: [ErrDialect], [ErrPrefix], [*SchemaError], [ErrBusy], or the
// driver's own, wrapped.
func Open(ctx context.Context, db *sql.DB, schema Schema, cfg Config) (*DB, error) {
	prefix := cfg.Prefix
	if prefix == "" {
		prefix = schema.Name + "_"
	}
	if !isName(prefix) || len(prefix) > MaxPrefix ||
		strings.HasPrefix(prefix, "sqlite_") || strings.HasPrefix(prefix, "pg_") {
		return nil, fmt.Errorf("%w: %.40q", ErrPrefix, prefix)
	}
	retryFor := cfg.RetryFor
	if retryFor == 0 {
		retryFor = DefaultRetryFor
	}
	out := &DB{db: db, retryFor: retryFor}
	d := cfg.Dialect
	if d == 0 {
		// Of several programs that make one SQLite file a WAL at the same
		// moment, some are told at once that it is locked: there SQLite does
		// not wait, whatever its busy_timeout.
		err := out.retry(ctx, IsBusy, func() (err error) {
			d, err = Detect(ctx, db)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	out.Queries = Queries{run: db, dialect: d, prefix: prefix}
	if d == SQLite {
		out.writer = make(chan struct{}, 1)
	}
	if err := out.migrate(ctx, schema); err != nil {
		return nil, err
	}
	return out, nil
}

// SQL gives the *sql.DB that Open was given.
func (d *DB) SQL() *sql.DB { return d.db }

// Queries runs rewritten queries on a database or in a transaction. [DB] and
// [Tx] embed it.
type Queries struct {
	run interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	dialect Dialect
	prefix  string
}

// Dialect tells the engine.
func (q Queries) Dialect() Dialect { return q.dialect }

// Prefix tells the table-name prefix in use.
func (q Queries) Prefix() string { return q.prefix }

// Exec runs a statement, rewritten by [Dialect.Rewrite], and gives the number
// of rows it changed.
func (q Queries) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	query, err := q.dialect.Rewrite(q.prefix, query)
	if err != nil {
		return 0, err
	}
	res, err := q.run.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a rewritten query. The caller closes the rows.
func (q Queries) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	query, err := q.dialect.Rewrite(q.prefix, query)
	if err != nil {
		return nil, err
	}
	return q.run.QueryContext(ctx, query, args...)
}

// QueryRow runs a rewritten query for at most one row.
func (q Queries) QueryRow(ctx context.Context, query string, args ...any) Row {
	query, err := q.dialect.Rewrite(q.prefix, query)
	if err != nil {
		return Row{err: err}
	}
	return Row{row: q.run.QueryRowContext(ctx, query, args...)}
}

// Row is the answer of [Queries.QueryRow].
type Row struct {
	row *sql.Row
	err error
}

// Scan copies the columns into dest. No row is sql.ErrNoRows.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.row.Scan(dest...)
}
