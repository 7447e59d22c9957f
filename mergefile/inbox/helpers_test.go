package inbox_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/mergefile/inbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// box is an inbox under test, with a receiver that remembers what it was given
// and answers as it is told.
type box struct {
	t   *testing.T
	dir string
	*inbox.Inbox

	// answer gives Receive's error; nil takes everything.
	answer func(d inbox.Delivery, content string) error

	mu     sync.Mutex
	got    []string // names, in order
	texts  map[string]string
	macs   map[string][]byte
	events []inbox.Event
	heard  chan inbox.Event // everything that Audit hears
}

// newBox makes an inbox that polls alone, unless change says otherwise.
func newBox(t *testing.T, change func(*inbox.Config)) *box {
	t.Helper()
	b := &box{t: t, dir: filepath.Join(t.TempDir(), "in"), texts: map[string]string{}, macs: map[string][]byte{}, heard: make(chan inbox.Event, 1<<15)}
	require.NoError(t, os.Mkdir(b.dir, 0o700))
	b.Inbox = b.open(change)
	return b
}

// open opens another inbox on the same directory.
func (b *box) open(change func(*inbox.Config)) *inbox.Inbox {
	b.t.Helper()
	cfg := inbox.Config{Dir: b.dir, PollOnly: true, Receive: b.receive, Audit: b.audit}
	if change != nil {
		change(&cfg)
	}
	in, err := inbox.Open(cfg)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { assert.NoError(b.t, in.Close()) })
	return in
}

func (b *box) receive(ctx context.Context, d inbox.Delivery) error {
	content, err := io.ReadAll(d.Content)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.got = append(b.got, d.Name)
	b.texts[d.Name] = string(content)
	b.macs[d.Name] = d.Sidecar
	b.mu.Unlock()
	if b.answer != nil {
		return b.answer(d, string(content))
	}
	return nil
}

func (b *box) audit(e inbox.Event) {
	b.mu.Lock()
	b.events = append(b.events, e)
	b.mu.Unlock()
	b.heard <- e
}

// received gives the names so far.
func (b *box) received() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

// await waits for an event of a kind about a file. It fails when the test's
// time is up, and not before.
func (b *box) await(what inbox.What, name string) inbox.Event {
	b.t.Helper()
	for {
		select {
		case e := <-b.heard:
			if e.What == what && e.Name == name {
				return e
			}
		case <-b.t.Context().Done():
			b.t.Fatalf("no event %q about %q", what, name)
		}
	}
}

// told gives the reasons of the events of a kind about a file.
func (b *box) told(what inbox.What, name string) (reasons []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.What == what && e.Name == name {
			reasons = append(reasons, e.Err)
		}
	}
	return reasons
}

func (b *box) path(name string) string { return filepath.Join(b.dir, name) }

// out gives the path of the directory "done" or "quarantine".
func (b *box) out(sub string) string { return b.dir + "-" + sub }

// put writes a file that is a minute old.
func (b *box) put(name, content string) {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(b.path(name), []byte(content), 0o600))
	at := time.Now().Add(-time.Minute)
	require.NoError(b.t, os.Chtimes(b.path(name), at, at))
}

// rename puts a file as it should be.
func (b *box) rename(name, content string) {
	b.t.Helper()
	b.put(name+".tmp", content)
	require.NoError(b.t, os.Rename(b.path(name+".tmp"), b.path(name)))
}

func (b *box) scan() inbox.Summary {
	b.t.Helper()
	sum, err := b.Scan(b.t.Context())
	require.NoError(b.t, err)
	return sum
}

// in gives what is in a directory, without the time and the chance in front of
// each name.
func (b *box) in(sub string) []string {
	b.t.Helper()
	list, err := os.ReadDir(b.out(sub))
	require.NoError(b.t, err)
	names := []string{}
	for _, d := range list {
		if d.Name() == ".inbox" {
			continue
		}
		parts := strings.SplitN(d.Name(), "-", 3)
		require.Len(b.t, parts, 3, d.Name())
		assert.Regexp(b.t, `^\d{8}T\d{6}Z$`, parts[0])
		assert.Regexp(b.t, `^[0-9a-f]{16}$`, parts[1])
		names = append(names, parts[2])
	}
	slices.Sort(names)
	return names
}

// here gives what is in the inbox itself.
func (b *box) here() []string {
	b.t.Helper()
	list, err := os.ReadDir(b.dir)
	require.NoError(b.t, err)
	names := []string{}
	for _, d := range list {
		names = append(names, d.Name())
	}
	return names
}

// run starts Run and gives what stops it and checks that it ended well.
func (b *box) run(in *inbox.Inbox) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		assert.NoError(b.t, <-done)
	})
}

// times gives n names.
func times(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%06d.dat", i))
	}
	return names
}

const second = time.Second
