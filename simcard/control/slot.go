package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/fault"
	"github.com/mynakit/mynakit/simcard/link"
)

// A Config says what a [Slot] is. The zero Config is a slot without a reader,
// with the plastic card of the first sample holder in it.
type Config struct {
	// Card is what is in the slot at the start and after POST /v1/reset.
	Card Setup
	// Clock is the time for certificates, lists and OCSP answers until PUT
	// /v1/clock changes it. nil is the system's.
	Clock func() time.Time

	// Connect puts the slot's card into a reader, such as vpcd.Insert does, and
	// returns once the reader has asked for it. The slot calls it whenever its
	// card is inserted, and calls it again as long as it fails and when the
	// reader goes away. nil is no reader: programs use the slot as their card.
	Connect func(ctx context.Context, card Card) (Link, error)
	// Settle is how long clients take to see that a card left, and so the least
	// time between a removal and what follows. vpcd needs half a second.
	Settle time.Duration
	// Reader, if not nil, returns the name of the reader, "" if it is not known.
	Reader func() string

	// State is a file that keeps the card. It is read at the start, if it is
	// there, in place of Card, and replaced before a reply leaves that follows a
	// change. "" keeps nothing.
	State string

	// Notify, if not nil, is called with a line of text about the reader: that
	// the slot is taken, that the reader is away or back.
	Notify func(text string)

	// Lines is how many lines the log keeps. 0 is 10,000.
	Lines int

	// Panel adds a page for people at the path /.
	Panel bool
}

// A Card is what goes into a reader.
type Card interface {
	apdu.ContextTransmitter
	ATR() []byte
	PowerOn()
	PowerOff()
	Reset()
}

// A Link is a card in a reader, such as a vpcd.Slot.
type Link interface {
	Remove()               // takes the card out and waits until it is
	Done() <-chan struct{} // closed when the card left, for any reason
	Err() error
}

// What [Config.Notify] is called with, beside the texts of errors.
const (
	NoticeIn   = "the card is in the reader"
	NoticeAway = "the reader went away; the card goes in again when it is back"
)

// How long a call waits for the reader.
const (
	insertWait = 10 * time.Second
	seenWait   = 3 * time.Second
	retryWait  = 500 * time.Millisecond
)

// A Slot is a place for one card, steered over HTTP. Make it with [New]. All its
// methods may be called from several goroutines.
type Slot struct {
	cfg    Config
	routes http.Handler
	log    *logbook
	faults *fault.Card // around the seat
	link   atomic.Pointer[link.Card]
	card   atomic.Pointer[simcard.Card]

	op sync.Mutex // one change at a time

	mu       sync.Mutex
	changed  chan struct{} // closed when one of the fields below changes
	in       bool          // the card is to be in the reader
	left     chan struct{} // closed when the card leaves the slot; nil while none is in
	linked   Link          // the card in the reader; nil while it is not
	arrived  bool          // the reader has it: linked, or used before Connect returned
	seen     bool          // the reader has given it power and asked its name
	settling bool          // it has left, and clients are given time to see that
	linkErr  error         // why it is not in, after an attempt
	cancel   func()        // ends an attempt
	setup    Setup
	made     time.Time
	revoked  *time.Time
	clock    *time.Time
	rules    []*rule
	linkSpec Speed

	saving sync.Mutex
	kept   simcard.State // what the state file says

	stop func()
	done chan struct{}
}

// New creates a slot with its card, inserted. It fails with an [*Error] if the
// card cannot be made or the state file is none, and with the errors of that
// file. If there is a reader, the card goes into it in the background.
func New(cfg Config) (*Slot, error) {
	if cfg.Lines <= 0 {
		cfg.Lines = 10_000
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	s := &Slot{cfg: cfg, log: newLogbook(cfg.Lines), changed: make(chan struct{}), in: true, left: make(chan struct{}), done: make(chan struct{})}
	s.faults = fault.Wrap((*seat)(s))
	s.link.Store(&link.Card{Next: s.faults})
	s.routes = s.handler()
	if err := s.start(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	if cfg.Connect == nil {
		close(s.done)
	} else {
		go func() {
			defer close(s.done)
			s.serve(ctx)
		}()
	}
	return s, nil
}

// start makes the first card.
func (s *Slot) start() error {
	if s.cfg.State != "" {
		text, err := os.ReadFile(s.cfg.State)
		if err == nil {
			kept, err := parseSaved(text)
			if err != nil {
				return fmt.Errorf("%s: %w", s.cfg.State, err)
			}
			return s.restore(kept)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return s.make(s.cfg.Card)
}

// Close takes the card out of the reader and ends what runs in the background.
func (s *Slot) Close() error {
	s.stop()
	<-s.done
	s.log.close()
	return nil
}

// ServeHTTP serves the control API.
func (s *Slot) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }

// now is what the slot's clock says.
func (s *Slot) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clock != nil {
		return *s.clock
	}
	return s.cfg.Clock()
}

// make puts a new card in place of the present one. The reader is not told.
func (s *Slot) make(setup Setup) error {
	made := s.now()
	card, err := setup.card(made)
	if err != nil {
		return err
	}
	return s.adopt(card, setup, made)
}

// restore is make for a card that was saved.
func (s *Slot) restore(kept *saved) error {
	card, err := kept.card()
	if err != nil {
		return err
	}
	return s.adopt(card, kept.Setup, kept.Made)
}

func (s *Slot) adopt(card *simcard.Card, setup Setup, made time.Time) error {
	setup.PINs = nil // from now on they are the card's
	if setup.Kind == "" {
		setup.Kind = "plastic"
	}
	s.mu.Lock()
	s.setup, s.made, s.revoked = setup, made, setup.revokedAt(made)
	out := !s.in
	s.mu.Unlock()
	if out {
		card.Remove()
	}
	s.card.Store(card)
	return s.save(true)
}

// change sets fields under the lock and wakes who waits for them.
func (s *Slot) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until ok is true, which it asks under the lock, at most for a
// while. It reports whether it is.
func (s *Slot) await(ctx context.Context, limit time.Duration, ok func() bool) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		s.mu.Lock()
		is, changed := ok(), s.changed
		s.mu.Unlock()
		if is {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// serve keeps the card in the reader as long as it is to be in.
func (s *Slot) serve(ctx context.Context) {
	told := ""
	tell := func(text string) {
		if text != told && s.cfg.Notify != nil {
			s.cfg.Notify(text)
		}
		told = text
	}
	for s.await(ctx, time.Duration(1<<62), func() bool { return s.in }) && ctx.Err() == nil {
		trying, cancel := context.WithCancel(ctx)
		s.change(func() {
			s.cancel, s.arrived, s.seen = cancel, false, false
			if !s.in { // it was taken out just now, and had nothing to cancel
				cancel()
			}
		})
		l, err := s.cfg.Connect(trying, readerCard{s})
		if err != nil && trying.Err() != nil { // taken out meanwhile, which says nothing of the reader
			s.change(func() { s.arrived, s.settling = false, false })
			continue
		}
		if err != nil {
			cancel()
			s.change(func() { s.linkErr, s.arrived, s.settling = err, false, false })
			if s.isIn() && ctx.Err() == nil {
				tell(err.Error())
				s.log.event("waiting", err.Error())
			}
			s.await(ctx, retryWait, func() bool { return !s.in })
			continue
		}
		s.change(func() {
			s.linkErr = nil
			if s.settling = trying.Err() != nil; !s.settling { // not taken out meanwhile
				s.linked = l
				s.arrive()
			}
		})
		tell(NoticeIn)
		select {
		case <-l.Done():
		case <-trying.Done():
			l.Remove()
		}
		cancel()
		s.change(func() { s.linked, s.arrived, s.seen, s.settling = nil, false, false, true })
		if s.isIn() && ctx.Err() == nil {
			tell(NoticeAway)
			s.log.event("reader_gone", "")
		}
		s.sleep(ctx, s.cfg.Settle)
		s.change(func() { s.settling = false })
	}
}

// arrive notes under the lock that the reader has the card, and logs it before
// what the reader does with it.
func (s *Slot) arrive() {
	if s.in && !s.arrived && !s.settling {
		s.arrived = true
		s.log.event("inserted", "")
	}
}

func (s *Slot) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (s *Slot) isIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in
}

// remove takes the card out and waits until clients have had time to see it.
func (s *Slot) remove(ctx context.Context) {
	s.faults.Remove()
	s.await(ctx, insertWait, func() bool { return s.linked == nil && !s.settling })
}

// insert puts the card in and waits until the reader has seen it.
func (s *Slot) insert(ctx context.Context) error {
	s.change(func() { s.linkErr = nil })
	s.faults.Insert()
	if s.cfg.Connect == nil {
		return nil
	}
	var err error
	s.await(ctx, insertWait, func() bool {
		err = s.linkErr
		return err != nil || s.linked != nil
	})
	switch {
	case errors.Is(err, ErrSlotTaken):
		return &Error{Code: slotTaken, Text: "another card is in the slot; this one goes in when it leaves"}
	case err != nil:
		return &Error{Code: noVpcd, Text: "no reader takes the card; it goes in when there is one: " + err.Error()}
	}
	s.await(ctx, seenWait, func() bool { return s.seen || s.linked == nil })
	return nil
}

// exchangeCard takes the card out, changes it by f and puts it in again.
func (s *Slot) exchangeCard(ctx context.Context, f func() error) error {
	s.remove(ctx)
	err := f()
	if inserted := s.insert(ctx); err == nil {
		err = inserted
	}
	return err
}

// WaitInserted waits until the card is in the slot, and if there is a reader
// until that has seen it. What it returns is closed when this card leaves the
// slot, however soon a card is in it again. The error is the context's.
func (s *Slot) WaitInserted(ctx context.Context) (left <-chan struct{}, err error) {
	is := s.await(ctx, time.Duration(1<<62), func() bool {
		left = s.left
		return s.in && (s.cfg.Connect == nil || s.linked != nil && s.seen)
	})
	if !is {
		return nil, ctx.Err()
	}
	return left, nil
}

// seat is a Slot as the card at the bottom of its chain: whatever card is in it
// now.
type seat Slot

func (b *seat) Transmit(command []byte) ([]byte, error) {
	return b.TransmitContext(context.Background(), nil, command)
}

func (b *seat) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	s := (*Slot)(b)
	card := s.card.Load()
	out, err := card.TransmitContext(ctx, dst, command)
	if err != nil {
		return out, err
	}
	if saveErr := s.save(false); saveErr != nil {
		// ISO/IEC 7816-4: a change of the memory failed. What the card has counted
		// stays counted.
		s.log.event(stateNotSaved, saveErr.Error())
		out = append(dst, 0x65, 0x81)
	}
	if x, ok := ctx.Value(exchangeKey{}).(*Exchange); ok {
		x.CardSW = statusOfReply(out[len(dst):])
	}
	return out, nil
}

func (b *seat) Remove() {
	s := (*Slot)(b)
	s.card.Load().Remove()
	was := false
	s.change(func() {
		if was, s.in = s.in, false; was {
			close(s.left)
			s.left = nil
		}
		if s.arrived || s.linked != nil {
			s.linked, s.arrived, s.seen, s.settling = nil, false, false, true
		}
		if s.cancel != nil {
			s.cancel()
		}
	})
	if was {
		s.log.event("removed", "")
	}
}

func (b *seat) Insert() {
	s := (*Slot)(b)
	s.card.Load().Insert()
	was := false
	s.change(func() {
		if was, s.in = s.in, true; !was {
			s.left = make(chan struct{})
		}
	})
	if !was && s.cfg.Connect == nil {
		s.log.event("inserted", "")
	}
}

// Transmit is [Slot.TransmitContext] without a context.
func (s *Slot) Transmit(command []byte) ([]byte, error) {
	return s.TransmitContext(context.Background(), nil, command)
}

// TransmitContext answers a command as the card in the slot does, with the
// faults and at the speed that were set. It fails with an error that wraps
// [apdu.ErrCardRemoved] if no card is in, with what a fault says, and with the
// context's error.
func (s *Slot) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	card := s.card.Load()
	x := newExchange(card, command)
	start := time.Now()
	out, err := s.link.Load().TransmitContext(context.WithValue(ctx, exchangeKey{}, x), dst, command)
	x.Micros = time.Since(start).Microseconds()
	if err == nil {
		x.SW, x.Length = statusOfReply(out[len(dst):]), max(0, len(out)-len(dst)-2)
	}
	x.at(card)
	s.log.add(Line{Event: "exchange", Exchange: x})
	return out, err
}

// ATR returns the card's answer to reset.
func (s *Slot) ATR() []byte { return s.card.Load().ATR() }

// PowerOn gives the card power.
func (s *Slot) PowerOn() {
	s.log.event("power_on", "")
	s.card.Load().PowerOn()
}

// PowerOff takes the card's power.
func (s *Slot) PowerOff() {
	s.log.event("power_off", "")
	s.card.Load().PowerOff()
}

// Reset is a warm reset.
func (s *Slot) Reset() {
	s.log.event("reset", "")
	s.card.Load().Reset()
}

// Remove takes the card out, as POST /v1/card/remove does.
func (s *Slot) Remove(ctx context.Context) {
	s.op.Lock()
	defer s.op.Unlock()
	s.remove(ctx)
}

// Insert puts the card in again, as POST /v1/card/insert does. It fails with an
// [*Error] if the reader does not take it now.
func (s *Slot) Insert(ctx context.Context) error {
	s.op.Lock()
	defer s.op.Unlock()
	return s.insert(ctx)
}

// Put makes another card and inserts it, as PUT /v1/card does. It fails with an
// [*Error]; if the card cannot be made, the present one stays.
func (s *Slot) Put(ctx context.Context, setup Setup) error {
	if _, err := setup.card(s.now()); err != nil {
		return err // before anything has changed
	}
	s.op.Lock()
	defer s.op.Unlock()
	return s.exchangeCard(ctx, func() error { return s.make(setup) })
}

// readerCard is a slot's card in a reader.
type readerCard struct{ *Slot }

// arrive notes that the reader uses the card, which it may before Connect has
// returned.
func (r readerCard) arrive() {
	r.mu.Lock()
	here := r.arrived
	r.mu.Unlock()
	if !here {
		r.change(r.Slot.arrive)
	}
}

// PowerOn is [Slot.PowerOn] by the reader.
func (r readerCard) PowerOn() {
	r.arrive()
	r.Slot.PowerOn()
}

// Reset is [Slot.Reset] by the reader.
func (r readerCard) Reset() {
	r.arrive()
	r.Slot.Reset()
}

// Transmit is TransmitContext without a context.
func (r readerCard) Transmit(command []byte) ([]byte, error) {
	return r.TransmitContext(context.Background(), nil, command)
}

// TransmitContext answers a card without power as a reader has to: with a
// reply. An error would take the card out of the reader.
func (r readerCard) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	r.arrive()
	out, err := r.Slot.TransmitContext(ctx, dst, command)
	if err != nil && r.isIn() && !r.card.Load().Powered() {
		r.log.event("no_power", "")
		return append(dst, byte(apdu.NoPreciseDiagnosis>>8), byte(apdu.NoPreciseDiagnosis&0xFF)), nil
	}
	return out, err
}

// ATR also notes that the reader has seen the card: pcscd asks for it once more
// when it has given it power.
func (r readerCard) ATR() []byte {
	r.arrive()
	if r.card.Load().Powered() {
		r.mu.Lock()
		seen := r.seen
		r.mu.Unlock()
		if !seen {
			r.change(func() { r.seen = true })
		}
	}
	return r.Slot.ATR()
}
