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

// Config says how a registry behaves. Serials must be set; the rest of the
// zero Config is usable.
type Config struct {
	// Serials is the form in which serial numbers are kept.
	Serials SerialForm

	// Alphabet is what automatic MyKey IDs are made of.
	Alphabet mykey.Alphabet

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
	Former func(ctx context.Context, serial jpki.Serial) (jpki.Serial, error)

	// Prefix goes before the name of every table, so that they can live in a
	// database with others: a lower-case letter, then lower-case letters,
	// digits and underscores, at most 24 bytes. Empty means "mykey_".
	Prefix string
	// RetryFor bounds how long a write is tried again while another is in its
	// way; then the error wraps [ErrBusy]. Zero means ten seconds; a negative
	// value means one try.
	RetryFor time.Duration

	// Clock returns the time. Nil means the system's. Another is for tests.
	Clock func() time.Time
}

// Registry is the user table (利用者のテーブル, システム設計書 II.9③) with its
// rules. It is safe for use by several goroutines, and by several programs on
// one database.
type Registry struct {
	db       *sqldb.DB
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
// the tables. Other errors are the database's, wrapped.
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
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	d, err := sqldb.Open(ctx, db, schema, sqldb.Config{Prefix: cfg.Prefix, RetryFor: cfg.RetryFor})
	if err != nil {
		return nil, &storeError{"open", err}
	}
	r := &Registry{db: d, cfg: cfg, generate: func() mykey.ID { return mykey.GenerateID(cfg.Alphabet) }}
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

// now returns the time as the tables keep it.
func (r *Registry) now() time.Time { return r.cfg.Clock().Truncate(time.Millisecond).In(jst) }

// update runs fn in a durable transaction, from its start again when another
// was in the way.
func (r *Registry) update(ctx context.Context, op string, fn func(ctx context.Context, tx tx) error) error {
	return failed(op, r.db.Write(ctx, func(ctx context.Context, t *sqldb.Tx) error { return fn(ctx, tx{t.Queries}) }))
}

// view runs fn on one consistent state. fn does not write.
func (r *Registry) view(ctx context.Context, op string, fn func(ctx context.Context, tx tx) error) error {
	return failed(op, r.db.Read(ctx, func(ctx context.Context, t *sqldb.Tx) error { return fn(ctx, tx{t.Queries}) }))
}

// Person is what the registry knows of a holder.
type Person struct {
	ID           mykey.ID
	Certificates []Binding // those in force, one of a device at most
	Services     []mykey.ServiceID
	PPIDs        []mykey.PPID
	Notice       *Notice      // nil without consent
	Payment      *PaymentLink // nil if none was chosen, see [Session.Apply]
}

// Service gives the holder's Service ID with an operator, and whether there is
// one.
func (p Person) Service(op mykey.OperatorID) (mykey.ServiceID, bool) {
	for _, s := range p.Services {
		if s.Operator == op {
			return s, true
		}
	}
	return mykey.ServiceID{}, false
}

// Binding is a certificate for user authentication that is bound to a person.
type Binding struct {
	Ref      CertificateRef
	Device   Device
	NotAfter time.Time // the certificate's expiry
	Bound    time.Time // when it was bound
}

// Notice is the consent to the address-change notice (住所変更の自動通知), and the
// sign certificate that the consent lets the registry keep.
type Notice struct {
	Sign        CertificateRef
	NotAfter    time.Time // the sign certificate's expiry
	Explanation string    // which explanation was shown
	Consented   time.Time
}

// PaymentLink is the service that a person has chosen.
type PaymentLink struct {
	Service string
	ID      string // the payment service ID
	Applied time.Time
}

// Lookup gives the MyKey ID that a certificate is bound to: the tap at a
// counter, one query. Errors: [ErrNotEnrolled], [ErrSuperseded], [ErrExpired],
// or the database's, wrapped.
//
// A reissued certificate is ErrNotEnrolled here, with [Config.Former] too: its
// expiry and its device are stored with it (システム設計書 I.6④), and a serial
// number does not tell them. So on ErrNotEnrolled read the certificate, verify
// it and call [Registry.Begin], which needs no PIN for this. If the session has
// an ID, look up again. A card that is known costs one query as before.
func (r *Registry) Lookup(ctx context.Context, serial jpki.Serial) (mykey.ID, error) {
	row, found, err := r.holder(ctx, r.cfg.Serials.keep(serial))
	if err != nil {
		return mykey.ID{}, failed("look up card", err)
	}
	return row.id, r.usable(row, found)
}

// LookupService gives the Service ID that a certificate's holder has with an
// operator: card to MyKey ID to Service ID (システム設計書 II.10) in one query. It
// is the zero ServiceID when the holder has none. Errors as of Lookup, and what
// is said there of a reissued certificate.
func (r *Registry) LookupService(ctx context.Context, serial jpki.Serial, op mykey.OperatorID) (mykey.ServiceID, error) {
	customer, row, found, err := r.customer(ctx, r.cfg.Serials.keep(serial), op)
	if err != nil {
		return mykey.ServiceID{}, failed("look up service", err)
	}
	if err := r.usable(row, found); err != nil || customer.IsZero() {
		return mykey.ServiceID{}, err
	}
	return mykey.ServiceID{Operator: op, Customer: customer}, nil
}

// usable says what speaks against a certificate found by a look-up.
func (r *Registry) usable(row holderRow, found bool) error {
	switch {
	case !found:
		return ErrNotEnrolled
	case row.superseded:
		return ErrSuperseded
	case r.now().After(row.notAfter):
		return ErrExpired
	}
	return nil
}

// Find gives the person that has a key: an [mykey.ID], a [mykey.ServiceID] or a [mykey.PPID].
// Errors: [ErrNotFound]; [ErrRetired] for an ID that was somebody's; or a
// the database's, wrapped.
func (r *Registry) Find(ctx context.Context, key mykey.Identifier) (Person, error) {
	if key == nil || key.IsZero() {
		return Person{}, ErrNotFound
	}
	var out Person
	err := r.view(ctx, "find person", func(ctx context.Context, tx tx) error {
		person, id, err := tx.find(ctx, key)
		if err != nil {
			return err
		}
		if person == 0 {
			return notFound(ctx, tx, key)
		}
		out, err = readPerson(ctx, tx, person, id)
		return err
	})
	if err != nil {
		return Person{}, err
	}
	return out, nil
}

func notFound(ctx context.Context, tx tx, key mykey.Identifier) error {
	if id, ok := key.(mykey.ID); ok {
		state, err := tx.idState(ctx, id)
		if err != nil {
			return err
		}
		if state == idAbandoned || state == idRevoked {
			return ErrRetired
		}
	}
	return ErrNotFound
}

func readPerson(ctx context.Context, tx tx, person int64, id mykey.ID) (Person, error) {
	out := Person{ID: id}
	certs, err := tx.bindings(ctx, person)
	if err != nil {
		return out, err
	}
	for _, b := range certs {
		out.Certificates = append(out.Certificates, Binding{Ref: refOf(b.stored), Device: b.device, NotAfter: b.notAfter, Bound: b.bound})
	}
	if out.Services, err = tx.services(ctx, person); err != nil {
		return out, err
	}
	if out.PPIDs, err = tx.ppids(ctx, person); err != nil {
		return out, err
	}
	n, ok, err := tx.notice(ctx, person)
	if err != nil {
		return out, err
	}
	if ok {
		out.Notice = &Notice{Sign: refOf(n.stored), NotAfter: n.notAfter, Explanation: n.explanation, Consented: n.at}
	}
	p, ok, err := tx.payment(ctx, person)
	if ok {
		out.Payment = &p
	}
	return out, err
}

// Revoke ends a MyKey ID for good (失効, システム設計書 IV(9)) for a holder whom the
// caller has logged in by other means than the card. What was bound to it
// (certificates, Service IDs, PPIDs, consent) is deleted. The holder may enrol
// anew and gets another ID. What stays is what a rule needs afterwards:
//
//   - the ID itself, so that nobody is ever given it again;
//   - how many duplicate answers each card was given, because a new enrolment
//     must not give it three more;
//   - the payment service that was chosen, and the certificates of its holder
//     in their stored form: one service for a person, see [Session.Apply].
//
// Revoking a revoked ID changes nothing and is no error. Errors:
// [ErrNotFound]; [ErrRetired] for an ID given up in a change; or a
// the database's, wrapped.
func (r *Registry) Revoke(ctx context.Context, id mykey.ID) error {
	if id.IsZero() {
		return ErrNotFound
	}
	return r.update(ctx, "revoke", func(ctx context.Context, tx tx) error {
		person, _, err := tx.find(ctx, id)
		if err != nil {
			return err
		}
		if person != 0 {
			// While the lock was waited for, the holder may have changed the
			// ID or somebody may have revoked it.
			if now, ok, err := tx.lockPerson(ctx, person); err != nil {
				return err
			} else if ok && now == id {
				return revoke(ctx, tx, person, id, r.now())
			}
		}
		if state, err := tx.idState(ctx, id); err != nil || state == idRevoked {
			return err
		}
		return notFound(ctx, tx, id)
	})
}

func revoke(ctx context.Context, tx tx, person int64, id mykey.ID, now time.Time) error {
	p, ok, err := tx.payment(ctx, person)
	if err != nil {
		return err
	}
	if ok {
		if err := tx.keepPayment(ctx, person, p); err != nil {
			return err
		}
	}
	if err := tx.removePerson(ctx, person); err != nil {
		return err
	}
	return tx.retireID(ctx, id, idRevoked, now)
}

// ImportRow is one person of a table that is taken over from elsewhere.
type ImportRow struct {
	ID           mykey.ID
	Certificates []Certificate
	Services     []mykey.ServiceID
	PPIDs        []mykey.PPID
}

// Import registers people whose MyKey IDs exist already, all of them or, on
// any error, none: a table taken over from another system. It runs in one
// transaction; a few thousand records a call is a good number. Ordinary
// registration is [Session.Enrol]. An ID that is kept for a card as its
// candidate is a duplicate until [Config.ClaimLife] has passed.
//
// The error is an [*ImportError] that names the record, wrapping a
// [*mykey.FormError], [ErrDuplicate], [ErrCertificateTaken], [ErrCustomerTaken],
// [ErrServiceExists] or [ErrPPIDTaken]; or the database's, wrapped.
func (r *Registry) Import(ctx context.Context, records []ImportRow) error {
	for i, rec := range records {
		if err := rec.check(); err != nil {
			return &ImportError{i, err}
		}
	}
	return r.update(ctx, "import", func(ctx context.Context, tx tx) error {
		now := r.now()
		for i, rec := range records {
			if err := r.importOne(ctx, tx, rec, now); refused(err) {
				return &ImportError{i, err}
			} else if err != nil {
				return err
			}
		}
		return nil
	})
}

func (rec ImportRow) check() error {
	if rec.ID.IsZero() {
		return missing(fieldID)
	}
	for _, c := range rec.Certificates {
		if err := c.check(); err != nil {
			return err
		}
	}
	for _, s := range rec.Services {
		if _, err := s.MarshalText(); err != nil {
			return err
		}
	}
	for _, p := range rec.PPIDs {
		if p.IsZero() {
			return missing(fieldPPID)
		}
	}
	return nil
}

// importer claims IDs for records that may have no card. No stored serial has
// this form.
const importer = "import"

func (r *Registry) importOne(ctx context.Context, tx tx, rec ImportRow, now time.Time) error {
	if ok, err := tx.claimID(ctx, rec.ID, importer, now, now.Add(-r.cfg.ClaimLife)); err != nil {
		return err
	} else if !ok {
		return ErrDuplicate
	}
	if _, err := tx.activateID(ctx, rec.ID, importer, now); err != nil {
		return err
	}
	person, err := tx.addPerson(ctx, rec.ID, now)
	if err != nil {
		return err
	}
	for _, c := range rec.Certificates {
		ok, err := tx.addBinding(ctx, bindingRow{
			stored: r.cfg.Serials.keep(c.Serial), person: person, device: c.Device, notAfter: c.expiry(), bound: now})
		if err != nil {
			return err
		}
		if !ok {
			return ErrCertificateTaken
		}
	}
	for _, s := range rec.Services {
		if err := addService(ctx, tx, person, s, now); err != nil {
			return err
		}
	}
	for _, p := range rec.PPIDs {
		if ok, err := tx.addPPID(ctx, person, p, now); err != nil {
			return err
		} else if !ok {
			return ErrPPIDTaken
		}
	}
	return nil
}

// addService inserts a Service ID and, if a constraint kept it out, finds out
// which.
func addService(ctx context.Context, tx tx, person int64, s mykey.ServiceID, now time.Time) error {
	added, err := tx.addService(ctx, person, s, now)
	if err != nil || added {
		return err
	}
	owner, _, err := tx.find(ctx, s)
	switch {
	case err != nil:
		return err
	case owner == person:
		return nil // the same again
	case owner != 0:
		return ErrCustomerTaken
	}
	return ErrServiceExists
}
