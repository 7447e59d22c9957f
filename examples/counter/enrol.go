package main

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// enrol gives the holder a MyKey ID, who turns two candidates down.
func (d *day) enrol(ctx context.Context) error {
	d.title(d.Enrol)
	var id mykey.ID
	err := d.visit(ctx, func(card *jpki.Card, visit *shop.Visit) error {
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
			d.line(d.Accepted, registry.MaxOffers, p.Candidate)
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
	return d.visit(ctx, func(card *jpki.Card, visit *shop.Visit) error {
		for _, s := range []struct {
			operator mykey.OperatorID
			number   string
		}{{d.place.library, library}, {d.place.mall, mall}} {
			customer, err := mykey.ParseCustomerID(s.number)
			if err != nil {
				return err
			}
			back, err := visit.RegisterService(ctx, card, mykey.ServiceID{Operator: s.operator, Customer: customer})
			if errors.Is(err, registry.ErrServiceExists) {
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
