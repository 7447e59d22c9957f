package main

import (
	"context"
	"crypto/rand"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey/point"
)

// use takes points at a till: once as it should be, once with an answer that is
// lost, and once with a wrong amount that is taken back.
func (d *day) use(ctx context.Context, who shop.Customer) error {
	d.title(d.Use, d.till.ID)
	if who.CityPoints < usePoints+ticketPoints+mergePoints {
		// One grant has one key; a program that has it from a list of grants
		// takes the line of the list.
		if err := d.place.shop.Grant(ctx, who.ID, grantPoints, rand.Text()); err != nil {
			return err
		}
		d.line(d.Granted, grantPoints)
	}
	var used, wrong point.Receipt
	sale := shop.Order{Key: "sale-" + rand.Text(), Points: usePoints}
	typo := shop.Order{Key: "sale-" + rand.Text(), Points: wrongPoints}
	err := d.visit(ctx, func(card *jpki.Card, visit *shop.Visit) error {
		balances, err := visit.Balances(ctx)
		if err != nil {
			return err
		}
		for _, b := range balances {
			d.line(d.Usable, b.Name, b.Points)
		}
		if used, err = visit.Use(ctx, card, d.till, sale); err != nil {
			return err
		}
		wrong, err = visit.Use(ctx, card, d.till, typo)
		return err
	})
	if err != nil {
		return err
	}
	d.line(d.Used, used.Points, used.Balance)
	file, err := printReceipt(d.place.tickets(), d.roll, d.place.shop.Receipt(used, false), used.Operation)
	if err != nil {
		return err
	}
	d.line(d.UseReceipt, file)
	// As if the answer had not come: the key is enough, and no card.
	if used, err = d.place.shop.Status(ctx, d.till, sale.Key); err != nil {
		return err
	}
	d.line(d.AskedAgain, used.Points)
	undone, err := d.place.shop.Cancel(ctx, d.till, typo.Key)
	if err != nil {
		return err
	}
	d.line(d.Undone, wrong.Points, undone.Points, undone.Balance)
	return nil
}
