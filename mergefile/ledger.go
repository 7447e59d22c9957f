package mergefile

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mynakit/mynakit/internal/sqldb"
)

var (
	// ErrBusy says that other writers were in the way for all of
	// [LedgerConfig.RetryFor]. Nothing was merged; try again.
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
	ErrStopped = errors.New("mergefile: the ledger has stopped after a failure of the disk")
	// ErrLedgerKey says that a ledger or an export was made under another
	// [LedgerKey], so that nothing in it can be compared.
	ErrLedgerKey = errors.New("mergefile: the ledger is kept under another key")
	// ErrScope says that a scope's name is longer than [MaxScopeLen] bytes, is
	// not UTF-8, or has a control character.
	ErrScope = errors.New("mergefile: a scope is up to 128 bytes of UTF-8 without control characters")
)

// SchemaError is what [OpenLedger] wraps for tables made by a newer version of
// this package.
type SchemaError = sqldb.SchemaError

// MaxScopeLen is the greatest length of a scope's name, in bytes.
const MaxScopeLen = 128

// LedgerKey is the secret under which a [Ledger] remembers what was in a
// record. The ledger keeps a keyed digest of the content, so that a copy of its
// tables does not tell whose points they were. It prints as [redacted].
type LedgerKey struct {
	k func() *ledgerSecrets // see Key
}

type ledgerSecrets struct {
	content  cipher.Block
	transfer []byte
	check    []byte
}

// NewLedgerKey makes a key out of a secret of 16 to 4096 bytes, best of random
// ones. It stays the same as long as the ledger lives, and is the same on every
// machine that shares the ledger or takes it over. The error is [ErrKey].
func NewLedgerKey(secret []byte) (LedgerKey, error) {
	if len(secret) < 16 || len(secret) > 4096 {
		return LedgerKey{}, fmt.Errorf("%w: a ledger's secret is 16 to 4096 bytes", ErrKey)
	}
	expand := func(purpose string, n int) ([]byte, error) {
		return hkdf.Key(sha256.New, secret, nil, "mynakit mergefile ledger "+purpose+" 1", n)
	}
	content, err1 := expand("content", blockSize)
	transfer, err2 := expand("transfer", sha256.Size)
	check, err3 := expand("check", 8)
	if err := errors.Join(err1, err2, err3); err != nil {
		return LedgerKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	block, err := aes.NewCipher(content)
	if err != nil {
		return LedgerKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	s := &ledgerSecrets{block, transfer, check}
	return LedgerKey{func() *ledgerSecrets { return s }}, nil
}

// String gives "[redacted]".
func (k LedgerKey) String() string { return redacted }

// Format prints "[redacted]" under every verb.
func (k LedgerKey) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue logs "[redacted]".
func (k LedgerKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON gives "[redacted]" as a JSON string.
func (k LedgerKey) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// digester gives the digest of a record's content: 64 bits of CBC-MAC under
// AES-128. Of messages that all have the same length that is as good as random
// to whoever has not the key, it takes a tenth of the time of an HMAC, and a
// record is such a message when its fields have fixed places.
//
// A digest is compared with that of the one other record which has the same
// number, and nobody without the key can look for a content to a digest. So 64
// bits are plenty: a conflict is taken for a duplicate, and skipped, once in
// 2^64.
type digester struct {
	block cipher.Block
	msg   [64]byte
	mac   [blockSize]byte
}

func (k LedgerKey) digester() *digester { return &digester{block: k.k().content} }

func (d *digester) sum(r *Record) int64 {
	d.msg[0], d.msg[1] = byte(r.Holder.kind), r.Holder.n
	copy(d.msg[2:34], r.Holder.id[:])
	binary.BigEndian.PutUint64(d.msg[34:], r.Points)
	binary.BigEndian.PutUint64(d.msg[42:], uint64(r.Transaction.milli))
	binary.BigEndian.PutUint32(d.msg[50:], r.Transaction.seq)
	clear(d.mac[:])
	for i := 0; i < len(d.msg); i += blockSize {
		subtle.XORBytes(d.mac[:], d.mac[:], d.msg[i:i+blockSize])
		d.block.Encrypt(d.mac[:], d.mac[:])
	}
	return int64(binary.BigEndian.Uint64(d.mac[:]))
}

// LedgerConfig says how to keep a ledger. Only Key is needed.
type LedgerConfig struct {
	// Key is the secret under which contents are remembered.
	Key LedgerKey
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
	key   LedgerKey
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

// OpenLedger creates or upgrades the ledger's tables and gives the ledger. The
// engine behind db, which the program opened with a driver of its choice, is
// SQLite 3.35 or later or PostgreSQL 12 or later. Open SQLite with
// journal_mode=WAL and synchronous=FULL: with less, a merge that was
// acknowledged may be undone by a power cut.
//
// The ledger does not close db. The errors are [ErrKey] without a key,
// [ErrLedgerKey], a [*SchemaError], or the driver's, wrapped.
func OpenLedger(ctx context.Context, db *sql.DB, cfg LedgerConfig) (*Ledger, error) {
	if cfg.Key.k == nil {
		return nil, fmt.Errorf("%w: no ledger key", ErrKey)
	}
	d, err := sqldb.Open(ctx, db, ledgerSchema, sqldb.Config{Prefix: cfg.Prefix, RetryFor: cfg.RetryFor})
	if err != nil {
		return nil, fmt.Errorf("mergefile: open the ledger: %w", err)
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
		return nil, fmt.Errorf("mergefile: open the ledger: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(found), []byte(want)) != 1 {
		return nil, ErrLedgerKey
	}
	return l, nil
}

// check tells keys apart without telling what they are.
func (k LedgerKey) check() string { return hex.EncodeToString(k.k().check) }

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
func (l *Ledger) Has(ctx context.Context, scope string, t Transaction) (bool, error) {
	if err := checkScope(scope); err != nil {
		return false, err
	}
	var n int
	err := l.db.QueryRow(ctx, `SELECT count(*) FROM {number}
		WHERE scope = (SELECT id FROM {scope} WHERE name = ?) AND at = ? AND sequence = ?`,
		scope, t.milli, int64(t.seq)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("mergefile: look up a number: %w", err)
	}
	return n == 1, nil
}
