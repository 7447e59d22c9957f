package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// maxSidecar is far more than a sidecar has.
const maxSidecar = 4096

func sidecar(name string) string { return name + mergefile.SidecarSuffix }

// verdict is what has been decided about a file: Done or Quarantined.
type verdict struct {
	What
	err error
}

// taken is a file that is open and waits for the rest of its group.
type taken struct {
	e    *entry
	name string
	file *os.File
	Delivery
}

// take opens a file that is complete, and receives it with those before it when
// they are enough.
func (b *Inbox) take(ctx context.Context, home *folder, e *entry, name string, p *pass) error {
	f, err := openAs(home.Root, name, e.info)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		delete(b.seen, name)
		return nil
	case errors.Is(err, errChanged):
		b.changed(e, name, p)
		return nil
	case err != nil:
		b.putOff(e, name, fmt.Errorf("inbox: %w", err), p)
		return nil
	}
	d := Delivery{Name: name, Content: io.NewSectionReader(f, 0, e.info.Size())}
	if e.side != nil {
		if d.Sidecar, err = readSidecar(home.Root, sidecar(name), e.side); err != nil {
			f.Close()
			b.putOff(e, name, fmt.Errorf("inbox: %w", err), p)
			return nil
		}
	}
	p.group = append(p.group, taken{e, name, f, d})
	most := maxGroup
	if b.cfg.ReceiveAll == nil || b.failed >= maxFailed {
		most = 1
	}
	if len(p.group) < most {
		return nil
	}
	return b.receive(ctx, home, p)
}

// receive receives the files that were taken. Its error ends the pass; what could
// be decided has been.
func (b *Inbox) receive(ctx context.Context, home *folder, p *pass) error {
	group := p.group
	p.group = nil
	if len(group) == 0 {
		return nil
	}
	var errs []error
	if b.cfg.ReceiveAll == nil {
		errs = []error{b.cfg.Receive(ctx, group[0].Delivery)}
	} else {
		deliveries := make([]Delivery, len(group))
		for i, t := range group {
			deliveries[i] = t.Delivery
		}
		if errs = b.cfg.ReceiveAll(ctx, deliveries); len(errs) != len(group) {
			errs = slices.Repeat([]error{errCount}, len(group))
		}
	}
	changed := make([]bool, len(group))
	for i, t := range group {
		after, err := t.file.Stat()
		changed[i] = err != nil || !alike(t.e.info, after)
		t.file.Close()
		if wasVerified(errs[i]) {
			b.sawVerified()
		}
	}
	var end error
	for i, t := range group {
		if end != nil && errs[i] != nil {
			p.left++
			continue
		}
		if err := b.settle(ctx, home, t, errs[i], changed[i], p); err != nil {
			p.left++
			end = err
		}
	}
	return end
}

// settle brings a file where its outcome says. The file stays if settle returns
// an error.
func (b *Inbox) settle(ctx context.Context, home *folder, t taken, err error, changed bool, p *pass) error {
	e, name := t.e, t.name
	switch {
	case errors.Is(err, ErrStop), errors.Is(err, ledger.ErrStopped):
		return fmt.Errorf("%w: %w", ErrStop, err)
	case err == nil, isRefusal(err):
		b.failed = 0
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		// However many of a group fail, it is one moment: the next try comes as
		// soon as after a few files alone.
		if b.failed < maxFailed || p.failed == 0 {
			b.failed++
		}
		p.failed++
		b.putOff(e, name, err, p)
		return nil
	}
	if changed {
		// Neither verdict is about what the file is now.
		b.changed(e, name, p)
		return nil
	}
	if err == nil {
		e.verdict = &verdict{What: Done}
		return b.move(home, e, name, p)
	}
	if errors.Is(err, mergefile.ErrInvalid) {
		if until := e.fresh(); time.Now().Before(until) {
			e.moving, e.due = true, until
			p.wait(until)
			b.tell(Event{What: Early, Name: name, Err: err})
			return nil
		}
		if b.doubtful() {
			b.tell(Event{What: Left, Name: name, Err: err})
			return fmt.Errorf("%w: %w", ErrStop, ErrUnverified)
		}
	}
	e.verdict = &verdict{What: Quarantined, err: err}
	return b.move(home, e, name, p)
}

// wasVerified reports whether a file with this error of Receive's was verified.
func wasVerified(err error) bool {
	return err == nil || ledger.Refused(err) && !errors.Is(err, mergefile.ErrInvalid)
}

// fresh returns the time until which the file may be one that its sender is
// still writing. A file's own time may come from another clock: it counts if it
// is past.
func (e *entry) fresh() time.Time {
	until := e.since.Add(fresh)
	if written := e.info.ModTime(); e.info.Size() > 0 && written.Before(time.Now()) && written.Add(fresh).Before(until) {
		return written.Add(fresh)
	}
	return until
}

// isRefusal reports whether an error of Receive's is about the file, and will be
// the same next time.
func isRefusal(err error) bool {
	return ledger.Refused(err) || errors.Is(err, mergefile.ErrName) || errors.Is(err, ErrRefused)
}

// changed waits for a file to come to rest again.
func (b *Inbox) changed(e *entry, name string, p *pass) {
	e.tries++
	e.info, e.moving = nil, true
	// Not at once, even without Settle: a file that is written to all the time
	// would be read all the time.
	e.due = time.Now().Add(backoff(e.tries))
	p.wait(e.due)
	b.tell(Event{What: Changed, Name: name, Err: errChanged})
}

// openAs opens a regular file that has been looked at. It gives errChanged if
// another file, or a link, has taken its place.
//
// An os.Root refuses to leave its directory, but follows a link within. The
// comparison finds that out, and the file was opened for reading only, so
// nothing has happened by then.
func openAs(root *os.Root, name string, seen os.FileInfo) (*os.File, error) {
	f, err := root.OpenFile(name, openFlags, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !(info.Mode().IsRegular() && same(seen, info)) {
		err = errChanged
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readSidecar gives a sidecar's content, and what no profile takes for one if
// it is no regular file, or too large, or another by now.
func readSidecar(root *os.Root, name string, seen os.FileInfo) ([]byte, error) {
	if !seen.Mode().IsRegular() || seen.Size() > maxSidecar {
		return []byte{}, nil
	}
	f, err := openAs(root, name, seen)
	if errors.Is(err, errChanged) || errors.Is(err, fs.ErrNotExist) {
		return []byte{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSidecar))
}
