package page

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// maxIssued is how many tickets the terminal can find again without their paper.
const maxIssued = 20

// An issuedList is the tickets that this terminal issued last, the newest first.
// The database has them all; a list there would grow for years.
type issuedList struct {
	mu   sync.Mutex
	last []ticket.Ticket
}

func (l *issuedList) add(t ticket.Ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = slices.Insert(l.last, 0, t)
	l.last = l.last[:min(len(l.last), maxIssued)]
}

func (l *issuedList) list() []ticket.Ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.last)
}

// ticketsWork is a ticket that was found again.
type ticketsWork struct {
	procedure // about no card
	Ticket    ticket.Ticket
	attempt   string // of one press of a button, however often it is sent
}

// Live reports whether it can still be used, and so be reissued.
func (w *ticketsWork) Live() bool { return w.Ticket.State == ticket.Issued }

type ticketsView struct {
	Work     *ticketsWork
	Printing *issueWork // a ticket that has another paper now
	Printer  bool
	Recent   []recentTicket
}

// A recentTicket is a line of the list. The number stays on the paper.
type recentTicket struct {
	Index  int
	At     time.Time
	Points int64
	Until  ticket.Date
}

func (p *Page) ticketsData(_ context.Context, s *session, _ url.Values) (any, error) {
	v := ticketsView{Work: shownOf[ticketsWork](s), Printing: shownOf[issueWork](s).printing(), Printer: p.cfg.Printer != nil}
	for i, t := range p.issued.list() {
		v.Recent = append(v.Recent, recentTicket{i, t.IssuedAt, t.Points, t.Until})
	}
	return v, nil
}

// ticketsFind finds a ticket by its paper.
func (p *Page) ticketsFind(ctx context.Context, s *session, form url.Values) (*notice, error) {
	t, err := p.cfg.Shop.FindTicket(ctx, p.at, ticket.NewCode(form.Get("code")))
	if errors.Is(err, ticket.ErrNotFound) {
		err = &entry{
			mykey.Text{JA: "ポイント券が見つかりません。", EN: "There is no such ticket."},
			mykey.Text{JA: "券面の発券番号を確認して、入力し直してください。", EN: "Compare the number with the paper and type it again."}}
	}
	if err != nil {
		return nil, inField("code", err)
	}
	s.take("tickets", &ticketsWork{Ticket: t, attempt: rand.Text()})
	return nil, nil
}

// ticketsRecent takes one of those that were issued here last. The form names it
// by its place in the list and its time of issue: the list may have grown.
func (p *Page) ticketsRecent(ctx context.Context, s *session, form url.Values) (*notice, error) {
	for _, t := range p.issued.list() {
		if strconv.FormatInt(t.IssuedAt.UnixMilli(), 10) != form.Get("at") {
			continue
		}
		now, err := p.cfg.Shop.FindTicket(ctx, p.at, ticket.NewCode(t.Number.Digits()))
		if err != nil {
			return nil, err
		}
		s.take("tickets", &ticketsWork{Ticket: now, attempt: rand.Text()})
		return nil, nil
	}
	return nil, ticket.ErrNotFound
}

// ticketsReprint puts the ticket on paper once more under its number.
func (p *Page) ticketsReprint(ctx context.Context, s *session, form url.Values) (*notice, error) {
	if _, again := s.issued(); again {
		return p.issueReprint(ctx, s, form)
	}
	now := inHand[*ticketsWork](s)
	if now == nil {
		return nil, registry.ErrSessionOver
	}
	t, err := p.cfg.Shop.Reprint(ctx, p.at, now.Ticket.Number, now.attempt)
	if err != nil {
		return nil, err
	}
	s.take("tickets", printing(t))
	return reprinted(s), nil
}

// ticketsReplace voids the ticket and issues another: its paper may be in other
// hands.
func (p *Page) ticketsReplace(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	now := inHand[*ticketsWork](s)
	if now == nil {
		return nil, registry.ErrSessionOver
	}
	t, err := p.cfg.Shop.Replace(ctx, p.at, now.Ticket.Number, now.attempt)
	if err != nil {
		return nil, err
	}
	p.issued.add(t)
	s.take("tickets", printing(t))
	return &notice{Kind: "good",
		What: s.language().pick("新しい発券番号で再発行しました。", "A ticket with a new number takes its place."),
		Do:   s.language().pick("前のポイント券は利用できません。印刷して、発行認印を押してください（サインでも可）。", "The former paper cannot be used any more. Print this one and put the issuer's seal or a signature on it.")}, nil
}

// ticketsCancel takes the ticket back, and its points go back to their holder. The
// paper must be at hand: who keeps it would hold something that looks like money.
func (p *Page) ticketsCancel(ctx context.Context, s *session, form url.Values) (*notice, error) {
	now := inHand[*ticketsWork](s)
	if now == nil {
		return nil, registry.ErrSessionOver
	}
	if form.Get("sure") == "" {
		return nil, inField("sure", &entry{
			mykey.Text{JA: "ポイント券の回収が確認されていません。", EN: "The paper was not taken back."},
			mykey.Text{JA: "ポイント券を回収して、確認欄を選んでください。回収できないときは、取り消せません。", EN: "Take it back and tick the box. Without it the ticket is not cancelled."}})
	}
	r, err := p.cfg.Shop.CancelTicket(ctx, p.at, now.Ticket.Number, now.attempt)
	if err != nil {
		return nil, err
	}
	s.look(func(*work) { now.Ticket = r.Ticket })
	p.refresh(ctx)
	return &notice{Kind: "good", What: s.language().pick("ポイント券を取り消しました。", "The ticket is cancelled."),
		Do: s.language().pick(thousands(r.Ticket.Points)+"ポイントを利用者に戻しました。", thousands(r.Ticket.Points)+" points are back with their holder.")}, nil
}

// stateText is a ticket's state in words.
func stateText(s ticket.State) mykey.Text {
	switch s {
	case ticket.Issued:
		return mykey.Text{JA: "発行済み", EN: "issued"}
	case ticket.Redeemed:
		return mykey.Text{JA: "消込済み", EN: "redeemed"}
	case ticket.Cancelled:
		return mykey.Text{JA: "取消済み", EN: "cancelled"}
	case ticket.Replaced:
		return mykey.Text{JA: "再発行済み（新しい発券番号）", EN: "replaced by another number"}
	}
	return mykey.Text{JA: "失効", EN: "lapsed"}
}
