package page

import (
	"context"
	"net/url"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// revokeWork is a holder who wants no MyKey ID any more, and has not yet typed the
// PIN.
type revokeWork struct{ procedure }

// accountView is the screen for another MyKey ID (システム設計書 IV(8)) and for none
// any more (IV(9)). The steps of a change are those of an enrolment.
type accountView struct {
	enrolView
	Revoke *revokeWork
}

func (p *Page) accountData(_ context.Context, s *session, _ url.Values) (any, error) {
	v := accountView{enrolView: p.enrolView(s), Revoke: shownOf[revokeWork](s)}
	v.Change = true
	if v.Revoke != nil {
		v.Away = p.away(v.Revoke)
	}
	return v, nil
}

// accountAsk begins a revocation: the holder is told what it means.
func (p *Page) accountAsk(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	pr, _, err := p.begin(ctx)
	if err == nil {
		s.take("account", &revokeWork{pr})
	}
	return nil, err
}

// accountRevoke ends the holder's MyKey ID for good. The clerk has ticked that the
// holder was told so, and the PIN comes with the form.
func (p *Page) accountRevoke(ctx context.Context, s *session, form url.Values) (*notice, error) {
	if form.Get("sure") == "" {
		return nil, inField("sure", &entry{
			mykey.Text{JA: "失効の確認がされていません。", EN: "It was not confirmed."},
			mykey.Text{JA: "ご本人に説明して、確認欄を選んでください。", EN: "Explain it to the holder and tick the box."}})
	}
	pin, err := p.pinOf(ctx, form)
	if err != nil {
		return nil, err
	}
	defer pin.clear()
	now := inHand[*revokeWork](s)
	if now == nil {
		return nil, registry.ErrSessionOver
	}
	err = p.withCard(ctx, func(card *jpki.Card) error {
		if err := p.still(ctx, card, pin.seq); err != nil {
			return err
		}
		// The visit of a revocation begins with the PIN.
		var visit *shop.Visit
		var err error
		if pin.unlocked {
			visit, err = p.cfg.Shop.BeginProved(ctx, card)
		} else {
			visit, err = p.cfg.Shop.BeginWithPIN(ctx, card, pin.pin)
			left := p.tries(ctx, card)
			s.look(func(*work) { now.tries = left })
		}
		if err != nil {
			return err
		}
		defer visit.Close()
		if err := visit.Revoke(ctx, card); err != nil {
			return err
		}
		p.update(ctx, card)
		return nil
	})
	if err != nil {
		return nil, s.dropIf(err)
	}
	s.drop()
	return &notice{Kind: "good",
		What: s.language().pick("マイキーIDを失効しました。", "The MyKey ID is revoked."),
		Do:   s.language().pick("失効したマイキーIDは、有効には戻せません。", "It cannot be made valid again.")}, nil
}
