package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// ErrOrderKey means that an order has no key, without which a lost answer could
// not be asked for again.
var ErrOrderKey = errors.New("shop: an order for a ticket needs a key")

// IssueTicket takes points from the holder and puts them on a ticket
// (ポイント券発行). order.Key is of the terminal's choice and different for each
// ticket; the terminal that lost the answer, or died, asks again with the same.
// Print what comes with Slip and say Printed.
//
// The errors are ErrOrderKey, ErrBalance, ErrRepeat, [registry.ErrWrongCard],
// [registry.ErrNotEnrolled], [registry.ErrSessionOver], those of [registry.Prove]
// (among them [*jpki.PINRequiredError]) and [ticket.Book.Issue], or the
// database's. With an error there is no paper: if points were taken all the same,
// asking again with the same key returns the ticket.
//
// A copy of a card can spend [Config.WithoutPIN] a day here, and no more.
func (v *Visit) IssueTicket(ctx context.Context, card *jpki.Card, at ticket.Terminal, order ticket.Order) (ticket.Ticket, error) {
	if order.Key == "" {
		return ticket.Ticket{}, ErrOrderKey
	}
	p, tooMuch, err := v.present(ctx, card, order.Points)
	if err != nil {
		return ticket.Ticket{}, err
	}
	holder, err := confirm(ctx, v.session, p)
	if err != nil {
		return ticket.Ticket{}, err
	}
	// The ticket is made first and the points are taken then, both under the
	// order's key. The number is given out only when the points have been taken.
	// What is left by a program that dies in between is a ticket that nobody has
	// the number of, and that lapses, unless the order is repeated: then it is
	// the one.
	key := fmt.Sprintf("ticket:%s:%s", at.Scope, order.Key)
	if err := v.shop.affordable(ctx, key, holder.ID, order.Points); err != nil {
		return ticket.Ticket{}, err
	}
	t, err := v.shop.book.Issue(ctx, at, order)
	if err != nil {
		return ticket.Ticket{}, err
	}
	_, err = v.spend(ctx, p, tooMuch, "take points", func(holder registry.Person) (*movement, error) {
		return &movement{key: key, kind: kindTicket, account: cityAccount(holder.ID), points: -t.Points, ref: t.Number.Digits(), terminal: at.ID}, nil
	})
	if err != nil {
		return ticket.Ticket{}, err
	}
	return t, nil
}

// affordable refuses a holder who has too little, so that no ticket is left
// behind. A movement that was carried out before is repeated in any case.
func (s *Shop) affordable(ctx context.Context, key string, holder mykey.ID, points int64) error {
	var before int64
	err := s.db.QueryRowContext(ctx, `SELECT points FROM shop_movement WHERE movement = $1`, key).Scan(&before)
	if !errors.Is(err, sql.ErrNoRows) {
		if err != nil {
			err = fmt.Errorf("shop: issue ticket: %w", err)
		}
		return err
	}
	have, err := s.balance(ctx, cityAccount(holder))
	if err == nil && have < points {
		err = ErrBalance
	}
	return err
}

// Slip returns a live ticket as it goes on paper, QR code and all: SVG and
// [paper.WriteHTML] for A4, ESCPOS for a receipt printer. The errors are those
// of [ticket.Book.QR].
func (s *Shop) Slip(t ticket.Ticket) (paper.Slip, error) {
	qr, err := s.book.QR(t)
	if err != nil {
		return paper.Slip{}, err
	}
	return paper.Slip{Ticket: t, QR: ticket.NewCode(qr), PointName: s.cfg.PointName, Issuer: s.cfg.Issuer}, nil
}

// Printed records that a ticket is on paper. The error is the database's.
func (s *Shop) Printed(ctx context.Context, t ticket.Ticket) error {
	_, err := s.db.ExecContext(ctx, `UPDATE shop_movement SET printed = 1 WHERE movement = $1`,
		fmt.Sprintf("ticket:%s:%s", t.Scope, t.OrderKey))
	if err != nil {
		return fmt.Errorf("shop: record printing: %w", err)
	}
	return nil
}

// Unprinted returns the live tickets of a terminal that were paid for and never
// said to be Printed: the terminal died, or its printer had no paper. The clerk
// prints them when the terminal starts. The errors are the database's.
func (s *Shop) Unprinted(ctx context.Context, at ticket.Terminal) ([]ticket.Ticket, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT ref FROM shop_movement
		WHERE kind = 'ticket' AND printed = 0 AND terminal = $1 ORDER BY at, movement`, at.ID)
	if err != nil {
		return nil, fmt.Errorf("shop: find unprinted tickets: %w", err)
	}
	defer rows.Close()
	var numbers []ticket.Number
	for rows.Next() {
		var n ticket.Number
		if err := rows.Scan(&n); err != nil {
			return nil, fmt.Errorf("shop: find unprinted tickets: %w", err)
		}
		numbers = append(numbers, n)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("shop: find unprinted tickets: %w", err)
	}
	var live []ticket.Ticket
	for _, n := range numbers {
		t, err := s.book.Find(ctx, at.Scope, n)
		switch {
		case errors.Is(err, ticket.ErrNotFound): // of another scope's terminal of this name
		case err != nil:
			return nil, err
		case t.State == ticket.Issued:
			live = append(live, t)
		}
	}
	return live, nil
}

// Reprint returns a live ticket for printing once more, under the same number
// (再発行). attempt names this press of the button; a repeat of it counts no
// further paper. The errors are those of [ticket.Book.Reprint].
func (s *Shop) Reprint(ctx context.Context, at ticket.Terminal, n ticket.Number, attempt string) (ticket.Ticket, error) {
	r, err := s.book.Reprint(ctx, at, n, attempt)
	return r.Ticket, err
}

// Inspect shows a ticket that could be redeemed at a terminal now
// (ポイント券情報読取): code is what a QR reader or a keyboard gave. The errors are
// those of [ticket.Book.Inspect], for every bad code [ticket.ErrRefused].
func (s *Shop) Inspect(ctx context.Context, at ticket.Terminal, code ticket.Code) (ticket.Ticket, error) {
	return s.book.Inspect(ctx, ticket.Presentation{Terminal: at, Code: code})
}

// Redeem uses a ticket up, whole (消込処理). attempt names this press of the
// button, in the terminal's own words: after a lost answer ask again with the
// same. The errors are those of [ticket.Book.Redeem].
func (s *Shop) Redeem(ctx context.Context, at ticket.Terminal, code ticket.Code, attempt string) (ticket.Receipt, error) {
	return s.book.Redeem(ctx, ticket.Presentation{Terminal: at, Code: code, Attempt: attempt})
}
