package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// day is a day at the counter, told step by step.
type day struct {
	speaker
	place        *place
	cards        reader
	wait         time.Duration
	sim          bool // the holder is a program too
	roll         paper.Roll
	office, till ticket.Terminal // where tickets are issued, and where they are taken
	pin          func(ctx context.Context, left int) (jpki.PIN, error)
}

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
	if err := d.use(ctx, who); err != nil {
		return err
	}
	paper, err := d.issue(ctx)
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
		p, err := printTicket(ctx, d.place.shop, d.place.tickets(), d.roll, t)
		if err != nil {
			return err
		}
		d.plain(d.Finish, t.Points, p.page)
	}
	return d.resend(ctx)
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

// visit has a card whose holder has typed the PIN, for as long as do works with
// it: whatever spends or binds something demands that.
func (d *day) visit(ctx context.Context, do func(card *jpki.Card, visit *shop.Visit) error) error {
	if !d.place.trusted {
		return shop.ErrNoRoots // before the holder types the PIN for nothing
	}
	return d.tap(ctx, func(card *jpki.Card) error {
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
		return do(card, visit)
	})
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
