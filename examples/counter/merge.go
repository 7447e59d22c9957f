package main

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile"
)

// merge moves points to the mall: the file comes, comes again, and comes
// tampered with.
func (d *day) merge(ctx context.Context) error {
	d.title(d.Merge)
	var owed mergefile.Record
	err := d.visit(ctx, func(card *jpki.Card, visit *shop.Visit) (err error) {
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
	_, err = inbox.Scan(ctx)
	return errors.Join(err, failed, inbox.Close())
}

// resend sends the merge files that a run before owed, and takes what lies in
// the inbox.
func (d *day) resend(ctx context.Context) error {
	owed, _, err := d.place.shop.Unsent(ctx, d.office)
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
