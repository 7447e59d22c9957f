package page

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// redeemWork is a ticket on the counter (システム設計書 II.11②(ウ)): read (画面35),
// shown, used up (画面36).
type redeemWork struct {
	procedure // about no card
	code      ticket.Code
	attempt   string // of one press of the button, however often it is sent
	Ticket    ticket.Ticket
	Done      bool
	answer    ticket.Receipt
}

func (w *redeemWork) receipt() (paper.Receipt, bool) { return paper.Redeemed(w.answer), w.Done }

type redeemView struct {
	Work    *redeemWork
	Printer bool
}

func (p *Page) redeemData(_ context.Context, s *session, _ url.Values) (any, error) {
	return redeemView{shownOf[redeemWork](s), p.cfg.Printer != nil}, nil
}

// redeemInspect shows the ticket whose code was read or typed
// (ポイント券情報読取), and changes nothing.
func (p *Page) redeemInspect(ctx context.Context, s *session, form url.Values) (*notice, error) {
	s.drop()
	text := form.Get("code")
	if text == "" {
		return nil, inField("code", &entry{
			mykey.Text{JA: "QRコードまたは発券番号を入力してください。", EN: "There is neither a QR code nor a number."},
			mykey.Text{JA: "ポイント券を読み取るか、8桁の発券番号を入力してください。", EN: "Scan the ticket or type its eight digits."}})
	}
	code := ticket.NewCode(text)
	t, err := p.cfg.Shop.Inspect(ctx, p.at, code)
	if err != nil {
		return nil, inField("code", err)
	}
	s.take("redeem", &redeemWork{code: code, attempt: rand.Text(), Ticket: t})
	return nil, nil
}

// redeemRedeem uses the ticket up (消込処理).
func (p *Page) redeemRedeem(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	now := inHand[*redeemWork](s)
	if now == nil {
		return nil, registry.ErrSessionOver
	}
	// Sent twice it is the same attempt, and the same answer.
	r, err := p.cfg.Shop.Redeem(ctx, p.at, now.code, now.attempt)
	if err != nil {
		if errors.Is(err, ticket.ErrRefused) {
			s.drop()
		}
		return nil, err
	}
	s.look(func(*work) { now.Ticket, now.answer, now.Done = r.Ticket, r, true })
	return &notice{Kind: "good",
		What: s.language().pick(thousands(r.Ticket.Points)+"ポイントのポイント券を消し込みました。", "A ticket of "+thousands(r.Ticket.Points)+" points is redeemed."),
		Do:   s.language().pick("利用店舗印（またはサイン）のあるポイント券を保管してください。レジでは「値引き」で精算します。", "Keep the paper with the shop's seal or signature. At the till it counts as a discount.")}, nil
}

// receiptPrint prints the receipt of what was done last (レシート印字).
func (p *Page) receiptPrint(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	r, ok := p.receiptInHand(ctx, s)
	if !ok {
		return nil, registry.ErrSessionOver
	}
	return nil, p.printBytes(ctx, r.ESCPOS)
}
