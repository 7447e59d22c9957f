package grant_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/internal/pgtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var pg pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	pg.Stop()
	if code == 0 {
		if err := dbtest.Leaks(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func engines(t *testing.T, f func(t *testing.T, db *sql.DB)) {
	t.Run("SQLite", func(t *testing.T) { f(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir()))) })
	t.Run("PostgreSQL", func(t *testing.T) { f(t, dbtest.Open(t, "pgx", pg.DSN(t))) })
}

var passphrase = grant.NewPassphrase([]byte("a passphrase of the tests"))

// town is an office with a ledger of points, and people with cards.
type town struct {
	*grant.Office
	points *point.Ledger
	key    grant.Key
	us     atomic.Int64
	mu     sync.Mutex
	cards  map[jpki.Serial]mykey.ID
	fail   error // of the look-up
}

func (w *town) now() time.Time { return time.UnixMicro(w.us.Load()) }

func serial(t testing.TB, n int) grant.Card {
	s, err := jpki.SerialFromBytes(append([]byte("serial"), byte(n>>16), byte(n>>8), byte(n)))
	require.NoError(t, err)
	return grant.Card{Serial: s, Issuer: []byte("an issuer's key, 20b")}
}

func id(t testing.TB, n int) mykey.ID {
	v, err := mykey.ParseID(fmt.Sprintf("M%07d", n))
	require.NoError(t, err)
	return v
}

func open(t testing.TB, db *sql.DB, people int) *town {
	t.Helper()
	ctx := t.Context()
	w := &town{cards: map[jpki.Serial]mykey.ID{}}
	w.us.Store(time.Date(2026, 11, 28, 10, 0, 0, 0, time.FixedZone("JST", 9*60*60)).UnixMicro())
	var err error
	w.points, err = point.Open(ctx, db, point.Config{Clock: w.now})
	require.NoError(t, err)
	m, err := mykey.ParseMunicipality("131016")
	require.NoError(t, err)
	require.NoError(t, w.points.SetProgramme(ctx, point.Programme{Account: "aoba", Kind: point.Municipal, Name: "あおば市ポイント", Municipality: m,
		Contact: mykey.Contact{Organisation: "あおば市", Person: "見本 花子", PostalCode: "100-0001", Address: "A町1-1", Phone: "03-1234-5678", Mail: "p@city.example.jp"},
		Bank:    point.BankAccount{BankName: "あおば銀行", BankCode: "0001", BranchName: "本店", BranchCode: "001", Type: point.Ordinary, Number: "0012345", Holder: "アオバシ"}}))
	w.key, err = grant.NewKey([]byte("0123456789abcdef0123456789abcdef"))
	require.NoError(t, err)
	w.Office, err = grant.Open(ctx, db, w.config())
	require.NoError(t, err)
	require.NoError(t, w.points.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		in := w.points.In(tx)
		for n := range people {
			w.cards[serial(t, n).Serial] = id(t, n)
			if err := in.Enrol(ctx, id(t, n), point.Profile{}); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, w.SetProgramme(ctx, course()))
	return w
}

func (w *town) config() grant.Config {
	return grant.Config{Points: w.points, Key: w.key, Clock: w.now,
		Resolve: func(_ context.Context, _ *sql.Tx, c grant.Card) (mykey.ID, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.cards[c.Serial], w.fail
		}}
}

func course() grant.Programme {
	return grant.Programme{Code: "course", Account: "aoba", Name: "認知症サポーター養成講座", Department: "福祉課", Points: 100}
}

// device is one at the venue, with clocks of its own.
type device struct {
	*grant.Device
	db    *sql.DB
	dsn   string
	wall  func() time.Time
	since atomic.Int64 // nanoseconds
}

func (w *town) device(t testing.TB, dir string) *device {
	t.Helper()
	d := &device{dsn: dbtest.FastSQLite(dir), wall: w.now}
	d.db = dbtest.Open(t, "sqlite", d.dsn)
	d.start(t, w)
	require.NoError(t, w.Register(t.Context(), "000009", d.Epoch()))
	return d
}

func (d *device) start(t testing.TB, w *town) {
	var err error
	d.Device, err = grant.OpenDevice(t.Context(), d.db, grant.DeviceConfig{Office: w.key.Public(), Passphrase: passphrase,
		Clock: func() time.Time { return d.wall() }, Since: func() time.Duration { return time.Duration(d.since.Load()) }})
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
}

// send sends what is there, and returns the verdicts.
func (d *device) send(t testing.TB, w *town) map[grant.Verdict]int {
	t.Helper()
	out := map[grant.Verdict]int{}
	for {
		c, err := d.Chunk(t.Context(), grant.MaxChunk)
		require.NoError(t, err)
		a, err := w.Receive(t.Context(), c)
		require.NoError(t, err)
		for _, v := range a.Verdicts {
			out[v.Verdict]++
		}
		require.NoError(t, d.Answer(t.Context(), a))
		if len(c.Taps) == 0 {
			return out
		}
	}
}

func (w *town) balance(t testing.TB, n int) int64 {
	all, err := w.points.Balances(t.Context(), id(t, n))
	require.NoError(t, err)
	if len(all) == 0 {
		return 0
	}
	return all[0].Points
}

func TestRound(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 10), t.Context()
		d, other := w.device(t, t.TempDir()), w.device(t, t.TempDir())
		for n := range 5 {
			require.NoError(t, d.Tap(ctx, "course", "", serial(t, n)))
			assert.ErrorIs(t, d.Tap(ctx, "course", "", serial(t, n)), grant.ErrRepeat)
		}
		require.NoError(t, d.TapID(ctx, "course", "", id(t, 7)))
		assert.ErrorIs(t, d.TapID(ctx, "course", "", id(t, 7)), grant.ErrRepeat)
		require.NoError(t, d.TapID(ctx, "course", "", id(t, 4)), "the device cannot know whose card it was")
		require.NoError(t, d.Tap(ctx, "course", "", serial(t, 99)), "a card of nobody")
		require.NoError(t, d.Tap(ctx, "nothing", "", serial(t, 1)))
		require.NoError(t, d.Tap(ctx, "course", "2nd", serial(t, 6)), "the programme has no sessions")
		require.NoError(t, other.Tap(ctx, "course", "", serial(t, 0)))

		open, err := d.Open(ctx)
		require.NoError(t, err)
		assert.Equal(t, 10, open)
		assert.Equal(t, map[grant.Verdict]int{grant.Granted: 6, grant.Already: 1, grant.Unknown: 1, grant.NoProgram: 2}, d.send(t, w))
		assert.Equal(t, map[grant.Verdict]int{grant.Already: 1}, other.send(t, w))
		for n := range 5 {
			assert.EqualValues(t, 100, w.balance(t, n))
		}
		assert.EqualValues(t, 100, w.balance(t, 7))
		assert.Zero(t, w.balance(t, 6))
		books, err := w.points.Books(ctx)
		require.NoError(t, err)
		assert.Empty(t, books.Faults)
		assert.EqualValues(t, 600, books.Operations[point.OpGrant])

		// Nothing by which a person could be known is left on the device.
		var marks int
		require.NoError(t, d.db.QueryRow("SELECT count(mark) FROM round_tap").Scan(&marks))
		assert.Zero(t, marks)

		// Somebody who was unknown is enrolled, and judged anew.
		waiting, err := w.Waiting(ctx, "course")
		require.NoError(t, err)
		require.Len(t, waiting, 2)
		assert.Equal(t, grant.NoProgram, waiting[1].Verdict)
		require.NoError(t, w.points.Enrol(ctx, id(t, 99), point.Profile{}))
		w.cards[serial(t, 99).Serial] = id(t, 99)
		v, err := w.Judge(ctx, waiting[0].Epoch, waiting[0].Seq, time.Time{}, "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Granted, v)
		_, err = w.Judge(ctx, waiting[0].Epoch, waiting[0].Seq, time.Time{}, "tanaka")
		assert.ErrorIs(t, err, grant.ErrNoReceipt)

		// The programme gets sessions, and the tap for one of them its points.
		v, err = w.Judge(ctx, waiting[1].Epoch, waiting[1].Seq, time.Time{}, "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.NoProgram, v)
		p := course()
		p.Sessions = true
		require.NoError(t, w.SetProgramme(ctx, p))
		_, err = w.Judge(ctx, waiting[1].Epoch, waiting[1].Seq, time.Time{}, "")
		assert.ErrorIs(t, err, mykey.ErrForm, "nobody answers for it")
		v, err = w.Judge(ctx, waiting[1].Epoch, waiting[1].Seq, time.Time{}, "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Granted, v)
		waiting, err = w.Waiting(ctx, "course")
		require.NoError(t, err)
		assert.Empty(t, waiting)

		tally, err := w.Tally(ctx, "course")
		require.NoError(t, err)
		assert.Equal(t, []grant.Tally{{Verdict: grant.Already, Taps: 2}, {Verdict: grant.Granted, Taps: 8, Points: 800}}, tally)
	})
}

// The same chunk, again and in pieces, is judged once.
func TestLostAnswers(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 20), t.Context()
		d := w.device(t, t.TempDir())
		for n := range 20 {
			require.NoError(t, d.Tap(ctx, "course", "", serial(t, n)))
		}
		c, err := d.Chunk(ctx, 500)
		require.NoError(t, err)
		first, err := w.Receive(ctx, c)
		require.NoError(t, err)
		for range 3 {
			again, err := w.Receive(ctx, c)
			require.NoError(t, err)
			assert.Equal(t, first, again)
		}
		// The same as JSON.
		wire, err := json.Marshal(c)
		require.NoError(t, err)
		var sent grant.Chunk
		require.NoError(t, json.Unmarshal(wire, &sent))
		again, err := w.Receive(ctx, sent)
		require.NoError(t, err)
		wire, err = json.Marshal(again)
		require.NoError(t, err)
		var got grant.Answer
		require.NoError(t, json.Unmarshal(wire, &got))
		assert.Equal(t, first, got)

		c, err = d.Chunk(ctx, 7)
		require.NoError(t, err)
		part, err := w.Receive(ctx, c)
		require.NoError(t, err)
		assert.Equal(t, first.Verdicts[:7], part.Verdicts)
		require.NoError(t, d.Answer(ctx, part))
		require.NoError(t, d.Answer(ctx, part))
		assert.Equal(t, map[grant.Verdict]int{grant.Granted: 13}, d.send(t, w))

		w.fail = errors.New("the registry is away")
		require.NoError(t, d.Tap(ctx, "course", "", serial(t, 50)))
		c, err = d.Chunk(ctx, 500)
		require.NoError(t, err)
		_, err = w.Receive(ctx, c)
		assert.ErrorIs(t, err, w.fail)
		w.fail = nil
		assert.Equal(t, map[grant.Verdict]int{grant.Unknown: 1}, d.send(t, w))
	})
}

// A person has the points once, also after the MyKey ID was changed, with a
// second device, and by hand.
func TestOncePerPerson(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 3), t.Context()
		p := course()
		p.Code, p.Sessions = "lessons", true
		require.NoError(t, w.SetProgramme(ctx, p))
		d := w.device(t, t.TempDir())
		require.NoError(t, d.Tap(ctx, "course", "", serial(t, 0)))
		for _, session := range []string{"1回目", "2回目"} {
			require.NoError(t, d.Tap(ctx, "lessons", session, serial(t, 0)))
		}
		assert.Equal(t, map[grant.Verdict]int{grant.Granted: 3}, d.send(t, w))
		require.NoError(t, w.points.Rename(ctx, id(t, 0), id(t, 70)))
		w.cards[serial(t, 0).Serial] = id(t, 70)
		other := w.device(t, t.TempDir())
		require.NoError(t, other.Tap(ctx, "course", "", serial(t, 0)))
		require.NoError(t, other.Tap(ctx, "lessons", "2回目", serial(t, 0)))
		require.NoError(t, other.Tap(ctx, "lessons", "3回目", serial(t, 0)))
		assert.Equal(t, map[grant.Verdict]int{grant.Already: 2, grant.Granted: 1}, other.send(t, w))
		v, err := w.Grant(ctx, "course", "", id(t, 70), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Already, v)
		v, err = w.Grant(ctx, "course", "", id(t, 1), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Granted, v)
		assert.EqualValues(t, 400, w.balance(t, 70))

		// Other points for the programme do not grant anew.
		p = course()
		p.Points = 200
		require.NoError(t, w.SetProgramme(ctx, p))
		v, err = w.Grant(ctx, "course", "", id(t, 1), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Already, v)

		require.NoError(t, w.points.Revoke(ctx, id(t, 2)))
		v, err = w.Grant(ctx, "course", "", id(t, 2), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Stopped, v)
		v, err = w.Grant(ctx, "course", "", id(t, 99), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Unknown, v)
		require.NoError(t, w.points.CloseProgramme(ctx, "aoba", true))
		require.NoError(t, w.points.Enrol(ctx, id(t, 3), point.Profile{}))
		v, err = w.Grant(ctx, "course", "", id(t, 3), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.NoProgram, v)
	})
}

// What was tapped in time is granted, however late it comes; a clock that cannot
// be trusted is held.
func TestTimes(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		for name, tc := range map[string]struct {
			between func(w *town, d *device) // from the tap to the sending
			want    grant.Verdict
		}{
			"sent at once":              {func(*town, *device) {}, grant.Granted},
			"sent a week after the end": {func(w *town, d *device) { w.pass(d, 7*24*time.Hour) }, grant.Granted},
			"the wall clock is years off": {func(w *town, d *device) {
				d.wall = func() time.Time { return w.now().AddDate(-3, 0, 0) }
				w.pass(d, time.Hour)
			}, grant.Granted},
			"a new start, the clock right":  {func(w *town, d *device) { w.pass(d, 48*time.Hour); d.restart(t, w) }, grant.Granted},
			"the device slept for an hour":  {func(w *town, d *device) { w.us.Add(time.Hour.Microseconds()) }, grant.Granted},
			"the device slept over the end": {func(w *town, d *device) { w.us.Add((48 * time.Hour).Microseconds()) }, grant.Held},
			"the clock was set in between": {func(w *town, d *device) {
				d.wall = func() time.Time { return w.now().AddDate(3, 0, 0) }
				w.pass(d, time.Minute)
			}, grant.Held},
			"a new start, the clock off": {func(w *town, d *device) {
				d.wall = func() time.Time { return w.now().Add(-6 * time.Minute) }
				w.pass(d, time.Hour)
				d.restart(t, w)
			}, grant.Held},
			"the device was lost": {func(w *town, d *device) { require.NoError(t, w.Stop(t.Context(), d.Epoch())) }, grant.Held},
			"closed in between": {func(w *town, d *device) {
				w.pass(d, time.Minute)
				require.NoError(t, w.CloseProgramme(t.Context(), "course"))
				w.pass(d, time.Minute)
			}, grant.Granted},
		} {
			w := openPrefix(t, db, name)
			p := course()
			today := mykey.DateOf(w.now())
			p.Period = mykey.Period{From: today, To: today}
			require.NoError(t, w.SetProgramme(t.Context(), p))
			d := w.device(t, t.TempDir())
			tapped := w.now()
			require.NoError(t, d.Tap(t.Context(), "course", "", serial(t, 0)), name)
			tc.between(w, d)
			assert.Equal(t, map[grant.Verdict]int{tc.want: 1}, d.send(t, w), name)
			if tc.want == grant.Held {
				waiting, err := w.Waiting(t.Context(), "course")
				require.NoError(t, err)
				require.Len(t, waiting, 1)
				v, err := w.Judge(t.Context(), waiting[0].Epoch, waiting[0].Seq, tapped, "tanaka")
				require.NoError(t, err)
				assert.Equal(t, grant.Granted, v, "%s: the time is what a person has found", name)
				continue
			}
			// A tap from after the end.
			w.pass(d, 24*time.Hour)
			require.NoError(t, d.Tap(t.Context(), "course", "", serial(t, 1)), name)
			assert.Equal(t, map[grant.Verdict]int{grant.Closed: 1}, d.send(t, w), name)
		}
	})
}

// A tap cannot be from before the device was registered, and not from before its
// last call: a clock that says so was wrong then, and is held.
func TestClockWasWrong(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 3), t.Context()
		p := course()
		today := mykey.DateOf(w.now())
		p.Period = mykey.Period{From: today, To: today}
		require.NoError(t, w.SetProgramme(ctx, p))
		d := w.device(t, t.TempDir())
		wrong := func() time.Time { return w.now().AddDate(-3, 0, 0) }
		for n := range 2 {
			d.wall = wrong
			require.NoError(t, d.Tap(ctx, "course", "", serial(t, n)))
			w.pass(d, time.Hour)
			d.wall = w.now
			d.restart(t, w)
			assert.Equal(t, map[grant.Verdict]int{grant.Held: 1}, d.send(t, w))
		}
		waiting, err := w.Waiting(ctx, "course")
		require.NoError(t, err)
		require.Len(t, waiting, 2)
		assert.True(t, waiting[0].Doubt)
		for i, v := range []grant.Verdict{grant.Closed, grant.Granted} { // as a person finds
			got, err := w.Judge(ctx, waiting[i].Epoch, waiting[i].Seq, w.now().Add(time.Duration(i-1)*48*time.Hour), "tanaka")
			require.NoError(t, err)
			assert.Equal(t, v, got)
		}

		// In one run, the clock is set forward by three years between tap and
		// sending: it could be that the device slept, were it not for the call
		// before.
		d.wall = wrong
		d.send(t, w)
		require.NoError(t, d.Tap(ctx, "course", "", serial(t, 2)))
		w.pass(d, time.Hour)
		d.wall = w.now
		assert.Equal(t, map[grant.Verdict]int{grant.Granted: 1}, d.send(t, w))
	})
}

// pass lets time go by, for everybody.
func (w *town) pass(d *device, by time.Duration) {
	w.us.Add(by.Microseconds())
	d.since.Add(int64(by))
}

func (d *device) restart(t testing.TB, w *town) {
	require.NoError(t, d.Close())
	d.since.Store(0)
	d.start(t, w)
}

// openPrefix opens a town of two people, whose tables are fresh.
func openPrefix(t testing.TB, db *sql.DB, name string) *town {
	for _, q := range []string{"receipt", "device", "roster", "programme"} {
		_, _ = db.Exec("DELETE FROM grant_" + q)
	}
	for _, q := range []string{"request", "entry", "operation", "lot", "alias", "holder", "programme"} {
		_, _ = db.Exec("DELETE FROM point_" + q)
	}
	return open(t, db, 2)
}

// A device that is restored from a backup uses its numbers again. That is
// noticed; its taps come under a new epoch, and nobody is granted twice.
func TestRestoredDevice(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 10), t.Context()
		dir := t.TempDir()
		d := w.device(t, dir)
		require.NoError(t, d.Tap(ctx, "course", "", serial(t, 0)))
		backup := t.TempDir()
		_, err := d.db.Exec("VACUUM INTO '" + backup + "/t.db'")
		require.NoError(t, err)
		require.NoError(t, d.Tap(ctx, "course", "", serial(t, 1)))
		assert.Equal(t, map[grant.Verdict]int{grant.Granted: 2}, d.send(t, w))

		old := &device{db: dbtest.Open(t, "sqlite", dbtest.FastSQLite(backup)), wall: w.now}
		old.start(t, w)
		require.Equal(t, d.Epoch(), old.Epoch())
		require.NoError(t, old.Tap(ctx, "course", "", serial(t, 2)))
		c, err := old.Chunk(ctx, 500)
		require.NoError(t, err)
		a, err := w.Receive(ctx, c)
		require.NoError(t, err)
		require.True(t, a.Conflict)
		assert.ErrorIs(t, old.Answer(ctx, a), grant.ErrConflict)
		require.NotEqual(t, d.Epoch(), old.Epoch())
		c, err = old.Chunk(ctx, 500)
		require.NoError(t, err)
		_, err = w.Receive(ctx, c)
		assert.ErrorIs(t, err, grant.ErrEpoch)
		require.NoError(t, w.Register(ctx, "000009", old.Epoch()))
		got := old.send(t, w)
		assert.Equal(t, 1, got[grant.Granted])
		gaps, err := w.Gaps(ctx)
		require.NoError(t, err)
		assert.Empty(t, gaps, "numbers of the epoch before are not missing")
		for n := range 3 {
			assert.EqualValues(t, 100, w.balance(t, n))
		}
	})
}

// A look-up that ends the transaction is noticed; what was lost is looked at, and
// then it goes on.
func TestLost(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 3), t.Context()
		d := w.device(t, t.TempDir())
		require.NoError(t, d.Tap(ctx, "course", "", serial(t, 0)))
		cfg := w.config()
		resolve := cfg.Resolve
		cfg.Resolve = func(ctx context.Context, tx *sql.Tx, c grant.Card) (mykey.ID, error) {
			_, err := tx.ExecContext(ctx, "COMMIT")
			require.NoError(t, err)
			return resolve(ctx, tx, c)
		}
		bad, err := grant.Open(ctx, db, cfg)
		require.NoError(t, err)
		c, err := d.Chunk(ctx, 10)
		require.NoError(t, err)
		_, err = bad.Receive(ctx, c)
		var lost *grant.LostError
		require.ErrorAs(t, err, &lost)
		assert.Zero(t, w.balance(t, 0))

		cfg.Resolve = resolve
		_, err = grant.Open(ctx, db, cfg)
		var unresolved *grant.UnresolvedError
		require.ErrorAs(t, err, &unresolved)
		cfg.Unresolved = true
		o, err := grant.Open(ctx, db, cfg)
		require.NoError(t, err)
		losses, err := o.Losses(ctx)
		require.NoError(t, err)
		require.Len(t, losses, 1)
		require.NoError(t, o.Resolve(ctx, losses[0].ID))
		assert.ErrorIs(t, o.Resolve(ctx, losses[0].ID), grant.ErrNoLoss)
		require.NoError(t, grant.Check(ctx, db, cfg))
		assert.Equal(t, map[grant.Verdict]int{grant.Granted: 1}, d.send(t, w))
	})
}

func TestGaps(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 3), t.Context()
		d := w.device(t, t.TempDir())
		gaps, err := w.Gaps(ctx)
		require.NoError(t, err)
		assert.Equal(t, []grant.Gap{{Epoch: d.Epoch(), Terminal: "000009"}}, gaps, "one that never sent may be lost")
		for n := range 3 {
			require.NoError(t, d.Tap(ctx, "course", "", serial(t, n)))
		}
		c, err := d.Chunk(ctx, 1)
		require.NoError(t, err)
		_, err = w.Receive(ctx, c)
		require.NoError(t, err)
		gaps, err = w.Gaps(ctx)
		require.NoError(t, err)
		assert.Equal(t, []grant.Gap{{Epoch: d.Epoch(), Terminal: "000009", Taps: 3, Received: 1, Seen: gaps[0].Seen}}, gaps)
		assert.True(t, gaps[0].Seen.Equal(w.now()))
		require.NoError(t, w.Stop(ctx, d.Epoch()))
		assert.ErrorIs(t, w.Register(ctx, "000009", d.Epoch()), grant.ErrStopped)
		assert.ErrorIs(t, w.Stop(ctx, "nobody"), grant.ErrEpoch)
		gaps, err = w.Gaps(ctx)
		require.NoError(t, err)
		assert.True(t, gaps[0].Stopped)
		d.send(t, w)
		gaps, err = w.Gaps(ctx)
		require.NoError(t, err)
		assert.Empty(t, gaps)
	})
}

func TestChunkRefused(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 3), t.Context()
		d := w.device(t, t.TempDir())
		for n := range 3 {
			require.NoError(t, d.Tap(ctx, "course", "", serial(t, n)))
		}
		for name, spoil := range map[string]func(*grant.Chunk){
			"twice":            func(c *grant.Chunk) { c.Taps[1].Seq = c.Taps[0].Seq },
			"beyond the top":   func(c *grant.Chunk) { c.Top = 1 },
			"zero":             func(c *grant.Chunk) { c.Taps[0].Seq = 0 },
			"fewer than came":  func(c *grant.Chunk) { c.Count = 2 },
			"more than fit":    func(c *grant.Chunk) { c.Count = 4 },
			"a long seal":      func(c *grant.Chunk) { c.Taps[0].Sealed = make([]byte, 1000) },
			"a long session":   func(c *grant.Chunk) { c.Taps[0].Session = string(make([]byte, 1000)) },
			"too many":         func(c *grant.Chunk) { c.Taps = make([]grant.Tapped, grant.MaxChunk+1) },
			"an odd boot":      func(c *grant.Chunk) { c.Taps[0].Boot = string(make([]byte, 1000)) },
			"an odd programme": func(c *grant.Chunk) { c.Taps[0].Programme = "a\x00b" },
		} {
			c, err := d.Chunk(ctx, 500)
			require.NoError(t, err)
			spoil(&c)
			_, err = w.Receive(ctx, c)
			assert.ErrorIs(t, err, grant.ErrChunk, name)
		}
		c, err := d.Chunk(ctx, 500)
		require.NoError(t, err)
		c.Taps[0].Sealed = []byte("not sealed to this office")
		a, err := w.Receive(ctx, c)
		require.NoError(t, err)
		assert.Equal(t, grant.Unknown, a.Verdicts[0].Verdict)
	})
}

// A device that is found lets nobody be known: neither by what waits on it nor
// by what was answered, nor by the list.
func TestFoundDevice(t *testing.T) {
	w, ctx := open(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), 4), t.Context()
	dir := t.TempDir()
	db, err := sql.Open("sqlite", dbtest.FastSQLite(dir))
	require.NoError(t, err)
	d, err := grant.OpenDevice(ctx, db, grant.DeviceConfig{Office: w.key.Public(), Passphrase: passphrase})
	require.NoError(t, err)
	require.NoError(t, w.Register(ctx, "000009", d.Epoch()))
	require.NoError(t, d.Sync(ctx, "course", []mykey.ID{id(t, 0), id(t, 1)}))
	require.NoError(t, d.Tap(ctx, "course", "", serial(t, 0)))
	require.NoError(t, d.TapID(ctx, "course", "", id(t, 1)))
	marks := func() (n int) {
		require.NoError(t, db.QueryRow("SELECT count(mark) FROM round_tap").Scan(&n))
		return n
	}
	require.Equal(t, 2, marks())
	c, err := d.Chunk(ctx, 10)
	require.NoError(t, err)
	a, err := w.Receive(ctx, c)
	require.NoError(t, err)
	require.NoError(t, d.Answer(ctx, a))
	assert.Zero(t, marks())
	require.NoError(t, d.Tap(ctx, "course", "", serial(t, 2)))
	require.NoError(t, d.Close())
	require.NoError(t, db.Close())

	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		file, err := os.ReadFile(filepath.Join(dir, name.Name()))
		require.NoError(t, err)
		assert.Contains(t, string(file), "course")
		secrets := [][]byte{[]byte(id(t, 0).String()), []byte(id(t, 1).String()), []byte("an issuer's key"),
			[]byte("a passphrase of the tests")}
		for n := range 3 {
			secrets = append(secrets, serial(t, n).Serial.Bytes())
		}
		for i, s := range secrets {
			assert.False(t, bytes.Contains(file, s), "%s holds secret %d", name.Name(), i)
		}
	}
}

// A person who changes the MyKey ID stays on the rosters.
func TestChanged(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB) {
		w, ctx := open(t, db, 4), t.Context()
		p := course()
		p.Roster = true
		other := p
		other.Code = "walk"
		require.NoError(t, w.SetProgramme(ctx, p))
		require.NoError(t, w.SetProgramme(ctx, other))
		for _, code := range []string{"course", "walk"} {
			_, err := w.Add(ctx, code, id(t, 0), grant.Person{})
			require.NoError(t, err)
		}
		_, err := w.Add(ctx, "walk", id(t, 1), grant.Person{})
		require.NoError(t, err)
		change := func(c mykey.Change) {
			require.NoError(t, w.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
				_, err := w.points.In(tx).Changed(ctx, c)
				return errors.Join(err, w.In(tx).Changed(ctx, c))
			}))
		}
		ids := func(code string) []mykey.ID {
			all, err := w.IDs(ctx, code)
			require.NoError(t, err)
			return all
		}
		change(mykey.Change{Kind: mykey.ChangeReplaced, Old: id(t, 0), New: id(t, 70)})
		assert.Equal(t, []mykey.ID{id(t, 70)}, ids("course"))
		v, err := w.Grant(ctx, "course", "", id(t, 70), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Granted, v)
		change(mykey.Change{Kind: mykey.ChangeJoined, Old: id(t, 70), New: id(t, 1)})
		assert.Equal(t, []mykey.ID{id(t, 1)}, ids("course"))
		assert.Equal(t, []mykey.ID{id(t, 1)}, ids("walk"))
		v, err = w.Grant(ctx, "course", "", id(t, 1), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Already, v)

		// The join was a mistake. The other person has changed the ID meanwhile.
		change(mykey.Change{Kind: mykey.ChangeReplaced, Old: id(t, 1), New: id(t, 71)})
		change(mykey.Change{Kind: mykey.ChangeParted, Old: id(t, 70), New: id(t, 71)})
		assert.Equal(t, []mykey.ID{id(t, 70)}, ids("course"))
		assert.ElementsMatch(t, []mykey.ID{id(t, 70), id(t, 71)}, ids("walk"))
		v, err = w.Grant(ctx, "course", "", id(t, 70), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Already, v)
		change(mykey.Change{Kind: mykey.ChangeReplaced, Old: id(t, 71), New: id(t, 1)})
		change(mykey.Change{Kind: mykey.ChangeJoined, Old: id(t, 70), New: id(t, 1)})
		change(mykey.Change{Kind: mykey.ChangeRevoked, Old: id(t, 1)})
		assert.Equal(t, []mykey.ID{id(t, 1)}, ids("walk"))
		v, err = w.Grant(ctx, "walk", "", id(t, 1), "tanaka")
		require.NoError(t, err)
		assert.Equal(t, grant.Stopped, v)
	})
}

func TestPassphrase(t *testing.T) {
	w := open(t, dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir())), 1)
	db := dbtest.Open(t, "sqlite", dbtest.FastSQLite(t.TempDir()))
	cfg := grant.DeviceConfig{Office: w.key.Public()}
	_, err := grant.OpenDevice(t.Context(), db, cfg)
	assert.ErrorIs(t, err, grant.ErrPassphrase)
	cfg.Passphrase = passphrase
	d, err := grant.OpenDevice(t.Context(), db, cfg)
	require.NoError(t, err)
	require.NoError(t, d.Sync(t.Context(), "course", []mykey.ID{id(t, 0)}))
	for n, want := range []bool{true, false} {
		listed, err := d.Listed(t.Context(), "course", id(t, n))
		require.NoError(t, err)
		assert.Equal(t, want, listed)
	}
	require.NoError(t, d.Close())
	cfg.Passphrase = grant.NewPassphrase([]byte("another"))
	_, err = grant.OpenDevice(t.Context(), db, cfg)
	assert.ErrorIs(t, err, grant.ErrPassphrase)

	key, err := grant.ParsePublicKey(w.key.Public().Bytes())
	require.NoError(t, err)
	assert.Equal(t, w.key.Public().Bytes(), key.Bytes())
	_, err = grant.ParsePublicKey([]byte("short"))
	assert.Error(t, err)
	_, err = grant.NewKey([]byte("short"))
	assert.Error(t, err)
}

var modelRuns = flag.Int("grant.runs", 1, "runs of TestDevicesModel, of 1,000 taps a device if more than one")

// errLost is what is lost in TestDevicesModel.
var errLost = errors.New("lost")

// lossy returns a hook that loses about a quarter of the commits: half of them
// before they are made and half of them after. on switches it.
func lossy(on *atomic.Bool) func(dbtest.Step) error {
	return func(s dbtest.Step) error {
		if s.What == "commit" && on.Load() && rand.IntN(8) == 0 {
			return errLost
		}
		return nil
	}
}

// Devices that lose their own commits, the office's, and its answers, a quarter
// of each, in any order: grants are those of the model, points exact.
func TestDevicesModel(t *testing.T) {
	devices, taps, runs := 8, 20, *modelRuns
	if os.Getenv("MYNAKIT_LONG") != "" {
		runs = 100
	}
	if runs > 1 {
		taps = 1000
	}
	model := func(t *testing.T, db *sql.DB, losing *atomic.Bool) {
		for range runs {
			people := taps * 3
			losing.Store(false)
			w, ctx := openPrefixMany(t, db, people), t.Context()
			came := make([]atomic.Bool, people+people/10)
			var round sync.WaitGroup
			for range devices {
				h := &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())}
				d := &device{db: sql.OpenDB(h), wall: w.now}
				d.start(t, w)
				require.NoError(t, w.Register(ctx, "000009", d.Epoch()))
				h.Set(lossy(losing))
				round.Go(func() {
					defer func() { assert.NoError(t, d.db.Close()) }()
					for range taps {
						n := rand.IntN(len(came)) // some are of nobody
						err := d.Tap(ctx, "course", "", serial(t, n))
						for errors.Is(err, errLost) {
							err = d.Tap(ctx, "course", "", serial(t, n)) // the card stays until it is shown
						}
						if !errors.Is(err, grant.ErrRepeat) && !assert.NoError(t, err) {
							return
						}
						came[n].Store(true)
					}
					for {
						c, err := d.Chunk(ctx, 1+rand.IntN(grant.MaxChunk))
						if !assert.NoError(t, err) || len(c.Taps) == 0 {
							return
						}
						a, err := w.Receive(ctx, c)
						if errors.Is(err, errLost) || errors.Is(err, grant.ErrBusy) || rand.IntN(4) == 0 {
							continue // the answer is lost, or the machine has more to do than this
						}
						if !assert.NoError(t, err) {
							return
						}
						if err := d.Answer(ctx, a); !errors.Is(err, errLost) && !assert.NoError(t, err) {
							return
						}
					}
				})
			}
			losing.Store(true)
			round.Wait()
			losing.Store(false)
			want, strangers := int64(0), 0
			for n := range came {
				switch {
				case came[n].Load() && n < people:
					want++
				case came[n].Load():
					strangers++
				}
			}
			books, err := w.points.Books(ctx)
			require.NoError(t, err)
			assert.Empty(t, books.Faults)
			assert.Equal(t, want*100, books.Operations[point.OpGrant])
			assert.Equal(t, want*100, books.Outstanding["aoba"])
			gaps, err := w.Gaps(ctx)
			require.NoError(t, err)
			assert.Empty(t, gaps)
			tally, err := w.Tally(ctx, "course")
			require.NoError(t, err)
			unknown := int64(0)
			for _, line := range tally {
				switch line.Verdict {
				case grant.Granted:
					assert.Equal(t, want, line.Taps)
					assert.Equal(t, want*100, line.Points)
				case grant.Unknown:
					unknown = line.Taps
				default:
					assert.Equal(t, grant.Already, line.Verdict)
				}
			}
			assert.GreaterOrEqual(t, unknown, int64(strangers))
		}
	}
	engines := map[string]func(t *testing.T) *dbtest.Hooked{
		"SQLite": func(t *testing.T) *dbtest.Hooked { return &dbtest.Hooked{DSN: dbtest.FastSQLite(t.TempDir())} },
		"PostgreSQL": func(t *testing.T) *dbtest.Hooked {
			return &dbtest.Hooked{Engine: stdlib.GetDefaultDriver(), DSN: pg.DSN(t)}
		},
	}
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			h, losing := engine(t), &atomic.Bool{}
			db := sql.OpenDB(h)
			defer func() { assert.NoError(t, db.Close()) }()
			h.Set(lossy(losing))
			model(t, db, losing)
		})
	}
}

func openPrefixMany(t testing.TB, db *sql.DB, people int) *town {
	openPrefix(t, db, "")
	return open(t, db, people)
}
