package point

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// At is where and how something is done at a till.
type At struct {
	Terminal string // 端末ID, see [mykey.CheckTerminalID]; may be empty
	Place    string // 端末設置場所; may be empty
}

// Cancel undoes a request by its name alone, for a till that does not know
// whether the request arrived. It is final in every order of arrival: a request
// that has not come is void and will be refused; a use is given back, as much
// as is left of it; a ticket or a merge is taken back by [Config.Undo].
// Anything else cannot be undone: Cancel returns an [*UndoError] with the
// stored receipt. Cancel can be repeated.
//
// The errors are [ErrRequest] and an [*UndoError].
func (l *Ledger) Cancel(ctx context.Context, r Request, at At) (Receipt, error) {
	if err := errors.Join(r.check(), checkWhere(at.Terminal, at.Place)); err != nil {
		return Receipt{}, err
	}
	var out Receipt
	err := l.db.Write(ctx, "cancel", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = l.cancel(ctx, tx, r, at)
		return err
	})
	return out, err
}

func (l *Ledger) cancel(ctx context.Context, tx *sqldb.Tx, r Request, at At) (Receipt, error) {
	n, err := tx.Exec(ctx, "INSERT INTO {request} (scope, name) VALUES (?, ?) ON CONFLICT (scope, name) DO NOTHING", r.Scope, r.Name)
	if err != nil {
		return Receipt{}, err
	}
	void := Receipt{Request: r, Void: true, Repeated: n == 0, Training: l.cfg.Training}
	if n == 1 {
		return void, nil
	}
	s, err := findRequest(ctx, tx, r)
	if err != nil {
		return Receipt{}, err
	}
	if !s.operation.Valid {
		return void, nil
	}
	now, err := l.lockWithHeir(ctx, tx, s.holder.Int64)
	if err != nil {
		return Receipt{}, err
	}
	paid, err := l.find(ctx, tx, s.holder.Int64, s.operation.Int64)
	switch {
	case err != nil:
		return Receipt{}, err
	case !paid.Kind.spends():
		return Receipt{}, &UndoError{Receipt: paid}
	case paid.Undone == paid.Points:
		// Given back before, or nothing was taken.
		paid.Repeated = true
		return paid, nil
	case paid.Kind != OpUse:
		if l.cfg.Undo == nil {
			return Receipt{}, &UndoError{Receipt: paid}
		}
		var why error
		err := tx.Call(ctx, "undo", func(ctx context.Context, tx *sql.Tx) error {
			why = l.cfg.Undo(ctx, tx, paid)
			return why
		})
		_, lost := errors.AsType[*LostError](err)
		_, failed := errors.AsType[*sqldb.StoreError](err)
		switch {
		case err == nil:
		case why == nil || lost || failed || sqldb.IsBusy(err) || ctx.Err() != nil:
			return Receipt{}, err // which says nothing of the thing: the same call may undo it yet
		default:
			return Receipt{}, &UndoError{Receipt: paid, Err: err}
		}
	}
	op := operation{holder: s.holder.Int64, reverses: s.operation.Int64, id: newID(), kind: OpRefund, points: paid.Points - paid.Undone, at: now,
		terminal: at.Terminal, place: at.Place}
	out, err := l.giveBack(ctx, tx, op, paid)
	out.Request = r
	return out, err
}

// Refund is what a till asks for to give points of a use back, whole or in
// parts.
type Refund struct {
	Request  Request // of the refund itself
	Of       Request // of the use
	Points   int64   // at most what is left of the use
	Terminal string
	Place    string
}

// Refund gives points back into the lots that they came from, latest expiry
// first. A lot that has lapsed meanwhile takes its points and they lapse; the
// receipt says how many. Holders who are stopped, renamed, revoked or joined to
// another take refunds too. A refund is dated at its own time.
//
// The errors are [ErrPoints], [ErrRequest] and a [*mykey.FormError];
// [ErrRequestReused] and [ErrRequestVoid]; [ErrNoRequest] if the use is unknown
// or void; and [ErrRefund].
func (l *Ledger) Refund(ctx context.Context, f Refund) (Receipt, error) {
	if f.Points <= 0 || f.Points > MaxPoints {
		return Receipt{}, ErrPoints
	}
	if err := errors.Join(f.Request.check(), f.Of.check(), checkWhere(f.Terminal, f.Place)); err != nil {
		return Receipt{}, err
	}
	defer l.flight.enter(f.Request)()
	var out Receipt
	err := l.db.Write(ctx, "refund", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = l.refund(ctx, tx, f)
		return err
	})
	return out, err
}

func (l *Ledger) refund(ctx context.Context, tx *sqldb.Tx, f Refund) (Receipt, error) {
	op := operation{id: newID(), kind: OpRefund, points: f.Points, terminal: f.Terminal, place: f.Place, request: f.Request}
	r, done, err := l.reverse(ctx, tx, &op, f.Of, digest(OpRefund, []string{f.Of.Scope, f.Of.Name}, f.Points))
	switch {
	case err != nil || done:
		return r, err
	case r.Kind != OpUse || f.Points > r.Points-r.Undone:
		return Receipt{}, ErrRefund
	}
	return l.giveBack(ctx, tx, op, r)
}

// reverse writes the request of op, which reverses what the request of did, sets
// op.holder, op.reverses and op.at, and locks the holder. It returns the receipt
// of what is reversed, or the stored one of op and true if op was made before.
func (l *Ledger) reverse(ctx context.Context, tx *sqldb.Tx, op *operation, of Request, digest []byte) (r Receipt, done bool, err error) {
	was, err := findRequest(ctx, tx, of)
	if err == nil && !was.operation.Valid {
		err = ErrNoRequest
	}
	if err != nil {
		return Receipt{}, false, err
	}
	op.holder, op.reverses = was.holder.Int64, was.operation.Int64
	n, err := tx.Exec(ctx, "INSERT INTO {request} (scope, name, holder, digest, operation) VALUES (?, ?, ?, ?, ?) ON CONFLICT (scope, name) DO NOTHING",
		op.request.Scope, op.request.Name, op.holder, digest, op.id)
	if err != nil {
		return Receipt{}, false, err
	}
	if n == 0 {
		s, err := findRequest(ctx, tx, op.request)
		if err == nil {
			err = s.agrees(op.holder, digest)
		}
		if err != nil {
			return Receipt{}, false, err
		}
		r, err = l.find(ctx, tx, op.holder, s.operation.Int64)
		r.Repeated = true
		return r, true, err
	}
	if op.at, err = l.lockWithHeir(ctx, tx, op.holder); err != nil {
		return Receipt{}, false, err
	}
	r, err = l.find(ctx, tx, op.holder, op.reverses)
	return r, false, err
}

// lockWithHeir locks a holder, and the one to whom the holder was joined, and
// returns the time after that.
func (l *Ledger) lockWithHeir(ctx context.Context, tx *sqldb.Tx, holder int64) (now int64, err error) {
	var heir int64
	// Read with the lock: the holder may have been joined while it was waited for,
	// and from here on the heir stays.
	if err := tx.QueryRow(ctx, "SELECT coalesce(heir, id) FROM {holder} WHERE id = ? {:forupdate}", holder).Scan(&heir); err != nil {
		return 0, err
	}
	return l.lock(ctx, tx, heir)
}

// lock locks a holder by number and returns the time after that.
func (l *Ledger) lock(ctx context.Context, tx *sqldb.Tx, holder int64) (now int64, err error) {
	var found int64
	err = tx.QueryRow(ctx, "SELECT id FROM {holder} WHERE id = ? {:forupdate}", holder).Scan(&found)
	if err == nil {
		var closed int64
		err = tx.QueryRow(ctx, selectNow, tx.NowArg()).Scan(&now, &closed)
		now = dated(now, closed)
	}
	return now, err
}

// giveBack writes the refund op of the operation paid, whose holder is locked.
func (l *Ledger) giveBack(ctx context.Context, tx *sqldb.Tx, op operation, paid Receipt) (Receipt, error) {
	today := dayNumber(mykey.DateOf(instantOf(op.at)))
	p, list, balance, err := lots(ctx, tx, op.holder, paid.Account, today)
	if err != nil {
		return Receipt{}, err
	}
	op.programme = p.id
	if op.terminal == "" && op.place == "" {
		op.terminal, op.place = paid.Terminal, paid.Place // who was paid gives it back
	}
	var changes []change
	if p.expiry.Rule == Rolling {
		// The lots have moved with each movement since.
		changes = roll(p, list, []change{{p.id, p.lastDay(instantOf(op.at)), op.points}}, op.at)
	} else if changes, err = l.original(ctx, tx, op, p.id); err != nil {
		return Receipt{}, err
	}
	var lapsed int64
	for _, c := range changes {
		if c.expires < today {
			lapsed += c.delta
		}
	}
	if err := l.post(ctx, tx, op, changes, map[int64]int64{p.id: balance}); err != nil {
		return Receipt{}, err
	}
	r := l.receipt(op, paid.Account, balance+op.points-lapsed)
	r.Lapsed = lapsed
	return r, l.forward(ctx, tx, op.holder, op.at)
}

// original returns the changes that put op.points into the lots that the
// reversed operation took them from, latest expiry first, as far as earlier
// refunds have not.
func (l *Ledger) original(ctx context.Context, tx *sqldb.Tx, op operation, programme int64) ([]change, error) {
	rows, err := tx.Query(ctx, `SELECT e.expires, CAST(-sum(e.delta) AS BIGINT) FROM {entry} e
		WHERE e.holder = ? AND e.programme = ? AND (e.operation = ? OR e.operation IN (SELECT o.id FROM {operation} o WHERE o.holder = ? AND o.reverses = ?))
		GROUP BY e.expires ORDER BY e.expires DESC`, op.holder, programme, op.reverses, op.holder, op.reverses)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []change
	left := op.points
	for rows.Next() && left > 0 {
		var expires, taken int64
		if err := rows.Scan(&expires, &taken); err != nil {
			return nil, err
		}
		if n := min(taken, left); n > 0 {
			out = append(out, change{programme, expires, n})
			left -= n
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if left > 0 {
		return nil, errors.New("the entries of a use do not sum up to it")
	}
	sortChanges(out)
	return out, nil
}
