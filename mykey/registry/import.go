package registry

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/payment"
)

// ImportRow is one person of a table that is taken over from elsewhere.
type ImportRow struct {
	ID           mykey.ID
	Certificates []Certificate
	Services     []mykey.ServiceID
	PPIDs        []mykey.PPID
	Notice       *ImportNotice // nil without consent
	Payments     []PaymentLink // one for a campaign at most
	Former       []mykey.ID    // the MyKey IDs that the person had before; see [Registry.Successor]
}

// ImportNotice is a consent to the address-change notice that is taken over.
type ImportNotice struct {
	Sign        Certificate // for digital signature
	Explanation string      // which explanation was shown, see [Session.ConsentToNotice]
	Consented   time.Time
}

// Import registers people whose MyKey IDs exist already, all of them or, on
// any error, none: a table taken over from another system. It runs in one
// transaction; a few thousand records a call is a good number. Ordinary
// registration is [Session.Enrol]. An ID that is kept for a card as its
// candidate is a duplicate until [Config.ClaimLife] has passed.
//
// The error is an [*ImportError] that names the record, wrapping a
// [*mykey.FormError], [ErrConsent] for a notice without explanation, [ErrDuplicate],
// [ErrCertificateTaken], [ErrCustomerTaken], [ErrServiceExists], [ErrPPIDTaken],
// [ErrSignTaken], [ErrAlreadyApplied] for two applications in a campaign, or
// [ErrPaymentTaken]; or the database's, wrapped.
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
	campaigns := map[string]bool{}
	for _, p := range rec.Payments {
		if err := p.check(); err != nil {
			return err
		}
		if campaigns[p.Campaign] {
			return ErrAlreadyApplied
		}
		campaigns[p.Campaign] = true
	}
	for _, id := range rec.Former {
		if id.IsZero() {
			return missing(fieldID)
		}
	}
	return rec.Notice.check()
}

func (n *ImportNotice) check() error {
	if n == nil {
		return nil
	}
	if err := n.Sign.checkImported(); err != nil {
		return err
	}
	if n.Consented.IsZero() {
		return missing("time of the consent")
	}
	return checkExplanation(n.Explanation)
}

// maxPaymentField bounds the texts of an application that is taken over, in bytes.
const maxPaymentField = 200

func (p PaymentLink) check() error {
	const field = "application"
	switch {
	case p.Service == "" || p.ID == "" || p.Applied.IsZero():
		return missing(field)
	case len(p.Service) > maxPaymentField || len(p.ID) > maxPaymentField || len(p.Campaign) > payment.MaxCampaign || len(p.Terms) > payment.MaxTerms:
		return &mykey.FormError{Field: field, Rule: mykey.RuleLength, Pos: -1}
	}
	for _, s := range []string{p.Campaign, p.Service, p.ID, p.Terms} {
		if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
			return &mykey.FormError{Field: field, Rule: mykey.RuleCharacter, Pos: -1}
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
	if n := rec.Notice; n != nil {
		ok, err := tx.addNotice(ctx, person, noticeRow{stored: r.keyed(n.Sign).key, notAfter: n.Sign.expiry(), explanation: n.Explanation, at: n.Consented})
		if err != nil {
			return err
		} else if !ok {
			return ErrSignTaken
		}
	}
	for _, p := range rec.Payments {
		if ok, err := tx.addPayment(ctx, person, p); err != nil {
			return err
		} else if !ok {
			return ErrPaymentTaken
		}
	}
	for _, id := range rec.Former {
		ok, err := tx.exec(ctx, "INSERT INTO {mykey_id} (id, state, successor, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			id, int64(idAbandoned), rec.ID, millis(now))
		if err != nil {
			return err
		} else if !ok {
			return ErrDuplicate
		}
	}
	return nil
}
