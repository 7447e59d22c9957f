package jpki

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/apdu"
)

// ErrChangeUnknown is returned when it is unknown whether a PIN change reached
// the card: the card has the old PIN or the new one. [Card.ChangePIN] describes
// how to find out.
var ErrChangeUnknown = errors.New("jpki: outcome of the PIN change unknown")

// ChangePIN verifies the old PIN and sets the new one. Both are of the same kind,
// one of the five that a holder chooses: [AuthPIN], [SignPIN], [TextPIN],
// [JukiPIN], [CommonPIN]. Holders know the last two as one PIN, so change both.
// It takes four exchanges. Afterwards call [Card.Verify] with the new PIN before
// what needs it: whether the card counts it as verified is not known.
//
// Before anything is sent, ChangePIN checks the form of the new PIN and that it
// differs from the old one. A new sign PIN needs a letter and a digit. ChangePIN
// reads the counter before it sends the old PIN, as [Card.Verify] does, with the
// same options and errors. Neither PIN is sent more than once.
//
// ChangePIN returns a [*StepError] that wraps
//
//   - a [*FormatError] if a PIN is missing or the new one breaks a rule, or an
//     [*UnsupportedError] if holders cannot change this kind. Nothing was sent.
//   - a [*LastTryError], a [*PINError] or [ErrOutcomeUnknown] as from Verify. The
//     PIN is unchanged. The last one is also returned if the card accepts the old
//     PIN and then demands it again.
//   - [ErrChangeUnknown] and the cause if it is unknown whether the PIN is the
//     old or the new one. The counter is full then. To find out, call
//     [Card.Verify] with the new PIN. If that is wrong, which uses up a try, the
//     old one is still valid, and verifying it fills the counter again.
//   - another error. The PIN is unchanged.
func (c *Card) ChangePIN(ctx context.Context, old, to PIN, opts ...VerifyOption) error {
	kind := old.Kind()
	step := "change " + kind.String()
	rule, err := checkChange(old, to)
	if err != nil {
		return &StepError{step, err}
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
	// The file is selected here and not named by short identifier, so that the
	// PIN that is changed is the one that was verified. Known clients do the
	// same.
	shortEF := c.shortEF
	c.shortEF = false
	defer func() { c.shortEF = shortEF }()
	if err := c.verifyCurrent(ctx, old, rule, opts); err != nil {
		return err
	}
	if err := c.set(ctx, to, rule); err != nil {
		return &StepError{step, err}
	}
	return nil
}

// checkChange applies the rules for new PINs.
func checkChange(old, to PIN) (pinRule, error) {
	kind := old.Kind()
	rule, ok := kind.rule()
	switch {
	case !ok || len(old.text()) == 0:
		return rule, &FormatError{PIN: kind, Reason: NoPIN}
	case kind > CommonPIN:
		return rule, &UnsupportedError{"to change the " + rule.name}
	case to.Kind() != kind || len(to.text()) == 0:
		return rule, &FormatError{PIN: kind, Reason: NoPIN}
	case subtle.ConstantTimeCompare(old.text(), to.text()) == 1:
		return rule, &FormatError{PIN: kind, Reason: SameAsOld}
	}
	const digits = "0123456789"
	if text := to.text(); rule.letters {
		letter := bytes.ContainsFunc(text, func(r rune) bool { return r >= 'A' })
		if !letter || !bytes.ContainsAny(text, digits) {
			return rule, &FormatError{PIN: kind, Reason: LetterAndDigit}
		}
	}
	return rule, nil
}

// set sends the new PIN for the current file, once.
func (c *Card) set(ctx context.Context, to PIN, rule pinRule) error {
	// CHANGE REFERENCE DATA with new data only, ISO/IEC 7816-4 section 11.6.7.
	cmd := apdu.Command{INS: apdu.InsChangeReferenceData, P1: 0x01, P2: 0x80, Data: to.text()}
	if app := rule.file.app(); app == CommonApp || app == JukiApp {
		// CHANGE KEY of JICSAP, which these applications follow.
		cmd = apdu.Command{CLA: 0x80, INS: apdu.InsChangeKey, P2: 0x80, Data: to.text()}
	}
	before := c.channel.Stats().Exchanges
	r, err := c.transmit(ctx, &cmd)
	switch {
	case err == nil && len(r.Data) == 0:
		return nil
	case err == nil:
		err = ErrReply
	case c.channel.Stats().Exchanges == before:
		return err // the context had ended: the card saw nothing
	case len(r.Data) == 0 && statusIn(err, apdu.SecurityStatusNotSatisfied):
		// So the answer to VERIFY was not the card's, or was about another card.
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	case len(r.Data) == 0 && notExecuted(err):
		return err
	}
	return fmt.Errorf("%w: %w", ErrChangeUnknown, err)
}

// notExecuted reports whether the status word means that the card checked a
// command and did not execute it: ISO/IEC 7816-4 table 5, checking errors. 6Fxx is
// one of these, but it is not specific enough.
func notExecuted(err error) bool {
	var s *apdu.StatusError
	if !errors.As(err, &s) {
		return false
	}
	switch s.Status >> 8 {
	case 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6D, 0x6E:
		return true
	}
	return false
}
