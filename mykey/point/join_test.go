package point_test

import (
	"context"
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A person with two IDs has one of them in the end, and all points.
func TestJoin(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		grant := func(holder, programme, name string, points int64) point.Request {
			r := point.Request{Scope: programme, Name: name}
			_, err := b.Credit(ctx, point.Credit{Request: r, Holder: id(t, holder), Account: "aoba", Points: points, Kind: point.OpGrant})
			require.NoError(t, err)
			return r
		}
		first := grant(taro, "course-1", "h1", 500)
		grant(hanako, "course-1", "h2", 500)
		grant(hanako, "course-2", "h2", 7)
		u := b.use(t, 200)
		u.Holder = id(t, taro)
		_, err := b.Use(ctx, u)
		require.NoError(t, err)

		_, err = b.Join(ctx, id(t, taro), id(t, "NOBODY99"))
		assert.ErrorIs(t, err, point.ErrNoHolder)
		require.NoError(t, b.Stop(ctx, id(t, taro), true))
		_, err = b.Join(ctx, id(t, taro), id(t, hanako))
		assert.ErrorIs(t, err, point.ErrStopped)
		require.NoError(t, b.Stop(ctx, id(t, taro), false))

		j, err := b.Join(ctx, id(t, taro), id(t, hanako))
		require.NoError(t, err)
		assert.Equal(t, point.Joined{Moved: map[point.Account]int64{"aoba": 300}, Twice: []string{"course-1"}}, j)
		assert.EqualValues(t, 807, b.balance(t, "aoba"))
		b.whole(t)
		_, err = b.Join(ctx, id(t, taro), id(t, hanako))
		assert.ErrorIs(t, err, point.ErrSameHolder)

		// What was made under the old ID is found, refunded and taken back.
		again, err := b.Use(ctx, u)
		require.NoError(t, err)
		assert.True(t, again.Repeated)
		other := u
		other.Request = b.request()
		_, err = b.Use(ctx, other)
		require.NoError(t, err, "the old ID is an alias")
		assert.EqualValues(t, 607, b.balance(t, "aoba"))
		_, err = b.Refund(ctx, point.Refund{Request: b.request(), Of: u.Request, Points: 150})
		require.NoError(t, err)
		assert.EqualValues(t, 757, b.balance(t, "aoba"))
		_, err = b.Cancel(ctx, u.Request, point.At{})
		require.NoError(t, err)
		assert.EqualValues(t, 807, b.balance(t, "aoba"))
		r, err := b.Clawback(ctx, point.Clawback{Request: b.request(), Of: first})
		require.NoError(t, err)
		assert.EqualValues(t, 500, r.Points)
		assert.EqualValues(t, 307, b.balance(t, "aoba"))
		b.whole(t)
	})
}

// What was granted once to anybody who was joined to a holder is not granted
// again, whatever the order of the joins.
func TestJoinOnce(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		people := []string{taro, "JIRO0001", hanako}
		for _, p := range people[:2] {
			require.NoError(t, b.Enrol(ctx, id(t, p), point.Profile{}))
		}
		once := func(holder, programme string) (point.Receipt, error) {
			return b.Credit(ctx, point.Credit{Request: point.Request{Scope: programme}, Once: true, Holder: id(t, holder), Account: "aoba", Points: 100, Kind: point.OpGrant})
		}
		_, err := once(people[0], "course-1")
		require.NoError(t, err)
		_, err = once(people[1], "course-2")
		require.NoError(t, err)
		for i := range people[:2] {
			_, err = b.Join(ctx, id(t, people[i]), id(t, people[i+1]))
			require.NoError(t, err)
		}
		before := b.balance(t, "aoba")
		for _, programme := range []string{"course-1", "course-2"} {
			for _, p := range people {
				r, err := once(p, programme)
				require.NoError(t, err)
				assert.True(t, r.Repeated, "%s to %s", programme, p)
			}
		}
		assert.Equal(t, before, b.balance(t, "aoba"))
		b.whole(t)
	})
}

// Uses under both IDs while they are joined: each point is spent once.
func TestJoinMeanwhile(t *testing.T) {
	pooled(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		for _, holder := range people {
			_, err := b.Credit(ctx, point.Credit{Request: b.request(), Holder: id(t, holder), Account: "aoba", Points: 1000, Kind: point.OpGrant})
			require.NoError(t, err)
		}
		var mu sync.Mutex
		spent := int64(0)
		all(func(i int) {
			if i == 32 {
				_, err := b.Join(ctx, id(t, taro), id(t, hanako))
				assert.NoError(t, err)
				return
			}
			u := b.use(t, 10)
			u.Holder = id(t, people[i%2])
			if _, err := b.Use(ctx, u); assert.NoError(t, err) {
				mu.Lock()
				defer mu.Unlock()
				spent += 10
			}
		})
		assert.Equal(t, 2000-spent, b.balance(t, "aoba"))
		b.whole(t)
	})
}

// The user table tells of each change in its own transaction.
func TestChanged(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.grant(t, "aoba", 100)
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		change := func(kind mykey.ChangeKind, old, new string) error {
			return b.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
				c := mykey.Change{Kind: kind, Old: id(t, old)}
				if new != "" {
					c.New = id(t, new)
				}
				_, err := b.In(tx).Changed(ctx, c)
				return err
			})
		}
		has := func(who string) int64 {
			all, err := b.Balances(ctx, id(t, who))
			require.NoError(t, err)
			if len(all) == 0 {
				return 0
			}
			return all[0].Points
		}
		require.NoError(t, change(mykey.ChangeReplaced, "NOBODY99", "NOBODY98"))
		_, err := b.Balances(ctx, id(t, "NOBODY98"))
		assert.ErrorIs(t, err, point.ErrNoHolder)
		require.NoError(t, change(mykey.ChangeReplaced, hanako, "HANAKO99"))
		require.NoError(t, change(mykey.ChangeReplaced, hanako, "HANAKO99"), "again")
		assert.EqualValues(t, 100, has("HANAKO99"))
		require.NoError(t, change(mykey.ChangeJoined, "HANAKO99", taro))
		require.NoError(t, change(mykey.ChangeJoined, "HANAKO99", taro), "again")
		assert.EqualValues(t, 100, has(taro))
		assert.EqualValues(t, 100, has(hanako), "each ID is an alias")
		require.NoError(t, change(mykey.ChangeRevoked, taro, ""))
		u := b.use(t, 1)
		u.Holder = id(t, taro)
		_, err = b.Use(ctx, u)
		assert.ErrorIs(t, err, point.ErrStopped)
		b.whole(t)
	})
}

// A refund that waits while its holder is joined to another waits for the other
// holder too, before it gives the points on.
func TestRefundWhileJoined(t *testing.T) {
	// Which of the two that wait goes on first when the join has committed, is
	// the server's to choose.
	inTime := func(t *testing.T, k kind) bool {
		db := k.open(t)
		b, ctx := open(t, db, patient), t.Context()
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		b.grant(t, "aoba", 100)
		u := b.use(t, 60)
		_, err := b.Use(ctx, u)
		require.NoError(t, err)
		// waiting waits until so many of this database's connections wait for a lock,
		// and reports whether they do, and none had an end instead.
		waiting := func(want int, instead <-chan error) bool {
			for until := time.Now().Add(time.Minute); ; {
				select {
				case err := <-instead:
					require.NoError(t, err)
					return false
				default:
				}
				var n int
				require.NoError(t, db.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n))
				if n == want {
					return true
				}
				require.True(t, time.Now().Before(until), "%d wait", n)
			}
		}
		join, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		defer join.Rollback()
		_, err = b.In(join).Join(ctx, id(t, hanako), id(t, taro))
		require.NoError(t, err)

		other, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		defer other.Rollback()
		locked, refunded := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := other.ExecContext(ctx, "SELECT id FROM point_holder WHERE id = (SELECT holder FROM point_alias WHERE mykey = $1) FOR UPDATE", taro)
			locked <- err
		}()
		require.True(t, waiting(1, locked))
		go func() {
			_, err := b.Refund(ctx, point.Refund{Request: b.request(), Of: u.Request, Points: 50})
			refunded <- err
		}()
		require.True(t, waiting(2, refunded))
		require.NoError(t, join.Commit())
		require.NoError(t, <-locked)
		waited := waiting(1, refunded)
		require.NoError(t, other.Rollback())
		if waited {
			require.NoError(t, <-refunded)
		}
		all, err := b.Balances(ctx, id(t, taro))
		require.NoError(t, err)
		assert.EqualValues(t, 90, all[0].Points)
		b.whole(t)
		return waited
	}
	for _, k := range []kind{onPostgreSQL, inPartitions} {
		t.Run(k.name, func(t *testing.T) {
			for range 30 {
				if inTime(t, k) {
					return
				}
			}
			t.Error("the refund went on first each time")
		})
	}
}

// A join that was a mistake is undone: each has the points that are left of
// what was theirs, and the old history is refunded to whose it is.
func TestPart(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		require.NoError(t, b.Enrol(ctx, id(t, "JIRO0001"), point.Profile{}))
		grant := func(holder, account, scope string, points int64) (point.Receipt, error) {
			return b.Credit(ctx, point.Credit{Request: point.Request{Scope: scope}, Once: true, Holder: id(t, holder),
				Account: point.Account(account), Points: points, Kind: point.OpGrant})
		}
		has := func(holder string) int64 {
			all, err := b.Balances(ctx, id(t, holder))
			require.NoError(t, err)
			sum := int64(0)
			for _, a := range all {
				sum += a.Points
			}
			return sum
		}
		use := func(holder string, points int64) point.Use {
			u := b.use(t, points)
			u.Holder = id(t, holder)
			_, err := b.Use(ctx, u)
			require.NoError(t, err)
			return u
		}
		for holder, points := range map[string]int64{taro: 500, "JIRO0001": 30, hanako: 100} {
			_, err := grant(holder, "aoba", "course-"+holder, points)
			require.NoError(t, err)
		}
		early := use(taro, 50)
		require.NoError(t, b.Rename(ctx, id(t, taro), id(t, "TARO0002")))
		_, err := b.Join(ctx, id(t, "JIRO0001"), id(t, "TARO0002"))
		require.NoError(t, err)

		join := func() {
			j, err := b.Join(ctx, id(t, "TARO0002"), id(t, hanako))
			require.NoError(t, err)
			assert.Equal(t, map[point.Account]int64{"aoba": 480}, j.Moved)
		}
		join()
		late := use(hanako, 300)
		_, err = b.Refund(ctx, point.Refund{Request: b.request(), Of: early.Request, Points: 20})
		require.NoError(t, err)
		_, err = grant(hanako, "aoba", "after", 5)
		require.NoError(t, err)
		r, err := grant(hanako, "aoba", "course-"+taro, 500)
		require.NoError(t, err)
		assert.True(t, r.Repeated)

		// 605 − 300 are there, of which 500 are owed. A holder who is stopped gives back too.
		require.NoError(t, b.Stop(ctx, id(t, hanako), true))
		p, err := b.Part(ctx, id(t, "TARO0002"), id(t, hanako))
		require.NoError(t, err)
		assert.Equal(t, point.Joined{Moved: map[point.Account]int64{"aoba": 305}, Short: map[point.Account]int64{"aoba": 195}}, p)
		require.NoError(t, b.Stop(ctx, id(t, hanako), false))
		for _, name := range []string{taro, "TARO0002", "JIRO0001"} {
			assert.EqualValues(t, 305, has(name), name)
		}
		assert.EqualValues(t, 0, has(hanako))
		b.whole(t)

		// What was done before is his, and what came after is hers.
		_, err = b.Cancel(ctx, early.Request, point.At{})
		require.NoError(t, err)
		_, err = b.Cancel(ctx, late.Request, point.At{})
		require.NoError(t, err)
		assert.EqualValues(t, 335, has(taro))
		assert.EqualValues(t, 300, has(hanako))
		for holder, repeated := range map[string]bool{taro: true, hanako: false} {
			for course, points := range map[string]int64{taro: 500, "JIRO0001": 30} {
				r, err := grant(holder, "aoba", "course-"+course, points)
				require.NoError(t, err)
				assert.Equal(t, repeated, r.Repeated, "%s %s", holder, course)
			}
		}
		_, err = b.Part(ctx, id(t, "TARO0002"), id(t, hanako))
		assert.ErrorIs(t, err, point.ErrNotUndoable)
		_, err = b.Part(ctx, id(t, "NOBODY99"), id(t, hanako))
		assert.ErrorIs(t, err, point.ErrNotUndoable)
		_, err = b.Part(ctx, id(t, taro), id(t, "NOBODY99"))
		assert.ErrorIs(t, err, point.ErrNoHolder)

		// Joined and parted again, only what went over the second time comes back;
		// and the join before that is undone as well.
		_, err = b.Join(ctx, id(t, taro), id(t, hanako))
		require.NoError(t, err)
		p, err = b.Part(ctx, id(t, taro), id(t, hanako))
		require.NoError(t, err)
		assert.Equal(t, point.Joined{Moved: map[point.Account]int64{"aoba": 335}, Short: map[point.Account]int64{}}, p)
		p, err = b.Part(ctx, id(t, "JIRO0001"), id(t, taro))
		require.NoError(t, err)
		assert.EqualValues(t, 30, p.Moved["aoba"])
		assert.EqualValues(t, 30, has("JIRO0001"))
		assert.EqualValues(t, 305, has(taro))
		b.whole(t)
	})
}

// The user table's word that two IDs are two persons' again is followed whether
// or not both had accounts.
func TestPartChanged(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.grant(t, "aoba", 100)
		change := func(kind mykey.ChangeKind, old, new string) (j point.Joined) {
			require.NoError(t, b.Do(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
				j, err = b.In(tx).Changed(ctx, mykey.Change{Kind: kind, Old: id(t, old), New: id(t, new)})
				return err
			}))
			return j
		}
		none := func(who string) {
			t.Helper()
			_, err := b.Balances(ctx, id(t, who))
			assert.ErrorIs(t, err, point.ErrNoHolder)
		}
		// The other ID had none, and has another name by now.
		change(mykey.ChangeJoined, hanako, taro)
		change(mykey.ChangeReplaced, taro, "TARO0002")
		for range 2 {
			change(mykey.ChangeParted, hanako, "TARO0002")
			assert.EqualValues(t, 100, b.balance(t, "aoba"))
			none(taro)
			none("TARO0002")
		}
		// The former ID had none.
		change(mykey.ChangeJoined, "NOBODY99", hanako)
		change(mykey.ChangeParted, "NOBODY99", hanako)
		assert.EqualValues(t, 100, b.balance(t, "aoba"))
		// Both had.
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		change(mykey.ChangeJoined, hanako, taro)
		j := change(mykey.ChangeParted, hanako, taro)
		assert.EqualValues(t, 100, j.Moved["aoba"])
		assert.EqualValues(t, 100, b.balance(t, "aoba"))
		b.whole(t)
	})
}

// Points of several days: those that are there go back as they are, what the
// other spent comes from the other's own, what a clawback took is not owed, and
// what has lapsed stays lapsed.
func TestPartLots(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		grant := func(holder, account string, points int64) point.Request {
			r := b.request()
			_, err := b.Credit(ctx, point.Credit{Request: r, Holder: id(t, holder), Account: point.Account(account), Points: points, Kind: point.OpGrant})
			require.NoError(t, err)
			return r
		}
		grant(hanako, "aoba", 1000)
		first := grant(taro, "aoba", 40)
		grant(taro, "matsuri", 7)
		_, err := b.Join(ctx, id(t, taro), id(t, hanako))
		require.NoError(t, err)
		b.clock.Days(200)
		p, err := b.Part(ctx, id(t, taro), id(t, hanako))
		require.NoError(t, err)
		assert.Equal(t, point.Joined{Moved: map[point.Account]int64{"aoba": 40}, Short: map[point.Account]int64{}}, p)

		grant(taro, "aoba", 300)
		_, err = b.Join(ctx, id(t, taro), id(t, hanako))
		require.NoError(t, err)
		_, err = b.Clawback(ctx, point.Clawback{Request: b.request(), Of: first})
		require.NoError(t, err)
		_, err = b.Use(ctx, b.use(t, 1200))
		require.NoError(t, err)
		p, err = b.Part(ctx, id(t, taro), id(t, hanako))
		require.NoError(t, err)
		assert.Equal(t, point.Joined{Moved: map[point.Account]int64{"aoba": 100}, Short: map[point.Account]int64{"aoba": 200}}, p)
		b.whole(t)
	})
}

// What is given back of a use by somebody who was joined, and whose heir was
// joined to a third, finds its way back through both.
func TestPartTwice(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		require.NoError(t, b.Enrol(ctx, id(t, "JIRO0001"), point.Profile{}))
		for holder, points := range map[string]int64{taro: 110, "JIRO0001": 200, hanako: 1000} {
			_, err := b.Credit(ctx, point.Credit{Request: b.request(), Holder: id(t, holder), Account: "aoba", Points: points, Kind: point.OpGrant})
			require.NoError(t, err)
		}
		u := b.use(t, 10)
		u.Holder = id(t, taro)
		_, err := b.Use(ctx, u)
		require.NoError(t, err)
		_, err = b.Join(ctx, id(t, taro), id(t, "JIRO0001"))
		require.NoError(t, err)
		_, err = b.Join(ctx, id(t, "JIRO0001"), id(t, hanako))
		require.NoError(t, err)
		_, err = b.Cancel(ctx, u.Request, point.At{})
		require.NoError(t, err)
		p, err := b.Part(ctx, id(t, "JIRO0001"), id(t, hanako))
		require.NoError(t, err)
		assert.Equal(t, point.Joined{Moved: map[point.Account]int64{"aoba": 310}, Short: map[point.Account]int64{}}, p)
		p, err = b.Part(ctx, id(t, taro), id(t, "JIRO0001"))
		require.NoError(t, err)
		assert.Equal(t, point.Joined{Moved: map[point.Account]int64{"aoba": 110}, Short: map[point.Account]int64{}}, p)
		b.whole(t)
	})
}
