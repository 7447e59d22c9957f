package pcsc

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// ErrStop, returned by the function that [Serve] calls, alone or wrapped, makes
// Serve return nil.
var ErrStop = errors.New("pcsc: stop serving")

// Bounds of Serve.
const (
	// patience is how long Serve tries to open a card, unless a Server says
	// otherwise.
	patience = 10 * time.Second
	// openEvery is how often Serve tries to open a card that another program holds.
	openEvery = 100 * time.Millisecond
	// serviceEvery and serviceAtMost are the first and the longest pause between
	// two tries to reach a service that is not there.
	serviceEvery  = 50 * time.Millisecond
	serviceAtMost = time.Second
	// looksAtMost is the shortest time between two looks at the readers.
	looksAtMost = 5 * time.Millisecond
	// lain is how long after Serve took a card's power the reader may report the
	// same card as a new one, and absence the longest that it may be away for that.
	lain    = time.Second
	absence = 200 * time.Millisecond
)

// Serve is the loop of a till: it opens each card that comes to a reader and
// calls use with it, one card after another, until ctx ends. A card that lies
// there at the beginning has come. Serve uses every reader, and opens cards with
// [Exclusive]; a [Server] does it otherwise, and reports what happens.
//
// Serve does not end when readers are unplugged or the service stops, restarts
// or is not there yet: it waits. A card that another program holds is tried
// again for ten seconds while others are served. use is called once for a card,
// however long it lies there; a card that is of no use to the program does not
// keep it from the next, in another reader or the same. After a restart of the
// service a card that still lies there counts as a new one.
//
// Serve closes the card when use returns. An error of use is reported by
// [CardDone] and ends nothing, unless it is [ErrStop]. The errors of Serve are
// the cause of ctx's end and [ErrUnavailable].
func Serve(ctx context.Context, use func(context.Context, *Card) error) error {
	return Server{}.Serve(ctx, use)
}

// A Server serves cards as [Serve] does, with settings. The zero Server is
// usable.
type Server struct {
	// Match, if not nil, reports whether a reader of that name is to be used.
	Match func(reader string) bool
	// Shared lets other programs use a card while it is served.
	Shared bool
	// Patience is how long a card that cannot be opened is tried again. 0 means
	// ten seconds; a negative value means as long as the card lies there.
	Patience time.Duration
	// Event, if not nil, is called with what happens, one event at a time. It must
	// not wait for Serve.
	Event func(Event)
}

// Serve is the function [Serve] with the settings of s.
func (s Server) Serve(ctx context.Context, use func(context.Context, *Card) error) error {
	return s.serve(ctx, system(), use)
}

// Next waits for one card, as Serve does, and opens it. A card that is there
// already counts. Who calls Next closes the card.
func (s Server) Next(ctx context.Context) (*Card, error) { return s.next(ctx, system()) }

func (s Server) serve(ctx context.Context, on stack, use func(context.Context, *Card) error) error {
	ctx, l, stop := s.watch(ctx, on)
	defer stop()
	for {
		card, err := l.card(ctx)
		if err != nil {
			return err
		}
		if l.attend(ctx, card, use) {
			return nil
		}
	}
}

func (s Server) next(ctx context.Context, on stack) (*Card, error) {
	ctx, l, stop := s.watch(ctx, on)
	defer stop()
	return l.card(ctx)
}

// watch begins to watch the readers. The context that it returns ends when that
// does.
func (s Server) watch(ctx context.Context, on stack) (context.Context, *line, func()) {
	if s.Patience == 0 {
		s.Patience = patience
	}
	ctx, cancel := context.WithCancelCause(ctx)
	l := &line{server: s, stack: on, woken: make(chan struct{}, 1), here: map[string]*arrival{}, left: map[string]leaving{}}
	var watching sync.WaitGroup
	watching.Go(func() { cancel(l.watch(ctx)) })
	return ctx, l, func() {
		cancel(ErrStop)
		watching.Wait()
	}
}

// A line is the cards that wait to be served.
type line struct {
	server Server
	stack  stack
	woken  chan struct{} // holds a token when waiting has changed

	reporting sync.Mutex // held while Event runs
	mu        sync.Mutex
	waiting   []*arrival
	here      map[string]*arrival // by reader
	left      map[string]leaving  // by reader
}

// An arrival is a card that came.
type arrival struct {
	reader string
	since  time.Time
	due    time.Time // when it is tried next
	busy   bool      // CardBusy was reported
	gone   bool      // with the mutex: it has left
}

// leaving is what tells a card that comes from one that never left.
type leaving struct {
	closed  time.Time // when Serve took the power of the last card
	removed time.Time // when a card was last reported as removed
}

func (l *line) report(e Event) {
	if l.server.Event == nil {
		return
	}
	l.reporting.Lock()
	defer l.reporting.Unlock()
	l.server.Event(e)
}

// watch follows the readers until ctx ends, or until it is certain that it
// never can.
func (l *line) watch(ctx context.Context) error {
	known := slots{}
	found, again := false, serviceEvery
	var looked time.Time
	for {
		err := l.follow(ctx, known, &looked, func() {
			again = serviceEvery
			if !found {
				found = true
				l.report(Event{Kind: ServiceFound})
			}
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, ErrUnavailable) {
			return err
		}
		// Nothing is known of the readers until the service is back. Its name for
		// an error changes while it ends; the first one is told.
		l.take(known.update(nil))
		if found || again == serviceEvery {
			l.report(Event{Kind: ServiceLost, Err: err})
		}
		found = false
		if pause(ctx, again) != nil {
			return context.Cause(ctx)
		}
		again = min(2*again, serviceAtMost)
	}
}

// follow reports what changes until an error. It calls looked after each look.
func (l *line) follow(ctx context.Context, known slots, last *time.Time, looked func()) error {
	for now, err := range l.stack.snapshots(ctx) {
		if err != nil {
			return err
		}
		looked()
		var mine []reader
		for _, r := range now {
			if l.server.Match == nil || l.server.Match(r.name) {
				mine = append(mine, r)
			}
		}
		l.take(known.update(mine))
		// A service that announces without end is not followed faster than this.
		if early := looksAtMost - time.Since(*last); early > 0 {
			if pause(ctx, early) != nil {
				return context.Cause(ctx)
			}
		}
		*last = time.Now()
	}
	return context.Cause(ctx)
}

// take reports events, and keeps the line in step with them.
func (l *line) take(events []Event) {
	now := time.Now() // however long Event takes
	for _, e := range events {
		l.report(e) // before anything comes of it
		l.keep(e, now)
	}
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

func (l *line) keep(e Event, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.left[e.Reader]
	switch e.Kind {
	case CardInserted:
		// A contactless reader, or one whose driver starts the card anew after
		// Close, reports a card that lies still as one that left and came.
		if now.Sub(left.closed) < lain && now.Sub(left.removed) < absence && left.removed.After(left.closed) {
			return
		}
		a := &arrival{reader: e.Reader, since: now, due: now}
		l.here[e.Reader] = a
		l.waiting = append(l.waiting, a)
	case CardRemoved:
		left.removed = now
		l.left[e.Reader] = left
		if a := l.here[e.Reader]; a != nil {
			a.gone = true
			l.waiting = slices.DeleteFunc(l.waiting, func(w *arrival) bool { return w == a })
			delete(l.here, e.Reader)
		}
	case ReaderRemoved:
		delete(l.left, e.Reader)
	}
}

// next waits for a card that is due, and takes it off the line.
func (l *line) next(ctx context.Context) (*arrival, error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		l.mu.Lock()
		wait := time.Hour
		for i, a := range l.waiting {
			due := time.Until(a.due)
			if due <= 0 {
				l.waiting = slices.Delete(l.waiting, i, i+1)
				l.mu.Unlock()
				return a, nil
			}
			wait = min(wait, due)
		}
		l.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-l.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// card opens the next card that can be opened.
func (l *line) card(ctx context.Context) (*Card, error) {
	var opts []OpenOption
	if !l.server.Shared {
		opts = append(opts, Exclusive())
	}
	for {
		a, err := l.next(ctx)
		if err != nil {
			return nil, err
		}
		// A card or a driver that hangs must not keep the others waiting for ever.
		limit, cancel := context.WithTimeout(ctx, patience)
		card, err := l.stack.open(limit, a.reader, opts...)
		cancel()
		if err == nil {
			return card, nil
		}
		l.refused(ctx, a, err)
	}
}

// attend has a card used and closes it. It reports whether use wants to end.
func (l *line) attend(ctx context.Context, card *Card, use func(context.Context, *Card) error) (stop bool) {
	err := use(ctx, card)
	if !l.server.Shared {
		l.mu.Lock()
		left := l.left[card.reader]
		left.closed = time.Now()
		l.left[card.reader] = left
		l.mu.Unlock()
	}
	_ = card.Close() // the card may have left
	if ctx.Err() == nil {
		l.report(Event{Kind: CardDone, Reader: card.reader, Err: err})
	}
	return errors.Is(err, ErrStop)
}

// refused decides what becomes of a card that could not be opened.
func (l *line) refused(ctx context.Context, a *arrival, err error) {
	if ctx.Err() != nil {
		return
	}
	if l.server.Patience > 0 && time.Since(a.since) >= l.server.Patience {
		l.report(Event{Kind: CardFailed, Reader: a.reader, Err: err})
		return
	}
	if !a.busy {
		a.busy = true
		l.report(Event{Kind: CardBusy, Reader: a.reader, Err: err})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !a.gone {
		a.due = time.Now().Add(openEvery)
		l.waiting = append(l.waiting, a)
	}
}
