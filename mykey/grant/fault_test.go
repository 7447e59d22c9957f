package grant_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each step of each call of office and device fails once before it is made, and
// each commit after it was made too. The call says so. Made again, it comes to the
// same books as if nothing had failed.
func TestEveryStatementFails(t *testing.T) {
	ctx := t.Context()
	h, dh := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}, &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
	db := sql.OpenDB(h)
	defer db.Close()
	w := open(t, db, 6)
	d := &device{db: sql.OpenDB(dh), wall: w.now}
	defer d.db.Close()
	d.start(t, w)
	require.NoError(t, w.Register(ctx, "000009", d.Epoch()))
	delete(w.cards, serial(t, 5).Serial) // comes, and is judged when it is known

	const p = "PROGRAMME" // of this turn
	// The calls of a turn, in their order. What a call that was made already says
	// at its repetition is in again.
	calls := []struct {
		name  string
		again error
		call  func(ctx context.Context, p string) error
	}{
		{"set a programme", nil, func(ctx context.Context, p string) error {
			c := course()
			c.Code, c.Roster = p, true
			return w.SetProgramme(ctx, c)
		}},
		{"import", grant.ErrIDTaken, func(ctx context.Context, p string) error {
			_, err := w.Import(ctx, p, func(yield func(grant.Row, error) bool) {
				for n := range 3 {
					if !yield(grant.Row{Line: n + 2, ID: id(t, n)}, nil) {
						return
					}
				}
			})
			if bad, ok := errors.AsType[*grant.ImportError](err); ok {
				return bad.Faults[0]
			}
			return err
		}},
		{"add", grant.ErrIDTaken, func(ctx context.Context, p string) error {
			_, err := w.Add(ctx, p, id(t, 4), grant.Person{})
			return err
		}},
		{"set an ID", nil, func(ctx context.Context, p string) error { return w.SetID(ctx, p, 4, id(t, 5), true) }},
		{"sync", nil, func(ctx context.Context, p string) error {
			ids, err := w.IDs(ctx, p)
			if err != nil {
				return err
			}
			return d.Sync(ctx, p, ids)
		}},
		{"tap", grant.ErrRepeat, func(ctx context.Context, p string) error { return d.Tap(ctx, p, "", serial(t, 0)) }},
		{"tap of somebody unknown", grant.ErrRepeat, func(ctx context.Context, p string) error { return d.Tap(ctx, p, "", serial(t, 5)) }},
		{"tap without the card", grant.ErrRepeat, func(ctx context.Context, p string) error {
			if listed, err := d.Listed(ctx, p, id(t, 1)); err != nil || !listed {
				return errors.Join(err, fmt.Errorf("listed: %t", listed))
			}
			return d.TapID(ctx, p, "", id(t, 1))
		}},
		{"send", nil, func(ctx context.Context, _ string) error {
			c, err := d.Chunk(ctx, 10)
			if err != nil {
				return err
			}
			a, err := w.Receive(ctx, c)
			if err != nil {
				return err
			}
			return d.Answer(ctx, a)
		}},
		{"judge", grant.ErrNoReceipt, func(ctx context.Context, p string) error {
			all, err := w.Waiting(ctx, p)
			if err != nil || len(all) == 0 {
				return errors.Join(err, grant.ErrNoReceipt)
			}
			w.cards[serial(t, 5).Serial] = id(t, 5)
			defer delete(w.cards, serial(t, 5).Serial)
			_, err = w.Judge(ctx, all[0].Epoch, all[0].Seq, time.Time{}, "tanaka")
			return err
		}},
		{"grant", nil, func(ctx context.Context, p string) error {
			_, err := w.Grant(ctx, p, "", id(t, 2), "tanaka")
			return err
		}},
		{"close", nil, w.CloseProgramme},
		{"lists", nil, func(ctx context.Context, p string) error {
			_, tally := w.Tally(ctx, p)
			_, gaps := w.Gaps(ctx)
			_, mails := w.Mails(ctx, p, w.now().Add(-time.Hour), w.now().Add(time.Hour))
			_, match := w.Match(ctx, p, grant.Person{})
			if errors.Is(match, grant.ErrNoMatch) {
				match = nil
			}
			return errors.Join(tally, gaps, mails, match)
		}},
		{"stop a device", nil, func(ctx context.Context, _ string) error {
			const lost = "the same each turn, so that the lists stay as long"
			if err := w.Register(ctx, "000010", lost); err != nil && !errors.Is(err, grant.ErrStopped) {
				return err
			}
			return w.Stop(ctx, lost)
		}},
	}
	errInjected := errors.New("injected: the disk is full")
	turn, steps := 0, 0
	run := func(which int, nth int) (reached bool) {
		turn++
		code := fmt.Sprint(strings.ToLower(p), turn)
		for i, c := range calls {
			var err error
			if i == which {
				n := 0
				fail := func(s dbtest.Step) error {
					if s.After && s.What != "commit" {
						return nil
					}
					if n++; n == nth {
						return errInjected
					}
					return nil
				}
				h.Set(fail)
				dh.Set(fail)
				err = c.call(ctx, code)
				h.Set(nil)
				dh.Set(nil)
				if reached = n >= nth; !reached {
					require.NoError(t, err, c.name)
					continue
				}
				if err != nil {
					require.ErrorIs(t, err, errInjected, "%s, step %d", c.name, nth)
				}
			}
			if err != nil || i != which {
				if err := c.call(ctx, code); i != which || c.again == nil || !errors.Is(err, c.again) {
					require.NoError(t, err, "%s, step %d", c.name, nth)
				}
			}
		}
		tally, err := w.Tally(ctx, code)
		require.NoError(t, err)
		require.Equal(t, []grant.Tally{{Verdict: grant.Granted, Taps: 4, Points: 400}}, tally, "%s, step %d", calls[which].name, nth)
		open, err := d.Open(ctx)
		require.NoError(t, err)
		require.Zero(t, open)
		return reached
	}
	for which := range calls {
		for nth := 1; run(which, nth); nth++ {
			steps++
		}
	}
	t.Log(steps, "steps")
	books, err := w.points.Books(ctx)
	require.NoError(t, err)
	assert.Empty(t, books.Faults)
	assert.EqualValues(t, 400*turn, books.Operations[point.OpGrant])
	gaps, err := w.Gaps(ctx)
	require.NoError(t, err)
	assert.False(t, slices.ContainsFunc(gaps, func(g grant.Gap) bool { return !g.Stopped }))
}

// A chunk that comes again costs a few statements and not one for each tap.
func TestAgainIsCheap(t *testing.T) {
	h, ctx := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}, t.Context()
	db := sql.OpenDB(h)
	defer db.Close()
	w := open(t, db, 50)
	d := w.device(t, t.TempDir())
	for n := range 50 {
		require.NoError(t, d.Tap(ctx, "course", "", serial(t, n)))
	}
	c, err := d.Chunk(ctx, 50)
	require.NoError(t, err)
	first, err := w.Receive(ctx, c)
	require.NoError(t, err)
	statements := 0
	h.Set(func(s dbtest.Step) error {
		if s.Call() {
			statements++
		}
		return nil
	})
	again, err := w.Receive(ctx, c)
	h.Set(nil)
	require.NoError(t, err)
	assert.Equal(t, first, again)
	assert.Less(t, statements, 20)
}
