package page

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// redeemWork is a ticket on the counter (システム設計書 II.11②(ウ)): read (画面35),
// shown, used up (画面36).
type redeemWork struct {
	code    ticket.Code
	attempt string // of one press of the button, however often it is sent
	Ticket  ticket.Ticket
	Done    bool
}

func (p *Page) redeemData(_ context.Context, s *session, _ url.Values) (any, error) {
	var v struct{ Work *redeemWork }
	s.look(func(w *work) {
		if w.redeem != nil {
			now := *w.redeem
			v.Work = &now
		}
	})
	return v, nil
}

// redeemInspect shows the ticket whose code was read or typed
// (ポイント券情報読取), and changes nothing.
func (p *Page) redeemInspect(ctx context.Context, s *session, form url.Values) (*notice, error) {
	s.look(func(w *work) { w.redeem = nil })
	text := form.Get("code")
	if text == "" {
		return nil, &entry{
			mykey.Text{JA: "QRコードまたは発券番号がありません。", EN: "There is neither a QR code nor a number."},
			mykey.Text{JA: "券を読み取るか、8桁の番号を入力してください。", EN: "Scan the ticket or type its eight digits."}}
	}
	code := ticket.NewCode(text)
	t, err := p.cfg.Shop.Inspect(ctx, p.at, code)
	if err != nil {
		return nil, err
	}
	s.look(func(w *work) { w.redeem = &redeemWork{code: code, attempt: rand.Text(), Ticket: t} })
	return nil, nil
}

// redeemRedeem uses the ticket up (消込処理).
func (p *Page) redeemRedeem(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	var now *redeemWork
	s.look(func(w *work) { now = w.redeem })
	if now == nil {
		return nil, registry.ErrSessionOver
	}
	// Sent twice it is the same attempt, and the same answer.
	r, err := p.cfg.Shop.Redeem(ctx, p.at, now.code, now.attempt)
	if err != nil {
		if errors.Is(err, ticket.ErrRefused) {
			s.look(func(w *work) { w.redeem = nil })
		}
		return nil, err
	}
	s.look(func(*work) { now.Ticket, now.Done = r.Ticket, true })
	return &notice{Kind: "good",
		What: s.language().pick(thousands(r.Ticket.Points)+"ポイントの券を消し込みました。", "A ticket of "+thousands(r.Ticket.Points)+" points is redeemed."),
		Do:   s.language().pick("利用店舗印を押して保管してください。レジでは「値引き」で精算します。", "Put the shop's seal on it and keep it. At the till it counts as a discount.")}, nil
}

// redeemEnd puts the ticket aside unused.
func (p *Page) redeemEnd(_ context.Context, s *session, _ url.Values) (*notice, error) {
	s.look(func(w *work) { w.redeem = nil })
	return nil, nil
}
