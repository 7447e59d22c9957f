package pcsc

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

// lookEvery is how often a wait looks at the readers. PC/SC can wait by
// itself, but a wait that is cancelled before it has begun is lost there, and
// readers that are plugged in while it lasts are seen on some systems only.
// Looking costs microseconds, and pcscd itself looks no oftener.
const lookEvery = 100 * time.Millisecond

// Readers gives the names of the readers, in the system's order. No reader is
// no error. The errors are [ErrUnavailable], [ErrGivenUp], and an [*Error] of
// the kind [ErrNoService].
func Readers(ctx context.Context) ([]string, error) { return system().readers(ctx) }

func (s stack) readers(ctx context.Context) ([]string, error) {
	return giveUp(ctx, func() ([]string, error) {
		session, err := s.establish()
		if err != nil {
			return nil, err
		}
		defer session.release()
		return session.readers()
	}, func([]string, error) {})
}

// WaitCard waits until one of the named readers holds a card, any reader when
// none is named, and gives that reader's name. A card that is in already
// counts. Readers may come and go meanwhile. The errors are the context's,
// [ErrUnavailable], and an [*Error] of the kind [ErrNoService].
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

func (s stack) waitRemoved(ctx context.Context, reader string) error {
	for now, err := range s.snapshots(ctx) {
		if err != nil {
			return err
		}
		if now[reader].atr == nil {
			return nil
		}
	}
	return context.Cause(ctx)
}

// An EventKind is what happened to a reader.
type EventKind uint8

// What [Watch] reports.
const (
	ReaderAdded EventKind = iota + 1
	ReaderRemoved
	CardInserted
	CardRemoved
)

// String gives the kind in words.
func (k EventKind) String() string {
	switch k {
	case ReaderAdded:
		return "reader added"
	case ReaderRemoved:
		return "reader removed"
	case CardInserted:
		return "card inserted"
	case CardRemoved:
		return "card removed"
	}
	return "unknown"
}

// An Event is one change.
type Event struct {
	Kind   EventKind
	Reader string
	ATR    []byte // of the card, with CardInserted
}

// Watch reports readers and cards as they come and go, until the loop is left,
// ctx ends, or PC/SC fails; the last two come as an error. What is there when
// it begins is reported first. A card changed for another between two looks,
// a tenth of a second apart, is seen where their ATRs differ.
func Watch(ctx context.Context) iter.Seq2[Event, error] { return system().watch(ctx) }

func (s stack) watch(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		known := map[string]status{}
		for now, err := range s.snapshots(ctx) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range changes(known, now) {
				if !yield(e, nil) {
					return
				}
			}
			known = now
		}
	}
}

// changes gives what leads from one look to the next, in a fixed order.
func changes(before, after map[string]status) []Event {
	names := make([]string, 0, len(before)+len(after))
	for name := range before {
		names = append(names, name)
	}
	for name := range after {
		names = append(names, name)
	}
	slices.Sort(names)
	var events []Event
	for _, name := range slices.Compact(names) {
		b, was := before[name]
		a, is := after[name]
		if is && !was {
			events = append(events, Event{Kind: ReaderAdded, Reader: name})
		}
		if !bytes.Equal(b.atr, a.atr) {
			if b.atr != nil {
				events = append(events, Event{Kind: CardRemoved, Reader: name})
			}
			if a.atr != nil {
				events = append(events, Event{Kind: CardInserted, Reader: name, ATR: bytes.Clone(a.atr)})
			}
		}
		if was && !is {
			events = append(events, Event{Kind: ReaderRemoved, Reader: name})
		}
	}
	return events
}

// A look is one look at all readers, and the session that it was made with.
type look struct {
	session session
	readers map[string]status
}

// snapshots looks at all readers again and again. It ends after an error, that
// of ctx among them.
func (s stack) snapshots(ctx context.Context) iter.Seq2[map[string]status, error] {
	return func(yield func(map[string]status, error) bool) {
		var last look
		defer func() { last.close() }()
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			session := last.session
			last = look{} // the call owns the session, and may be given up
			var err error
			last, err = giveUp(ctx, func() (look, error) { return s.look(session) },
				func(l look, _ error) { l.close() })
			if !yield(last.readers, err) || err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				yield(nil, context.Cause(ctx))
				return
			}
		}
	}
}

func (l look) close() {
	if l.session != nil {
		_ = l.session.release() // nothing was changed through it
	}
}

// look looks at all readers, on a new session where open is nil or is of no
// more use. After an error it leaves no session behind.
func (s stack) look(open session) (look, error) {
	if open != nil {
		now, err := lookAt(open)
		if err == nil {
			return look{open, now}, nil
		}
		_ = open.release()
		if !errors.Is(err, ErrNoService) {
			return look{}, err
		}
		// Windows stops the service with the last reader, and starts it anew.
	}
	open, err := s.establish()
	if err != nil {
		return look{}, err
	}
	now, err := lookAt(open)
	if err != nil {
		_ = open.release()
		return look{}, err
	}
	return look{open, now}, nil
}

func lookAt(s session) (map[string]status, error) {
	names, err := s.readers()
	if err != nil {
		return nil, err
	}
	now := make(map[string]status, len(names))
	for _, name := range names {
		st, err := s.status(name)
		if errors.Is(err, ErrUnknownReader) {
			continue // unplugged since
		}
		if err != nil {
			return nil, err
		}
		now[name] = st
	}
	return now, nil
}
