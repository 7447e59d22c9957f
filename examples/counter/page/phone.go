package page

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

const (
	// heldTime is how long a phone is held at most, as long as a visit lasts.
	heldTime = 5 * time.Minute
	// heldBeat is how often a held phone is asked whether it is there.
	heldBeat = time.Second
)

// held is a card or phone whose contact stays open between steps: a phone
// (スマートフォン用電子証明書) from when it is seen, since it tells nothing without its PIN
// and forgets it with its power, and a card whose holder is choosing a MyKey ID.
// It stays until it is taken away, the browser is done, or heldTime is over.
type held struct {
	card    *jpki.Card
	contact apdu.Transmitter
	done    chan struct{} // closed when it was let go
}

// keep holds a card that is in hand. The lock of the card is held.
func (p *Page) keep(card *jpki.Card, over <-chan struct{}) {
	if p.held != nil {
		if p.held.card == card {
			return
		}
		p.letGo()
	}
	p.held = &held{card: card, done: make(chan struct{})}
	go p.watchHeld(p.held, over)
}

// phonePIN is the PIN of the phone in the reader. It is in this request's body
// and in the command to the phone; the page keeps the contact and not the PIN.
func (p *Page) phonePIN(ctx context.Context, s *session, form url.Values) (*notice, error) {
	pin, err := typedPIN(ctx)
	if err != nil {
		return nil, err
	}
	defer pin.Clear()
	seq, err := p.presented(ctx, form)
	if err != nil {
		return nil, err
	}
	err = p.withCard(ctx, func(card *jpki.Card) error {
		in := p.shown()
		switch {
		case in.seq != seq:
			return errOther
		case in.unlocked:
			return nil // sent twice
		case p.held == nil || p.held.card != card || !wantsPIN(in.err):
			return errNoCard // it has left meanwhile, and this may be another
		}
		err := card.Verify(ctx, pin)
		p.showTries(ctx, card)
		if err != nil {
			return err
		}
		return p.unlocked(ctx, s, card)
	})
	return nil, phoneAdvice(err)
}

// phoneLocked says what can be done about a phone's PIN that is locked (left is
// 0) or would be by the next mistake (1). The municipality's counter, which
// unlocks a card, does not help.
func phoneLocked(left int) *entry {
	do := mykey.Text{JA: "スマートフォンのアプリで、ご本人が手続きしてください。マイナンバーカードでも手続きできます。",
		EN: "The holder finds the way in the phone's own app. The Individual Number Card will do as well, if it is at hand."}
	switch left {
	case 0:
		return &entry{mykey.Text{JA: "スマートフォンの暗証番号がロックされています。", EN: "The phone's PIN is blocked."}, do}
	case 1:
		return &entry{mykey.Text{JA: "残り1回のため、暗証番号をスマートフォンに送信しません。", EN: "One try is left, so no PIN is sent to the phone."}, do}
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

// unlocked shows whose phone it is, unless it has left meanwhile. The lock of
// the card is held.
func (p *Page) unlocked(ctx context.Context, s *session, card *jpki.Card) error {
	customer, err := p.cfg.Shop.Recognise(ctx, card)
	if err != nil {
		return err
	}
	who, err := card.Identity(ctx)
	if err != nil {
		return err
	}
	if !p.turn(func(now *inReader) bool {
		if !wantsPIN(now.err) {
			return false
		}
		now.customer, now.err, now.unlocked, now.who = customer, nil, true, who
		return true
	}) {
		return errNoCard
	}
	// From now on it belongs to this browser.
	h := p.held
	close(h.done)
	p.held = &held{card: card, contact: h.contact, done: make(chan struct{})}
	go p.watchHeld(p.held, s.over)
	return nil
}

// watchHeld lets go of what is held when it is time, and finds out when it has
// left: not every reader tells while somebody has its card.
func (p *Page) watchHeld(h *held, over <-chan struct{}) {
	limit := time.NewTimer(heldTime)
	defer limit.Stop()
	beat := time.NewTicker(heldBeat)
	defer beat.Stop()
	for {
		enough := true
		select {
		case <-h.done:
			return
		case <-over:
		case <-limit.C:
		case <-beat.C:
			enough = false
		}
		p.card.Lock()
		if p.held == h && (enough || !h.there(p.shown().unlocked)) {
			p.letGo()
		}
		p.card.Unlock()
	}
}

// there asks for something that a phone says with its PIN alone. Before, it is
// there as long as it asks for its PIN.
func (h *held) there(unlocked bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), cardWait)
	defer cancel()
	_, err := h.card.Serial(ctx, jpki.Auth)
	return err == nil || !unlocked && wantsPIN(err)
}

// withHeld runs f with what is held. One that does not answer any more, or a
// phone that wants its PIN again, is let go. The lock of the card is held.
func (p *Page) withHeld(f func(*jpki.Card) error) error {
	h := p.held
	phone := p.shown()
	err := f(h.card)
	if err != nil && p.held == h && !h.there(phone.unlocked) {
		p.letGo()
	}
	if phone.unlocked || wantsPIN(phone.err) {
		err = phoneAdvice(err)
	}
	return err
}

// letGo ends the contact with what is held, if anything is. A phone that is
// still shown is another presentation then, whose PIN is asked for when it is
// seen again. The lock of the card is held.
func (p *Page) letGo() {
	h := p.held
	if h == nil {
		return
	}
	p.held = nil
	close(h.done)
	closeContact(h.contact)
	if p.turn(func(now *inReader) bool {
		if !now.unlocked && !wantsPIN(now.err) {
			return false
		}
		*now = inReader{}
		return true
	}) {
		p.again.tell()
	}
}

// done lets go of a card that was held for a procedure that has ended, but not
// of a phone.
func (p *Page) done() {
	p.card.Lock()
	defer p.card.Unlock()
	if in := p.shown(); p.held != nil && !in.unlocked && !wantsPIN(in.err) {
		p.letGo()
	}
}

// release is letGo for who does not have the lock.
func (p *Page) release() {
	p.card.Lock()
	defer p.card.Unlock()
	p.letGo()
}
