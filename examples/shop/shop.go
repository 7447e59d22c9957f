package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// Operator is an organisation that gives its customers numbers (ID付与事業者): a
// library, a mall.
type Operator struct {
	ID   mykey.OperatorID
	Name string
}

// Config holds the choices of [Open]. Keys, Scope and Mall must be set.
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
	// ErrConfig means that a Config lacks Keys, Scope or Mall.
	ErrConfig = errors.New("shop: keys, scope and mall must be set")
	// ErrNoRoots means that there is no [Config.Verifier], so that no
	// certificate can be told from a forged one.
	ErrNoRoots = errors.New("shop: no root certificates to verify the card with")
)

// Shop is the shop. It is safe for use by several goroutines.
type Shop struct {
	cfg      Config
	db       *sql.DB
	registry *registry.Registry
	book     *ticket.Book
	receiver *ledger.Receiver
}

// Open creates or upgrades the shop's tables in db and gives the shop. db is
// SQLite or PostgreSQL and stays the caller's to close. Open SQLite with
// journal_mode(WAL), synchronous(FULL) and a busy_timeout.
//
// The errors are ErrConfig; [registry.ErrSerialForm] for the keys of another
// database; a [*registry.SchemaError] for a database that a newer program has
// used, of which then nothing was changed; or the database's own.
func Open(ctx context.Context, db *sql.DB, cfg Config) (*Shop, error) {
	if cfg.Keys.IsZero() || cfg.Mall.IsZero() || cfg.Scope.Check() != nil {
		return nil, ErrConfig
	}
	s := &Shop{cfg: cfg, db: db}

	// All are looked at before the first is changed.
	err := registry.Check(ctx, db, registry.Config{RetryFor: cfg.RetryFor})
	if err == nil {
		err = ticket.Check(ctx, db, ticket.Config{RetryFor: cfg.RetryFor})
	}
	if err == nil {
		err = ledger.Check(ctx, db, ledger.Config{RetryFor: cfg.RetryFor})
	}
	if err != nil {
		return nil, err
	}

	s.registry, err = registry.Open(ctx, db, registry.Config{
		Serials:  registry.Pseudonyms(cfg.Keys.open().pseudonym),
		Former:   cfg.Former,
		Notice:   cfg.Notice,
		Changed:  s.changed,
		RetryFor: cfg.RetryFor,
		Clock:    cfg.Clock,
	})
	if err != nil {
		return nil, err
	}

	key, err := ticket.NewKey(ticketKeyID, cfg.Keys.open().ticket)
	if err != nil {
		return nil, err
	}
	s.book, err = ticket.Open(ctx, db, ticket.Config{
		RetryFor: cfg.RetryFor,
		Keys:     ticket.Keys{key},
		Audit:    cfg.Audit,
		Clock:    cfg.Clock,
	})
	if err != nil {
		return nil, err
	}

	if err := s.createAccounts(ctx); err != nil {
		return nil, err
	}
	if s.receiver, err = s.openReceiver(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

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
// been set up by the staff, never because a browser says so.
func (s *Shop) Terminal(id string) ticket.Terminal {
	return ticket.Terminal{ID: id, Scope: s.cfg.Scope}
}

// Today returns the day in Japan.
func (s *Shop) Today() ticket.Date { return ticket.DateOf(s.now()) }

func (s *Shop) now() time.Time {
	if s.cfg.Clock == nil {
		return time.Now()
	}
	return s.cfg.Clock()
}

// Format prints only the type, whatever the verb: a shop leads to keys.
func (s *Shop) Format(f fmt.State, _ rune) { fmt.Fprint(f, "*shop.Shop") }
