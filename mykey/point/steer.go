package point

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// Steer moves reserved points to a programme that the holder has chosen
// (留保ポイントを自治体ポイント・特定支援イベントに移行, システム設計書 IV(3)).
type Steer struct {
	Request Request
	Holder  mykey.ID
	From    Account // of reserved points
	To      Account // of a municipality or an event
	Points  int64
}

// Steer moves reserved points, those first that are due first. They never move
// back. The receipt is of the account To. Repeated with the same Request, Steer
// returns the stored receipt and sets Repeated.
//
// The errors are [ErrPoints] and [ErrRequest]; [ErrRequestReused] and
// [ErrRequestVoid]; [ErrNoHolder] and [ErrStopped]; [ErrNoProgramme],
// [ErrKind] and [ErrClosed]; and a [*ShortError].
func (l *Ledger) Steer(ctx context.Context, s Steer) (Receipt, error) {
	if s.Points <= 0 || s.Points > MaxPoints {
		return Receipt{}, ErrPoints
	}
	if err := s.Request.check(); err != nil {
		return Receipt{}, err
	}
	defer l.flight.enter(s.Request)()
	var out Receipt
	err := l.db.Write(ctx, "steer", func(ctx context.Context, tx *sqldb.Tx) error {
		sum := digest(OpSteer, []string{string(s.From), string(s.To)}, s.Points)
		op := operation{id: newID(), kind: OpSteer, points: s.Points, proved: true, request: s.Request}
		r, done, err := l.claim(ctx, tx, &op, s.Holder, live, sum)
		if err != nil || done {
			out = r
			return err
		}
		if _, err := l.due(ctx, tx, op.holder); err != nil && !errors.Is(err, ErrClosed) {
			return err
		}
		out, err = l.move(ctx, tx, op, s.From, s.To, nil)
		return err
	})
	return out, err
}

// move writes an operation that takes op.points of reserved points and puts them
// into the account to: from the lot only, or, without one, from those that are
// due first. The holder is locked.
func (l *Ledger) move(ctx context.Context, tx *sqldb.Tx, op operation, from, to Account, only *lot) (Receipt, error) {
	at := instantOf(op.at)
	today := dayNumber(mykey.DateOf(at))
	source, list, balance, err := lots(ctx, tx, op.holder, from, today)
	if err != nil {
		return Receipt{}, err
	}
	if source.kind != Reserved {
		return Receipt{}, ErrKind
	}
	if balance < op.points {
		return Receipt{}, &ShortError{Balance: balance}
	}
	if only != nil {
		list = []lot{*only}
	}
	target, targets, has, err := lots(ctx, tx, op.holder, to, today)
	switch {
	case err != nil:
		return Receipt{}, err
	case target.kind == Reserved, target.kind == Mall:
		return Receipt{}, ErrKind
	case !target.serves(today) || target.lastDay(at) < today:
		return Receipt{}, ErrClosed
	}
	op.programme, op.reserved = target.id, source.id
	changes := append(take(source, list, op.points, op.at),
		roll(target, targets, []change{{target.id, target.lastDay(at), op.points}}, op.at)...)
	sortChanges(changes)
	if err := l.post(ctx, tx, op, changes, map[int64]int64{source.id: balance, target.id: has}); err != nil {
		return Receipt{}, err
	}
	return l.receipt(op, to, has+op.points), nil
}

// Due moves the reserved points of one holder that nobody has steered in time
// to the base account (システム設計書 I.6⑦). It returns how many points it moved,
// and zero if none is due. Without a base account the points stay and can be
// steered; [Ledger.Books] reports them.
//
// The errors are [ErrNoHolder], [ErrClock] as in [Ledger.Sweep], and [ErrClosed]
// if the base programme is closed.
func (l *Ledger) Due(ctx context.Context, id mykey.ID, confirmed bool) (int64, error) {
	var moved int64
	err := l.db.Write(ctx, "due", func(ctx context.Context, tx *sqldb.Tx) error {
		holder, _, err := lockHolder(ctx, tx, id)
		if err == nil {
			_, err = checkClock(ctx, tx, confirmed)
		}
		if err == nil {
			moved, err = l.due(ctx, tx, holder)
		}
		return err
	})
	return moved, err
}

// checkClock returns the time, or [ErrClock] if nobody has confirmed a clock that
// is more than a day past the newest operation.
func checkClock(ctx context.Context, tx *sqldb.Tx, confirmed bool) (now int64, err error) {
	var newest int64
	err = tx.QueryRow(ctx, "SELECT coalesce(CAST(? AS BIGINT), {:clock}), coalesce((SELECT max(at) FROM {operation}), 0)", tx.NowArg()).Scan(&now, &newest)
	const day = 24 * 60 * 60 * 1_000_000
	if err == nil && !confirmed && now > newest+day {
		err = ErrClock
	}
	return now, err
}

func (l *Ledger) due(ctx context.Context, tx *sqldb.Tx, holder int64) (int64, error) {
	now, err := l.lock(ctx, tx, holder)
	if err != nil {
		return 0, err
	}
	today := dayNumber(mykey.DateOf(instantOf(now)))
	rows, err := tx.Query(ctx, `SELECT p.code, l.expires, l.points, b.code FROM {holder} h
		JOIN {lot} l ON l.holder = h.id AND l.expires < ? AND l.points > 0
		JOIN {programme} p ON p.id = l.programme AND p.kind = 3
		JOIN {programme} b ON b.id = h.base WHERE h.id = ? ORDER BY l.programme, l.expires`, today, holder)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	type reserved struct {
		from, base Account
		lot
	}
	var all []reserved
	for rows.Next() {
		var r reserved
		if err := rows.Scan(&r.from, &r.expires, &r.points, &r.base); err != nil {
			return 0, err
		}
		all = append(all, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	var moved int64
	for _, r := range all {
		op := operation{holder: holder, id: newID(), kind: OpDue, points: r.points, at: now}
		_, err := l.move(ctx, tx, op, r.from, r.base, &r.lot)
		if err != nil {
			return 0, err
		}
		moved += r.points
	}
	return moved, nil
}

// Sweep is what [Ledger.Sweep] did.
type Sweep struct {
	Lapsed   int64 // points that lapsed
	Moved    int64 // reserved points that moved to a base account
	Baseless int64 // holders whose reserved points are due and who have no base account
	More     bool  // whether there is more to do
}

// SweepBatch is how many holders one call of [Ledger.Sweep] handles at most.
const SweepBatch = 500

// Sweep writes down what has lapsed (失効) and moves reserved points that are
// due, for at most [SweepBatch] holders, each in a transaction of its own. No
// balance waits for it: points that have lapsed do not count anyway. Run it
// once a day, until More is false.
//
// If the clock is more than a day past the newest operation, Sweep returns
// [ErrClock] unless confirmed is true: a clock that is years ahead would lapse
// every point. [Ledger.Restore] puts back what lapsed too early.
func (l *Ledger) Sweep(ctx context.Context, confirmed bool) (Sweep, error) {
	var out Sweep
	var holders []int64
	err := l.db.Read(ctx, "sweep", func(ctx context.Context, tx *sqldb.Tx) error {
		now, err := checkClock(ctx, tx, confirmed)
		if err != nil {
			return err
		}
		today := dayNumber(mykey.DateOf(instantOf(now)))
		err = tx.QueryRow(ctx, `SELECT count(DISTINCT l.holder) FROM {lot} l JOIN {programme} p ON p.id = l.programme JOIN {holder} h ON h.id = l.holder
			WHERE l.expires < ? AND l.points > 0 AND p.kind = 3 AND h.base IS NULL`, today).Scan(&out.Baseless)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT DISTINCT l.holder FROM {lot} l JOIN {programme} p ON p.id = l.programme JOIN {holder} h ON h.id = l.holder
			WHERE l.expires < ? AND l.points > 0 AND (p.kind <> 3 OR h.base IS NOT NULL) ORDER BY l.holder LIMIT ?`, today, SweepBatch+1)
		if err != nil {
			return err
		}
		defer rows.Close()
		holders = nil
		for rows.Next() {
			var h int64
			if err := rows.Scan(&h); err != nil {
				return err
			}
			holders = append(holders, h)
		}
		return rows.Err()
	})
	if err != nil {
		return Sweep{}, err
	}
	if len(holders) > SweepBatch {
		holders, out.More = holders[:SweepBatch], true
	}
	for _, h := range holders {
		var lapsed, moved int64
		err := l.db.Write(ctx, "sweep", func(ctx context.Context, tx *sqldb.Tx) (err error) {
			if moved, err = l.due(ctx, tx, h); errors.Is(err, ErrClosed) {
				// The base programme is closed: the points stay, as without a base.
				moved, err = 0, nil
			}
			if err == nil {
				lapsed, err = l.lapse(ctx, tx, h)
			}
			return err
		})
		if err != nil {
			return out, err
		}
		out.Lapsed += lapsed
		out.Moved += moved
	}
	return out, nil
}

// lapse writes down what has lapsed of a holder, an operation for each
// programme and day, and removes the lots.
func (l *Ledger) lapse(ctx context.Context, tx *sqldb.Tx, holder int64) (int64, error) {
	now, err := l.lock(ctx, tx, holder)
	if err != nil {
		return 0, err
	}
	today := dayNumber(mykey.DateOf(instantOf(now)))
	rows, err := tx.Query(ctx, `SELECT l.programme, l.expires, l.points,
			CAST((SELECT coalesce(sum(c.points), 0) FROM {lot} c WHERE c.holder = l.holder AND c.programme = l.programme AND c.expires >= ?) AS BIGINT)
		FROM {lot} l JOIN {programme} p ON p.id = l.programme
		WHERE l.holder = ? AND l.expires < ? AND l.points > 0 AND p.kind <> 3 ORDER BY l.programme, l.expires`, today, holder, today)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	type gone struct {
		change
		balance int64
	}
	var all []gone
	for rows.Next() {
		var g gone
		if err := rows.Scan(&g.programme, &g.expires, &g.delta, &g.balance); err != nil {
			return 0, err
		}
		all = append(all, g)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	var lapsed int64
	for _, g := range all {
		op := operation{holder: holder, id: newID(), kind: OpLapse, programme: g.programme, points: g.delta, at: now}
		err := l.post(ctx, tx, op, []change{{g.programme, g.expires, -g.delta}}, map[int64]int64{g.programme: g.balance})
		if err != nil {
			return 0, err
		}
		lapsed += g.delta
	}
	if len(all) > 0 {
		_, err = tx.Exec(ctx, "DELETE FROM {lot} WHERE holder = ? AND expires < ? AND points = 0", holder, today)
	}
	return lapsed, err
}

// Restore puts back a lapse that was written too early, because a clock was
// ahead: into its lot, which counts again if its last day is not over. The
// operation is the one of the history. Restoring twice changes nothing.
//
// The errors are [ErrNoHolder], [ErrNoRequest] if the holder has no such lapse,
// and [ErrClock] if its last day is over by the clock of now.
func (l *Ledger) Restore(ctx context.Context, id mykey.ID, operationID string) (Receipt, error) {
	of, err := l.parseOperation(operationID)
	if err != nil {
		return Receipt{}, err
	}
	var out Receipt
	err = l.db.Write(ctx, "restore", func(ctx context.Context, tx *sqldb.Tx) error {
		holder, _, err := lockHolder(ctx, tx, id)
		if err != nil {
			return err
		}
		now, err := l.lock(ctx, tx, holder)
		if err != nil {
			return err
		}
		var c change
		err = tx.QueryRow(ctx, `SELECT e.programme, e.expires, -e.delta FROM {operation} o JOIN {entry} e ON e.holder = o.holder AND e.operation = o.id
			WHERE o.holder = ? AND o.id = ? AND o.kind = 'lapse'`, holder, of).Scan(&c.programme, &c.expires, &c.delta)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoRequest
		}
		if err != nil {
			return err
		}
		was, err := l.find(ctx, tx, holder, of)
		if err != nil {
			return err
		}
		if was.Undone > 0 {
			was.Repeated = true
			out = was
			return nil
		}
		today := dayNumber(mykey.DateOf(instantOf(now)))
		if c.expires < today {
			return ErrClock
		}
		_, _, balance, err := lots(ctx, tx, holder, was.Account, today)
		if err != nil {
			return err
		}
		op := operation{holder: holder, id: newID(), kind: OpRestore, programme: c.programme, points: c.delta, at: now, reverses: of}
		if err := l.post(ctx, tx, op, []change{c}, map[int64]int64{c.programme: balance}); err != nil {
			return err
		}
		out = l.receipt(op, was.Account, balance+c.delta)
		return nil
	})
	return out, err
}
