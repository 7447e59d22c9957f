package pcsc

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

// Readers returns the names of the readers, in the system's order. If there is
// no reader, it returns no names and a nil error. The errors are
// [ErrUnavailable], [ErrGivenUp], and an [*Error] of the kinds [ErrNoService] and
// [ErrDenied].
func Readers(ctx context.Context) ([]string, error) { return system().readers(ctx) }

func (s stack) readers(ctx context.Context) ([]string, error) {
	session, err := s.establish(ctx)
	if err != nil {
		return nil, err
	}
	defer session.release(ctx)
	now, err := session.look(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range now {
		names = append(names, r.name)
	}
	return names, nil
}

// WaitCard waits until one of the named readers holds a card, any reader if none
// is named, and returns that reader's name. A card that is in already counts.
// Readers may come and go meanwhile. The errors are the context's,
// [ErrUnavailable], and an [*Error] of the kinds [ErrNoService] and [ErrDenied].
func WaitCard(ctx context.Context, readers ...string) (string, error) {
	return system().waitCard(ctx, readers...)
}

func (s stack) waitCard(ctx context.Context, readers ...string) (string, error) {
	for event, err := range s.watch(ctx) {
		if err != nil {
			return "", err
		}
		if event.Kind == CardInserted && (len(readers) == 0 || slices.Contains(readers, event.Reader)) {
			return event.Reader, nil
		}
	}
	return "", context.Cause(ctx)
}

// WaitRemoved waits until reader is empty, or gone itself. The errors are
// those of [WaitCard].
func WaitRemoved(ctx context.Context, reader string) error {
	return system().waitRemoved(ctx, reader)
}

func (s stack) waitRemoved(ctx context.Context, name string) error {
	for now, err := range s.snapshots(ctx) {
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(now, func(r reader) bool { return r.name == name && r.present }) {
			return nil
		}
	}
	return context.Cause(ctx)
}

// Watch reports readers and cards as they come and go, until the loop is left,
// ctx ends, or PC/SC fails; the last two come as an error. What is there at the
// beginning is reported first.
//
// pcscd announces changes, so they are reported within milliseconds. So are cards
// on Windows and macOS; for readers Watch looks there every tenth of a second. A
// card that takes the place of another between two looks is seen if the service
// counts cards, as pcscd and Windows do. A card whose ATR changes while it lies
// still is one card. After a restart of the service every reader, and every card,
// counts as gone and come.
func Watch(ctx context.Context) iter.Seq2[Event, error] { return system().watch(ctx) }

func (s stack) watch(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		known := slots{}
		for now, err := range s.snapshots(ctx) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range known.update(now) {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// An EventKind is what happened to a reader, a card or the service.
type EventKind uint8

// What [Watch] and [Serve] report.
const (
	ReaderAdded EventKind = iota + 1
	ReaderRemoved
	CardInserted
	CardRemoved
	// CardMute is a card that does not answer to reset: it lies the wrong way
	// round, or is not a chip card.
	CardMute
)

// What [Serve] reports beside that.
const (
	// ServiceLost means that there is no PC/SC service, or that it cannot be
	// asked; Event.Err is the reason. Serve tries again.
	ServiceLost EventKind = iota + 6
	// ServiceFound means that the service is there, at first or again.
	ServiceFound
	// CardBusy means that the card could not be opened, mostly because another
	// program holds it; Event.Err is the reason. Serve tries again.
	CardBusy
	// CardFailed means that the card could not be opened in time; Event.Err is
	// the reason. Serve waits for the next card.
	CardFailed
	// CardDone means that the program's function has returned, with Event.Err.
	CardDone
)

// String returns the kind in words.
func (k EventKind) String() string {
	kinds := [...]string{ReaderAdded: "reader added", ReaderRemoved: "reader removed",
		CardInserted: "card inserted", CardRemoved: "card removed", CardMute: "card does not answer",
		ServiceLost: "service lost", ServiceFound: "service found",
		CardBusy: "card busy", CardFailed: "card failed", CardDone: "card done"}
	if int(k) < len(kinds) && kinds[k] != "" {
		return kinds[k]
	}
	return "unknown"
}

// An Event is one change.
type Event struct {
	Kind   EventKind
	Reader string // empty with ServiceLost and ServiceFound
	ATR    []byte // of the card, with CardInserted
	Err    error  // see the kinds
}

// slots is what has been reported of each reader.
type slots map[string]slot

type slot struct {
	present  bool
	answered bool // a card that has answered once counts as one until it leaves
	events   uint32
	life     uint32
}

// update returns the events that lead to now, in a fixed order, and keeps now.
func (s slots) update(now []reader) []Event {
	after := make(map[string]reader, len(now))
	for _, r := range now {
		after[r.name] = r
	}
	names := make([]string, 0, len(s)+len(now))
	for name := range s {
		names = append(names, name)
	}
	for name := range after {
		names = append(names, name)
	}
	slices.Sort(names)
	var events []Event
	for _, name := range slices.Compact(names) {
		b, was := s[name]
		a, is := after[name]
		if was && (!is || a.life != b.life) {
			if b.present {
				events = append(events, Event{Kind: CardRemoved, Reader: name})
			}
			events = append(events, Event{Kind: ReaderRemoved, Reader: name})
			delete(s, name)
			b, was = slot{}, false
		}
		if !is {
			continue
		}
		if !was {
			events = append(events, Event{Kind: ReaderAdded, Reader: name})
		}
		if b.present && (!a.present || a.events != b.events) {
			events = append(events, Event{Kind: CardRemoved, Reader: name})
			b = slot{}
		}
		switch {
		case a.present && !b.answered && a.atr != nil:
			events = append(events, Event{Kind: CardInserted, Reader: name, ATR: bytes.Clone(a.atr)})
		case a.present && !b.present:
			events = append(events, Event{Kind: CardMute, Reader: name})
		}
		s[name] = slot{present: a.present, answered: a.present && (b.answered || a.atr != nil), events: a.events, life: a.life}
	}
	return events
}

// snapshots looks at all readers, and again whenever something changes. It ends
// after an error, that of ctx among them.
func (s stack) snapshots(ctx context.Context) iter.Seq2[[]reader, error] {
	return func(yield func([]reader, error) bool) {
		var open session
		defer func() {
			if open != nil {
				_ = open.release(ctx) // nothing was changed through it
			}
		}()
		for life := uint32(0); ; {
			before := open
			began := time.Now()
			var now []reader
			var err error
			now, open, err = s.look(ctx, open)
			if open != before {
				life++
			}
			for i := range now {
				now[i].life = life
			}
			if !yield(now, err) || err != nil {
				return
			}
			// A service that ended may have started anew: look finds out, but for one
			// that ends as soon as it has started.
			err = open.changed(ctx)
			ends := before != open && time.Since(began) < serviceEvery
			if err != nil && (ctx.Err() != nil || ends || !errors.Is(err, ErrNoService)) {
				yield(nil, err)
				return
			}
		}
	}
}

// look looks at all readers, on a new session if open is nil or cannot be used
// any more. After an error it leaves no session behind.
func (s stack) look(ctx context.Context, open session) ([]reader, session, error) {
	if open != nil {
		now, err := open.look(ctx)
		if err == nil {
			return now, open, nil
		}
		_ = open.release(ctx)
		if !errors.Is(err, ErrNoService) {
			return nil, nil, err
		}
		// Windows stops the service with the last reader, and starts it anew.
	}
	open, err := s.establish(ctx)
	if err != nil {
		return nil, nil, err
	}
	now, err := open.look(ctx)
	if err != nil {
		_ = open.release(ctx)
		return nil, nil, err
	}
	return now, open, nil
}
