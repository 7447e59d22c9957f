package ticket

import (
	"context"
	"errors"
)

// Presentation is a ticket put on a counter.
type Presentation struct {
	// Terminal is where: the shop's own, or a collecting point's (商工会).
	Terminal Terminal
	// Code is what was read or typed: the text of the QR code, or the number
	// with or without its check digit.
	Code Code
	// Accepted is the day on which a shop took the ticket, from the shop's
	// seal, when it is brought in later. It matters only beyond the ticket's
	// last day, and helps only within Policy.GraceDays of it. Who may claim
	// it is the program's to decide. The zero Date claims nothing.
	Accepted Date
	// Attempt names this one press of the redeem button, in the terminal's
	// own words and different for each press: at most MaxKey bytes without
	// control characters. The terminal that lost the answer asks again with
	// the same Attempt. Without one, a second time is a refusal.
	Attempt string
}

func (p Presentation) check() error {
	if err := p.Terminal.Check(); err != nil {
		return err
	}
	if !validKey(p.Attempt) {
		return ErrKey
	}
	return nil
}

// Inspect shows a ticket that could be redeemed here and now
// (ポイント券情報読取), and changes nothing. Everything else is [ErrRefused].
// Other errors are [ErrTerminal], [ErrScope], [ErrKey], which are the
// program's own mistakes, and the store's.
func (b *Book) Inspect(ctx context.Context, p Presentation) (Ticket, error) {
	var t Ticket
	err := b.atCounter(ctx, OpInspect, p, func(n Number, throttled bool) (e Event, err error) {
		if throttled {
			return Event{Reason: ReasonThrottled}, nil
		}
		t, err = b.store.Find(ctx, p.Terminal.Scope, n)
		if errors.Is(err, ErrNotFound) {
			return Event{Reason: ReasonUnknown}, nil
		}
		return Event{Reason: t.usable(p.Accepted, b.now(), b.policy.GraceDays), Points: t.Points}, err
	})
	if err != nil {
		return Ticket{}, err
	}
	return t, nil
}

// Receipt is a redemption that happened.
type Receipt struct {
	Ticket Ticket // Redeemed, with when and where
	// Repeated is true when the ticket had been redeemed before by this very
	// attempt, whose answer may have been lost.
	Repeated bool
}

// Redeem uses a ticket up, whole (消込処理). Of any number of terminals and
// programs that try, one wins. Everything that does not redeem is
// [ErrRefused], with the ticket unchanged. Other errors are as for
// [Book.Inspect]; after [ErrOutcomeUnknown], or an answer that was lost on
// its way, ask again with the same Attempt.
func (b *Book) Redeem(ctx context.Context, p Presentation) (Receipt, error) {
	var r Receipt
	err := b.atCounter(ctx, OpRedeem, p, func(n Number, throttled bool) (Event, error) {
		if throttled {
			// A lost answer is given again all the same. It tells a guesser
			// nothing: only who redeemed the ticket can have it.
			t, err := b.store.Find(ctx, p.Terminal.Scope, n)
			switch {
			case errors.Is(err, ErrNotFound) || err == nil && !t.redeemedBy(p):
				return Event{Reason: ReasonThrottled}, nil
			case err != nil:
				return Event{}, err
			}
			r = Receipt{Ticket: t, Repeated: true}
			return Event{Points: t.Points, Repeated: true}, nil
		}
		var why Reason
		var repeated bool
		t, err := b.store.Change(ctx, p.Terminal.Scope, n, func(t Ticket) (Ticket, error) {
			t, repeated, why = t.redeem(p, b.now(), b.policy.GraceDays)
			if why != "" {
				return t, ErrRefused
			}
			return t, nil
		})
		switch {
		case errors.Is(err, ErrNotFound):
			return Event{Reason: ReasonUnknown}, nil
		case errors.Is(err, ErrRefused):
			return Event{Reason: why, Points: t.Points}, nil
		case err != nil:
			return Event{}, err
		}
		r = Receipt{Ticket: t, Repeated: repeated}
		return Event{Points: t.Points, Repeated: repeated}, nil
	})
	if err != nil {
		return Receipt{}, err
	}
	return r, nil
}

// atCounter reads the code and has do look it up, which is told whether the
// code is a number of a terminal that guessed too much. do gives the event,
// whose Reason decides.
func (b *Book) atCounter(ctx context.Context, op Op, p Presentation, do func(n Number, throttled bool) (Event, error)) error {
	if err := p.check(); err != nil {
		return err
	}
	answer := func(e Event, n Number) error {
		e.Op, e.Terminal = op, p.Terminal
		b.note(ctx, e, n)
		if e.Reason != "" {
			return ErrRefused
		}
		return nil
	}

	text := string(p.Code)
	if isQR(text) {
		scope, n, err := b.cfg.Keys.Open(text)
		switch {
		case errors.Is(err, ErrForged):
			return answer(Event{Reason: ReasonForged}, n)
		case err != nil:
			return answer(Event{Reason: ReasonMalformed}, n)
		case scope != p.Terminal.Scope:
			return answer(Event{Reason: ReasonScope}, n)
		}
		e, err := do(n, false)
		if err != nil {
			return err
		}
		return answer(e, n)
	}

	n, err := ParseNumber(text)
	if err != nil {
		n, err = ParseCheckedNumber(text)
	}
	if err != nil {
		return answer(Event{Reason: ReasonMalformed}, Number{})
	}
	e, err := b.typed(ctx, p.Terminal, n, do)
	if err != nil {
		return err
	}
	return answer(e, n)
}

// typed has do look a typed number up, and counts it if it is refused.
func (b *Book) typed(ctx context.Context, at Terminal, n Number, do func(n Number, throttled bool) (Event, error)) (Event, error) {
	done, err := b.guesses.take(ctx, at)
	if err != nil {
		return Event{}, err
	}
	defer done()
	now := b.now()
	ok, err := b.guesses.allowed(ctx, at, now)
	if err != nil {
		return Event{}, err
	}
	e, err := do(n, !ok)
	if ok && err == nil && e.Reason != "" {
		err = b.guesses.miss(ctx, at, now)
	}
	return e, err
}
