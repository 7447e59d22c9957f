package pcsc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/apdu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a PC/SC service in memory.
type service struct {
	mu          sync.Mutex
	cards       map[string][]byte // reader to ATR; nil is an empty reader
	sessions    int
	life        int // sessions of an earlier life of the service fail
	log         []string
	down        error
	looks       int
	onLook      func(n int) // called with the number of the look, before it
	wait        func(limit time.Duration)
	cancel      func()
	transmit    func([]byte) ([]byte, error)
	begin       func() error
	disconnect  func()            // called before a handle is let go of
	resets      int               // how many handles another program makes void at once
	asked       int               // for a card's state
	onEstablish func()            // called with the lock
	events      map[string]uint32 // cards that took the place of another unseen
}

func (s *service) stack() stack { return overLibrary(s.establish) }

func (s *service) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *service) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *service) open() int { s.mu.Lock(); defer s.mu.Unlock(); return s.sessions }

// allReleased waits until no session is open: a call that was given up in the
// middle is ended behind its caller's back.
func (s *service) allReleased(t *testing.T) {
	t.Helper()
	assert.Eventually(t, func() bool { return s.open() == 0 }, time.Minute, time.Millisecond)
}

func (s *service) establish() (library, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onEstablish != nil {
		s.onEstablish()
	}
	if s.down != nil {
		return nil, s.down
	}
	s.sessions++
	return &fakeSession{s, s.life}, nil
}

type fakeSession struct {
	*service
	born int
}

func (s *fakeSession) readers() ([]string, error) {
	s.mu.Lock()
	s.looks++
	n, onLook := s.looks, s.onLook
	s.mu.Unlock()
	if onLook != nil {
		onLook(n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	if s.born != s.life {
		return nil, newError("list readers", 0x8010001E)
	}
	var names []string
	for name := range s.cards {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func (s *fakeSession) status(name string) (reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	atr, ok := s.cards[name]
	if !ok {
		return reader{}, newError("reader status", 0x80100009)
	}
	return reader{name: name, present: atr != nil, atr: atr, events: s.events[name]}, nil
}

func (s *fakeSession) wait(limit time.Duration) {
	if s.service.wait != nil {
		s.service.wait(limit)
	}
}

func (s *fakeSession) cancel() {
	if s.service.cancel != nil {
		s.service.cancel()
	}
}

func (s *fakeSession) connect(reader string, exclusive bool) (libraryHandle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	atr, ok := s.cards[reader]
	if !ok {
		return nil, newError("connect", 0x80100009)
	}
	if atr == nil {
		return nil, newError("connect", 0x8010000C)
	}
	s.log = append(s.log, fmt.Sprintf("connect exclusive=%v", exclusive))
	return &fakeHandle{s.service, atr}, nil
}

func (s *fakeSession) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions--
	return nil
}

type fakeHandle struct {
	*service
	a []byte
}

func (h *fakeHandle) transmit(c []byte) ([]byte, error) {
	if h.service.transmit != nil {
		return h.service.transmit(c)
	}
	return append(bytes.Clone(c), 0x90, 0x00), nil
}
func (h *fakeHandle) begin() error {
	h.note("begin")
	if h.service.begin != nil {
		return h.service.begin()
	}
	return nil
}
func (h *fakeHandle) end() error { h.note("end"); return nil }
func (h *fakeHandle) disconnect(d Disposition) error {
	if h.service.disconnect != nil {
		h.service.disconnect()
	}
	h.note("disconnect %d", d)
	return nil
}

func (h *fakeHandle) reconnect(exclusive bool) error {
	h.note("reconnect exclusive=%v", exclusive)
	return nil
}
func (h *fakeHandle) control(code uint32, data []byte) ([]byte, error) {
	return append(binary.BigEndian.AppendUint32(nil, code), data...), nil
}
func (h *fakeHandle) attribute(id uint32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(nil, id), nil
}
func (h *fakeHandle) setAttribute(id uint32, value []byte) error {
	h.note("set attribute %X %X", id, value)
	return nil
}

func (h *fakeHandle) atr() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if h.resets > 0 {
		h.resets--
		return nil, newError("status", 0x80100068)
	}
	return h.a, nil
}

var atr = []byte{0x3B, 0x80, 0x80, 0x01, 0x01}

// ending returns a context whose time is over when end is called, so that a call
// is under way by then on any machine.
func ending() (ctx context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	return ctx, func() { cancel(context.DeadlineExceeded) }
}

func TestOpenTransmitClose(t *testing.T) {
	ctx := context.Background()
	s := &service{cards: map[string][]byte{"A": atr}}
	c, err := s.stack().open(ctx, "A", Exclusive())
	require.NoError(t, err)
	assert.Equal(t, atr, c.ATR())
	got, err := c.TransmitContext(ctx, []byte("dst"), []byte{0, 0xA4, 0, 0})
	require.NoError(t, err)
	assert.Equal(t, "dst\x00\xa4\x00\x00\x90\x00", string(got))
	_, err = c.Transmit([]byte{0, 0xA4, 0})
	assert.ErrorIs(t, err, apdu.ErrCommandLength, "the C side would read past it")
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	_, err = c.Transmit([]byte{0, 0xA4, 0, 0})
	assert.ErrorIs(t, err, ErrClosed)
	assert.Equal(t, []string{"connect exclusive=true", "disconnect 0"}, s.noted())
	assert.Zero(t, s.open(), "sessions left open")
}

func TestOpenErrors(t *testing.T) {
	s := &service{cards: map[string][]byte{"empty": nil}}
	for reader, want := range map[string]error{"empty": ErrNoCard, "other": ErrUnknownReader} {
		_, err := s.stack().open(context.Background(), reader)
		assert.ErrorIs(t, err, want)
		var e *Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, "connect", e.Op)
	}
	assert.Zero(t, s.open())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.stack().open(ctx, "empty")
	assert.ErrorIs(t, err, context.Canceled)
}

// Another program lets go of the card while this one connects.
func TestOpenWhileOthersReset(t *testing.T) {
	s := &service{cards: map[string][]byte{"r": {0x3B}}, resets: 2}
	c, err := s.stack().open(t.Context(), "r")
	require.NoError(t, err)
	assert.Equal(t, []byte{0x3B}, c.ATR())
	require.NoError(t, c.Close())
	connect, leave := "connect exclusive=false", fmt.Sprintf("disconnect %d", Leave)
	assert.Equal(t, []string{
		connect, leave, connect, leave, connect, fmt.Sprintf("disconnect %d", Reset),
	}, s.noted(), "every handle is let go of")

	s.resets = 1000
	_, err = s.stack().open(t.Context(), "r")
	assert.ErrorIs(t, err, ErrReset)
	assert.Equal(t, 1000-connectTries, s.resets)
	assert.Zero(t, s.open())
}

func TestErrorKinds(t *testing.T) {
	for code, want := range map[uint32]error{
		0x80100069: apdu.ErrCardRemoved, 0x80100016: apdu.ErrExchange, 0x8010002F: apdu.ErrCardRemoved,
		0x8010000C: ErrNoCard, 0x80100009: ErrUnknownReader, 0x80100017: ErrUnknownReader,
		0x8010000B: ErrSharing, 0x80100066: ErrUnresponsive, 0x80100067: ErrUnresponsive,
		0x80100068: ErrReset, 0x8010001D: ErrNoService, 0x8010001E: ErrNoService,
		0x80100003: ErrNoService, 0x80100012: ErrNoService, 6: ErrNoService, 109: ErrNoService, 995: ErrNoService,
		0x1F: ErrNoService, 0x8010006A: ErrDenied,
	} {
		assert.ErrorIs(t, newError("x", code), want, "%08X", code)
	}
	assert.EqualError(t, newError("connect", 0x8010000B), "pcsc: connect: card is in use by another program (8010000B)")
	assert.EqualError(t, newError("connect", 0x80100001), "pcsc: connect: error 80100001")
	assert.NoError(t, errors.Unwrap(newError("connect", 0x80100001)))
}

func TestRemovedMidExchange(t *testing.T) {
	for _, reply := range [][]byte{nil, {}, {0x90}} {
		s := &service{cards: map[string][]byte{"A": atr}, transmit: func([]byte) ([]byte, error) { return reply, nil }}
		c, err := s.stack().open(context.Background(), "A")
		require.NoError(t, err)
		dst, err := c.TransmitContext(context.Background(), []byte("dst"), []byte{0, 0xB0, 0, 0, 0})
		assert.ErrorIs(t, err, apdu.ErrCardRemoved)
		assert.Equal(t, "dst", string(dst))
		c.Close()
		assert.Contains(t, s.noted(), "disconnect 1", "a card that left is not powered down")
	}
}

// A card that falls silent holds the caller no longer than the context; then
// the handle is given up for good, and let go of when the driver comes back.
func TestSilentCard(t *testing.T) {
	driver := make(chan struct{})
	ctx, end := ending()
	s := &service{cards: map[string][]byte{"A": atr}, transmit: func(c []byte) ([]byte, error) {
		end()
		<-driver
		return []byte{0x90, 0x00}, nil
	}}
	c, err := s.stack().open(context.Background(), "A")
	require.NoError(t, err)
	_, err = c.TransmitContext(ctx, nil, []byte{0, 0x20, 0, 0x98, 4, '1', '2', '3', '4'})
	assert.ErrorIs(t, err, ErrGivenUp)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = c.Transmit([]byte{0, 0xA4, 0, 0})
	assert.ErrorIs(t, err, ErrGivenUp)
	assert.NoError(t, c.Close(), "there is nothing left to close")
	assert.Equal(t, 1, s.open())
	close(driver)
	assert.Eventually(t, func() bool { return s.open() == 0 }, time.Minute, time.Millisecond)
	assert.Contains(t, s.noted(), "disconnect 0")
}

// A driver that falls silent while the card is closed.
func TestSilentClose(t *testing.T) {
	driver := make(chan struct{})
	ctx, end := ending()
	s := &service{cards: map[string][]byte{"A": atr}, disconnect: func() { end(); <-driver }}
	c, err := s.stack().open(context.Background(), "A")
	require.NoError(t, err)
	err = c.CloseContext(ctx, Unpower)
	assert.ErrorIs(t, err, ErrGivenUp)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NoError(t, c.Close(), "there is nothing left to close")
	_, err = c.Transmit([]byte{0, 0xA4, 0, 0})
	assert.ErrorIs(t, err, ErrClosed)
	close(driver)
	assert.Eventually(t, func() bool { return s.open() == 0 }, time.Minute, time.Millisecond)
}

// busy gives a card with a call under way, which ends with first once driver is
// closed.
func busy(t *testing.T) (s *service, c *Card, driver chan struct{}, first chan error) {
	t.Helper()
	driver, first = make(chan struct{}), make(chan error, 1)
	entered := make(chan struct{}, 1)
	s = &service{cards: map[string][]byte{"A": atr}, transmit: func([]byte) ([]byte, error) {
		entered <- struct{}{}
		<-driver
		return []byte{0x90, 0x00}, nil
	}}
	c, err := s.stack().open(context.Background(), "A")
	require.NoError(t, err)
	go func() { _, err := c.Transmit([]byte{0, 0xA4, 0, 0}); first <- err }()
	<-entered
	return s, c, driver, first
}

// Close does not wait for a call that never ends; once that call has ended, the
// card can be closed.
func TestCloseDuringACall(t *testing.T) {
	s, c, driver, first := busy(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, c.CloseContext(ctx, Unpower), ErrGivenUp)
	assert.Equal(t, 1, s.open())
	close(driver)
	assert.NoError(t, <-first)
	assert.NoError(t, c.Close())
	assert.Zero(t, s.open())
}

func TestContextBeforeTheExchangeLeavesTheHandleWhole(t *testing.T) {
	s := &service{cards: map[string][]byte{"A": atr}}
	c, err := s.stack().open(context.Background(), "A")
	require.NoError(t, err)
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = c.TransmitContext(ctx, nil, []byte{0, 0xA4, 0, 0})
	assert.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, ErrGivenUp)
	_, err = c.Transmit([]byte{0, 0xA4, 0, 0})
	assert.NoError(t, err)
}

// Who waits for another call's end honours its own context.
func TestWaitingForTheTurn(t *testing.T) {
	_, c, driver, first := busy(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := c.TransmitContext(ctx, nil, []byte{0, 0xA4, 0, 0})
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, ErrGivenUp)
	close(driver)
	assert.NoError(t, <-first)
	assert.NoError(t, c.Close())
}

// The copy of a command that may have held a PIN is wiped.
func TestCommandCopyIsWiped(t *testing.T) {
	var seen []byte
	s := &service{cards: map[string][]byte{"A": atr}, transmit: func(c []byte) ([]byte, error) {
		seen = c
		return []byte{0x90, 0x00}, nil
	}}
	c, err := s.stack().open(context.Background(), "A")
	require.NoError(t, err)
	defer c.Close()
	mine := []byte{0, 0x20, 0, 0x98, 4, '1', '2', '3', '4'}
	_, err = c.Transmit(mine)
	require.NoError(t, err)
	assert.Equal(t, make([]byte, 9), seen)
	assert.Equal(t, byte('4'), mine[8], "the caller's own bytes are the caller's")
}

func TestTransaction(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &service{cards: map[string][]byte{"A": atr}}
	c, err := s.stack().open(ctx, "A")
	require.NoError(t, err)
	inside := errors.New("inside")
	err = c.Transaction(ctx, func() error {
		_, err := c.TransmitContext(ctx, nil, []byte{0, 0xA4, 0, 0})
		require.NoError(t, err)
		cancel() // others must not wait for ever because of that
		return inside
	})
	assert.ErrorIs(t, err, inside)
	assert.NoError(t, c.CloseContext(context.Background(), Leave))
	assert.Equal(t, []string{"connect exclusive=false", "begin", "end", "disconnect 1"}, s.noted())

	s = &service{cards: map[string][]byte{"A": atr}, begin: func() error { return newError("begin transaction", 0x8010000B) }}
	c, err = s.stack().open(context.Background(), "A")
	require.NoError(t, err)
	err = c.Transaction(context.Background(), func() error { t.Error("entered"); return nil })
	assert.ErrorIs(t, err, ErrSharing)
	c.Close()
}

func TestReaders(t *testing.T) {
	s := &service{}
	names, err := s.stack().readers(context.Background())
	require.NoError(t, err)
	assert.Empty(t, names)
	s.cards = map[string][]byte{"B": nil, "A": atr}
	names, err = s.stack().readers(context.Background())
	require.NoError(t, err)
	assert.Equal(t, []string{"A", "B"}, names)
	s.down = newError("establish", 0x8010001D)
	_, err = s.stack().readers(context.Background())
	assert.ErrorIs(t, err, ErrNoService)
	assert.Zero(t, s.open())
}

// steps changes the readers before the n-th look.
func (s *service) steps(steps ...func()) {
	s.onLook = func(n int) {
		if n <= len(steps) && steps[n-1] != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			steps[n-1]()
		}
	}
}

func TestWatch(t *testing.T) {
	other := []byte{0x3B, 0x00}
	s := &service{cards: map[string][]byte{"A": nil}}
	s.steps(nil,
		func() { s.cards["B"] = atr },
		func() { s.cards["A"] = atr },
		func() { s.cards["A"] = other; s.events = map[string]uint32{"A": 2} },
		func() { s.life++ }, nil, // nothing is known to be the same after a restart
		func() { delete(s.cards, "B") },
		func() { s.down = newError("list readers", 0x8010001D) })
	var got []Event
	var end error
	for e, err := range s.stack().watch(context.Background()) {
		if err != nil {
			end = err
			break
		}
		got = append(got, e)
	}
	assert.ErrorIs(t, end, ErrNoService)
	want := []Event{
		{Kind: ReaderAdded, Reader: "A"},
		{Kind: ReaderAdded, Reader: "B"}, {Kind: CardInserted, Reader: "B", ATR: atr},
		{Kind: CardInserted, Reader: "A", ATR: atr},
		{Kind: CardRemoved, Reader: "A"}, {Kind: CardInserted, Reader: "A", ATR: other},
		{Kind: CardRemoved, Reader: "A"}, {Kind: ReaderRemoved, Reader: "A"},
		{Kind: ReaderAdded, Reader: "A"}, {Kind: CardInserted, Reader: "A", ATR: other},
		{Kind: CardRemoved, Reader: "B"}, {Kind: ReaderRemoved, Reader: "B"},
		{Kind: ReaderAdded, Reader: "B"}, {Kind: CardInserted, Reader: "B", ATR: atr},
		{Kind: CardRemoved, Reader: "B"}, {Kind: ReaderRemoved, Reader: "B"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	assert.Zero(t, s.open())
	assert.Equal(t, "card inserted", CardInserted.String())
}

// A service that stops with its last reader and starts again is no error.
func TestWatchSurvivesAServiceThatRestarts(t *testing.T) {
	s := &service{cards: map[string][]byte{}}
	s.steps(nil, func() { s.life++; s.cards["A"] = atr })
	reader, err := s.stack().waitCard(context.Background())
	require.NoError(t, err)
	assert.Equal(t, "A", reader)
	assert.Zero(t, s.open())
}

func TestWaitCard(t *testing.T) {
	s := &service{cards: map[string][]byte{"A": atr}}
	reader, err := s.stack().waitCard(context.Background())
	require.NoError(t, err)
	assert.Equal(t, "A", reader, "a card that is in already")

	s = &service{cards: map[string][]byte{"A": atr, "B": nil}}
	s.steps(nil, func() { s.cards["B"] = atr })
	reader, err = s.stack().waitCard(context.Background(), "B", "C")
	require.NoError(t, err)
	assert.Equal(t, "B", reader)

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = s.stack().waitCard(ctx, "C")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	s.allReleased(t)
}

func TestWaitRemoved(t *testing.T) {
	s := &service{cards: map[string][]byte{"A": atr, "B": atr}}
	s.steps(nil, func() { s.cards["A"] = nil }, nil, func() { delete(s.cards, "B") })
	require.NoError(t, s.stack().waitRemoved(context.Background(), "A"))
	require.NoError(t, s.stack().waitRemoved(context.Background(), "B"))

	// A card outlives the service.
	s = &service{cards: map[string][]byte{"A": atr}}
	s.steps(nil, func() { s.life++ }, nil, func() { s.cards["A"] = nil })
	require.NoError(t, s.stack().waitRemoved(context.Background(), "A"))
	assert.GreaterOrEqual(t, s.looks, 4)

	s = &service{cards: map[string][]byte{"A": atr}}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, s.stack().waitRemoved(ctx, "A"), context.DeadlineExceeded)
	s.allReleased(t)
	s.down = newError("establish", 0x8010001D)
	assert.ErrorIs(t, s.stack().waitRemoved(context.Background(), "A"), ErrNoService)
	assert.Zero(t, s.open())
}

// A service that hangs holds a wait no longer than its context.
func TestWatchHangingService(t *testing.T) {
	hang := make(chan struct{})
	s := &service{cards: map[string][]byte{"A": nil}, onLook: func(n int) {
		if n == 2 {
			<-hang
		}
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := s.stack().waitCard(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	close(hang)
	assert.Eventually(t, func() bool { return s.open() == 0 }, time.Minute, time.Millisecond)
}

// What the library announces is told without another look.
func TestWatchTellsWhatTheLibraryWaitsFor(t *testing.T) {
	s := &service{cards: map[string][]byte{"A": nil}}
	s.wait = func(limit time.Duration) {
		assert.Equal(t, lookEvery, limit)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cards["A"] = atr
	}
	_, err := s.stack().waitCard(context.Background())
	require.NoError(t, err)
	assert.Equal(t, 2, s.looks)
	assert.Zero(t, s.open())
}

// A library that cannot wait, or a reader that is never quiet, makes nobody spin.
func TestWaitsThatEndAtOnce(t *testing.T) {
	s := &service{cards: map[string][]byte{"A": nil}}
	steps := make([]func(), 10)
	s.steps(append(steps, func() { s.cards["A"] = atr })...)
	began := time.Now()
	_, err := s.stack().waitCard(context.Background())
	require.NoError(t, err)
	assert.Equal(t, 11, s.looks)
	assert.GreaterOrEqual(t, time.Since(began), 9*lookEvery)
}

// A cancellation that comes before the wait has begun is lost, and is repeated.
func TestWaitIsCancelledUntilItEnds(t *testing.T) {
	ctx, end := context.WithCancel(context.Background())
	cancels := make(chan struct{})
	s := &service{cards: map[string][]byte{"A": nil}, cancel: func() { cancels <- struct{}{} }}
	s.wait = func(time.Duration) {
		end()
		for range 3 {
			<-cancels
		}
	}
	_, err := s.stack().waitCard(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Eventually(t, func() bool { return s.open() == 0 }, time.Minute, time.Millisecond)
}

// A service that hangs in a wait holds it hardly longer than its context.
func TestWaitThatCannotBeCancelled(t *testing.T) {
	ctx, end := context.WithCancel(context.Background())
	hang := make(chan struct{})
	s := &service{cards: map[string][]byte{"A": nil}, wait: func(time.Duration) { end(); <-hang }, cancel: func() { <-hang }}
	_, err := s.stack().waitCard(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, s.open(), "released under a call that goes on")
	close(hang)
	assert.Eventually(t, func() bool { return s.open() == 0 }, time.Minute, time.Millisecond)
}
