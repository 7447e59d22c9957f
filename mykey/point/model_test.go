package point_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is what the ledger should hold, worked out in another way: lots are
// lists in which each point's last day stands, and nothing is ever summed up
// beforehand.
type model struct {
	t     *testing.T
	b     *bench
	power func() // what a power cut does to the database; nil: nothing

	ids     map[string][]mykey.ID // of each person, the present one last
	stopped map[string]bool
	lots    map[string]map[point.Account]map[mykey.Date]int64 // the zero date is never
	made    []made
	taken   map[int]bool // references
}

// made is a request that was made, and what became of it.
type made struct {
	request point.Request
	person  string
	void    bool
	spent   bool // a use, which can be given back
	points  int64
	undone  int64
	from    map[mykey.Date]int64
	account point.Account
	use     point.Use
}

var people = []string{hanako, taro}

func (m *model) count(person string, a point.Account) (sum int64) {
	today := mykey.DateOf(m.b.clock.Now())
	for day, n := range m.lots[person][a] {
		if day.IsZero() || a == "reserved" || day.Compare(today) >= 0 {
			sum += n
		}
	}
	return sum
}

// add puts points into a lot of the model.
func (m *model) add(person string, a point.Account, day mykey.Date, n int64) {
	if m.lots[person][a] == nil {
		m.lots[person][a] = map[mykey.Date]int64{}
	}
	m.lots[person][a][day] += n
}

// days returns the lots that count, soonest first, never last.
func (m *model) days(person string, a point.Account) []mykey.Date {
	today := mykey.DateOf(m.b.clock.Now())
	var out []mykey.Date
	for day, n := range m.lots[person][a] {
		if n > 0 && (day.IsZero() || a == "reserved" || day.Compare(today) >= 0) {
			out = append(out, day)
		}
	}
	slices.SortFunc(out, func(x, y mykey.Date) int {
		switch {
		case x == y:
			return 0
		case x.IsZero():
			return 1
		case y.IsZero():
			return -1
		}
		return x.Compare(y)
	})
	return out
}

func (m *model) takeFrom(person string, a point.Account, n int64) map[mykey.Date]int64 {
	out := map[mykey.Date]int64{}
	for _, day := range m.days(person, a) {
		k := min(n, m.lots[person][a][day])
		m.lots[person][a][day] -= k
		n -= k
		if k > 0 {
			out[day] = k
		}
	}
	return out
}

// due moves reserved points that are past their day to the base account.
func (m *model) due(person string) {
	today := mykey.DateOf(m.b.clock.Now())
	if person != hanako {
		return // taro has no base account
	}
	for day, n := range m.lots[person]["reserved"] {
		if n > 0 && day.Compare(today) < 0 {
			m.lots[person]["reserved"][day] = 0
			m.add(person, "aoba", point.Expiry{Rule: point.FiscalYear, N: 1}.LastDay(m.b.clock.Now()), n)
		}
	}
}

func (m *model) id(person string) mykey.ID { return m.ids[person][len(m.ids[person])-1] }

// step makes one call, of the ledger and of the model.
func (m *model) step(rt *rapid.T) {
	ctx := context.Background()
	person := rapid.SampledFrom(people).Draw(rt, "person")
	account := rapid.SampledFrom([]point.Account{"aoba", "matsuri", "reserved"}).Draw(rt, "account")
	points := rapid.Int64Range(1, 300).Draw(rt, "points")
	rule := map[point.Account]point.Expiry{"aoba": {Rule: point.FiscalYear, N: 1}, "matsuri": {Rule: point.Days, N: 30}}
	now := m.b.clock.Now()
	last := func(a point.Account) mykey.Date {
		switch a {
		case "reserved":
			return mykey.DateOf(now).AddDays(14)
		case "matsuri":
			if day := rule[a].LastDay(now); day.Compare(festival(m.t).Service.To) < 0 {
				return day
			}
			return festival(m.t).Service.To
		}
		return rule[a].LastDay(now)
	}
	open := func(a point.Account) bool { return a != "matsuri" || festival(m.t).Service.Contains(now) }

	switch act := rapid.SampledFrom([]string{"grant", "grant", "partner", "use", "use", "use", "again", "cancel", "cancel", "refund", "refund",
		"steer", "sweep", "clock", "stop", "rename", "early", "power"}).Draw(rt, "act"); act {
	case "grant", "partner":
		c := point.Credit{Request: m.b.request(), Holder: m.id(person), Account: account, Points: points, Kind: point.OpGrant}
		ref := rapid.IntRange(0, 20).Draw(rt, "reference")
		if act == "partner" {
			r, err := point.ParseReference(fmt.Sprint("ref", ref))
			require.NoError(rt, err)
			c.Kind, c.Partner, c.Reference = point.OpPartner, "card-a", r
		}
		_, err := m.b.Credit(ctx, c)
		switch {
		case m.stopped[person]:
			require.ErrorIs(rt, err, point.ErrStopped)
		case act == "partner" && m.taken[ref]:
			require.ErrorIs(rt, err, point.ErrClaimed)
		case !open(account):
			require.ErrorIs(rt, err, point.ErrClosed)
		case account == "reserved" && act == "grant":
			require.ErrorIs(rt, err, point.ErrKind)
		default:
			require.NoError(rt, err)
			m.add(person, account, last(account), points)
			m.made = append(m.made, made{request: c.Request, person: person, points: points})
			if act == "partner" {
				m.taken[ref] = true
			}
		}
	case "use":
		u := point.Use{Request: m.b.request(), Holder: m.id(person), Account: account, Points: points, Proved: true, AtMost: rapid.Bool().Draw(rt, "at most")}
		m.use(rt, u, person, open(account))
	case "again":
		if i := m.pick(rt); i >= 0 && m.made[i].spent {
			r, err := m.b.Use(ctx, m.made[i].use)
			require.NoError(rt, err)
			require.True(rt, r.Repeated)
			require.Equal(rt, m.made[i].points, r.Points)
			require.Equal(rt, m.made[i].undone, r.Undone)
		}
	case "cancel":
		i := m.pick(rt)
		if i < 0 {
			return
		}
		k := &m.made[i]
		r, err := m.b.Cancel(ctx, k.request, point.At{})
		switch {
		case k.void:
			require.NoError(rt, err)
			require.True(rt, r.Void)
		case !k.spent:
			require.ErrorIs(rt, err, point.ErrNotUndoable)
		default:
			require.NoError(rt, err)
			m.giveBack(k, k.points-k.undone)
		}
	case "refund":
		i := m.pick(rt)
		if i < 0 {
			return
		}
		k := &m.made[i]
		_, err := m.b.Refund(ctx, point.Refund{Request: m.b.request(), Of: k.request, Points: points})
		switch {
		case k.void:
			require.ErrorIs(rt, err, point.ErrNoRequest)
		case !k.spent || points > k.points-k.undone:
			require.ErrorIs(rt, err, point.ErrRefund)
		default:
			require.NoError(rt, err)
			m.giveBack(k, points)
		}
	case "steer":
		to := rapid.SampledFrom([]point.Account{"aoba", "matsuri"}).Draw(rt, "to")
		_, err := m.b.Steer(ctx, point.Steer{Request: m.b.request(), Holder: m.id(person), From: "reserved", To: to, Points: points})
		if m.stopped[person] {
			require.ErrorIs(rt, err, point.ErrStopped)
			return
		}
		late := m.lateReserved(person)
		switch {
		case points > m.count(person, "reserved")-late:
			require.ErrorIs(rt, err, point.ErrShort)
		case !open(to):
			require.ErrorIs(rt, err, point.ErrClosed)
		default:
			require.NoError(rt, err)
			m.due(person)
			m.takeFrom(person, "reserved", points)
			m.add(person, to, last(to), points)
		}
	case "sweep":
		for {
			s, err := m.b.Sweep(ctx, true)
			require.NoError(rt, err)
			if !s.More {
				break
			}
		}
		today := mykey.DateOf(now)
		for _, p := range people {
			m.due(p)
			for _, a := range []point.Account{"aoba", "matsuri"} {
				maps.DeleteFunc(m.lots[p][a], func(day mykey.Date, _ int64) bool { return !day.IsZero() && day.Compare(today) < 0 })
			}
		}
	case "clock":
		m.b.clock.Days(rapid.SampledFrom([]int{0, 1, 3, 10, 20, 200}).Draw(rt, "days"))
	case "stop":
		stop := rapid.Bool().Draw(rt, "stop")
		require.NoError(rt, m.b.Stop(ctx, m.id(person), stop))
		m.stopped[person] = stop
	case "rename":
		if len(m.ids[person]) < 5 {
			next := id(m.t, fmt.Sprintf("%s%02d", person[:6], 50+len(m.ids[person])))
			require.NoError(rt, m.b.Rename(ctx, m.id(person), next))
			m.ids[person] = append(m.ids[person], next)
		}
	case "early":
		// The cancel comes first, then the use.
		u := point.Use{Request: m.b.request(), Holder: m.id(person), Account: account, Points: points, Proved: true}
		r, err := m.b.Cancel(ctx, u.Request, point.At{})
		require.NoError(rt, err)
		require.True(rt, r.Void)
		_, err = m.b.Use(ctx, u)
		require.ErrorIs(rt, err, point.ErrRequestVoid)
		m.made = append(m.made, made{request: u.Request, person: person, void: true})
	case "power":
		if m.power != nil {
			m.power()
		}
	}
}

func (m *model) lateReserved(person string) (late int64) {
	if person != hanako {
		return 0
	}
	today := mykey.DateOf(m.b.clock.Now())
	for day, n := range m.lots[person]["reserved"] {
		if day.Compare(today) < 0 {
			late += n
		}
	}
	return late
}

func (m *model) use(rt *rapid.T, u point.Use, person string, open bool) {
	r, err := m.b.Use(context.Background(), u)
	has := m.count(person, u.Account)
	switch {
	case m.stopped[person]:
		require.ErrorIs(rt, err, point.ErrStopped)
	case u.Account == "reserved":
		require.ErrorIs(rt, err, point.ErrKind)
	case !open:
		require.ErrorIs(rt, err, point.ErrClosed)
	case has < u.Points && !u.AtMost:
		var short *point.ShortError
		require.ErrorAs(rt, err, &short)
		require.Equal(rt, has, short.Balance)
	default:
		require.NoError(rt, err)
		n := min(has, u.Points)
		require.Equal(rt, n, r.Points)
		require.Equal(rt, has-n, r.Balance)
		m.made = append(m.made, made{request: u.Request, person: person, spent: true, points: n, account: u.Account, use: u,
			from: m.takeFrom(person, u.Account, n)})
	}
}

func (m *model) giveBack(k *made, n int64) {
	k.undone += n
	days := slices.SortedFunc(maps.Keys(k.from), func(x, y mykey.Date) int {
		switch {
		case x.IsZero():
			return -1
		case y.IsZero():
			return 1
		}
		return y.Compare(x) // latest first
	})
	for _, day := range days {
		part := min(n, k.from[day])
		k.from[day] -= part
		n -= part
		m.add(k.person, k.account, day, part)
	}
}

func (m *model) pick(rt *rapid.T) int {
	if len(m.made) == 0 {
		return -1
	}
	return rapid.IntRange(0, len(m.made)-1).Draw(rt, "request")
}

// agree holds the ledger against the model.
func (m *model) agree(rt *rapid.T) {
	for _, person := range people {
		for _, old := range m.ids[person] {
			got, err := m.b.Balances(context.Background(), old)
			require.NoError(rt, err)
			want := map[point.Account]int64{}
			for _, a := range []point.Account{"aoba", "matsuri", "reserved"} {
				if n := m.count(person, a); n > 0 {
					want[a] = n
				}
			}
			have := map[point.Account]int64{}
			for _, b := range got {
				have[b.Account] = b.Points
			}
			require.Equal(rt, want, have, person)
		}
	}
	books, err := m.b.Books(context.Background())
	require.NoError(rt, err)
	require.Empty(rt, books.Faults)
}

// TestModel runs random histories: calls that are repeated, cancelled before
// and after they came, refunded in parts; clocks that jump by days and months;
// holders who are stopped and renamed; and, on SQLite, power cuts.
func TestModel(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if was := checks.Value.String(); was == checks.DefValue {
		n := "30"
		if os.Getenv("MYNAKIT_LONG") != "" {
			n = "10000"
		}
		require.NoError(t, checks.Value.Set(n))
		defer checks.Value.Set(was)
	}
	run := func(rt *rapid.T, db *sql.DB, prefix string, power func(*model)) {
		m := &model{t: t, ids: map[string][]mykey.ID{}, stopped: map[string]bool{}, taken: map[int]bool{},
			lots: map[string]map[point.Account]map[mykey.Date]int64{}}
		m.b = open(t, db, point.Config{Prefix: prefix})
		m.b.clock.Set(japan(t, "2026-07-01 10:00:00"))
		p := festival(t)
		p.Expiry = point.Expiry{Rule: point.Days, N: 30}
		require.NoError(rt, m.b.SetProgramme(t.Context(), p))
		require.NoError(rt, m.b.Enrol(t.Context(), id(t, taro), point.Profile{}))
		for _, p := range people {
			m.ids[p], m.lots[p] = []mykey.ID{id(t, p)}, map[point.Account]map[mykey.Date]int64{}
		}
		if power != nil {
			m.power = func() { power(m) }
		}
		for range rapid.IntRange(5, 40).Draw(rt, "steps") {
			m.step(rt)
			m.agree(rt)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			dir, err := os.MkdirTemp(t.TempDir(), "")
			require.NoError(rt, err)
			db, err := sql.Open("sqlite", dbtest.FastSQLite(dir))
			require.NoError(rt, err)
			defer func() { _ = db.Close() }()
			copies := 0
			run(rt, db, "", func(m *model) {
				// The next start finds the files as they are.
				copies++
				next := filepath.Join(dir, fmt.Sprint(copies))
				require.NoError(rt, os.Mkdir(next, 0o700))
				for _, suffix := range []string{"", "-wal"} {
					content, err := os.ReadFile(filepath.Join(filepath.Dir(next), current(copies), "t.db"+suffix))
					if errors.Is(err, os.ErrNotExist) {
						continue
					}
					require.NoError(rt, err)
					require.NoError(rt, os.WriteFile(filepath.Join(next, "t.db"+suffix), content, 0o600))
				}
				require.NoError(rt, db.Close())
				db, err = sql.Open("sqlite", dbtest.FastSQLite(next))
				require.NoError(rt, err)
				m.b.db = db
				m.b.Ledger, err = point.Open(context.Background(), db, m.b.cfg)
				require.NoError(rt, err)
			})
		})
	})
	require.NoError(t, checks.Value.Set(fmt.Sprint(max(5, atoi(checks.Value.String())/10))))
	t.Run("PostgreSQL in partitions", func(t *testing.T) {
		db := inPartitions.open(t)
		rapid.Check(t, func(rt *rapid.T) {
			empty(t, db)
			run(rt, db, "", nil)
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		db := dbtest.Open(t, "pgx", pg.DSN(t))
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			run(rt, db, fmt.Sprintf("p%d_", n), nil)
		})
	})
}

// current is the folder of the database before the nth power cut.
func current(n int) string {
	if n == 1 {
		return "."
	}
	return fmt.Sprint(n - 1)
}

func atoi(s string) (n int) {
	fmt.Sscan(s, &n)
	return n
}
