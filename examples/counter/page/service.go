package page

import (
	"context"
	"net/url"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// serviceWork is the registration of a Service ID (システム設計書 II.9): typed
// (画面23), shown for confirmation with the holder's MyKey ID, registered (画面24).
type serviceWork struct {
	procedure
	Service  mykey.ServiceID
	Existing mykey.ServiceID // what it would overwrite, or zero
	Done     bool
}

type serviceView struct {
	Work      *serviceWork
	Operators []shop.Operator
	Last      mykey.OperatorID
	Away      bool // the card that the work is about is not on the reader
}

func (p *Page) serviceData(_ context.Context, s *session, _ url.Values) (any, error) {
	v := serviceView{Operators: p.cfg.Shop.Operators(), Work: shownOf[serviceWork](s)}
	v.Away = v.Work != nil && p.away(v.Work)
	s.look(func(w *work) { v.Last = w.operator })
	return v, nil
}

// serviceCheck begins a visit with the card and shows what would be registered.
func (p *Page) serviceCheck(ctx context.Context, s *session, form url.Values) (*notice, error) {
	operator, ok := p.operatorOf(form.Get("operator"))
	s.look(func(w *work) { w.operator = operator })
	customer, err := customerOf(form)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, inField("operator", errNumber)
	}
	pr, holder, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	next := &serviceWork{procedure: pr, Service: mykey.ServiceID{Operator: operator, Customer: customer}}
	for _, has := range holder.Services {
		if has.Operator == operator && has != next.Service {
			next.Existing = has
		}
	}
	s.take("service", next)
	return nil, nil
}

// errNumber says that what was typed is no number of a card.
var errNumber = &entry{
	mykey.Text{JA: "利用カード番号の形式が正しくありません。", EN: "This is not the number of a card."},
	mykey.Text{JA: "ID付与事業者を選び、利用カードの番号を入力するか、読み取ってください。", EN: "Choose the issuer, and type or scan the number on the card."}}

// customerOf reads a card's number as it is typed or scanned.
func customerOf(form url.Values) (mykey.CustomerID, error) {
	c, err := mykey.ParseCustomerID(typedCode(form.Get("customer")))
	if err != nil {
		return c, inField("customer", errNumber)
	}
	return c, nil
}

// serviceRegister registers it, with the card that is in the reader now.
// The holder's PIN comes with it.
func (p *Page) serviceRegister(ctx context.Context, s *session, form url.Values) (*notice, error) {
	now := inHand[*serviceWork](s)
	if now == nil {
		return nil, p.sign(ctx, s, form, nil, nil)
	}
	if now.Done {
		return nil, nil // sent twice
	}
	err := p.sign(ctx, s, form, &now.procedure, func(card *jpki.Card) (err error) {
		register := now.visit.RegisterService
		if !now.Existing.IsZero() {
			register = now.visit.ReplaceService
		}
		got, err := register(ctx, card, now.Service)
		if err == nil {
			s.look(func(*work) { now.Service, now.Done = got, true })
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &notice{Kind: "good",
		What: s.language().pick("サービスIDを登録しました。", "The service ID is registered."),
		Do:   s.language().pick("利用者の利用カードと同じ番号か、確認してください。", "See that it is the number on the customer's card.")}, nil
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
