// Package readers is where the agent's cards come from: software cards and PC/SC
// readers.
package readers

import (
	"context"
	"sync"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/simcard/control"
)

// SimName is the name of the reader of a software card.
const SimName = "Software Card 00"

// Sim is a reader with a software card in it, which is inserted and removed by
// its slot.
type Sim struct {
	slot *control.Slot
	turn chan struct{} // holds one token: whoever has it is connected
}

// NewSim returns the reader of a slot.
func NewSim(slot *control.Slot) *Sim {
	s := &Sim{slot, make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// Serve reports the card as it comes and goes.
func (r *Sim) Serve(ctx context.Context, w api.Watcher) error {
	w.Service(nil)
	w.Reader(SimName, true)
	for {
		left, err := r.slot.WaitInserted(ctx)
		if err != nil {
			return err
		}
		contact, err := r.Open(ctx, SimName)
		if err == nil {
			w.Card(ctx, SimName, contact)
			_ = contact.Close() // which never fails
		}
		select {
		case <-left:
		case <-ctx.Done():
			return ctx.Err()
		}
		w.Removed(SimName)
	}
}

// Open gives the card power once nobody else is connected.
func (r *Sim) Open(ctx context.Context, _ string) (api.Contact, error) {
	select {
	case <-r.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r.slot.PowerOn()
	return simContact{r.slot, sync.OnceFunc(func() {
		r.slot.PowerOff()
		r.turn <- struct{}{}
	})}, nil
}

type simContact struct {
	apdu.ContextTransmitter
	end func()
}

// Close takes the power from the card, and with it a verified PIN.
func (c simContact) Close() error {
	c.end()
	return nil
}
