package page

import (
	"context"
	"net/url"

	"github.com/mynakit/mynakit/examples/counter/shop"
	"github.com/mynakit/mynakit/mykey"
)

// cardPanel is the card in the reader as the top of each screen shows it.
type cardPanel struct {
	Kind     string // "none", "new", "known" or "wrong"
	Customer shop.Customer
	What, Do string // of "wrong"
}

// panel gives what is in the reader.
func (p *Page) panel(lang Lang) cardPanel {
	in := p.shown()
	switch {
	case in.err != nil:
		n := explain(lang, in.err)
		return cardPanel{Kind: "wrong", What: n.What, Do: n.Do}
	case !in.there:
		return cardPanel{Kind: "none"}
	case !in.customer.Enrolled():
		return cardPanel{Kind: "new"}
	}
	return cardPanel{Kind: "known", Customer: in.customer}
}

// work is what the steps of each screen hand to each other.
type work struct {
	enrol   *enrolWork
	service *serviceWork
	issue   *issueWork
	redeem  *redeemWork

	operator mykey.OperatorID // chosen last: a mall's counter always has the mall's
}

// leave forgets the work of every screen but the one named, and ends its visit:
// the next holder finds nothing of the one before.
func (w *work) leave(but string) {
	if but != "enrol" {
		w.enrol.close()
		w.enrol = nil
	}
	if but != "service" {
		w.service.close()
		w.service = nil
	}
	if but != "issue" {
		w.issue.close()
		w.issue = nil
	}
	if but != "redeem" {
		w.redeem = nil
	}
}

// menuData is for the menu.
func (p *Page) menuData(ctx context.Context, _ *session, _ url.Values) (any, error) {
	// A terminal that died between the points and the paper says so here.
	tickets, err := p.cfg.Shop.Unprinted(ctx, p.at)
	return struct{ Unprinted int }{len(tickets)}, err
}

// operatorOf finds the operator that a form names among the shop's.
func (p *Page) operatorOf(id string) (mykey.OperatorID, bool) {
	for _, o := range p.cfg.Shop.Operators() {
		if o.ID.String() == id {
			return o.ID, true
		}
	}
	return mykey.OperatorID{}, false
}
