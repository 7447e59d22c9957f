package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

func TestScanTakesFilesInOrder(t *testing.T) {
	b := newBox(t, nil)
	for _, name := range []string{"3.dat", "1.dat", "2.dat", ".hidden", "4.TMP", "5.part", "6~"} {
		b.put(name, "content of "+name)
	}
	assert.Equal(t, inbox.Summary{Done: 3}, b.scan())
	assert.Equal(t, []string{"1.dat", "2.dat", "3.dat"}, b.received())
	assert.Equal(t, "content of 2.dat", b.texts["2.dat"])
	assert.Nil(t, b.macs["2.dat"])
	assert.Equal(t, []string{"1.dat", "2.dat", "3.dat"}, b.in("done"))
	assert.Empty(t, b.in("quarantine"))
	assert.Equal(t, []string{".hidden", "4.TMP", "5.part", "6~"}, b.here())
	assert.Equal(t, inbox.Summary{}, b.scan())
}

// Whatever the receiver's reason is, the file goes one way.
func TestVerdicts(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("receiving: %w", err) }
	away := errors.New("connection refused")
	for _, tc := range []struct {
		name string
		err  error
		want inbox.Summary
	}{
		{"merged", nil, inbox.Summary{Done: 1}},
		{"invalid", mergefile.ErrInvalid, inbox.Summary{Quarantined: 1}},
		{"invalid, wrapped", wrap(mergefile.ErrInvalid), inbox.Summary{Quarantined: 1}},
		{"name without an IV", mergefile.ErrName, inbox.Summary{Quarantined: 1}},
		{"conflict", wrap(&ledger.ConflictError{Conflicts: 1}), inbox.Summary{Quarantined: 1}},
		{"too old", wrap(&ledger.TooOldError{Records: 1}), inbox.Summary{Quarantined: 1}},
		{"refused", wrap(inbox.ErrRefused), inbox.Summary{Quarantined: 1}},
		{"busy", wrap(ledger.ErrBusy), inbox.Summary{Left: 1}},
		{"outcome unknown", wrap(ledger.ErrOutcomeUnknown), inbox.Summary{Left: 1}},
		{"apply", &ledger.ApplyError{Err: away}, inbox.Summary{Left: 1}},
		{"key", mergefile.ErrKey, inbox.Summary{Left: 1}},
		{"anything else", away, inbox.Summary{Left: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBox(t, nil)
			b.answer = func(inbox.Delivery, string) error { return tc.err }
			b.put("1.dat", "x")
			assert.Equal(t, tc.want, b.scan())
			assert.Len(t, b.in("done"), tc.want.Done)
			assert.Len(t, b.in("quarantine"), tc.want.Quarantined)
			assert.Len(t, b.here(), tc.want.Left)
			require.Len(t, b.events, 1)
			assert.Equal(t, tc.err, b.events[0].Err)
			assert.Equal(t, "1.dat", b.events[0].Name)
			if tc.want.Left == 0 {
				_, err := os.Stat(b.events[0].Target)
				assert.NoError(t, err)
			}
		})
	}
}

// A receiver that must not go on ends everything, and the files stay.
func TestStop(t *testing.T) {
	for _, reason := range []error{inbox.ErrStop, ledger.ErrStopped} {
		b := newBox(t, nil)
		b.answer = func(d inbox.Delivery, _ string) error {
			if d.Name == "2.dat" {
				return fmt.Errorf("the disk: %w", reason)
			}
			return nil
		}
		for _, name := range []string{"1.dat", "2.dat", "3.dat"} {
			b.put(name, "x")
		}
		err := b.Run(t.Context())
		assert.ErrorIs(t, err, inbox.ErrStop)
		assert.ErrorIs(t, err, reason)
		assert.Equal(t, []string{"1.dat", "2.dat"}, b.received())
		assert.Equal(t, []string{"2.dat", "3.dat"}, b.here())

		sum, err := b.Scan(t.Context())
		assert.ErrorIs(t, err, inbox.ErrStop)
		assert.Equal(t, inbox.Summary{Left: 2}, sum)
	}
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := newBox(t, nil)
	b.answer = func(d inbox.Delivery, _ string) error {
		if d.Name == "2.dat" {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	for _, name := range []string{"1.dat", "2.dat", "3.dat"} {
		b.put(name, "x")
	}
	sum, err := b.Scan(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, inbox.Summary{Done: 1, Left: 2}, sum)
	assert.Equal(t, []string{"2.dat", "3.dat"}, b.here())
	assert.NoError(t, b.Run(ctx))

	// What has been committed is moved all the same.
	ctx, cancel = context.WithCancel(t.Context())
	b.answer = func(inbox.Delivery, string) error { cancel(); return nil }
	assert.NoError(t, b.Run(ctx))
	assert.Equal(t, []string{"3.dat"}, b.here())
}

func TestOneAtATime(t *testing.T) {
	b := newBox(t, nil)
	var during error
	b.answer = func(inbox.Delivery, string) error {
		_, during = b.Scan(t.Context())
		return nil
	}
	b.put("1.dat", "x")
	b.scan()
	assert.ErrorIs(t, during, inbox.ErrRunning)
	b.put("2.dat", "x")
	b.answer = func(inbox.Delivery, string) error { during = b.Run(t.Context()); return inbox.ErrStop }
	_, err := b.Scan(t.Context())
	assert.ErrorIs(t, err, inbox.ErrStop)
	assert.ErrorIs(t, during, inbox.ErrRunning)
}

// A file under its final name is taken when it has been at rest for as long as
// Settle says, and not a moment before.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, func(c *inbox.Config) { c.Settle, c.Poll = 30*second, 7*second })
		defer b.run(b.Inbox)()
		synctest.Wait()
		b.put("1.dat", "a")
		time.Sleep(27 * second) // seen at 7
		b.put("1.dat", "ab")
		time.Sleep(30*second + second/2) // seen at 28: due at 58
		synctest.Wait()
		assert.Empty(t, b.received())
		time.Sleep(second)
		synctest.Wait()
		assert.Equal(t, []string{"1.dat"}, b.received())
		assert.Equal(t, "ab", b.texts["1.dat"])
		assert.Equal(t, []string{"1.dat"}, b.in("done"))
	})
}

// Only the modification time tells of a file that was written over.
func TestSettleByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, func(c *inbox.Config) { c.Settle, c.Poll = 10*second, 10*second })
		b.put("1.dat", "a")
		defer b.run(b.Inbox)()
		time.Sleep(9 * second)
		at := time.Now().Add(time.Hour)
		require.NoError(t, os.Chtimes(b.path("1.dat"), at, at))
		time.Sleep(9 * second)
		synctest.Wait()
		assert.Empty(t, b.received())
		time.Sleep(3 * second)
		synctest.Wait()
		assert.Equal(t, []string{"1.dat"}, b.received())
	})
}

// A single scan waits until files have come to rest.
func TestScanSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, func(c *inbox.Config) { c.Settle = 30 * second })
		b.put("1.dat", "a")
		began := time.Now()
		assert.Equal(t, inbox.Summary{Done: 1}, b.scan())
		assert.Equal(t, 30*second, time.Since(began))
		began = time.Now()
		assert.Equal(t, inbox.Summary{}, b.scan())
		assert.Zero(t, time.Since(began))
	})
}

func TestSidecar(t *testing.T) {
	t.Run("travels", func(t *testing.T) {
		b := newBox(t, nil)
		b.put("1.dat", "one")
		b.put("1.dat.mac", "its mac")
		b.put("2.dat", "two")
		b.answer = func(d inbox.Delivery, _ string) error {
			if d.Name == "2.dat" {
				return mergefile.ErrInvalid
			}
			return nil
		}
		b.put("2.dat.mac", "another")
		assert.Equal(t, inbox.Summary{Done: 1, Quarantined: 1}, b.scan())
		assert.Equal(t, []string{"1.dat", "2.dat"}, b.received())
		assert.Equal(t, "its mac", string(b.macs["1.dat"]))
		assert.Equal(t, []string{"1.dat", "1.dat.mac"}, b.in("done"))
		assert.Equal(t, []string{"2.dat", "2.dat.mac"}, b.in("quarantine"))
		assert.Empty(t, b.here())
		// The pair stays a pair.
		for _, e := range b.events {
			_, err := os.Stat(e.Target + ".mac")
			assert.NoError(t, err)
		}
	})
	t.Run("is waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t, func(c *inbox.Config) { c.Sidecar, c.Poll = true, second })
			defer b.run(b.Inbox)()
			b.rename("1.dat", "one")
			time.Sleep(50 * second)
			assert.Empty(t, b.received())
			b.rename("1.dat.mac", "its mac")
			time.Sleep(2 * second)
			synctest.Wait()
			assert.Equal(t, "its mac", string(b.macs["1.dat"]))
			assert.Equal(t, []string{"1.dat", "1.dat.mac"}, b.in("done"))
		})
	})
	t.Run("does not come", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t, func(c *inbox.Config) { c.Sidecar, c.SidecarWait = true, 20*second })
			b.answer = func(inbox.Delivery, string) error { return mergefile.ErrInvalid }
			b.put("1.dat", "one")
			b.put("2.dat.mac", "lone")
			began := time.Now()
			assert.Equal(t, inbox.Summary{Quarantined: 2}, b.scan())
			assert.Equal(t, 20*second, time.Since(began))
			assert.Nil(t, b.macs["1.dat"])
			assert.Equal(t, []string{"1.dat", "2.dat.mac"}, b.in("quarantine"))
			assert.Equal(t, []error{inbox.ErrLone}, b.told(inbox.Quarantined, "2.dat.mac"))
		})
	})
	t.Run("comes first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t, func(c *inbox.Config) { c.Sidecar, c.Poll = true, second })
			defer b.run(b.Inbox)()
			b.rename("1.dat.mac", "its mac")
			time.Sleep(30 * second)
			b.rename("1.dat", "one")
			time.Sleep(2 * second)
			synctest.Wait()
			assert.Equal(t, []string{"1.dat", "1.dat.mac"}, b.in("done"))
		})
	})
	t.Run("too large", func(t *testing.T) {
		b := newBox(t, nil)
		b.put("1.dat", "one")
		require.NoError(t, os.WriteFile(b.path("1.dat.mac"), make([]byte, 5000), 0o600))
		b.scan()
		assert.NotNil(t, b.macs["1.dat"])
		assert.Empty(t, b.macs["1.dat"])
		assert.Equal(t, []string{"1.dat", "1.dat.mac"}, b.in("done"))
	})
	t.Run("a directory", func(t *testing.T) {
		b := newBox(t, nil)
		b.put("1.dat", "one")
		require.NoError(t, os.Mkdir(b.path("1.dat.mac"), 0o700))
		b.scan()
		assert.Empty(t, b.macs["1.dat"])
		assert.Equal(t, []string{"1.dat"}, b.in("done"))
		assert.Equal(t, []string{"1.dat.mac"}, b.here())
	})
}

// A file that cannot be received now is tried again, less and less often.
func TestTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, func(c *inbox.Config) { c.Poll = time.Hour })
		began := time.Now()
		var at []time.Duration
		b.answer = func(inbox.Delivery, string) error {
			at = append(at, time.Since(began)/second)
			if len(at) == 11 {
				return nil
			}
			return ledger.ErrBusy
		}
		b.put("1.dat", "x")
		defer b.run(b.Inbox)()
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, []time.Duration{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811}, at)
		assert.Equal(t, []string{"1.dat"}, b.in("done"))
	})
}

// One file that cannot be received does not stand in the way of others.
func TestOthersGoOn(t *testing.T) {
	b := newBox(t, nil)
	b.answer = func(d inbox.Delivery, _ string) error {
		if d.Name == "2.dat" || d.Name == "3.dat" {
			return &ledger.ApplyError{Err: errors.New("no such member")}
		}
		return nil
	}
	for i := range 6 {
		b.put(fmt.Sprintf("%d.dat", i), "x")
	}
	assert.Equal(t, inbox.Summary{Done: 4, Left: 2}, b.scan())
	assert.Equal(t, []string{"2.dat", "3.dat"}, b.here())
}

// With the database gone, few files find out, and all go through once it is
// back.
func TestDatabaseAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, func(c *inbox.Config) { c.Poll = time.Hour })
		var away atomic.Bool
		away.Store(true)
		b.answer = func(inbox.Delivery, string) error {
			if away.Load() {
				return errors.New("connection refused")
			}
			return nil
		}
		for _, name := range times(500) {
			b.put(name, "x")
		}
		defer b.run(b.Inbox)()
		synctest.Wait()
		assert.Len(t, b.received(), 3)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.LessOrEqual(t, len(b.received()), 8)
		away.Store(false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		assert.Len(t, b.in("done"), 500)
		assert.Empty(t, b.here())
	})
}

// A move that fails is tried again, without receiving again; a program that is
// started anew has forgotten, and receives again.
func TestMoveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, nil)
		b.put("1.dat", "x")
		require.NoError(t, os.Remove(b.out("done")))
		require.NoError(t, os.WriteFile(b.out("done"), []byte("a file where the directory was"), 0o600))
		stop := b.run(b.Inbox)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{"1.dat"}, b.received())
		assert.Greater(t, len(b.told(inbox.Left, "1.dat")), 3)
		stop()

		again := b.open(func(c *inbox.Config) { c.Done = b.out("elsewhere") })
		sum, err := again.Scan(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, sum.Done)
		assert.Equal(t, []string{"1.dat", "1.dat"}, b.received())
		assert.Equal(t, []string{"1.dat"}, b.in("elsewhere"))
	})
}

// The operator may put a full Done aside at any time.
func TestDoneIsPutAside(t *testing.T) {
	b := newBox(t, nil)
	b.put("1.dat", "x")
	b.scan()
	require.NoError(t, os.Rename(b.out("done"), filepath.Join(t.TempDir(), "november")))
	b.put("1.dat", "x")
	b.scan()
	assert.Equal(t, []string{"1.dat"}, b.in("done"))
}

// The same name again and again overwrites nothing.
func TestNamesCollide(t *testing.T) {
	b := newBox(t, nil)
	invalid := false
	b.answer = func(inbox.Delivery, string) error {
		if invalid {
			return mergefile.ErrInvalid
		}
		return nil
	}
	for i := range 20 {
		b.put("same.dat", fmt.Sprint(i))
		invalid = i%2 == 1
		b.scan()
	}
	assert.Len(t, b.in("done"), 10)
	assert.Len(t, b.in("quarantine"), 10)
	contents := map[string]bool{}
	for _, sub := range []string{"done", "quarantine"} {
		list, err := os.ReadDir(b.out(sub))
		require.NoError(t, err)
		for _, d := range list {
			if d.Name() == ".inbox" {
				continue
			}
			data, err := os.ReadFile(filepath.Join(b.out(sub), d.Name()))
			require.NoError(t, err)
			contents[string(data)] = true
		}
	}
	assert.Len(t, contents, 20)
}

// Four inboxes on one directory: every file is received, each is moved once.
func TestManyInboxes(t *testing.T) {
	b := newBox(t, nil)
	names := times(200)
	var wg sync.WaitGroup
	for range 4 {
		in := b.open(nil)
		wg.Go(func() {
			for round := 0; round < 100; round++ {
				sum, err := in.Scan(t.Context())
				assert.NoError(t, err)
				assert.Zero(t, sum.Quarantined)
			}
		})
	}
	for _, name := range names {
		b.rename(name, "content of "+name)
	}
	wg.Wait()
	b.scan()
	assert.Empty(t, b.here())
	assert.Equal(t, names, b.in("done"))
	for _, name := range names {
		assert.Equal(t, "content of "+name, b.texts[name])
	}
}

// The system's notification brings a file long before the poll would.
func TestNotification(t *testing.T) {
	b := newBox(t, func(c *inbox.Config) { c.PollOnly, c.Poll = false, 24*time.Hour })
	b.rename("0.dat", "before")
	defer b.run(b.Inbox)()
	b.await(inbox.Done, "0.dat")
	for _, name := range times(50) {
		b.rename(name, "x")
		if name == "000010.dat" {
			b.await(inbox.Done, name)
		}
	}
	b.await(inbox.Done, "000049.dat")
	assert.Empty(t, b.told(inbox.Trouble, ""))
}

// A directory that is away for a time, as a network drive may be.
func TestDirectoryAway(t *testing.T) {
	for _, pollOnly := range []bool{true, false} {
		t.Run(fmt.Sprintf("poll only %v", pollOnly), func(t *testing.T) {
			top := t.TempDir()
			b := newBox(t, nil)
			b.dir = filepath.Join(top, "drive")
			require.NoError(t, os.Mkdir(b.dir, 0o700))
			in := b.open(func(c *inbox.Config) { c.PollOnly, c.Poll = pollOnly, 10*time.Millisecond })
			defer b.run(in)()
			b.rename("1.dat", "x")
			b.await(inbox.Done, "1.dat")
			require.NoError(t, os.Rename(b.dir, b.dir+".away"))
			assert.ErrorIs(t, b.await(inbox.Trouble, "").Err, os.ErrNotExist)
			require.NoError(t, os.Mkdir(b.dir, 0o700))
			b.rename("2.dat", "x")
			b.await(inbox.Done, "2.dat")
			assert.Equal(t, []string{"1.dat", "2.dat"}, b.in("done"))
		})
	}
	b := newBox(t, nil)
	require.NoError(t, os.RemoveAll(b.dir))
	_, err := b.Scan(t.Context())
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestOpen(t *testing.T) {
	receive := func(context.Context, inbox.Delivery) error { return nil }
	dir, out := t.TempDir(), t.TempDir()
	file := filepath.Join(out, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, cfg := range map[string]inbox.Config{
		"no receiver":      {Dir: dir},
		"no directory":     {Receive: receive},
		"not there":        {Receive: receive, Dir: filepath.Join(dir, "nowhere")},
		"a file":           {Receive: receive, Dir: file},
		"done is a file":   {Receive: receive, Dir: dir, Done: file},
		"one for both":     {Receive: receive, Dir: dir, Done: filepath.Join(out, "x"), Quarantine: filepath.Join(out, "x")},
		"done is itself":   {Receive: receive, Dir: dir, Done: dir},
		"done is inside":   {Receive: receive, Dir: dir, Done: filepath.Join(dir, "done")},
		"one in the other": {Receive: receive, Dir: dir, Done: filepath.Join(out, "x"), Quarantine: filepath.Join(out, "x", "y")},
		"negative settle":  {Receive: receive, Dir: dir, Settle: -1},
		"negative poll":    {Receive: receive, Dir: dir, Poll: -1},
		"negative size":    {Receive: receive, Dir: dir, MaxSize: -1},
		"all is temporary": {Receive: receive, Dir: dir, Temporary: []string{".tmp", ""}},
	} {
		_, err := inbox.Open(cfg)
		assert.Error(t, err, name)
	}
	// The probe leaves nothing.
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, d := range list {
		assert.NotContains(t, d.Name(), ".inbox-")
	}
	// A relative path stays where it was.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	t.Chdir(dir)
	in, err := inbox.Open(inbox.Config{Dir: ".", Done: filepath.Join(out, "done"), Receive: receive})
	require.NoError(t, err)
	defer func() { assert.NoError(t, in.Close()) }()
	t.Chdir(t.TempDir())
	sum, err := in.Scan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, inbox.Summary{Done: 1}, sum)
}

func TestTemporarySuffixes(t *testing.T) {
	b := newBox(t, func(c *inbox.Config) { c.Temporary = []string{".WRITING"} })
	b.put("1.dat.Writing", "x")
	b.put("2.tmp", "x")
	b.scan()
	assert.Equal(t, []string{"2.tmp"}, b.received())
}
