package inbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// move brings a file where its verdict says, with its sidecar behind it: what
// a crash between the two leaves is a lone sidecar, and not a file whose
// sidecar is gone.
func (b *Inbox) move(e *entry, name string, p *pass) error {
	dir := b.cfg.Quarantine
	if e.verdict.What == Done {
		dir = b.cfg.Done
	}
	target := filepath.Join(dir, newName(name))
	from := filepath.Join(b.cfg.Dir, name)
	now, err := os.Lstat(from)
	if err == nil && !same(e.info, now) {
		b.changed(e, name, p)
		return nil
	}
	if err == nil {
		// Somebody may have put the directory aside, full as it was.
		if err := os.MkdirAll(dir, 0o700); err != nil {
			b.putOff(e, name, fmt.Errorf("inbox: %w", err), p)
			return nil
		}
		err = relocate(from, target, e.info)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
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
		if now, err := os.Lstat(sidecar(from)); err == nil && same(e.side, now) {
			_ = relocate(sidecar(from), sidecar(target), e.side)
		}
	}
	delete(b.seen, name)
	if e.verdict.What == Done {
		p.done++
	} else {
		p.quarantined++
	}
	b.tell(Event{What: e.verdict.What, Name: name, Target: target, Err: e.verdict.err})
	return nil
}

// relocate renames a file, and takes it back if it was not the one seen: a new
// file came under its name in the last moment, and nobody has received that.
func relocate(from, to string, seen os.FileInfo) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	now, err := os.Lstat(to)
	if errors.Is(err, fs.ErrNotExist) || err == nil && os.SameFile(seen, now) {
		return nil // at once taken further, or there
	}
	if err != nil {
		return err
	}
	// A link in place of a rename fails where a third has come meanwhile.
	if err := os.Link(to, from); err == nil {
		return errors.Join(errChanged, os.Remove(to))
	}
	back := filepath.Join(filepath.Dir(from), filepath.Base(to))
	return errors.Join(errChanged, os.Rename(to, back))
}

// sync has the moves of a pass written down, all at once: a move that is lost
// in a crash costs no more than receiving the file again.
func (b *Inbox) sync(p *pass) {
	dirs := []string{b.cfg.Dir}
	if p.done > 0 {
		dirs = append(dirs, b.cfg.Done)
	}
	if p.quarantined > 0 {
		dirs = append(dirs, b.cfg.Quarantine)
	}
	for _, dir := range dirs {
		if err := syncDir(dir); err != nil {
			b.tell(Event{What: Trouble, Err: fmt.Errorf("inbox: %w", err)})
		}
	}
}

// syncDir has the system write down what a directory holds. Windows does so by
// itself, and some network drives cannot be asked.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
