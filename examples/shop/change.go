package shop

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mynakit/mynakit/mykey"
)

// changed moves what stands under a MyKey ID to the ID that took its place, in
// the transaction that changed it: the account with all its movements, and the
// keys of grants, so that no grant is given again under the new ID. The points of
// an ID that was revoked stay where they are, and nobody can spend them.
func (s *Shop) changed(ctx context.Context, tx *sql.Tx, c mykey.Change) error {
	switch c.Kind {
	case mykey.ChangeRevoked:
		return nil
	case mykey.ChangeReplaced:
	default:
		return fmt.Errorf("shop: the accounts of a MyKey ID that was %s", c.Kind)
	}
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

// grantKey is the key of a grant's movement.
func grantKey(to mykey.ID, key string) string { return "grant:" + to.String() + ":" + key }
