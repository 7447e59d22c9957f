package page

import (
	"context"
	"errors"
	"io"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/counter/shop"
	"github.com/mynakit/mynakit/jpki"
)

// inReader is what the terminal knows of the card in its reader.
type inReader struct {
	there    bool
	customer shop.Customer
	tries    int   // of the PIN, for a card that can enrol and for a phone; -1: not known
	err      error // why the card, or the reader, cannot be read
	unlocked bool  // a phone whose PIN was typed
}

// phone reports whether it is a phone that waits for its PIN.
func (in inReader) phone() bool {
	_, asks := errors.AsType[*jpki.PINRequiredError](in.err)
	return in.there && asks
}

// show tells every screen what is in the reader, and gives the count of what it
// has told.
func (p *Page) show(in inReader) int {
	p.mu.Lock()
	p.in = in
	p.shows++
	count := p.shows
	p.mu.Unlock()
	p.changes.tell()
	return count
}

// shown gives what is in the reader.
func (p *Page) shown() inReader {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.in
}

// recognise asks whose card it is that was just put there: two exchanges, and
// for a phone and a card without a MyKey ID one more, for the tries of its PIN.
func (p *Page) recognise(ctx context.Context, t apdu.Transmitter) inReader {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	in := inReader{there: true}
	read := func(card *jpki.Card) (err error) {
		in.customer, err = p.cfg.Shop.Recognise(ctx, card)
		switch {
		case err == nil && !in.customer.Enrolled():
			in.tries, err = card.Tries(ctx, jpki.AuthPIN)
		case (inReader{there: true, err: err}).phone():
			in.tries = triesOf(ctx, card)
		}
		return err
	}
	p.card.Lock()
	in.err = withOpen(ctx, t, read)
	p.card.Unlock()
	if errors.Is(in.err, apdu.ErrCardRemoved) {
		// A step that was just ending may have taken the power from it.
		in.err = p.withCard(ctx, read)
	}
	return in
}

// triesOf gives how many tries the PIN has left, -1 where the card does not say.
func triesOf(ctx context.Context, card *jpki.Card) int {
	left, err := card.Tries(ctx, jpki.AuthPIN)
	if err != nil {
		return -1
	}
	return left
}

// withCard runs f with the card that is in the reader now, or with the phone
// that is held. The error is f's, or says that there is no card.
func (p *Page) withCard(ctx context.Context, f func(*jpki.Card) error) error {
	return p.withContact(ctx, func() (bool, error) {
		if p.held == nil {
			return false, nil
		}
		return true, p.withHeld(ctx, f)
	}, func(t apdu.Transmitter) error { return withOpen(ctx, t, f) })
}

// withContact has the card to itself: it asks first whether there is no need of
// the reader, and if there is, runs f with what is in it, which f closes.
func (p *Page) withContact(ctx context.Context, first func() (done bool, err error), f func(apdu.Transmitter) error) error {
	wait, cancel := context.WithTimeout(ctx, cardWait)
	defer cancel()
	for {
		ran, err := p.tryContact(wait, first, f)
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

// tryContact is one try of withContact, and reports whether it came to an end.
func (p *Page) tryContact(wait context.Context, first func() (bool, error), f func(apdu.Transmitter) error) (ran bool, err error) {
	p.card.Lock()
	defer p.card.Unlock()
	if done, err := first(); done {
		return true, err
	}
	t, err := p.cfg.Reader.WaitCard(wait)
	if err != nil {
		return false, err
	}
	return true, f(t)
}

// withOpen runs f with an open card and closes it, so that it forgets a PIN.
func withOpen(ctx context.Context, t apdu.Transmitter, f func(*jpki.Card) error) error {
	defer closeContact(t)
	card, err := jpki.Open(ctx, t)
	if err != nil {
		return err
	}
	return f(card)
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
	Kind     string // "none", "new", "known", "phone" or "wrong"
	Customer shop.Customer
	What, Do string // of "wrong", and of "phone" where no PIN is asked for
	Tries    int    // of "phone", -1: not known
	Phone    bool   // "new" and "known" are a phone's
}

// panel gives what is in the reader.
func (p *Page) panel(lang Lang) cardPanel {
	in := p.shown()
	switch {
	case in.phone():
		c := cardPanel{Kind: "phone", Tries: in.tries}
		if locked := phoneLocked(in.tries); locked != nil {
			n := explain(lang, locked)
			c.What, c.Do = n.What, n.Do
		}
		return c
	case in.err != nil:
		n := explain(lang, in.err)
		return cardPanel{Kind: "wrong", What: n.What, Do: n.Do}
	case !in.there:
		return cardPanel{Kind: "none"}
	case !in.customer.Enrolled():
		return cardPanel{Kind: "new", Phone: in.unlocked}
	}
	return cardPanel{Kind: "known", Customer: in.customer, Phone: in.unlocked}
}
