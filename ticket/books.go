package ticket

import (
	"context"
	"fmt"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// Books are the sums of a book at one instant.
type Books struct {
	// Paid is the total of the paid tickets by account: those that are live,
	// lapsed or redeemed, and neither cancelled nor replaced. It is what the
	// keeper of the points took for tickets and has not given back.
	Paid map[string]Total
	// Faults are the rules that the tables break. There are none in a book
	// that is whole.
	Faults []string
}

// rules of the books: each query returns how many rows break the rule.
var rules = [...]struct{ name, query string }{
	{"a scope has as many numbers as it counts", `SELECT count(*) FROM (
		SELECT scope, sum(n) AS n FROM (
			SELECT scope, taken AS n FROM {fill}
			UNION ALL SELECT scope, -count(*) FROM {ticket} GROUP BY scope) a
		GROUP BY scope) s WHERE n <> 0`},
	{"a replaced ticket has a successor that is worth the same", `SELECT count(*) FROM {ticket} o WHERE state = 4 AND NOT EXISTS (
		SELECT 1 FROM {ticket} n WHERE n.scope = o.scope AND n.number = o.replaced_by AND n.replaces = o.number
		AND n.points = o.points AND n.until = o.until
		AND coalesce(n.account, '') = coalesce(o.account, '') AND coalesce(n.payment, '') = coalesce(o.payment, ''))`},
	{"a payment is for one ticket", `SELECT count(*) FROM (SELECT scope, payment FROM {ticket}
		WHERE payment IS NOT NULL AND state <> 4 GROUP BY scope, payment HAVING count(*) > 1) s`},
	{"a ticket has ended or is live", `SELECT count(*) FROM {ticket}
		WHERE CASE WHEN state = 1 THEN ended_at IS NOT NULL ELSE state NOT IN (2, 3, 4) OR ended_at IS NULL OR ended_by IS NULL END`},
	{"a ticket ends after its issue", "SELECT count(*) FROM {ticket} WHERE ended_at < issued_at"},
	{"points are in their range", "SELECT count(*) FROM {ticket} WHERE NOT points BETWEEN 1 AND 99999999"},
}

// Books adds the tables up, on one snapshot, and checks them. To compare Paid
// with the keeper of the points, call Books and theirs within one transaction;
// see [Book.In]. On PostgreSQL its isolation must be REPEATABLE READ. Books
// reads everything: run it on a copy if the tables are large.
func (b *Book) Books(ctx context.Context) (Books, error) {
	out := Books{Paid: make(map[string]Total)}
	err := b.db.Read(ctx, "books", func(ctx context.Context, tx *sqldb.Tx) error {
		for _, r := range rules {
			var n int64
			if err := tx.QueryRow(ctx, r.query).Scan(&n); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			if n != 0 {
				out.Faults = append(out.Faults, fmt.Sprintf("not true of %d: %s", n, r.name))
			}
		}
		rows, err := tx.Query(ctx, `SELECT coalesce(account, ''), count(*), CAST(coalesce(sum(points), 0) AS BIGINT) FROM {ticket}
			WHERE payment IS NOT NULL AND state IN (1, 2) AND points BETWEEN 1 AND 99999999 GROUP BY 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var account string
			var t Total
			if err := rows.Scan(&account, &t.Tickets, &t.Points); err != nil {
				return err
			}
			out.Paid[account] = t
		}
		return rows.Err()
	})
	if err != nil {
		return Books{}, err
	}
	return out, nil
}
