package point

import (
	"context"
	"fmt"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// Books are the sums of a ledger at one instant.
type Books struct {
	Outstanding map[Account]int64 // points in lots, those that have lapsed and are not written down included
	Operations  map[Op]int64      // points by kind of operation
	Spent       map[Op]int64      // points by kind of what was spent, without what has been given back
	Baseless    int64             // reserved points past their day of holders without a base account
	Faults      []string          // sums that do not agree; none in a ledger that is whole
}

// rules of the books: each query returns how many rows break the rule.
var rules = [...]struct{ name, query string }{
	{"lots are the sums of their entries", `SELECT count(*) FROM (
		SELECT holder, programme, expires, sum(n) AS n FROM (
			SELECT holder, programme, expires, points AS n FROM {lot}
			UNION ALL SELECT holder, programme, expires, -delta FROM {entry}) a
		GROUP BY holder, programme, expires) s WHERE n <> 0`},
	{"what is spent, lapsed or taken back leaves as many points", `SELECT count(*) FROM {operation} o
		WHERE kind IN ('use', 'ticket', 'merge', 'lapse', 'clawback')
		AND o.points <> (SELECT coalesce(-sum(delta), 0) FROM {entry} e WHERE e.holder = o.holder AND e.operation = o.id)`},
	{"what is credited or given back brings as many points", `SELECT count(*) FROM {operation} o
		WHERE kind IN ('grant', 'partner', 'opening', 'refund', 'restore')
		AND o.points <> (SELECT coalesce(sum(delta), 0) FROM {entry} e WHERE e.holder = o.holder AND e.operation = o.id)`},
	{"what moves within a holder sums up to nothing", `SELECT count(*) FROM {operation} o
		WHERE kind IN ('steer', 'due')
		AND 0 <> (SELECT coalesce(sum(delta), 0) FROM {entry} e WHERE e.holder = o.holder AND e.operation = o.id)`},
	{"what one holder hands over another receives", `SELECT count(*) FROM (
		SELECT o.id FROM {operation} o JOIN {entry} e ON e.holder = o.holder AND e.operation = o.id
		WHERE o.kind = 'join' GROUP BY o.id HAVING sum(e.delta) <> 0) s`},
	{"no more is given back than was spent", `SELECT count(*) FROM {operation} o
		WHERE o.points < (SELECT coalesce(sum(r.points), 0) FROM {operation} r WHERE r.holder = o.holder AND r.reverses = o.id)`},
	{"a request has its operation", `SELECT count(*) FROM {request} q WHERE q.operation IS NOT NULL AND NOT EXISTS (
		SELECT 1 FROM {operation} o WHERE o.holder = q.holder AND o.id = q.operation)`},
	{"a day's sum without proof is that of its operations", `SELECT count(*) FROM {unproved} u
		WHERE u.points <> (SELECT coalesce(sum(o.points), 0) FROM {operation} o WHERE o.holder = u.holder AND o.at >= u.since AND o.at < u.since + 86400000000
			AND o.proved = 0 AND o.kind IN ('use', 'ticket', 'merge'))`},
	{"an entry has its operation", `SELECT count(*) FROM {entry} e WHERE NOT EXISTS (
		SELECT 1 FROM {operation} o WHERE o.holder = e.holder AND o.id = e.operation)`},
}

// Books adds the ledger up, on one snapshot, and checks that its sums agree. It
// reads everything: run it on a copy if the ledger is large.
func (l *Ledger) Books(ctx context.Context) (Books, error) {
	var b Books
	err := l.db.Read(ctx, "books", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		b, err = l.books(ctx, tx)
		return err
	})
	return b, err
}

func (l *Ledger) books(ctx context.Context, tx *sqldb.Tx) (Books, error) {
	b := Books{Outstanding: map[Account]int64{}, Operations: map[Op]int64{}, Spent: map[Op]int64{}}
	today, err := l.today(ctx, tx)
	if err != nil {
		return Books{}, err
	}
	err = tx.QueryRow(ctx, `SELECT CAST(coalesce(sum(l.points), 0) AS BIGINT) FROM {lot} l JOIN {programme} p ON p.id = l.programme JOIN {holder} h ON h.id = l.holder
		WHERE p.kind = 3 AND l.expires < ? AND h.base IS NULL`, today).Scan(&b.Baseless)
	if err != nil {
		return Books{}, err
	}
	if err := sums(ctx, tx, b.Outstanding, "SELECT p.code, CAST(sum(l.points) AS BIGINT) FROM {lot} l JOIN {programme} p ON p.id = l.programme GROUP BY p.code"); err != nil {
		return Books{}, err
	}
	if err := sums(ctx, tx, b.Operations, "SELECT kind, CAST(sum(points) AS BIGINT) FROM {operation} GROUP BY kind"); err != nil {
		return Books{}, err
	}
	if err := sums(ctx, tx, b.Spent, `SELECT kind, CAST(sum(n) AS BIGINT) FROM (
			SELECT kind, points AS n FROM {operation} WHERE kind IN ('use', 'ticket', 'merge')
			UNION ALL SELECT o.kind, -r.points FROM {operation} r JOIN {operation} o ON o.holder = r.holder AND o.id = r.reverses WHERE r.kind = 'refund') s
		GROUP BY kind`); err != nil {
		return Books{}, err
	}
	for _, r := range rules {
		var n int64
		if err := tx.QueryRow(ctx, r.query).Scan(&n); err != nil {
			return Books{}, fmt.Errorf("%s: %w", r.name, err)
		}
		if n != 0 {
			b.Faults = append(b.Faults, fmt.Sprintf("not true of %d: %s", n, r.name))
		}
	}
	return b, nil
}

func sums[K ~string](ctx context.Context, tx *sqldb.Tx, into map[K]int64, query string) error {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k K
		var n int64
		if err := rows.Scan(&k, &n); err != nil {
			return err
		}
		into[k] += n
	}
	return rows.Err()
}
