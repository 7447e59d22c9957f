package ticket

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// Limits that no [Policy] can widen.
const (
	MaxDays   = 30         // of validity, the day of issue not counted
	MaxPoints = 99_999_999 // on one ticket
	MaxBatch  = 10_000     // orders in one call of IssueBatch
)

// Policy holds what an issuer may decide. The zero Policy is the strict
// reading of the design document.
type Policy struct {
	// MaxDays is the longest validity, 1 to 30 days; zero means 30. A ticket
	// of n days that is issued on day D is good to the end of day D+n.
	MaxDays int
	// MaxPoints is the most points on one ticket; zero means the package's
	// MaxPoints.
	MaxPoints int64
	// GraceDays is the number of days after the last day of a ticket, 0 to
	// 90, in which it can still be redeemed if a shop took it in time; see
	// [Presentation].Accepted. The design document has no grace.
	GraceDays int
	// WarnAt is the number of used ticket numbers in a scope at which an
	// audit event reports how full the scope is; zero means 1 % of [Space].
	WarnAt int64
	// RefuseAt is the largest number of used ticket numbers in a scope;
	// zero means 10 % of [Space], and half of [Space] is the maximum.
	RefuseAt int64
	// Throttle bounds wrong numbers.
	Throttle Throttle
}

func (p Policy) withDefaults() (Policy, error) {
	if p.MaxDays == 0 {
		p.MaxDays = MaxDays
	}
	if p.MaxPoints == 0 {
		p.MaxPoints = MaxPoints
	}
	if p.WarnAt == 0 {
		p.WarnAt = Space / 100
	}
	if p.RefuseAt == 0 {
		p.RefuseAt = Space / 10
	}
	bad := ""
	switch {
	case p.MaxDays < 1 || p.MaxDays > MaxDays:
		bad = "MaxDays"
	case p.MaxPoints < 1 || p.MaxPoints > MaxPoints:
		bad = "MaxPoints"
	case p.GraceDays < 0 || p.GraceDays > 90:
		bad = "GraceDays"
	case p.WarnAt < 1:
		bad = "WarnAt"
	case p.RefuseAt < 1 || p.RefuseAt > Space/2:
		bad = "RefuseAt"
	}
	if bad != "" {
		return p, fmt.Errorf("%w: %s", ErrPolicy, bad)
	}
	var err error
	p.Throttle, err = p.Throttle.withDefaults()
	return p, err
}

// Config configures a [Book]. The zero Config is usable, without QR codes.
type Config struct {
	// Prefix goes before the name of every table, so that the tables can
	// live in the program's own database: a lower-case letter, then
	// lower-case letters, digits and underscores, at most 24 bytes. Empty
	// means "ticket_".
	Prefix string
	// RetryFor bounds how long a write is repeated while another is in its
	// way; after that it fails with [ErrBusy]. Zero means ten seconds. A
	// negative value means one try.
	RetryFor time.Duration
	Policy   Policy
	// CheckKinds makes the book look at [Terminal].Kind: only terminals that
	// issue tickets (ウ) issue, reprint, replace and cancel, and only those
	// that take points or issue tickets (イ, ウ) inspect and redeem.
	CheckKinds bool
	// Refund, if not nil, gives the points of a paid ticket back when
	// [Book.Cancel] takes the ticket back, in the same transaction. It is
	// called before the ticket is locked. Its error keeps the ticket as it is.
	// [Ticket].Payment is the key under which the points were taken.
	Refund func(ctx context.Context, tx *sql.Tx, t Ticket, at Terminal) error
	// Keys seal and open QR codes. Without a key there are no QR codes, and
	// every code that looks like one is refused.
	Keys Keys
	// Audit, if not nil, is called once for each operation that was
	// answered, in the caller's goroutine. It must return quickly.
	Audit func(context.Context, Event)
	// AuditKey, if not zero, keys [Event].Ref.
	AuditKey AuditKey
	// Unresolved opens the book although lost transactions are written down,
	// for [Book.Losses] and [Book.Resolve].
	Unresolved bool
	// Training keeps everything in tables of their own, for clerks to practise,
	// under the prefix "training_ticket_" if Prefix is empty. The numbers begin
	// with 000, and no other book draws such numbers: a live counter refuses
	// these tickets. No transaction joins such a book with live points; see
	// [ErrTraining].
	Training bool
	// Clock, if not nil, returns the current time. It is for tests. If it is
	// nil, the clock of a PostgreSQL server decides, so that all programs
	// agree; on SQLite the system's clock does.
	Clock func() time.Time
}

// A Book is an issuer's book of tickets. It issues, reprints, replaces and
// cancels tickets, redeems them for counters, and settles. A Book is safe for
// use by several goroutines, and several programs may open the same tables.
//
// The database holds the live numbers, which reprints need. Guard it, and its
// backups, as money.
type Book struct {
	db      sqldb.Keeper
	cfg     Config
	policy  Policy
	guesses *guesses
	draw    func() Number
}

// Open creates or upgrades the tables in db and returns a Book on them. The
// program opens db with a driver of its choice: SQLite 3.35 or later, or
// PostgreSQL 12 or later. Open SQLite with journal_mode=WAL and
// synchronous=FULL; with less, a redeemed ticket may be live again after a
// power cut. The Book does not close db.
//
// Open returns [ErrPolicy] if db is nil or the policy is out of range, and
// [ErrSecret] if a key is unusable. It returns a [*SchemaError] if a newer
// program made the tables, and an [*UnresolvedError] if a transaction was lost.
// Other errors say that the engine or the prefix is unusable, or are the
// driver's, wrapped.
func Open(ctx context.Context, db *sql.DB, cfg Config) (*Book, error) {
	if db == nil {
		return nil, fmt.Errorf("%w: no database", ErrPolicy)
	}
	policy, err := cfg.Policy.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := cfg.Keys.check(); err != nil {
		return nil, err
	}
	cfg.Keys = append(Keys(nil), cfg.Keys...)
	d, err := domain.Open(ctx, db, cfg.database())
	if err != nil {
		return nil, err
	}
	return &Book{db: d, cfg: cfg, policy: policy, guesses: new(guesses), draw: drawing(cfg.Training)}, nil
}

// FindOrder returns the ticket of the order with a key, as Find does, for the
// terminal that ordered it. It returns [ErrKey] for an empty or malformed key,
// and [ErrNotFound] if the scope has no ticket of such an order.
func (b *Book) FindOrder(ctx context.Context, scope Scope, key string) (Ticket, error) {
	if key == "" || !validKey(key) {
		return Ticket{}, ErrKey
	}
	t, m, err := b.lookBy(ctx, byOrder, scope, key)
	if err != nil {
		return Ticket{}, domain.Told("find an order", err)
	}
	t.State = t.StateAt(m.date(), b.policy.GraceDays)
	return t, nil
}

// QR returns the text of the ticket's QR code; see [Keys.Seal].
func (b *Book) QR(t Ticket) (string, error) { return b.cfg.Keys.Seal(t.Scope, t.Number) }

// Find returns a ticket with its full history. It is for the issuer's back
// office, never for a counter. Its State is as of now. Find returns
// [ErrNotFound] if the scope has no such ticket.
func (b *Book) Find(ctx context.Context, scope Scope, n Number) (Ticket, error) {
	t, m, err := b.look(ctx, scope, n)
	if err != nil {
		return Ticket{}, domain.Told("find", err)
	}
	t.State = t.StateAt(m.date(), b.policy.GraceDays)
	return t, nil
}
