package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/mykey/terminal"
	"github.com/mynakit/mynakit/ticket"
)

// Operator is an organisation that gives its customers numbers (ID付与事業者): a
// library, a mall.
type Operator struct {
	ID   mykey.OperatorID
	Name string
}

// Config holds the choices of [Open]. Keys, Scope, Mall and Programmes must be
// set.
type Config struct {
	// Keys are the shop's secrets: see [LoadKeys].
	Keys Keys

	// Verifier decides whether a card's certificate is genuine. Without one
	// nobody can begin a visit: the error is [ErrNoRoots]. Recognising a
	// holder, who was verified once, works all the same.
	Verifier *jpki.Verifier

	// Scope is the association whose tickets the shop issues and takes.
	Scope ticket.Scope
	// Operators are offered for choice when a Service ID is registered.
	Operators []Operator
	// Mall is the operator whose customer numbers are the mall's member
	// numbers (商店街ポイントID).
	Mall mykey.OperatorID

	// Programmes are those whose points the shop takes. The first is the city's
	// own, of a municipality's points; the others are of municipalities or events.
	Programmes []point.Programme
	// ByMyKeyID is for a mall whose own system knows its members by their MyKey
	// IDs (システム設計書 III.17), not by member numbers.
	ByMyKeyID bool
	// Outbox is the folder that merge files leave by. It must exist. Without it
	// none leave: see ErrNoOutbox.
	Outbox string
	// Mark, if not nil, keeps outside the database what was sent, so that a
	// database that was restored from a backup is noticed: see [outbox.FileMark].
	// It is for one database, and for live points or training, not both. Do not
	// restore it from a backup.
	Mark outbox.Mark
	// Training keeps everything in tables of their own, for clerks to practise
	// with test cards. Papers say so, and live shops refuse its tickets and files.
	Training bool

	// Issuer and PointName are printed on tickets (発行元, ポイント名).
	Issuer, PointName string

	// Audit, if set, is told of every ticket that is issued, taken or
	// refused, with the reason that the counter does not show.
	Audit func(context.Context, ticket.Event)
	// RetryFor bounds how long anything is tried to be written while another
	// program writes. Zero means ten seconds.
	RetryFor time.Duration
	// WithoutPIN is how many points a holder can spend on a day in Japan with a
	// card that has not proved itself: at a till without a PIN pad, say. Whoever
	// has held the card to a reader of their own, once, can spend this sum every
	// day with a copy. Zero, which is safe, allows none.
	WithoutPIN int64
	// Members, if set, reads a member's record from the library's or the mall's
	// own system, for [Visit.Recover]. It returns [registry.ErrNotFound] for a
	// number that nobody has.
	Members func(ctx context.Context, id mykey.ServiceID) (Member, error)
	// FaceAnchors, if set, verify what a card says of its holder, for
	// [Visit.Recover]. Without them the two members of staff compare it with the
	// card's face.
	FaceAnchors *jpki.FaceAnchors
	// Notice tells a holder of a recovery: see [registry.Config.Notice].
	Notice func(ctx context.Context, tx *sql.Tx, r registry.Recovery) error
	// Twice, if set, is told what one person was granted under two MyKey IDs that
	// are joined, in the transaction that joins them.
	Twice func(ctx context.Context, tx *sql.Tx, t Twice) error
	// Former asks whose successor a certificate is: see
	// [registry.Config.Former].
	Former func(ctx context.Context, serial jpki.Serial, issuer registry.Issuer) (jpki.Serial, registry.Issuer, error)
	// Clock returns the time. Nil means the system's. Another is for tests.
	Clock func() time.Time
}

var (
	// ErrConfig means that a Config lacks Keys, Scope, Mall or Programmes, or has
	// a programme that cannot be.
	ErrConfig = errors.New("shop: keys, scope, mall and programmes must be set")
	// ErrNoRoots means that there is no [Config.Verifier], so that no
	// certificate can be told from a forged one.
	ErrNoRoots = errors.New("shop: no root certificates to verify the card with")
)

// Shop is the shop. It is safe for use by several goroutines.
type Shop struct {
	cfg      Config
	db       *sql.DB
	postgres bool
	registry *registry.Registry
	city     *point.Ledger
	mall     *point.Ledger
	book     *ticket.Book
	receiver *ledger.Receiver
	box      *outbox.Outbox // nil without Config.Outbox
	flight   *flight
}

// Open creates or upgrades the shop's tables in db and returns the shop. db is
// SQLite or PostgreSQL and stays the caller's to close. Open SQLite with
// journal_mode(WAL), synchronous(FULL) and a busy_timeout. What an earlier version
// kept in tables of its own is taken over once.
//
// The errors are ErrConfig; [registry.ErrSerialForm] for the keys of another
// database; a [*registry.SchemaError] for a database that a newer program has
// used, of which then nothing was changed; ErrCarry; a [*outbox.RestoredError]; or
// the database's own. With a [*outbox.RestoredError] the shop is returned too:
// nobody can spend or combine points until [Shop.BookAgain] has succeeded.
func Open(ctx context.Context, db *sql.DB, cfg Config) (*Shop, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Shop{cfg: cfg, db: db, flight: &flight{now: map[point.Request]int{}}}
	key, err := ticket.NewKey(ticketKeyID, cfg.Keys.open().ticket)
	if err != nil {
		return nil, err
	}
	people := registry.Config{
		Prefix:   s.prefix("mykey_"),
		Serials:  registry.Pseudonyms(cfg.Keys.open().pseudonym),
		Former:   cfg.Former,
		Notice:   cfg.Notice,
		Changed:  s.changed,
		RetryFor: cfg.RetryFor,
		Clock:    cfg.Clock,
	}
	tickets := ticket.Config{
		RetryFor:   cfg.RetryFor,
		Keys:       ticket.Keys{key},
		CheckKinds: true,
		Refund:     s.refund,
		Training:   cfg.Training,
		Audit:      cfg.Audit,
		Clock:      cfg.Clock,
	}
	city := point.Config{RetryFor: cfg.RetryFor, Clock: cfg.Clock, Unproved: cfg.WithoutPIN, Training: cfg.Training, Undo: s.undo}
	mall := city
	mall.Prefix, mall.Undo = s.prefix("mall_point_"), nil

	// All are looked at before the first is changed.
	checks := []error{
		registry.Check(ctx, db, people),
		ticket.Check(ctx, db, tickets),
		point.Check(ctx, db, city),
		point.Check(ctx, db, mall),
		ledger.Check(ctx, db, ledger.Config{Prefix: s.prefix("mergefile_"), RetryFor: cfg.RetryFor}),
	}
	if cfg.Outbox != "" {
		sending, err := s.outboxConfig()
		if err == nil {
			err = outbox.Check(ctx, db, sending)
		}
		checks = append(checks, err)
	}
	for _, err := range checks {
		if err != nil {
			return nil, err
		}
	}

	if s.registry, err = registry.Open(ctx, db, people); err != nil {
		return nil, err
	}
	if s.book, err = ticket.Open(ctx, db, tickets); err != nil {
		return nil, err
	}
	if s.city, err = point.Open(ctx, db, city); err != nil {
		return nil, err
	}
	if s.mall, err = point.Open(ctx, db, mall); err != nil {
		return nil, err
	}
	if err := s.setProgrammes(ctx); err != nil {
		return nil, err
	}
	if s.receiver, err = s.openReceiver(ctx); err != nil {
		return nil, err
	}
	restored := s.openOutbox(ctx)
	if restored != nil && !errors.Is(restored, outbox.ErrRestored) {
		return nil, restored
	}
	// SQLite has no function of this name.
	var version string
	s.postgres = db.QueryRowContext(ctx, "SELECT version()").Scan(&version) == nil
	if err := s.carry(ctx); err != nil {
		return nil, err
	}
	return s, restored
}

func (c Config) check() error {
	if c.Keys.IsZero() || c.Mall.IsZero() || c.Scope.Check() != nil || len(c.Programmes) == 0 || c.Programmes[0].Kind != point.Municipal {
		return ErrConfig
	}
	for _, p := range c.Programmes {
		if p.Account == MallAccount || p.Kind != point.Municipal && p.Kind != point.Event {
			return ErrConfig
		}
		if err := p.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	return nil
}

// prefix returns the prefix of a keeper's tables, which are others in training.
func (s *Shop) prefix(live string) string {
	if s.cfg.Training {
		return "training_" + live
	}
	return live
}

// Training reports whether the shop is for clerks to practise: see
// [Config.Training].
func (s *Shop) Training() bool { return s.cfg.Training }

// Programmes returns the programmes whose points the shop takes.
func (s *Shop) Programmes() []point.Programme { return slices.Clone(s.cfg.Programmes) }

// Operators returns the organisations to choose from.
func (s *Shop) Operators() []Operator { return s.cfg.Operators }

// OperatorName returns the name of an operator, or its number where the shop
// does not know it.
func (s *Shop) OperatorName(id mykey.OperatorID) string {
	for _, o := range s.cfg.Operators {
		if o.ID == id {
			return o.Name
		}
	}
	return id.String()
}

// Mall returns the operator that is the mall.
func (s *Shop) Mall() mykey.OperatorID { return s.cfg.Mall }

// Terminal names one of the shop's terminals (端末ID): letters, digits, full
// stops, underscores and hyphens. A program says it of itself after it has
// been set up by the staff, never because a browser says so. It takes points and
// issues tickets; set Kind and Place for one that does less, or is somewhere.
func (s *Shop) Terminal(id string) ticket.Terminal {
	return ticket.Terminal{ID: id, Scope: s.cfg.Scope, Kind: terminal.Point | terminal.Ticket}
}

// Today returns the day in Japan.
func (s *Shop) Today() ticket.Date { return mykey.DateOf(s.now()) }

func (s *Shop) now() time.Time {
	if s.cfg.Clock == nil {
		return time.Now()
	}
	return s.cfg.Clock()
}

// Format prints only the type, whatever the verb: a shop leads to keys.
func (s *Shop) Format(f fmt.State, _ rune) { fmt.Fprint(f, "*shop.Shop") }
