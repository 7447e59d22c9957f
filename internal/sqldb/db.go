package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"
)

// MaxPrefix is the greatest length of a table-name prefix. It leaves room for
// the rest of a name in the 63 bytes that PostgreSQL keeps of one.
const MaxPrefix = 24

// DefaultRetryFor is how long [DB.Write] repeats a transaction when
// [Config.RetryFor] is zero.
const DefaultRetryFor = 10 * time.Second

// Config holds the choices of [Open]. The zero Config is usable.
type Config struct {
	// Dialect is the engine. Open detects it if it is zero.
	Dialect Dialect
	// Prefix goes before the name of every table and index: a lower-case
	// letter, then lower-case letters, digits and underscores, at most
	// MaxPrefix bytes. Empty means the schema's name and an underscore.
	Prefix string
	// RetryFor bounds how long a transaction is repeated when another is in
	// its way. Zero means DefaultRetryFor. A negative value means one try,
	// which waits for a lock for as long as the engine is set to.
	RetryFor time.Duration
	// Clock returns the time for [Queries.Now]. Nil means the database's clock
	// on PostgreSQL and the system's on SQLite. Other clocks are for tests.
	Clock func() time.Time
	// Prepare lists queries that are used often, as they are given to Exec,
	// Query and QueryRow. They are rewritten once, and on SQLite prepared once
	// for each connection. On PostgreSQL they are not prepared: a pooler in
	// front of it may lose them, and pgx keeps its own.
	Prepare []string
	// Failed, if not nil, is called with the error of a transaction that failed,
	// while no other of this DB can begin on SQLite.
	Failed func(error)
	// Unresolved opens the database although lost transactions stand in it.
	// It is for whoever lists and resolves them.
	Unresolved bool
	// Mode keeps apart what counts and what does not.
	Mode Mode
}

// DB is a database with its dialect, its prefix and its tables in place. It is
// safe for use by several goroutines. It does not own the *sql.DB: whoever
// opened that closes it.
type DB struct {
	Queries
	retryFor time.Duration
	failed   func(error)
	mode     Mode
	// writer holds one token on SQLite, which has one writer at a time.
	// Queueing here is fair and wakes at once; SQLite's own way is to
	// sleep and look again.
	writer chan struct{}

	mu      sync.Mutex
	unnoted []Loss // lost transactions that could not be written down yet
}

// Open finds the dialect if cfg does not name it, finds the tables of schema or
// creates them, brings them up to date, and prepares cfg.Prepare.
//
// On PostgreSQL the tables are looked for in all schemas of the search path.
// New tables go beside those of this module that are there, or else into the
// first schema of the path.
//
// Open returns [ErrPrefix], [ErrDialect], [ErrEncoding], [ErrTwoSchemas], [ErrReadOnly] if
// tables are missing or old and cannot be written, a [*SchemaError], an
// [*UnresolvedError] unless cfg.Unresolved is set, [ErrBusy], or the driver's
// error, wrapped.
func Open(ctx context.Context, db *sql.DB, schema Schema, cfg Config) (*DB, error) {
	d, err := begin(ctx, db, schema, cfg)
	if err != nil {
		return nil, err
	}
	if err := d.migrate(ctx, guardSchema, schema); err != nil {
		return nil, err
	}
	if err := d.prepare(ctx, append(d.own(), cfg.Prepare...)); err != nil {
		return nil, err
	}
	if cfg.Unresolved {
		return d, nil
	}
	losses, err := d.Losses(ctx)
	if err != nil {
		return nil, err
	}
	if len(losses) > 0 {
		return nil, &UnresolvedError{Losses: losses}
	}
	return d, nil
}

// Check reports what would keep [Open] from bringing the tables up to date, and
// changes nothing. A program that keeps several things in one database checks
// all of them before it opens the first. Check returns nil if there are no
// tables yet.
//
// The errors are those of Open, without [ErrReadOnly] and [*UnresolvedError].
func Check(ctx context.Context, db *sql.DB, schema Schema, cfg Config) error {
	d, err := begin(ctx, db, schema, cfg)
	if err != nil {
		return err
	}
	_, err = d.behind(ctx, guardSchema, schema)
	return err
}

// begin checks cfg and finds the dialect and where the tables are.
func begin(ctx context.Context, db *sql.DB, schema Schema, cfg Config) (*DB, error) {
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
	out := &DB{retryFor: retryFor, failed: cfg.Failed, mode: cfg.Mode}
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
	out.Queries = Queries{run: db, base: &base{db: db, dialect: d, prefix: prefix, clock: cfg.Clock}}
	if d == SQLite {
		out.writer = make(chan struct{}, 1)
		return out, nil
	}
	var err error
	if out.base.schema, err = out.place(ctx); err != nil {
		return nil, err
	}
	return out, nil
}

// SQL returns the *sql.DB that Open was given.
func (d *DB) SQL() *sql.DB { return d.base.db }

// base is what all queries of one DB share. It does not change after Open.
type base struct {
	db      *sql.DB
	dialect Dialect
	prefix  string
	schema  string // of PostgreSQL
	clock   func() time.Time
	stmts   map[string]statement
}

// statement is a query that was rewritten at Open, and on SQLite prepared.
type statement struct {
	text string
	stmt *sql.Stmt // nil on PostgreSQL
	at   int       // its place among a transaction's copies
}

// prepare fills base.stmts.
func (d *DB) prepare(ctx context.Context, queries []string) error {
	stmts := make(map[string]statement, len(queries))
	var prepared []*sql.Stmt
	for _, query := range queries {
		if _, twice := stmts[query]; twice {
			continue
		}
		text, err := d.Rewrite(query)
		if err != nil {
			return err
		}
		s := statement{text: text, at: len(stmts)}
		if d.dialect == SQLite {
			err := d.retry(ctx, IsBusy, func() (err error) {
				s.stmt, err = d.base.db.PrepareContext(ctx, text)
				return err
			})
			if err != nil {
				closeAll(prepared)
				return fmt.Errorf("sqldb: prepare a statement: %w", err)
			}
			prepared = append(prepared, s.stmt)
		}
		stmts[query] = s
	}
	d.base.stmts = stmts
	// A *sql.DB keeps its statements until it is closed. Of a DB that nobody
	// has any more they go before.
	runtime.AddCleanup(d.base, closeAll, prepared)
	return nil
}

func closeAll(stmts []*sql.Stmt) {
	for _, s := range stmts {
		_ = s.Close() // nothing was asked of it
	}
}

// Queries runs rewritten queries on a database or in a transaction. [DB] and
// [Tx] embed it.
type Queries struct {
	*base
	run interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	tx     *sql.Tx     // nil outside a transaction
	copies []*sql.Stmt // the transaction's copies of prepared statements
}

// Dialect returns the engine.
func (q Queries) Dialect() Dialect { return q.base.dialect }

// Prefix returns the table-name prefix in use.
func (q Queries) Prefix() string { return q.base.prefix }

// Schema returns the name of the PostgreSQL schema that holds the tables, and
// "" on SQLite.
func (q Queries) Schema() string { return q.base.schema }

// Rewrite returns a query in the engine's own form, see [Dialect.Rewrite]. On
// PostgreSQL the names of tables have their schema before them.
func (q Queries) Rewrite(query string) (string, error) {
	return q.base.dialect.rewrite(q.base.schema, q.base.prefix, query)
}

// Now returns the time: that of [Config.Clock] if it is set, else the
// database's on PostgreSQL and the system's on SQLite. Read it after the locks
// that the decision needs, since waiting for them takes time.
func (q Queries) Now(ctx context.Context) (time.Time, error) {
	switch {
	case q.base.clock != nil:
		return q.base.clock(), nil
	case q.base.dialect == SQLite:
		return time.Now(), nil
	}
	var us int64
	err := q.QueryRow(ctx, pgNow).Scan(&us)
	return time.UnixMicro(us), err
}

// pgNow is the time now and not that of the transaction's begin.
const pgNow = "SELECT {:clock}"

// NowArg returns the argument of coalesce(CAST(? AS BIGINT), {:clock}), which is
// the time of [Queries.Now] in microseconds within another statement: in its
// RETURNING clause the time is read when the statement has its locks.
func (q Queries) NowArg() any {
	switch {
	case q.base.clock != nil:
		return q.base.clock().UnixMicro()
	case q.base.dialect == SQLite:
		return time.Now().UnixMicro()
	}
	return nil
}

// find returns a query's text in the engine's form, and its prepared statement
// if there is one.
func (q Queries) find(ctx context.Context, query string) (string, *sql.Stmt, error) {
	s, ok := q.base.stmts[query]
	switch {
	case !ok:
		text, err := q.Rewrite(query)
		return text, nil, err
	case s.stmt == nil || q.tx == nil:
		return s.text, s.stmt, nil
	}
	if q.copies[s.at] == nil {
		q.copies[s.at] = q.tx.StmtContext(ctx, s.stmt)
	}
	return s.text, q.copies[s.at], nil
}

// Exec runs a statement and returns the number of rows that it changed.
func (q Queries) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	text, stmt, err := q.find(ctx, query)
	if err != nil {
		return 0, err
	}
	var res sql.Result
	if stmt != nil {
		res, err = stmt.ExecContext(ctx, args...)
	} else {
		res, err = q.run.ExecContext(ctx, text, args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a query. The caller closes the rows.
func (q Queries) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	text, stmt, err := q.find(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case stmt != nil:
		return stmt.QueryContext(ctx, args...)
	}
	return q.run.QueryContext(ctx, text, args...)
}

// QueryRow runs a query for at most one row.
func (q Queries) QueryRow(ctx context.Context, query string, args ...any) Row {
	text, stmt, err := q.find(ctx, query)
	switch {
	case err != nil:
		return Row{err: err}
	case stmt != nil:
		return Row{row: stmt.QueryRowContext(ctx, args...)}
	}
	return Row{row: q.run.QueryRowContext(ctx, text, args...)}
}

// Row is the result of [Queries.QueryRow].
type Row struct {
	row *sql.Row
	err error
}

// Scan copies the columns into dest. It returns sql.ErrNoRows if there is no
// row.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.row.Scan(dest...)
}
