package point_test

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUse(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.grant(t, "aoba", 1000)
		u := b.use(t, 300)
		r, err := b.Use(ctx, u)
		require.NoError(t, err)
		assert.Equal(t, point.Receipt{Request: u.Request, Operation: r.Operation, Kind: point.OpUse, Account: "aoba", Points: 300, Balance: 700,
			At: r.At, Terminal: "000002", Place: "あおば美術館", Proved: true}, r)
		assert.True(t, r.At.Equal(japan(t, "2026-11-28 10:00:00")))

		b.clock.Add(time.Hour)
		again, err := b.Use(ctx, u)
		require.NoError(t, err)
		r.Repeated = true
		assert.Equal(t, r, again)
		status, err := b.Status(ctx, u.Request)
		require.NoError(t, err)
		assert.Equal(t, r, status)

		other := u
		other.Points = 301
		_, err = b.Use(ctx, other)
		assert.ErrorIs(t, err, point.ErrRequestReused)
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		other = u
		other.Holder = id(t, taro)
		_, err = b.Use(ctx, other)
		assert.ErrorIs(t, err, point.ErrRequestReused, "another holder")

		var short *point.ShortError
		_, err = b.Use(ctx, b.use(t, 701))
		require.ErrorAs(t, err, &short)
		assert.EqualValues(t, 700, short.Balance)
		assert.NotErrorIs(t, err, point.ErrBusy)

		most := b.use(t, 5000)
		most.AtMost = true
		r, err = b.Use(ctx, most)
		require.NoError(t, err)
		assert.EqualValues(t, 700, r.Points)
		assert.Zero(t, r.Balance)
		nothing := b.use(t, 5000)
		nothing.AtMost = true
		r, err = b.Use(ctx, nothing)
		require.NoError(t, err)
		assert.Zero(t, r.Points)
		again, err = b.Use(ctx, nothing)
		require.NoError(t, err)
		r.Repeated = true
		assert.Equal(t, r, again)
		b.whole(t)
	})
}

func TestUseRefused(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.grant(t, "aoba", 1000)
		b.grant(t, "matsuri", 1000)
		b.reserve(t, 1000)
		for name, tc := range map[string]struct {
			spoil func(*point.Use)
			want  error
		}{
			"zero":                {func(u *point.Use) { u.Points = 0 }, point.ErrPoints},
			"negative":            {func(u *point.Use) { u.Points = -1 }, point.ErrPoints},
			"too many":            {func(u *point.Use) { u.Points = point.MaxPoints + 1 }, point.ErrPoints},
			"no holder":           {func(u *point.Use) { u.Holder = mykey.ID{} }, point.ErrNoHolder},
			"unknown holder":      {func(u *point.Use) { u.Holder = id(t, "NOBODY99") }, point.ErrNoHolder},
			"unknown account":     {func(u *point.Use) { u.Account = "midori" }, point.ErrNoProgramme},
			"reserved points":     {func(u *point.Use) { u.Account = "reserved" }, point.ErrKind},
			"a grant":             {func(u *point.Use) { u.For = point.OpGrant }, point.ErrKind},
			"no scope":            {func(u *point.Use) { u.Request.Scope = "" }, point.ErrRequest},
			"a space in the name": {func(u *point.Use) { u.Request.Name = "a b" }, point.ErrRequest},
			"a long name":         {func(u *point.Use) { u.Request.Name = string(make([]byte, 65)) }, point.ErrRequest},
			"an odd place":        {func(u *point.Use) { u.Place = "a\x00b" }, mykey.ErrForm},
			"no proof":            {func(u *point.Use) { u.Proved = false }, point.ErrProof},
		} {
			u := b.use(t, 10)
			tc.spoil(&u)
			_, err := b.Use(ctx, u)
			assert.ErrorIs(t, err, tc.want, name)
			_, err = b.Status(ctx, u.Request)
			assert.Error(t, err, "nothing is kept of what was refused")
		}
		require.NoError(t, b.CloseProgramme(ctx, "aoba", true))
		u := b.use(t, 10)
		_, err := b.Use(ctx, u)
		assert.ErrorIs(t, err, point.ErrClosed)
		_, err = b.Credit(ctx, point.Credit{Request: b.request(), Holder: id(t, hanako), Account: "aoba", Points: 1, Kind: point.OpGrant})
		assert.ErrorIs(t, err, point.ErrClosed)
		require.NoError(t, b.CloseProgramme(ctx, "aoba", false))
		_, err = b.Use(ctx, u)
		assert.NoError(t, err, "the same request, when it can be done")
		assert.ErrorIs(t, b.CloseProgramme(ctx, "midori", true), point.ErrNoProgramme)

		require.NoError(t, b.Stop(ctx, id(t, hanako), true))
		_, err = b.Use(ctx, b.use(t, 10))
		assert.ErrorIs(t, err, point.ErrStopped)
		_, err = b.Credit(ctx, point.Credit{Request: b.request(), Holder: id(t, hanako), Account: "aoba", Points: 1, Kind: point.OpGrant})
		assert.ErrorIs(t, err, point.ErrStopped)
		require.NoError(t, b.Stop(ctx, id(t, hanako), false))

		b.clock.Set(japan(t, "2027-01-01 00:00:00"))
		u = b.use(t, 10)
		u.Account = "matsuri"
		_, err = b.Use(ctx, u)
		assert.ErrorIs(t, err, point.ErrClosed, "the event is over")

		_, err = b.Status(ctx, point.Request{Scope: "a", Name: "b"})
		assert.ErrorIs(t, err, point.ErrNoRequest)
		assert.EqualValues(t, 990, b.balance(t, "aoba"))
		b.whole(t)
	})
}

// Points are spent soonest expiry first, and given back latest first.
func TestLots(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		p := city(t)
		for _, expiry := range []string{"day:2027-03-31", "day:2026-12-31", "never"} {
			var err error
			p.Expiry, err = point.ParseExpiry(expiry)
			require.NoError(t, err)
			require.NoError(t, b.SetProgramme(ctx, p))
			b.grant(t, "aoba", 100)
		}
		all, err := b.Balances(ctx, id(t, hanako))
		require.NoError(t, err)
		assert.Equal(t, []point.Balance{{Account: "aoba", Kind: point.Municipal, Name: "あおば市ポイント", Points: 300,
			NextDay: day(t, "2026-12-31"), NextPoints: 100}}, all)

		u := b.use(t, 250)
		_, err = b.Use(ctx, u)
		require.NoError(t, err)
		first := point.Refund{Request: b.request(), Of: u.Request, Points: 60}
		r, err := b.Refund(ctx, first)
		require.NoError(t, err)
		assert.EqualValues(t, 110, r.Balance)
		again, err := b.Refund(ctx, first)
		require.NoError(t, err)
		assert.True(t, again.Repeated)
		assert.Equal(t, r.Operation, again.Operation)
		other := first
		other.Points = 61
		_, err = b.Refund(ctx, other)
		assert.ErrorIs(t, err, point.ErrRequestReused)

		// 50 went back to the points that never lapse, 10 to those of March.
		b.clock.Set(japan(t, "2027-03-31 23:59:59"))
		assert.EqualValues(t, 110, b.balance(t, "aoba"))
		b.clock.Add(time.Second)
		assert.EqualValues(t, 100, b.balance(t, "aoba"))

		// The rest goes back where it came from, and lapses there.
		r, err = b.Refund(ctx, point.Refund{Request: b.request(), Of: u.Request, Points: 190})
		require.NoError(t, err)
		assert.EqualValues(t, 190, r.Lapsed)
		assert.EqualValues(t, 100, r.Balance)
		for _, points := range []int64{1, 250} {
			_, err = b.Refund(ctx, point.Refund{Request: b.request(), Of: u.Request, Points: points})
			assert.ErrorIs(t, err, point.ErrRefund)
		}
		_, err = b.Refund(ctx, point.Refund{Request: b.request(), Of: first.Request, Points: 1})
		assert.ErrorIs(t, err, point.ErrRefund, "a refund of a refund")
		_, err = b.Refund(ctx, point.Refund{Request: b.request(), Of: b.request(), Points: 1})
		assert.ErrorIs(t, err, point.ErrNoRequest)
		b.whole(t)

		sweep, err := b.Sweep(ctx, true)
		require.NoError(t, err)
		assert.Equal(t, point.Sweep{Lapsed: 200}, sweep)
		assert.EqualValues(t, 100, b.balance(t, "aoba"))
		b.whole(t)
	})
}

func TestRolling(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		p := city(t)
		p.Expiry = point.Expiry{Rule: point.Rolling, N: 12}
		require.NoError(t, b.SetProgramme(ctx, p))
		b.grant(t, "aoba", 100)
		b.clock.Set(japan(t, "2027-11-28 09:00:00")) // the last day
		u := b.use(t, 30)
		r, err := b.Use(ctx, u)
		require.NoError(t, err)
		assert.EqualValues(t, 70, r.Balance)
		again, err := b.Use(ctx, u)
		require.NoError(t, err)
		assert.EqualValues(t, 70, again.Balance)
		b.clock.Set(japan(t, "2028-11-28 23:59:59"))
		assert.EqualValues(t, 70, b.balance(t, "aoba"), "the use gave another year")
		_, err = b.Refund(ctx, point.Refund{Request: b.request(), Of: u.Request, Points: 30})
		require.NoError(t, err)
		b.grant(t, "aoba", 1)
		b.whole(t)
		b.clock.Set(japan(t, "2029-11-29 00:00:00"))
		assert.Zero(t, b.balance(t, "aoba"))
		sweep, err := b.Sweep(ctx, true)
		require.NoError(t, err)
		assert.EqualValues(t, 101, sweep.Lapsed)
		b.whole(t)
	})
}

// Cancel is right whenever it comes.
func TestCancel(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.grant(t, "aoba", 1000)

		late := b.use(t, 100)
		void, err := b.Cancel(ctx, late.Request, point.At{})
		require.NoError(t, err)
		assert.Equal(t, point.Receipt{Request: late.Request, Void: true}, void)
		_, err = b.Use(ctx, late)
		assert.ErrorIs(t, err, point.ErrRequestVoid)
		_, err = b.Status(ctx, late.Request)
		assert.ErrorIs(t, err, point.ErrRequestVoid)
		void, err = b.Cancel(ctx, late.Request, point.At{})
		require.NoError(t, err)
		assert.True(t, void.Void && void.Repeated)

		u := b.use(t, 100)
		_, err = b.Use(ctx, u)
		require.NoError(t, err)
		_, err = b.Refund(ctx, point.Refund{Request: b.request(), Of: u.Request, Points: 30})
		require.NoError(t, err)
		r, err := b.Cancel(ctx, u.Request, point.At{Terminal: "000003", Place: "本店"})
		require.NoError(t, err)
		assert.EqualValues(t, 70, r.Points)
		assert.EqualValues(t, 1000, r.Balance)
		assert.Equal(t, "本店", r.Place)
		r, err = b.Cancel(ctx, u.Request, point.At{})
		require.NoError(t, err)
		assert.True(t, r.Repeated)
		assert.EqualValues(t, 100, r.Undone)
		again, err := b.Use(ctx, u)
		require.NoError(t, err)
		assert.EqualValues(t, 100, again.Undone, "a till that asks again learns that it was undone")

		var undo *point.UndoError
		_, err = b.Cancel(ctx, b.grant(t, "aoba", 5), point.At{})
		require.ErrorAs(t, err, &undo)
		assert.ErrorIs(t, err, point.ErrNotUndoable)
		assert.EqualValues(t, 5, undo.Receipt.Points)
		_, err = b.Cancel(ctx, point.Request{}, point.At{})
		assert.ErrorIs(t, err, point.ErrRequest)
		b.whole(t)
	})
}

// What paid for something is taken back by its keeper, in the same transaction.
func TestCancelPaid(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		redeemed := errors.New("redeemed")
		var fail error
		var seen []point.Op
		b := open(t, db, point.Config{Undo: func(ctx context.Context, tx *sql.Tx, paid point.Receipt) error {
			seen = append(seen, paid.Kind)
			return fail
		}})
		ctx := t.Context()
		b.grant(t, "aoba", 1000)
		for _, kind := range []point.Op{point.OpTicket, point.OpMerge} {
			u := b.use(t, 100)
			u.For = kind
			_, err := b.Use(ctx, u)
			require.NoError(t, err)
			_, err = b.Refund(ctx, point.Refund{Request: b.request(), Of: u.Request, Points: 1})
			assert.ErrorIs(t, err, point.ErrRefund, "in parts, a ticket is not given back")
			fail = redeemed
			_, err = b.Cancel(ctx, u.Request, point.At{})
			assert.ErrorIs(t, err, redeemed)
			assert.ErrorIs(t, err, point.ErrNotUndoable)
			assert.EqualValues(t, 900, b.balance(t, "aoba"))
			fail = nil
			_, err = b.Cancel(ctx, u.Request, point.At{})
			require.NoError(t, err)
			assert.EqualValues(t, 1000, b.balance(t, "aoba"))
		}
		assert.Equal(t, []point.Op{point.OpTicket, point.OpTicket, point.OpMerge, point.OpMerge}, seen)
		b.whole(t)

		without, err := point.Open(ctx, db, point.Config{Clock: b.clock.Now})
		require.NoError(t, err)
		u := b.use(t, 100)
		u.For = point.OpTicket
		_, err = b.Use(ctx, u)
		require.NoError(t, err)
		_, err = without.Cancel(ctx, u.Request, point.At{})
		assert.ErrorIs(t, err, point.ErrNotUndoable)
	})
}

func TestReserved(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.reserve(t, 100)
		b.clock.Days(3)
		b.reserve(t, 200)
		s := point.Steer{Request: b.request(), Holder: id(t, hanako), From: "reserved", To: "matsuri", Points: 150}
		r, err := b.Steer(ctx, s)
		require.NoError(t, err)
		assert.EqualValues(t, 150, r.Balance)
		again, err := b.Steer(ctx, s)
		require.NoError(t, err)
		assert.Equal(t, r.Operation, again.Operation)
		assert.EqualValues(t, 150, b.balance(t, "matsuri"))
		for _, tc := range []struct {
			from, to point.Account
			points   int64
			want     error
		}{
			{"reserved", "matsuri", 151, point.ErrShort},
			{"reserved", "reserved", 1, point.ErrKind},
			{"matsuri", "aoba", 1, point.ErrKind},
			{"reserved", "midori", 1, point.ErrNoProgramme},
			{"reserved", "aoba", 0, point.ErrPoints},
		} {
			_, err := b.Steer(ctx, point.Steer{Request: b.request(), Holder: id(t, hanako), From: tc.from, To: tc.to, Points: tc.points})
			assert.ErrorIs(t, err, tc.want, "%s to %s", tc.from, tc.to)
		}
		b.whole(t)

		b.clock.Set(japan(t, "2026-12-15 23:59:59")) // 14 days after December 1
		_, err = b.Due(ctx, id(t, hanako), false)
		assert.ErrorIs(t, err, point.ErrClock, "nobody has confirmed two weeks without an operation")
		moved, err := b.Due(ctx, id(t, hanako), true)
		require.NoError(t, err)
		assert.Zero(t, moved)
		b.clock.Add(time.Second)
		_, err = b.Steer(ctx, point.Steer{Request: b.request(), Holder: id(t, hanako), From: "reserved", To: "matsuri", Points: 1})
		assert.ErrorIs(t, err, point.ErrShort, "they are due to the base account")
		assert.EqualValues(t, 150, b.balance(t, "reserved"))
		sweep, err := b.Sweep(ctx, true)
		require.NoError(t, err)
		assert.Equal(t, point.Sweep{Moved: 150}, sweep)
		assert.Zero(t, b.balance(t, "reserved"))
		assert.EqualValues(t, 150, b.balance(t, "aoba"))
		b.whole(t)

		// Without a base account they stay, can be steered, and are reported.
		require.NoError(t, b.SetProfile(ctx, id(t, hanako), point.Profile{}))
		b.reserve(t, 70)
		b.clock.Days(100)
		sweep, err = b.Sweep(ctx, true)
		require.NoError(t, err)
		assert.EqualValues(t, 1, sweep.Baseless)
		assert.EqualValues(t, 70, b.whole(t).Baseless)
		assert.EqualValues(t, 70, b.balance(t, "reserved"))
		_, err = b.Steer(ctx, point.Steer{Request: b.request(), Holder: id(t, hanako), From: "reserved", To: "aoba", Points: 70})
		require.NoError(t, err)
		b.whole(t)
	})
}

func TestReferenceOnce(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		ref, err := point.ParseReference("C-123-456")
		require.NoError(t, err)
		c := point.Credit{Request: b.request(), Holder: id(t, hanako), Account: "reserved", Points: 100, Kind: point.OpPartner, Partner: "card-a", Reference: ref}
		_, err = b.Credit(ctx, c)
		require.NoError(t, err)
		again, err := b.Credit(ctx, c)
		require.NoError(t, err)
		assert.True(t, again.Repeated)
		for _, holder := range []string{hanako, taro} {
			c.Request, c.Holder = b.request(), id(t, holder)
			_, err = b.Credit(ctx, c)
			assert.ErrorIs(t, err, point.ErrClaimed)
		}
		c.Partner = "card-b"
		_, err = b.Credit(ctx, c)
		assert.ErrorIs(t, err, mykey.ErrForm, "a partner that nobody set up")
		c.Partner, c.Kind = "", point.OpGrant
		_, err = b.Credit(ctx, c)
		assert.ErrorIs(t, err, mykey.ErrForm)
		c.Reference = point.Reference{}
		_, err = b.Credit(ctx, c)
		assert.ErrorIs(t, err, point.ErrKind, "nobody grants reserved points")
		b.whole(t)
	})
}

// take uses points as use says, with proof or without.
func (b *bench) take(t *testing.T, points int64, proved bool) error {
	t.Helper()
	u := b.use(t, points)
	u.Proved = proved
	_, err := b.Use(t.Context(), u)
	return err
}

func TestUnproved(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{Unproved: 500}), t.Context()
		b.grant(t, "aoba", 10_000)
		use := func(points int64, proved bool) error { return b.take(t, points, proved) }
		require.NoError(t, use(300, false))
		require.NoError(t, use(5000, true), "with proof there is no bound")
		assert.ErrorIs(t, use(201, false), point.ErrProof)
		require.NoError(t, use(200, false))
		assert.ErrorIs(t, use(1, false), point.ErrProof)
		b.clock.Set(japan(t, "2026-11-29 00:00:00"))
		require.NoError(t, use(500, false), "another day")
		b.whole(t)
		_, err := point.Open(ctx, db, point.Config{Unproved: -1})
		assert.ErrorIs(t, err, point.ErrPoints)
	})
}

// The day without proof goes on in a database of before its sum was kept.
func TestUnprovedBefore(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{Unproved: 500}), t.Context()
		b.grant(t, "aoba", 10_000)
		use := func(points int64) error { return b.take(t, points, false) }
		require.NoError(t, use(500))
		b.clock.Set(japan(t, "2026-11-29 00:00:00"))
		require.NoError(t, use(100))
		require.NoError(t, b.take(t, 1000, true))
		b.clock.Set(japan(t, "2026-11-29 23:59:59"))
		require.NoError(t, use(150))
		for _, q := range []string{"DROP TABLE point_unproved", "UPDATE point_schema_version SET version = 3 WHERE name = 'point'"} {
			_, err := db.Exec(q)
			require.NoError(t, err)
		}
		var err error
		b.Ledger, err = point.Open(ctx, db, b.cfg)
		require.NoError(t, err)
		assert.ErrorIs(t, use(251), point.ErrProof)
		require.NoError(t, use(250))
		assert.ErrorIs(t, use(1), point.ErrProof)
		b.whole(t)
		b.clock.Set(japan(t, "2026-11-30 00:00:00"))
		require.NoError(t, use(500))
		b.whole(t)
	})
}

// A use without proof does not read the day's other operations.
func TestUnprovedIsFlat(t *testing.T) {
	for name, h := range map[string]*dbtest.Hooked{
		"SQLite":     {DSN: dbtest.FastSQLite(t.TempDir())},
		"PostgreSQL": {Engine: stdlib.GetDefaultDriver(), DSN: pg.DSN(t)},
	} {
		t.Run(name, func(t *testing.T) {
			db := sql.OpenDB(h)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			b := open(t, db, point.Config{Unproved: 500})
			b.grant(t, "aoba", 10_000)
			insert := regexp.MustCompile(`^INSERT INTO \S*point_operation"? `)
			var read, written int
			h.Set(func(s dbtest.Step) error {
				switch {
				case s.After || !strings.Contains(s.What, "point_operation"):
				case insert.MatchString(s.What):
					written++
				default:
					read++
				}
				return nil
			})
			for range 2 {
				require.NoError(t, b.take(t, 1, false))
			}
			h.Set(nil)
			assert.Equal(t, 2, written)
			assert.Zero(t, read)
		})
	}
}

func TestClawback(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		grant := b.grant(t, "aoba", 1000)
		_, err := b.Use(ctx, b.use(t, 400))
		require.NoError(t, err)
		c := point.Clawback{Request: b.request(), Of: grant}
		r, err := b.Clawback(ctx, c)
		require.NoError(t, err)
		assert.EqualValues(t, 600, r.Points, "400 are missing")
		again, err := b.Clawback(ctx, c)
		require.NoError(t, err)
		assert.True(t, again.Repeated)
		c.Request = b.request()
		_, err = b.Clawback(ctx, c)
		assert.ErrorIs(t, err, point.ErrKind)
		c.Of = b.request()
		_, err = b.Clawback(ctx, c)
		assert.ErrorIs(t, err, point.ErrNoRequest)
		b.whole(t)
	})
}

// A clock that is years ahead lapses nothing by itself, and what it lapsed is
// put back.
func TestClockAhead(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.grant(t, "aoba", 100)
		b.clock.Days(1)
		_, err := b.Sweep(ctx, false)
		assert.NoError(t, err)
		b.clock.Add(time.Microsecond)
		_, err = b.Sweep(ctx, false)
		assert.ErrorIs(t, err, point.ErrClock)
		b.clock.Set(japan(t, "2099-01-01 00:00:00"))
		sweep, err := b.Sweep(ctx, true)
		require.NoError(t, err)
		assert.EqualValues(t, 100, sweep.Lapsed)
		history, err := b.History(ctx, id(t, hanako), "", 1)
		require.NoError(t, err)
		require.Len(t, history, 1)
		require.Equal(t, point.OpLapse, history[0].Kind)
		_, err = b.Restore(ctx, id(t, hanako), history[0].Operation)
		assert.ErrorIs(t, err, point.ErrClock, "by this clock they have lapsed")
		b.clock.Set(japan(t, "2026-11-28 11:00:00"))
		r, err := b.Restore(ctx, id(t, hanako), history[0].Operation)
		require.NoError(t, err)
		assert.EqualValues(t, 100, r.Balance)
		r, err = b.Restore(ctx, id(t, hanako), history[0].Operation)
		require.NoError(t, err)
		assert.True(t, r.Repeated)
		assert.EqualValues(t, 100, b.balance(t, "aoba"))
		for _, odd := range []string{"", "x", "0000000000000001", "-000000000000001"} {
			_, err = b.Restore(ctx, id(t, hanako), odd)
			assert.ErrorIs(t, err, point.ErrNoRequest)
		}
		b.whole(t)
	})
}

func TestHistory(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.grant(t, "aoba", 100)
		b.reserve(t, 50)
		_, err := b.Steer(ctx, point.Steer{Request: b.request(), Holder: id(t, hanako), From: "reserved", To: "aoba", Points: 20})
		require.NoError(t, err)
		u := b.use(t, 110)
		_, err = b.Use(ctx, u)
		require.NoError(t, err)
		_, err = b.Cancel(ctx, u.Request, point.At{})
		require.NoError(t, err)
		want := map[point.Op][]point.Change{
			point.OpGrant:   {{Account: "aoba", Points: 100, Balance: 100}},
			point.OpPartner: {{Account: "reserved", Points: 50, Balance: 50}},
			point.OpSteer:   {{Account: "aoba", Points: 20, Balance: 120}, {Account: "reserved", Points: -20, Balance: 30}},
			point.OpUse:     {{Account: "aoba", Points: -110, Balance: 10}},
			point.OpRefund:  {{Account: "aoba", Points: 110, Balance: 120}},
		}
		// All at one instant: a page ends within it.
		for page := range 5 {
			seen, after := 0, ""
			for {
				history, err := b.History(ctx, id(t, hanako), after, page+1)
				require.NoError(t, err)
				for _, m := range history {
					assert.ElementsMatch(t, want[m.Kind], m.Changes, m.Kind)
					after = m.Operation
					seen++
				}
				if len(history) <= page {
					break
				}
			}
			assert.Equal(t, len(want), seen, "pages of %d", page+1)
		}
		_, err = b.History(ctx, id(t, taro), "", 1)
		assert.ErrorIs(t, err, point.ErrNoHolder)
		_, err = b.History(ctx, id(t, hanako), "0000000000000001", 1)
		assert.ErrorIs(t, err, point.ErrNoRequest)
	})
}

// What hangs on a MyKey ID follows it.
func TestRename(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.grant(t, "aoba", 100)
		u := b.use(t, 10)
		_, err := b.Use(ctx, u)
		require.NoError(t, err)
		later := id(t, "HANAKO99")
		require.NoError(t, b.Rename(ctx, id(t, hanako), later))
		require.NoError(t, b.Rename(ctx, id(t, hanako), later), "again")
		u.Holder = later
		r, err := b.Use(ctx, u)
		require.NoError(t, err)
		assert.True(t, r.Repeated, "a lost answer is found under the new ID")
		u = b.use(t, 20)
		u.Holder = later
		_, err = b.Use(ctx, u)
		require.NoError(t, err)
		require.NoError(t, b.Enrol(ctx, id(t, taro), point.Profile{}))
		assert.ErrorIs(t, b.Rename(ctx, id(t, taro), later), point.ErrIDTaken)
		assert.ErrorIs(t, b.Rename(ctx, id(t, "NOBODY99"), later), point.ErrNoHolder)

		require.NoError(t, b.Revoke(ctx, later))
		require.NoError(t, b.Revoke(ctx, later))
		require.NoError(t, b.Revoke(ctx, id(t, "NOBODY99")))
		_, err = b.Use(ctx, b.use(t, 1))
		assert.ErrorIs(t, err, point.ErrStopped)
		assert.ErrorIs(t, b.Stop(ctx, later, false), point.ErrStopped)
		_, err = b.Refund(ctx, point.Refund{Request: b.request(), Of: u.Request, Points: 20})
		require.NoError(t, err, "a refund of one who was revoked")
		b.whole(t)
	})
}

func TestProfileStored(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		mail, err := point.ParseMailAddress("hanako@example.jp")
		require.NoError(t, err)
		want := point.Profile{Mail: mail, Notices: point.NoticeGrant | point.NoticeID, Base: "aoba"}
		require.NoError(t, b.SetProfile(ctx, id(t, hanako), want))
		got, err := b.Profile(ctx, id(t, hanako))
		require.NoError(t, err)
		assert.Equal(t, want.Mail.Reveal(), got.Mail.Reveal())
		assert.Equal(t, want.Notices, got.Notices)
		assert.Equal(t, want.Base, got.Base)
		assert.ErrorIs(t, b.SetProfile(ctx, id(t, hanako), point.Profile{Base: "matsuri"}), point.ErrBaseKind)
		assert.ErrorIs(t, b.SetProfile(ctx, id(t, taro), point.Profile{}), point.ErrNoHolder)
		_, err = b.Profile(ctx, id(t, taro))
		assert.ErrorIs(t, err, point.ErrNoHolder)
		assert.ErrorIs(t, b.Enrol(ctx, mykey.ID{}, point.Profile{}), point.ErrNoHolder)

		all, err := b.Programmes(ctx)
		require.NoError(t, err)
		assert.Equal(t, []point.Programme{city(t), festival(t), noReserved}, all)
		changed := city(t)
		changed.Kind, changed.Service = point.Event, festival(t).Service
		assert.ErrorIs(t, b.SetProgramme(ctx, changed), point.ErrProgrammeChanged)
		partners, err := b.Partners(ctx)
		require.NoError(t, err)
		assert.Equal(t, []point.Partner{{Code: "card-a", Name: "カード会社A", Link: point.LinkCoupon}}, partners)
	})
}

func TestTraining(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		live := open(t, db, point.Config{})
		b := open(t, db, point.Config{Training: true})
		b.grant(t, "aoba", 100)
		r, err := b.Use(t.Context(), b.use(t, 10))
		require.NoError(t, err)
		assert.True(t, r.Training)
		assert.Zero(t, live.balance(t, "aoba"))
	})
}

func TestOverflow(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		b, ctx := open(t, db, point.Config{}), t.Context()
		b.grant(t, "aoba", point.MaxPoints)
		_, err := b.Credit(ctx, point.Credit{Request: b.request(), Holder: id(t, hanako), Account: "aoba", Points: 1, Kind: point.OpGrant})
		assert.ErrorIs(t, err, point.ErrOverflow)
		p := city(t)
		p.Expiry = point.Expiry{}
		require.NoError(t, b.SetProgramme(ctx, p))
		_, err = b.Credit(ctx, point.Credit{Request: b.request(), Holder: id(t, hanako), Account: "aoba", Points: 1, Kind: point.OpGrant})
		assert.ErrorIs(t, err, point.ErrOverflow, "in another lot")
		b.whole(t)
	})
}
