package registry

import (
	"context"
	"fmt"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/mykey"
)

// maxReissues bounds how far back a line of reissued cards is followed.
const maxReissues = 8

// findFormer finds the holder of the certificate that the session's was issued
// for. If p is proved, the session's takes its place.
func (s *Session) findFormer(ctx context.Context, p Presence) error {
	var old bindingRow
	found := false
	// A card may have been reissued more than once since it was last here.
	c := p.Certificate
	for range maxReissues {
		serial, issuer, err := s.r.cfg.Former(ctx, c.Serial, c.Issuer)
		if err != nil {
			return fmt.Errorf("registry: ask for the former certificate: %w", err)
		}
		if serial.IsZero() {
			return nil
		}
		if issuer.IsZero() {
			return missing(fieldIssuer)
		}
		c = Certificate{Serial: serial, Issuer: issuer}
		k := s.r.keyed(c)
		err = s.r.view(ctx, "begin session", func(ctx context.Context, tx tx) (err error) {
			if old, found, err = tx.binding(ctx, k.key); err != nil || found {
				return err
			}
			// One from before issuers were kept: whoever says which certificate
			// was replaced knows the issuer.
			if old, found, err = tx.binding(ctx, k.serial); err != nil || found {
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
		if found {
			break
		}
	}
	if !found {
		return nil
	}
	id := mykey.ID{}
	err := s.r.view(ctx, "begin session", func(ctx context.Context, tx tx) (err error) {
		id, found, err = tx.personID(ctx, old.person)
		return err
	})
	switch {
	case err != nil:
		return err
	case !found:
		return nil // revoked a moment ago
	case !old.inForce():
		return ErrSuperseded
	case old.device != s.cert.Reveal().device:
		return ErrWrongDevice
	}
	s.person, s.id, s.former = old.person, id, secret.New(old.stored)
	if !p.Proved {
		return nil
	}
	return s.update(ctx, "bind reissued card", s.lock)
}

// takeOver binds the session's certificate in the place of the former one. The
// person is locked and the presence proved.
func (s *Session) takeOver(ctx context.Context, tx tx) error {
	b, ok, err := tx.binding(ctx, s.former.Reveal())
	if err != nil {
		return err
	}
	if !ok || b.person != s.person {
		return ErrIDReplaced
	}
	return replaceBinding(ctx, tx, b, s.cert.Reveal())
}

// replaceBinding ends the binding old, which must be in force, and binds the
// certificate c in its place. Of many that try, one finds old in force. To find
// it replaced by this very certificate is success too: an answer was lost.
//
// Each device has a certificate of its own in force, so one that took the place
// of another device's would end two.
func replaceBinding(ctx context.Context, tx tx, old bindingRow, c keyed) error {
	if old.device != c.device {
		return ErrWrongDevice
	}
	if won, err := tx.supersede(ctx, old.stored); err != nil {
		return err
	} else if !won {
		b, ok, err := tx.known(ctx, c)
		if err != nil {
			return err
		}
		if ok && b.person == old.person && b.inForce() {
			return nil
		}
		return ErrSuperseded
	}
	return addBinding(ctx, tx, old.person, c)
}

// addBinding binds a certificate to a person. One of the same device that the
// person has gives way: each device has one certificate in force, so the
// newer has ended the older.
func addBinding(ctx context.Context, tx tx, person int64, c keyed) error {
	b, known, err := tx.known(ctx, c)
	if err != nil {
		return err
	}
	if known && b.person == person && b.inForce() {
		return tx.adopt(ctx, &b, c) // the same again
	}
	held, err := tx.bindings(ctx, person)
	if err != nil {
		return err
	}
	for _, h := range held {
		if h.device == c.device {
			if _, err := tx.supersede(ctx, h.stored); err != nil {
				return err
			}
		}
	}
	added, err := tx.addBinding(ctx, person, c)
	if err == nil && !added {
		return ErrCertificateTaken
	}
	return err
}

// AddCertificate binds a further certificate of the holder's: that of a phone,
// for example, in a session that began with the card. Both are proved, and the
// caller must have made sure that they are one person's. A certificate of the
// same device that is bound already gives way to it.
//
// AddCertificate returns [ErrPINRequired] if one of the two is not proved,
// [ErrCertificateTaken], [ErrExpired], the refusals of a session, a
// [*mykey.FormError], or the database's error, wrapped.
func (s *Session) AddCertificate(ctx context.Context, confirm, other Presence) error {
	if err := other.Certificate.check(); err != nil {
		return err
	}
	if !other.Proved {
		return ErrPINRequired
	}
	if s.r.now().After(other.Certificate.NotAfter) {
		return ErrExpired
	}
	c := s.r.keyed(other.Certificate)
	return s.change(ctx, "add certificate", confirm, func(ctx context.Context, tx tx) error {
		return addBinding(ctx, tx, s.person, c)
	})
}

// Rebind binds the session's card, which is not enrolled, in the place of
// former, which [Registry.Find] gave: on the word of the authority that both are
// one person's, where it comes by other ways than [Config.Former]. On grounds of
// the operator's own, [Session.Recover] is the call. A certificate that is in
// force gives way to nobody. Of several that try, one succeeds, and the others
// get [ErrSuperseded].
//
// Rebind returns [ErrAlreadyEnrolled]; [ErrPINRequired]; [ErrNotFound] if former
// is not known; [ErrInForce] unless it has expired or was found revoked;
// [ErrWrongDevice] if it is of another device; [ErrSuperseded];
// [ErrCertificateTaken]; the refusals of a session; or the database's error,
// wrapped.
func (s *Session) Rebind(ctx context.Context, confirm Presence, former CertificateRef) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.confirm(confirm); err != nil {
		return err
	}
	switch {
	case s.person != 0:
		return ErrAlreadyEnrolled
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
		now, err := tx.now(ctx)
		if err != nil {
			return err
		}
		if b.inForce() && !b.revoked && !now.After(b.notAfter) {
			if b.device != s.cert.Reveal().device {
				return ErrWrongDevice
			}
			return ErrInForce
		}
		person = b.person
		return replaceBinding(ctx, tx, b, s.cert.Reveal())
	})
	if err == nil {
		s.person, s.id = person, id
	}
	return err
}
