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

// ErrCardChanged means that the card at hand is not the one that it was, or
// that it was lifted and put back in between: an application that was selected
// is so no longer, as after a loss of power. What was read or signed meanwhile
// is not to be used. It comes out of [Tap], and within one out of any method of
// a Card that has to select another application.
var ErrCardChanged = errors.New("jpki: not the same card any more")

// An Identity tells a card from other cards without a PIN. Identities can be
// compared with == and be keys of a map. It prints as [redacted]; keep it for
// as long as the card lies there and store a [Pseudonym] otherwise.
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

// Weak reports whether the identity tells kinds of cards apart and not cards:
// a phone whose PIN is not verified shows its token information alone.
func (i Identity) Weak() bool { return i.by == byToken }

// Identity reads what tells this card from others: the serial number of the
// certificate for user authentication, in one exchange. A card without that
// certificate is told by its number in [CommonApp], a phone before its PIN by
// the token information alone; see [Identity.Weak]. It selects [JPKIApp], and so
// ends the state of PINs verified elsewhere.
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

// A PINOrder says when the holder gives which PIN in a [Tap]. Make one with
// [PINFirst] or [CardFirst]; the zero value asks for none.
type PINOrder struct {
	given bool // not the zero value
	kind  PINKind
	pin   PIN
	ask   func(ctx context.Context, left int) (PIN, error)
	opts  []VerifyOption
}

// PINFirst has the PIN before the card, as iPhones do: whether it is right
// turns out when the card is there. The caller keeps pin and clears it, so that
// a tap that failed can be tried again without typing.
func PINFirst(pin PIN, opts ...VerifyOption) PINOrder {
	return PINOrder{given: true, kind: pin.Kind(), pin: pin, opts: opts}
}

// CardFirst has the card before the PIN, as Android phones do: the card has to
// stay while the holder types. ask is called once, with the number of tries
// that are left; not at all where the PIN is blocked, or where one try is left
// and [AllowLastTry] is not given. The PIN that it gives is cleared after use.
func CardFirst(kind PINKind, ask func(ctx context.Context, left int) (PIN, error), opts ...VerifyOption) PINOrder {
	return PINOrder{given: true, kind: kind, ask: ask, opts: opts}
}

// Tap waits for a card, has run work with it, and makes sure that the card at
// the end is the one of the beginning:
//
//   - wait gives the card when it is there. With apdu/pcsc that is WaitCard and
//     Open. What it gives is closed at the end, if it has a Close method,
//     whatever happened: with apdu/pcsc this takes the power away, so that no
//     PIN stays verified.
//   - The card is opened and its [Identity] read.
//   - order says whether the PIN comes before or now. Before a PIN that was
//     asked for is sent, the identity is read again: a card that took the place
//     of the first while somebody typed does not lose a try.
//   - run works with the card. Its error is the error of Tap as it stands.
//   - The identity is read once more. Where it is not that of the beginning,
//     the error is [ErrCardChanged].
//
// A card that is lifted loses its power, and with that has no application
// selected when it is back, which the next SELECT would hide. So from the first
// Identity to the end, whatever has to select another application first reads a
// byte or so in the one before, one exchange more and without a PIN. Where that
// is not selected any more the error is [ErrCardChanged], even if the reader has
// told nothing and the card at the end is the right one.
//
// What cannot be told is a card that leaves after that exchange and is back, it
// or another, before the SELECT that follows at once; and that twice, where
// another card was read in between. A reader that reports removal, as PC/SC
// does, tells that too.
//
// Other programs are kept away from before the PIN is sent to the end, for 4.5
// seconds at most, if the transport has transactions; see [Card.Transaction].
// If another program resets the card before that, nothing has been done yet:
// Tap begins anew, up to three times, if the transport is an
// [apdu.Reconnector], and does not ask for the PIN again. A reset after it is
// [apdu.ErrCardReset]; everything that was verified is gone.
//
// Do what cannot be undone after Tap has returned nil, not within run. A card
// that was lifted is [apdu.ErrCardRemoved] in a [*StepError] that names the step;
// the errors are those of [Open], [Card.Identity], [Card.Tries] and
// [Card.Verify], those of wait and ask in the steps "wait for card" and "ask
// for ... PIN", and the error of run.
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
	if closer, ok := t.(io.Closer); ok {
		// The error says that the card has left meanwhile, which it may.
		defer closer.Close()
	}
	v := visit{order: order, run: run}
	defer func() { v.asked.Clear() }()
	for resets := 0; ; resets++ {
		err := v.attempt(ctx, newCard(t, opts))
		again, ok := t.(apdu.Reconnector)
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

// stillSelected returns sure that the card has had power since the last SELECT:
// by one exchange that fails where the application is not selected. What it
// asks for is free on every card that is known, and spends no try. A SELECT
// that was refused leaves the application from before it: a successful one is
// what sets another (ISO/IEC 7816-4:1995 section 6.11.1, and so Java Card).
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

// same returns sure that the card is the one that first identifies.
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
