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
)

// maxSeen bounds how many files of the directory are known at a time, and with
// it the memory and the work of one pass. If there are more, the first by name
// are looked at, and the others when these have gone or none of them can go.
const maxSeen = 10_000

// maxIgnored bounds how many directories Audit is told of.
const maxIgnored = 100

// maxGroup is how many files ReceiveAll is given at a time.
const maxGroup = 64

// fresh is the age from which a refusal counts. A sender that writes in place
// may not have finished with a younger file, or have begun with an empty one.
const fresh = 10 * time.Second

// maxFailed is how many files in a row Receive may put off before the pass
// ends: with the database gone, a thousand files need not each find out.
const maxFailed = 3

// backoff is the time until what failed n times is tried again.
func backoff(n int) time.Duration {
	const most = 5 * time.Minute
	if n > 9 {
		return most
	}
	return min(most, time.Second<<max(n-1, 0))
}

// entry is what is known of a file between two passes.
type entry struct {
	info, side os.FileInfo // as last seen; side is the sidecar, or nil
	since      time.Time   // from when on both have been so
	due        time.Time   // not before this
	tries      int         // that failed
	moving     bool        // it may not be complete, and due is for that
	verdict    *verdict    // decided, and not yet moved
}

// pass is one look at the directory.
type pass struct {
	done, quarantined, left, waiting int

	group  []taken   // opened, and not yet received
	failed int       // that Receive has put off
	more   bool      // there are files beyond maxSeen
	due    time.Time // when there is something to do next; zero if never
	rest   time.Time // when the next file comes to rest; zero if none will
}

// soonest moves *t forward to at.
func soonest(t *time.Time, at time.Time) {
	if t.IsZero() || at.Before(*t) {
		*t = at
	}
}

// wait counts a file that is not complete before a time.
func (p *pass) wait(until time.Time) {
	p.waiting++
	soonest(&p.due, until)
	soonest(&p.rest, until)
}

// leave counts a file that is to be tried again at a time.
func (p *pass) leave(until time.Time) {
	p.left++
	soonest(&p.due, until)
}

// pass looks at every file once, in the order of their names.
func (b *Inbox) pass(ctx context.Context) (p pass, err error) {
	if err := ctx.Err(); err != nil {
		return p, err
	}
	// Opened each time: a drive that was away comes back as another directory.
	home, err := openFolder(b.cfg.Dir, true)
	if err != nil {
		return p, fmt.Errorf("inbox: %w", err)
	}
	defer home.Close()
	names, err := b.list(home)
	if err == nil && len(names) == 0 && b.after != "" {
		b.after = ""
		names, err = b.list(home)
	}
	if err != nil {
		return p, fmt.Errorf("inbox: %w", err)
	}
	p.more = len(names) > b.most || b.after != ""
	names = names[:min(len(names), b.most)]
	for name := range b.seen {
		if _, there := slices.BinarySearch(names, name); !there {
			delete(b.seen, name)
		}
	}
	defer func() {
		if p.done+p.quarantined > 0 {
			b.sync(home, &p)
		}
	}()
	defer func() {
		for _, t := range p.group {
			t.file.Close()
		}
		p.left += len(p.group)
	}()
	all := true
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			p.left += len(names) - i
			return p, err
		}
		if b.failed >= maxFailed && p.failed > 0 {
			p.left += len(names) - i
			all = false
			break
		}
		if err := b.look(ctx, home, name, &p); err != nil {
			p.left += len(names) - i - 1
			return p, err
		}
	}
	if err := b.receive(ctx, home, &p); err != nil {
		return p, err
	}
	switch {
	case p.more && p.done+p.quarantined > 0:
		b.after, p.due = "", time.Now()
	case p.more && p.waiting == 0 && all:
		// None of these can go now: the others have their turn.
		b.after = names[len(names)-1]
	}
	if b.failed >= maxFailed {
		p.due = time.Now().Add(backoff(b.failed))
	}
	return p, nil
}

// list returns the names after b.after of the files that are to be looked at, in
// order: the first b.most and one more. It never holds many more than that.
// Directories are left out, so that they stand in no file's way.
func (b *Inbox) list(home *folder) ([]string, error) {
	dir, err := home.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var names []string
	for {
		some, err := dir.ReadDir(1000)
		for _, d := range some {
			name := d.Name()
			switch {
			case b.unseen(name) || name <= b.after:
			case d.IsDir():
				b.ignore(name)
			default:
				names = append(names, name)
			}
		}
		end := errors.Is(err, io.EOF)
		if end || len(names) > 4*b.most {
			slices.Sort(names)
			// A directory that changes while it is read may give a name twice.
			names = slices.Compact(names)
			names = names[:min(len(names), b.most+1)]
		}
		if end {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// ignore tells Audit once of a directory.
func (b *Inbox) ignore(name string) {
	if len(b.ignored) >= maxIgnored || b.ignored[name] {
		return
	}
	b.ignored[name] = true
	b.tell(Event{What: Ignored, Name: name, Err: errDirectory})
}

// look brings one file as far as it can go now. An error ends the pass.
func (b *Inbox) look(ctx context.Context, home *folder, name string, p *pass) error {
	info, side, err := stat(home.Root, name)
	if errors.Is(err, fs.ErrNotExist) {
		delete(b.seen, name)
		return nil
	}
	now := time.Now()
	e := b.seen[name]
	if e == nil {
		e = &entry{since: now}
		b.seen[name] = e
	}
	if now.Before(e.due) {
		if e.moving {
			p.wait(e.due)
		} else {
			p.leave(e.due)
		}
		return nil
	}
	e.moving = false
	if err != nil {
		b.putOff(e, name, err, p)
		return nil
	}
	if info.IsDir() {
		delete(b.seen, name) // since the directory was listed
		return nil
	}
	file, lone := sidecarOf(name)
	if lone {
		if its, err := home.Lstat(file); !errors.Is(err, fs.ErrNotExist) && !(err == nil && its.IsDir()) {
			return nil // it travels with its file
		}
	}
	if e.verdict != nil && same(e.info, info) {
		return b.move(home, e, name, p)
	}
	if e.info == nil || !alike(e.info, info) || !alike(e.side, side) {
		e.since = now
	}
	e.info, e.side, e.verdict = info, side, nil
	rest := b.cfg.Settle
	if lone || b.cfg.Sidecar && side == nil {
		rest = max(rest, b.cfg.SidecarWait)
	}
	if until := e.since.Add(rest); now.Before(until) {
		p.wait(until)
		return nil
	}
	switch {
	case !goodName(name):
		e.verdict = &verdict{What: Quarantined, err: ErrName}
	case lone:
		e.verdict = &verdict{What: Quarantined, err: ErrLone}
	case !info.Mode().IsRegular():
		e.verdict = &verdict{What: Quarantined, err: ErrNotRegular}
	case info.Size() > b.cfg.MaxSize:
		e.verdict = &verdict{What: Quarantined, err: ErrTooLarge}
	default:
		return b.take(ctx, home, e, name, p)
	}
	return b.move(home, e, name, p)
}

// stat looks at a file and its sidecar, which is nil where there is none.
func stat(root *os.Root, name string) (info, side os.FileInfo, err error) {
	if info, err = root.Lstat(name); err != nil {
		return nil, nil, err
	}
	side, err = root.Lstat(sidecar(name))
	if err != nil {
		// One that is too long, or that may not be looked at, is none.
		return info, nil, nil
	}
	return info, side, nil
}

// alike reports whether a file has not been written to between two looks. It does
// not compare identities: some network drives make them up as they go.
func alike(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode().Type() == b.Mode().Type()
}

// same reports whether two looks close together saw one file, unchanged.
func same(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && alike(a, b)
}

// putOff schedules a file to be tried again later.
func (b *Inbox) putOff(e *entry, name string, err error, p *pass) {
	e.tries++
	e.due = time.Now().Add(backoff(e.tries))
	p.leave(e.due)
	b.tell(Event{What: Left, Name: name, Err: err})
}
