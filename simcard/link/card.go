package link

import (
	"context"
	"sync"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// A Card is a card at the end of a link. Set its fields and use it; they are
// not to be changed after that. It is an [apdu.ContextTransmitter], and may be
// used by several goroutines.
type Card struct {
	Next apdu.Transmitter // the card; it must be set

	Model Model // the link; nil takes no time

	// Processing is how long the card thinks about a command. nil is no time.
	// It must not keep the command.
	Processing func(command []byte) time.Duration

	// Sleep makes exchanges take their time. One that is still running when its
	// context ends fails with the context's error, and the card has carried
	// out the command.
	Sleep bool

	mu        sync.Mutex
	elapsed   time.Duration
	exchanges int
}

// Elapsed returns how long all exchanges so far take, or took. Of an exchange
// that failed the command alone counts.
func (c *Card) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

// Exchanges returns the number of exchanges.
func (c *Card) Exchanges() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exchanges
}

// Transmit is [Card.TransmitContext] without a context.
func (c *Card) Transmit(command []byte) ([]byte, error) {
	return c.TransmitContext(context.Background(), nil, command)
}

// TransmitContext carries out one exchange. It fails with the errors of the
// card underneath, and with the context's.
func (c *Card) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	out, err := apdu.Transmit(ctx, c.Next, dst, command)
	var took time.Duration
	if c.Model != nil {
		took = c.Model.Time(len(command), len(out)-len(dst))
	}
	if c.Processing != nil {
		took += c.Processing(command)
	}
	c.mu.Lock()
	c.elapsed += took
	c.exchanges++
	c.mu.Unlock()
	if c.Sleep {
		timer := time.NewTimer(took)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return dst, ctx.Err()
		}
	}
	return out, err
}
