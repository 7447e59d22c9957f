package point

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// Credit puts points into a holder's account.
type Credit struct {
	Request Request
	Holder  mykey.Identifier // see [Ledger.Enrol]
	Account Account
	// Points is at least 1. An opening may have none: it takes over a grant that
	// another system has made, so that it does not come again.
	Points int64
	Kind   Op // [OpGrant], [OpPartner] or [OpOpening]
	// Once grants once for a holder under the request's scope, whatever the ID
	// that the holder has at the time, and whoever was joined to the holder. The
	// request has no name then: the ledger gives it the holder's.
	Once bool

	// Partner and Reference are of a partner's transfer (地域経済応援ポイントの移行,
	// システム設計書 I.6⑧). The reference is the partner's number of the transfer
	// or the coupon's code. It comes once, whoever asks. The ledger keeps its
	// SHA-256 alone.
	Partner   string
	Reference Reference

	Terminal string
	Place    string
}

func (c Credit) check() error {
	switch {
	case c.Points < 0 || c.Points == 0 && c.Kind != OpOpening || c.Points > MaxPoints:
		return ErrPoints
	case !slices.Contains([]Op{OpGrant, OpPartner, OpOpening}, c.Kind):
		return ErrKind
	case nameOf(c.Holder) == "":
		return ErrNoHolder
	case c.Kind == OpPartner && (c.Partner == "" || c.Reference.IsZero()):
		return &mykey.FormError{Field: "partner's reference", Rule: mykey.RuleMissing, Pos: -1}
	case c.Kind != OpPartner && (c.Partner != "" || !c.Reference.IsZero()):
		return &mykey.FormError{Field: "partner's reference", Rule: mykey.RuleNotAllowed, Pos: -1}
	}
	r := c.Request
	if c.Once {
		if r.Name != "" {
			return ErrRequest
		}
		r.Name = "holder"
	}
	return errors.Join(checkWhere(c.Terminal, c.Place), r.check())
}

// Credit adds points to a lot of the holder. Repeated with the same Request, it
// returns the stored receipt and sets Repeated.
//
// The errors are [ErrPoints], [ErrKind], a [*mykey.FormError] and [ErrRequest]
// for a malformed Credit; [ErrRequestReused] and [ErrRequestVoid];
// [ErrNoHolder] and [ErrStopped]; [ErrNoProgramme], [ErrKind] and [ErrClosed];
// [ErrClaimed]; and [ErrOverflow]. None of them moved a point.
func (l *Ledger) Credit(ctx context.Context, c Credit) (Receipt, error) {
	if err := c.check(); err != nil {
		return Receipt{}, err
	}
	defer l.flight.enter(c.Request)()
	var out Receipt
	err := l.db.Write(ctx, "credit", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = l.credit(ctx, tx, c)
		return err
	})
	return out, err
}

func (l *Ledger) credit(ctx context.Context, tx *sqldb.Tx, c Credit) (Receipt, error) {
	if c.Once {
		holder, _, err := findHolder(ctx, tx, c.Holder)
		if err != nil {
			return Receipt{}, err
		}
		c.Request.Name = operationText(holder)
	}
	reference := sha256.Sum256([]byte(c.Reference.Reveal()))
	sum := digest(c.Kind, []string{string(c.Account), c.Partner, string(reference[:])}, c.Points)
	op := operation{id: newID(), kind: c.Kind, points: c.Points, terminal: c.Terminal, place: c.Place, partner: c.Partner, request: c.Request}
	r, done, err := l.claim(ctx, tx, &op, c.Holder, live, sum)
	if err != nil || done {
		return r, err
	}
	if c.Partner != "" {
		if err := claimReference(ctx, tx, op, reference[:]); err != nil {
			return Receipt{}, err
		}
	}
	at := instantOf(op.at)
	today := dayNumber(mykey.DateOf(at))
	p, list, balance, err := lots(ctx, tx, op.holder, c.Account, today)
	switch {
	case err != nil:
		return Receipt{}, err
	case p.closed || p.kind == Event && !p.serves(today):
		return Receipt{}, ErrClosed
	case p.kind == Reserved && c.Kind == OpGrant:
		return Receipt{}, ErrKind // a municipality grants points of its own
	}
	op.programme = p.id
	day := p.lastDay(at)
	if p.kind == Reserved {
		day, op.reserved = dayNumber(l.cfg.Reserve.LastDay(at)), p.id
	}
	var changes []change
	if c.Points > 0 {
		changes = roll(p, list, []change{{p.id, day, c.Points}}, op.at)
	}
	if err := l.post(ctx, tx, op, changes, map[int64]int64{p.id: balance}); err != nil {
		return Receipt{}, err
	}
	if day < today { // a fixed day that is over
		return Receipt{}, ErrClosed
	}
	return l.receipt(op, c.Account, balance+c.Points), nil
}

// claimReference takes a partner's reference. The partner must be known.
func claimReference(ctx context.Context, tx *sqldb.Tx, op operation, reference []byte) error {
	var known int64
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM {partner} WHERE code = ?", op.partner).Scan(&known); err != nil {
		return err
	}
	if known == 0 {
		return &mykey.FormError{Field: "partner", Rule: mykey.RuleUnknown, Pos: -1}
	}
	n, err := tx.Exec(ctx, "INSERT INTO {claim} (partner, reference, holder, operation) VALUES (?, ?, ?, ?) ON CONFLICT (partner, reference) DO NOTHING",
		op.partner, reference, op.holder, op.id)
	if err == nil && n == 0 {
		err = ErrClaimed
	}
	return err
}

// Clawback takes back what is left of a grant that was a mistake.
type Clawback struct {
	Request Request
	Of      Request // of the credit
	Place   string
}

// Clawback takes points of a credit back, as far as the holder still has them.
// The receipt's Points are what was taken. What is missing is the difference to
// the points of the credit, for the municipality to pursue.
//
// The errors are [ErrRequest]; [ErrRequestReused] and [ErrRequestVoid];
// [ErrNoRequest] if the credit is unknown; and [ErrKind] if Of is no credit or
// was taken back before.
func (l *Ledger) Clawback(ctx context.Context, c Clawback) (Receipt, error) {
	if err := errors.Join(c.Request.check(), c.Of.check(), checkWhere("", c.Place)); err != nil {
		return Receipt{}, err
	}
	defer l.flight.enter(c.Request)()
	var out Receipt
	err := l.db.Write(ctx, "clawback", func(ctx context.Context, tx *sqldb.Tx) error {
		op := operation{id: newID(), kind: OpClawback, place: c.Place, request: c.Request}
		given, done, err := l.reverse(ctx, tx, &op, c.Of, digest(OpClawback, []string{c.Of.Scope, c.Of.Name}))
		if err != nil || done {
			out = given
			return err
		}
		if !slices.Contains([]Op{OpGrant, OpPartner, OpOpening}, given.Kind) || given.Undone > 0 {
			return ErrKind
		}
		if err := l.fetch(ctx, tx, op.holder, op.at, given.Account, given.Points); err != nil {
			return err
		}
		p, list, balance, err := lots(ctx, tx, op.holder, given.Account, dayNumber(mykey.DateOf(instantOf(op.at))))
		if err != nil {
			return err
		}
		op.programme, op.points = p.id, min(balance, given.Points)
		if p.kind == Reserved {
			op.reserved = p.id
		}
		if err := l.post(ctx, tx, op, take(p, list, op.points, op.at), map[int64]int64{p.id: balance}); err != nil {
			return err
		}
		out = l.receipt(op, given.Account, balance-op.points)
		return nil
	})
	return out, err
}
