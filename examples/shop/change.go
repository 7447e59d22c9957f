package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/mykey"
)

// Twice is what one person was granted under two MyKey IDs, by the keys of the
// grants. The points are in the joined account; whether they are taken back is
// for people to decide.
type Twice struct {
	Old, New mykey.ID
	Grants   []string
}

// changed moves what stands under a MyKey ID to the ID that took its place, in
// the transaction that changed it. The points of an ID that was revoked stay
// where they are, and nobody can spend them.
func (s *Shop) changed(ctx context.Context, tx *sql.Tx, c mykey.Change) error {
	switch c.Kind {
	case mykey.ChangeRevoked:
		return nil
	case mykey.ChangeReplaced:
		return s.rename(ctx, tx, c)
	case mykey.ChangeJoined:
		return s.join(ctx, tx, c)
	}
	return fmt.Errorf("shop: the accounts of a MyKey ID that was %s", c.Kind)
}

// rename gives an account with all its movements the new name, and the keys of
// grants, so that no grant is given again under the new ID.
func (s *Shop) rename(ctx context.Context, tx *sql.Tx, c mykey.Change) error {
	was, is := cityAccount(c.Old), cityAccount(c.New)
	for _, q := range []string{
		`UPDATE shop_account SET account = $1 WHERE account = $2`,
		`UPDATE shop_movement SET account = $1 WHERE account = $2`,
		`UPDATE shop_unproved SET account = $1 WHERE account = $2`,
	} {
		if _, err := tx.ExecContext(ctx, q, is, was); err != nil {
			return err
		}
	}
	old, key := grantKey(c.Old, ""), grantKey(c.New, "")
	_, err := tx.ExecContext(ctx, `UPDATE shop_movement SET movement = $1 || substr(movement, $2) WHERE account = $3 AND kind = 'grant'
		AND substr(movement, 1, $4) = $5`, key, len(old)+1, is, len(old), old)
	return err
}

// join moves the points of the old ID by a pair of movements, and reports what
// was granted under both. What was granted under the old ID alone counts as
// granted under the new one.
func (s *Shop) join(ctx context.Context, tx *sql.Tx, c mykey.Change) error {
	was, is := cityAccount(c.Old), cityAccount(c.New)
	var points int64
	err := tx.QueryRowContext(ctx, `SELECT points FROM shop_account WHERE account = $1`, was).Scan(&points)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if points > 0 {
		key := "join:" + c.Old.String() + ":" + c.New.String()
		for _, m := range []movement{
			{key: key + ":out", kind: kindJoin, account: was, points: -points},
			{key: key + ":in", kind: kindJoin, account: is, points: points},
		} {
			if _, err := move(ctx, tx, &m, c.At.UnixMilli()); err != nil {
				return err
			}
		}
	}
	old, key := grantKey(c.Old, ""), grantKey(c.New, "")
	twice, err := grantedTwice(ctx, tx, old, key)
	if err != nil {
		return err
	}
	// A grant of nothing under the new ID keeps one that was given under the old
	// from being given again.
	if _, err := tx.ExecContext(ctx, `INSERT INTO shop_movement (movement, kind, account, points, ref, terminal, at, printed)
		SELECT $1 || substr(movement, $2), kind, $3, 0, '', '', $4, 0 FROM shop_movement WHERE kind = 'grant' AND substr(movement, 1, $5) = $6
		ON CONFLICT (movement) DO NOTHING`, key, len(old)+1, is, c.At.UnixMilli(), len(old), old); err != nil {
		return err
	}
	if len(twice) == 0 || s.cfg.Twice == nil {
		return nil
	}
	return s.cfg.Twice(ctx, tx, Twice{Old: c.Old, New: c.New, Grants: twice})
}

func grantedTwice(ctx context.Context, tx *sql.Tx, old, key string) (twice []string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT substr(o.movement, $1) FROM shop_movement o
		JOIN shop_movement n ON n.movement = $2 || substr(o.movement, $1)
		WHERE o.kind = 'grant' AND substr(o.movement, 1, $3) = $4 ORDER BY 1`, len(old)+1, key, len(old), old)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var g string
		if err := rows.Scan(&g); err != nil {
			return nil, err
		}
		twice = append(twice, g)
	}
	return twice, rows.Err()
}

// grantKey is the key of a grant's movement.
func grantKey(to mykey.ID, key string) string { return "grant:" + to.String() + ":" + key }
