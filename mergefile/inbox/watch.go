package inbox

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

// gather is how long events are collected before the directory is looked at,
// so that a burst of files is one look.
const gather = 20 * time.Millisecond

// watch is the system's notification for one directory.
type watch struct {
	dir string
	w   *fsnotify.Watcher
	bad bool // the last open failed, and that has been told
}

// open starts to watch, or watches again after the directory was gone. It
// gives an error once, and is then silent until it has succeeded.
func (w *watch) open() error {
	if w.w != nil && len(w.w.WatchList()) > 0 {
		return nil
	}
	err := w.add()
	told := w.bad
	w.bad = err != nil
	if told {
		return nil
	}
	return err
}

func (w *watch) add() (err error) {
	if w.w == nil {
		if w.w, err = fsnotify.NewWatcher(); err != nil {
			w.w = nil
			return err
		}
	}
	return w.w.Add(w.dir)
}

func (w *watch) close() {
	if w.w != nil {
		w.w.Close()
	}
}

// wait returns when a file has come, at the given time at the latest, or when
// ctx ends.
func (w *watch) wait(ctx context.Context, until time.Time) {
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w.w != nil {
		events, errs = w.w.Events, w.w.Errors
	}
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	for woken := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			return
		case e := <-events:
			// A file that is renamed in is created, too; what is written to it
			// afterwards is found by looking.
			if woken || !e.Has(fsnotify.Create) {
				continue
			}
		case <-errs: // as when there were too many events to keep
			if woken {
				continue
			}
		}
		woken = true
		if time.Until(until) > gather {
			t.Reset(gather)
		}
	}
}
