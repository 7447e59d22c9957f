package shop

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/mykey/terminal"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// Order is for points that a holder spends.
type Order struct {
	// Key is of the caller's choice, and a different one for each press of the
	// button in the whole association: see ErrOrderKey. Whoever lost the answer
	// asks again with the same.
	Key string
	// Account is one of [Visit.Balances]. Empty means the city's own.
	Account point.Account
	Points  int64 // at least 1
	AtMost  bool  // take what is there, up to Points
}

// Use takes points from the holder at a till (ポイント利用, システム設計書 II.11①, and
// III.16, III.17② for [MallAccount]): show [Visit.Balances], let the holder
// choose, enter the points, have them confirmed, and call Use. The till counts
// them as a discount (値引き). Print [Shop.Receipt].
//
// The errors are ErrOrderKey, [ticket.ErrKind] for a terminal that takes no
// points, ErrNoMember, [registry.ErrWrongCard], [registry.ErrNotEnrolled],
// [registry.ErrSessionOver], those of [registry.Prove] (among them
// [*jpki.PINRequiredError]) and of [point.Ledger.Use]: a [*point.ShortError] if
// there are too few points, [point.ErrRequestReused], [point.ErrRequestVoid],
// [point.ErrBusy], and a [*outbox.RestoredError]. With an error, nothing was taken, or it is not known: ask with
// the same key, call [Shop.Status], or undo by [Shop.Cancel].
//
// A copy of a card can spend [Config.WithoutPIN] a day of the city's points and
// as many of the mall's, and no more.
func (v *Visit) Use(ctx context.Context, card *jpki.Card, at ticket.Terminal, o Order) (point.Receipt, error) {
	u, err := v.shop.order(at, o, point.OpUse)
	if err != nil {
		return point.Receipt{}, err
	}
	p, tooMuch, err := v.present(ctx, card, o.Points)
	if err != nil {
		return point.Receipt{}, err
	}
	u.Proved = p.Proved
	defer v.shop.flight.enter(u.Request)()
	var r point.Receipt
	err = v.shop.write(ctx, "use points", func(ctx context.Context, tx *sql.Tx) error {
		holder, err := confirm(ctx, v.session.In(tx), p)
		if err != nil {
			return err
		}
		r, err = v.shop.use(ctx, tx, holder, u)
		return err
	})
	return r, unproved(err, tooMuch)
}

// Balances returns what the visit's holder can spend here, in the order of
// システム設計書 IV(4), and the mall's points at the end (当該端末で利用可能なポイント残高).
// The errors are those of [registry.Session.Person].
func (v *Visit) Balances(ctx context.Context) ([]point.Balance, error) {
	c, err := v.Customer(ctx)
	return c.Balances, err
}

// History returns at most limit movements of the visit's holder, newest first,
// that come after the operation after: the last one of the page before, or "" for
// the first page (利用履歴, システム設計書 IV(4)). For [MallAccount] they are those of
// the mall's points, and else of the city's. A holder without points has none. The
// errors are those of [registry.Session.Person] and [point.Ledger.History], and
// ErrNoMember.
func (v *Visit) History(ctx context.Context, account point.Account, after string, limit int) ([]point.Movement, error) {
	p, err := v.session.Person(ctx)
	if err != nil {
		return nil, err
	}
	ledger, id := v.shop.city, mykey.Identifier(p.ID)
	if account == MallAccount {
		ledger = v.shop.mall
		if id, err = v.shop.member(p); err != nil {
			return nil, err
		}
	}
	list, err := ledger.History(ctx, id, after, limit)
	if errors.Is(err, point.ErrNoHolder) {
		err = nil
	}
	return list, err
}

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

// unproved returns the error for a holder whose sum without proof is used up.
func unproved(err, tooMuch error) error {
	if tooMuch != nil && errors.Is(err, point.ErrProof) {
		return tooMuch
	}
	return err
}

// confirm returns the holder whose card p is, if it is still the visit's.
func confirm(ctx context.Context, s *registry.Session, p registry.Presence) (registry.Person, error) {
	if p.Proved {
		return s.Confirm(ctx, p)
	}
	return s.ConfirmUnproved(ctx, p)
}

// order returns what the ledger is asked for, without holder.
func (s *Shop) order(at ticket.Terminal, o Order, what point.Op) (point.Use, error) {
	r, err := request(at, o.Key)
	if err != nil {
		return point.Use{}, err
	}
	if at.Kind&(terminal.Point|terminal.Ticket) == 0 {
		return point.Use{}, ticket.ErrKind
	}
	if o.Account == "" {
		o.Account = s.cfg.Programmes[0].Account
	}
	if o.Points < 1 || o.Points > point.MaxPoints {
		return point.Use{}, point.ErrPoints // before the card is asked
	}
	return point.Use{Request: r, Account: o.Account, Points: o.Points, AtMost: o.AtMost, Terminal: at.ID, Place: at.Place, For: what}, nil
}

// use takes points of a holder out of the ledger that the account is in.
func (s *Shop) use(ctx context.Context, tx *sql.Tx, holder registry.Person, u point.Use) (r point.Receipt, err error) {
	ledger := s.city
	u.Holder = holder.ID
	if u.Account == MallAccount {
		ledger = s.mall
		if u.Holder, err = s.member(holder); err != nil {
			return point.Receipt{}, err
		}
	}
	if s.box != nil {
		if err := s.box.In(tx).Compare(ctx); err != nil {
			return point.Receipt{}, err
		}
	}
	if err := s.lockKey(ctx, tx, u.Request); err != nil {
		return point.Receipt{}, err
	}
	if err := s.only(ctx, tx, ledger, u.Request); err != nil {
		return point.Receipt{}, err
	}
	r, err = ledger.In(tx).Use(ctx, u)
	if errors.Is(err, point.ErrNoHolder) {
		err = &point.ShortError{} // nobody has ever given any
	}
	return r, err
}

// lockKey has the acts of one key take turns until each has committed. On
// PostgreSQL two that are for different ledgers would not see each other's rows
// before that; on SQLite one transaction writes at a time. It comes before the
// ledgers' own locks.
func (s *Shop) lockKey(ctx context.Context, tx *sql.Tx, q point.Request) error {
	if !s.postgres {
		return nil
	}
	// Other keys with the same hash wait for nothing, and are right.
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", s.prefix("shop_")+q.Scope+" "+q.Name)
	return err
}

// only returns [point.ErrRequestReused] for a key that the other ledger than here
// has an operation of: it would name two, and Cancel undo both or neither. The key
// is locked.
func (s *Shop) only(ctx context.Context, tx *sql.Tx, here *point.Ledger, q point.Request) error {
	other := s.city
	if here == s.city {
		other = s.mall
	}
	_, err := other.In(tx).Status(ctx, q)
	switch {
	case err == nil:
		return point.ErrRequestReused
	case errors.Is(err, point.ErrNoRequest), errors.Is(err, point.ErrRequestVoid):
		return nil // Cancel makes it void in both
	}
	return err
}

// Status returns what became of a key, without the card: the receipt of a use, a
// ticket or a merge, also for a till that lost the answer.
//
// The errors are ErrOrderKey, [point.ErrInFlight] while this program is carrying
// it out, [point.ErrRequestVoid] for a key that was cancelled before it came, and [point.ErrNoRequest], which promises
// nothing: what was asked for may still arrive. Cancel is final.
func (s *Shop) Status(ctx context.Context, at ticket.Terminal, key string) (point.Receipt, error) {
	q, err := request(at, key)
	if err != nil {
		return point.Receipt{}, err
	}
	if s.flight.has(q) {
		return point.Receipt{}, point.ErrInFlight
	}
	r, err := s.city.Status(ctx, q)
	if errors.Is(err, point.ErrNoRequest) || errors.Is(err, point.ErrRequestVoid) {
		mall, mallErr := s.mall.Status(ctx, q)
		if mallErr == nil || errors.Is(err, point.ErrNoRequest) {
			return mall, mallErr
		}
	}
	return r, err
}

// flight is the set of requests that this program carries out now, from before
// the transaction begins until it has been committed.
type flight struct {
	mu  sync.Mutex
	now map[point.Request]int
}

func (f *flight) enter(r point.Request) (leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now[r]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.now[r]--; f.now[r] == 0 {
			delete(f.now, r)
		}
	}
}

func (f *flight) has(r point.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now[r] > 0
}

// Cancel undoes what has a key, without the card, for a wrong amount or a lost
// answer (取消): in every order of arrival. What has not come will be refused; the
// receipt is Void then. A use is given back, a ticket that is live is taken
// back with its points, and so is a merge whose file has not been written. Cancel
// can be repeated.
//
// The errors are ErrOrderKey, [ticket.ErrKind], and a [*point.UndoError], which
// has the stored receipt, for what cannot be undone any more.
func (s *Shop) Cancel(ctx context.Context, at ticket.Terminal, key string) (point.Receipt, error) {
	q, err := request(at, key)
	if err != nil {
		return point.Receipt{}, err
	}
	if at.Kind&(terminal.Point|terminal.Ticket) == 0 {
		return point.Receipt{}, ticket.ErrKind
	}
	var r point.Receipt
	err = s.write(ctx, "cancel", func(ctx context.Context, tx *sql.Tx) (err error) {
		// Nobody knows which points a key was for that has not come.
		if r, err = s.city.In(tx).Cancel(ctx, q, point.At{Terminal: at.ID, Place: at.Place}); err != nil {
			return err
		}
		mall, err := s.mall.In(tx).Cancel(ctx, q, point.At{Terminal: at.ID, Place: at.Place})
		if err == nil && !mall.Void {
			r = mall
		}
		return err
	})
	return r, err
}

// undo takes back what an operation of the city's ledger paid for.
func (s *Shop) undo(ctx context.Context, tx *sql.Tx, paid point.Receipt) error {
	if paid.Kind == point.OpMerge {
		if s.box == nil {
			return ErrNoOutbox
		}
		return s.box.In(tx).Withdraw(ctx, paid.Operation)
	}
	at := ticket.Terminal{ID: paid.Terminal, Place: paid.Place, Scope: ticket.Scope(paid.Request.Scope), Kind: terminal.Ticket}
	if at.ID == "" { // of a ticket that was taken over
		at.ID = "undo"
	}
	_, err := s.book.In(tx).CancelPaid(ctx, at, paid.Request.Name, "undo")
	return err
}

// Refund is for points of a use that are given back, whole or in parts.
type Refund struct {
	Key    string // of the refund itself
	Of     string // the key of the use
	Points int64
}

// Refund gives points of a use back into the lots that they came from. The errors
// are ErrOrderKey, [ticket.ErrKind], and those of [point.Ledger.Refund]: among
// them [point.ErrNoRequest] and [point.ErrRefund].
func (s *Shop) Refund(ctx context.Context, at ticket.Terminal, f Refund) (point.Receipt, error) {
	q, err := request(at, f.Key)
	if err != nil {
		return point.Receipt{}, err
	}
	of, err := request(at, f.Of)
	if err != nil {
		return point.Receipt{}, err
	}
	if at.Kind&(terminal.Point|terminal.Ticket) == 0 {
		return point.Receipt{}, ticket.ErrKind
	}
	back := point.Refund{Request: q, Of: of, Points: f.Points, Terminal: at.ID, Place: at.Place}
	defer s.flight.enter(q)()
	var r point.Receipt
	err = s.write(ctx, "give points back", func(ctx context.Context, tx *sql.Tx) (err error) {
		if err := s.lockKey(ctx, tx, q); err != nil {
			return err
		}
		for _, ledger := range []*point.Ledger{s.city, s.mall} {
			if r, err = ledger.In(tx).Refund(ctx, back); err == nil {
				err = s.only(ctx, tx, ledger, q)
			}
			if !errors.Is(err, point.ErrNoRequest) {
				break
			}
		}
		return err
	})
	if err != nil {
		return point.Receipt{}, err
	}
	return r, nil
}

// Receipt returns the paper for a use or what was given back of one (控え):
// [paper.Receipt] has SVG and ESC/POS. again marks one that was printed before.
func (s *Shop) Receipt(r point.Receipt, again bool) paper.Receipt {
	kind := paper.Use
	switch {
	case r.Kind == point.OpRefund:
		kind = paper.Undo
	case r.Account == MallAccount:
		kind = paper.MallUse
	}
	name := mallProgramme.Name
	for _, p := range s.cfg.Programmes {
		if p.Account == r.Account {
			name = p.Name
		}
	}
	return paper.Receipt{Kind: kind, Points: r.Points, At: r.At, PointName: name, Issuer: s.cfg.Issuer, Terminal: r.Terminal, Place: r.Place,
		Reference: r.Operation, Balance: &r.Balance, Lapsed: r.Lapsed, Repeated: again, Training: r.Training}
}
