package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mergefile"
)

// Config is how an outbox behaves.
type Config struct {
	// Prefix is put before the name of every table, so that the tables can be
	// in the program's own database: a lower-case letter, then lower-case
	// letters, digits and underscores, at most 24. Empty means "outbox_".
	Prefix string
	// RetryFor is how long a transaction is tried again while another is in its
	// way. Zero means ten seconds; a negative value means one try.
	RetryFor time.Duration
	// Unresolved opens the outbox although lost transactions are written down, for
	// [Outbox.Losses] and [Outbox.Resolve].
	Unresolved bool
	// Training keeps everything in tables of their own, for clerks to practise,
	// under the prefix "training_outbox_" if Prefix is empty. The files are
	// written with [mergefile.Training] of the keys, so a live receiver refuses
	// them. Operations of live points are refused, and operations of points in
	// training are refused by every other outbox; see [ErrTraining].
	Training bool
	// Clock is for tests. Nil is the database's clock on PostgreSQL and the
	// system's clock on SQLite.
	Clock func() time.Time

	// Profile and Keys are how the files are written. A profile with one name
	// for all files cannot be used. Where the name is left open, it is the
	// transaction number with .dat behind.
	Profile mergefile.Profile
	Keys    mergefile.KeySource
	// Dir is the folder of the files. Items of a scope other than "" go to the
	// folder of that name in it. It must exist.
	Dir string
	// Holder returns who gets an item's points, as the profile wants it: the
	// mall's member number, or the MyKey ID. It is called once, in the
	// transaction that fixes the record, and must not end the transaction. If
	// it fails, the item stays, and the others go on.
	Holder func(ctx context.Context, tx *sql.Tx, it Item) (mergefile.Holder, error)
	// Again, which Recover needs, takes the points of a record once more that
	// the receivers know and the restored database does not. It must not end
	// the transaction.
	Again func(ctx context.Context, tx *sql.Tx, scope string, r mergefile.Record) error

	// Repeat is how long an item that is not acknowledged waits until its file
	// is written again. Zero means ten minutes.
	Repeat time.Duration
	// Acks authenticate acknowledgements. Without a key, no acknowledgement is
	// accepted, and a person settles each item.
	Acks AckKey
	// Mark, if not nil, keeps outside the database what was sent, so that a
	// database that was restored from a backup is noticed. See [FileMark].
	Mark Mark
	// Audit, if not nil, is called for what a person should look at, in the
	// caller's goroutine.
	Audit func(ctx context.Context, e Event)
}

// Event is something that a person should look at.
type Event struct {
	Scope  string
	Number mergefile.Transaction // zero if it is not of one item
	What   What
	Err    error // the reason, if there is one
}

// What is the kind of an [Event].
type What string

// The kinds of events.
const (
	BadAck   What = "bad acknowledgement" // not authentic, or not of an item that was sent
	NoHolder What = "no holder"           // Config.Holder failed
	NotSent  What = "not sent"            // the file could not be written
)

// Outbox keeps what is to be sent in a database. It is safe for use by several
// goroutines, and several programs may share one database and folder.
type Outbox struct {
	db   sqldb.Keeper
	cfg  Config
	mark *marked // nil without a Mark
}

// The limits of an [Order].
const (
	MaxScope     = 64  // bytes: letters, digits, hyphens and underscores
	MaxOperation = 128 // bytes
)

var (
	// ErrConfig is returned by [Open] for a profile that is invalid or gives
	// all files one name, without Keys or Holder, or without a folder.
	ErrConfig = errors.New("outbox: unusable configuration")
	// ErrOrder is returned for an [Order] whose scope, operation, subject or
	// points are out of range.
	ErrOrder = errors.New("outbox: malformed order")
	// ErrReused is returned for an operation that was ordered before with other
	// content.
	ErrReused = errors.New("outbox: operation ordered before with other content")
	// ErrFull is returned when the profile's digits of the sequence number are
	// used up for the period.
	ErrFull = errors.New("outbox: no sequence number is left in this period")
	// ErrNoItem is returned for an item that the outbox does not have.
	ErrNoItem = errors.New("outbox: no such item")
	// ErrWritten is returned by [Outbox.Withdraw] for an item that is written:
	// its file may be on its way.
	ErrWritten = errors.New("outbox: the item is written and cannot be withdrawn")
	// ErrAck is returned for whatever is wrong with an acknowledgement. The
	// reason goes to [Config.Audit].
	ErrAck = errors.New("outbox: acknowledgement refused")

	// ErrTraining is returned when an operation of points in training would leave
	// by a live outbox, or the other way round.
	ErrTraining = sqldb.ErrMode

	// ErrBusy is returned when another transaction was in the way for longer
	// than [Config.RetryFor]. Nothing was changed.
	ErrBusy = sqldb.ErrBusy
	// ErrOutcomeUnknown is returned when the database did not say whether it
	// committed. The same call can be made again.
	ErrOutcomeUnknown = sqldb.ErrOutcomeUnknown
	// ErrNotDurable is returned by a call of [Outbox.In] for a transaction that a
	// crash could undo after its commit.
	ErrNotDurable = sqldb.ErrNotDurable
)

type (
	// SchemaError is returned by [Open] for tables that a newer program made.
	SchemaError = sqldb.SchemaError
	// LostError is returned when Config.Holder, Config.Again or a function of
	// [Outbox.Do] ended the transaction.
	LostError = sqldb.LostError
	// UnresolvedError is returned by [Open] while a lost transaction is written
	// down, and by the calls that run a function of the program's.
	UnresolvedError = sqldb.UnresolvedError
)

// Open creates or upgrades the tables in db and returns the outbox. The engine
// is SQLite 3.35 or later or PostgreSQL 12 or later. Open SQLite with
// journal_mode=WAL and synchronous=FULL. Open does not take over db.
//
// The errors are [ErrConfig], a [*SchemaError], an [*UnresolvedError], a
// [*RestoredError], and the driver's, wrapped. With a [*RestoredError] the outbox is returned too: its
// Recover is the only call that then does anything.
func Open(ctx context.Context, db *sql.DB, cfg Config) (*Outbox, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Training {
		cfg.Keys = mergefile.Training(cfg.Keys)
	}
	if cfg.Repeat == 0 {
		cfg.Repeat = 10 * time.Minute
	}
	d, err := domain.Open(ctx, db, cfg.database())
	if err != nil {
		return nil, err
	}
	o := &Outbox{db: d, cfg: cfg}
	if cfg.Mark == nil {
		return o, nil
	}
	if o.mark, err = openMark(ctx, cfg.Mark); err != nil {
		return nil, err
	}
	if err := o.mark.compare(ctx, d.DB.Queries); err != nil {
		if _, ok := errors.AsType[*RestoredError](err); ok {
			return o, err
		}
		return nil, d.Told("open", err)
	}
	return o, nil
}

func (c Config) check() error {
	if err := c.Profile.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	switch {
	case c.Profile.FileName.Kind == mergefile.NameFixed:
		return fmt.Errorf("%w: the profile gives all files one name", ErrConfig)
	case c.Keys == nil || c.Holder == nil:
		return fmt.Errorf("%w: no keys or no Holder", ErrConfig)
	case c.Repeat < 0:
		return fmt.Errorf("%w: Repeat is negative", ErrConfig)
	}
	if info, err := os.Stat(c.Dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%w: no folder for the files", ErrConfig)
	}
	return nil
}

// Do runs f in a durable transaction, and again from its start if another
// transaction was in the way. Within f, [Outbox.In] and the In of other keepers
// join it. f must not end the transaction.
func (o *Outbox) Do(ctx context.Context, f func(ctx context.Context, tx *sql.Tx) error) error {
	return o.db.Do(ctx, f)
}

// In returns the outbox within somebody else's transaction of the same database:
// Add and Withdraw are carried out when that transaction commits. Call Add last,
// since it takes the number that others wait for.
func (o *Outbox) In(tx *sql.Tx) *Outbox {
	in := *o
	in.db = o.db.In(tx)
	return &in
}

var domain = sqldb.Domain{Package: "outbox", Schema: schema, NoLoss: ErrNoLoss,
	Own: sqldb.Among(ErrOrder, ErrReused, ErrFull, ErrNoItem, ErrWritten, ErrAck, ErrRestored, ErrTraining)}

func (o *Outbox) audit(ctx context.Context, e Event) {
	if o.cfg.Audit != nil {
		o.cfg.Audit(ctx, e)
	}
}
