package registry

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// jst is Japan Standard Time, which has had no daylight saving since 1951.
var jst = time.FixedZone("JST", 9*60*60)

// Config holds the choices of [Open]. Serials must be set; the rest of the
// zero Config is usable.
type Config struct {
	// Serials is the form in which serial numbers are kept.
	Serials SerialForm

	// Alphabet is what automatic MyKey IDs are made of.
	Alphabet Alphabet

	// SessionLife bounds a session from its first tap. Zero means five
	// minutes: long enough for one holder at a counter, too short for the
	// next to find the terminal still open. A clock that is put back does not
	// lengthen it: the monotonic reading counts where Now gives one, and where
	// it gives none the session ends.
	SessionLife time.Duration

	// ClaimLife is how long a candidate is kept for a card that has not
	// accepted it. Afterwards somebody else may have it. Zero means 24 hours.
	ClaimLife time.Duration

	// DuplicateRest is how long after its last duplicate answer a card that
	// has finished a registration gets its three tries of its own again, for
	// a later change. The published rule says three a procedure and no more;
	// without a rest, change after change would make a list of everybody's
	// IDs. Zero means 24 hours.
	DuplicateRest time.Duration

	// Former asks whose successor a certificate is: for the serial number of
	// a certificate that the registry does not know it gives the number of
	// the one it replaced, or the zero Serial if there is none. J-LIS offers
	// certified verifiers such a service. With it, [Registry.Begin] binds a
	// reissued card anew at its first use (システム設計書 II.9③); a look-up alone
	// cannot, see [Registry.Lookup]. It runs outside any transaction; an error
	// ends the tap.
	Former func(ctx context.Context, serial jpki.Serial, issuer Issuer) (jpki.Serial, Issuer, error)

	// Changed, if not nil, is called for every MyKey ID that is replaced, revoked
	// or joined with another, in the transaction that does it. It moves what is
	// kept under the old ID: see [mykey.Change]. It must not end tx, and it may
	// be called again if the transaction is repeated. If it returns an error,
	// nothing is changed, and the call returns that error, wrapped.
	Changed func(ctx context.Context, tx *sql.Tx, c mykey.Change) error

	// Notice, if not nil, tells a holder, by the address or telephone number in
	// the operator's own system and never by one that somebody gives at the
	// counter, that a new card is to get the holder's MyKey ID: see
	// [Session.Recover]. It runs in the transaction that records it, so it puts
	// the message into an outbox. An error refuses the recovery. Without Notice
	// there are no recoveries.
	Notice func(ctx context.Context, tx *sql.Tx, r Recovery) error
	// RecoveryWait is how long a recovery waits. Zero means seven days. The least
	// is one day.
	RecoveryWait time.Duration
	// RecoveryRate is how many recoveries a clerk can ask for in 24 hours. Zero
	// means five.
	RecoveryRate int

	// Prefix goes before the name of every table, so that they can live in a
	// database with others: a lower-case letter, then lower-case letters,
	// digits and underscores, at most 24 bytes. Empty means "mykey_".
	Prefix string
	// RetryFor bounds how long a write is tried again while another is in its
	// way; then the error wraps [ErrBusy]. Zero means ten seconds; a negative
	// value means one try.
	RetryFor time.Duration

	// Clock returns the time. Nil means the system's and, where the database
	// decides something by it, that of PostgreSQL. Another is for tests.
	Clock func() time.Time

	// Unresolved opens the registry although lost transactions are written down,
	// for [Registry.Losses] and [Registry.Resolve].
	Unresolved bool
}

// Registry is the user table (利用者のテーブル, システム設計書 II.9③) with its
// rules. It is safe for use by several goroutines, and by several programs on
// one database.
type Registry struct {
	db       sqldb.Keeper
	cfg      Config
	generate func() mykey.ID
}

var (
	// ErrBusy is wrapped by an error of a call that writes, when other writers
	// were in the way for all of [Config.RetryFor]. Nothing was written.
	ErrBusy = sqldb.ErrBusy
	// ErrOutcomeUnknown is wrapped by an error of a call that writes, when the
	// connection broke during COMMIT. Repeat the call: if the first was carried
	// out, the second finds that and changes nothing.
	ErrOutcomeUnknown = sqldb.ErrOutcomeUnknown
)

// SchemaError is wrapped by the error of [Open] for a database that a newer
// version of this package made. The database is left as it was.
type SchemaError = sqldb.SchemaError

// Open opens the user table in db, after it has created the tables or brought
// older ones up to date. db is SQLite through any driver, or PostgreSQL through
// pgx (github.com/jackc/pgx/v5/stdlib); Open finds out which. It stays the
// caller's to close.
//
// Open SQLite with journal_mode(WAL), synchronous(FULL) and a busy_timeout, so
// that an acknowledged registration survives a power cut and readers do not
// wait.
//
// Open returns [ErrSerialForm] if cfg has no form of serial numbers, or if the
// table was made with another form or another key: in such a table no card
// would be found. It returns a wrapped [*SchemaError] if a newer program made
// the tables, and a wrapped [*UnresolvedError] if a transaction was lost. Other
// errors are the database's, wrapped.
func Open(ctx context.Context, db *sql.DB, cfg Config) (*Registry, error) {
	if cfg.Serials.keep == nil {
		return nil, ErrSerialForm
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&cfg.SessionLife, 5 * time.Minute}, {&cfg.ClaimLife, 24 * time.Hour}, {&cfg.DuplicateRest, 24 * time.Hour}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if cfg.RecoveryWait == 0 {
		cfg.RecoveryWait = 7 * 24 * time.Hour
	}
	cfg.RecoveryWait = max(cfg.RecoveryWait, 24*time.Hour)
	if cfg.RecoveryRate <= 0 {
		cfg.RecoveryRate = 5
	}
	d, err := domain.Open(ctx, db, cfg.database())
	if err != nil {
		return nil, err
	}
	r := &Registry{db: d, cfg: cfg, generate: func() mykey.ID { return newID(cfg.Alphabet) }}
	var mark string
	err = r.update(ctx, "open", func(ctx context.Context, tx tx) (err error) {
		mark, err = tx.setting(ctx, "serials", cfg.Serials.mark)
		return err
	})
	if err != nil {
		return nil, err
	}
	if mark != cfg.Serials.mark {
		return nil, ErrSerialForm
	}
	return r, nil
}

// Format prints only the type, whatever the verb: a registry leads to a key.
func (r *Registry) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("registry.Registry")) }

// clock returns the time of this machine, with its monotonic reading.
func (r *Registry) clock() time.Time {
	if r.cfg.Clock == nil {
		return time.Now()
	}
	return r.cfg.Clock()
}

// now returns the time of this machine as the tables keep it.
func (r *Registry) now() time.Time { return r.clock().Truncate(time.Millisecond).In(jst) }

// Do runs fn in a durable transaction of the registry's database, and again from
// its start if another transaction was in the way. In it, [Registry.In],
// [Session.In] and the In of other keepers join what belongs together.
//
// Do returns fn's error, or the database's, wrapped.
func (r *Registry) Do(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return r.db.Do(ctx, fn)
}

// In returns r for calls within a transaction that somebody else has begun on
// the same database. Its calls are never repeated. Nothing of a call that fails
// remains, and the transaction can go on. The calls fail if the transaction would
// not be durable, or is one of another database.
func (r *Registry) In(tx *sql.Tx) *Registry {
	in := *r
	in.db = r.db.In(tx)
	return &in
}

// changed calls [Config.Changed].
func (r *Registry) changed(ctx context.Context, tx tx, c mykey.Change) error {
	if r.cfg.Changed == nil {
		return nil
	}
	return tx.q.Call(ctx, "change of a MyKey ID", func(ctx context.Context, tx *sql.Tx) error { return r.cfg.Changed(ctx, tx, c) })
}

// update runs fn in a durable transaction, from its start again if another was
// in the way; or once, in the transaction that r is for.
func (r *Registry) update(ctx context.Context, op string, fn func(ctx context.Context, tx tx) error) error {
	return r.db.Write(ctx, op, func(ctx context.Context, t *sqldb.Tx) error { return fn(ctx, tx{t}) })
}

// view runs fn on one consistent state. fn does not write.
func (r *Registry) view(ctx context.Context, op string, fn func(ctx context.Context, tx tx) error) error {
	return r.db.Read(ctx, op, func(ctx context.Context, t *sqldb.Tx) error { return fn(ctx, tx{t}) })
}
