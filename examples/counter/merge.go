package main

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
)

// merge moves points to the mall: the file comes, comes again, and comes
// tampered with.
func (d *day) merge(ctx context.Context) error {
	d.title(d.Merge)
	err := d.visit(ctx, func(card *jpki.Card, visit *shop.Visit) error {
		_, err := visit.Combine(ctx, card, d.office, shop.Order{Key: "merge-" + rand.Text(), Points: mergePoints})
		return err
	})
	if err != nil {
		return err
	}
	d.line(d.Left, mergePoints)
	files, err := d.send(ctx)
	if err != nil || len(files) == 0 {
		return err // another terminal on this database was faster to send it
	}
	for _, f := range []mergeFile{files[0], tampered(files[0])} {
		if err := d.cloud().bring(f); err != nil {
			return err
		}
		if err := d.receive(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *day) cloud() cloud { return cloud{d.place.outbox(), d.place.inbox()} }

// send has the city's cloud send what is due and brings it to the inbox.
func (d *day) send(ctx context.Context) ([]mergeFile, error) {
	if _, err := d.place.shop.Send(ctx); err != nil {
		return nil, err
	}
	files, err := d.cloud().take()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := errors.Join(d.cloud().bring(f), d.cloud().forget(f)); err != nil {
			return nil, err
		}
	}
	return files, d.receive(ctx)
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
// the inbox. What is out already is a duplicate.
func (d *day) resend(ctx context.Context) error {
	_, err := d.send(ctx)
	return err
}
