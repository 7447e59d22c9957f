package ticket

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey/terminal"
)

// A Receipt is the answer to a call that changed a ticket.
type Receipt struct {
	// Ticket is the ticket as the call left it. For [Book.Replace] it is the
	// new ticket.
	Ticket Ticket
	// Repeated reports whether an earlier call with the same attempt made the
	// change. The answer to that call may have been lost.
	Repeated bool
}

// Reprint records that a live ticket is put on paper once more under the same
// number (再発行), and returns it for printing. The first paper that is
// presented redeems. If another paper may be in other hands, use
// [Book.Replace].
//
// The attempt names this press of the button, as [Presentation].Attempt does.
// A repeated attempt counts no further paper.
//
// Reprint returns [ErrTerminal], [ErrScope] or [ErrKey] for malformed input,
// [ErrKind] for a terminal of another kind, [ErrNotFound] if there is no such ticket, and a [*StateError] if the ticket
// is not live. It returns [ErrClock] if the clock is before the issue.
func (b *Book) Reprint(ctx context.Context, at Terminal, n Number, attempt string) (Receipt, error) {
	return b.change(ctx, OpReprint, at, n, attempt, b.reprint)
}

// Cancel takes a live ticket back before use (取消). Of any number of calls,
// one wins. The attempt names this press of the button: the same terminal can
// repeat it after a lost answer. Any other call on a cancelled ticket fails.
// [Config].Refund gives the points of a paid ticket back.
//
// The errors are those of [Book.Reprint] and of Refund. [ErrPaid] is returned
// for a paid ticket if there is no Refund.
func (b *Book) Cancel(ctx context.Context, at Terminal, n Number, attempt string) (Receipt, error) {
	return b.change(ctx, OpCancel, at, n, attempt, b.cancel)
}

// Replace voids a live ticket and issues a new number for the same points and
// the same last day (再発行). The attempt is the [Order].Key of the new ticket
// too; the same terminal can repeat it after a lost answer.
//
// Replace returns the errors of [Book.Reprint]. It returns [ErrConflict] if
// the attempt is the key of another order, and a [*FullError] if the scope has
// no room.
func (b *Book) Replace(ctx context.Context, at Terminal, n Number, attempt string) (Receipt, error) {
	return b.change(ctx, OpReplace, at, n, attempt, b.replace)
}

// A changer changes a ticket within a transaction.
type changer func(ctx context.Context, tx *sqldb.Tx, at Terminal, n Number, attempt string) (Receipt, error)

func (b *Book) change(ctx context.Context, op Op, at Terminal, n Number, attempt string, do changer) (Receipt, error) {
	if err := b.checkIssuer(at); err != nil {
		return Receipt{}, err
	}
	if !validKey(attempt) {
		return Receipt{}, ErrKey
	}
	var r Receipt
	err := b.db.Write(ctx, string(op), func(ctx context.Context, tx *sqldb.Tx) (err error) {
		r, err = do(ctx, tx, at, n, attempt)
		return err
	})
	if errors.Is(err, errRepeated) {
		err = nil // and what was done before it was seen is rolled back
	}
	if err != nil {
		return Receipt{}, err
	}
	if n.IsZero() {
		n = r.Ticket.Number
	}
	b.note(ctx, Event{Op: op, Terminal: at, Points: r.Ticket.Points, Repeated: r.Repeated}, n)
	return r, nil
}

// checkIssuer checks a terminal that issues tickets.
func (b *Book) checkIssuer(at Terminal) error {
	if err := at.Check(); err != nil {
		return err
	}
	if b.cfg.CheckKinds && at.Kind&terminal.Ticket == 0 {
		return ErrKind
	}
	return nil
}

// errRepeated rolls a transaction back whose receipt is a repeated one.
var errRepeated = errors.New("repeated")

func (b *Book) reprint(ctx context.Context, tx *sqldb.Tx, at Terminal, n Number, attempt string) (Receipt, error) {
	t, m, err := b.lock(ctx, tx, at.Scope, n)
	if err != nil {
		return Receipt{}, err
	}
	if _, err := t.change(OpReprint, m, 0); err != nil {
		return Receipt{}, answer{err}
	}
	if attempt != "" {
		fresh, err := tx.Exec(ctx, `INSERT INTO {print} (scope, number, terminal, attempt) VALUES (?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, string(t.Scope), n, at.ID, attempt)
		if err != nil || fresh == 0 {
			return Receipt{Ticket: t, Repeated: true}, err
		}
	}
	t.Prints++
	return Receipt{Ticket: t}, update(ctx, tx, t)
}

func (b *Book) cancel(ctx context.Context, tx *sqldb.Tx, at Terminal, n Number, attempt string) (Receipt, error) {
	// The holder's points are locked before the ticket, so the ticket is read
	// unlocked first.
	t, err := find(ctx, tx.Queries, byNumber, at.Scope, n)
	if err != nil {
		return Receipt{}, err
	}
	refunded := t.State == Issued && t.Payment != ""
	if refunded {
		if b.cfg.Refund == nil {
			return Receipt{}, answer{ErrPaid}
		}
		err := tx.Call(context.WithValue(ctx, cancelling{}, n), "refund of "+t.Payment, func(ctx context.Context, sqlTx *sql.Tx) error {
			return answered(b.cfg.Refund(ctx, sqlTx, t, at))
		})
		if err != nil {
			return Receipt{}, err
		}
	}
	t, m, err := b.lock(ctx, tx, at.Scope, n)
	if err != nil {
		return Receipt{}, err
	}
	r, err := b.end(ctx, tx, t, m, at, attempt)
	if err == nil && r.Repeated && refunded {
		err = errRepeated // another call of this attempt came in between
	}
	return r, err
}

// end cancels a locked ticket.
func (b *Book) end(ctx context.Context, tx *sqldb.Tx, t Ticket, m moment, at Terminal, attempt string) (Receipt, error) {
	if t.State == Cancelled && t.endedBy(at, attempt) {
		return Receipt{Ticket: t, Repeated: true}, nil
	}
	now, err := t.change(OpCancel, m, b.policy.GraceDays)
	if err != nil {
		return Receipt{}, answer{err}
	}
	t.State, t.EndedAt, t.EndedBy, t.EndedAtPlace, t.Attempt = Cancelled, now, at.ID, at.Place, attempt
	return Receipt{Ticket: t}, update(ctx, tx, t)
}

// cancelling is the key of a context value: the number of a ticket that Cancel
// takes back in this transaction, while Refund runs.
type cancelling struct{}

// CancelPaid takes a live ticket back that was paid under a key, and calls no
// Refund. It is for the keeper of the points, within the transaction in which
// it gives them back; see the example of Order. Within Refund it changes
// nothing, since Cancel takes the ticket back.
//
// The errors are those of [Book.Cancel]. [ErrNotFound] means that no ticket was
// paid under the key.
func (b *Book) CancelPaid(ctx context.Context, at Terminal, payment, attempt string) (Receipt, error) {
	return b.change(ctx, OpCancel, at, Number{}, attempt, func(ctx context.Context, tx *sqldb.Tx, at Terminal, _ Number, attempt string) (Receipt, error) {
		// The latest of those that replaced each other.
		t, err := find(ctx, tx.Queries, byPayment, at.Scope, payment)
		if err != nil {
			return Receipt{}, err
		}
		if ctx.Value(cancelling{}) == t.Number {
			return Receipt{Ticket: t}, nil
		}
		t, m, err := b.lock(ctx, tx, at.Scope, t.Number)
		if err != nil {
			return Receipt{}, err
		}
		return b.end(ctx, tx, t, m, at, attempt)
	})
}

func (b *Book) replace(ctx context.Context, tx *sqldb.Tx, at Terminal, n Number, attempt string) (Receipt, error) {
	t, m, err := b.lock(ctx, tx, at.Scope, n)
	if err != nil {
		return Receipt{}, err
	}
	if t.State == Replaced && attempt != "" && t.EndedBy == at.ID {
		made, err := find(ctx, tx.Queries, byNumber, at.Scope, t.ReplacedBy)
		if err != nil {
			return Receipt{}, err
		}
		if made.OrderKey == attempt {
			return Receipt{Ticket: made, Repeated: true}, nil
		}
	}
	now, err := t.change(OpReplace, m, 0)
	if err != nil {
		return Receipt{}, answer{err}
	}
	out := Batch{Tickets: []Ticket{{Scope: t.Scope, Points: t.Points, Until: t.Until, State: Issued,
		IssuedAt: now, IssuedBy: at.ID, OrderKey: attempt, Prints: 1, Replaces: t.Number,
		Account: t.Account, Payment: t.Payment}}}
	taken := func(int, Ticket) error { return answer{ErrConflict} }
	if err := b.store(ctx, tx, t.Scope, &out, taken); err != nil {
		return Receipt{}, err
	}
	t.State, t.EndedAt, t.EndedBy, t.EndedAtPlace, t.ReplacedBy = Replaced, now, at.ID, at.Place, out.Tickets[0].Number
	return Receipt{Ticket: out.Tickets[0]}, update(ctx, tx, t)
}
