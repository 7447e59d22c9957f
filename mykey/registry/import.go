package registry

import (
	"context"
	"time"

	"github.com/mynakit/mynakit/mykey"
)

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
		now, err := tx.now(ctx)
		if err != nil {
			return err
		}
		for i, rec := range records {
			if err := r.importOne(ctx, tx, rec, now); refused(err) != nil {
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
		if err := c.checkImported(); err != nil {
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
		ok, err := tx.addBinding(ctx, person, r.keyed(c))
		if err != nil {
			return err
		}
		if !ok {
			return ErrCertificateTaken
		}
	}
	for _, s := range rec.Services {
		if err := addService(ctx, tx, person, s); err != nil {
			return err
		}
	}
	for _, p := range rec.PPIDs {
		if ok, err := tx.addPPID(ctx, person, p); err != nil {
			return err
		} else if !ok {
			return ErrPPIDTaken
		}
	}
	return nil
}
