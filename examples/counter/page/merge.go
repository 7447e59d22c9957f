package page

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

const (
	// maxArrivals is how many files the screen tells of.
	maxArrivals = 50
	// inboxRest is how often the folder is looked through without being asked.
	inboxRest = time.Second
)

// arrivals is the terminal's inbox of merge files and what came of them.
type arrivals struct {
	looking sync.Mutex // an inbox is for one at a time
	inbox   *inbox.Inbox

	mu   sync.Mutex
	list []arrival // the newest first
}

// arrival is one file, as the screen shows it.
type arrival struct {
	At time.Time
	shop.Arrival
}

// Outcome is "merged", "skipped" for a file that had been merged before,
// "partly" for one of both, "refused", or "waiting" for one that is tried again.
func (a arrival) Outcome() string {
	switch {
	case a.Err != nil && ledger.Refused(a.Err):
		return "refused"
	case a.Err != nil:
		return "waiting"
	case a.Report.Merged == 0:
		return "skipped"
	case a.Report.Duplicates > 0:
		return "partly"
	}
	return "merged"
}

// openInbox opens the folder.
func (p *Page) openInbox() (err error) {
	if p.cfg.Inbox == "" {
		return nil
	}
	p.arrivals.inbox, err = p.cfg.Shop.OpenInbox(p.cfg.Inbox, func(came shop.Arrival) {
		a := arrival{time.Now(), came}
		p.arrivals.mu.Lock()
		defer p.arrivals.mu.Unlock()
		if first := p.arrivals.list; len(first) > 0 && a.Outcome() == "waiting" && first[0].Name == a.Name && first[0].Outcome() == "waiting" {
			p.arrivals.list = p.arrivals.list[1:] // tried again: one line for it
		}
		p.arrivals.list = slices.Insert(p.arrivals.list, 0, a)
		p.arrivals.list = p.arrivals.list[:min(len(p.arrivals.list), maxArrivals)]
	})
	return err
}

// look looks the folder through once.
func (p *Page) look(ctx context.Context) error {
	if p.arrivals.inbox == nil {
		return nil
	}
	p.arrivals.looking.Lock()
	defer p.arrivals.looking.Unlock()
	done, err := p.arrivals.inbox.Scan(ctx)
	if done.Done+done.Quarantined+done.Left > 0 {
		p.changes.tell()
	}
	return err
}

// watchInbox looks the folder through until ctx ends.
func (p *Page) watchInbox(ctx context.Context) {
	if p.arrivals.inbox == nil {
		return
	}
	for tick := time.Tick(inboxRest); ; {
		_ = p.look(ctx) // who presses the button is told of an error
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
	}
}

type mergeView struct {
	Open     bool // there is a folder
	List     []arrival
	PutAside int // files that lie in quarantine
}

func (p *Page) mergeData(context.Context, *session, url.Values) (any, error) {
	v := mergeView{Open: p.arrivals.inbox != nil}
	p.arrivals.mu.Lock()
	v.List = slices.Clone(p.arrivals.list)
	p.arrivals.mu.Unlock()
	if v.Open {
		names, _ := os.ReadDir(p.arrivals.inbox.Quarantine()) // a count for the eye
		for _, f := range names {
			if !strings.HasPrefix(f.Name(), ".") {
				v.PutAside++
			}
		}
	}
	return v, nil
}

// mergeLook is the button (合算ポイント受取).
func (p *Page) mergeLook(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	before := time.Now()
	if err := p.look(ctx); err != nil {
		return nil, err
	}
	p.arrivals.mu.Lock()
	defer p.arrivals.mu.Unlock()
	if len(p.arrivals.list) == 0 || p.arrivals.list[0].At.Before(before) {
		return &notice{Kind: "good", What: s.language().pick("新しいファイルはありません。", "No new file has come."),
			Do: s.language().pick("届いたファイルは自動で受け取ります。", "Files are received by themselves as they come.")}, nil
	}
	return nil, nil
}
