package shop

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"errors"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// What is in this file is the city's cloud's business, for whose books the
// shop's database stands in: it takes the points and owes the mall a file.

var (
	// ErrNoMember means that the holder has no member number of the mall.
	ErrNoMember = errors.New("shop: the holder has no member number of the mall")
	// ErrNoOutbox means that [Config.Outbox] is not set, so that no merge file
	// can leave.
	ErrNoOutbox = errors.New("shop: no folder for merge files that leave")
)

// Combined is what was taken to become mall points.
type Combined struct {
	Receipt point.Receipt
	// Number is the record's (取引済番号), zero if nothing was taken or all of it
	// has been given back.
	Number mergefile.Transaction
}

// Combine takes city points from the holder that are to become mall points
// (商店街ポイント合算, システム設計書 III.14), and owes the mall a record of them, in one
// transaction. [Shop.Send] writes the file.
//
// The errors are ErrNoOutbox, ErrNoMember, [point.ErrKind] for points of the
// mall's own, and those of [Visit.Use].
//
// A copy of a card can combine [Config.WithoutPIN] a day here, and no more.
func (v *Visit) Combine(ctx context.Context, card *jpki.Card, at ticket.Terminal, o Order) (Combined, error) {
	u, err := v.shop.combineOrder(at, o)
	if err != nil {
		return Combined{}, err
	}
	p, tooMuch, err := v.present(ctx, card, o.Points)
	if err != nil {
		return Combined{}, err
	}
	u.Proved = p.Proved
	defer v.shop.flight.enter(u.Request)()
	var c Combined
	err = v.shop.write(ctx, "combine points", func(ctx context.Context, tx *sql.Tx) error {
		holder, err := confirm(ctx, v.session.In(tx), p)
		if err == nil {
			c, err = v.shop.combine(ctx, tx, holder, u)
		}
		return err
	})
	return c, unproved(err, tooMuch)
}

// CombineByNumber is Combine by the mall's point card alone (システム設計書 III.15):
// number is what a keyboard-wedge reader gave of it. Whoever has the point card
// can combine [Config.WithoutPIN] a day, and no more: beyond it the error is
// [point.ErrProof], and the holder comes with the Individual Number Card. The
// other errors are those of Combine and of [registry.Registry.Find].
func (s *Shop) CombineByNumber(ctx context.Context, at ticket.Terminal, number mykey.CustomerID, o Order) (Combined, error) {
	u, err := s.combineOrder(at, o)
	if err != nil {
		return Combined{}, err
	}
	defer s.flight.enter(u.Request)()
	var c Combined
	err = s.write(ctx, "combine points", func(ctx context.Context, tx *sql.Tx) error {
		holder, err := s.registry.In(tx).Find(ctx, mykey.ServiceID{Operator: s.cfg.Mall, Customer: number})
		if err == nil {
			c, err = s.combine(ctx, tx, holder, u)
		}
		return err
	})
	return c, err
}

func (s *Shop) combineOrder(at ticket.Terminal, o Order) (point.Use, error) {
	if s.box == nil {
		return point.Use{}, ErrNoOutbox
	}
	if o.Account == MallAccount {
		return point.Use{}, point.ErrKind
	}
	return s.order(at, o, point.OpMerge)
}

func (s *Shop) combine(ctx context.Context, tx *sql.Tx, holder registry.Person, u point.Use) (Combined, error) {
	if _, err := s.member(holder); err != nil {
		return Combined{}, err // before anything is taken
	}
	r, err := s.use(ctx, tx, holder, u)
	c := Combined{Receipt: r}
	if err != nil || r.Points == 0 {
		return c, err
	}
	var it outbox.Item
	if r.Repeated {
		if it, err = s.box.In(tx).Find(ctx, r.Operation); errors.Is(err, outbox.ErrNoItem) {
			return c, nil // it was given back
		}
	} else {
		it, err = s.box.In(tx).Add(ctx, outbox.Order{Operation: r.Operation, Subject: holder.ID.String(), Points: r.Points})
	}
	c.Number = it.Number
	return c, err
}

// openOutbox opens the sending side, if there is a folder for it. With a
// [*outbox.RestoredError] it is open too.
func (s *Shop) openOutbox(ctx context.Context) (err error) {
	if s.cfg.Outbox == "" {
		return nil
	}
	cfg, err := s.outboxConfig()
	if err == nil {
		s.box, err = outbox.Open(ctx, s.db, cfg)
	}
	return err
}

func (s *Shop) outboxConfig() (outbox.Config, error) {
	keys, err := s.cfg.Keys.Merge()
	if err != nil {
		return outbox.Config{}, err
	}
	acks, err := s.ackKey()
	return outbox.Config{
		RetryFor: s.cfg.RetryFor,
		Clock:    s.cfg.Clock,
		Training: s.cfg.Training,
		Profile:  s.profile(),
		Keys:     keys,
		Dir:      s.cfg.Outbox,
		Holder:   s.fileHolder,
		Acks:     acks,
		Mark:     s.cfg.Mark,
	}, err
}

// ackKey is what the mall's acknowledgements are known by. Both ends have the
// key of merge files, from which it follows.
func (s *Shop) ackKey() (outbox.AckKey, error) {
	sum := hmac.New(sha256.New, s.cfg.Keys.open().merge)
	sum.Write([]byte("mynakit shop acknowledgements"))
	return outbox.NewAckKey(sum.Sum(nil))
}

// fileHolder returns who gets the points of a record, by whichever MyKey ID the
// holder has now.
func (s *Shop) fileHolder(ctx context.Context, tx *sql.Tx, it outbox.Item) (mergefile.Holder, error) {
	id, err := mykey.ParseID(it.Subject)
	if err != nil {
		return mergefile.Holder{}, err
	}
	if id, err = s.registry.In(tx).Successor(ctx, id); err != nil {
		return mergefile.Holder{}, err
	}
	if s.cfg.ByMyKeyID {
		return mergefile.NewMyKeyHolder(id)
	}
	holder, err := s.registry.In(tx).Find(ctx, id)
	if err != nil {
		return mergefile.Holder{}, err
	}
	member, ok := holder.Service(s.cfg.Mall)
	if !ok {
		return mergefile.Holder{}, ErrNoMember
	}
	return mergefile.NewMallHolder(member.Customer.String())
}

// Send writes the merge files that are due into [Config.Outbox]: of new records,
// and again of those that the mall has not acknowledged. It can be called at any
// time. Sent.Failed counts records whose holder has no member number any more,
// which a person has to look into; they do not hold up the others. The errors are
// ErrNoOutbox and those of [outbox.Outbox.Send].
func (s *Shop) Send(ctx context.Context) (outbox.Sent, error) {
	if s.box == nil {
		return outbox.Sent{}, ErrNoOutbox
	}
	return s.box.Send(ctx)
}

// Unacknowledged returns at most limit records that the mall has not
// acknowledged, for a person to look at. The error is the database's.
func (s *Shop) Unacknowledged(ctx context.Context, limit int) ([]outbox.Item, error) {
	if s.box == nil {
		return nil, nil
	}
	return s.box.Unacknowledged(ctx, limit)
}

// acknowledge tells the city's side what the mall has merged. Where the two are
// apart, the mall sends the lines by whatever way was agreed on. Records that are
// another city's are not in our outbox.
func (s *Shop) acknowledge(ctx context.Context, r ledger.Report) error {
	if s.box == nil {
		return nil
	}
	key, err := s.ackKey()
	if err != nil {
		return err
	}
	for _, list := range [][]mergefile.Record{r.MergedRecords, r.DuplicateRecords} {
		for _, record := range list {
			if err := s.box.Acknowledge(ctx, key.Seal("", record)); err != nil && !errors.Is(err, outbox.ErrAck) {
				return err
			}
		}
	}
	return nil
}
