package registry

import (
	"context"

	"github.com/mynakit/mynakit/mykey"
)

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
func (s *Session) Apply(ctx context.Context, confirm Presence, rules mykey.PaymentRules, a mykey.Application) error {
	if err := rules.Check(a); err != nil {
		return err
	}
	link := PaymentLink{Service: a.Service, ID: a.PaymentServiceID}
	return s.change(ctx, "apply", confirm, func(ctx context.Context, tx tx) error {
		has, ok, err := tx.payment(ctx, s.person)
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
