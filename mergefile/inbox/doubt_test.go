package inbox_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// A wrong secret does not empty the inbox into quarantine, however often the
// program is started.
func TestNotLostToAWrongSecret(t *testing.T) {
	b := newBox(t, nil)
	right := false
	b.answer = func(inbox.Delivery, string) error {
		if right {
			return nil
		}
		return fmt.Errorf("receiving: %w", mergefile.ErrInvalid)
	}
	for _, name := range times(5) {
		b.put(name, "x")
	}
	sum, err := b.Scan(t.Context())
	assert.ErrorIs(t, err, inbox.ErrUnverified)
	assert.ErrorIs(t, err, inbox.ErrStop)
	assert.Equal(t, inbox.Summary{Quarantined: 2, Left: 3}, sum)
	assert.Equal(t, times(5)[2:], b.here())
	for range 2 {
		again := b.open(nil)
		assert.ErrorIs(t, again.Run(t.Context()), inbox.ErrUnverified)
		assert.Equal(t, times(5)[2:], b.here(), "and it stays so after a restart")
	}

	// With the right keys it goes on, and from then on a file is a file's fault.
	right = true
	again := b.open(nil)
	sum, err = again.Scan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, sum.Done)
	right = false
	for _, name := range times(9) {
		b.put(name, "x")
	}
	for _, in := range []*inbox.Inbox{again, b.open(nil)} {
		_, err = in.Scan(t.Context())
		require.NoError(t, err)
		assert.Empty(t, b.here())
		for _, name := range times(9) {
			b.put(name, "x")
		}
	}

	// Other keys have not verified anything yet.
	other := b.open(func(c *inbox.Config) { c.Keys = "k2" })
	_, err = other.Scan(t.Context())
	assert.ErrorIs(t, err, inbox.ErrUnverified)
	assert.Equal(t, times(9)[2:], b.here())

	// Whoever puts Quarantine aside begins anew.
	require.NoError(t, os.Rename(b.out("quarantine"), filepath.Join(t.TempDir(), "aside")))
	_, err = b.open(func(c *inbox.Config) { c.Keys = "k2" }).Scan(t.Context())
	assert.ErrorIs(t, err, inbox.ErrUnverified)
	assert.Equal(t, times(9)[4:], b.here())
}

// A file that is refused for what it says was verified all the same; what was
// not looked at says nothing of the keys.
func TestVerifiedAndRefused(t *testing.T) {
	for _, verified := range []error{&ledger.ConflictError{Conflicts: 1}, &ledger.TooOldError{Records: 1}} {
		b := newBox(t, nil)
		b.answer = func(d inbox.Delivery, _ string) error {
			if d.Name == "000000.dat" {
				return verified
			}
			return mergefile.ErrInvalid
		}
		for _, name := range times(6) {
			b.put(name, "x")
		}
		assert.Equal(t, inbox.Summary{Quarantined: 6}, b.scan())
	}
	for _, unread := range []error{mergefile.ErrName, inbox.ErrRefused} {
		b := newBox(t, nil)
		answer := unread
		b.answer = func(inbox.Delivery, string) error { return answer }
		for _, name := range times(6) {
			b.put(name, "x")
		}
		assert.Equal(t, inbox.Summary{Quarantined: 6}, b.scan())
		answer = mergefile.ErrInvalid
		for _, name := range times(6) {
			b.put(name, "x")
		}
		_, err := b.Scan(t.Context())
		assert.ErrorIs(t, err, inbox.ErrUnverified)
	}
}

// A record that somebody has damaged, or a directory in its place, stops nothing
// that is valid.
func TestRecordDamaged(t *testing.T) {
	b := newBox(t, nil)
	require.NoError(t, os.WriteFile(filepath.Join(b.out("quarantine"), ".inbox"), []byte("{"), 0o600))
	b.put("1.dat", "x")
	in := b.open(nil)
	sum, err := in.Scan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, sum.Done)

	b = newBox(t, nil)
	require.NoError(t, os.Mkdir(filepath.Join(b.out("quarantine"), ".inbox"), 0o700))
	b.put("1.dat", "x")
	assert.Equal(t, inbox.Summary{Done: 1}, b.scan())
	assert.Len(t, b.told(inbox.Trouble, ""), 1)
}

// A sender that writes in place may be at it when its file is seen.
func TestNotLostWhileWritten(t *testing.T) {
	// written puts a file of an age.
	written := func(b *box, content string, age time.Duration) {
		b.put("1.dat", content)
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(b.path("1.dat"), at, at))
	}
	for _, tc := range []struct {
		name, content string
		age           time.Duration
		waits         time.Duration
	}{
		{"just written", "half of", 0, 10 * second},
		{"a moment ago", "half of", 4 * second, 6 * second},
		{"long ago", "half of", time.Minute, 0},
		{"by a clock that is ahead", "half of", -time.Hour, 10 * second},
		{"empty, just now", "", 0, 10 * second},
		{"empty, long ago", "", time.Hour, 10 * second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t, nil)
				b.answer = func(inbox.Delivery, string) error { return mergefile.ErrInvalid }
				written(b, tc.content, tc.age)
				began := time.Now()
				assert.Equal(t, inbox.Summary{Quarantined: 1}, b.scan())
				assert.Equal(t, tc.waits, time.Since(began))
				early := 0
				if tc.waits > 0 {
					early = 1
				}
				assert.Len(t, b.told(inbox.Early, "1.dat"), early)
			})
		})
	}
	t.Run("and is complete then", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t, func(c *inbox.Config) { c.Poll = time.Hour })
			b.answer = func(_ inbox.Delivery, content string) error {
				if content == "whole" {
					return nil
				}
				return mergefile.ErrInvalid
			}
			written(b, "", 0)
			stop := b.run(b.Inbox)
			defer stop()
			time.Sleep(3 * second)
			written(b, "who", 0)
			time.Sleep(8 * second) // seen at 10, and young again
			written(b, "whole", 0)
			time.Sleep(20 * second)
			synctest.Wait()
			assert.Equal(t, []string{"1.dat"}, b.in("done"))
			assert.Empty(t, b.in("quarantine"))
			assert.NotEmpty(t, b.told(inbox.Early, "1.dat"))
		})
	})
	t.Run("with a longer settle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t, func(c *inbox.Config) { c.Settle = 30 * second })
			b.answer = func(inbox.Delivery, string) error { return mergefile.ErrInvalid }
			written(b, "x", 0)
			began := time.Now()
			assert.Equal(t, inbox.Summary{Quarantined: 1}, b.scan())
			assert.Equal(t, 30*second, time.Since(began))
		})
	})
}

// Directories, and sidecars of what is never taken, stand in no file's way.
func TestNotLostAmongDirectories(t *testing.T) {
	b := newBox(t, nil)
	inbox.SetMost(b.Inbox, 50)
	for _, name := range times(300) {
		require.NoError(t, os.Mkdir(b.path(name), 0o700))
	}
	b.put("9.dat", "x")
	assert.Equal(t, inbox.Summary{Done: 1}, b.scan())
	ignored := 0
	for _, e := range b.events {
		if e.What == inbox.Ignored {
			ignored++
		}
	}
	assert.Equal(t, 100, ignored, "no longer a list than somebody reads")

	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, nil)
		inbox.SetMost(b.Inbox, 50)
		for _, name := range times(100) {
			require.NoError(t, os.Mkdir(b.path(name), 0o700))
			b.put(name+".mac", "x")
			b.put(name+".tmp", "x")
			b.put(name+".tmp.mac", "x")
		}
		b.put("9.dat", "x")
		var done, quarantined int
		for range 3 { // each waits a minute for what the sidecars belong to
			sum := b.scan()
			done += sum.Done
			quarantined += sum.Quarantined
		}
		assert.Equal(t, 1, done)
		assert.Equal(t, 100, quarantined, "the sidecars of directories")
		assert.Len(t, b.here(), 300, "directories, and what is temporary")
	})
}

// More files than are kept in mind, none of which can be received now: the
// others have their turn.
func TestTurns(t *testing.T) {
	b := newBox(t, nil)
	inbox.SetMost(b.Inbox, 2)
	b.answer = func(d inbox.Delivery, _ string) error {
		if d.Name < "000008.dat" {
			return errors.New("no such member")
		}
		return nil
	}
	for _, name := range times(10) {
		b.put(name, "x")
	}
	for range 12 {
		_, err := b.Scan(t.Context())
		require.NoError(t, err)
	}
	assert.Equal(t, times(8), b.here())
}
