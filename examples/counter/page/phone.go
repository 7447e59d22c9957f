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

// held is a phone with certificates in it (スマートフォン用電子証明書) whose holder has
// typed the PIN. A phone tells nothing without its PIN and forgets it with its
// power, so the contact stays for all steps, until the phone is taken away, the
// browser is done, or heldTime is over.
type held struct {
	card  *jpki.Card
	let   func()        // ends the contact
	done  chan struct{} // closed when it has ended
	shown int           // which of the shows is this phone's
	was   inReader      // how it shows without its PIN
}

// phonePIN is the PIN of the phone in the reader. It is in this request's body
// and in the command to the phone; the page keeps the contact and not the PIN.
func (p *Page) phonePIN(ctx context.Context, s *session, form url.Values) (*notice, error) {
	pin, err := jpki.NewPIN(jpki.AuthPIN, form.Get("pin"))
	form.Del("pin")
	if err != nil {
		return nil, err
	}
	defer pin.Clear()
	err = p.withContact(ctx, func() (bool, error) {
		switch {
		case p.held != nil:
			return true, nil // sent twice
		case p.ended || !p.shown().phone():
			return true, errNoCard // it has left meanwhile
		}
		return false, nil
	}, func(t apdu.Transmitter) error {
		card, err := p.unlockPhone(ctx, t, pin)
		if err != nil {
			closeContact(t)
			return err
		}
		return p.hold(ctx, s, card, func() { closeContact(t) })
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

// unlockPhone opens the phone and verifies its PIN. A card that has come into
// its place is not sent a PIN that is not its own.
func (p *Page) unlockPhone(ctx context.Context, t apdu.Transmitter, pin jpki.PIN) (*jpki.Card, error) {
	card, err := jpki.Open(ctx, t)
	if err != nil {
		return nil, err
	}
	_, err = card.Serial(ctx, jpki.Auth)
	if !(inReader{there: true, err: err}).phone() {
		if err == nil {
			err = mykey.ErrWrongCard
		}
		return nil, err
	}
	err = card.Verify(ctx, pin)
	p.setTries(triesOf(ctx, card))
	return card, err
}

// hold shows whose phone it is and keeps the contact. The lock of the card is
// held.
func (p *Page) hold(ctx context.Context, s *session, card *jpki.Card, let func()) error {
	customer, err := p.cfg.Shop.Recognise(ctx, card)
	if err != nil {
		let()
		return err
	}
	in := p.shown()
	h := &held{card: card, let: let, done: make(chan struct{}), was: in}
	in.customer, in.err, in.unlocked = customer, nil, true
	h.shown = p.show(in)
	p.held = h
	go p.watchHeld(h, s.over)
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
func (p *Page) withHeld(ctx context.Context, f func(*jpki.Card) error) error {
	h := p.held
	err := f(h.card)
	if err != nil && !h.there() {
		p.letGo()
	}
	return err
}

// letGo ends the contact with the phone, if one is held, and asks for its PIN
// again if it is still there. The lock of the card is held.
func (p *Page) letGo() {
	h := p.held
	if h == nil {
		return
	}
	p.held = nil
	close(h.done)
	h.let()
	p.mu.Lock()
	now, tries := p.shows, p.in.tries
	p.mu.Unlock()
	if now == h.shown {
		h.was.tries = tries
		p.show(h.was)
	}
}
