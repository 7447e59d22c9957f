package jpki

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/internal/secret"
)

// ErrCardChanged is returned when the card is not the same any more, or was
// lifted and put back. It has lost its power then, and the selected application
// with it. Do not use what was read or signed meanwhile. [Tap] returns it,
// and so does any method of a Card within a Tap that has to select another
// application. [Card.Tries] and [Card.Verify] return it for a count that the PIN
// cannot have.
var ErrCardChanged = errors.New("jpki: not the same card any more")

// An Identity distinguishes a card from other cards without a PIN. Identities
// are comparable with == and can be map keys, within one process. An Identity
// prints as [redacted]. To store something, use a [Pseudonym].
type Identity struct {
	hidden
	value secret.String
	by    identifiedBy
}

type identifiedBy uint8

const (
	bySerial identifiedBy = iota + 1 // of the certificate for user authentication
	byNumber                         // of the card, in the common application
	byToken                          // what the token says of itself
)

// Weak reports whether the identity distinguishes only kinds of cards. A phone
// whose PIN is not verified shows only its token information.
func (i Identity) Weak() bool { return i.by == byToken }

// Identity reads what distinguishes this card from others: the serial number of
// the certificate for user authentication, in one exchange. For a card without
// that certificate it reads the number in [CommonApp], and for a phone whose PIN
// is not verified the token information; see [Identity.Weak]. It selects
// [JPKIApp], which ends the verified state of PINs in other applications.
//
// The errors are those of [Card.Serial] and [Card.CommonData].
func (c *Card) Identity(ctx context.Context) (Identity, error) {
	return call(ctx, c, "identify card", func() (Identity, error) { return c.identity(ctx) })
}

func (c *Card) identity(ctx context.Context) (Identity, error) {
	id, err := c.identityBy(ctx, bySerial)
	var required *PINRequiredError
	switch {
	case errors.As(err, &required):
		return c.identityBy(ctx, byToken)
	case !errors.Is(err, ErrNoCertificate):
		return id, err
	}
	id, err = c.identityBy(ctx, byNumber)
	var none *NoApplicationError
	if errors.As(err, &none) {
		return c.identityBy(ctx, byToken)
	}
	return id, err
}

// identityBy reads one of the things that identify a card.
func (c *Card) identityBy(ctx context.Context, by identifiedBy) (Identity, error) {
	var value string
	switch by {
	case bySerial:
		slot, _ := Auth.info()
		serial, err := c.serial(ctx, slot)
		if err != nil {
			return Identity{}, err
		}
		value = serial.value()
	case byNumber:
		common, err := c.common(ctx)
		if err != nil {
			return Identity{}, err
		}
		value = common.Number()
	default:
		const size = 160
		b, err := c.readBinary(ctx, tokenInfo, 0, size)
		if err == nil && len(b) != size {
			err = ErrReply
		}
		if err != nil {
			return Identity{}, err
		}
		digest := sha256.Sum256(b)
		value = string(digest[:])
	}
	masked, _ := secret.Mask(value) // a digest, a serial number or 15 digits
	return Identity{value: masked, by: by}, nil
}

// A PINOrder is the order of PIN and card in a [Tap]. [PINFirst] and [CardFirst]
// return one. The zero PINOrder represents a Tap without a PIN.
type PINOrder struct {
	given bool // not the zero value
	kind  PINKind
	pin   PIN
	ask   func(ctx context.Context, left int) (PIN, error)
	opts  []VerifyOption
}

// PINFirst returns the order in which the holder types the PIN before presenting
// the card, as on iPhones. The caller keeps pin and clears it, so that a failed
// tap can be repeated without typing.
func PINFirst(pin PIN, opts ...VerifyOption) PINOrder {
	return PINOrder{given: true, kind: pin.Kind(), pin: pin, opts: opts}
}

// CardFirst returns the order in which the holder presents the card first and
// types the PIN while it stays there, as on Android phones. Tap calls ask once,
// with the number of tries left. It does not call ask if the PIN is blocked, or
// if one try is left and [AllowLastTry] is not given. Tap clears the PIN that ask
// returns.
func CardFirst(kind PINKind, ask func(ctx context.Context, left int) (PIN, error), opts ...VerifyOption) PINOrder {
	return PINOrder{given: true, kind: kind, ask: ask, opts: opts}
}

// Tap waits for a card, verifies a PIN, calls run, and checks that the card at
// the end is the card of the beginning:
//
//   - wait returns the card when it is there. Tap closes it at the end if it has
//     a Close method. With apdu/pcsc this ends the verified state of PINs.
//   - Tap opens the card and reads its [Identity].
//   - order determines whether the PIN was typed before or is asked for now. If
//     it is asked for, Tap reads the identity again before it sends the PIN. A
//     card that took the place of the first one does not lose a try.
//   - run works with the card.
//   - Tap reads the identity once more. If it is not that of the beginning, the
//     error is [ErrCardChanged].
//
// # Removal
//
// A card that is lifted loses its power and then has no application selected,
// which the next SELECT would hide. Within a Tap, each method that has to select
// another application therefore reads a byte in the previous one first. This
// takes one more exchange and no PIN. If the previous one is not selected any
// more, the error is [ErrCardChanged], even if the card is the right one.
//
// This does not detect a card that leaves after that read and is back before the
// SELECT. A reader that reports removal, as PC/SC does, detects that too.
//
// # Other programs
//
// If the transport has transactions, other programs are kept away from the card
// from before the PIN is sent until the end, for at most 4.5 seconds; see
// [Card.Transaction]. If another program resets the card before that, nothing
// has been done yet. Tap then begins anew, up to three times, if the transport is
// an [apdu.Reconnector]. It does not ask for the PIN again. A later reset is
// [apdu.ErrCardReset], and no PIN is verified any more.
//
// # Errors
//
// Do what cannot be undone after Tap has returned nil, not within run. The errors
// are those of [Open], [Card.Identity], [Card.Tries] and [Card.Verify], and the
// error of run as it is. Errors of wait and ask are wrapped in a [*StepError]
// with the steps "wait for card" and "ask for ... PIN".
func Tap(ctx context.Context, wait func(context.Context) (apdu.Transmitter, error), order PINOrder,
	run func(context.Context, *Card) error, opts ...Option) error {
	if err := order.check(); err != nil {
		return &StepError{"verify PIN", err} // before anybody waits for anything
	}
	t, err := wait(ctx)
	if err == nil && t == nil {
		err = &UnsupportedError{"a wait that gives neither card nor error"}
	}
	if err != nil {
		return &StepError{"wait for card", err}
	}
	if closer, ok := apdu.As[io.Closer](t); ok {
		// The error says that the card has left meanwhile, which it may.
		defer closer.Close()
	}
	v := visit{order: order, run: run}
	defer func() { v.asked.Clear() }()
	for resets := 0; ; resets++ {
		err := v.attempt(ctx, newCard(t, opts))
		again, ok := apdu.As[apdu.Reconnector](t)
		if !errors.Is(err, apdu.ErrCardReset) || v.begun || !ok || resets == maxResets || again.Reconnect(ctx) != nil {
			return err
		}
	}
}

// maxResets bounds how often a Tap begins anew because another program has reset
// the card.
const maxResets = 3

// A visit is a Tap from the moment when the card is there.
type visit struct {
	order PINOrder
	run   func(context.Context, *Card) error
	card  Identity // of the first attempt, zero before
	asked PIN      // what ask has returned, zero before
	begun bool     // the PIN may have been sent, or run was called
}

// attempt runs the visit on a Card that is not open. It can be made again until
// begun is set.
func (v *visit) attempt(ctx context.Context, c *Card) error {
	if v.order.given && v.order.ask == nil {
		// From the first SELECT on, which then is in the transaction.
		release, err := c.hold(ctx, 0)
		if err != nil {
			return &StepError{"begin transaction", err}
		}
		defer release()
	}
	if err := c.open(ctx); err != nil {
		return err
	}
	first, err := c.Identity(ctx)
	if err != nil {
		return err
	}
	if v.card.by != 0 && v.card != first {
		return &StepError{stepSame, ErrCardChanged}
	}
	v.card = first
	c.tapped = true
	if v.order.given {
		pin := v.order.pin
		if v.order.ask != nil {
			if pin, err = v.ask(ctx, c); err != nil {
				return err
			}
			release, err := c.hold(ctx, c.app)
			if err != nil {
				return &StepError{"begin transaction", err}
			}
			defer release()
			if err := c.same(ctx, first); err != nil {
				return err
			}
		}
		v.begun = true
		if err := c.Verify(ctx, pin, v.order.opts...); err != nil {
			return err
		}
	}
	if first.Weak() && v.order.kind == AuthPIN {
		// A phone shows its certificate from here on.
		if first, err = c.Identity(ctx); err != nil {
			return err
		}
	}
	v.begun = true
	if err := v.run(ctx, c); err != nil {
		return err
	}
	return c.same(ctx, first)
}

// check refuses an order that no card can satisfy.
func (o PINOrder) check() error {
	if !o.given {
		return nil
	}
	if _, ok := o.kind.rule(); !ok || o.ask == nil && len(o.pin.text()) == 0 {
		return &FormatError{PIN: o.kind, Reason: NoPIN}
	}
	return nil
}

// ask returns the PIN that the holder types, and asks once in a visit.
func (v *visit) ask(ctx context.Context, c *Card) (PIN, error) {
	if v.asked.Kind() != 0 {
		return v.asked, nil
	}
	kind := v.order.kind
	left, err := c.Tries(ctx, kind)
	if err != nil {
		return PIN{}, err
	}
	var may verification
	for _, opt := range v.order.opts {
		opt(&may)
	}
	switch {
	case left == 0:
		return PIN{}, &StepError{"verify " + kind.String(), &PINError{PIN: kind, Blocked: true}}
	case left == 1 && !may.lastTry:
		return PIN{}, &StepError{"verify " + kind.String(), &LastTryError{PIN: kind}}
	}
	step := "ask for " + kind.String()
	v.asked, err = v.order.ask(ctx, left)
	switch {
	case err != nil:
		return PIN{}, &StepError{step, err}
	case v.asked.Kind() != kind:
		return PIN{}, &StepError{step, &FormatError{PIN: kind, Reason: NoPIN}}
	}
	return v.asked, nil
}

// stillSelected checks that the card has had power since the last SELECT, by one
// exchange that fails if the application is not selected. What it asks for is
// free on every known card and uses up no try. A SELECT that was refused leaves
// the application as it was (ISO/IEC 7816-4:1995 section 6.11.1, and Java Card).
func (c *Card) stillSelected(ctx context.Context) error {
	f, cmd := tokenInfo, apdu.Command{INS: apdu.InsReadBinary, Ne: 1}
	switch c.held {
	case TextApp:
		f = textInfo
	case VisualApp:
		f = visualInfo
	case CommonApp:
		f, cmd = commonData, apdu.Command{INS: apdu.InsReadRecord, P1: 1, P2: 0x04, Ne: apdu.MaxShortNe}
	case JukiApp:
		// Nothing in it is known to be free. This asks for the counter.
		rule, _ := JukiPIN.rule()
		f, cmd = rule.file, apdu.Command{INS: apdu.InsVerify, P2: 0x80}
	}
	r, err := c.sendHere(ctx, f, cmd)
	var status *apdu.StatusError
	_, counted := counter(err)
	switch {
	case c.held == JukiApp && (err == nil || counted):
		return nil
	case errors.As(err, &status):
		// As text: callers would take the status word for the answer to theirs.
		return fmt.Errorf("%w: %v", ErrCardChanged, err)
	case err == nil && len(r.Data) == 0:
		return fmt.Errorf("%w: %w", ErrCardChanged, ErrReply)
	}
	return err
}

const stepSame = "check that the card is the same"

// same checks that the card is the one that first identifies.
func (c *Card) same(ctx context.Context, first Identity) error {
	_, err := call(ctx, c, stepSame, func() (Identity, error) {
		// By what it was identified by before: on a phone, run may have verified
		// the PIN that shows more.
		now, err := c.identityBy(ctx, first.by)
		var status *apdu.StatusError
		switch {
		case errors.As(err, &status), errors.Is(err, ErrNoCertificate):
			// It answers, and does not have selected what this one had.
			return now, fmt.Errorf("%w: %w", ErrCardChanged, err)
		case err == nil && now != first:
			err = ErrCardChanged
		}
		return now, err
	})
	return err
}
