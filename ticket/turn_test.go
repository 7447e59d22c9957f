package ticket

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The typed numbers of a terminal are looked up one at a time, those of
// different terminals are not, and nothing is remembered of a terminal that has
// none on its way.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g guesses
		here, there := Terminal{Scope: "A", ID: "1"}, Terminal{Scope: "A", ID: "2"}
		type turn struct {
			has  bool
			done func()
			err  error
		}
		take := func(ctx context.Context, at Terminal) *turn {
			got := new(turn)
			go func() {
				got.done, got.err = g.take(ctx, at)
				got.has = got.err == nil
			}()
			synctest.Wait()
			return got
		}
		a := take(t.Context(), here)
		require.True(t, a.has)
		b := take(t.Context(), here)
		require.False(t, b.has, "one at a time")
		other := take(t.Context(), there)
		require.True(t, other.has, "another terminal does not wait")

		ctx, cancel := context.WithCancel(t.Context())
		c := take(ctx, here)
		cancel()
		synctest.Wait()
		require.ErrorIs(t, c.err, context.Canceled, "who waits can give up")
		require.False(t, b.has)

		a.done()
		synctest.Wait()
		require.True(t, b.has, "the next has its turn")
		d := take(t.Context(), here)
		require.False(t, d.has, "who comes later waits for the same turn")
		b.done()
		synctest.Wait()
		require.True(t, d.has)
		require.Len(t, g.turns, 2)
		d.done()
		other.done()
		assert.Empty(t, g.turns)
		again := take(t.Context(), here)
		require.True(t, again.has)
		again.done()
		assert.Empty(t, g.turns)
	})
}
