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

// menuData is for the menu.
func (p *Page) menuData(ctx context.Context, _ *session, _ url.Values) (any, error) {
	// A terminal that died between the points and the paper says so here.
	tickets, err := p.cfg.Shop.Unprinted(ctx, p.at)
	return struct{ Unprinted int }{len(tickets)}, err
}
