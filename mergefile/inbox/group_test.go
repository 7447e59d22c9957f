package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// newGroupBox makes an inbox that receives what waits together, and tells the
// sizes of the groups.
func newGroupBox(t *testing.T, change func(*inbox.Config)) (*box, *[]int) {
	b := newBox(t, nil)
	var sizes []int
	b.Inbox = b.open(func(c *inbox.Config) {
		c.Receive = nil
		c.ReceiveAll = func(ctx context.Context, ds []inbox.Delivery) (errs []error) {
			sizes = append(sizes, len(ds))
			for _, d := range ds {
				errs = append(errs, b.receive(ctx, d))
			}
			return errs
		}
		if change != nil {
			change(c)
		}
	})
	return b, &sizes
}

func TestGroups(t *testing.T) {
	b, sizes := newGroupBox(t, nil)
	for _, name := range times(150) {
		b.put(name, "content of "+name)
	}
	require.NoError(t, os.Mkdir(b.path("000010.dat.mac"), 0o700))
	b.put("000011.dat.mac", "its mac")
	b.put("a:b", "never opened")
	b.answer = func(d inbox.Delivery, _ string) error {
		switch d.Name {
		case "000000.dat", "000077.dat":
			return mergefile.ErrInvalid
		case "000003.dat":
			return &ledger.ApplyError{Err: errors.New("no such member")}
		case "000005.dat":
			if b.texts["000005.dat"] != "written over" {
				require.NoError(t, os.WriteFile(b.path("000005.dat"), []byte("written over"), 0o600))
			}
		}
		return nil
	}
	sum, err := b.Scan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 147, sum.Done)
	assert.Equal(t, 3, sum.Quarantined)
	assert.Equal(t, 1, sum.Left)
	assert.Equal(t, []int{64, 64, 22, 2}, *sizes, "and those that changed or failed, once more")
	assert.Equal(t, "written over", b.texts["000005.dat"])
	assert.Equal(t, []byte("its mac"), b.macs["000011.dat"])
	assert.Equal(t, []string{"000003.dat", "000010.dat.mac"}, b.here())
	assert.Equal(t, times(150), slices.Compact(slices.Sorted(slices.Values(b.received()))))
	var told []string
	for _, e := range b.events {
		if e.What == inbox.Done {
			told = append(told, e.Name)
		}
	}
	assert.True(t, slices.IsSorted(told[:60]), "events come in the order of the names")
}

// Wrong keys are told from wrong files by what comes in the same group.
func TestGroupOfUnverified(t *testing.T) {
	b, _ := newGroupBox(t, nil)
	b.answer = func(d inbox.Delivery, _ string) error {
		if d.Name == "000006.dat" {
			return nil
		}
		return mergefile.ErrInvalid
	}
	for _, name := range times(7) {
		b.put(name, "x")
	}
	assert.Equal(t, inbox.Summary{Done: 1, Quarantined: 6}, b.scan())

	b, _ = newGroupBox(t, nil)
	b.answer = func(inbox.Delivery, string) error { return mergefile.ErrInvalid }
	for _, name := range times(7) {
		b.put(name, "x")
	}
	sum, err := b.Scan(t.Context())
	assert.ErrorIs(t, err, inbox.ErrUnverified)
	assert.Equal(t, inbox.Summary{Quarantined: 2, Left: 5}, sum)
	assert.Equal(t, times(7)[2:], b.here())
}

// What was committed before the receiver stopped is moved.
func TestGroupStops(t *testing.T) {
	for name, stop := range map[string]error{"stop": fmt.Errorf("the disk: %w", ledger.ErrStopped), "ctx": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b, sizes := newGroupBox(t, nil)
			b.answer = func(d inbox.Delivery, _ string) error {
				switch d.Name {
				case "000002.dat", "000003.dat":
					if name == "ctx" {
						cancel()
					}
					return stop
				}
				return nil
			}
			for _, name := range times(70) {
				b.put(name, "x")
			}
			sum, err := b.Scan(ctx)
			assert.ErrorIs(t, err, map[string]error{"stop": inbox.ErrStop, "ctx": context.Canceled}[name])
			assert.Equal(t, inbox.Summary{Done: 62, Left: 8}, sum)
			assert.Equal(t, []int{64}, *sizes)
			assert.Len(t, b.here(), 8)
		})
	}
}

// With the database gone, a group finds out, and then one file at a time.
func TestGroupWithoutDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, sizes := newGroupBox(t, func(c *inbox.Config) { c.Poll = time.Hour })
		b.answer = func(inbox.Delivery, string) error { return errors.New("connection refused") }
		for _, name := range times(200) {
			b.put(name, "x")
		}
		stop := b.run(b.Inbox)
		time.Sleep(30 * second)
		synctest.Wait()
		stop()
		// After 4, 8 and 16 seconds, and not after what 64 tries by themselves
		// would have cost.
		assert.Equal(t, []int{64, 1, 1, 1}, *sizes)
		assert.Len(t, b.here(), 200)
	})
}

func TestGroupAnswersForAll(t *testing.T) {
	b, _ := newGroupBox(t, func(c *inbox.Config) {
		c.ReceiveAll = func(context.Context, []inbox.Delivery) []error { return []error{nil} }
	})
	b.put("1.dat", "x")
	b.put("2.dat", "x")
	assert.Equal(t, inbox.Summary{Left: 2}, b.scan())
	assert.ErrorContains(t, b.told(inbox.Left, "1.dat")[0], "for each file")
}
