package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mynakit/mynakit/examples/counter/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
)

// The day's figures, in points.
const (
	grantPoints  = 2000
	ticketPoints = 500
	mergePoints  = 300
)

// day is a day at the counter, told step by step.
type day struct {
	speaker
	place        *place
	cards        reader
	wait         time.Duration
	sim          bool            // the holder is a program too
	office, till ticket.Terminal // where tickets are issued, and where they are taken
	pin          func(ctx context.Context, left int) (jpki.PIN, error)
}

// errBooks ends a day whose books do not balance.
var errBooks = errors.New("counter: the books do not balance")

func (d *day) run(ctx context.Context) error {
	if err := d.begin(ctx); err != nil {
		return err
	}
	who, err := d.firstTap(ctx)
	if err != nil {
		return err
	}
	if !who.Enrolled() {
		if err := d.enrol(ctx); err != nil {
			return err
		}
	}
	if who.Mall.IsZero() {
		if err := d.register(ctx); err != nil {
			return err
		}
	}
	if !who.Enrolled() || who.Mall.IsZero() {
		d.title(d.Again)
		if who, err = d.recognise(ctx); err != nil {
			return err
		}
	}
	paper, err := d.issue(ctx, who)
	if err != nil {
		return err
	}
	if err := d.redeem(ctx, paper); err != nil {
		return err
	}
	if err := d.merge(ctx); err != nil {
		return err
	}
	return d.settle(ctx)
}

// begin says where things are, and finishes what a run before could not: this
// terminal may have died with a ticket in its hands.
func (d *day) begin(ctx context.Context) error {
	d.plain(d.Kept, d.place.dir)
	if d.place.fresh {
		d.plain(d.NewKeys, d.place.keyFile)
	} else {
		d.plain(d.GoesOn)
	}
	left, err := d.place.shop.Unprinted(ctx, d.office)
	if err != nil {
		return err
	}
	for _, t := range left {
		p, err := printTicket(ctx, d.place.shop, d.place.tickets(), t)
		if err != nil {
			return err
		}
		d.plain(d.Finish, t.Points, p.page)
	}
	return d.resend(ctx)
}

// resend sends the merge files that a run before owed, and takes what lies in
// the inbox.
func (d *day) resend(ctx context.Context) error {
	owed, err := d.place.shop.Unsent(ctx, d.office)
	if err != nil {
		return err
	}
	city := cloud{keys: d.place.keys, inbox: d.place.inbox()}
	for _, r := range owed {
		name, file, err := city.file(ctx, r)
		if err != nil {
			return err
		}
		if err := city.send(name, file); err != nil {
			return err
		}
		// It may be out already, if the run before died before it could say so:
		// then it is a duplicate.
		if err := d.place.shop.Sent(ctx, r); err != nil {
			return err
		}
	}
	return d.receive(ctx)
}

// tap has a card for as long as do works with it, and says what it cost.
func (d *day) tap(ctx context.Context, do func(card *jpki.Card) error) (err error) {
	wait, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	if !d.sim {
		d.line(d.PutCard)
	}
	contact, err := d.cards.WaitCard(wait)
	if err != nil {
		return err
	}
	if c, ok := contact.(io.Closer); ok {
		defer func() { err = errors.Join(err, c.Close()) }()
	}
	card, err := jpki.Open(ctx, contact)
	if err != nil {
		return err
	}
	err = do(card)
	var first *jpki.PINRequiredError
	if errors.As(err, &first) { // a phone says nothing without its PIN
		if err = d.verify(ctx, card); err == nil {
			err = do(card)
		}
	}
	if err != nil {
		return err
	}
	cost := d.Cost
	if !d.sim {
		cost = d.CostReal
	}
	stats, took := card.Stats(), time.Duration(0)
	if c, ok := contact.(interface{ Elapsed() time.Duration }); ok {
		took = c.Elapsed()
	}
	d.line(cost, stats.Exchanges, stats.BytesSent+stats.BytesReceived, float64(took)/float64(time.Millisecond))
	return nil
}

func (d *day) firstTap(ctx context.Context) (shop.Customer, error) {
	d.title(d.Tap)
	return d.recognise(ctx)
}

// recognise is what a counter does all day: two exchanges and one query.
func (d *day) recognise(ctx context.Context) (who shop.Customer, err error) {
	err = d.tap(ctx, func(card *jpki.Card) (err error) {
		who, err = d.place.shop.Recognise(ctx, card)
		return err
	})
	if err != nil {
		return who, err
	}
	if !who.Enrolled() {
		d.line(d.Unknown)
		return who, nil
	}
	d.line(d.Known, who.ID)
	for _, s := range who.Services {
		d.line(d.Service, d.place.shop.OperatorName(s.Operator), s.Customer)
	}
	d.line(d.Balances, who.CityPoints, who.MallPoints)
	return who, nil
}

// verify asks for the PIN and presents it.
func (d *day) verify(ctx context.Context, card *jpki.Card) error {
	pin, err := d.askPIN(ctx, card)
	if err != nil {
		return err
	}
	defer pin.Clear()
	return card.Verify(ctx, pin)
}

// askPIN has the holder type the PIN. The holder of the software card knows it.
func (d *day) askPIN(ctx context.Context, card *jpki.Card) (jpki.PIN, error) {
	if d.sim {
		return jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	}
	left, err := card.Tries(ctx, jpki.AuthPIN)
	if err != nil {
		return jpki.PIN{}, err
	}
	return d.pin(ctx, left)
}

// enrol gives the holder a MyKey ID, who turns two candidates down.
func (d *day) enrol(ctx context.Context) error {
	d.title(d.Enrol)
	if !d.place.trusted {
		return shop.ErrNoRoots // before the holder types the PIN for nothing
	}
	var id mykey.ID
	err := d.tap(ctx, func(card *jpki.Card) error {
		pin, err := d.askPIN(ctx, card)
		if err != nil {
			return err
		}
		defer pin.Clear()
		visit, err := d.place.shop.BeginWithPIN(ctx, card, pin)
		if err != nil {
			return err
		}
		defer visit.Close()
		d.line(d.Proved)
		for n := 1; id.IsZero(); n++ {
			p, err := visit.Offer(ctx, card)
			if err != nil {
				return err
			}
			if !p.Registered {
				d.line(d.Candidate, n, p.Candidate)
				continue
			}
			d.line(d.Accepted, mykey.MaxOffers, p.Candidate)
			id = p.Candidate
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.line(d.Pseudonym)
	return nil
}

// register ties the numbers of the library's card and the mall's card to the
// holder. The clerk has both cards in hand and has looked the holder up.
func (d *day) register(ctx context.Context) error {
	d.title(d.Register)
	library, mall := "180000000011", "520625"
	if !d.sim {
		// The software card's holder has those; a number is one person's.
		library, mall = "L"+rand.Text()[:11], "M"+rand.Text()[:11]
	}
	return d.tap(ctx, func(card *jpki.Card) error {
		visit, err := d.place.shop.Begin(ctx, card)
		if err != nil {
			return err
		}
		defer visit.Close()
		for _, s := range []struct {
			operator mykey.OperatorID
			number   string
		}{{d.place.library, library}, {d.place.mall, mall}} {
			customer, err := mykey.ParseCustomerID(s.number)
			if err != nil {
				return err
			}
			back, err := visit.RegisterService(ctx, card, mykey.ServiceID{Operator: s.operator, Customer: customer})
			if errors.Is(err, mykey.ErrServiceExists) {
				continue // by a run that did not come to the second
			}
			if err != nil {
				return err
			}
			d.line(d.Registered, d.place.shop.OperatorName(back.Operator), back.Customer)
		}
		return nil
	})
}

// issue puts points on paper.
func (d *day) issue(ctx context.Context, who shop.Customer) (printed, error) {
	d.title(d.Issue, d.office.ID)
	if who.CityPoints < ticketPoints+mergePoints {
		// One grant has one key; a program that has it from a list of grants
		// takes the line of the list.
		if err := d.place.shop.Grant(ctx, who.ID, grantPoints, rand.Text()); err != nil {
			return printed{}, err
		}
		d.line(d.Granted, grantPoints)
	}
	var paid ticket.Ticket
	err := d.tap(ctx, func(card *jpki.Card) error {
		visit, err := d.place.shop.Begin(ctx, card)
		if err != nil {
			return err
		}
		defer visit.Close()
		// A till takes the number of the sale: should it die before the answer
		// is there, it asks again with the same.
		paid, err = visit.IssueTicket(ctx, card, d.office, ticket.Order{Points: ticketPoints, Key: "sale " + rand.Text()})
		return err
	})
	if err != nil {
		return printed{}, err
	}
	d.line(d.Issued, paid.Points, d.date(paid.Until))
	p, err := printTicket(ctx, d.place.shop, d.place.tickets(), paid)
	if err != nil {
		return printed{}, err
	}
	d.line(d.Paper, p.page)
	d.line(d.Receipt, p.receipt)
	return p, nil
}

// redeem takes the ticket at another terminal, asks again, and is refused when
// the paper comes a second time.
func (d *day) redeem(ctx context.Context, p printed) error {
	d.title(d.Redeem, d.till.ID)
	code := ticket.Code(p.qr) // what the till's reader gives
	shown, err := d.place.shop.Inspect(ctx, d.till, code)
	if err != nil {
		return err
	}
	d.line(d.Shown, shown.Points, d.date(shown.Until))
	attempt := "press " + rand.Text()
	receipt, err := d.place.shop.Redeem(ctx, d.till, code, attempt)
	if err != nil {
		return err
	}
	d.line(d.Redeemed, receipt.Ticket.Points)
	if receipt, err = d.place.shop.Redeem(ctx, d.till, code, attempt); err != nil {
		return err
	}
	if receipt.Repeated {
		d.line(d.Repeated)
	}
	_, err = d.place.shop.Redeem(ctx, d.till, code, "press "+rand.Text())
	if !errors.Is(err, ticket.ErrRefused) {
		return err
	}
	d.line(d.Refused, in(d.lang, shop.Explain(err).What))
	return nil
}

// merge moves points to the mall: the file comes, comes again, and comes
// tampered with.
func (d *day) merge(ctx context.Context) error {
	d.title(d.Merge)
	var owed mergefile.Record
	err := d.tap(ctx, func(card *jpki.Card) error {
		visit, err := d.place.shop.Begin(ctx, card)
		if err != nil {
			return err
		}
		defer visit.Close()
		owed, err = visit.Combine(ctx, card, d.office, mergePoints, "merge "+rand.Text())
		return err
	})
	if err != nil {
		return err
	}
	d.line(d.Left, mergePoints)
	city := cloud{keys: d.place.keys, inbox: d.place.inbox()}
	name, file, err := city.file(ctx, owed)
	if err != nil {
		return err
	}
	for n, content := range [][]byte{file, file, tampered(file)} {
		if err := city.send(name, content); err != nil {
			return err
		}
		if n == 0 {
			if err := d.place.shop.Sent(ctx, owed); err != nil {
				return err
			}
		}
		if err := d.receive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// receive has the inbox looked through and says what came.
func (d *day) receive(ctx context.Context) error {
	var failed error
	inbox, err := d.place.shop.OpenInbox(d.place.inbox(), func(a shop.Arrival) {
		switch {
		case a.Err == nil && a.Report.Merged > 0:
			d.line(d.Merged, a.Name, a.Report.Merged, a.Report.Points)
		case a.Err == nil:
			d.line(d.Duplicate, a.Name, a.Report.Duplicates)
		case a.Target != "":
			d.line(d.Quarantine, a.Name)
		default:
			failed = a.Err // the database's: the file stays for the next run
		}
	})
	if err != nil {
		return err
	}
	if _, err := inbox.Scan(ctx); err != nil {
		return err
	}
	return failed
}

// settle closes the day.
func (d *day) settle(ctx context.Context) error {
	today := d.place.shop.Today()
	d.title(d.Settle, d.date(today))
	c, err := d.place.shop.Settle(ctx, ticket.Period{From: today, To: today})
	if err != nil {
		return err
	}
	for _, t := range c.Tickets.Terminals {
		d.line(d.Row, t.Terminal, t.Tickets, t.Points)
	}
	d.line(d.Total, c.Tickets.Redeemed.Tickets, c.Tickets.Redeemed.Points)
	d.line(d.MergeSum, c.Merged.Records, c.Merged.Points)
	b, err := d.place.shop.Books(ctx)
	if err != nil {
		return err
	}
	if !b.Exact() {
		d.line(d.Torn)
		return errBooks
	}
	d.line(d.Books, b.Granted, b.Ticketed, b.Combined, b.City)
	d.line(d.Mallbook, b.Merged, b.Mall)
	fmt.Fprintln(d.out)
	d.plain(d.End)
	return nil
}
