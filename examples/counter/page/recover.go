package page

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/width"

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
	done := false
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
		if visit.ID().IsZero() {
			return nil
		}
		p.update(ctx, card)
		all, err := p.cfg.Shop.Recoveries(ctx, visit.ID())
		done = len(all) > 0 && all[0].State == registry.RecoveryDone
		return err
	})
	if err != nil {
		return nil, err
	}
	if !done {
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

var (
	errRecovery = &entry{
		mykey.Text{JA: "受付番号の形式が正しくありません。", EN: "This is not the number of a recovery."},
		mykey.Text{JA: "お知らせに書かれた受付番号を、数字で入力してください。", EN: "Type the digits that are on the notice."}}
	errWho = &entry{
		mykey.Text{JA: "取り消す担当者の名前がありません。", EN: "Who takes it back is missing."},
		mykey.Text{JA: "記録のため、担当者の名前を入力してください。", EN: "Type the name of the member of staff, for the record."}}
)

// recoverUndo takes a recovery back that the holder has not asked for: before it is
// done nothing has changed, and afterwards the screen says what remains to be
// settled by people.
func (p *Page) recoverUndo(ctx context.Context, s *session, form url.Values) (*notice, error) {
	number, err := strconv.ParseInt(width.Narrow.String(strings.TrimSpace(form.Get("number"))), 10, 64)
	if err != nil {
		return nil, inField("number", errRecovery)
	}
	who := strings.TrimSpace(form.Get("who"))
	if who == "" {
		return nil, inField("who", errWho)
	}
	lang := s.language()
	err = p.cfg.Shop.CancelRecovery(ctx, number, who)
	if err == nil {
		return &notice{Kind: "good", What: lang.pick("引き継ぎの受付を取り消しました。", "The recovery is cancelled."),
			Do: lang.pick("マイキーIDもポイントも変わっていません。", "Nothing of the holder's has changed.")}, nil
	}
	if !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	undone, err := p.cfg.Shop.UndoRecovery(ctx, number, who)
	if err != nil {
		return nil, inField("number", err)
	}
	p.again.tell()
	return &notice{Kind: "warn", What: lang.pick("引き継ぎを取り消しました。", "The recovery is undone."),
		Do: strings.Join(p.remains(lang, undone), "\n")}, nil
}

// remains says what the undoing of a recovery could not mend.
func (p *Page) remains(lang Lang, u shop.Undone) []string {
	lines := []string{lang.pick("マイキーIDは、以前のカードのものに戻りました。引き継いだカードでは利用できません。",
		"The MyKey ID is the earlier card's again. The card that had taken it over has it no more.")}
	if u.From.IsZero() {
		lines = append(lines, lang.pick("取消までに利用されたポイントは戻りません。ご本人と利用の履歴を確認してください。",
			"Points that were spent until now are not given back. Look at the history with the holder."))
	} else {
		lines = append(lines, lang.pick("統合されていた2つのマイキーIDを分けました。統合のあとに付与されたポイントと登録された番号は、引き継いだカードのマイキーIDに残ります。",
			"The two MyKey IDs that were joined are apart. Points and numbers that came since stay with that of the card that had taken it over."))
	}
	for _, account := range slices.Sorted(maps.Keys(u.Short)) {
		n, name := thousands(u.Short[account]), p.accountName(lang, account)
		lines = append(lines, lang.pick("利用されたため戻せないポイント："+name+" "+n+"ポイント。", "Spent and not given back: "+n+" points, "+name+"."))
	}
	for _, id := range u.Lost {
		if service, ok := id.(mykey.ServiceID); ok {
			name := p.cfg.Shop.OperatorName(service.Operator)
			lines = append(lines, lang.pick("別の利用者に登録済みのため戻せない番号："+name+"。利用カードを確認してください。",
				"Not given back, since it is somebody else's by now: the number of "+name+". Look at the holder's card."))
		}
	}
	return lines
}
