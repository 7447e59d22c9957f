package page

import (
	"context"
	"net/url"

	"github.com/mynakit/mynakit/mykey"
)

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

// follow forgets the work that is about another card than the one on the reader:
// what belongs to a holder leaves the screen with the card. A ticket that was
// issued stays until it is printed; it shows nothing of its holder.
func (w *work) follow(in inReader) {
	if !in.there {
		return // it may be put back
	}
	if w.enrol != nil && w.enrol.seq != in.seq {
		w.enrol.close()
		w.enrol = nil
	}
	if w.service != nil && w.service.seq != in.seq {
		w.service.close()
		w.service = nil
	}
	if w.issue != nil && w.issue.seq != in.seq && !w.issue.Issued() {
		w.issue.close()
		w.issue = nil
	}
}

// menuData is for the menu.
func (p *Page) menuData(ctx context.Context, _ *session, _ url.Values) (any, error) {
	// A terminal that died between the points and the paper says so here.
	tickets, err := p.cfg.Shop.Unprinted(ctx, p.at)
	return struct{ Unprinted int }{len(tickets)}, err
}
