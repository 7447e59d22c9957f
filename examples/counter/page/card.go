package page

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// inReader is what the terminal knows of the card in its reader.
type inReader struct {
	there bool
	// seq numbers what was put there, from 1. A card that is lifted and put back
	// keeps its number; a phone, which does not say which it is, gets another.
	seq      int
	who      jpki.Identity
	customer shop.Customer
	tries    int   // of the PIN, for a card that can enrol and for a phone; -1: not known
	err      error // why the card, or the reader, cannot be read
	unlocked bool  // a phone whose PIN was typed
}

// wantsPIN reports whether err is a phone's that waits for its PIN.
func wantsPIN(err error) bool {
	_, yes := errors.AsType[*jpki.PINRequiredError](err)
	return yes
}

// show tells every screen what is in the reader.
func (p *Page) show(in inReader) {
	p.turn(func(now *inReader) bool {
		if in.there {
			if in.who == (jpki.Identity{}) || in.who.Weak() || in.who != p.last.who {
				p.last.seq++
			}
			p.last.who = in.who
			in.seq = p.last.seq
		}
		*now = in
		return true
	})
}

// turn is show for what depends on what is shown now: f changes it, or reports
// that it leaves it as it is. turn reports the same.
func (p *Page) turn(f func(now *inReader) bool) bool {
	p.mu.Lock()
	turned := f(&p.in)
	if turned {
		p.shows++
	}
	p.mu.Unlock()
	if turned {
		p.changes.tell()
	}
	return turned
}

// shown returns what is in the reader.
func (p *Page) shown() inReader {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.in
}

// recognise asks whose card it is that was just put there: three exchanges, and
// for a phone and a card without a MyKey ID one more, for the tries of its PIN.
// A phone stays in hand from here on: a PIN that is typed for it goes to it, or
// nowhere.
func (p *Page) recognise(ctx context.Context, t apdu.Transmitter) inReader {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	in := inReader{there: true, tries: -1}
	read := func(card *jpki.Card) (err error) {
		in.customer, err = p.cfg.Shop.Recognise(ctx, card)
		switch {
		case err == nil && !in.customer.Enrolled():
			in.tries, err = card.Tries(ctx, jpki.AuthPIN)
		case wantsPIN(err):
			if left, err := card.Tries(ctx, jpki.AuthPIN); err == nil {
				in.tries = left
			}
		}
		if err != nil && !wantsPIN(err) {
			return err
		}
		who, failed := card.Identity(ctx)
		if failed != nil {
			return failed
		}
		in.who = who
		if wantsPIN(err) {
			p.keep(card, nil)
		}
		return err
	}
	p.card.Lock()
	in.err = p.withOpen(ctx, t, read)
	p.card.Unlock()
	if errors.Is(in.err, apdu.ErrCardRemoved) {
		// A step that was just ending may have taken the power from it.
		in.err = p.withCard(ctx, read)
	}
	return in
}

// withCard runs f with the card that is in the reader now, or with the phone
// that is held. The error is f's, or says that there is no card.
func (p *Page) withCard(ctx context.Context, f func(*jpki.Card) error) error {
	wait, cancel := context.WithTimeout(ctx, cardWait)
	defer cancel()
	for {
		ran, err := p.tryCard(ctx, wait, f)
		switch {
		case ran || ctx.Err() != nil:
			return err
		case errors.Is(err, context.DeadlineExceeded):
			return errNoCard
		case wait.Err() != nil:
			return err
		}
		rest(wait, readerPause) // the card was being recognised, perhaps
	}
}

// tryCard is one try of withCard, and reports whether f has run.
func (p *Page) tryCard(ctx, wait context.Context, f func(*jpki.Card) error) (ran bool, err error) {
	p.card.Lock()
	defer p.card.Unlock()
	if p.held != nil {
		return true, p.withHeld(f)
	}
	t, err := p.cfg.Reader.WaitCard(wait)
	if err != nil {
		return false, err
	}
	return true, p.withOpen(ctx, t, f)
}

// withOpen runs f with an open card and closes it, so that it forgets a PIN,
// unless f holds it. The lock of the card is held.
func (p *Page) withOpen(ctx context.Context, t apdu.Transmitter, f func(*jpki.Card) error) error {
	card, err := jpki.Open(ctx, t)
	if err == nil {
		err = f(card)
	}
	if p.held != nil {
		p.held.contact = t
	} else {
		closeContact(t)
	}
	return err
}

// closeContact lets go of what a reader gave.
func closeContact(t apdu.Transmitter) {
	if closer, ok := t.(io.Closer); ok {
		_ = closer.Close() // its error says that the card has left, which it may
	}
}

// update shows the holder's numbers and points as they are after a step with
// this card. Where the card has left meanwhile there is nothing to show.
func (p *Page) update(ctx context.Context, card *jpki.Card) {
	p.mu.Lock()
	shown := p.shows
	p.mu.Unlock()
	now, err := p.cfg.Shop.Recognise(ctx, card)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.in.there && p.shows == shown {
		p.in.customer = now
	}
}

// errNoCard says that a step needs a card and there is none.
var errNoCard = errors.New("page: no card in the reader")

// cardPanel is the card in the reader as the top of each screen shows it.
type cardPanel struct {
	Seq      int    // which presentation it is, for forms that are about it
	Kind     string // "none", "new", "known", "phone" or "wrong"
	Customer shop.Customer
	What, Do string // of "wrong", and of "phone" where no PIN is asked for
	Tries    int    // of "phone", -1: not known
	Phone    bool   // "new" and "known" are a phone's
}

// panel returns what is in the reader.
func (p *Page) panel(lang Lang) cardPanel {
	in := p.shown()
	c := cardPanel{Seq: in.seq, Kind: "known", Customer: in.customer, Phone: in.unlocked}
	switch {
	case wantsPIN(in.err):
		c = cardPanel{Seq: in.seq, Kind: "phone", Tries: in.tries}
		if locked := phoneLocked(in.tries); locked != nil {
			n := explain(lang, locked)
			c.What, c.Do = n.What, n.Do
		}
	case in.err != nil:
		n := explain(lang, in.err)
		c = cardPanel{Seq: in.seq, Kind: "wrong", What: n.What, Do: n.Do}
	case !in.there:
		c = cardPanel{Kind: "none"}
	case !in.customer.Enrolled():
		c.Kind = "new"
	}
	return c
}

// errOther says that what lies on the reader is not what a form was shown for.
var errOther = &entry{
	mykey.Text{JA: "画面を表示したときとは別のカードまたはスマートフォンがセットされています。", EN: "This is not the card or phone that the screen was shown for."},
	mykey.Text{JA: "暗証番号は送信していません。セットされているものを確認して、入力し直してください。", EN: "No PIN was sent to it. See what is on the reader and type it again."}}

// presented returns the number of the presentation that a form was shown for.
// The error is errNoCard if there is none now, also after the time in which a
// card is put back, or errOther if there is another.
func (p *Page) presented(ctx context.Context, form url.Values) (int, error) {
	wait, cancel := context.WithTimeout(ctx, cardWait)
	defer cancel()
	for {
		next := p.changes.next()
		switch in := p.shown(); {
		case in.there && form.Get("card") != strconv.Itoa(in.seq):
			return 0, errOther
		case in.there:
			return in.seq, nil
		}
		select {
		case <-next:
		case <-wait.Done():
			return 0, errNoCard
		}
	}
}

// still refuses a card that is not that of presentation seq, before anything is
// sent to it that is its holder's. The lock of the card is held.
func (p *Page) still(ctx context.Context, card *jpki.Card, seq int) error {
	in := p.shown()
	if !in.there || in.seq != seq {
		return errOther
	}
	who, err := card.Identity(ctx)
	if err != nil {
		return err
	}
	if who != in.who {
		return errOther
	}
	return nil
}
