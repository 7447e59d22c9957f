package point_test

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func period(t testing.TB, from, to string) mykey.Period {
	t.Helper()
	var p mykey.Period
	require.NoError(t, p.From.UnmarshalText([]byte(from)))
	require.NoError(t, p.To.UnmarshalText([]byte(to)))
	return p
}

// listed is a sequence of values without an error.
func listed[T any](all ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func full[T any](t testing.TB, seq iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for v, err := range seq {
		require.NoError(t, err)
		all = append(all, v)
	}
	return all
}

// spend uses points at a terminal and place.
func (b *bench) spend(t testing.TB, a point.Account, points int64, terminal, place string) point.Receipt {
	t.Helper()
	u := b.use(t, points)
	u.Account, u.Terminal, u.Place = a, terminal, place
	r, err := b.Use(t.Context(), u)
	require.NoError(t, err)
	return r
}

// What is paid for a period: uses and tickets together, by place and by account,
// less what was given back; and the shop, with its receipts, comes to the same.
func TestSettle(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		b := open(t, db, point.Config{})
		b.clock.Set(japan(t, "2026-12-01 00:00:00"))
		b.grant(t, "aoba", 100_000)
		b.grant(t, "matsuri", 100_000)
		b.clock.Set(japan(t, "2026-12-01 09:00:00"))
		var receipts []point.Receipt
		keep := func(r point.Receipt, err error) point.Receipt {
			t.Helper()
			require.NoError(t, err)
			receipts = append(receipts, r)
			b.clock.Add(time.Minute)
			return r
		}
		one := keep(b.spend(t, "aoba", 1, "000001", "美術館"), nil)
		keep(b.spend(t, "aoba", 10, "000002", "美術館"), nil)
		keep(b.spend(t, "aoba", 100, "000002", "商店"), nil)
		festive := keep(b.spend(t, "matsuri", 1000, "000002", "商店"), nil)
		keep(b.Refund(ctx, point.Refund{Request: b.request(), Of: festive.Request, Points: 300, Terminal: "000002", Place: "商店"}))
		keep(b.Cancel(ctx, one.Request, point.At{})) // nobody says where: at the terminal of the use
		paid := b.use(t, 5000)
		paid.For = point.OpTicket
		_, err := b.Use(ctx, paid)
		require.NoError(t, err)
		none := b.use(t, 10)
		none.AtMost, none.Account = true, "matsuri"
		b.spend(t, "matsuri", 99_300, "x", "")
		_, err = b.Use(ctx, none)
		require.NoError(t, err, "of no point")
		b.clock.Set(japan(t, "2026-12-10 00:00:00"))
		b.spend(t, "aoba", 7, "000001", "美術館")

		first := period(t, "2026-12-01", "2026-12-09")
		s, err := b.Settle(ctx, first)
		require.NoError(t, err)
		assert.False(t, s.Final, "within the minute")
		total := func(n, points int64) point.Total { return point.Total{Count: n, Points: points} }
		want := []point.Line{
			{Terminal: "000001", Place: "美術館", Account: "aoba", Uses: total(1, 1), Refunds: total(1, 1)},
			{Terminal: "000002", Place: "商店", Account: "aoba", Uses: total(1, 100)},
			{Terminal: "000002", Place: "商店", Account: "matsuri", Uses: total(1, 1000), Refunds: total(1, 300)},
			{Terminal: "000002", Place: "美術館", Account: "aoba", Uses: total(1, 10)},
			{Terminal: "x", Account: "matsuri", Uses: total(1, 99_300)},
		}
		assert.Equal(t, want, s.Lines)
		b.clock.Add(time.Minute)
		s, err = b.Settle(ctx, first)
		require.NoError(t, err)
		assert.True(t, s.Final)
		assert.Equal(t, want, s.Lines)
		assert.Equal(t, total(5, 100_110), s.Sum().Sum())

		own := s.Only(func(l point.Line) bool { return l.Terminal != "x" })
		assert.Equal(t, total(4, 810), own.Sum().Sum())
		own, err = own.With([]point.Line{{Terminal: "000003", Place: "美術館", Account: "aoba", Tickets: total(2, 600)},
			{Terminal: "000002", Place: "商店", Account: "aoba", Tickets: total(1, 50)}}, true)
		require.NoError(t, err)
		assert.True(t, own.Final)
		assert.Equal(t, []point.Line{
			{Place: "商店", Account: "aoba", Uses: total(1, 100), Tickets: total(1, 50)},
			{Place: "商店", Account: "matsuri", Uses: total(1, 1000), Refunds: total(1, 300)},
			{Place: "美術館", Account: "aoba", Uses: total(2, 11), Tickets: total(2, 600), Refunds: total(1, 1)},
		}, own.Places())
		assert.Equal(t, []point.Line{
			{Account: "aoba", Uses: total(3, 111), Tickets: total(3, 650), Refunds: total(1, 1)},
			{Account: "matsuri", Uses: total(1, 1000), Refunds: total(1, 300)},
		}, own.Accounts())
		notYet, err := own.With(nil, false)
		require.NoError(t, err)
		assert.False(t, notYet.Final, "tickets of a period that can change")

		// The other side: by its receipts, and by the ledger's details.
		var details []point.Detail
		for _, r := range receipts {
			details = append(details, r.Detail())
		}
		theirs, err := point.Tally(first, listed(details...))
		require.NoError(t, err)
		ours := s.Only(func(l point.Line) bool { return l.Terminal != "x" })
		assert.Empty(t, ours.Compare(theirs))
		all, err := point.Tally(first, b.Details(ctx, first))
		require.NoError(t, err)
		assert.Equal(t, s.Lines, all.Lines)
		lost, err := point.Tally(first, listed(slices.Delete(slices.Clone(details), 1, 2)...))
		require.NoError(t, err)
		assert.Equal(t, []point.Difference{{Terminal: "000002", Account: "aoba",
			Ours:  point.Line{Terminal: "000002", Account: "aoba", Uses: total(2, 110)},
			Other: point.Line{Terminal: "000002", Account: "aoba", Uses: total(1, 100)}}}, ours.Compare(lost))
		assert.Equal(t, ours.Compare(lost)[0].Ours, lost.Compare(ours)[0].Other)
		found, err := point.CompareDetails(listed(details...), listed(slices.Delete(slices.Clone(details), 1, 2)...))
		require.NoError(t, err)
		assert.Equal(t, []point.DetailDifference{{Ours: details[1]}}, found)

		for name, tc := range map[string]struct {
			change func(d []point.Detail)
			err    error
		}{
			"order":   {func(d []point.Detail) { d[0], d[1] = d[1], d[0] }, point.ErrOrder},
			"twice":   {func(d []point.Detail) { d[1] = d[0] }, point.ErrTwice},
			"outside": {func(d []point.Detail) { d[5].At = first.To.End() }, point.ErrPeriod},
			"points":  {func(d []point.Detail) { d[0].Points = 0 }, point.ErrPoints},
			"kind":    {func(d []point.Detail) { d[0].Kind = point.OpGrant }, point.ErrKind},
			"account": {func(d []point.Detail) { d[0].Account = "あ" }, mykey.ErrForm},
			"place":   {func(d []point.Detail) { d[0].Place = "\n" }, mykey.ErrForm},
			"name":    {func(d []point.Detail) { d[0].Operation = "" }, point.ErrNoRequest},
		} {
			bad := slices.Clone(details)
			tc.change(bad)
			_, err := point.Tally(first, listed(bad...))
			assert.ErrorIs(t, err, tc.err, name)
		}
		for _, err := range []error{second(b.Settle(ctx, mykey.Period{})), second(point.Tally(mykey.Period{}, nil)), second(b.SettlePartners(ctx, mykey.Period{}))} {
			assert.ErrorIs(t, err, mykey.ErrForm)
		}
		for _, err := range b.Details(ctx, mykey.Period{}) {
			assert.ErrorIs(t, err, mykey.ErrForm)
		}
		_, err = s.With([]point.Line{{Uses: total(1, 1<<60)}}, true)
		assert.ErrorIs(t, err, point.ErrSum)
		b.whole(t)
	})
}

func second[T any](_ T, err error) error { return err }

// A final period never changes: what is timed in it by a slower clock is dated at
// the first instant after it.
func TestFinal(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		b := open(t, db, point.Config{})
		b.grant(t, "aoba", 1000)
		day := period(t, "2026-11-28", "2026-11-28")
		b.spend(t, "aoba", 1, "000001", "")
		s, err := b.Settle(ctx, day)
		require.NoError(t, err)
		assert.False(t, s.Final, "not over")
		b.clock.Set(day.To.End().Add(time.Minute))
		s, err = b.Settle(ctx, day)
		require.NoError(t, err)
		require.True(t, s.Final)

		b.clock.Set(japan(t, "2026-11-28 12:00:00"))
		late := b.spend(t, "aoba", 10, "000001", "")
		assert.True(t, late.At.Equal(day.To.End()))
		back, err := b.Refund(ctx, point.Refund{Request: b.request(), Of: late.Request, Points: 3, Terminal: "000001"})
		require.NoError(t, err)
		assert.True(t, back.At.Equal(day.To.End()))
		again, err := b.Settle(ctx, day)
		require.NoError(t, err)
		assert.Equal(t, s, again)
		earlier, err := b.Settle(ctx, period(t, "2026-11-01", "2026-11-27"))
		require.NoError(t, err)
		assert.True(t, earlier.Final, "what was before a final period is final")
		require.NoError(t, b.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
			in, err := b.In(tx).Settle(ctx, day)
			assert.Equal(t, s, in)
			next, err2 := b.In(tx).Settle(ctx, period(t, "2026-11-01", "2026-11-29"))
			assert.False(t, next.Final)
			require.NoError(t, err2)
			return err
		}))
		b.whole(t)
	})
}

// An operation that is under way while its period is closed is waited for, and a
// period is not final before it has ended.
func TestFinalWaits(t *testing.T) {
	for _, k := range []kind{onPostgreSQL, inPartitions} {
		t.Run(k.name, func(t *testing.T) {
			dsn := k.dsn(t)
			db := dbtest.Open(t, "pgx", dsn)
			b := open(t, db, point.Config{RetryFor: 50 * time.Millisecond})
			b.grant(t, "aoba", 1000)
			day := period(t, "2026-11-28", "2026-11-28")
			b.clock.Set(day.To.End().Add(-time.Second))
			use := b.use(t, 10)
			require.NoError(t, b.Do(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				r, err := b.In(tx).Use(ctx, use)
				require.NoError(t, err)
				assert.True(t, day.Contains(r.At))
				b.clock.Set(day.To.End().Add(time.Hour))
				s, err := b.Settle(t.Context(), day)
				require.NoError(t, err)
				assert.False(t, s.Final, "a use of the period has not ended")
				assert.Empty(t, s.Lines)
				// A use that begins now is of the next period, and does not wait.
				quick, err := b.Use(t.Context(), point.Use{Request: b.request(), Holder: id(t, taro), Account: "aoba", Points: 1, Proved: true, AtMost: true})
				assert.ErrorIs(t, err, point.ErrNoHolder)
				assert.Zero(t, quick)
				return nil
			}))
			// Another transaction of the server's may be under way, such as its housekeeping.
			waits := patient
			waits.Clock = b.clock.Now
			l, err := point.Open(t.Context(), db, waits)
			require.NoError(t, err)
			s, err := l.Settle(t.Context(), day)
			require.NoError(t, err)
			assert.True(t, s.Final)
			assert.Equal(t, []point.Line{{Terminal: "000002", Place: "あおば美術館", Account: "aoba", Uses: point.Total{Count: 1, Points: 10}}}, s.Lines)

			// Tables that were copied to a server that has counted fewer transactions.
			_, err = db.Exec("UPDATE point_closed SET horizon = 9000000000000000000")
			require.NoError(t, err)
			again, err := l.Settle(t.Context(), day)
			require.NoError(t, err)
			assert.Equal(t, s, again)
		})
	}
}

// Closing runs beside uses without end: nothing is dated in a period that was
// final before, whatever falls together.
func TestFinalRace(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		b := open(t, db, point.Config{})
		l, err := point.Open(ctx, db, patient) // by the engine's clock
		require.NoError(t, err)
		_, err = l.Credit(ctx, point.Credit{Request: b.request(), Holder: id(t, hanako), Account: "aoba", Points: 1_000_000, Kind: point.OpGrant})
		require.NoError(t, err)
		stop := make(chan struct{})
		done := make(chan error, 4)
		for w := range cap(done) {
			go func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						done <- nil
						return
					default:
					}
					_, err := l.Use(ctx, point.Use{Request: point.Request{Scope: "race", Name: fmt.Sprint(w, "-", i)}, Holder: id(t, hanako), Account: "aoba", Points: 1, Proved: true, Terminal: "T"})
					if err != nil {
						done <- err
						return
					}
				}
			}()
		}
		from := time.Now().Add(-time.Hour)
		var closings []point.TillClosing
		for used := 0; used < 20; {
			c, err := l.CloseTill(ctx, "T", from, time.Now().Truncate(time.Microsecond))
			require.NoError(t, err)
			require.True(t, c.Final)
			closings = append(closings, c)
			if from = c.To; len(c.Kinds) > 0 {
				used++
			}
		}
		close(stop)
		for range cap(done) {
			require.NoError(t, <-done)
		}
		for _, c := range closings {
			again, err := l.CloseTill(ctx, "T", c.From, c.To)
			require.NoError(t, err)
			require.Equal(t, c, again)
		}
	})
}

// From closing to closing, as the till says; and its own list finds what differs.
func TestCloseTill(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		b := open(t, db, point.Config{})
		b.clock.Set(japan(t, "2026-12-04 18:00:00"))
		b.grant(t, "aoba", 10_000)
		opened := japan(t, "2026-12-04 17:00:00")
		var own []point.Receipt
		use := func(points int64, kind point.Op) point.Receipt {
			u := b.use(t, points)
			u.For = kind
			r, err := b.Use(ctx, u)
			require.NoError(t, err)
			own = append(own, r)
			b.clock.Add(time.Minute)
			return r
		}
		use(100, point.OpUse)
		use(500, point.OpTicket)
		b.spend(t, "aoba", 9, "000003", "あおば美術館")
		b.clock.Set(japan(t, "2026-12-05 01:30:00")) // the same business day
		late := use(20, point.OpUse)
		b.clock.Set(japan(t, "2026-12-05 02:00:00"))
		closed := japan(t, "2026-12-05 02:00:00")
		back, err := b.Cancel(ctx, late.Request, point.At{Terminal: "000002"})
		require.NoError(t, err)
		own = append(own, back)

		total := func(n, points int64) point.Total { return point.Total{Count: n, Points: points} }
		c, err := b.CloseTill(ctx, "000002", opened, closed)
		require.NoError(t, err)
		assert.True(t, c.Final)
		assert.Equal(t, []point.KindTotal{{Kind: point.OpTicket, Total: total(1, 500)}, {Kind: point.OpUse, Total: total(2, 120)}}, c.Kinds)
		b.clock.Add(time.Second)
		next, err := b.CloseTill(ctx, "000002", closed, b.clock.Now())
		require.NoError(t, err)
		assert.Equal(t, []point.KindTotal{{Kind: point.OpRefund, Total: total(1, 20)}}, next.Kinds, "the first instant is the next day's")
		ahead, err := b.CloseTill(ctx, "000002", closed, b.clock.Now().Add(time.Second))
		require.NoError(t, err)
		assert.False(t, ahead.Final)

		list, err := point.TillList("000002", opened, closed, slices.Values(append(own, own[0])))
		require.NoError(t, err)
		assert.Empty(t, c.Compare(list))
		list, err = point.TillList("000002", opened, closed, slices.Values(own[1:]))
		require.NoError(t, err)
		assert.Equal(t, []point.KindDifference{{Kind: point.OpUse, Ours: total(2, 120), Other: total(1, 20)}}, c.Compare(list))
		var details []point.Detail
		for _, r := range own[1:] {
			details = append(details, r.Detail())
		}
		details[0].Points++
		found, err := point.CompareDetails(b.TillDetails(ctx, "000002", opened, closed.Add(time.Second)), listed(details...))
		require.NoError(t, err)
		require.Len(t, found, 2)
		assert.Equal(t, own[0].Operation, found[0].Ours.Operation)
		assert.Zero(t, found[0].Other)
		assert.EqualValues(t, 501, found[1].Other.Points)
		_, err = b.CloseTill(ctx, "000002", closed, closed)
		assert.ErrorIs(t, err, point.ErrPeriod)
	})
}

// What partners pay, by both sides.
func TestSettlePartners(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		b := open(t, db, point.Config{})
		require.NoError(t, b.SetPartner(ctx, point.Partner{Code: "air-b", Name: "航空会社B", Link: point.LinkID}))
		b.reserve(t, 100)
		b.reserve(t, 20)
		ref, err := point.ParseReference("AIR-1")
		require.NoError(t, err)
		wrong := b.request()
		_, err = b.Credit(ctx, point.Credit{Request: wrong, Holder: id(t, hanako), Account: "reserved", Points: 7, Kind: point.OpPartner, Partner: "air-b", Reference: ref})
		require.NoError(t, err)
		b.grant(t, "aoba", 1000)
		_, err = b.Clawback(ctx, point.Clawback{Request: b.request(), Of: wrong})
		require.NoError(t, err)
		_, err = b.Steer(ctx, point.Steer{Request: b.request(), Holder: id(t, hanako), From: "reserved", To: "matsuri", Points: 50})
		require.NoError(t, err)
		month := period(t, "2026-11-01", "2026-11-30")
		b.clock.Set(japan(t, "2026-12-20 00:00:00"))
		_, err = b.Due(ctx, id(t, hanako), true)
		require.NoError(t, err)
		s, err := b.SettlePartners(ctx, month)
		require.NoError(t, err)
		assert.True(t, s.Final)
		total := func(n, points int64) point.Total { return point.Total{Count: n, Points: points} }
		assert.Equal(t, []point.PartnerLine{
			{Partner: "air-b", Account: "reserved", Moved: total(1, 7), Back: total(1, 7)},
			{Partner: "card-a", Account: "reserved", Moved: total(2, 120)},
		}, s.Lines)
		assert.Equal(t, map[point.Account]point.Total{"matsuri": total(1, 50)}, s.Received)
		december, err := b.SettlePartners(ctx, period(t, "2026-12-01", "2026-12-31"))
		require.NoError(t, err)
		assert.False(t, december.Final)
		assert.Equal(t, map[point.Account]point.Total{"aoba": total(1, 70)}, december.Received)

		transfers := full(t, b.Transfers(ctx, month))
		require.Len(t, transfers, 4)
		theirs, err := point.TallyPartners(month, listed(transfers...))
		require.NoError(t, err)
		assert.Empty(t, s.Compare(theirs))
		assert.Equal(t, s.Lines, theirs.Lines)
		i := slices.IndexFunc(transfers, func(x point.Transferred) bool { return x.Partner == "card-a" })
		transfers[i].Points++
		theirs, err = point.TallyPartners(month, listed(transfers...))
		require.NoError(t, err)
		require.Len(t, s.Compare(theirs), 1)
		assert.Equal(t, "card-a", s.Compare(theirs)[0].Partner)
		assert.Empty(t, s.Only("air-b").Compare(theirs.Only("air-b")))
		transfers[i].Kind = point.OpUse
		_, err = point.TallyPartners(month, listed(transfers...))
		assert.ErrorIs(t, err, point.ErrKind)
	})
}

// Details come page by page, each once, in order.
func TestDetailsPages(t *testing.T) {
	b := open(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), point.Config{})
	b.grant(t, "aoba", 10_000)
	for range 2345 {
		b.spend(t, "aoba", 1, "000001", "")
		if b.n.Load()%700 == 0 {
			b.clock.Add(time.Second)
		}
	}
	seen := map[string]bool{}
	var last time.Time
	for d, err := range b.Details(t.Context(), period(t, "2026-11-01", "2026-11-30")) {
		require.NoError(t, err)
		require.False(t, seen[d.Operation])
		require.False(t, d.At.Before(last))
		seen[d.Operation], last = true, d.At
	}
	require.Len(t, seen, 2345)
}
