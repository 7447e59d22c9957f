// Package readers is where the agent's cards come from: software cards and PC/SC
// readers.
package readers

import (
	"context"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/simcard/control"
)

// SimName is the name of the reader of a software card.
const SimName = "Software Card 00"

// Sim is a reader with a software card in it, which is inserted and removed by
// its slot.
type Sim struct{ Slot *control.Slot }

// Serve reports the card as it comes and goes.
func (r Sim) Serve(ctx context.Context, w api.Watcher) error {
	w.Service(nil)
	w.Reader(SimName, true)
	for {
		if err := r.Slot.WaitInserted(ctx); err != nil {
			return err
		}
		contact, err := r.Open(ctx, SimName)
		if err == nil {
			w.Card(ctx, SimName, contact)
			_ = contact.Close() // which never fails
		}
		if err := r.Slot.WaitRemoved(ctx); err != nil {
			return err
		}
		w.Removed(SimName)
	}
}

// Open gives the card power.
func (r Sim) Open(context.Context, string) (api.Contact, error) {
	r.Slot.PowerOn()
	return simContact{r.Slot}, nil
}

type simContact struct{ apdu.ContextTransmitter }

// Close takes the power from the card, and with it a verified PIN.
func (c simContact) Close() error {
	c.ContextTransmitter.(*control.Slot).PowerOff()
	return nil
}
