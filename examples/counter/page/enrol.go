package page

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// enrolWork is a holder's way to a MyKey ID (システム設計書 I.6), or to another in its
// place (IV(8)).
type enrolWork struct {
	procedure
	// Proved is whether the PIN was typed and the card has been there since.
	Proved bool
	// Progress is how far it has come. It is the zero Progress until the first
	// candidate, drawn or typed.
	Progress registry.Progress
}

// enrolView is what the screen shows.
type enrolView struct {
	Work   *enrolWork
	Change bool // another ID in the place of the present one
	There  bool // a card to begin with
	Tries  int  // of its PIN
	Ways   []string
	Away   bool // the card that the work is about is not on the reader
}

func (p *Page) enrolData(_ context.Context, s *session, _ url.Values) (any, error) {
	return p.enrolView(s), nil
}

func (p *Page) enrolView(s *session) (v enrolView) {
	v.Work = shownOf[enrolWork](s)
	if v.Work != nil {
		v.Away = p.away(v.Work)
		p.card.Lock()
		v.Work.Proved = p.held != nil
		p.card.Unlock()
	}
	in := p.shown()
	v.There = in.there && in.err == nil
	v.Tries = in.tries
	if v.There && !in.customer.Enrolled() && v.Tries == 0 {
		v.Ways = unlockWays(s.language(), &jpki.PINError{PIN: jpki.AuthPIN, Blocked: true})
	}
	return v
}

// changing reports whether a screen is the one for another ID.
func changing(screen string) bool { return screen == "account" }

// enrolPIN begins with the PIN (画面15), or goes on after the card was lifted.
// The PIN is in this request's body and in the command to the card; nothing
// keeps it. It is sent to the card that the form was shown for, to no card that
// has a MyKey ID already unless it is to be changed, and never as the last try.
func (p *Page) enrolPIN(screen string) step {
	return func(ctx context.Context, s *session, form url.Values) (*notice, error) {
		pin, err := p.pinOf(ctx, form)
		if err != nil {
			return nil, err
		}
		defer pin.clear()
		now := inHand[*enrolWork](s)
		err = p.withCard(ctx, func(card *jpki.Card) (err error) {
			if err := p.still(ctx, card, pin.seq); err != nil {
				return err
			}
			if now == nil {
				if now, err = p.enrolBegin(ctx, card, screen); err != nil {
					return err
				}
				now.seq = pin.seq
			}
			if !pin.unlocked {
				err = now.visit.Verify(ctx, card, pin.pin)
				p.showTries(ctx, card)
				now.tries = p.shown().tries
			}
			if err == nil {
				p.keep(card, s.over) // for the steps that follow
			}
			return err
		})
		if err != nil {
			return nil, p.enrolFailed(s, now, err)
		}
		s.take(screen, now)
		return nil, nil
	}
}

func (p *Page) enrolBegin(ctx context.Context, card *jpki.Card, screen string) (*enrolWork, error) {
	visit, err := p.cfg.Shop.Begin(ctx, card)
	if err != nil {
		return nil, err
	}
	w := &enrolWork{procedure: procedure{visit: visit, Holder: visit.ID()}}
	switch {
	case changing(screen):
		err = visit.Changing()
	case !visit.ID().IsZero():
		err = registry.ErrAlreadyEnrolled
	}
	if err != nil {
		visit.Close()
		return nil, err
	}
	return w, nil
}

// enrolFailed ends a visit that cannot go on after err.
func (p *Page) enrolFailed(s *session, now *enrolWork, err error) error {
	switch {
	case now != nil && inHand[*enrolWork](s) != now:
		now.close()
	case over(err):
		s.drop()
	}
	return err
}

// enrolOffer draws a candidate (自動生成). The third is registered at once.
func (p *Page) enrolOffer(screen string) step {
	return func(ctx context.Context, s *session, form url.Values) (*notice, error) {
		return p.enrolStep(ctx, s, form, screen, (*shop.Visit).Offer)
	}
}

// enrolChoose asks for an ID of the holder's own (重複チェック).
func (p *Page) enrolChoose(screen string) step {
	return func(ctx context.Context, s *session, form url.Values) (*notice, error) {
		id, err := mykey.ParseIDFold(strings.TrimSpace(form.Get("id")))
		if err != nil {
			return nil, inField("id", &entry{
				mykey.Text{JA: "マイキーIDは、半角の英大文字と数字の8桁です。", EN: "A MyKey ID is eight capital letters or digits."},
				mykey.Text{JA: "もう一度入力してください。重複チェックの回数には含みません。", EN: "Type it again. This does not count as a try."}})
		}
		return p.enrolStep(ctx, s, form, screen, func(v *shop.Visit, ctx context.Context, card *jpki.Card) (registry.Progress, error) {
			return v.Choose(ctx, card, id)
		})
	}
}

// enrolAccept registers the candidate.
func (p *Page) enrolAccept(screen string) step {
	return func(ctx context.Context, s *session, form url.Values) (*notice, error) {
		return p.enrolStep(ctx, s, form, screen, (*shop.Visit).Accept)
	}
}

func (p *Page) enrolStep(ctx context.Context, s *session, form url.Values, screen string, do func(*shop.Visit, context.Context, *jpki.Card) (registry.Progress, error)) (*notice, error) {
	now := inHand[*enrolWork](s)
	if _, err := p.presented(ctx, form); err != nil {
		return nil, p.enrolFailed(s, now, err)
	}
	if now == nil {
		return nil, registry.ErrSessionOver
	}
	var progress registry.Progress
	err := p.withCard(ctx, func(card *jpki.Card) (err error) {
		if progress, err = do(now.visit, ctx, card); err != nil || !progress.Registered {
			return err
		}
		if p.cfg.Welcome > 0 && !changing(screen) {
			// Under one key: with this step sent twice it is given once.
			err = p.cfg.Shop.Grant(ctx, progress.Candidate, p.cfg.Welcome, "welcome")
		}
		p.update(ctx, card)
		return err
	})
	var taken *registry.DuplicateError
	switch {
	case err == nil:
		s.look(func(*work) { now.Progress = progress })
	case errors.As(err, &taken):
		s.look(func(*work) { now.Progress.ChecksLeft, now.Progress.Candidate = taken.Left, mykey.ID{} })
		return nil, err
	default:
		return nil, p.enrolFailed(s, now, err)
	}
	if !progress.Registered {
		return nil, nil
	}
	n := &notice{Kind: "good",
		What: s.language().pick("マイキーIDを登録しました。", "The MyKey ID is registered."),
		Do:   s.language().pick("マイキーIDを控えるよう、ご本人にご案内ください。", "Let the holder note it down.")}
	if changing(screen) {
		n.What = s.language().pick("マイキーIDを変更しました。", "The MyKey ID is changed.")
	}
	return n, nil
}

// over tells errors after which a visit is of no more use.
func over(err error) bool {
	for _, end := range []error{registry.ErrWrongCard, registry.ErrSessionOver, registry.ErrIDReplaced, registry.ErrSuperseded,
		registry.ErrAlreadyEnrolled, registry.ErrExpired, errOther} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
