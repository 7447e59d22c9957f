package registry

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/mynakit/mynakit/mykey/payment"
)

// Apply records which payment service the holder has chosen in a campaign
// (マイナポイントの申込), and which terms of use the holder has accepted. One service for a
// person and campaign, one person for a payment service ID in a campaign, and no
// change afterwards. rules checks the form first; the security code and the
// telephone digits go to the service and are not kept. The application is received
// then; see [Registry.ApplicationDone].
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
func (s *Session) Apply(ctx context.Context, confirm Presence, rules payment.Rules, a payment.Application) error {
	if err := rules.Check(a); err != nil {
		return err
	}
	link := PaymentLink{Campaign: a.Campaign, Service: a.Service, ID: a.PaymentServiceID, Terms: a.Terms}
	return s.change(ctx, "apply", confirm, func(ctx context.Context, tx tx) error {
		has, ok, err := tx.payment(ctx, s.person, link.Campaign)
		switch {
		case err != nil:
			return err
		case !ok:
			now, err := tx.now(ctx)
			if err != nil {
				return err
			}
			link.Applied = now
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

// ApplicationDone records that the service has registered an application, which
// takes it about a day. To record it again changes nothing.
//
// ApplicationDone returns [ErrNotFound] if there is no such application, or the
// database's error, wrapped.
func (r *Registry) ApplicationDone(ctx context.Context, campaign, service, paymentServiceID string) error {
	for _, s := range []string{campaign, service, paymentServiceID} {
		if !utf8.ValidString(s) || strings.Contains(s, "\x00") { // which PostgreSQL does not take
			return ErrNotFound
		}
	}
	return r.update(ctx, "finish application", func(ctx context.Context, tx tx) error {
		now, err := tx.now(ctx)
		if err != nil {
			return err
		}
		found, err := tx.exec(ctx, "UPDATE {choice} SET done = COALESCE(done, ?) WHERE campaign = ? AND service = ? AND payment_id = ?",
			millis(now), campaign, service, paymentServiceID)
		if err == nil && !found {
			return ErrNotFound
		}
		return err
	})
}
