package registry

import (
	"context"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// Lookup returns the MyKey ID that a certificate is bound to: the tap at a
// counter, one query. A serial number is public and counts within its issuer, so
// the result may only be shown. Whatever binds, spends or credits begins a
// session, which compares the issuer.
//
// Lookup returns [ErrNotEnrolled], [ErrTwoIssuers], [ErrSuperseded], [ErrExpired],
// or the database's error, wrapped.
//
// A reissued certificate is ErrNotEnrolled here, with [Config.Former] too: a
// serial number does not tell its issuer, device and expiry. On ErrNotEnrolled
// call [Show] and [Registry.Begin], which needs no PIN for this. If the session
// has an ID, [Session.Person] is the holder.
func (r *Registry) Lookup(ctx context.Context, serial jpki.Serial) (mykey.ID, error) {
	id, _, err := r.lookup(ctx, r.cfg.Serials.keep(serial), Issuer{}, mykey.OperatorID{})
	if err != nil {
		return mykey.ID{}, domain.Told("look up card", err)
	}
	return id, nil
}

// LookupIssued is Lookup for a certificate that was read, whose issuer is known:
// it does not mistake the certificate for one of another issuer with the same
// serial number. Nothing is proved by it: a copy of the card has both as well. It
// serves grants to whoever shows a card, such as package grant's. The errors are
// those of Lookup.
func (r *Registry) LookupIssued(ctx context.Context, serial jpki.Serial, issuer Issuer) (mykey.ID, error) {
	if issuer.IsZero() {
		return mykey.ID{}, missing(fieldIssuer)
	}
	id, _, err := r.lookup(ctx, r.cfg.Serials.keep(serial), issuer, mykey.OperatorID{})
	if err != nil {
		return mykey.ID{}, domain.Told("look up card", err)
	}
	return id, nil
}

// LookupService returns the Service ID that a certificate's holder has with an
// operator: card to MyKey ID to Service ID (システム設計書 II.10) in one query. It
// is the zero ServiceID when the holder has none. Errors as of Lookup, and what
// is said there of a reissued certificate.
func (r *Registry) LookupService(ctx context.Context, serial jpki.Serial, op mykey.OperatorID) (mykey.ServiceID, error) {
	_, customer, err := r.lookup(ctx, r.cfg.Serials.keep(serial), Issuer{}, op)
	if err != nil || customer.IsZero() {
		return mykey.ServiceID{}, domain.Told("look up service", err)
	}
	return mykey.ServiceID{Operator: op, Customer: customer}, nil
}

// maxSuccessors bounds how far a line of changed IDs is followed.
const maxSuccessors = 1000

// Successor returns the present MyKey ID of the person who had id: id itself if
// it is in use, or the ID that took its place in a change or a join, however
// often that happened. It is for whoever finds an old ID in its own books.
//
// Successor returns [ErrNotFound] if id was never anybody's. It returns
// [ErrRetired] if the person's ID was revoked, or if id was given up before this
// package kept successors. Other errors are the database's, wrapped.
func (r *Registry) Successor(ctx context.Context, id mykey.ID) (mykey.ID, error) {
	err := r.view(ctx, "find successor", func(ctx context.Context, tx tx) error {
		for range maxSuccessors {
			state, next, err := tx.successor(ctx, id)
			switch {
			case err != nil:
				return err
			case state == idActive:
				return nil
			case state == idFree, state == idReserved:
				return ErrNotFound
			case next.IsZero():
				return ErrRetired
			}
			id = next
		}
		return &damage{fieldID, "line of successors"}
	})
	if err != nil {
		return mykey.ID{}, err
	}
	return id, nil
}
