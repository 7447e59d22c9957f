package registry

import (
	"context"
	"errors"
	"fmt"
	"github.com/mynakit/mynakit/mykey"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Tap is one presentation of a card or phone at a reader, as the program saw
// it. The registry believes it: the program must have checked the certificate
// (issued by J-LIS, not revoked), and sets PINVerified only when this very
// card accepted the PIN and signed a challenge in this presentation.
type Tap struct {
	Certificate Certificate // for user authentication
	PINVerified bool
}

// Session is one holder's visit at one terminal, bound to one card. It begins
// with a tap, and every call that changes something takes the tap of the card
// that is in the reader at the confirm step. If that is another card the call
// is refused with [ErrWrongCard] and the session is over.
//
// Without this, the next person at a terminal that was left logged in is
// bound to a stranger's account. That happened to 113 people in the マイナポイント
// programme, and afterwards the data did not show it.
//
// A Session is safe for use by several goroutines. It holds no database
// resources; Close only makes it useless.
type Session struct {
	r       *Registry
	card    CertificateRef
	cert    Certificate
	pin     bool
	started time.Time
	rebound bool

	mu     sync.Mutex
	closed bool
	person int64 // 0: not enrolled
	id     mykey.ID
}

// Begin starts a session with a tap. A card that is not enrolled is no error:
// its session's ID is zero, and it can [Session.Enrol].
//
// A certificate that the registry does not know is put to [Config.Former]. If
// it replaces one that is known, it takes its place now. If that one is of
// another device, nothing is changed and the error is [ErrWrongDevice].
//
// Errors: a [*mykey.FormError] for an incomplete tap; [ErrExpired]; [ErrSuperseded];
// ErrWrongDevice; the error of Config.Former, wrapped; or the database's, wrapped.
func (r *Registry) Begin(ctx context.Context, tap Tap) (*Session, error) {
	if err := tap.Certificate.check(); err != nil {
		return nil, err
	}
	s := &Session{
		r:       r,
		card:    refOf(r.cfg.Serials.keep(tap.Certificate.Serial)),
		cert:    tap.Certificate,
		pin:     tap.PINVerified,
		started: r.cfg.Clock(), // as it is, with its monotonic reading
	}
	if r.now().After(tap.Certificate.NotAfter) {
		return nil, ErrExpired
	}
	row, found, err := r.holder(ctx, s.card.stored())
	if err != nil {
		return nil, failed("begin session", err)
	}
	if !found && r.cfg.Former != nil {
		row, found, err = s.succeed(ctx, tap.Certificate)
		if err != nil {
			return nil, err
		}
	}
	if found {
		if row.superseded {
			return nil, ErrSuperseded
		}
		s.person, s.id = row.person, row.id
		if !row.notAfter.Equal(tap.Certificate.expiry()) {
			// The registry was told another expiry, by an import perhaps.
			// The certificate knows better.
			err := r.update(ctx, "begin session", func(ctx context.Context, tx tx) error {
				return tx.refreshBinding(ctx, s.card.stored(), tap.Certificate.expiry())
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// maxReissues bounds how far back a line of reissued cards is followed.
const maxReissues = 8

// succeed puts a new certificate in the place of the one it was issued for.
func (s *Session) succeed(ctx context.Context, c Certificate) (row holderRow, found bool, err error) {
	var old string
	// A card may have been reissued more than once since it was last here.
	serial := c.Serial
	for range maxReissues {
		if serial, err = s.r.cfg.Former(ctx, serial); err != nil {
			return row, false, fmt.Errorf("registry: ask for the former certificate: %w", err)
		}
		if serial.IsZero() {
			return row, false, nil
		}
		old = s.r.cfg.Serials.keep(serial)
		if _, found, err = s.r.holder(ctx, old); err != nil {
			return row, false, failed("begin session", err)
		}
		if found {
			break
		}
	}
	if !found {
		return row, false, nil
	}
	err = s.r.update(ctx, "bind reissued card", func(ctx context.Context, tx tx) error {
		row, found = holderRow{}, false
		b, ok, err := tx.binding(ctx, old)
		if err != nil || !ok {
			return err // revoked a moment ago
		}
		id, ok, err := tx.lockPerson(ctx, b.person)
		if err != nil || !ok {
			return err
		}
		if err := replaceBinding(ctx, tx, b, s.card.stored(), c, s.r.now()); err != nil {
			return err
		}
		row, found = holderRow{person: b.person, id: id, notAfter: c.expiry()}, true
		return nil
	})
	s.rebound = found && err == nil
	return row, found, err
}

// replaceBinding ends the binding old, which must be in force, and binds the
// certificate c, stored so, in its place. Of many that try, one finds old in
// force. To find it replaced by this very certificate is success too: an answer
// was lost.
//
// Each device has a certificate of its own in force, so one that took the place
// of another device's would end two.
func replaceBinding(ctx context.Context, tx tx, old bindingRow, stored string, c Certificate, now time.Time) error {
	if old.device != c.Device {
		return ErrWrongDevice
	}
	if won, err := tx.supersede(ctx, old.stored, now); err != nil {
		return err
	} else if !won {
		b, ok, err := tx.binding(ctx, stored)
		if err != nil {
			return err
		}
		if ok && b.person == old.person && b.inForce() {
			return nil
		}
		return ErrSuperseded
	}
	return addBinding(ctx, tx, stored, old.person, c, now)
}

// addBinding binds a certificate to a person. One of the same device that the
// person has gives way: each device has one certificate in force, so the
// newer has ended the older.
func addBinding(ctx context.Context, tx tx, stored string, person int64, c Certificate, now time.Time) error {
	held, err := tx.bindings(ctx, person)
	if err != nil {
		return err
	}
	for _, h := range held {
		if h.stored == stored {
			return nil // the same again
		}
		if h.device == c.Device {
			if _, err := tx.supersede(ctx, h.stored, now); err != nil {
				return err
			}
		}
	}
	added, err := tx.addBinding(ctx, bindingRow{stored: stored, person: person, device: c.Device, notAfter: c.expiry(), bound: now})
	if err == nil && !added {
		return ErrCertificateTaken
	}
	return err
}

// ID gives the holder's MyKey ID, zero if the card is not enrolled.
func (s *Session) ID() mykey.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Rebound reports whether Begin has bound a reissued card in the place of the
// former one.
func (s *Session) Rebound() bool { return s.rebound }

// Close ends the session. Every later call gives [ErrSessionOver].
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// Format prints only the type, whatever the verb.
func (s *Session) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("registry.Session")) }

// open refuses a session that is over. Where the clock has no monotonic reading
// and was put back, nobody knows how long it has lasted.
func (s *Session) open() error {
	lasted := s.r.cfg.Clock().Sub(s.started)
	if s.closed || lasted < 0 || lasted > s.r.cfg.SessionLife {
		s.closed = true
		return ErrSessionOver
	}
	return nil
}

// confirm refuses a card other than the session's, and then ends it.
func (s *Session) confirm(tap Tap) error {
	if err := s.open(); err != nil {
		return err
	}
	if err := tap.Certificate.check(); err != nil {
		return err
	}
	if !s.card.equal(refOf(s.r.cfg.Serials.keep(tap.Certificate.Serial))) {
		s.closed = true
		return ErrWrongCard
	}
	if s.r.now().After(tap.Certificate.NotAfter) {
		return ErrExpired
	}
	return nil
}

// change runs fn in a transaction, with the person locked, after it has made
// sure that the card at the confirm step is the session's and still bound to
// the person the session is about. s.mu is held throughout.
func (s *Session) change(ctx context.Context, op string, confirm Tap, fn func(ctx context.Context, tx tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.confirm(confirm); err != nil {
		return err
	}
	if s.person == 0 {
		return ErrNotEnrolled
	}
	return s.r.update(ctx, op, func(ctx context.Context, tx tx) error {
		if err := s.lock(ctx, tx); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
}

// lock locks the session's person, and refuses if the card or the ID is no
// longer what it was.
func (s *Session) lock(ctx context.Context, tx tx) error {
	id, ok, err := tx.lockPerson(ctx, s.person)
	if err != nil {
		return err
	}
	if !ok || id != s.id {
		return ErrIDReplaced
	}
	return s.bound(ctx, tx)
}

// bound refuses a card that is no longer bound to the session's person.
func (s *Session) bound(ctx context.Context, tx tx) error {
	b, ok, err := tx.binding(ctx, s.card.stored())
	if err != nil {
		return err
	}
	if !ok || b.person != s.person {
		return ErrIDReplaced
	}
	if !b.inForce() {
		return ErrSuperseded
	}
	return nil
}

// Person gives all that the registry knows of the session's holder. Errors:
// [ErrSessionOver], [ErrNotEnrolled], [ErrIDReplaced], [ErrSuperseded], or a
// the database's, wrapped.
func (s *Session) Person(ctx context.Context) (Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(); err != nil {
		return Person{}, err
	}
	if s.person == 0 {
		return Person{}, ErrNotEnrolled
	}
	var out Person
	err := s.r.view(ctx, "read person", func(ctx context.Context, tx tx) error {
		person, id, err := tx.find(ctx, s.id)
		if err != nil {
			return err
		}
		if person != s.person {
			return ErrIDReplaced
		}
		if err := s.bound(ctx, tx); err != nil {
			return err
		}
		out, err = readPerson(ctx, tx, person, id)
		return err
	})
	if err != nil {
		return Person{}, err
	}
	return out, nil
}

// RegisterService binds a Service ID to the holder (システム設計書 II.9). The staff
// must have looked the customer up in their own system first, and compare the
// Service ID given back with the card in their hand.
//
// Registering the same again is no error. Errors: [ErrServiceExists] when the
// holder has another customer ID with this operator, which only
// [Session.ReplaceService] overwrites; [ErrCustomerTaken]; the refusals of a
// session ([ErrSessionOver], [ErrWrongCard], [ErrExpired], [ErrNotEnrolled],
// [ErrIDReplaced], [ErrSuperseded]); a [*mykey.FormError]; or the database's, wrapped.
func (s *Session) RegisterService(ctx context.Context, confirm Tap, service mykey.ServiceID) (mykey.ServiceID, error) {
	return s.putService(ctx, confirm, service, false)
}

// ReplaceService is RegisterService for the step back (システム設計書 II.9④): it
// overwrites the customer ID that the holder has with this operator, if any.
// It never takes a customer ID from another person.
func (s *Session) ReplaceService(ctx context.Context, confirm Tap, service mykey.ServiceID) (mykey.ServiceID, error) {
	return s.putService(ctx, confirm, service, true)
}

func (s *Session) putService(ctx context.Context, confirm Tap, service mykey.ServiceID, replace bool) (mykey.ServiceID, error) {
	if _, err := service.MarshalText(); err != nil {
		return mykey.ServiceID{}, err
	}
	err := s.change(ctx, "register service", confirm, func(ctx context.Context, tx tx) error {
		if replace {
			if _, err := tx.removeService(ctx, s.person, service.Operator); err != nil {
				return err
			}
		}
		return addService(ctx, tx, s.person, service, s.r.now())
	})
	if err != nil {
		return mykey.ServiceID{}, err
	}
	return service, nil
}

// RemoveService deletes the Service ID that the holder has with an operator,
// and reports whether there was one. The customer ID is free for others
// afterwards. Errors: the refusals of a session, or the database's, wrapped.
func (s *Session) RemoveService(ctx context.Context, confirm Tap, op mykey.OperatorID) (removed bool, err error) {
	err = s.change(ctx, "remove service", confirm, func(ctx context.Context, tx tx) (err error) {
		removed, err = tx.removeService(ctx, s.person, op)
		return err
	})
	return removed && err == nil, err
}

// RegisterPPID records the PPID that the platform gave a linked system for the
// holder. A PPID is never overwritten: the platform gives a system one for a
// person. Errors: [ErrPPIDTaken], the refusals of a session, a [*mykey.FormError],
// or the database's, wrapped.
func (s *Session) RegisterPPID(ctx context.Context, confirm Tap, p mykey.PPID) error {
	if p.IsZero() {
		return missing(fieldPPID)
	}
	return s.change(ctx, "register PPID", confirm, func(ctx context.Context, tx tx) error {
		if added, err := tx.addPPID(ctx, s.person, p, s.r.now()); err != nil || added {
			return err
		}
		if owner, _, err := tx.find(ctx, p); err != nil || owner == s.person {
			return err
		}
		return ErrPPIDTaken
	})
}

// AddCertificate binds a further certificate of the holder's: the one on the
// phone, say, in a session begun with the card. The caller must have verified
// both, and that they are one person's. A certificate of the same device that
// is bound already gives way to it.
//
// Errors: [ErrPINRequired] unless the session began with the PIN;
// [ErrCertificateTaken]; [ErrExpired]; the refusals of a session; a
// [*mykey.FormError]; or the database's, wrapped.
func (s *Session) AddCertificate(ctx context.Context, confirm Tap, c Certificate) error {
	if err := c.check(); err != nil {
		return err
	}
	if !s.pin {
		return ErrPINRequired
	}
	if s.r.now().After(c.NotAfter) {
		return ErrExpired
	}
	stored := s.r.cfg.Serials.keep(c.Serial)
	return s.change(ctx, "add certificate", confirm, func(ctx context.Context, tx tx) error {
		return addBinding(ctx, tx, stored, s.person, c, s.r.now())
	})
}

// Rebind binds the session's card, which is not enrolled, in the place of
// former, which [Registry.Find] gave: for a reissued card where [Config.Former]
// is not at hand. The caller must have made sure that the holder of the card is
// the person found. Of several that try, one succeeds, and the others get
// [ErrSuperseded].
//
// Errors: [ErrAlreadyEnrolled]; [ErrPINRequired] unless the session began with
// the PIN; [ErrNotFound] when former is not known; [ErrWrongDevice] when it is
// of another device, a phone's and not a card's, say; [ErrSuperseded];
// [ErrCertificateTaken]; the refusals of a session; or the database's, wrapped.
func (s *Session) Rebind(ctx context.Context, confirm Tap, former CertificateRef) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.confirm(confirm); err != nil {
		return err
	}
	switch {
	case s.person != 0:
		return ErrAlreadyEnrolled
	case !s.pin:
		return ErrPINRequired
	case former.IsZero():
		return ErrNotFound
	}
	var person int64
	var id mykey.ID
	err := s.r.update(ctx, "rebind", func(ctx context.Context, tx tx) error {
		b, ok, err := tx.binding(ctx, former.stored())
		if err != nil {
			return err
		}
		if !ok {
			return ErrNotFound
		}
		if id, ok, err = tx.lockPerson(ctx, b.person); err != nil {
			return err
		} else if !ok {
			return ErrNotFound
		}
		person = b.person
		return replaceBinding(ctx, tx, b, s.card.stored(), confirm.Certificate, s.r.now())
	})
	if err == nil {
		s.person, s.id = person, id
	}
	return err
}

// ConsentToNotice records that the holder wants the address-change notice, and
// keeps the sign certificate's serial number for it, in the registry's form.
// The explanation must have been shown before (システム設計書 II.9②); explanation
// says which, such as the name and date of the text, in 1 to 200 bytes. A
// second consent replaces the first: with a reissued card, say.
//
// Errors: [ErrConsent] without an explanation; [ErrSignTaken]; [ErrExpired];
// the refusals of a session; a [*mykey.FormError]; or the database's, wrapped.
func (s *Session) ConsentToNotice(ctx context.Context, confirm Tap, sign Certificate, explanation string) error {
	if explanation == "" {
		return ErrConsent
	}
	if len(explanation) > 200 {
		return &mykey.FormError{Field: "explanation", Rule: mykey.RuleLength, Pos: 200}
	}
	if !utf8.ValidString(explanation) || strings.Contains(explanation, "\x00") {
		return &mykey.FormError{Field: "explanation", Rule: mykey.RuleCharacter, Pos: -1}
	}
	if err := sign.check(); err != nil {
		return err
	}
	if s.r.now().After(sign.NotAfter) {
		return ErrExpired
	}
	n := noticeRow{stored: s.r.cfg.Serials.keep(sign.Serial), notAfter: sign.expiry(), explanation: explanation, at: s.r.now()}
	return s.change(ctx, "record consent", confirm, func(ctx context.Context, tx tx) error {
		if err := tx.removeNotice(ctx, s.person); err != nil {
			return err
		}
		added, err := tx.addNotice(ctx, s.person, n)
		if err == nil && !added {
			return ErrSignTaken
		}
		return err
	})
}

// UpdateSign follows the sign certificate of a holder with consent to a
// reissued one, as the platform does at first use (システム設計書 II.9③). The
// consent stays as it was. Without consent nothing is kept and the error is
// [ErrConsent]; other errors as of ConsentToNotice.
func (s *Session) UpdateSign(ctx context.Context, confirm Tap, sign Certificate) error {
	if err := sign.check(); err != nil {
		return err
	}
	if s.r.now().After(sign.NotAfter) {
		return ErrExpired
	}
	return s.change(ctx, "update sign certificate", confirm, func(ctx context.Context, tx tx) error {
		n, ok, err := tx.notice(ctx, s.person)
		if err != nil {
			return err
		}
		if !ok {
			return ErrConsent
		}
		n.stored, n.notAfter = s.r.cfg.Serials.keep(sign.Serial), sign.expiry()
		if err := tx.removeNotice(ctx, s.person); err != nil {
			return err
		}
		added, err := tx.addNotice(ctx, s.person, n)
		if err == nil && !added {
			return ErrSignTaken
		}
		return err
	})
}

// WithdrawConsent deletes the sign certificate's serial number and the record
// of the consent. Errors: the refusals of a session, or the database's, wrapped.
func (s *Session) WithdrawConsent(ctx context.Context, confirm Tap) error {
	return s.change(ctx, "withdraw consent", confirm, func(ctx context.Context, tx tx) error {
		return tx.removeNotice(ctx, s.person)
	})
}

// Apply records which payment service the holder has chosen (マイナポイントの申込).
// One service for a person, one person for a payment service ID, and no change
// afterwards. rules checks the form first; the security code and the
// telephone digits go to the service and are not kept.
//
// A revocation does not undo the choice. The payment service ID stays taken,
// and whoever enrols with a certificate that the holder had then has made this
// choice already. A card that was reissued after the revocation is not known
// for the holder's: another service can be chosen with it, though not the
// same payment service ID.
//
// Applying the same again is no error. Errors: a [*mykey.FormError];
// [ErrPINRequired] unless the PIN was verified in the confirming tap, for the
// platform asks for it a second time here; [ErrAlreadyApplied];
// [ErrPaymentTaken]; the refusals of a session; or the database's, wrapped.
func (s *Session) Apply(ctx context.Context, confirm Tap, rules mykey.PaymentRules, a mykey.Application) error {
	if err := rules.Check(a); err != nil {
		return err
	}
	link := PaymentLink{Service: a.Service, ID: a.PaymentServiceID, Applied: s.r.now()}
	return s.change(ctx, "apply", confirm, func(ctx context.Context, tx tx) error {
		if !confirm.PINVerified {
			return ErrPINRequired
		}
		has, ok, err := tx.payment(ctx, s.person)
		switch {
		case err != nil:
			return err
		case !ok:
			added, err := tx.addPayment(ctx, s.person, link)
			if err == nil && !added {
				return ErrPaymentTaken
			}
			return err
		case has.Service == link.Service && has.ID == link.ID:
			return nil
		}
		return ErrAlreadyApplied
	})
}

// Revoke ends the holder's MyKey ID for good, as [Registry.Revoke] does, and
// the session with it. The session must have begun with the PIN: revocation is
// final, and the platform lets a card in to the page where it is done only with
// the PIN (システム設計書 IV(2), IV(9)).
//
// It may be repeated when an answer was lost. Errors: [ErrPINRequired]; the
// refusals of a session; or the database's, wrapped.
func (s *Session) Revoke(ctx context.Context, confirm Tap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.confirm(confirm); err != nil {
		return err
	}
	switch {
	case !s.pin:
		return ErrPINRequired
	case s.person == 0:
		return ErrNotEnrolled
	}
	err := s.r.update(ctx, "revoke", func(ctx context.Context, tx tx) error {
		err := s.lock(ctx, tx)
		if errors.Is(err, ErrIDReplaced) {
			state, stateErr := tx.idState(ctx, s.id)
			if stateErr != nil || state == idRevoked {
				return stateErr // done already, as Registry.Revoke finds too
			}
		}
		if err != nil {
			return err
		}
		return revoke(ctx, tx, s.person, s.id, s.r.now())
	})
	if err == nil {
		s.closed = true
	}
	return err
}
