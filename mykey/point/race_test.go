package point_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const racers = 64

// patient waits as long as a machine may need on which much else runs: 64 who want
// one row come one after the other.
var patient = point.Config{RetryFor: time.Minute}

// rounds is how often each race is run.
func rounds() int {
	if os.Getenv("MYNAKIT_LONG") != "" {
		return 1000
	}
	return 5
}

// all runs f in 64 goroutines at once.
func all(f func(i int)) {
	var start, wg sync.WaitGroup
	start.Add(1)
	for i := range racers {
		wg.Go(func() { start.Wait(); f(i) })
	}
	start.Done()
	wg.Wait()
}

// pooled runs f on all kinds of databases, with as many connections as a server of
// tills has.
func pooled(t *testing.T, f func(t *testing.T, db *sql.DB)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			db := k.open(t)
			db.SetMaxOpenConns(16)
			db.SetMaxIdleConns(16)
			f(t, db)
		})
	}
}

// Sixty-four programs add one new programme at once: it is there once, and none
// of them hears of the others.
func TestSetProgrammeTogether(t *testing.T) {
	pooled(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, patient), t.Context()
		for i := range 20 {
			p := city(t)
			p.Account = point.Account(fmt.Sprintf("new%d", i))
			all(func(int) { assert.NoError(t, b.SetProgramme(ctx, p)) })
			p.Kind, p.Service = point.Event, festival(t).Service
			require.ErrorIs(t, b.SetProgramme(ctx, p), point.ErrProgrammeChanged)
		}
	})
}

// Of 64 tills that ask for the last points, in two lots, one gets them.
func TestLastPoints(t *testing.T) {
	pooled(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, patient), t.Context()
		for range rounds() {
			p := city(t)
			for _, rule := range []point.ExpiryRule{point.Never, point.FiscalYear} {
				p.Expiry = point.Expiry{Rule: rule}
				require.NoError(t, b.SetProgramme(ctx, p))
				b.grant(t, "aoba", 50)
			}
			var mu sync.Mutex
			won := 0
			all(func(int) {
				_, err := b.Use(ctx, b.use(t, 100))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
					return
				}
				assert.ErrorIs(t, err, point.ErrShort)
			})
			require.Equal(t, 1, won)
			require.Zero(t, b.balance(t, "aoba"))
		}
		b.whole(t)
	})
}

// One key 64 times is one operation with 64 equal answers.
func TestOneRequest(t *testing.T) {
	pooled(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, patient), t.Context()
		for range rounds() {
			b.grant(t, "aoba", 100)
			u := b.use(t, 60)
			var mu sync.Mutex
			answers := map[point.Receipt]int{}
			all(func(int) {
				r, err := b.Use(ctx, u)
				if !assert.NoError(t, err) {
					return
				}
				r.Repeated = false
				mu.Lock()
				defer mu.Unlock()
				answers[r]++
			})
			require.Len(t, answers, 1)
			require.EqualValues(t, 40, b.balance(t, "aoba"))
			_, err := b.Cancel(ctx, u.Request, point.At{})
			require.NoError(t, err)
			_, err = b.Use(ctx, b.use(t, 100))
			require.NoError(t, err)
		}
		b.whole(t)
	})
}

// A use and its cancel, 32 of each at once: whoever comes first, the points are
// whole in the end.
func TestUndoAgainstUse(t *testing.T) {
	pooled(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, patient), t.Context()
		b.grant(t, "aoba", 100)
		for range rounds() {
			u := b.use(t, 60)
			all(func(i int) {
				if i%2 == 0 {
					if _, err := b.Use(ctx, u); err != nil {
						assert.ErrorIs(t, err, point.ErrRequestVoid)
					}
					return
				}
				_, err := b.Cancel(ctx, u.Request, point.At{})
				assert.NoError(t, err)
			})
			require.EqualValues(t, 100, b.balance(t, "aoba"))
			// What is told afterwards is final.
			status, err := b.Status(ctx, u.Request)
			if err == nil {
				require.EqualValues(t, 60, status.Undone)
			} else {
				require.ErrorIs(t, err, point.ErrRequestVoid)
			}
		}
		b.whole(t)
	})
}

// One coupon, 64 requests.
func TestOneCoupon(t *testing.T) {
	pooled(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, patient), t.Context()
		ref, err := point.ParseReference("C-1")
		require.NoError(t, err)
		var mu sync.Mutex
		won := 0
		all(func(int) {
			_, err := b.Credit(ctx, point.Credit{Request: b.request(), Holder: id(t, hanako), Account: "reserved", Points: 100,
				Kind: point.OpPartner, Partner: "card-a", Reference: ref})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, point.ErrClaimed) {
				assert.NoError(t, err)
			}
		})
		assert.Equal(t, 1, won)
		assert.EqualValues(t, 100, b.balance(t, "reserved"))
		b.whole(t)
	})
}
