package point

import (
	"context"
	"errors"
	"slices"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// ErrSameHolder is returned by [Ledger.Join] for two IDs of one holder.
var ErrSameHolder = errors.New("point: both MyKey IDs are of one holder")

// Joined is what [Ledger.Join] or [Ledger.Part] did.
type Joined struct {
	Moved map[Account]int64 // points by account
	// Short, after Part, is how many points of each account were spent since the
	// join and cannot be moved back: people settle them.
	Short map[Account]int64
	// Twice are the scopes of requests under which both holders were granted
	// points, such as a programme's: a grant that comes once for a person came
	// twice. See [Ledger.Clawback].
	Twice []string
}

// Join moves everything of the holder of the ID from to the holder of the ID to,
// for a person who has come to have two. The ID from becomes an alias. Refunds
// of what was spent under it go on to the remaining holder.
//
// The errors are [ErrNoHolder], [ErrSameHolder], [ErrStopped] if either ID is
// stopped or revoked, and [ErrOverflow].
func (l *Ledger) Join(ctx context.Context, from, to mykey.ID) (Joined, error) {
	var out Joined
	err := l.db.Write(ctx, "join", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = l.join(ctx, tx, from, to)
		return err
	})
	return out, err
}

func (l *Ledger) join(ctx context.Context, tx *sqldb.Tx, from, to mykey.ID) (Joined, error) {
	a, _, err := findHolder(ctx, tx, from)
	if err != nil {
		return Joined{}, err
	}
	b, _, err := findHolder(ctx, tx, to)
	if err != nil {
		return Joined{}, err
	}
	if a == b {
		return Joined{}, ErrSameHolder
	}
	// Two calls for the same two holders lock them in one order.
	var now int64
	for _, h := range []int64{min(a, b), max(a, b)} {
		if now, err = l.lock(ctx, tx, h); err != nil {
			return Joined{}, err
		}
		var s state
		if err := tx.QueryRow(ctx, "SELECT state FROM {holder} WHERE id = ?", h).Scan(&s); err != nil {
			return Joined{}, err
		}
		if s != live {
			return Joined{}, ErrStopped
		}
	}
	out := Joined{}
	if out.Moved, err = l.hand(ctx, tx, a, b, now); err != nil {
		return Joined{}, err
	}
	rows, err := tx.Query(ctx, `SELECT DISTINCT x.scope FROM {operation} x JOIN {operation} y ON y.scope = x.scope
		WHERE x.holder = ? AND y.holder = ? AND x.kind = 'grant' AND y.kind = 'grant' ORDER BY x.scope`, a, b)
	if err != nil {
		return Joined{}, err
	}
	defer rows.Close()
	for rows.Next() {
		var scope string
		if err := rows.Scan(&scope); err != nil {
			return Joined{}, err
		}
		out.Twice = append(out.Twice, scope)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return Joined{}, err
	}
	if err := remember(ctx, tx, a, b); err != nil {
		return Joined{}, err
	}
	if _, err := tx.Exec(ctx, "UPDATE {alias} SET holder = ? WHERE holder = ?", b, a); err != nil {
		return Joined{}, err
	}
	// One who was joined to a is joined to b.
	if _, err := tx.Exec(ctx, "UPDATE {holder} SET heir = ? WHERE heir = ?", b, a); err != nil {
		return Joined{}, err
	}
	if _, err = tx.Exec(ctx, "UPDATE {holder} SET state = ?, heir = ? WHERE id = ?", int64(joined), b, a); err != nil {
		return Joined{}, err
	}
	return out, inheritOnce(ctx, tx, b)
}

// inheritOnce gives the holder b the requests of [Credit.Once] of all who were
// joined to b, so that what one of them was granted is not granted to b again.
func inheritOnce(ctx context.Context, tx *sqldb.Tx, b int64) error {
	rows, err := tx.Query(ctx, "SELECT id FROM {holder} WHERE heir = ?", b)
	if err != nil {
		return err
	}
	defer rows.Close()
	var former []int64
	for rows.Next() {
		var h int64
		if err := rows.Scan(&h); err != nil {
			return err
		}
		former = append(former, h)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, h := range former {
		if _, err := tx.Exec(ctx, `INSERT INTO {request} (scope, name, holder, digest, operation)
			SELECT r.scope, CAST(? AS TEXT), r.holder, r.digest, r.operation FROM {operation} o JOIN {request} r ON r.scope = o.scope AND r.name = o.name
			WHERE o.holder = ? AND o.name = ? ON CONFLICT (scope, name) DO NOTHING`, operationText(b), h, operationText(h)); err != nil {
			return err
		}
	}
	return nil
}

// hand moves all lots of the holder a to the holder b, by a pair of operations
// with one identifier for each programme. Both are locked. Lots that have
// lapsed are moved too, and lapse there.
func (l *Ledger) hand(ctx context.Context, tx *sqldb.Tx, a, b, now int64) (map[Account]int64, error) {
	today := dayNumber(mykey.DateOf(instantOf(now)))
	rows, err := tx.Query(ctx, `SELECT p.id, p.code, p.kind, l.expires, l.points FROM {lot} l JOIN {programme} p ON p.id = l.programme
		WHERE l.holder = ? AND l.points > 0 ORDER BY p.id, l.expires`, a)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	type part struct {
		account Account
		kind    Kind
		points  int64
		changes []change
		counts  int64 // of points, those that have not lapsed
	}
	var parts []part
	for rows.Next() {
		var c change
		var p part
		if err := rows.Scan(&c.programme, &p.account, &p.kind, &c.expires, &c.delta); err != nil {
			return nil, err
		}
		if n := len(parts); n == 0 || parts[n-1].account != p.account {
			parts = append(parts, p)
		}
		last := &parts[len(parts)-1]
		last.changes = append(last.changes, c)
		last.points += c.delta
		if c.expires >= today || p.kind == Reserved {
			last.counts += c.delta
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	moved := map[Account]int64{}
	for _, p := range parts {
		_, _, has, err := lots(ctx, tx, b, p.account, today)
		if err == nil {
			err = l.pair(ctx, tx, a, b, now, p.kind, p.changes, p.counts, has, a)
		}
		if err != nil {
			return nil, err
		}
		moved[p.account] += p.points
	}
	return moved, nil
}

// pair writes the two operations by which b receives the changes, all of one
// programme, and a loses them. hasA and hasB are their balances before. part takes
// them into account for the holder joined, unless that is 0.
func (l *Ledger) pair(ctx context.Context, tx *sqldb.Tx, a, b, now int64, kind Kind, changes []change, hasA, hasB, joined int64) error {
	programme := changes[0].programme
	op := operation{holder: b, id: newID(), kind: OpJoin, programme: programme, at: now}
	if kind == Reserved {
		op.reserved = programme
	}
	out := slices.Clone(changes)
	for i := range out {
		op.points += out[i].delta
		out[i].delta = -out[i].delta
	}
	if err := l.post(ctx, tx, op, changes, map[int64]int64{programme: hasB}); err != nil {
		return err
	}
	op.holder = a
	if err := l.post(ctx, tx, op, out, map[int64]int64{programme: hasA}); err != nil || joined == 0 {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO {handed} (holder, operation) VALUES (?, ?)", joined, op.id)
	return err
}

// heir returns the holder to whom a holder was joined, or 0.
func heir(ctx context.Context, tx *sqldb.Tx, holder int64) (heir int64, err error) {
	err = tx.QueryRow(ctx, "SELECT coalesce(heir, 0) FROM {holder} WHERE id = ?", holder).Scan(&heir)
	return heir, err
}

// fetch moves as many points of an account as are there, up to points, from the
// heir of a joined holder back to the holder, for a clawback. Both are locked.
func (l *Ledger) fetch(ctx context.Context, tx *sqldb.Tx, holder, now int64, account Account, points int64) error {
	from, err := heir(ctx, tx, holder)
	if err != nil || from == 0 {
		return err
	}
	p, list, has, err := lots(ctx, tx, from, account, dayNumber(mykey.DateOf(instantOf(now))))
	if err != nil {
		return err
	}
	changes := takeLots(p, list, min(points, has))
	if len(changes) == 0 {
		return nil
	}
	for i := range changes {
		changes[i].delta = -changes[i].delta
	}
	return l.pair(ctx, tx, from, holder, now, p.kind, changes, has, 0, holder)
}

// forward moves what a refund gave to a joined holder on to the remaining one.
func (l *Ledger) forward(ctx context.Context, tx *sqldb.Tx, holder, now int64) error {
	to, err := heir(ctx, tx, holder)
	if err != nil || to == 0 {
		return err
	}
	_, err = l.hand(ctx, tx, holder, to, now)
	return err
}
