package ticket

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// Throttle bounds how many typed numbers may be refused in a window of time.
// When a bound is reached, typed numbers are refused without a look-up until
// the window ends. QR codes go on working: their MAC makes them no guess.
//
// An eight-digit number resists guessing only so: with N live tickets and A
// wrong tries the chance of a hit is about A·N/10^8. The defaults let a
// terminal make 600 wrong tries in the 30 days of a ticket's life, a chance
// of 0.6 % where 1,000 tickets are live.
//
// Every refusal of a typed number counts, whatever its reason, so the
// throttle cannot be used to tell one reason from another. The count is the
// store's: all programs on it share it and a restart does not clear it. A
// terminal that sends to several programs at one moment can go beyond its
// bound by one number for each. A negative value means no bound.
type Throttle struct {
	PerTerminal int           // zero means 20
	PerScope    int           // zero means 200
	Global      int           // over all scopes of the store; zero means 2,000
	Window      time.Duration // zero means 24 hours; not under a minute
}

func (t Throttle) withDefaults() (Throttle, error) {
	for _, f := range []struct {
		n   *int
		def int
	}{{&t.PerTerminal, 20}, {&t.PerScope, 200}, {&t.Global, 2000}} {
		switch {
		case *f.n == 0:
			*f.n = f.def
		case *f.n < 0:
			*f.n = math.MaxInt
		}
	}
	if t.Window == 0 {
		t.Window = 24 * time.Hour
	}
	if t.Window < time.Minute {
		return t, fmt.Errorf("%w: Throttle.Window", ErrPolicy)
	}
	return t, nil
}

// guesses counts refused numbers in the store, so that all programs on one
// store share one count and a restart does not forget it.
type guesses struct {
	limit Throttle
	store Store

	// A terminal's typed numbers are looked up one at a time, so that a burst
	// of them cannot all pass before the first is counted.
	mu    sync.Mutex
	turns map[Terminal]*turn
}

type turn struct {
	token chan struct{} // holds one token while somebody has the turn
	users int           // who has it or waits for it
}

// take waits for the terminal's turn and gives the function that ends it.
func (g *guesses) take(ctx context.Context, t Terminal) (func(), error) {
	g.mu.Lock()
	if g.turns == nil {
		g.turns = make(map[Terminal]*turn)
	}
	u := g.turns[t]
	if u == nil {
		u = &turn{token: make(chan struct{}, 1)}
		g.turns[t] = u
	}
	u.users++
	g.mu.Unlock()
	leave := func() {
		g.mu.Lock()
		if u.users--; u.users == 0 {
			delete(g.turns, t)
		}
		g.mu.Unlock()
	}
	select {
	case u.token <- struct{}{}:
		return func() { <-u.token; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// subjects names what is counted for a terminal, narrowest first, and the
// window that now lies in.
func (g *guesses) subjects(t Terminal, now time.Time) (subjects []string, window int64) {
	s := string(t.Scope)
	return []string{"terminal " + s + " " + t.ID, "scope " + s, "all"}, now.UnixMicro() / g.limit.Window.Microseconds()
}

// allowed reports whether the terminal may have another number looked up.
func (g *guesses) allowed(ctx context.Context, t Terminal, now time.Time) (bool, error) {
	subjects, window := g.subjects(t, now)
	n, err := g.store.Misses(ctx, subjects, window)
	if err != nil {
		return false, fmt.Errorf("ticket: count wrong numbers: %w", err)
	}
	return n[0] < int64(g.limit.PerTerminal) && n[1] < int64(g.limit.PerScope) && n[2] < int64(g.limit.Global), nil
}

// miss counts one refusal.
func (g *guesses) miss(ctx context.Context, t Terminal, now time.Time) error {
	// Who hangs up at the right moment is counted all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	subjects, window := g.subjects(t, now)
	if err := g.store.Miss(ctx, subjects, window); err != nil {
		return fmt.Errorf("ticket: count a wrong number: %w", err)
	}
	return nil
}
