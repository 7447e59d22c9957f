package shop

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// What is in this file is the city's cloud's business, for whose books the
// shop's database stands in: it takes the points and owes the mall a file.

// ErrNoMember says that the holder has no member number of the mall.
var ErrNoMember = errors.New("shop: the holder has no member number of the mall")

// Combine takes city points from the holder that are to become mall points
// (商店街ポイント合算), and gives the record that a merge file is to bring. Say
// Sent when the file is out. key is of the terminal's choice, as for
// IssueTicket: the same gives the same record, and takes nothing twice.
//
// The errors are ErrOrderKey, ErrBalance, ErrNoMember, ErrRepeat,
// [ticket.ErrPoints], [registry.ErrWrongCard], [registry.ErrNotEnrolled],
// [registry.ErrSessionOver], those of [jpki.Card.Serial], or the database's.
func (v *Visit) Combine(ctx context.Context, card *jpki.Card, at ticket.Terminal, points int64, key string) (mergefile.Record, error) {
	if key == "" {
		return mergefile.Record{}, ErrOrderKey
	}
	if points < 1 || points > ticket.MaxPoints {
		return mergefile.Record{}, ticket.ErrPoints
	}
	holder, err := v.payer(ctx, card)
	if err != nil {
		return mergefile.Record{}, err
	}
	number, err := newTransaction(v.shop.cfg.Now())
	if err != nil {
		return mergefile.Record{}, err
	}
	m := &movement{
		key:      fmt.Sprintf("combine:%s:%s", at.Scope, key),
		kind:     kindCombine,
		account:  cityAccount(holder.ID),
		points:   -points,
		ref:      number.String(),
		terminal: at.ID,
	}
	if _, err := v.shop.record(holder, m); err != nil { // before anything is taken
		return mergefile.Record{}, err
	}
	err = v.shop.write(ctx, "take points", func(tx *sql.Tx) error {
		return move(ctx, tx, m, v.shop.cfg.Now().UnixMilli())
	})
	if err != nil {
		return mergefile.Record{}, err
	}
	return v.shop.record(holder, m)
}

// newTransaction draws a transaction number (取引済番号) of this second. A cloud
// counts; six random digits will do for an example.
func newTransaction(now time.Time) (mergefile.Transaction, error) {
	var n [4]byte
	rand.Read(n[:])
	return mergefile.NewTransaction(now.Truncate(time.Second), binary.BigEndian.Uint32(n[:])%1_000_000)
}

// record is what a merge file brings for a movement.
func (s *Shop) record(holder registry.Person, m *movement) (mergefile.Record, error) {
	member, ok := holder.Service(s.cfg.Mall)
	if !ok {
		return mergefile.Record{}, ErrNoMember
	}
	to, err := mergefile.NewMallHolder(member.Customer.String())
	if err != nil {
		return mergefile.Record{}, err
	}
	number, err := mergefile.ParseTransaction(m.ref)
	return mergefile.Record{Holder: to, Points: uint64(-m.points), Transaction: number}, err
}

// Unsent gives the records of a terminal that no file has gone out for: it died
// in between. The errors are the database's, those of [registry.Registry.Find], or
// ErrNoMember.
func (s *Shop) Unsent(ctx context.Context, at ticket.Terminal) ([]mergefile.Record, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT account, points, ref FROM shop_movement
		WHERE kind = 'combine' AND printed = 0 AND terminal = $1 ORDER BY at, movement`, at.ID)
	if err != nil {
		return nil, fmt.Errorf("shop: find unsent records: %w", err)
	}
	defer rows.Close()
	var owed []movement
	for rows.Next() {
		var m movement
		if err := rows.Scan(&m.account, &m.points, &m.ref); err != nil {
			return nil, fmt.Errorf("shop: find unsent records: %w", err)
		}
		owed = append(owed, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("shop: find unsent records: %w", err)
	}
	var records []mergefile.Record
	for _, m := range owed {
		id, err := mykey.ParseID(strings.TrimPrefix(m.account, "city:"))
		if err != nil {
			return nil, err
		}
		holder, err := s.registry.Find(ctx, id)
		if err != nil {
			return nil, err
		}
		r, err := s.record(holder, &m)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// Sent records that the file with a record is out. The error is the database's.
func (s *Shop) Sent(ctx context.Context, r mergefile.Record) error {
	_, err := s.db.ExecContext(ctx, `UPDATE shop_movement SET printed = 1 WHERE kind = 'combine' AND ref = $1`, r.Transaction.String())
	if err != nil {
		return fmt.Errorf("shop: record sending: %w", err)
	}
	return nil
}
