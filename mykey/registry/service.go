package registry

import (
	"context"

	"github.com/mynakit/mynakit/mykey"
)

// RegisterService binds a Service ID to the holder (システム設計書 II.9). The staff
// must have looked the customer up in their own system first, and compare the
// Service ID given back with the card in their hand.
//
// Registering the same again is no error. Errors: [ErrServiceExists] when the
// holder has another customer ID with this operator, which only
// [Session.ReplaceService] overwrites; [ErrCustomerTaken]; the refusals of a
// session ([ErrSessionOver], [ErrWrongCard], [ErrExpired], [ErrNotEnrolled],
// [ErrIDReplaced], [ErrSuperseded]); a [*mykey.FormError]; or the database's, wrapped.
func (s *Session) RegisterService(ctx context.Context, confirm Presence, service mykey.ServiceID) (mykey.ServiceID, error) {
	return s.putService(ctx, confirm, service, false)
}

// ReplaceService is RegisterService for the step back (システム設計書 II.9④): it
// overwrites the customer ID that the holder has with this operator, if any.
// It never takes a customer ID from another person.
func (s *Session) ReplaceService(ctx context.Context, confirm Presence, service mykey.ServiceID) (mykey.ServiceID, error) {
	return s.putService(ctx, confirm, service, true)
}

func (s *Session) putService(ctx context.Context, confirm Presence, service mykey.ServiceID, replace bool) (mykey.ServiceID, error) {
	if _, err := service.MarshalText(); err != nil {
		return mykey.ServiceID{}, err
	}
	err := s.change(ctx, "register service", confirm, func(ctx context.Context, tx tx) error {
		if replace {
			if _, err := tx.removeService(ctx, s.person, service.Operator); err != nil {
				return err
			}
		}
		return addService(ctx, tx, s.person, service)
	})
	if err != nil {
		return mykey.ServiceID{}, err
	}
	return service, nil
}

// RemoveService deletes the Service ID that the holder has with an operator,
// and reports whether there was one. The customer ID is free for others
// afterwards. Errors: the refusals of a session, or the database's, wrapped.
func (s *Session) RemoveService(ctx context.Context, confirm Presence, op mykey.OperatorID) (removed bool, err error) {
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
func (s *Session) RegisterPPID(ctx context.Context, confirm Presence, p mykey.PPID) error {
	if p.IsZero() {
		return missing(fieldPPID)
	}
	return s.change(ctx, "register PPID", confirm, func(ctx context.Context, tx tx) error {
		if added, err := tx.addPPID(ctx, s.person, p); err != nil || added {
			return err
		}
		if owner, _, err := tx.find(ctx, p); err != nil || owner == s.person {
			return err
		}
		return ErrPPIDTaken
	})
}

// addService inserts a Service ID and, if a constraint kept it out, finds out
// which.
func addService(ctx context.Context, tx tx, person int64, s mykey.ServiceID) error {
	added, err := tx.addService(ctx, person, s)
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
