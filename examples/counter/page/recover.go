package page

import (
	"context"
	"net/url"
	"strings"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// recoverWork is a holder with a new card who had a MyKey ID with an earlier one
// that cannot be shown any more. Two members of staff look; nothing is bound
// before the waiting period is over.
type recoverWork struct {
	procedure
	Asked registry.Recovery // once it was asked for
}

type recoverView struct {
	Work      *recoverWork
	Operators []shop.Operator
	Last      mykey.OperatorID
	Away      bool // the card that the work is about is not on the reader
}

func (p *Page) recoverData(_ context.Context, s *session, _ url.Values) (any, error) {
	v := recoverView{Operators: p.cfg.Shop.Operators(), Work: shownOf[recoverWork](s)}
	v.Away = v.Work != nil && p.away(v.Work)
	s.look(func(w *work) { v.Last = w.operator })
	return v, nil
}

// recoverBegin looks at the new card.
func (p *Page) recoverBegin(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	pr, err := p.beginVisit(ctx)
	if err != nil {
		return nil, err
	}
	s.take("recover", &recoverWork{procedure: pr})
	return nil, nil
}

// recoverFinish completes a recovery whose waiting period is over: a card that
// proves itself is enough.
func (p *Page) recoverFinish(ctx context.Context, s *session, form url.Values) (*notice, error) {
	pin, err := p.pinOf(ctx, form)
	if err != nil {
		return nil, err
	}
	defer pin.clear()
	var id mykey.ID
	err = p.withCard(ctx, func(card *jpki.Card) error {
		if err := p.still(ctx, card, pin.seq); err != nil {
			return err
		}
		visit, err := p.cfg.Shop.BeginWithPIN(ctx, card, pin.pin)
		p.showTries(ctx, card)
		if err != nil {
			return err
		}
		defer visit.Close()
		if id = visit.ID(); !id.IsZero() {
			p.update(ctx, card)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if id.IsZero() {
		return nil, &entry{
			mykey.Text{JA: "引き継ぎは完了していません。", EN: "The recovery is not complete."},
			mykey.Text{JA: "受付がまだか、待機期間が終わっていません。", EN: "It was not asked for, or its waiting period is not over."}}
	}
	return &notice{Kind: "good", What: s.language().pick("引き継ぎが完了しました。", "The recovery is complete."),
		Do: s.language().pick("マイキーIDとポイント残高を、ご本人と確認してください。", "Look at the MyKey ID and the points with the holder.")}, nil
}

// recoverAsk compares the card with the member's record and asks for the
// recovery. Two PINs come with the form: for user authentication, and for the text
// application.
func (p *Page) recoverAsk(ctx context.Context, s *session, form url.Values) (*notice, error) {
	now := inHand[*recoverWork](s)
	if now == nil {
		return nil, p.sign(ctx, s, form, nil, nil)
	}
	if now.Asked.Number != 0 {
		return nil, nil // sent twice
	}
	operator, ok := p.operatorOf(form.Get("operator"))
	s.look(func(w *work) { w.operator = operator })
	customer, err := customerOf(form)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, inField("operator", errNumber)
	}
	clerk, other := strings.TrimSpace(form.Get("clerk")), strings.TrimSpace(form.Get("second"))
	if clerk == "" {
		return nil, inField("clerk", registry.ErrOneClerk)
	}
	if other == "" || other == clerk {
		return nil, inField("second", registry.ErrOneClerk)
	}
	text, err := secondPIN(ctx, jpki.TextPIN)
	if err != nil {
		return nil, inField("pin2", err)
	}
	defer text.Clear()
	err = p.sign(ctx, s, form, &now.procedure, func(card *jpki.Card) error {
		r, err := now.visit.Recover(ctx, card, text, mykey.ServiceID{Operator: operator, Customer: customer}, clerk, other)
		if err == nil {
			s.look(func(*work) { now.Asked = r })
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &notice{Kind: "good", What: s.language().pick("引き継ぎを受け付けました。", "The recovery is asked for."),
		Do: s.language().pick("待機期間のあと、ご本人が新しいカードで手続きすると完了します。", "After the waiting period the holder's next procedure with the new card completes it.")}, nil
}
