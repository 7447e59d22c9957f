package shop

import (
	"context"
	"crypto/rand"
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

// ErrNoMember means that the holder has no member number of the mall.
var ErrNoMember = errors.New("shop: the holder has no member number of the mall")

// Combine takes city points from the holder that are to become mall points
// (商店街ポイント合算), and gives the record that a merge file is to bring. Say
// Sent when the file is out. key is of the terminal's choice, as for
// IssueTicket: the same gives the same record, and takes nothing twice.
//
// The errors are ErrOrderKey, ErrBalance, ErrNoMember, ErrRepeat,
// [ticket.ErrPoints], [registry.ErrWrongCard], [registry.ErrNotEnrolled],
// [registry.ErrSessionOver], those of [registry.Prove] (among them
// [*jpki.PINRequiredError]), or the database's.
//
// A copy of a card can combine [Config.WithoutPIN] a day here, and no more.
func (v *Visit) Combine(ctx context.Context, card *jpki.Card, at ticket.Terminal, points int64, key string) (mergefile.Record, error) {
	if key == "" {
		return mergefile.Record{}, ErrOrderKey
	}
	if points < 1 || points > ticket.MaxPoints {
		return mergefile.Record{}, ticket.ErrPoints
	}
	number, err := newTransaction(v.shop.now())
	if err != nil {
		return mergefile.Record{}, err
	}
	p, tooMuch, err := v.present(ctx, card, points)
	if err != nil {
		return mergefile.Record{}, err
	}
	m, err := v.spend(ctx, p, tooMuch, "take points", func(holder registry.Person) (*movement, error) {
		member, ok := holder.Service(v.shop.cfg.Mall)
		if !ok {
			return nil, ErrNoMember // before anything is taken
		}
		return &movement{
			key:      fmt.Sprintf("combine:%s:%s", at.Scope, key),
			kind:     kindCombine,
			account:  cityAccount(holder.ID),
			points:   -points,
			ref:      number.String() + " " + member.Customer.String(),
			terminal: at.ID,
		}, nil
	})
	if err != nil {
		return mergefile.Record{}, err
	}
	return v.shop.record(ctx, m)
}

// newTransaction draws a transaction number (取引済番号) of this second. A cloud
// counts; six random digits will do for an example.
func newTransaction(now time.Time) (mergefile.Transaction, error) {
	var n [4]byte
	rand.Read(n[:])
	return mergefile.NewTransaction(now.Truncate(time.Second), binary.BigEndian.Uint32(n[:])%1_000_000)
}

// record is what a merge file brings for a movement. Its reference is the
// transaction number and the member number; one from before those stood together
// is completed from the user table, by whichever ID its holder has now.
func (s *Shop) record(ctx context.Context, m *movement) (mergefile.Record, error) {
	transaction, member, ok := strings.Cut(m.ref, " ")
	if !ok {
		id, err := mykey.ParseID(strings.TrimPrefix(m.account, "city:"))
		if err != nil {
			return mergefile.Record{}, err
		}
		if id, err = s.registry.Successor(ctx, id); err != nil {
			return mergefile.Record{}, err
		}
		holder, err := s.registry.Find(ctx, id)
		if err != nil {
			return mergefile.Record{}, err
		}
		of, ok := holder.Service(s.cfg.Mall)
		if !ok {
			return mergefile.Record{}, ErrNoMember
		}
		member = of.Customer.String()
	}
	to, err := mergefile.NewMallHolder(member)
	if err != nil {
		return mergefile.Record{}, err
	}
	number, err := mergefile.ParseTransaction(transaction)
	return mergefile.Record{Holder: to, Points: uint64(-m.points), Transaction: number}, err
}

// Unsent returns the records of a terminal that no file has gone out for: the
// terminal died in between. stuck counts those whose holder has no member number
// any more, which a person has to look into; they do not hold up the others. The
// errors are the database's.
func (s *Shop) Unsent(ctx context.Context, at ticket.Terminal) (records []mergefile.Record, stuck int, err error) {
	owed, err := s.owed(ctx, at)
	if err != nil {
		return nil, 0, fmt.Errorf("shop: find unsent records: %w", err)
	}
	for _, m := range owed {
		r, err := s.record(ctx, &m)
		switch {
		case errors.Is(err, ErrNoMember), errors.Is(err, registry.ErrRetired), errors.Is(err, registry.ErrNotFound):
			stuck++
		case err != nil:
			return nil, 0, err
		default:
			records = append(records, r)
		}
	}
	return records, stuck, nil
}

func (s *Shop) owed(ctx context.Context, at ticket.Terminal) (owed []movement, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT account, points, ref FROM shop_movement
		WHERE kind = 'combine' AND printed = 0 AND terminal = $1 ORDER BY at, movement`, at.ID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m movement
		if err := rows.Scan(&m.account, &m.points, &m.ref); err != nil {
			return nil, err
		}
		owed = append(owed, m)
	}
	return owed, rows.Err()
}

// Sent records that the file with a record is out. The error is the database's.
func (s *Shop) Sent(ctx context.Context, r mergefile.Record) error {
	_, err := s.db.ExecContext(ctx, `UPDATE shop_movement SET printed = 1 WHERE kind = 'combine' AND (ref = $1 OR ref LIKE $1 || ' %')`,
		r.Transaction.String())
	if err != nil {
		return fmt.Errorf("shop: record sending: %w", err)
	}
	return nil
}
