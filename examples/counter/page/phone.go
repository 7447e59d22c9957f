package page

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

const (
	// heldTime is how long a phone is held at most, as long as a visit lasts.
	heldTime = 5 * time.Minute
	// heldBeat is how often a held phone is asked whether it is there.
	heldBeat = time.Second
)

// held is a phone with certificates in it (スマートフォン用電子証明書) whose holder has
// typed the PIN. A phone tells nothing without its PIN and forgets it with its
// power, so the contact stays for all steps, until the phone is taken away, the
// browser is done, or heldTime is over.
type held struct {
	card    *jpki.Card
	contact apdu.Transmitter
	done    chan struct{} // closed when it was let go
}

// phonePIN is the PIN of the phone in the reader. It is in this request's body
// and in the command to the phone; the page keeps the contact and not the PIN.
func (p *Page) phonePIN(ctx context.Context, s *session, form url.Values) (*notice, error) {
	pin, err := typedPIN(form)
	if err != nil {
		return nil, err
	}
	defer pin.Clear()
	err = p.withCard(ctx, func(card *jpki.Card) error {
		switch in := p.shown(); {
		case in.unlocked:
			return nil // sent twice
		case !wantsPIN(in.err):
			return errNoCard // it has left meanwhile, and this may be another
		}
		if err := p.unlockPhone(ctx, card, pin); err != nil {
			return err
		}
		return p.hold(ctx, s, card)
	})
	return nil, phoneAdvice(err)
}

// phoneLocked says what can be done about a phone's PIN that is locked (left is
// 0) or would be by the next mistake (1). The municipality's counter, which
// unlocks a card, does not help.
func phoneLocked(left int) *entry {
	do := mykey.Text{JA: "ご本人がスマートフォンのアプリで確かめてください。マイナンバーカードをお持ちなら、カードでも手続きできます。",
		EN: "The holder finds the way in the phone's own app. The Individual Number Card will do as well, if it is at hand."}
	switch left {
	case 0:
		return &entry{mykey.Text{JA: "スマートフォンの暗証番号がロックされています。", EN: "The phone's PIN is blocked."}, do}
	case 1:
		return &entry{mykey.Text{JA: "暗証番号はあと1回でロックされるため、スマートフォンへ送りません。", EN: "One try is left, so no PIN is sent to the phone."}, do}
	}
	return nil
}

// phoneAdvice turns what a phone said of its PIN into advice for a phone.
func phoneAdvice(err error) error {
	if pin, ok := errors.AsType[*jpki.PINError](err); ok && pin.Blocked {
		return phoneLocked(0)
	}
	if _, ok := errors.AsType[*jpki.LastTryError](err); ok {
		return phoneLocked(1)
	}
	return err
}

// unlockPhone verifies the phone's PIN. A card that has come into its place is
// not sent a PIN that is not its own.
func (p *Page) unlockPhone(ctx context.Context, card *jpki.Card, pin jpki.PIN) error {
	switch _, err := card.Serial(ctx, jpki.Auth); {
	case err == nil:
		return registry.ErrWrongCard
	case !wantsPIN(err):
		return err
	}
	err := card.Verify(ctx, pin)
	p.showTries(ctx, card)
	return err
}

// hold shows whose phone it is and keeps it in hand, unless it has left
// meanwhile. The lock of the card is held.
func (p *Page) hold(ctx context.Context, s *session, card *jpki.Card) error {
	customer, err := p.cfg.Shop.Recognise(ctx, card)
	if err != nil {
		return err
	}
	if !p.turn(func(now *inReader) bool {
		if !wantsPIN(now.err) {
			return false
		}
		now.customer, now.err, now.unlocked = customer, nil, true
		return true
	}) {
		return errNoCard
	}
	p.held = &held{card: card, done: make(chan struct{})}
	go p.watchHeld(p.held, s.over)
	return nil
}

// watchHeld lets go of the phone when it is time, and finds out when it has
// left: not every reader tells while somebody has its card.
func (p *Page) watchHeld(h *held, over <-chan struct{}) {
	limit := time.NewTimer(heldTime)
	defer limit.Stop()
	beat := time.NewTicker(heldBeat)
	defer beat.Stop()
	for {
		gone := true
		select {
		case <-h.done:
			return
		case <-over:
		case <-limit.C:
		case <-beat.C:
			gone = false
		}
		p.card.Lock()
		if p.held == h && (gone || !h.there()) {
			p.letGo()
		}
		p.card.Unlock()
	}
}

// there asks the phone something that it says with its PIN alone.
func (h *held) there() bool {
	ctx, cancel := context.WithTimeout(context.Background(), cardWait)
	defer cancel()
	_, err := h.card.Serial(ctx, jpki.Auth)
	return err == nil
}

// withHeld runs f with the phone that is held. One that does not answer any
// more, or wants its PIN again, is let go. The lock of the card is held.
func (p *Page) withHeld(f func(*jpki.Card) error) error {
	h := p.held
	err := f(h.card)
	if err != nil && !h.there() {
		p.letGo()
	}
	return phoneAdvice(err)
}

// letGo ends the contact with the phone, if one is held, and asks for its PIN
// again if it is still shown. The lock of the card is held.
func (p *Page) letGo() {
	h := p.held
	if h == nil {
		return
	}
	p.held = nil
	close(h.done)
	closeContact(h.contact)
	p.turn(func(now *inReader) bool {
		if !now.unlocked {
			return false
		}
		*now = inReader{there: true, tries: now.tries, err: &jpki.PINRequiredError{PIN: jpki.AuthPIN}}
		return true
	})
}

// release is letGo for who does not have the lock.
func (p *Page) release() {
	p.card.Lock()
	defer p.card.Unlock()
	p.letGo()
}
