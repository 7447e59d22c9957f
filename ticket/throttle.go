package ticket

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/mynakit/mynakit/internal/sqldb"
)

// A Throttle bounds how many typed numbers may be refused in a window of time.
// When a bound is reached, typed numbers are refused without a look-up until
// the window ends. QR codes are not counted: their MAC cannot be guessed.
//
// An eight-digit number resists guessing only with a throttle. With N live
// tickets and A wrong tries, the chance of a hit is about A·N/10^8. The
// defaults let a terminal make 600 wrong tries in the 30 days of a ticket's
// life, a chance of 0.6 % where 1,000 tickets are live.
//
// A typed number is counted before it is looked up, and uncounted if it is
// good. Every refusal counts, whatever its reason, so the throttle does not
// show one reason from another. The counts are in the database: all programs
// with the same Window share them, and a restart does not clear them. A
// negative value means no bound.
type Throttle struct {
	PerTerminal int           // zero means 20
	PerScope    int           // zero means 200
	Global      int           // over all scopes of the store; zero means 2,000
	Window      time.Duration // zero means 24 hours; not under a minute
}

const defaultWindow = 24 * time.Hour

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
		t.Window = defaultWindow
	}
	if t.Window < time.Minute {
		return t, fmt.Errorf("%w: Throttle.Window", ErrPolicy)
	}
	return t, nil
}

// guesses holds the turns of the terminals.
type guesses struct {
	// A terminal's typed numbers are looked up one at a time, so that a burst
	// of them cannot all pass before the first is counted.
	mu    sync.Mutex
	turns map[string]*turn // by scope and ID
}

type turn struct {
	token chan struct{} // holds one token while somebody has the turn
	users int           // who has it or waits for it
}

// take waits for the terminal's turn and returns the function that ends it.
func (g *guesses) take(ctx context.Context, t Terminal) (func(), error) {
	g.mu.Lock()
	if g.turns == nil {
		g.turns = make(map[string]*turn)
	}
	name := string(t.Scope) + " " + t.ID
	u := g.turns[name]
	if u == nil {
		u = &turn{token: make(chan struct{}, 1)}
		g.turns[name] = u
	}
	u.users++
	g.mu.Unlock()
	leave := func() {
		g.mu.Lock()
		if u.users--; u.users == 0 {
			delete(g.turns, name)
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

// keepMisses is for how long counts are kept at least.
const keepMisses = 32 * 24 * time.Hour

// A guess is a typed number that was counted before it was looked up. All
// programs on one database share the counts, and a restart does not forget
// them. The nil guess, of a QR code, was not counted.
type guess struct {
	subjects []string // nil if a bound was reached, so that nothing was counted
	span     int64
}

// throttled reports whether the number must not be looked up.
func (g *guess) throttled() bool { return g != nil && g.subjects == nil }

// reserve counts a typed number of the terminal, unless a bound is reached.
func (b *Book) reserve(ctx context.Context, at Terminal) (*guess, error) {
	limit := b.policy.Throttle
	width := limit.Window.Microseconds()
	scope := string(at.Scope)
	// Programs with other windows have counts of their own.
	in := ""
	if limit.Window != defaultWindow {
		in = fmt.Sprintf(" in %d", width)
	}
	subjects := []string{"terminal " + scope + " " + at.ID + in, "scope " + scope + in, "all" + in}
	var g *guess
	err := b.db.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		g = new(guess)
		m, err := b.moment(ctx, tx.Queries, at.Scope)
		if err != nil {
			return err
		}
		g.span = m.now.UnixMicro() / width
		made, err := databaseTime(ctx, tx)
		if err != nil {
			return err
		}
		for i, most := range []int{limit.PerTerminal, limit.PerScope, limit.Global} {
			var n int64
			err := tx.QueryRow(ctx, countMiss, subjects[i], g.span, made, int64(most)).Scan(&n)
			if errors.Is(err, sql.ErrNoRows) {
				return errThrottled
			}
			if err != nil {
				return err
			}
		}
		g.subjects = subjects
		// Both clocks must say that a count is old. The program's may be
		// wrong, and the other program's window is another.
		_, err = tx.Exec(ctx, deleteMisses, made-int64(max(2*limit.Window, keepMisses)/time.Second), g.span-1)
		return err
	})
	if errors.Is(err, errThrottled) {
		return g, nil // nothing was counted
	}
	if err != nil {
		return nil, fmt.Errorf("count a typed number: %w", err)
	}
	return g, nil
}

var errThrottled = errors.New("too many wrong numbers")

const (
	countMiss = `INSERT INTO {miss} (subject, span, n, made) VALUES (?, ?, 1, ?)
		ON CONFLICT (subject, span) DO UPDATE SET n = {miss}.n + 1 WHERE {miss}.n < ? RETURNING n`
	uncountMiss  = "UPDATE {miss} SET n = n - 1 WHERE subject = ? AND span = ?"
	deleteMisses = "DELETE FROM {miss} WHERE made < ? AND span < ?"
)

// databaseTime returns the time of the database's own clock in seconds. A
// program whose clock is wrong does not age the counts of others.
func databaseTime(ctx context.Context, tx *sqldb.Tx) (s int64, err error) {
	query := "SELECT CAST(strftime('%s', 'now') AS BIGINT)"
	if tx.Dialect() == sqldb.PostgreSQL {
		query = "SELECT CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)"
	}
	err = tx.QueryRow(ctx, query).Scan(&s)
	return s, err
}

// giveBack uncounts a number that was good.
func (g *guess) giveBack(ctx context.Context, tx *sqldb.Tx) error {
	if g == nil {
		return nil
	}
	for _, subject := range g.subjects {
		_, err := tx.Exec(ctx, uncountMiss, subject, g.span)
		if err != nil {
			return fmt.Errorf("uncount a typed number: %w", err)
		}
	}
	return nil
}

// giveBack uncounts a number in a transaction of its own.
func (b *Book) giveBack(ctx context.Context, g *guess) error {
	if g == nil || g.subjects == nil {
		return nil
	}
	// Also for a terminal that hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return b.db.DB.Write(ctx, g.giveBack)
}
