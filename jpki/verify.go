package jpki

import (
	"context"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/apdu"
)

// Tries returns the number of tries left for a PIN, 0 if the PIN is blocked. It
// does not use up a try: it sends VERIFY without data. It takes one exchange, and
// another one to select the application of the PIN if that is not selected or
// the transport has transactions (see [apdu.Transactor]). If the PIN is already
// verified, Tries returns the full number.
//
// Tries returns a [*StepError]. It wraps a [*FormatError] for an unknown kind, a
// [*NoApplicationError], and [ErrCardChanged] if the card counts more tries than
// the PIN has, because another application was selected meanwhile.
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

// counter returns the tries left from a card's answer to VERIFY. Cards report a
// blocked PIN in three ways: 63C0, 6983 and 6984.
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

// AllowLastTry allows [Card.Verify] to use up the last try. Ask the holder
// first: a wrong PIN is then blocked until it is reset. Package jpki/unlock
// describes where.
func AllowLastTry() VerifyOption { return func(v *verification) { v.lastTry = true } }

// Verify sends a PIN to the card. It takes two exchanges, the counter and VERIFY.
// What the PIN protects can then be read or used until the card loses power or
// another application is selected. Verify selects the application of the PIN,
// which takes another exchange if it is not selected.
//
// If the transport has transactions (see [apdu.Transactor]), SELECT, counter and
// VERIFY are one transaction, so another program cannot select another
// application in between. [Card.Transaction] includes what the PIN is for.
//
// VERIFY is sent at most once. Verify returns a [*StepError] that wraps
//
//   - a [*FormatError] for the zero or a cleared PIN. Nothing was sent.
//   - [ErrCardChanged] as from [Card.Tries]. VERIFY was not sent.
//   - a [*PINError] if the PIN is blocked. VERIFY was not sent.
//   - a [*LastTryError] if one try is left and [AllowLastTry] is not given.
//     VERIFY was not sent.
//   - a [*PINError] if the PIN is wrong.
//   - [ErrOutcomeUnknown] and the cause if it is unknown whether a try was used
//     up. The next Verify reads the counter first.
//   - another error. VERIFY was not sent.
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

// verifyCurrent reads the counter and presents the PIN, if the counter and the
// options allow it.
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
