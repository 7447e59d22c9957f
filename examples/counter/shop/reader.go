package shop

import (
	"context"

	"github.com/mynakit/mynakit/apdu"
)

// Reader is where cards are put: a PC/SC reader, a phone, a software card.
type Reader interface {
	// WaitCard waits until a card is there and connects to it. What it gives
	// is closed after use if it is an io.Closer; that takes the power from
	// the card, and with it a verified PIN. A card that stays in the reader
	// can be had again and again. Its form is that of [jpki.Tap]'s wait.
	WaitCard(ctx context.Context) (apdu.Transmitter, error)
	// WaitRemoved waits until the reader is empty, or gone itself.
	WaitRemoved(ctx context.Context) error
}
