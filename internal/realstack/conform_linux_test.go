package realstack

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/internal/readertest"
	"github.com/mynakit/mynakit/simcard"
)

// unplugged is a card that tells when its power is taken.
type unplugged struct {
	vpcd.Card
	off chan struct{}
}

func (u unplugged) PowerOff() {
	u.Card.PowerOff()
	select {
	case u.off <- struct{}{}:
	default:
	}
}

func (u unplugged) PowerOn() {
	select {
	case <-u.off:
	default:
	}
	u.Card.PowerOn()
}

func (u unplugged) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	return apdu.Transmit(ctx, u.Card, dst, command)
}

// The suite that the fake daemon passes too, with whatever package pcsc was
// built on.
func TestConformance(t *testing.T) {
	needStack(t)
	readertest.Conform(t, func(t *testing.T) readertest.World {
		return readertest.World{
			Reader:     reader,
			Attributes: map[uint32][]byte{0x0303: simcard.New().ATR()},
			Insert: func(t *testing.T, card vpcd.Card) func() {
				in := unplugged{card, make(chan struct{}, 1)}
				slot, err := vpcd.Insert(context.Background(), vpcd.DefaultAddr, in)
				require.NoError(t, err)
				remove := sync.OnceFunc(func() {
					// pcscd takes the power from an idle card after a while. If it does
					// that when the card has just left, it misses the next one.
					select {
					case <-in.off:
					case <-slot.Done():
					case <-time.After(time.Minute):
						t.Error("the card keeps its power")
					}
					slot.Remove()
					waitSlot(t, "No")
				})
				t.Cleanup(remove)
				waitSlot(t, "Yes")
				return remove
			},
		}
	})
}
