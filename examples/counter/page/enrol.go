package page

import (
	"context"
	"errors"
	"net/url"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// enrolWork is a holder's way to a MyKey ID (システム設計書 I.6).
type enrolWork struct {
	visit *shop.Visit
	seq   int // the presentation that it began with
	// Proved is whether the PIN was typed and the card has been there since.
	Proved bool
	// Progress is how far it has come. It is the zero Progress until the first
	// candidate, drawn or typed.
	Progress registry.Progress
}

func (w *enrolWork) close() {
	if w != nil {
		w.visit.Close()
	}
}

// enrolView is what the screen shows.
type enrolView struct {
	Work  *enrolWork
	There bool // a card to begin with
	Tries int  // of its PIN
	Ways  []string
	Away  bool // the card that the work is about is not on the reader
	// MaxOffers and MaxChecks are the rules.
	MaxOffers, MaxChecks int
}

func (p *Page) enrolData(_ context.Context, s *session, _ url.Values) (any, error) {
	v := enrolView{MaxOffers: registry.MaxOffers, MaxChecks: registry.MaxDuplicates}
	s.look(func(w *work) {
		if w.enrol != nil {
			now := *w.enrol
			v.Work = &now
		}
	})
	in := p.shown()
	if v.Work != nil {
		v.Away = v.Work.seq != in.seq
		p.card.Lock()
		v.Work.Proved = p.held != nil
		p.card.Unlock()
	}
	v.There = in.there && in.err == nil
	v.Tries = in.tries
	if v.There && !in.customer.Enrolled() && v.Tries == 0 {
		v.Ways = unlockWays(s.language(), &jpki.PINError{PIN: jpki.AuthPIN, Blocked: true})
	}
	return v, nil
}

// enrolPIN begins with the PIN (画面15), or goes on after the card was lifted.
// The PIN is in this request's body and in the command to the card; nothing
// keeps it. It is sent to the card that the form was shown for, to no card that
// has a MyKey ID already, and never as the last try.
func (p *Page) enrolPIN(ctx context.Context, s *session, form url.Values) (*notice, error) {
	pin, err := p.pinOf(ctx, form)
	if err != nil {
		return nil, err
	}
	defer pin.clear()
	var now *enrolWork
	s.look(func(w *work) { now = w.enrol })
	err = p.withCard(ctx, func(card *jpki.Card) (err error) {
		if err := p.still(ctx, card, pin.seq); err != nil {
			return err
		}
		if now == nil {
			visit, err := p.cfg.Shop.Begin(ctx, card)
			if err != nil {
				return err
			}
			if !visit.ID().IsZero() {
				visit.Close()
				return registry.ErrAlreadyEnrolled
			}
			now = &enrolWork{visit: visit, seq: pin.seq}
		}
		if !pin.unlocked {
			err = now.visit.Verify(ctx, card, pin.pin)
			p.showTries(ctx, card)
		}
		if err == nil {
			p.keep(card, s.over) // for the steps that follow
		}
		return err
	})
	if err != nil {
		return nil, p.enrolFailed(s, now, err)
	}
	s.look(func(w *work) {
		if w.enrol != now {
			w.enrol.close()
			w.enrol = now
		}
	})
	return nil, nil
}

// enrolFailed ends a visit that cannot go on after err.
func (p *Page) enrolFailed(s *session, now *enrolWork, err error) error {
	s.look(func(w *work) {
		switch {
		case w.enrol != now:
			now.close()
		case over(err):
			w.enrol.close()
			w.enrol = nil
		}
	})
	return err
}

// enrolOffer draws a candidate (自動生成). The third is registered at once.
func (p *Page) enrolOffer(ctx context.Context, s *session, form url.Values) (*notice, error) {
	return p.enrolStep(ctx, s, form, (*shop.Visit).Offer)
}

// enrolChoose asks for an ID of the holder's own (重複チェック).
func (p *Page) enrolChoose(ctx context.Context, s *session, form url.Values) (*notice, error) {
	id, err := mykey.ParseIDFold(form.Get("id"), mykey.FoldCase|mykey.FoldWidth)
	if err != nil {
		return nil, &entry{
			mykey.Text{JA: "マイキーIDは英大文字と数字の8桁です。", EN: "A MyKey ID is eight capital letters or digits."},
			mykey.Text{JA: "もう一度入力してください。回数には数えません。", EN: "Type it again. This does not count as a try."}}
	}
	return p.enrolStep(ctx, s, form, func(v *shop.Visit, ctx context.Context, card *jpki.Card) (registry.Progress, error) {
		return v.Choose(ctx, card, id)
	})
}

// enrolAccept registers the candidate.
func (p *Page) enrolAccept(ctx context.Context, s *session, form url.Values) (*notice, error) {
	return p.enrolStep(ctx, s, form, (*shop.Visit).Accept)
}

func (p *Page) enrolStep(ctx context.Context, s *session, form url.Values, do func(*shop.Visit, context.Context, *jpki.Card) (registry.Progress, error)) (*notice, error) {
	var now *enrolWork
	s.look(func(w *work) { now = w.enrol })
	if _, err := p.presented(ctx, form); err != nil {
		return nil, err
	}
	if now == nil {
		return nil, registry.ErrSessionOver
	}
	var progress registry.Progress
	err := p.withCard(ctx, func(card *jpki.Card) (err error) {
		if progress, err = do(now.visit, ctx, card); err != nil || !progress.Registered {
			return err
		}
		if p.cfg.Welcome > 0 {
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
	return &notice{Kind: "good",
		What: s.language().pick("マイキーIDを登録しました。", "The MyKey ID is registered."),
		Do:   s.language().pick("番号をご本人に控えていただいてください。", "Let the holder note it down.")}, nil
}

// enrolEnd ends the visit and makes room for the next holder.
func (p *Page) enrolEnd(_ context.Context, s *session, _ url.Values) (*notice, error) {
	s.look(func(w *work) {
		w.enrol.close()
		w.enrol = nil
	})
	p.done()
	return nil, nil
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
