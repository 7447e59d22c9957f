package inbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mynakit/mynakit/mergefile"
)

// The values of a [Config] where nothing else is said.
const (
	DefaultPoll        = 10 * time.Second
	DefaultSidecarWait = time.Minute
)

// defaultTemporary are the suffixes under which programs write what is not yet
// complete.
func defaultTemporary() []string {
	return []string{".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", "~"}
}

// Config describes an inbox. Dir and one of Receive and ReceiveAll are needed.
type Config struct {
	// Dir is the directory that files come to. Directories in it are not
	// looked into.
	Dir string
	// Done and Quarantine are the directories that files are moved to. If empty
	// they lie beside Dir and have its name with "-done" and "-quarantine"
	// behind it. They are created if missing. They must be on Dir's file
	// system, because a move is a single step, and outside Dir, where its
	// sender could replace them.
	Done, Quarantine string

	// Receive merges a file. It must have committed when it returns nil. What
	// its error wraps decides about the file:
	//
	//   - [mergefile.ErrInvalid], [mergefile.ErrName], a
	//     *ledger.ConflictError, a *ledger.TooOldError or
	//     [ErrRefused]: quarantine
	//   - ledger.ErrStopped or [ErrStop]: the file stays, and the inbox
	//     ends
	//   - any other error, such as a database that is busy or away or an outcome
	//     that is unknown: the file stays and is tried again later
	//
	// The context is the one given to Run or Scan. Receive is not called by
	// two goroutines at once. ledger.Receiver.Receive fits:
	//
	//	func(ctx context.Context, d inbox.Delivery) error {
	//		_, err := receiver.Receive(ctx, d.Content, d.Name, d.Sidecar)
	//		return err
	//	}
	Receive func(ctx context.Context, d Delivery) error

	// ReceiveAll is Receive for the files that wait together, at most 64, in the
	// order of their names. It returns what Receive returns for each, at the
	// file's place, and must have committed the files for which that is nil. A
	// file never waits for others to come. ledger.Receiver.ReceiveAll fits, and
	// takes many times as many files a second as Receive.
	ReceiveAll func(ctx context.Context, ds []Delivery) []error

	// Settle is how long a file must be unchanged, in size and modification
	// time, to be complete. Zero is for senders that rename into Dir: every
	// file is then complete when it appears.
	Settle time.Duration
	// Temporary are the suffixes, in any case, of names that are not looked
	// at. Nil means .tmp .temp .part .partial .filepart .crdownload and ~.
	Temporary []string
	// Sidecar makes a file wait for its sidecar (see
	// [mergefile.IntegritySidecar]). A sidecar that is there travels with its
	// file in any case.
	Sidecar bool
	// SidecarWait is how long a file waits for its sidecar, and a sidecar for
	// its file; then it goes on alone. Zero means DefaultSidecarWait.
	SidecarWait time.Duration

	// Poll is the longest time between two looks into Dir. The system's own
	// notification usually brings a file sooner, but network drives have none.
	// Zero means DefaultPoll.
	Poll time.Duration
	// PollOnly does without the notification.
	PollOnly bool

	// Keys names the keys that Receive reads files with, such as their IDs. It
	// is not secret. The inbox writes it down when a file has been verified.
	// While no file has been verified under these Keys, the third file that
	// was not ends the inbox with [ErrUnverified].
	Keys string

	// MaxSize is the size in bytes above which a file is refused without
	// having been opened. Zero means [mergefile.DefaultMaxSize].
	MaxSize int64

	// Audit is told what becomes of each file, and why; nil tells nobody. It
	// is called between files, so it should be quick, and must not call the
	// inbox.
	Audit func(Event)
}

// Delivery is a complete file.
type Delivery struct {
	// Name is the file's name: printable, without directories, up to 200
	// bytes. It is the sender's choice and means nothing.
	Name string
	// Content is the file, as long as it was when it was opened. It is good
	// until Receive returns.
	Content *io.SectionReader
	// Sidecar is the content of the file's sidecar; nil if there is none.
	Sidecar []byte
}

// An Inbox watches a directory. It is not for concurrent use.
type Inbox struct {
	cfg              Config
	done, quarantine *folder
	most             int // maxSeen
	seen             map[string]*entry
	ignored          map[string]bool // directories that Audit has been told of
	after            string          // names up to this one have had their turn
	failed           int             // tries in a row that Receive has put off
	verified         bool            // a file was, under these Keys
	running          atomic.Bool
}

// Open checks the configuration and opens Done and Quarantine, which stay open
// until [Inbox.Close]. It creates them if they are missing, and moves an empty
// hidden file there to see whether moving is possible. The errors say what is
// wrong with the configuration, or wrap the operating system's.
func Open(cfg Config) (*Inbox, error) {
	if (cfg.Receive == nil) == (cfg.ReceiveAll == nil) {
		return nil, errors.New("inbox: one of Receive and ReceiveAll is needed")
	}
	if cfg.Dir == "" {
		return nil, errors.New("inbox: no Dir")
	}
	if cfg.Settle < 0 || cfg.Poll < 0 || cfg.SidecarWait < 0 || cfg.MaxSize < 0 {
		return nil, errors.New("inbox: a negative time or size")
	}
	for _, suffix := range cfg.Temporary {
		if suffix == "" {
			return nil, errors.New("inbox: an empty temporary suffix would hide every file")
		}
	}
	// Paths are fixed now: the program may change its working directory.
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	cfg.Dir = dir
	for _, to := range []struct {
		path *string
		name string
	}{{&cfg.Done, "-done"}, {&cfg.Quarantine, "-quarantine"}} {
		if *to.path == "" {
			*to.path = dir + to.name
		} else if *to.path, err = filepath.Abs(*to.path); err != nil {
			return nil, fmt.Errorf("inbox: %w", err)
		}
	}
	if cfg.Poll == 0 {
		cfg.Poll = DefaultPoll
	}
	if cfg.SidecarWait == 0 {
		cfg.SidecarWait = DefaultSidecarWait
	}
	if cfg.MaxSize == 0 {
		cfg.MaxSize = mergefile.DefaultMaxSize
	}
	if cfg.Temporary == nil {
		cfg.Temporary = defaultTemporary()
	}
	lower := make([]string, len(cfg.Temporary))
	for i, suffix := range cfg.Temporary {
		lower[i] = strings.ToLower(suffix)
	}
	cfg.Temporary = lower
	b := &Inbox{cfg: cfg, most: maxSeen, seen: make(map[string]*entry), ignored: make(map[string]bool)}
	if err := b.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("inbox: %w", err), b.Close())
	}
	return b, nil
}

// prepare opens the directories and tries a move to each.
func (b *Inbox) prepare() error {
	home, err := openFolder(b.cfg.Dir, true)
	if err != nil {
		return err
	}
	defer home.Close()
	for _, to := range []struct {
		path string
		open **folder
	}{{b.cfg.Done, &b.done}, {b.cfg.Quarantine, &b.quarantine}} {
		if inside, err := home.around(to.path); err != nil {
			return err
		} else if inside {
			return fmt.Errorf("%s lies in %s, where its sender could replace it: name a directory outside", to.path, b.cfg.Dir)
		}
		f, err := makeFolder(to.path)
		if err != nil {
			return err
		}
		*to.open = f
		probe := ".inbox-" + rand.Text()
		if err := home.WriteFile(probe, nil, 0o600); err != nil {
			return err
		}
		if err := rename(home, probe, f, probe); err != nil {
			return errors.Join(fmt.Errorf("files must be movable from %s to %s: name a directory on the same file system: %w", b.cfg.Dir, to.path, err), home.Remove(probe))
		}
		if err := f.Remove(probe); err != nil {
			return err
		}
	}
	if same, err := b.done.around(b.cfg.Quarantine); err != nil || same {
		return errors.Join(fmt.Errorf("%s lies in %s: Done and Quarantine must be separate directories", b.cfg.Quarantine, b.cfg.Done), err)
	}
	if same, err := b.quarantine.around(b.cfg.Done); err != nil || same {
		return errors.Join(fmt.Errorf("%s lies in %s: Done and Quarantine must be separate directories", b.cfg.Done, b.cfg.Quarantine), err)
	}
	b.verified, err = b.everVerified()
	return err
}

// Close closes Done and Quarantine. The Inbox must not be at work, and cannot be
// used afterwards.
func (b *Inbox) Close() error {
	var errs []error
	for _, f := range []*folder{b.done, b.quarantine} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Quarantine returns the path of the directory that refused files are moved to.
func (b *Inbox) Quarantine() string { return b.cfg.Quarantine }

// ErrRunning is returned by Run and Scan while either is at work on the same
// Inbox.
var ErrRunning = errors.New("inbox: already at work")

// Run receives files as they come, until ctx ends; it then returns nil. A file
// in hand is left to Receive, which has the same ctx and so decides whether to
// finish or to roll back; what it has committed is still moved.
//
// A directory that cannot be read, as when a network drive is away, is told to
// Audit and tried again. The errors are [ErrRunning] and one that wraps
// [ErrStop] and what Receive said. Run leaves no goroutine behind.
func (b *Inbox) Run(ctx context.Context) error {
	if !b.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer b.running.Store(false)
	w := watch{dir: b.cfg.Dir}
	defer w.close()
	for ctx.Err() == nil {
		if !b.cfg.PollOnly {
			// Before the look into the directory, so that no file falls
			// between the two.
			if err := w.open(); err != nil {
				b.tell(Event{What: Trouble, Err: fmt.Errorf("inbox: no notification, polling alone: %w", err)})
			}
		}
		next := time.Now().Add(b.cfg.Poll)
		p, err := b.pass(ctx)
		switch {
		case errors.Is(err, ErrStop):
			return err
		case ctx.Err() != nil:
			return nil
		case err != nil:
			b.tell(Event{What: Trouble, Err: err})
		case !p.due.IsZero() && p.due.Before(next):
			next = p.due
		}
		w.wait(ctx, next)
	}
	return nil
}

// Summary counts what a [Inbox.Scan] did and what it left.
type Summary struct {
	Done        int // received and moved to Done
	Quarantined int // refused and moved to Quarantine
	Left        int // still there: Receive or the move failed in a way that passes
	Waiting     int // still there: not complete, or changed while it was read
}

// Scan receives what is in the directory and returns, for a program that is
// started from time to time. With Settle or Sidecar it waits, for as long as
// they say, for files to come to rest. Files whose receiving failed are not
// tried again: that is the next Scan's.
//
// The errors are [ErrRunning], the context's, one that wraps [ErrStop], and the
// operating system's when the directory cannot be read. The summary is true
// with an error, too.
func (b *Inbox) Scan(ctx context.Context) (Summary, error) {
	var sum Summary
	if !b.running.CompareAndSwap(false, true) {
		return sum, ErrRunning
	}
	defer b.running.Store(false)
	// Whoever calls again wants what was put off to be tried again.
	for _, e := range b.seen {
		e.due, e.tries = time.Time{}, 0
	}
	b.failed = 0
	end := time.Now().Add(max(b.cfg.Settle, b.cfg.SidecarWait))
	for {
		p, err := b.pass(ctx)
		sum.Done += p.done
		sum.Quarantined += p.quarantined
		sum.Left, sum.Waiting = p.left, p.waiting
		if err != nil {
			return sum, err
		}
		switch {
		case p.more && p.done+p.quarantined > 0:
		case p.rest.IsZero() || p.rest.After(end):
			return sum, nil
		default:
			sleep(ctx, time.Until(p.rest))
		}
	}
}

// sleep returns when d has passed or ctx has ended.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (b *Inbox) tell(e Event) {
	if b.cfg.Audit != nil {
		b.cfg.Audit(e)
	}
}
