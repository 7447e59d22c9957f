package registry

import (
	"context"
	"errors"

	"github.com/mynakit/mynakit/mykey"
)

// Revoke ends a MyKey ID for good (失効, システム設計書 IV(9)) for a holder whom the
// caller has logged in by other means than the card. What was bound to it
// (certificates, Service IDs, PPIDs, consent) is deleted. The holder may enrol
// anew and gets another ID. What stays is what a rule needs afterwards:
//
//   - the ID itself, so that nobody is ever given it again;
//   - how many duplicate answers each card was given, because a new enrolment
//     must not give it three more;
//   - the payment services that were chosen, and the certificates of their holder
//     in their stored form: one service for a person and campaign, see
//     [Session.Apply].
//
// Revoking a revoked ID changes nothing and is no error. Errors:
// [ErrNotFound]; [ErrRetired] for an ID given up in a change; or
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
				return r.revoke(ctx, tx, person, id)
			}
		}
		if state, err := tx.idState(ctx, id); err != nil || state == idRevoked {
			return err
		}
		return notFound(ctx, tx, id)
	})
}

func (r *Registry) revoke(ctx context.Context, tx tx, person int64, id mykey.ID) error {
	now, err := tx.now(ctx)
	if err != nil {
		return err
	}
	if err := tx.keepPayments(ctx, person); err != nil {
		return err
	}
	if _, err := tx.exec(ctx, "DELETE FROM {undo} WHERE kept = ?", person); err != nil {
		return err
	}
	if err := tx.removePerson(ctx, person); err != nil {
		return err
	}
	if err := tx.retireID(ctx, id, idRevoked, mykey.ID{}, now); err != nil {
		return err
	}
	return r.changed(ctx, tx, mykey.Change{Kind: mykey.ChangeRevoked, Old: id, At: now})
}

// Revoke ends the holder's MyKey ID for good, as [Registry.Revoke] does, and
// the session with it. The session must have begun with the PIN: revocation is
// final, and the platform lets a card in to the page where it is done only with
// the PIN (システム設計書 IV(2), IV(9)).
//
// It may be repeated when an answer was lost. Errors: [ErrPINRequired]; the
// refusals of a session; or the database's, wrapped.
func (s *Session) Revoke(ctx context.Context, confirm Presence) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.confirm(confirm); err != nil {
		return err
	}
	if s.person == 0 {
		return ErrNotEnrolled
	}
	err := s.update(ctx, "revoke", func(ctx context.Context, tx tx) error {
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
		return s.r.revoke(ctx, tx, s.person, s.id)
	})
	if err == nil {
		s.closed = true
	}
	return err
}
