package outbox

import (
	"context"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// Books are the sums of an outbox at one instant. Their Points are those of the
// operations that paid for the items.
type Books struct {
	Items   int64
	Points  int64
	Pending int64 // items that are not written
	Open    int64 // items that are written and not acknowledged
}

// Books adds the outbox up. Within a transaction, by [Outbox.In], it sees what
// other keepers see there.
func (o *Outbox) Books(ctx context.Context) (Books, error) {
	var b Books
	err := o.db.Read(ctx, "books", func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*), CAST(coalesce(sum(points), 0) AS BIGINT),
			CAST(coalesce(sum(CASE WHEN written IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT),
			CAST(coalesce(sum(CASE WHEN written IS NOT NULL AND acked IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT) FROM {item}`).
			Scan(&b.Items, &b.Points, &b.Pending, &b.Open)
	})
	return b, err
}

// Unacknowledged returns at most limit items that are not done, by scope and
// number, for a person to look at.
func (o *Outbox) Unacknowledged(ctx context.Context, limit int) ([]Item, error) {
	var out []Item
	err := o.db.Read(ctx, "list", func(ctx context.Context, tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, `SELECT scope, at, sequence, operation, subject, points, written, sent, acked, acked_by FROM {item}
			WHERE acked IS NULL ORDER BY scope, at, sequence LIMIT ?`, max(limit, 0))
		if err != nil {
			return err
		}
		defer rows.Close()
		out = nil
		for rows.Next() {
			it, err := scanItem(rows)
			if err != nil {
				return err
			}
			out = append(out, it)
		}
		return rows.Err()
	})
	return out, err
}
