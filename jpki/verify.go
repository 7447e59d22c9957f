package jpki

import (
	"context"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/apdu"
)

// Tries returns how many tries of a PIN are left, and 0 if it is blocked. It
// spends none: the card takes a VERIFY without data as a question. One
// exchange, and one to select the application of the PIN where that is not
// selected.
//
// A card that answers 9000 has the PIN verified already; its counter is then
// full.
func (c *Card) Tries(ctx context.Context, kind PINKind) (int, error) {
	step := "count " + kind.String() + " tries"
	rule, ok := kind.rule()
	if !ok {
		return 0, &StepError{step, &FormatError{PIN: kind, Reason: UnknownPIN}}
	}
	if err := c.begin(ctx); err != nil {
		return 0, &StepError{step, err}
	}
	defer c.end()
	release, err := c.hold(ctx, rule.file.app())
	if err != nil {
		return 0, &StepError{step, err}
	}
	defer release()
	left, err := c.tries(ctx, rule)
	if err != nil {
		return 0, &StepError{step, err}
	}
	return left, nil
}

func (c *Card) tries(ctx context.Context, rule pinRule) (int, error) {
	// Four bytes and no Le: with Le, cards answer 6700.
	_, err := c.sendTo(ctx, rule.file, apdu.Command{INS: apdu.InsVerify, P2: 0x80})
	if err == nil {
		return rule.tries, nil
	}
	left, ok := counter(err)
	switch {
	case !ok:
		return 0, err
	case left > rule.tries && rule.chosen():
		return 0, ErrCardChanged // the counter of another key, in another application
	}
	return left, nil
}

// counter reads the tries left out of a card's answer to VERIFY. Cards say
// blocked in three ways: 63C0, 6983 and 6984.
func counter(err error) (left int, ok bool) {
	var s *apdu.StatusError
	if !errors.As(err, &s) {
		return 0, false
	}
	if s.Status == apdu.AuthenticationBlocked || s.Status == apdu.ReferenceDataNotUsable {
		return 0, true
	}
	return s.Status.Counter()
}

// A VerifyOption changes what [Card.Verify] may do.
type VerifyOption func(*verification)

type verification struct{ lastTry bool }

// AllowLastTry lets [Card.Verify] spend the last remaining try. Ask the holder
// before: a wrong PIN then is blocked, and the holder has to have it reset. Package
// jpki/unlock tells where.
func AllowLastTry() VerifyOption { return func(v *verification) { v.lastTry = true } }

// Verify presents a PIN to the card: two exchanges, the counter and VERIFY.
// After it the card gives what the PIN protects, until it loses power or
// another application is selected. Verify selects the application of the PIN
// itself, and so does every other method; see [PINKind.Application].
//
// VERIFY is sent at most once. The error is a [*StepError] that holds
//
//   - [*FormatError] for the zero or a cleared PIN: nothing was sent.
//   - [*LastTryError] where one try is left and [AllowLastTry] is not given:
//     VERIFY was not sent.
//   - [*PINError] where the PIN is wrong, or is blocked already.
//   - [ErrOutcomeUnknown] where it cannot be known whether a try was spent,
//     beside the cause. The next Verify reads the counter first, as each
//     does.
//   - anything else: VERIFY was not sent.
func (c *Card) Verify(ctx context.Context, pin PIN, opts ...VerifyOption) error {
	step := "verify " + pin.Kind().String()
	rule, ok := pin.Kind().rule()
	if !ok || len(pin.text()) == 0 {
		return &StepError{"verify PIN", &FormatError{PIN: pin.Kind(), Reason: NoPIN}}
	}
	if err := c.begin(ctx); err != nil {
		return &StepError{step, err}
	}
	defer c.end()
	release, err := c.hold(ctx, rule.file.app())
	if err != nil {
		return &StepError{step, err}
	}
	defer release()
	return c.verifyCurrent(ctx, pin, rule, opts)
}

// verifyCurrent reads the counter and presents the PIN, where the counter and
// the options allow it.
func (c *Card) verifyCurrent(ctx context.Context, pin PIN, rule pinRule, opts []VerifyOption) error {
	var v verification
	for _, opt := range opts {
		opt(&v)
	}
	step := "verify " + rule.name
	switch left, err := c.tries(ctx, rule); {
	case err != nil:
		return &StepError{"count " + rule.name + " tries", err}
	case left == 0:
		return &StepError{step, &PINError{PIN: pin.Kind(), Blocked: true}}
	case left == 1 && !v.lastTry:
		return &StepError{step, &LastTryError{PIN: pin.Kind()}}
	}
	if err := c.present(ctx, pin, rule); err != nil {
		return &StepError{step, err}
	}
	return nil
}

// present sends VERIFY, once. The file of the PIN is the current one, or the
// card is known to take its short identifier: tries has just seen to that.
func (c *Card) present(ctx context.Context, pin PIN, rule pinRule) error {
	cmd := apdu.Command{INS: apdu.InsVerify, P2: 0x80, Data: pin.text()}
	if c.shortEF {
		rule.file.addTo(&cmd)
	}
	before := c.channel.Stats().Exchanges
	r, err := c.transmit(ctx, &cmd)
	if err == nil && len(r.Data) == 0 {
		return nil
	}
	if err == nil {
		err = ErrReply
	}
	if c.channel.Stats().Exchanges == before {
		return err // the context had ended: the card saw nothing
	}
	if left, ok := counter(err); ok && len(r.Data) == 0 {
		return &PINError{PIN: pin.Kind(), Left: left, Blocked: left == 0}
	}
	// Any other status word ought to mean that nothing was tried. It is not
	// taken for granted.
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}
