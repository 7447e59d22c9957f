package registry

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"sync"
	"time"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/mykey"
)

// A Session is one holder's visit at one terminal, bound to one card. It begins
// with a [Presence]. Every call that changes something takes the Presence of the
// card that is in the reader at the confirm step. If that is another card, the
// call returns [ErrWrongCard] and the session is over. If it is not proved, the
// call returns [ErrPINRequired].
//
// Without this, the next person at a terminal that was left logged in is
// bound to a stranger's account. That happened to 113 people in the マイナポイント
// programme, and afterwards the data did not show it.
//
// A Session is safe for use by several goroutines. It holds no database
// resources; Close only ends it.
type Session struct {
	secret.Hidden
	r *Registry
	*visit
}

// visit is what the Sessions of one visit share: see [Session.In].
type visit struct {
	cert    secret.Box[keyed]
	started time.Time

	mu     sync.Mutex
	closed bool
	proved bool  // some presence of this session was
	person int64 // 0: not enrolled
	id     mykey.ID
	// former is the key of the binding whose place the certificate takes at the
	// first proved presence; empty if there is none.
	former  secret.Box[string]
	rebound bool
}

// Begin starts a session with a presence. A card that is not enrolled is no
// error: the ID of its session is zero, and [Session.Enrol] gives it one.
//
// If the registry does not know the certificate, Begin calls [Config.Former]. If
// the certificate replaces one that is known, the session is of that holder. The
// certificate takes the place of the former one at once if p is proved, and
// otherwise at the first call with a proved presence.
//
// A binding that was made before this package kept issuers gets the issuer of
// the first proved presence with the same serial number and the same end of
// validity.
//
// Begin returns a [*mykey.FormError] if p is incomplete, [ErrExpired],
// [ErrSuperseded], [ErrWrongDevice] if the former certificate is of another
// device, the error of Config.Former, or the database's, wrapped.
func (r *Registry) Begin(ctx context.Context, p Presence) (*Session, error) {
	if err := p.Certificate.check(); err != nil {
		return nil, err
	}
	c := r.keyed(p.Certificate)
	s := &Session{r: r, visit: &visit{cert: secret.New(c), proved: p.Proved, started: r.clock()}}
	if r.now().After(p.Certificate.NotAfter) {
		return nil, ErrExpired
	}
	if p.Proved {
		if err := r.complete(ctx, c); err != nil {
			return nil, err
		}
	}
	var b bindingRow
	var found bool
	err := r.view(ctx, "begin session", func(ctx context.Context, tx tx) (err error) {
		if b, found, err = tx.known(ctx, c); err != nil || !found {
			return err
		}
		s.id, found, err = tx.personID(ctx, b.person)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !found && r.cfg.Former != nil:
		if err := s.findFormer(ctx, p); err != nil {
			return nil, err
		}
		return s, nil
	case !found:
		return s, nil
	case !b.inForce():
		return nil, ErrSuperseded
	}
	s.person = b.person
	if p.Proved {
		waits := false
		if err := r.view(ctx, "begin session", func(ctx context.Context, tx tx) (err error) {
			waits, err = tx.one(ctx, "SELECT number FROM {recovery} WHERE person = ? AND state = 1", []any{b.person}, new(int64))
			return err
		}); err != nil {
			return nil, err
		}
		if !waits && !b.issuer.IsZero() && b.notAfter.Equal(c.notAfter) {
			return s, nil
		}
		err := r.update(ctx, "begin session", func(ctx context.Context, tx tx) error {
			b := b
			// The holder is here, with the card that was thought lost.
			if err := tx.cancelRecoveries(ctx, b.person); err != nil {
				return err
			}
			if err := tx.adopt(ctx, &b, c); err != nil {
				return err
			}
			// The registry was told another expiry, by an import perhaps. The
			// certificate knows better.
			return tx.refreshBinding(ctx, b.stored, c.notAfter)
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// ID returns the holder's MyKey ID, zero if the card is not enrolled.
func (s *Session) ID() mykey.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Rebound reports whether a reissued card was bound in this session in the place
// of the former one.
func (s *Session) Rebound() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rebound
}

// In returns s for calls within a transaction that somebody else has begun, see
// [Registry.In]. If its owner rolls it back after a call that changed something,
// the session does not know: begin another.
func (s *Session) In(tx *sql.Tx) *Session { return &Session{r: s.r.In(tx), visit: s.visit} }

// Close ends the session. Every later call returns [ErrSessionOver].
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// open refuses a session that is over. If the clock has no monotonic reading
// and was put back, nobody knows how long the session has lasted.
func (s *Session) open() error {
	lasted := s.r.clock().Sub(s.started)
	if s.closed || lasted < 0 || lasted > s.r.cfg.SessionLife {
		s.closed = true
		return ErrSessionOver
	}
	return nil
}

// same refuses a card other than the session's, and then ends the session.
func (s *Session) same(p Presence) error {
	if err := s.open(); err != nil {
		return err
	}
	if err := p.Certificate.check(); err != nil {
		return err
	}
	is, want := s.r.keyed(p.Certificate), s.cert.Reveal()
	if subtle.ConstantTimeCompare([]byte(is.key), []byte(want.key)) != 1 {
		s.closed = true
		return ErrWrongCard
	}
	if s.r.now().After(p.Certificate.NotAfter) {
		return ErrExpired
	}
	return nil
}

// confirm is same for what demands proof.
func (s *Session) confirm(p Presence) error {
	if err := s.same(p); err != nil {
		return err
	}
	if !p.Proved {
		return ErrPINRequired
	}
	s.proved = true
	return nil
}

// change runs fn in a transaction, with the person locked, after it has made
// sure that the card at the confirm step is the session's and bound to the
// person the session is about. s.mu is held throughout.
func (s *Session) change(ctx context.Context, op string, confirm Presence, fn func(ctx context.Context, tx tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.confirm(confirm); err != nil {
		return err
	}
	if s.person == 0 {
		return ErrNotEnrolled
	}
	return s.update(ctx, op, func(ctx context.Context, tx tx) error {
		if err := s.lock(ctx, tx); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
}

// update runs fn in a transaction. If that is committed, a card that was to take
// the place of another has done so.
func (s *Session) update(ctx context.Context, op string, fn func(ctx context.Context, tx tx) error) error {
	err := s.r.update(ctx, op, fn)
	if err == nil && !s.former.IsZero() {
		s.former, s.rebound = secret.Box[string]{}, true
	}
	return err
}

// lock locks the session's person, binds the card if it is to take the place of
// a former one, and refuses if the card or the ID is no longer what it was. The
// presence is proved.
func (s *Session) lock(ctx context.Context, tx tx) error {
	id, ok, err := tx.lockPerson(ctx, s.person)
	if err != nil {
		return err
	}
	if !ok || id != s.id {
		return ErrIDReplaced
	}
	if !s.former.IsZero() {
		if err := s.takeOver(ctx, tx); err != nil {
			return err
		}
	}
	b, err := s.bound(ctx, tx, s.cert.Reveal())
	if err != nil {
		return err
	}
	return tx.adopt(ctx, &b, s.cert.Reveal())
}

// bound refuses a certificate that is no longer bound to the session's person.
func (s *Session) bound(ctx context.Context, tx tx, c keyed) (bindingRow, error) {
	b, ok, err := tx.known(ctx, c)
	switch {
	case err != nil:
		return b, err
	case !ok || b.person != s.person:
		return b, ErrIDReplaced
	case !b.inForce():
		return b, ErrSuperseded
	}
	return b, nil
}

// Person returns all that the registry knows of the session's holder. Nobody has
// confirmed that the holder is still there: see [Session.Confirm]. It returns
// [ErrSessionOver], [ErrNotEnrolled], [ErrIDReplaced], [ErrSuperseded], or the
// database's error, wrapped.
func (s *Session) Person(ctx context.Context) (Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(); err != nil {
		return Person{}, err
	}
	return s.read(ctx)
}

// Confirm is Person for a card that is in the reader and has proved itself:
// whoever spends what belongs to the holder calls it first, in the transaction
// that spends if it is called through [Session.In]. There it locks the holder,
// so that the MyKey ID stays what it is until the transaction ends. Other errors
// are [ErrPINRequired], [ErrWrongCard] and [ErrExpired].
func (s *Session) Confirm(ctx context.Context, p Presence) (Person, error) {
	return s.confirmed(ctx, p, (*Session).confirm)
}

// ConfirmUnproved is Confirm for a presence that may be a copy of the card's
// certificate. It serves what a point card could do: to show the holder, or to
// spend no more than a sum that the holder may lose. Other errors are
// [ErrWrongCard] and [ErrExpired].
func (s *Session) ConfirmUnproved(ctx context.Context, p Presence) (Person, error) {
	return s.confirmed(ctx, p, (*Session).same)
}

func (s *Session) confirmed(ctx context.Context, p Presence, check func(*Session, Presence) error) (Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := check(s, p); err != nil {
		return Person{}, err
	}
	return s.read(ctx)
}

// read reads the session's person. s.mu is held.
func (s *Session) read(ctx context.Context) (out Person, err error) {
	if s.person == 0 {
		return Person{}, ErrNotEnrolled
	}
	err = s.r.view(ctx, "read person", func(ctx context.Context, tx tx) error {
		look := tx.personID
		if s.r.db.Tx != nil {
			look = tx.lockPerson
		}
		id, ok, err := look(ctx, s.person)
		if err != nil {
			return err
		}
		if !ok || id != s.id {
			return ErrIDReplaced
		}
		c := s.cert.Reveal()
		if !s.former.IsZero() {
			c = keyed{key: s.former.Reveal()}
		}
		if _, err := s.bound(ctx, tx, c); err != nil {
			return err
		}
		out, err = readPerson(ctx, tx, s.person, id)
		return err
	})
	if err != nil {
		return Person{}, err
	}
	return out, nil
}
