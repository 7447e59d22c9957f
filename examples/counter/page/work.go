package page

import (
	"context"
	"net/url"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// work is what the steps of a screen hand to each other. There is one screen at
// a time.
type work struct {
	screen string // whose task it is
	task   task
	typed  *typedForm // what the last form was sent with, if it was refused

	operator mykey.OperatorID // chosen last: a mall's counter always has the mall's
	grant    string           // the key of the grant chosen last
}

// A task is what a screen has in hand between its steps.
type task interface {
	// follows reports whether the task goes on with the card of a presentation.
	follows(seq int) bool
	// triesLeft returns how many tries of the PIN the screen shows, -1 if it does
	// not know.
	triesLeft() int
	close()
}

// set makes t what the screen has in hand. What was in hand before is ended.
func (w *work) set(screen string, t task) {
	if w.task != nil && w.task != t {
		w.task.close()
	}
	w.screen, w.task = screen, t
}

// leave forgets the work of every screen but the one named, and ends its visit:
// the next holder finds nothing of the one before.
func (w *work) leave(but string) {
	if w.screen != but {
		w.set(but, nil)
		w.typed = nil
	}
}

// follow forgets the work that is about another card than the one on the reader:
// what belongs to a holder leaves the screen with the card. A ticket that was
// issued stays until it is printed; it shows nothing of its holder.
func (w *work) follow(in inReader) {
	if !in.there {
		return // it may be put back
	}
	if w.task != nil && !w.task.follows(in.seq) {
		w.set(w.screen, nil)
	}
	if w.typed != nil && w.typed.seq != 0 && w.typed.seq != in.seq {
		w.typed = nil
	}
}

// inHand returns what the screen has in hand if it is a T, and nil otherwise.
func inHand[T task](s *session) (t T) {
	s.look(func(w *work) { t, _ = w.task.(T) })
	return t
}

// shownOf returns a copy of what the screen has in hand, for its template.
func shownOf[T any, P interface {
	*T
	task
}](s *session) (t *T) {
	s.look(func(w *work) {
		if now, ok := w.task.(P); ok {
			c := *now
			t = &c
		}
	})
	return t
}

// take makes t what a screen has in hand.
func (s *session) take(screen string, t task) { s.look(func(w *work) { w.set(screen, t) }) }

// drop ends what the screen has in hand.
func (s *session) drop() { s.look(func(w *work) { w.set(w.screen, nil) }) }

// dropIf is drop if err is one after which the visit is of no more use. It
// returns err.
func (s *session) dropIf(err error) error {
	if over(err) {
		s.drop()
	}
	return err
}

// A procedure is what a screen does with one holder's card, from the first look
// at the card to the end. The zero procedure is about no card.
type procedure struct {
	visit  *shop.Visit
	seq    int // the presentation that it began with
	tries  int // of the PIN
	Holder mykey.ID
}

func (pr *procedure) follows(seq int) bool { return pr.visit == nil || pr.seq == seq }

func (pr *procedure) triesLeft() int { return pr.tries }

func (pr *procedure) close() {
	if pr.visit != nil {
		pr.visit.Close()
	}
}

// begin looks at the card in the reader and begins a visit of its holder, who
// must have a MyKey ID.
func (p *Page) begin(ctx context.Context) (pr procedure, holder shop.Customer, err error) {
	if pr, err = p.beginVisit(ctx); err != nil {
		return pr, holder, err
	}
	if holder, err = pr.visit.Customer(ctx); err != nil {
		pr.close()
		return procedure{}, holder, err
	}
	pr.Holder = holder.ID
	return pr, holder, nil
}

// beginVisit is begin for a holder with or without a MyKey ID.
func (p *Page) beginVisit(ctx context.Context) (pr procedure, err error) {
	err = p.withCard(ctx, func(card *jpki.Card) (err error) {
		pr.visit, err = p.cfg.Shop.Begin(ctx, card)
		if err == nil {
			pr.seq, pr.tries, pr.Holder = p.shown().seq, p.tries(ctx, card), pr.visit.ID()
		}
		return err
	})
	if err != nil {
		return procedure{}, err
	}
	return pr, nil
}

// sign has do spend, bind or change something with the card that is in the reader
// now, once its holder's PIN was verified. The PIN comes with the form.
func (p *Page) sign(ctx context.Context, s *session, form url.Values, pr *procedure, do func(card *jpki.Card) error) error {
	pin, err := p.pinOf(ctx, form)
	if err != nil {
		return err
	}
	defer pin.clear()
	if pr == nil || pr.visit == nil {
		return registry.ErrSessionOver
	}
	return s.dropIf(p.withCard(ctx, func(card *jpki.Card) error {
		if err := p.prove(ctx, s, card, pr, pin); err != nil {
			return err
		}
		if err := do(card); err != nil {
			return err
		}
		p.update(ctx, card)
		return nil
	}))
}

// away reports whether the card that a task is about is not on the reader.
func (p *Page) away(t task) bool { return !t.follows(p.shown().seq) }

// end is the button that ends what is in hand and makes room for the next
// holder.
func (p *Page) end(_ context.Context, s *session, _ url.Values) (*notice, error) {
	s.drop()
	p.done()
	return nil, nil
}

// menuData is for the menu.
func (p *Page) menuData(ctx context.Context, _ *session, _ url.Values) (any, error) {
	// A terminal that died between the points and the paper says so here.
	tickets, err := p.cfg.Shop.Unprinted(ctx, p.at)
	return struct{ Unprinted int }{len(tickets)}, err
}
