package pcsc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/fakepcscd"
	"github.com/mynakit/mynakit/simcard"
)

// till is a Serve in the background, with what it did.
type till struct {
	mu     sync.Mutex
	events []Event
	served []string // names of members, from the ATRs of their cards
	use    func(context.Context, *Card) error
	ended  chan error
	cancel context.CancelFunc
}

func startTill(t *testing.T, server Server, use func(context.Context, *Card) error) *till {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &till{ended: make(chan error, 1), cancel: cancel, use: use}
	server.Event = func(e Event) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.events = append(l.events, e)
	}
	go func() {
		l.ended <- server.serve(ctx, pcscd(), func(ctx context.Context, c *Card) error {
			if l.use != nil {
				if err := l.use(ctx, c); err != nil {
					return err
				}
			}
			if _, err := c.TransmitContext(ctx, nil, selectNothing); err != nil {
				return err
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.served = append(l.served, string(c.ATR()))
			return nil
		})
	}()
	t.Cleanup(func() { l.stop() })
	return l
}

// stop ends the till and returns what it returned.
func (l *till) stop() error {
	l.cancel()
	err := <-l.ended
	l.ended <- err
	return err
}

func (l *till) names() []string { l.mu.Lock(); defer l.mu.Unlock(); return slices.Clone(l.served) }

func (l *till) kinds() []EventKind {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kinds []EventKind
	for _, e := range l.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// count returns how many events there were of a kind.
func (l *till) count(k EventKind) int {
	n := 0
	for _, kind := range l.kinds() {
		if kind == k {
			n++
		}
	}
	return n
}

// countAt returns how many of them there were at a reader.
func (l *till) countAt(reader string, k EventKind) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, e := range l.events {
		if e.Kind == k && e.Reader == reader {
			n++
		}
	}
	return n
}

// takeOut takes a card out of a reader, and returns when another one there is a
// new one to the till.
func (l *till) takeOut(t *testing.T, d *fakepcscd.Daemon, reader string) {
	t.Helper()
	n := l.countAt(reader, CardRemoved)
	d.Remove(reader)
	l.eventually(t, "out of "+reader, func() bool { return l.countAt(reader, CardRemoved) > n })
	time.Sleep(absence) // nobody is faster
}

func (l *till) eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for began := time.Now(); !f(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%s: served %q, events %v", what, l.names(), l.kinds())
		}
	}
}

// member is a card that is known by its ATR.
type member struct {
	*simcard.Card
	name string
}

func (m member) ATR() []byte { return []byte(m.name) }

// One software card is enough for all: what counts is the ATR.
func newMember(name string) member { return member{simcard.New(), name} }

func TestServe(t *testing.T) {
	d := desk(t, fakepcscd.Config{})
	d.AddReader("Second")
	d.Insert("Desk", newMember("first")) // there at the beginning
	d.Insert("Second", newMember("forgotten"))
	notOurs := errors.New("not ours")
	l := startTill(t, Server{}, func(_ context.Context, c *Card) error {
		if string(c.ATR()) == "forgotten" {
			return notOurs
		}
		return nil
	})
	l.eventually(t, "first", func() bool { return slices.Contains(l.names(), "first") })
	var want []string
	for i := range 5 {
		name := fmt.Sprint("member", i)
		want = append(want, name)
		l.takeOut(t, d, "Desk")
		d.Insert("Desk", newMember(name))
		l.eventually(t, name, func() bool { return slices.Contains(l.names(), name) })
	}
	l.eventually(t, "done", func() bool { return l.count(CardDone) == 7 })
	assert.Equal(t, append([]string{"first"}, want...), l.names(), "each once, in their order")
	assert.ErrorIs(t, l.stop(), context.Canceled)
	l.mu.Lock()
	defer l.mu.Unlock()
	assert.Equal(t, ServiceFound, l.events[0].Kind)
	var done []error
	for _, e := range l.events {
		if e.Kind == CardDone && e.Reader == "Second" {
			done = append(done, e.Err)
		}
	}
	assert.Equal(t, []error{notOurs}, done, "the forgotten card is looked at once")
}

func TestServeStops(t *testing.T) {
	d := desk(t, fakepcscd.Config{})
	d.Insert("Desk", newMember("one"))
	calls := 0
	err := Server{}.serve(within(t, time.Minute), pcscd(), func(context.Context, *Card) error {
		calls++
		return fmt.Errorf("enough: %w", ErrStop)
	})
	require.NoError(t, err)
	assert.Equal(t, 1, calls)
	assert.Eventually(t, func() bool { return d.Open() == 0 }, time.Minute, time.Millisecond)

	none := stack{establish: func(context.Context) (session, error) { return nil, ErrUnavailable }}
	assert.ErrorIs(t, Server{}.serve(within(t, time.Minute), none, nil), ErrUnavailable, "there will never be a reader")
}

// A service that is not there yet, that restarts, and readers that change names.
func TestServeOutlivesTheService(t *testing.T) {
	d := fakepcscd.Start(t, fakepcscd.Config{})
	d.Stop()
	l := startTill(t, Server{}, nil)
	l.eventually(t, "no service", func() bool { return l.count(ServiceLost) == 1 })
	require.NoError(t, d.Resume())
	l.eventually(t, "service", func() bool { return l.count(ServiceFound) == 1 })
	for i := range 3 {
		name := fmt.Sprintf("Desk %02d 00", i)
		d.AddReader(name)
		d.Insert(name, newMember(name))
		l.eventually(t, name, func() bool { return slices.Contains(l.names(), name) })
		d.RemoveReader(name)
		l.eventually(t, "reader gone", func() bool { return l.count(ReaderRemoved) == i+1 })
		d.Stop() // with its last reader
		l.eventually(t, "no service", func() bool { return l.count(ServiceLost) == i+2 })
		require.NoError(t, d.Resume())
		l.eventually(t, "service", func() bool { return l.count(ServiceFound) == i+2 })
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Kind == ServiceLost {
			assert.ErrorIs(t, e.Err, ErrNoService)
		}
	}
}

// Another program holds the card at first.
func TestServeWaitsForAnotherProgram(t *testing.T) {
	d := desk(t, fakepcscd.Config{})
	d.AddReader("Second")
	d.Hold("Desk", true)
	d.Insert("Desk", newMember("held"))
	l := startTill(t, Server{Patience: time.Minute}, nil)
	l.eventually(t, "busy", func() bool { return l.count(CardBusy) == 1 })
	d.Insert("Second", newMember("meanwhile"))
	l.eventually(t, "the other reader", func() bool { return slices.Contains(l.names(), "meanwhile") })
	d.Hold("Desk", false)
	l.eventually(t, "held", func() bool { return slices.Contains(l.names(), "held") })
	assert.Equal(t, 1, l.count(CardBusy), "told once")
	assert.Zero(t, l.count(CardFailed))
	l.stop()

	d.Hold("Desk", true)
	l = startTill(t, Server{Patience: 300 * time.Millisecond, Match: func(name string) bool { return name == "Desk" }}, nil)
	l.eventually(t, "given up", func() bool { return l.count(CardFailed) == 1 })
	assert.Empty(t, l.names(), "neither the held card nor that of a reader that is not ours")
	d.Hold("Desk", false)
	d.Remove("Desk")
	d.Insert("Desk", newMember("next"))
	l.eventually(t, "next", func() bool { return slices.Contains(l.names(), "next") })
}

// changing is a still card with another ATR whenever it gets power.
type changing struct {
	*simcard.Card
	mu  sync.Mutex
	ups int
}

func (c *changing) PowerOn() { c.mu.Lock(); c.ups++; c.mu.Unlock(); c.Card.PowerOn() }
func (c *changing) ATR() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []byte{0x3B, 0x80, byte(c.ups)}
}

func TestServeSeesAStillCardOnce(t *testing.T) {
	d := desk(t, fakepcscd.Config{})
	card := &changing{Card: simcard.New()}
	d.Insert("Desk", card)
	l := startTill(t, Server{}, nil)
	l.eventually(t, "first, and closed", func() bool { return l.count(CardDone) == 1 })
	for range 10 { // others power it up and down
		c, err := pcscd().open(within(t, time.Minute), "Desk")
		require.NoError(t, err)
		require.NoError(t, c.CloseContext(within(t, time.Minute), Unpower))
		looks := d.Count(fakepcscd.Wait)
		d.Announce()
		l.eventually(t, "another look", func() bool { return d.Count(fakepcscd.Wait) > looks })
	}
	l.stop()
	assert.Len(t, l.names(), 1)
	assert.Equal(t, 1, l.count(CardInserted))
}

// A card that its reader finds anew when Serve has taken its power is one card;
// one that takes another's place is not, nor is one that outlives the service.
// The clock of the test is its own.
func TestServeTellsCardsApart(t *testing.T) {
	for name, c := range map[string]struct {
		after, away time.Duration
		restart     bool
		calls       int
	}{
		"found anew at once":           {0, 0, false, 1},
		"found anew before long":       {lain - 2*lookEvery, 0, false, 1},
		"away for a moment":            {0, absence - lookEvery, false, 1},
		"another one":                  {0, absence + lookEvery, false, 2},
		"another one, later":           {lain + lookEvery, 0, false, 2},
		"after a restart":              {0, 0, true, 2},
		"after a restart, later":       {lain + lookEvery, 0, true, 2},
		"after a restart without it":   {0, absence - lookEvery, true, 2},
		"found anew, and that quickly": {lookEvery, absence - lookEvery, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &service{cards: map[string][]byte{"Desk": atr}, events: map[string]uint32{}}
				change := func(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }
				come := func() {
					change(func() {
						s.cards["Desk"] = []byte{0x3B, 0x00}
						if c.restart {
							s.life++
						} else {
							s.events["Desk"] += 2
						}
					})
				}
				var moved sync.WaitGroup
				move := sync.OnceFunc(func() {
					moved.Go(func() {
						time.Sleep(c.after + lookEvery/2) // between two looks
						if c.away > 0 {
							change(func() { s.cards["Desk"] = nil })
							time.Sleep(c.away)
						}
						come()
						time.Sleep(2 * lain)
						change(func() { s.cards["Second"] = atr })
					})
				})
				s.disconnect = move
				var used []string
				err := Server{}.serve(t.Context(), s.stack(), func(_ context.Context, card *Card) error {
					used = append(used, card.Reader())
					if card.Reader() == "Second" {
						return ErrStop
					}
					return nil
				})
				require.NoError(t, err)
				moved.Wait()
				assert.Equal(t, append(slices.Repeat([]string{"Desk"}, c.calls), "Second"), used)
				assert.Zero(t, s.open())
			})
		})
	}
}

// A card that does not answer is told, and keeps nobody.
func TestServeTellsAMuteCard(t *testing.T) {
	d := desk(t, fakepcscd.Config{})
	l := startTill(t, Server{}, nil)
	d.Insert("Desk", newMember(""))
	l.eventually(t, "mute", func() bool { return l.count(CardMute) == 1 })
	d.Swap("Desk", newMember("right way round"))
	l.eventually(t, "served", func() bool { return len(l.names()) == 1 })
	assert.Equal(t, 1, l.count(CardInserted))
}

// The codes with which a service ends, of Linux and of Windows: one at a look,
// one in the middle of a card.
func TestServeOutlivesEveryCode(t *testing.T) {
	for _, code := range []uint32{0x8010001D, 0x8010001E, 0x80100003, 0x80100012, 6, 109, 995, 0x1F, 0x80100001, 0x8010001F} {
		t.Run(fmt.Sprintf("%08X", code), func(t *testing.T) {
			s := &service{cards: map[string][]byte{"A": atr}}
			s.steps(func() { s.down = newError("list readers", code) })
			tries := 0
			s.onEstablish = func() {
				if tries++; tries == 4 {
					s.down = nil
				}
			}
			came := make(chan struct{}, 2)
			once := false
			s.transmit = func(c []byte) ([]byte, error) {
				if !once {
					once = true
					return nil, newError("transmit", code)
				}
				return []byte{0x90, 0}, nil
			}
			var errs []error
			err := Server{Event: func(e Event) {
				switch e.Kind {
				case CardInserted:
					came <- struct{}{}
				case CardDone:
					errs = append(errs, e.Err)
				}
			}}.serve(within(t, time.Minute), s.stack(), func(ctx context.Context, c *Card) error {
				<-came
				if _, err := c.TransmitContext(ctx, nil, selectNothing); err != nil {
					s.mu.Lock()
					s.events = map[string]uint32{"A": s.events["A"] + 2} // the next card
					s.mu.Unlock()
					came <- <-came // it comes before this one is closed
					return err
				}
				return ErrStop
			})
			require.NoError(t, err)
			require.Len(t, errs, 2)
			var e *Error
			require.ErrorAs(t, errs[0], &e)
			assert.Equal(t, code, e.Code)
		})
	}
}

// Nothing that goes wrong for long is tried more often than a few times a second.
func TestServeNeverSpins(t *testing.T) {
	const long = time.Second
	most := func(t *testing.T, what string, n, perSecond int, began time.Time) {
		t.Helper()
		took := time.Since(began)
		t.Logf("%s: %d in %v", what, n, took)
		assert.LessOrEqual(t, n, perSecond*int((took+time.Second-1)/time.Second), what)
	}
	t.Run("no service", func(t *testing.T) {
		tries := 0
		s := stack{establish: func(context.Context) (session, error) {
			tries++
			return nil, newError("establish", 0x8010001D)
		}}
		began := time.Now()
		err := Server{}.serve(within(t, long), s, nil)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		most(t, "tries", tries, 5, began)
	})
	t.Run("a service that ends at once", func(t *testing.T) {
		d := desk(t, fakepcscd.Config{Deny: true})
		began := time.Now()
		l := startTill(t, Server{}, nil)
		time.Sleep(long)
		l.stop()
		most(t, "connections", d.Dials(), 5, began)
		assert.Equal(t, 1, l.count(ServiceLost), "told once")
	})
	t.Run("a service that ends after each look", func(t *testing.T) {
		var d *fakepcscd.Daemon
		ready := make(chan struct{})
		d = fakepcscd.Start(t, fakepcscd.Config{Reply: func(command uint32, reply []byte) []byte {
			if command == fakepcscd.Wait {
				<-ready
				go d.HangUp()
			}
			return reply
		}})
		d.AddReader("Desk")
		close(ready)
		began := time.Now()
		l := startTill(t, Server{}, nil)
		time.Sleep(long)
		l.stop()
		most(t, "connections", d.Dials(), 50, began)
	})
	t.Run("announcements without end", func(t *testing.T) {
		d := desk(t, fakepcscd.Config{})
		began := time.Now()
		l := startTill(t, Server{}, nil)
		for time.Since(began) < long {
			d.Announce()
			time.Sleep(10 * time.Microsecond)
		}
		l.stop()
		most(t, "looks", d.Count(fakepcscd.Wait), int(time.Second/looksAtMost)+1, began)
	})
	t.Run("a card that is held", func(t *testing.T) {
		d := desk(t, fakepcscd.Config{})
		d.Hold("Desk", true)
		d.Insert("Desk", newMember("held"))
		began := time.Now()
		l := startTill(t, Server{Patience: -1}, nil)
		time.Sleep(long)
		l.stop()
		most(t, "connects", d.Count(fakepcscd.Connect), 11, began)
	})
}

// What the daemon announces is told at once, and a wait that is cancelled comes
// back at once.
func TestLatency(t *testing.T) {
	d := desk(t, fakepcscd.Config{})
	at := make(chan time.Time, 1)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range pcscd().watch(ctx) {
			if err == nil && (e.Kind == CardInserted || e.Kind == CardRemoved) {
				at <- time.Now()
			}
		}
	}()
	require.Eventually(t, func() bool { return d.Count(fakepcscd.Wait) == 1 }, time.Minute, time.Millisecond)
	var events, cancels []time.Duration
	card := newMember("member")
	for range 50 {
		began := time.Now()
		d.Insert("Desk", card)
		events = append(events, (<-at).Sub(began))
		began = time.Now()
		d.Remove("Desk")
		events = append(events, (<-at).Sub(began))
	}
	cancel()
	<-done
	for range 50 {
		ctx, cancel := context.WithCancel(context.Background())
		n := d.Count(fakepcscd.Wait)
		var began time.Time
		go func() {
			for d.Count(fakepcscd.Wait) == n {
				time.Sleep(time.Millisecond)
			}
			began = time.Now()
			cancel()
		}()
		_, err := pcscd().waitCard(ctx)
		cancels = append(cancels, time.Since(began))
		require.ErrorIs(t, err, context.Canceled)
	}
	median := func(d []time.Duration) time.Duration { slices.Sort(d); return d[len(d)/2] }
	t.Logf("median of 100 events %v, slowest %v; of 50 cancellations %v, slowest %v",
		median(events), events[99], median(cancels), cancels[49])
	// A busy machine delays many, and not all. Who looks now and then would be late
	// by a quarter of lookEvery here.
	assert.Less(t, events[len(events)/4], 5*time.Millisecond)
	assert.Less(t, cancels[len(cancels)/4], 5*time.Millisecond)
}

// A till through whatever befalls it, in a random order: every member's tap is
// seen, and nothing is left behind.
func TestServeLasts(t *testing.T) {
	rounds := 12
	if os.Getenv("MYNAKIT_LONG") == "1" {
		rounds = 200
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	before := descriptors(t)
	d := desk(t, fakepcscd.Config{Minor: uint32(4 + random.IntN(3)), Lenient: true})
	d.AddReader("Forgotten")
	foreign := errors.New("not an Individual Number Card")
	d.Insert("Forgotten", newMember("foreign"))
	l := startTill(t, Server{}, func(_ context.Context, c *Card) error {
		if len(c.ATR()) >= 7 && string(c.ATR()[:7]) == "foreign" {
			return foreign
		}
		return nil
	})
	reader := "Desk"
	for i := range rounds {
		what := random.IntN(6)
		switch what {
		case 0: // the service restarts
			d.Stop()
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
			require.NoError(t, d.Resume())
		case 1: // the reader is unplugged, and comes back under another name
			d.RemoveReader(reader)
			reader = fmt.Sprintf("Desk %d", i)
			d.AddReader(reader)
		case 2: // connections break
			d.HangUp()
		case 3: // a foreign card on the members' reader, for a while
			n := l.countAt(reader, CardDone)
			d.Insert(reader, newMember(fmt.Sprint("foreign", i)))
			l.eventually(t, "foreign", func() bool { return l.countAt(reader, CardDone) > n })
			time.Sleep(lain)
			d.Remove(reader)
		case 4: // another program is first
			d.Hold(reader, true)
		}
		name := fmt.Sprint("member", i)
		done := l.countAt(reader, CardDone)
		d.Insert(reader, newMember(name))
		if what == 4 {
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			d.Hold(reader, false)
		}
		l.eventually(t, fmt.Sprintf("round %d (%d), %s", i, what, name), func() bool { return slices.Contains(l.names(), name) })
		l.eventually(t, "done", func() bool { return l.countAt(reader, CardDone) > done })
		l.takeOut(t, d, reader)
	}
	assert.ErrorIs(t, l.stop(), context.Canceled)
	assert.Eventually(t, func() bool { return d.Open() == 0 }, time.Minute, time.Millisecond)
	d.Close()
	assert.Eventually(t, func() bool { return descriptors(t) <= before }, time.Minute, time.Millisecond)
	names := l.names()
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), rounds)
}

// descriptors returns how many files this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(files)
}
