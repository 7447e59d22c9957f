//go:build cgo && scard

package realstack

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/ebfe/scard"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/simcard"
)

// What the client costs: the same exchange through package pcsc and through
// github.com/ebfe/scard with the system's library, in turns in one run.
// Built without the tag libpcsclite, package pcsc talks to pcscd itself.
func TestAgainstSCard(t *testing.T) {
	needStack(t)
	rounds := 5
	if os.Getenv("MYNAKIT_LONG") == "1" {
		rounds = 40
	}
	insert(t, simcard.New())
	ours := open(t)
	ctx, err := scard.EstablishContext()
	require.NoError(t, err)
	defer ctx.Release()
	theirs, err := ctx.Connect(reader, scard.ShareShared, scard.ProtocolAny)
	require.NoError(t, err)
	defer theirs.Disconnect(scard.LeaveCard)

	command := []byte("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01")
	var dst [2]byte
	plain := func() ([]byte, error) { return ours.TransmitContext(context.Background(), dst[:0], command) }
	limited, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	bounded := func() ([]byte, error) { return ours.TransmitContext(limited, dst[:0], command) }
	library := func() ([]byte, error) { return theirs.Transmit(command) }
	var took [3][]time.Duration
	for range rounds {
		for i, transmit := range []func() ([]byte, error){plain, bounded, library} {
			for range 500 {
				began := time.Now()
				reply, err := transmit()
				took[i] = append(took[i], time.Since(began))
				require.NoError(t, err)
				require.Equal(t, "\x90\x00", string(reply))
			}
		}
	}
	rate := func(i int) float64 {
		slices.Sort(took[i])
		return float64(time.Second) / float64(took[i][len(took[i])/2])
	}
	t.Logf("exchanges a second, median: pcsc %.0f, pcsc with a context %.0f, scard %.0f: %.2f and %.2f times",
		rate(0), rate(1), rate(2), rate(0)/rate(2), rate(1)/rate(2))
}
