package page

import (
	"context"
	"net/url"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
)

// typed is what a form that spends or binds something was sent with: the PIN,
// and the presentation that the form was shown for.
type typed struct {
	seq int
	pin jpki.PIN // unless none was asked for
	// unlocked is a phone's that has had its PIN.
	unlocked bool
}

func (t typed) clear() { t.pin.Clear() }

// typedPIN takes the PIN out of a form. What is not exactly a PIN is refused
// here: a scanned code is never cut to its first four digits.
func typedPIN(form url.Values) (jpki.PIN, error) {
	pin, err := jpki.NewPIN(jpki.AuthPIN, form.Get("pin"))
	form.Del("pin")
	return pin, err
}

// pinOf takes PIN and presentation out of a form.
func (p *Page) pinOf(ctx context.Context, form url.Values) (t typed, err error) {
	if t.seq, err = p.presented(ctx, form); err != nil {
		return t, err
	}
	if t.unlocked = p.shown().unlocked; t.unlocked {
		return t, nil
	}
	t.pin, err = typedPIN(form)
	return t, err
}

// prove presents a PIN to the card in hand, once it is certain that it is the
// card of the visit and of the form. left is what the session's screen shows of
// its tries.
func (p *Page) prove(ctx context.Context, s *session, card *jpki.Card, visit *shop.Visit, t typed, left *int) error {
	if err := p.still(ctx, card, t.seq); err != nil || t.unlocked {
		return err
	}
	err := visit.Verify(ctx, card, t.pin)
	n := p.tries(ctx, card)
	s.look(func(*work) { *left = n })
	return err
}

// tries returns how many tries of the PIN are left, -1 if the card does not say.
func (p *Page) tries(ctx context.Context, card *jpki.Card) int {
	left, err := card.Tries(ctx, jpki.AuthPIN)
	if err != nil {
		return -1
	}
	return left
}

// showTries shows them.
func (p *Page) showTries(ctx context.Context, card *jpki.Card) {
	left := p.tries(ctx, card)
	if left < 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.in.tries = left
}

// pinField is where a PIN is typed, or why it is not.
type pinField struct {
	Seq      int // the presentation that the form is for
	Tries    int
	Unlocked bool   // a phone that has had its PIN
	What, Do string // why none is asked for; the last try is never offered
}

func newPINField(lang Lang, card cardPanel, tries int) pinField {
	f := pinField{Seq: card.Seq, Tries: tries, Unlocked: card.Phone}
	var err error
	switch {
	case card.Phone:
	case tries == 0:
		err = &jpki.PINError{PIN: jpki.AuthPIN, Blocked: true}
	case tries == 1:
		err = &jpki.LastTryError{PIN: jpki.AuthPIN}
	}
	if err != nil {
		n := explain(lang, err)
		f.What, f.Do = n.What, n.Do
	}
	return f
}
