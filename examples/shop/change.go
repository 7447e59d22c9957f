package shop

import (
	"context"
	"database/sql"
	"maps"
	"strings"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// Twice is what one person was granted under two MyKey IDs, by the keys of the
// grants. The points are in the joined account; whether they are taken back is
// for people to decide.
type Twice struct {
	Old, New mykey.ID
	Grants   []string
}

// changed has the ledgers follow a MyKey ID, in the transaction that changed it.
// The points of an ID that was revoked stay where they are, and nobody can spend
// them.
func (s *Shop) changed(ctx context.Context, tx *sql.Tx, c mykey.Change) error {
	joined, err := s.city.In(tx).Changed(ctx, c)
	if err != nil {
		return err
	}
	short := map[point.Account]int64{}
	maps.Copy(short, joined.Short)
	if s.cfg.ByMyKeyID {
		mall, err := s.mall.In(tx).Changed(ctx, c)
		if err != nil {
			return err
		}
		maps.Copy(short, mall.Short)
	}
	if told, ok := ctx.Value(undoing{}).(*Undone); ok {
		told.Short = short
	}
	twice := Twice{Old: c.Old, New: c.New}
	for _, scope := range joined.Twice {
		if key, ok := strings.CutPrefix(scope, grantScope); ok {
			twice.Grants = append(twice.Grants, key)
		}
	}
	if len(twice.Grants) == 0 || s.cfg.Twice == nil {
		return nil
	}
	return s.cfg.Twice(ctx, tx, twice)
}
