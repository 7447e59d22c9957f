package page

import (
	"context"
	"net/url"
	"strings"

	"golang.org/x/text/width"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// serviceWork is the registration of a Service ID (システム設計書 II.9): typed
// (画面23), shown for confirmation with the holder's MyKey ID, registered (画面24).
type serviceWork struct {
	visit    *shop.Visit
	seq      int // the presentation that it began with
	Tries    int // of the PIN
	Holder   mykey.ID
	Service  mykey.ServiceID
	Existing mykey.ServiceID // what it would overwrite, or zero
	Done     bool
}

func (w *serviceWork) close() {
	if w != nil && w.visit != nil {
		w.visit.Close()
	}
}

type serviceView struct {
	Work      *serviceWork
	Operators []shop.Operator
	Last      mykey.OperatorID
	Away      bool // the card that the work is about is not on the reader
}

func (p *Page) serviceData(_ context.Context, s *session, _ url.Values) (any, error) {
	v := serviceView{Operators: p.cfg.Shop.Operators()}
	s.look(func(w *work) {
		v.Last = w.operator
		if w.service != nil {
			now := *w.service
			v.Work, v.Away = &now, now.seq != p.shown().seq
		}
	})
	return v, nil
}

// serviceCheck begins a visit with the card and shows what would be registered.
func (p *Page) serviceCheck(ctx context.Context, s *session, form url.Values) (*notice, error) {
	operator, ok := p.operatorOf(form.Get("operator"))
	s.look(func(w *work) { w.operator = operator })
	customer, err := mykey.ParseCustomerID(width.Narrow.String(strings.TrimSpace(form.Get("customer"))))
	if !ok || err != nil {
		return nil, &entry{
			mykey.Text{JA: "利用カード番号の形が違います。", EN: "This is not the number of a card."},
			mykey.Text{JA: "発行者を選び、カードに書かれた番号を入力するか、読み取ってください。", EN: "Choose the issuer, and type or scan the number on the card."}}
	}
	next := &serviceWork{Service: mykey.ServiceID{Operator: operator, Customer: customer}}
	err = p.withCard(ctx, func(card *jpki.Card) (err error) {
		next.visit, err = p.cfg.Shop.Begin(ctx, card)
		if err == nil {
			next.seq, next.Tries = p.shown().seq, p.tries(ctx, card)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	holder, err := next.visit.Customer(ctx)
	if err != nil {
		next.close()
		return nil, err
	}
	next.Holder = holder.ID
	for _, has := range holder.Services {
		if has.Operator == operator && has != next.Service {
			next.Existing = has
		}
	}
	s.look(func(w *work) {
		w.service.close()
		w.service = next
	})
	return nil, nil
}

// serviceRegister registers it, with the card that is in the reader now.
// The holder's PIN comes with it.
func (p *Page) serviceRegister(ctx context.Context, s *session, form url.Values) (*notice, error) {
	var now *serviceWork
	s.look(func(w *work) { now = w.service })
	if now != nil && now.Done {
		return nil, nil // sent twice
	}
	pin, err := p.pinOf(ctx, form)
	if err != nil {
		return nil, err
	}
	defer pin.clear()
	if now == nil {
		return nil, registry.ErrSessionOver
	}
	err = p.withCard(ctx, func(card *jpki.Card) (err error) {
		if err := p.prove(ctx, s, card, now.visit, pin, &now.Tries); err != nil {
			return err
		}
		var got mykey.ServiceID
		if now.Existing.IsZero() {
			got, err = now.visit.RegisterService(ctx, card, now.Service)
		} else {
			got, err = now.visit.ReplaceService(ctx, card, now.Service)
		}
		if err == nil {
			s.look(func(*work) { now.Service, now.Done = got, true })
			p.update(ctx, card)
		}
		return err
	})
	if err != nil {
		if over(err) {
			return nil, p.serviceDrop(s, err)
		}
		return nil, err
	}
	return &notice{Kind: "good",
		What: s.language().pick("サービスIDを登録しました。", "The service ID is registered."),
		Do:   s.language().pick("お持ちの利用カードと同じ番号か、確かめてください。", "See that it is the number on the card in your hand.")}, nil
}

func (p *Page) serviceDrop(s *session, err error) error {
	s.look(func(w *work) {
		w.service.close()
		w.service = nil
	})
	return err
}

// serviceBack goes back to the first step (前の画面に戻る), or on to the next
// holder.
func (p *Page) serviceBack(_ context.Context, s *session, _ url.Values) (*notice, error) {
	return nil, p.serviceDrop(s, nil)
}

// operatorOf finds the operator that a form names among the shop's.
func (p *Page) operatorOf(id string) (mykey.OperatorID, bool) {
	for _, o := range p.cfg.Shop.Operators() {
		if o.ID.String() == id {
			return o.ID, true
		}
	}
	return mykey.OperatorID{}, false
}
