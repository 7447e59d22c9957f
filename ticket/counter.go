package ticket

import (
	"context"
	"crypto/subtle"
	"errors"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey/terminal"
)

// A Presentation is a ticket put on a counter.
type Presentation struct {
	// Terminal is the shop's own, or a collecting point's (商工会).
	Terminal Terminal
	// Code is what was read or typed: the text of the QR code, or the number
	// with or without its check digit.
	Code Code
	// Accepted is the day on which a shop took the ticket, from the shop's
	// seal, when it is brought in later. It matters only after the ticket's
	// last day, within Policy.GraceDays of it. The program decides who may
	// claim it. The zero Date claims nothing.
	Accepted Date
	// Attempt names this one press of the redeem button, in the terminal's
	// own words and different for each press: at most MaxKey bytes without
	// control characters. The terminal that lost the answer repeats the call
	// with the same Attempt. Without an Attempt, a second call is refused.
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

// Inspect returns a ticket that could be redeemed here and now
// (ポイント券情報読取), and changes nothing. For every other code it returns
// [ErrRefused]. It returns [ErrTerminal], [ErrScope] or [ErrKey] for malformed
// input of the program's own, and [ErrKind] for a terminal of another kind.
func (b *Book) Inspect(ctx context.Context, p Presentation) (Ticket, error) {
	var t Ticket
	err := b.atCounter(ctx, OpInspect, p, func(n Number, g *guess) (e Event, err error) {
		if g.throttled() {
			return Event{Reason: ReasonThrottled}, nil
		}
		var m moment
		t, m, err = b.look(ctx, p.Terminal.Scope, n)
		if errors.Is(err, ErrNotFound) {
			return Event{Reason: ReasonUnknown}, nil
		}
		if err != nil {
			return Event{}, err
		}
		_, why := t.usable(p.Accepted, m, b.policy.GraceDays)
		if why == "" {
			err = b.giveBack(ctx, g)
		}
		return Event{Reason: why, Points: t.Points}, err
	})
	if err != nil {
		return Ticket{}, err
	}
	return t, nil
}

// Redeem uses a ticket up, whole (消込処理). Of any number of terminals and
// programs that try, one wins. Every code that does not redeem is [ErrRefused],
// and the ticket is unchanged. Other errors are those of [Book.Inspect]. After
// [ErrOutcomeUnknown], or an answer that was lost on its way, repeat the call
// with the same Attempt.
func (b *Book) Redeem(ctx context.Context, p Presentation) (Receipt, error) {
	var r Receipt
	err := b.atCounter(ctx, OpRedeem, p, func(n Number, g *guess) (e Event, err error) {
		if g.throttled() {
			r.Ticket, err = b.ownAttempt(ctx, p, n)
			if errors.Is(err, ErrNotFound) {
				return Event{Reason: ReasonThrottled}, nil
			}
			r.Repeated = true
			return Event{Points: r.Ticket.Points, Repeated: true}, err
		}
		r, e, err = b.redeem(ctx, p, n, g)
		return e, err
	})
	if err != nil {
		return Receipt{}, err
	}
	return r, nil
}

// redeem looks the number up and redeems the ticket.
func (b *Book) redeem(ctx context.Context, p Presentation, n Number, g *guess) (r Receipt, e Event, err error) {
	refused := func(why Reason) error {
		e = Event{Reason: why, Points: r.Ticket.Points}
		return answer{ErrRefused}
	}
	decide := func(t Ticket, m moment) error {
		var why Reason
		if r.Ticket, r.Repeated, why = t.redeem(p, m, b.policy.GraceDays); why != "" {
			return refused(why)
		}
		e = Event{Points: t.Points, Repeated: r.Repeated}
		return nil
	}
	// A refusal is the answer to most of what an attacker or a double press
	// sends, and it needs neither a lock nor a transaction.
	t, m, err := b.look(ctx, p.Terminal.Scope, n)
	if err == nil {
		err = decide(t, m)
	}
	if err == nil {
		err = b.db.Write(ctx, string(OpRedeem), func(ctx context.Context, tx *sqldb.Tx) error {
			t, m, err := b.lock(ctx, tx, p.Terminal.Scope, n)
			if err != nil {
				return err
			}
			if err := decide(t, m); err != nil {
				return err
			}
			if !r.Repeated {
				if err := update(ctx, tx, r.Ticket); err != nil {
					return err
				}
			}
			return g.giveBack(ctx, tx)
		})
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return Receipt{}, Event{Reason: ReasonUnknown}, nil
	case errors.Is(err, ErrRefused):
		return Receipt{}, e, nil
	}
	return r, e, err
}

// ownAttempt returns the ticket that this very attempt redeemed, or
// ErrNotFound. It looks the attempt up and never the number, so that it takes
// the same time for a number that is live.
func (b *Book) ownAttempt(ctx context.Context, p Presentation, n Number) (Ticket, error) {
	if p.Attempt == "" {
		return Ticket{}, ErrNotFound
	}
	rows, err := b.page(ctx, byAttempt, string(p.Terminal.Scope), p.Terminal.ID, p.Attempt)
	if err != nil {
		return Ticket{}, err
	}
	for _, t := range rows {
		if subtle.ConstantTimeCompare([]byte(t.Number.Digits()), []byte(n.Digits())) == 1 {
			return t, nil
		}
	}
	return Ticket{}, ErrNotFound
}

// atCounter reads the code and has do look it up. For a typed number, do
// gets the guess that was counted. The Reason of do's event decides.
func (b *Book) atCounter(ctx context.Context, op Op, p Presentation, do func(n Number, g *guess) (Event, error)) error {
	if err := p.check(); err != nil {
		return err
	}
	if b.cfg.CheckKinds && p.Terminal.Kind&(terminal.Point|terminal.Ticket) == 0 {
		return ErrKind
	}
	n, why := b.decode(p)
	e := Event{Reason: why}
	if why == "" {
		var err error
		switch {
		case isQR(p.Code.Reveal()):
			e, err = do(n, nil)
		case b.db.Tx != nil:
			return ErrTyped
		default:
			e, err = b.typed(ctx, p.Terminal, n, do)
		}
		if err != nil {
			return domain.Told(string(op), err)
		}
	}
	e.Op, e.Terminal = op, p.Terminal
	b.note(ctx, e, n)
	if e.Reason != "" {
		return ErrRefused
	}
	return nil
}

// decode returns the number of the code, or why it has none for this terminal.
func (b *Book) decode(p Presentation) (Number, Reason) {
	text := p.Code.Reveal()
	if isQR(text) {
		scope, n, err := b.cfg.Keys.Open(text)
		switch {
		case errors.Is(err, ErrForged):
			return n, ReasonForged
		case err != nil:
			return n, ReasonMalformed
		case scope != p.Terminal.Scope:
			return n, ReasonScope
		}
		return n, ""
	}
	n, err := ParseNumber(text)
	if err != nil {
		n, err = ParseCheckedNumber(text)
	}
	if err != nil {
		return Number{}, ReasonMalformed
	}
	return n, ""
}

// typed counts a typed number as a guess and has do look it up. do gives the
// guess back if the number was good.
func (b *Book) typed(ctx context.Context, at Terminal, n Number, do func(n Number, g *guess) (Event, error)) (Event, error) {
	done, err := b.guesses.take(ctx, at)
	if err != nil {
		return Event{}, err
	}
	defer done()
	g, err := b.reserve(ctx, at)
	if err != nil {
		return Event{}, err
	}
	e, err := do(n, g)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrOutcomeUnknown) {
		// The database failed, which is nobody's guess. Should it fail once
		// more, the number stays counted.
		_ = b.giveBack(ctx, g)
	}
	return e, err
}
