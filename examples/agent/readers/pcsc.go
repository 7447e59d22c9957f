package readers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/examples/agent/api"
)

// PCSC is the readers that the system knows: all of them, or the one of a name,
// or those with the name in theirs.
type PCSC struct{ Name string }

// answerTime bounds each answer of a card: PC/SC has no limit of its own.
const answerTime = 8 * time.Second

// Serve reports readers and cards, by the loop of a till.
func (r PCSC) Serve(ctx context.Context, w api.Watcher) error {
	match := r.match(ctx)
	return pcsc.Server{Match: match, Event: func(e pcsc.Event) {
		ours := e.Reader == "" || match(e.Reader)
		switch {
		case !ours:
		case e.Kind == pcsc.ServiceFound:
			w.Service(nil)
		case e.Kind == pcsc.ServiceLost:
			w.Service(e.Err)
		case e.Kind == pcsc.ReaderAdded, e.Kind == pcsc.ReaderRemoved:
			w.Reader(e.Reader, e.Kind == pcsc.ReaderAdded)
		case e.Kind == pcsc.CardMute:
			w.Failed(e.Reader, pcsc.ErrUnresponsive)
		case e.Kind == pcsc.CardFailed:
			w.Failed(e.Reader, e.Err)
		case e.Kind == pcsc.CardRemoved:
			w.Removed(e.Reader)
		}
	}}.Serve(ctx, func(ctx context.Context, card *pcsc.Card) error {
		w.Card(ctx, card.Reader(), timed{card})
		return nil
	})
}

func (r PCSC) match(ctx context.Context) func(string) bool {
	all, _ := pcsc.Readers(ctx) // an error is told by Serve
	exact := slices.Contains(all, r.Name)
	return func(reader string) bool {
		return r.Name == "auto" || reader == r.Name || !exact && strings.Contains(reader, r.Name)
	}
}

// Open opens the card for this program alone: nobody else may use a PIN that is
// verified here.
func (r PCSC) Open(ctx context.Context, reader string) (api.Contact, error) {
	for {
		card, err := pcsc.Open(ctx, reader, pcsc.Exclusive())
		if err == nil {
			return timed{card}, nil
		}
		// The loop has it, or another program, for a moment.
		if !errors.Is(err, pcsc.ErrSharing) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

type timed struct{ *pcsc.Card }

func (c timed) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return c.Card.TransmitContext(ctx, dst, command)
}

// Unwrap returns the card in its reader, which has transactions.
func (c timed) Unwrap() apdu.Transmitter { return c.Card }

// Close makes the card forget a PIN. The card keeps its power: some readers take
// one that gets it again for another card.
func (c timed) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return c.CloseContext(ctx, pcsc.Forget)
}
