package realstack

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/control"
)

// steered puts a card that can be steered into the first slot, for the length
// of the test.
func steered(t *testing.T) *control.Slot {
	t.Helper()
	needStack(t)
	slot, err := control.New(control.Config{
		Settle: 500 * time.Millisecond,
		Connect: func(ctx context.Context, card control.Card) (control.Link, error) {
			link, err := vpcd.Insert(ctx, vpcd.DefaultAddr, card)
			if err != nil {
				return nil, err
			}
			return link, nil
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, slot.Close())
		waitSlot(t, "No")
	})
	_, err = slot.WaitInserted(limit(t))
	require.NoError(t, err)
	waitSlot(t, "Yes")
	return slot
}

// times is n, or with MYNAKIT_LONG long.
func times(n, long int) int {
	if os.Getenv("MYNAKIT_LONG") != "" {
		return long
	}
	return n
}

// Every insertion and removal is seen by a client that watches.
func TestEveryRemovalIsSeen(t *testing.T) {
	slot := steered(t)
	ctx, cancel := context.WithCancel(context.Background())
	seen := make(chan pcsc.EventKind, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range pcsc.Watch(ctx) {
			if err != nil {
				return
			}
			if e.Reader == reader {
				seen <- e.Kind
			}
		}
	}()
	next := func() pcsc.EventKind {
		select {
		case k := <-seen:
			return k
		case <-time.After(time.Minute):
			t.Fatal("a client does not see what happened")
			return 0
		}
	}
	assert.Equal(t, pcsc.ReaderAdded, next())
	assert.Equal(t, pcsc.CardInserted, next())
	n := times(4, 1000)
	start := time.Now()
	for i := range n {
		slot.Remove(ctx)
		require.Equal(t, pcsc.CardRemoved, next(), i)
		require.NoError(t, slot.Insert(ctx))
		require.Equal(t, pcsc.CardInserted, next(), i)
	}
	t.Logf("%d times out and in, %v each", n, time.Since(start)/time.Duration(n))
	cancel()
	<-done
}

// Several clients leave the card as they like, in any order: it stays alive,
// and what is verified follows from what the reader and the commands did.
func TestDispositions(t *testing.T) {
	slot := steered(t)
	server := httptest.NewServer(slot)
	defer server.Close()
	look := func(path string, v any) {
		answer, err := http.Get(server.URL + path)
		require.NoError(t, err)
		defer answer.Body.Close()
		d := json.NewDecoder(answer.Body)
		switch v := v.(type) {
		case *[]control.Line:
			for {
				var l control.Line
				if err := d.Decode(&l); errors.Is(err, io.EOF) {
					return
				} else {
					require.NoError(t, err)
				}
				*v = append(*v, l)
			}
		default:
			require.NoError(t, d.Decode(v))
		}
	}
	const clients = 3
	steps := times(300, 10_000)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	var programs [clients]*rand.Rand
	for i := range programs {
		programs[i] = rand.New(rand.NewPCG(seed, uint64(i)))
	}

	// The log is the model: replayed, it says what has to be verified.
	var at int64
	verified, opened := false, 0
	for range steps / clients {
		var wg sync.WaitGroup
		for _, r := range programs {
			wg.Go(func() { client(ctx, t, r) })
		}
		wg.Wait()
		for same := false; !same; { // pcscd takes the power by itself now and then
			var lines []control.Line
			look("/v1/log?after="+strconv.FormatInt(at, 10), &lines)
			for _, l := range lines {
				at = l.N
				switch {
				case l.Event == "removed", l.Event == "reader_gone", l.Event == "lost":
					t.Fatalf("the card left: %+v", l)
				case l.Event == "power_off":
					verified = false
				case l.Event != "exchange" || l.CardSW == nil:
				case l.Presented && l.PIN != nil && *l.PIN == simcard.AuthPIN:
					verified = *l.CardSW == "9000"
				case l.Name == "SELECT" && l.App != "jpki":
					verified = false
				}
				if verified {
					opened++
				}
			}
			var state struct {
				Log  int64
				Card struct {
					PINs map[string]struct{ Verified bool }
				}
			}
			look("/v1/card", &state)
			if same = state.Log == at; same {
				require.Equal(t, verified, state.Card.PINs["auth"].Verified, "after line %d", at)
			}
		}
	}
	assert.NotZero(t, opened, "a PIN was verified now and then")
	card := open(t)
	reply, err := card.Transmit([]byte("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"))
	require.NoError(t, err)
	assert.Equal(t, []byte{0x90, 0x00}, reply, "alive")
}

// client is one program: it opens the card, does something or nothing, and
// leaves it in one way or another.
func client(ctx context.Context, t *testing.T, r *rand.Rand) {
	card, err := pcsc.Open(ctx, reader)
	if err != nil {
		// Another one has just reset it or taken its power: a client tries again.
		return
	}
	for _, command := range []string{
		"\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", // JPKI
		"\x00\x20\x00\x98\x041234",
		"\x00\xB0\x8A\x00\x24",
		"\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x08", // text
		"\x00\x20\x00\x98\x049999",
		"\x00\x20\x00\x98\x041234",
	} {
		if r.IntN(3) == 0 {
			continue
		}
		if _, err := card.TransmitContext(ctx, nil, []byte(command)); err != nil {
			break // reset by another
		}
	}
	disposition := []pcsc.Disposition{pcsc.Leave, pcsc.Reset, pcsc.Unpower}[r.IntN(3)]
	err = card.CloseContext(ctx, disposition)
	if err != nil && !errors.Is(err, apdu.ErrCardRemoved) && !strings.Contains(err.Error(), "reset") {
		t.Logf("close: %v", err)
	}
}

// The survey as the owner of a card runs it: over a real stack the software card
// answers as it does in process.
func TestSurvey(t *testing.T) {
	sim := simcard.New(simcard.WithHolder(simcard.SampleHolder(5)))
	insert(t, sim)
	before := sim.State()
	tool := filepath.Join(t.TempDir(), "cardtool")
	output(t, "go", "build", "-o", tool, "../../examples/cardtool")
	assert.Contains(t, output(t, tool, "survey", "-yes", "-reader", reader, "-out", filepath.Join(t.TempDir(), "report")),
		"held against the software card (plastic): 0 differ")
	assert.Equal(t, before, sim.State(), "no try was spent")
}
