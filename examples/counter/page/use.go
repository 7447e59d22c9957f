package page

import (
	"context"
	"crypto/rand"
	"net/url"
	"slices"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket/paper"
)

// accounts are what a holder can choose among, with the choice.
type accounts struct {
	List   []point.Balance
	Chosen point.Account
}

// accountsOf returns the accounts of a holder that a screen offers, in the order
// of the platform's page. The one typed last is chosen, or else the first that has
// points.
func accountsOf(c shop.Customer, typed string, offered func(point.Account) bool) (a accounts) {
	for _, b := range c.Balances {
		if !offered(b.Account) {
			continue
		}
		a.List = append(a.List, b)
		if string(b.Account) == typed || a.Chosen == "" && b.Points > 0 && typed == "" {
			a.Chosen = b.Account
		}
	}
	if a.Chosen == "" && len(a.List) > 0 {
		a.Chosen = a.List[0].Account
	}
	return a
}

func anyAccount(point.Account) bool { return true }

// citysOnly are the accounts that a ticket and a merge are paid from.
func citysOnly(a point.Account) bool { return a != shop.MallAccount }

// chosen returns the balance of the account that a form names, among those that
// its screen offers.
func chosen(c shop.Customer, form url.Values, offered func(point.Account) bool) (point.Balance, error) {
	a := accountsOf(c, form.Get("account"), offered)
	i := slices.IndexFunc(a.List, func(b point.Balance) bool { return b.Account == a.Chosen })
	if i < 0 {
		return point.Balance{}, &point.ShortError{}
	}
	return a.List[i], nil
}

// useWork is points on their way to the till (システム設計書 II.11①): typed (画面29),
// shown for confirmation (画面30), taken (画面31), and perhaps given back.
type useWork struct {
	procedure
	From point.Balance // before
	// Order has a key from the beginning: pressed twice, it is one use.
	Order  shop.Order
	Done   *point.Receipt
	Undone *point.Receipt
	paper  paper.Receipt // of the last of the two
}

// Rest is what is left in the account after it.
func (w *useWork) Rest() int64 { return w.From.Points - w.Order.Points }

// follows: what was used shows nothing of its holder but the points left, and the
// clerk may have to take it back when the holder's card is out of the reader.
func (w *useWork) follows(seq int) bool { return w.Done != nil || w.procedure.follows(seq) }

func (w *useWork) receipt() (paper.Receipt, bool) { return w.paper, w.Done != nil }

type useView struct {
	Work     *useWork
	Accounts accounts
	Printer  bool
	Away     bool // the card that the work is about is not on the reader
}

func (p *Page) useData(_ context.Context, s *session, _ url.Values) (any, error) {
	v := useView{Work: shownOf[useWork](s), Printer: p.cfg.Printer != nil, Accounts: p.offered(s, anyAccount)}
	v.Away = v.Work != nil && p.away(v.Work)
	return v, nil
}

// offered returns the accounts of the holder whose card is on the reader.
func (p *Page) offered(s *session, offered func(point.Account) bool) accounts {
	var typed string
	s.look(func(w *work) {
		if w.typed != nil {
			typed = w.typed.values.Get("account")
		}
	})
	return accountsOf(p.shown().customer, typed, offered)
}

// useCheck begins a visit and shows what would be used.
func (p *Page) useCheck(ctx context.Context, s *session, form url.Values) (*notice, error) {
	points, err := pointsOf(form)
	if err != nil {
		return nil, err
	}
	pr, holder, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	from, err := chosen(holder, form, anyAccount)
	if err == nil && from.Points < points {
		err = &point.ShortError{Balance: from.Points}
	}
	if err != nil {
		pr.close()
		return nil, inField("points", err)
	}
	s.take("use", &useWork{procedure: pr, From: from, Order: shop.Order{Key: rand.Text(), Account: from.Account, Points: points}})
	return nil, nil
}

// useUse takes the points, with the card that is in the reader now. The holder's
// PIN comes with it. Where the answer was lost, the same button asks again.
func (p *Page) useUse(ctx context.Context, s *session, form url.Values) (*notice, error) {
	now := inHand[*useWork](s)
	if now == nil {
		return nil, p.sign(ctx, s, form, nil, nil)
	}
	if now.Done != nil {
		return nil, nil // sent twice
	}
	err := p.sign(ctx, s, form, &now.procedure, func(card *jpki.Card) error {
		r, err := now.visit.Use(ctx, card, p.at, now.Order)
		if err == nil {
			s.look(func(*work) { now.Done, now.paper = &r, p.cfg.Shop.Receipt(r, false) })
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &notice{Kind: "good",
		What: s.language().pick(thousands(now.Done.Points)+"ポイントを利用しました。", thousands(now.Done.Points)+" points are used."),
		Do:   s.language().pick("レジの「値引き」で精算してください。", "Enter them at the till as a discount.")}, nil
}

// useUndo gives the points back, for a wrong amount: its key is enough, and no card.
func (p *Page) useUndo(ctx context.Context, s *session, _ url.Values) (*notice, error) {
	now := inHand[*useWork](s)
	if now == nil || now.Done == nil {
		return nil, registry.ErrSessionOver
	}
	if now.Undone != nil {
		return nil, nil // sent twice
	}
	r, err := p.cfg.Shop.Cancel(ctx, p.at, now.Order.Key)
	if err != nil {
		return nil, err
	}
	on := p.cfg.Shop.Receipt(r, r.Repeated)
	if r.Kind == point.OpUse { // it was taken back before, and the answer lost
		on.Kind, on.Points = paper.Undo, r.Undone
	}
	s.look(func(*work) { now.Undone, now.paper = &r, on })
	p.refresh(ctx)
	return &notice{Kind: "good",
		What: s.language().pick(thousands(r.Points)+"ポイントの利用を取り消しました。", "The use of "+thousands(r.Points)+" points is taken back."),
		Do:   s.language().pick("正しいポイント数で、最初からやり直してください。", "Begin again with the right points.")}, nil
}

// refresh shows the points of the holder whose card is on the reader as they are
// after something that needed no card.
func (p *Page) refresh(ctx context.Context) {
	in := p.shown()
	if !in.there || !in.customer.Enrolled() {
		return
	}
	if now, err := p.cfg.Shop.Find(ctx, in.customer.ID); err == nil {
		p.turn(func(shown *inReader) bool {
			if shown.seq != in.seq {
				return false
			}
			shown.customer = now
			return true
		})
	}
}

// combineWork is points that are to become the mall's (システム設計書 III.14, III.15):
// by the holder's card, or by the mall's point card alone.
type combineWork struct {
	procedure
	Number   mykey.CustomerID // of the point card, zero by the holder's card
	Customer shop.Customer    // whose it is
	From     point.Balance
	Order    shop.Order // has no points before they are typed
	Done     *point.Receipt
	Record   string // 取引済番号
}

// Rest is what is left in the account after it.
func (w *combineWork) Rest() int64 { return w.From.Points - w.Order.Points }

// ByNumber reports whether it is by the point card alone.
func (w *combineWork) ByNumber() bool { return !w.Number.IsZero() }

type combineView struct {
	Work     *combineWork
	Accounts accounts
	Away     bool // the card that the work is about is not on the reader
}

func (p *Page) combineData(_ context.Context, s *session, _ url.Values) (any, error) {
	v := combineView{Work: shownOf[combineWork](s), Accounts: p.offered(s, citysOnly)}
	if v.Work != nil {
		v.Away = p.away(v.Work)
		if v.Work.ByNumber() {
			v.Accounts = accountsOf(v.Work.Customer, string(v.Work.Order.Account), citysOnly)
		}
	}
	return v, nil
}

// combineNumber finds the holder by the mall's point card, which a keyboard-wedge
// reader reads.
func (p *Page) combineNumber(ctx context.Context, s *session, form url.Values) (*notice, error) {
	number, err := customerOf(form)
	if err != nil {
		return nil, err
	}
	holder, err := p.cfg.Shop.Find(ctx, mykey.ServiceID{Operator: p.cfg.Shop.Mall(), Customer: number})
	if err != nil {
		return nil, inField("customer", err)
	}
	s.take("combine", &combineWork{Number: number, Customer: holder, procedure: procedure{tries: -1, Holder: holder.ID}})
	return nil, nil
}

// combineCheck shows what would be combined (画面38).
func (p *Page) combineCheck(ctx context.Context, s *session, form url.Values) (*notice, error) {
	points, err := pointsOf(form)
	if err != nil {
		return nil, err
	}
	next := &combineWork{}
	if now := inHand[*combineWork](s); now != nil && now.ByNumber() && now.Done == nil {
		next.Number, next.Customer, next.procedure = now.Number, now.Customer, now.procedure
	} else if next.procedure, next.Customer, err = p.begin(ctx); err != nil {
		return nil, err
	}
	if next.From, err = chosen(next.Customer, form, citysOnly); err == nil && next.From.Points < points {
		err = &point.ShortError{Balance: next.From.Points}
	}
	if err == nil && next.Customer.Mall.IsZero() {
		err = shop.ErrNoMember // before the holder types the PIN for nothing
	}
	if err != nil {
		next.close()
		return nil, inField("points", err)
	}
	next.Order = shop.Order{Key: rand.Text(), Account: next.From.Account, Points: points}
	s.take("combine", next)
	return nil, nil
}

// combineCombine takes the points and has the file written (画面39).
func (p *Page) combineCombine(ctx context.Context, s *session, form url.Values) (*notice, error) {
	now := inHand[*combineWork](s)
	if now == nil {
		return nil, p.sign(ctx, s, form, nil, nil)
	}
	if now.Done != nil {
		return nil, nil // sent twice
	}
	var c shop.Combined
	var err error
	if now.ByNumber() {
		if c, err = p.cfg.Shop.CombineByNumber(ctx, p.at, now.Number, now.Order); err == nil {
			p.refresh(ctx)
		}
	} else {
		err = p.sign(ctx, s, form, &now.procedure, func(card *jpki.Card) (err error) {
			c, err = now.visit.Combine(ctx, card, p.at, now.Order)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	s.look(func(*work) { now.Done, now.Record = &c.Receipt, c.Number.String() })
	// What cannot be written now is written with the next one, or by the program
	// that calls Send.
	_, sent := p.cfg.Shop.Send(ctx)
	n := &notice{Kind: "good",
		What: s.language().pick(thousands(c.Receipt.Points)+"ポイントの合算を受け付けました。", thousands(c.Receipt.Points)+" points leave for the mall."),
		Do:   s.language().pick("合算ポイントファイルを送付しました。「合算ポイント受取」で商店街ポイントになります。", "The merge file is sent. They are the mall's points when it is received.")}
	if sent != nil {
		n.Kind = "warn"
		n.Do = s.language().pick("合算ポイントファイルは、まだ送付していません。自動で送付します。続くときは、システム担当者に連絡してください。", "The merge file is not sent yet; it will be. If it stays so, tell the administrator.")
	}
	return n, nil
}

// A Grant is points that a clerk may give, once to each person (ポイント付与).
type Grant struct {
	Key     string        // of the grant, for good: [shop.Shop.Grant]
	Name    string        // ポイント付与事業名
	Account point.Account // one of the shop's programmes; empty for the city's own
	Points  int64
}

// grantView is the screen on which a clerk gives points.
type grantView struct {
	Grants []Grant
	Last   string // the one chosen last: a counter gives one all day
}

func (p *Page) grantData(_ context.Context, s *session, _ url.Values) (any, error) {
	v := grantView{Grants: p.cfg.Grants}
	s.look(func(w *work) { v.Last = w.grant })
	return v, nil
}

// grantGive gives points to the holder whose card is on the reader. Nothing is
// spent, so no PIN is asked for.
func (p *Page) grantGive(ctx context.Context, s *session, form url.Values) (*notice, error) {
	i := slices.IndexFunc(p.cfg.Grants, func(g Grant) bool { return g.Key == form.Get("grant") })
	if i < 0 {
		return nil, registry.ErrSessionOver
	}
	g := p.cfg.Grants[i]
	s.look(func(w *work) { w.grant = g.Key })
	if _, err := p.presented(ctx, form); err != nil {
		return nil, err
	}
	var before, after shop.Customer
	err := p.withCard(ctx, func(card *jpki.Card) (err error) {
		if before, err = p.cfg.Shop.Recognise(ctx, card); err != nil {
			return err
		}
		if !before.Enrolled() {
			return registry.ErrNotEnrolled
		}
		if g.Account == "" {
			err = p.cfg.Shop.Grant(ctx, before.ID, g.Points, g.Key)
		} else {
			err = p.cfg.Shop.GrantTo(ctx, before.ID, g.Account, g.Points, g.Key)
		}
		if err == nil {
			after, err = p.cfg.Shop.Recognise(ctx, card)
			p.update(ctx, card)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if total(after) == total(before) {
		return &notice{Kind: "warn", What: s.language().pick("この利用者には付与済みです。", "This customer has it already."),
			Do: s.language().pick("付与は1人1回です。ポイントは変わっていません。", "It is given once to each person. No points moved.")}, nil
	}
	return &notice{Kind: "good", What: s.language().pick(thousands(g.Points)+"ポイントを付与しました。", thousands(g.Points)+" points are given."),
		Do: s.language().pick("次の利用者のカードをセットしてください。", "Put the next customer's card on the reader.")}, nil
}

func total(c shop.Customer) (n int64) {
	for _, b := range c.Balances {
		n += b.Points
	}
	return n
}
