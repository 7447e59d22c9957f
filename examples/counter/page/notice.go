package page

import (
	"context"
	"net/url"

	"github.com/mynakit/mynakit/jpki"
)

// noticeExplanation is the name under which it is kept which explanation the
// holder saw (システム設計書 II.9②). With another text it gets another name.
const noticeExplanation = "住所変更の自動通知の説明 2026-11"

// noticeWork is the holder who sets the notice of address changes, or takes it
// back.
type noticeWork struct {
	procedure
	Consented bool
	Done      bool
}

type noticeView struct {
	Work *noticeWork
	Away bool // the card that the work is about is not on the reader
}

func (p *Page) noticeData(_ context.Context, s *session, _ url.Values) (any, error) {
	v := noticeView{Work: shownOf[noticeWork](s)}
	v.Away = v.Work != nil && p.away(v.Work)
	return v, nil
}

// noticeBegin looks at the card and at what its holder has set.
func (p *Page) noticeBegin(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	pr, _, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	said, err := pr.visit.Noticed(ctx)
	if err != nil {
		pr.close()
		return nil, err
	}
	s.take("notice", &noticeWork{procedure: pr, Consented: said != ""})
	return nil, nil
}

// noticeConsent keeps the serial number of the certificate for digital signature,
// which the holder opens with its own PIN.
func (p *Page) noticeConsent(ctx context.Context, s *session, form url.Values) (*notice, error) {
	now := inHand[*noticeWork](s)
	if now == nil {
		return nil, p.sign(ctx, s, form, nil, nil)
	}
	second, err := secondPIN(ctx, jpki.SignPIN)
	if err != nil {
		return nil, inField("pin2", err)
	}
	defer second.Clear()
	err = p.sign(ctx, s, form, &now.procedure, func(card *jpki.Card) error {
		err := now.visit.ConsentToNotice(ctx, card, second, noticeExplanation)
		if err == nil {
			s.look(func(*work) { now.Consented, now.Done = true, true })
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &notice{Kind: "good", What: s.language().pick("住所変更の自動通知を設定しました。", "The notice of address changes is set."),
		Do: s.language().pick("解除するときも、この画面で手続きします。", "It can be taken back on this screen.")}, nil
}

// noticeWithdraw takes the consent back.
func (p *Page) noticeWithdraw(ctx context.Context, s *session, form url.Values) (*notice, error) {
	now := inHand[*noticeWork](s)
	if now == nil {
		return nil, p.sign(ctx, s, form, nil, nil)
	}
	err := p.sign(ctx, s, form, &now.procedure, func(card *jpki.Card) error {
		err := now.visit.WithdrawConsent(ctx, card)
		if err == nil {
			s.look(func(*work) { now.Consented, now.Done = false, true })
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &notice{Kind: "good", What: s.language().pick("住所変更の自動通知を解除しました。", "The notice of address changes is taken back."),
		Do: s.language().pick("署名用電子証明書の発行番号は削除しました。", "The serial number of the certificate for digital signature was deleted.")}, nil
}
