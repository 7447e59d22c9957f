package shop

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey/registry"
)

// present has the card in the reader prove itself. A card that wants its PIN
// first is shown without proof if [Config.WithoutPIN] allows points; tooMuch is
// then the error for who spends more.
func (v *Visit) present(ctx context.Context, card *jpki.Card, points int64) (p registry.Presence, tooMuch, err error) {
	p, err = v.prove(ctx, card)
	if _, ask := errors.AsType[*jpki.PINRequiredError](err); !ask || points > v.shop.cfg.WithoutPIN {
		return p, nil, err
	}
	tooMuch = err
	p, err = registry.Show(ctx, card, v.shop.cfg.Verifier)
	return p, tooMuch, err
}

// confirm returns the holder whose card p is, if it is still the visit's.
func confirm(ctx context.Context, s *registry.Session, p registry.Presence) (registry.Person, error) {
	if p.Proved {
		return s.Confirm(ctx, p)
	}
	return s.ConfirmUnproved(ctx, p)
}

// spend takes the points of a movement from the visit's holder, in one
// transaction: the card was the holder's and proved it, the holder is locked, and
// the movement is carried out. fill says what the movement is, once it is known
// whose. What comes again is not counted again.
func (v *Visit) spend(ctx context.Context, p registry.Presence, tooMuch error, what string, fill func(registry.Person) (*movement, error)) (*movement, error) {
	var m *movement
	err := v.shop.write(ctx, what, func(ctx context.Context, tx *sql.Tx) error {
		holder, err := confirm(ctx, v.session.In(tx), p)
		if err != nil {
			return err
		}
		if m, err = fill(holder); err != nil {
			return err
		}
		moved, err := move(ctx, tx, m, v.shop.now().UnixMilli())
		if err != nil || !moved || p.Proved {
			return err
		}
		return v.shop.countUnproved(ctx, tx, m, tooMuch)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// countUnproved adds what m takes to what its holder has spent today without
// proof. Beyond the sum it returns tooMuch. The holder is locked.
func (s *Shop) countUnproved(ctx context.Context, tx *sql.Tx, m *movement, tooMuch error) error {
	result, err := tx.ExecContext(ctx, `INSERT INTO shop_unproved (account, day, points) VALUES ($1, $2, $3)
		ON CONFLICT (account, day) DO UPDATE SET points = shop_unproved.points + excluded.points
		WHERE shop_unproved.points + excluded.points <= $4`, m.account, s.Today().String(), -m.points, s.cfg.WithoutPIN)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return tooMuch
}
