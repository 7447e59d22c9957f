package inbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// move brings a file where its verdict says, with its sidecar behind it: what
// a crash between the two leaves is a lone sidecar, and not a file whose
// sidecar is gone.
func (b *Inbox) move(home *folder, e *entry, name string, p *pass) error {
	to := &b.quarantine
	if e.verdict.What == Done {
		to = &b.done
	}
	fresh := newName(name)
	now, err := home.Lstat(name)
	if err == nil && !same(e.info, now) {
		b.changed(e, name, p)
		return nil
	}
	if err == nil {
		if err = b.reopen(to); err == nil {
			err = relocate(home, name, *to, fresh, e.info)
		}
	}
	switch {
	case errors.Is(err, errGone), errors.Is(err, fs.ErrNotExist) && now == nil:
		delete(b.seen, name)
		b.tell(Event{What: Gone, Name: name, Err: errGone})
		return nil
	case errors.Is(err, errChanged):
		b.changed(e, name, p)
		return nil
	case err != nil:
		b.putOff(e, name, fmt.Errorf("inbox: %w", err), p)
		return nil
	}
	if e.side != nil && !e.side.IsDir() {
		// Whether it comes along decides nothing: alone it is quarantined.
		if now, err := home.Lstat(sidecar(name)); err == nil && same(e.side, now) {
			_ = relocate(home, sidecar(name), *to, sidecar(fresh), e.side)
		}
	}
	delete(b.seen, name)
	if e.verdict.What == Done {
		p.done++
	} else {
		p.quarantined++
	}
	b.tell(Event{What: e.verdict.What, Name: name, Target: filepath.Join((*to).path, fresh), Err: e.verdict.err})
	return nil
}

// reopen opens a directory anew if somebody has put it aside, full as it was.
func (b *Inbox) reopen(f **folder) error {
	if (*f).there() {
		return nil
	}
	again, err := makeFolder((*f).path)
	if err != nil {
		return err
	}
	old := *f
	*f = again
	return old.Close()
}

// relocate renames a file, and takes it back if it was not the one seen: a new
// file came under its name in the last moment, and nobody has received that. A
// file that has arrived loses its executable bits. It returns errGone if there
// is no such file.
func relocate(from *folder, name string, to *folder, fresh string, seen os.FileInfo) error {
	if err := rename(from, name, to, fresh); err != nil {
		if _, lost := from.Lstat(name); errors.Is(lost, fs.ErrNotExist) {
			return errGone
		}
		return err
	}
	now, err := to.Lstat(fresh)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // at once taken further
	}
	if err == nil && os.SameFile(seen, now) {
		disarm(to, fresh, now)
		return nil
	}
	if err != nil {
		return err
	}
	// A link in place of a rename fails where a third has come meanwhile.
	if err := link(to, fresh, from, name); err == nil {
		return errors.Join(errChanged, to.Remove(fresh))
	}
	return errors.Join(errChanged, rename(to, fresh, from, fresh))
}

// disarm takes the executable bits from a file that was moved. A file with
// another name is not only ours, and its bits may be somebody else's program's.
func disarm(to *folder, name string, info os.FileInfo) {
	const armed = 0o111 | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	if !info.Mode().IsRegular() || info.Mode()&armed == 0 || links(info) > 1 {
		return
	}
	// Whether it can be done decides nothing: the directory is the inbox's.
	_ = to.Chmod(name, info.Mode().Perm()&^0o111)
}

// sync has the moves of a pass written down, all at once: a move that is lost
// in a crash costs no more than receiving the file again.
func (b *Inbox) sync(home *folder, p *pass) {
	dirs := []*folder{home}
	if p.done > 0 {
		dirs = append(dirs, b.done)
	}
	if p.quarantined > 0 {
		dirs = append(dirs, b.quarantine)
	}
	for _, dir := range dirs {
		if err := dir.sync(); err != nil {
			b.tell(Event{What: Trouble, Err: fmt.Errorf("inbox: %w", err)})
		}
	}
}
