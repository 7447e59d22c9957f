package readers

import (
	"context"
	"fmt"
	"io"

	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/examples/internal/phone"
)

// PhoneName is the name of the reader that a phone is.
const PhoneName = "Phone"

// Phone is a phone as the reader, see [phone.Phone].
type Phone struct{ phone *phone.Phone }

// NewPhone waits for phones at an address. The QR code is shown on screen.
func NewPhone(address string, screen io.Writer) (*Phone, error) {
	p, err := phone.Listen(address, answerTime, func(url string) {
		fmt.Fprintln(screen, phone.Warning().JA)
		fmt.Fprintln(screen, phone.Warning().EN)
		phone.Show(screen, url)
	})
	return &Phone{p}, err
}

// Serve shows the code, and reports the card at the phone until the link is lost;
// then it shows the code again.
func (r *Phone) Serve(ctx context.Context, w api.Watcher) error {
	w.Service(nil)
	for {
		if err := r.phone.Connect(ctx); err != nil {
			return err
		}
		w.Reader(PhoneName, true)
		if contact, err := r.Open(ctx, PhoneName); err == nil {
			w.Card(ctx, PhoneName, contact)
			_ = contact.Close() // it gives the turn back
		}
		err := r.phone.WaitRemoved(ctx)
		w.Removed(PhoneName)
		w.Reader(PhoneName, false)
		if err != nil {
			return err
		}
	}
}

// Open gives the card to one user after the other.
func (r *Phone) Open(ctx context.Context, _ string) (api.Contact, error) {
	contact, err := r.phone.Open(ctx)
	if err != nil {
		return nil, err
	}
	return contact, nil
}

// Close ends the link.
func (r *Phone) Close() error { return r.phone.Close() }
