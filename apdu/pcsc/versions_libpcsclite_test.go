//go:build linux && cgo && libpcsclite

package pcsc_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/internal/fakepcscd"
	"github.com/mynakit/mynakit/simcard"
)

// versions is what the system's library speaks. That it is content with the fake
// says that the fake is like a daemon.
func versions() map[string]fakepcscd.Config { return map[string]fakepcscd.Config{"4:4": {}} }

// The library waits by itself for cards, and its waits are cancelled.
func TestLibraryWaits(t *testing.T) {
	d := fakepcscd.Start(t, fakepcscd.Config{})
	d.AddReader("Desk")
	ctx, cancel := context.WithCancel(context.Background())
	events := make(chan pcsc.EventKind)
	go func() {
		defer close(events)
		for e, err := range pcsc.Watch(ctx) {
			if err == nil {
				events <- e.Kind
			}
		}
	}()
	next := func(want pcsc.EventKind) {
		t.Helper()
		if got := <-events; got != want {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	next(pcsc.ReaderAdded)
	waits := func() {
		t.Helper()
		n := d.Count(fakepcscd.Wait)
		for began := time.Now(); d.Count(fakepcscd.Wait) < n+2; time.Sleep(time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Fatal("the library does not wait")
			}
		}
	}
	var took []time.Duration
	timed := func(want pcsc.EventKind, f func()) {
		waits()
		began := time.Now()
		f()
		next(want)
		took = append(took, time.Since(began))
	}
	for range 10 {
		timed(pcsc.CardInserted, func() { d.Insert("Desk", simcard.New()) })
		timed(pcsc.CardRemoved, func() { d.Remove("Desk") })
	}
	slices.Sort(took)
	t.Logf("median of 20 events %v, slowest %v", took[10], took[19])
	cancel()
	for range events {
	}

	// A wait may end by itself just then, hence more than one.
	took = took[:0]
	for began := time.Now(); d.Count(fakepcscd.Cancel) < 10; {
		if time.Since(began) > time.Minute {
			t.Fatalf("%d waits, %d cancellations", len(took), d.Count(fakepcscd.Cancel))
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = pcsc.WaitCard(ctx)
		}()
		waits()
		now := time.Now()
		cancel()
		<-ended
		took = append(took, time.Since(now))
	}
	slices.Sort(took)
	t.Logf("median of %d cancelled waits %v, slowest %v", len(took), took[len(took)/2], took[len(took)-1])
}
