package shop

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// IssueTicket takes points from the holder and puts them on a ticket
// (ポイント券発行), in one transaction. order.Key is as in [Order]; order.Account
// is one of the city's, and empty means the city's own. The book pays the order
// itself. Print what comes with Slip and say Printed.
//
// The errors are ErrOrderKey, [registry.ErrWrongCard], [registry.ErrNotEnrolled],
// [registry.ErrSessionOver], those of [registry.Prove] (among them
// [*jpki.PINRequiredError]), and those of [ticket.Book.Issue]: a
// [*ticket.OrderError] wraps those of [point.Ledger.Use], such as a
// [*point.ShortError]. With an error there is no ticket, or it is not known:
// asking again with the same key returns the ticket.
//
// A copy of a card can spend [Config.WithoutPIN] a day here, and no more.
func (v *Visit) IssueTicket(ctx context.Context, card *jpki.Card, at ticket.Terminal, order ticket.Order) (ticket.Ticket, error) {
	if order.Account == string(MallAccount) {
		return ticket.Ticket{}, point.ErrKind
	}
	u, err := v.shop.order(at, Order{Key: order.Key, Account: point.Account(order.Account), Points: order.Points}, point.OpTicket)
	if errors.Is(err, point.ErrPoints) {
		err = ticket.ErrPoints
	}
	if err != nil {
		return ticket.Ticket{}, err
	}
	p, tooMuch, err := v.present(ctx, card, order.Points)
	if err != nil {
		return ticket.Ticket{}, err
	}
	if _, err := confirm(ctx, v.session, p); err != nil {
		return ticket.Ticket{}, err
	}
	u.Proved = p.Proved
	defer v.shop.flight.enter(u.Request)()
	pay := func(ctx context.Context, tx *sql.Tx, before bool) error {
		holder, err := confirm(ctx, v.session.In(tx), p)
		if err != nil {
			return err
		}
		r, err := v.shop.use(ctx, tx, holder, u)
		if err == nil && r.Repeated != before {
			err = ticket.ErrConflict // a payment without its ticket, or a ticket without payment
		}
		return err
	}
	order.Account, order.ToPrint = string(u.Account), true
	order.Pay = func(ctx context.Context, tx *sql.Tx, _ ticket.Ticket) error { return pay(ctx, tx, false) }
	batch, err := v.shop.book.IssueBatch(ctx, at, []ticket.Order{order})
	if err == nil && batch.New == 0 {
		// It is of an earlier call, and shown to whom it belongs to.
		err = v.shop.write(ctx, "find the payment", func(ctx context.Context, tx *sql.Tx) error { return pay(ctx, tx, true) })
	}
	if err != nil {
		return ticket.Ticket{}, unproved(err, tooMuch)
	}
	return batch.Tickets[0], nil
}

// CancelTicket takes a live ticket back before use (取消), and its points go back
// to their holder, in one transaction. attempt names this press of the button.
// The errors are those of [ticket.Book.Cancel].
func (s *Shop) CancelTicket(ctx context.Context, at ticket.Terminal, n ticket.Number, attempt string) (ticket.Receipt, error) {
	return s.book.Cancel(ctx, at, n, attempt)
}

// refund gives the points of a ticket back that is taken back.
func (s *Shop) refund(ctx context.Context, tx *sql.Tx, t ticket.Ticket, at ticket.Terminal) error {
	_, err := s.city.In(tx).Cancel(ctx, point.Request{Scope: string(t.Scope), Name: t.Payment}, point.At{Terminal: at.ID, Place: at.Place})
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
	return paper.Slip{Ticket: t, QR: ticket.NewCode(qr), PointName: s.cfg.PointName, Issuer: s.cfg.Issuer, Training: s.cfg.Training}, nil
}

// Printed records that a ticket is on paper. The errors are those of
// [ticket.Book.Printed].
func (s *Shop) Printed(ctx context.Context, t ticket.Ticket) error {
	return s.book.Printed(ctx, t.Scope, t.Number)
}

// Unprinted returns the live tickets of a terminal that were never said to be
// Printed: the terminal died, or its printer had no paper. The clerk prints them
// when the terminal starts. The errors are those of [ticket.Book.Unprinted].
func (s *Shop) Unprinted(ctx context.Context, at ticket.Terminal) ([]ticket.Ticket, error) {
	return s.book.Unprinted(ctx, at)
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

// A Deposit is a ticket whose points became the mall's.
type Deposit struct {
	Ticket   ticket.Ticket
	Receipt  point.Receipt // of the mall's points
	Repeated bool
}

// RedeemToPoints uses a ticket up and adds its points to a member's of the mall
// (システム設計書 III.12), in one transaction. It needs no card and no platform:
// number is the member number, of the mall's point card. attempt is a key as in
// [Order]; after a lost answer ask again with the same.
//
// The errors are ErrOrderKey, [registry.ErrNotFound] for a number that nobody has
// if the mall knows MyKey IDs, and those of [ticket.Book.Redeem] and
// [point.Ledger.Credit], among them [point.ErrRequestReused] for an attempt that
// was for something else.
func (s *Shop) RedeemToPoints(ctx context.Context, at ticket.Terminal, code ticket.Code, attempt string, number mykey.CustomerID) (Deposit, error) {
	q, err := request(at, attempt)
	if err != nil {
		return Deposit{}, err
	}
	if number.IsZero() {
		return Deposit{}, ErrNoMember
	}
	// A typed number is looked up first, since a transaction that fails would
	// forget that somebody guessed.
	shown, err := s.book.Inspect(ctx, ticket.Presentation{Terminal: at, Code: code})
	if errors.Is(err, ticket.ErrRefused) {
		// An attempt that succeeded is answered again, and redeems nothing.
		if _, before := s.mall.Status(ctx, q); before == nil {
			var again ticket.Receipt
			if again, err = s.book.Redeem(ctx, ticket.Presentation{Terminal: at, Code: code, Attempt: attempt}); err == nil {
				shown = again.Ticket
			}
		}
	}
	if err != nil {
		return Deposit{}, err
	}
	qr, err := s.book.QR(shown)
	if err != nil {
		return Deposit{}, err
	}
	var d Deposit
	err = s.write(ctx, "add a ticket to points", func(ctx context.Context, tx *sql.Tx) error {
		to, err := s.memberByNumber(ctx, tx, number)
		if err != nil {
			return err
		}
		if err := s.lockKey(ctx, tx, q); err != nil {
			return err
		}
		redeemed, err := s.book.In(tx).Redeem(ctx, ticket.Presentation{Terminal: at, Code: ticket.NewCode(qr), Attempt: attempt})
		if err != nil {
			return err
		}
		if err := s.only(ctx, tx, s.mall, q); err != nil {
			return err
		}
		d = Deposit{Ticket: redeemed.Ticket}
		d.Receipt, err = s.credit(ctx, tx, to, point.Credit{Request: q, Points: redeemed.Ticket.Points, Kind: point.OpGrant, Terminal: at.ID, Place: at.Place})
		if d.Repeated = d.Receipt.Repeated; err == nil && d.Repeated != redeemed.Repeated {
			err = point.ErrRequestReused // the points of another ticket, or a ticket that was paid for otherwise
		}
		return err
	})
	if err != nil {
		return Deposit{}, err
	}
	return d, nil
}

// memberByNumber returns by what the mall knows who has a member number.
func (s *Shop) memberByNumber(ctx context.Context, tx *sql.Tx, number mykey.CustomerID) (mykey.Identifier, error) {
	id := mykey.ServiceID{Operator: s.cfg.Mall, Customer: number}
	if !s.cfg.ByMyKeyID {
		return id, nil
	}
	p, err := s.registry.In(tx).Find(ctx, id)
	return p.ID, err
}

// credit adds points of the mall, and opens the member's account if there is
// none yet.
func (s *Shop) credit(ctx context.Context, tx *sql.Tx, to mykey.Identifier, c point.Credit) (point.Receipt, error) {
	c.Holder, c.Account = to, MallAccount
	r, err := s.mall.In(tx).Credit(ctx, c)
	if errors.Is(err, point.ErrNoHolder) {
		if err = s.mall.In(tx).Enrol(ctx, to, point.Profile{}); err == nil {
			r, err = s.mall.In(tx).Credit(ctx, c)
		}
	}
	return r, err
}
