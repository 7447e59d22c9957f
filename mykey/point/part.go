package point

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/internal/sqldb"
	"github.com/mynakit/mynakit/mykey"
)

// remember keeps which IDs the holder a has, before they become the holder b's.
func remember(ctx context.Context, tx *sqldb.Tx, a, b int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO {former} (mykey, holder, heir)
		SELECT mykey, holder, CAST(? AS BIGINT) FROM {alias} WHERE holder = ?`, b, a)
	return err
}

// Part undoes [Ledger.Join]: the ID from was another name of the ID to by
// mistake, and has a holder of its own again. The IDs and the history of before
// the join go back, with as many of the points as are there. First come the
// points themselves, and for those that were spent others of the same account.
// What was granted under either ID since the join stays with to. Points that
// lapsed meanwhile stay lapsed.
//
// Part returns [ErrNoHolder], or [ErrNotUndoable] if the two are not joined, if
// from has been joined to a further holder since, or if they were joined before
// this package kept what is needed.
func (l *Ledger) Part(ctx context.Context, from, to mykey.ID) (Joined, error) {
	var out Joined
	err := l.db.Write(ctx, "part", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = l.part(ctx, tx, from, to)
		return err
	})
	return out, err
}

func (l *Ledger) part(ctx context.Context, tx *sqldb.Tx, from, to mykey.ID) (Joined, error) {
	b, _, err := findHolder(ctx, tx, to)
	if err != nil {
		return Joined{}, err
	}
	var a int64
	err = tx.QueryRow(ctx, `SELECT f.holder FROM {former} f JOIN {holder} h ON h.id = f.holder
		WHERE f.mykey = ? AND f.heir = ? AND h.heir = ?`, from.String(), b, b).Scan(&a)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotUndoable
	}
	if err != nil {
		return Joined{}, err
	}
	var now int64
	for _, h := range []int64{min(a, b), max(a, b)} {
		if now, err = l.lock(ctx, tx, h); err != nil {
			return Joined{}, err
		}
	}
	back, err := joinedBefore(ctx, tx, a, b)
	if err != nil {
		return Joined{}, err
	}
	out := Joined{Moved: map[Account]int64{}, Short: map[Account]int64{}}
	for _, h := range back {
		owed, err := joinedPoints(ctx, tx, h, b)
		if err != nil {
			return Joined{}, err
		}
		// Now, for what goes back next is written under the same two holders.
		if _, err := tx.Exec(ctx, `DELETE FROM {handed} WHERE holder = ? AND EXISTS
			(SELECT 1 FROM {operation} o WHERE o.holder = ? AND o.id = {handed}.operation)`, h, b); err != nil {
			return Joined{}, err
		}
		for _, o := range owed {
			joined := h
			if h == a {
				joined = 0
			}
			if err := l.returnPoints(ctx, tx, b, a, now, o, joined, &out); err != nil {
				return Joined{}, err
			}
		}
	}
	return out, restore(ctx, tx, a, b, back)
}

const formerIDs = "(SELECT mykey FROM {former} WHERE holder = ? AND heir = ?)"

// joinedBefore returns the holder a and who was joined to a before a was to b.
func joinedBefore(ctx context.Context, tx *sqldb.Tx, a, b int64) ([]int64, error) {
	rows, err := tx.Query(ctx, "SELECT id FROM {holder} WHERE heir = ? AND id IN (SELECT holder FROM {former} WHERE mykey IN "+formerIDs+")", b, a, b)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var h int64
		if err := rows.Scan(&h); err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// restore gives the holder a what a had beside points before it was joined to b.
func restore(ctx context.Context, tx *sqldb.Tx, a, b int64, back []int64) error {
	for _, h := range back {
		// What h was granted once does not count for b any more.
		if _, err := tx.Exec(ctx, `DELETE FROM {request} WHERE name = ? AND holder = ? AND scope IN
			(SELECT scope FROM {operation} WHERE holder = ? AND name = ?)`, operationText(b), h, h, operationText(h)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE {holder} SET heir = ? WHERE id = ?", a, h); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, "UPDATE {holder} SET state = ?, heir = NULL WHERE id = ?", int64(live), a); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE {alias} SET holder = ? WHERE holder = ? AND mykey IN "+formerIDs, a, b, a, b); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM {former} WHERE holder = ? AND heir = ?", a, b)
	return err
}

// lend gives the ID new, which has no accounts, those of the ID old.
func lend(ctx context.Context, tx *sqldb.Tx, old, new mykey.ID) error {
	holder, _, err := lockHolder(ctx, tx, old)
	if err != nil {
		return err
	}
	if err := remember(ctx, tx, holder, holder); err != nil {
		return err
	}
	return rename(ctx, tx, old, new)
}

// partChanged undoes what Changed did for IDs that were joined.
func (l *Ledger) partChanged(ctx context.Context, tx *sqldb.Tx, c mykey.Change) (Joined, error) {
	holder, _, err := findHolder(ctx, tx, c.Old)
	if err == nil {
		var other int64
		if other, _, err = findHolder(ctx, tx, c.New); err == nil && other != holder {
			return Joined{}, nil // not joined, or parted before
		}
	}
	if errors.Is(err, ErrNoHolder) {
		return Joined{}, nil // one of them never had accounts
	}
	if err != nil {
		return Joined{}, err
	}
	var lent int64
	err = tx.QueryRow(ctx, "SELECT count(*) FROM {former} WHERE mykey = ? AND holder = ? AND heir = ?", c.Old.String(), holder, holder).Scan(&lent)
	if err != nil {
		return Joined{}, err
	}
	if lent == 0 {
		return l.part(ctx, tx, c.Old, c.New)
	}
	// All that there is is the holder's who had accounts.
	if _, err := tx.Exec(ctx, `DELETE FROM {alias} WHERE holder = ? AND mykey NOT IN
		(SELECT mykey FROM {former} WHERE holder = ? AND heir = ?)`, holder, holder, holder); err != nil {
		return Joined{}, err
	}
	_, err = tx.Exec(ctx, "DELETE FROM {former} WHERE holder = ? AND heir = ?", holder, holder)
	return Joined{}, err
}

// moved is what a join moved of one programme.
type moved struct {
	programme int64
	account   Account
	kind      Kind
	lots      []lot
}

// joinedPoints returns what the holder b got for the joined holder a, without what
// went back.
func joinedPoints(ctx context.Context, tx *sqldb.Tx, a, b int64) ([]moved, error) {
	rows, err := tx.Query(ctx, `SELECT p.id, p.code, p.kind, e.expires, CAST(sum(e.delta) AS BIGINT)
		FROM {handed} x JOIN {entry} e ON e.holder = ? AND e.operation = x.operation JOIN {programme} p ON p.id = e.programme
		WHERE x.holder = ? GROUP BY p.id, p.code, p.kind, e.expires HAVING sum(e.delta) <> 0 ORDER BY p.id, e.expires`, b, a)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []moved
	for rows.Next() {
		var m moved
		var part lot
		if err := rows.Scan(&m.programme, &m.account, &m.kind, &part.expires, &part.points); err != nil {
			return nil, err
		}
		if n := len(out); n == 0 || out[n-1].programme != m.programme {
			out = append(out, m)
		}
		last := &out[len(out)-1]
		last.lots = append(last.lots, part)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// returnPoints moves what is there of the points from one holder to the other,
// who has them for the holder joined, unless that is 0.
func (l *Ledger) returnPoints(ctx context.Context, tx *sqldb.Tx, from, to, now int64, m moved, joined int64, out *Joined) error {
	today := dayNumber(mykey.DateOf(instantOf(now)))
	p, list, has, err := lots(ctx, tx, from, m.account, today)
	if err != nil {
		return err
	}
	var changes []change
	short := int64(0)
	take := func(from *lot, points int64) int64 {
		n := min(from.points, points)
		if n <= 0 {
			return 0
		}
		from.points -= n
		for i := range changes {
			if changes[i].expires == from.expires {
				changes[i].delta += n
				return n
			}
		}
		changes = append(changes, change{m.programme, from.expires, n})
		return n
	}
	for _, owed := range m.lots {
		// Rolling lots have moved with each movement since. What a clawback took
		// from the heir counts against what is owed.
		if owed.expires >= today || owed.points < 0 || m.kind == Reserved || p.expiry.Rule == Rolling {
			short += owed.points
		}
	}
	for _, owed := range m.lots {
		for i := range list {
			if list[i].expires == owed.expires {
				short -= take(&list[i], min(owed.points, short))
			}
		}
	}
	for i := range list {
		short -= take(&list[i], short)
	}
	if short > 0 {
		out.Short[m.account] += short
	}
	if len(changes) == 0 {
		return nil
	}
	sortChanges(changes)
	for _, c := range changes {
		out.Moved[m.account] += c.delta
	}
	_, _, before, err := lots(ctx, tx, to, m.account, today)
	if err != nil {
		return err
	}
	return l.pair(ctx, tx, from, to, now, m.kind, changes, has, before, joined)
}
