package registry_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/mykey/terminal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// shelf is a book of terminals on one engine, with a clock of its own.
type shelf struct {
	*testing.T
	eng   engine
	clock atomic.Int64
	cfg   registry.TerminalConfig
	*registry.Terminals
	refused []string
}

func (s *shelf) reopen() {
	var err error
	s.Terminals, err = registry.OpenTerminals(s.Context(), openDB(s.T, s.eng.driver, s.eng.dsn), s.cfg)
	require.NoError(s, err)
	registry.SetCost(s.Terminals, bcrypt.MinCost)
}

func (s *shelf) pass(d time.Duration) { s.clock.Add(int64(d)) }

// why returns the reasons of the refusals since it was called last.
func (s *shelf) why() []string {
	out := s.refused
	s.refused = nil
	return out
}

func shelves(t *testing.T, f func(s *shelf), more ...func(*registry.TerminalConfig)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := &shelf{T: t, eng: e.make(t)}
			s.clock.Store(epoch.UnixNano())
			s.cfg = registry.TerminalConfig{Prefix: s.eng.prefix + "terminal_", Operators: operators(t), RetryFor: patience,
				Clock: func() time.Time { return time.Unix(0, s.clock.Load()) },
				Refused: func(_ context.Context, id string, why registry.TerminalRefusal) {
					s.refused = append(s.refused, id+": "+string(why))
				}}
			for _, m := range more {
				m(&s.cfg)
			}
			s.reopen()
			f(s)
		})
	}
}

func operators(t testing.TB) mykey.OperatorTable {
	table, err := mykey.ReadOperators(strings.NewReader("000001,川崎市立図書館\n000002,あおば商店街\n"))
	require.NoError(t, err)
	return table
}

func operator(t testing.TB, s string) mykey.OperatorID {
	o, err := mykey.ParseOperatorID(s)
	require.NoError(t, err)
	return o
}

func kawasaki(t testing.TB) mykey.Municipality {
	m, err := mykey.ParseMunicipality("141305")
	require.NoError(t, err)
	return m
}

func fingerprint(t testing.TB, s string) terminal.Fingerprint {
	f, err := terminal.FingerprintAndroid(s)
	require.NoError(t, err)
	return f
}

var manager = mykey.Contact{Organisation: "あおば商店街", Person: "青葉 太郎", PostalCode: "210-0001", Address: "川崎市川崎区本町1-1",
	Phone: "044-000-0000", Mail: "aoba@example.jp"}

func (s *shelf) issue(key string, planned ...registry.Terminal) []registry.IssuedTerminal {
	s.Helper()
	out, err := s.Issue(s.Context(), key, planned)
	require.NoError(s, err)
	return out
}

func login(t testing.TB, i registry.IssuedTerminal, device string) registry.TerminalLogin {
	return registry.TerminalLogin{ID: i.ID, Password: i.Password, Fingerprint: fingerprint(t, device)}
}

func till(t testing.TB) registry.Terminal {
	return registry.Terminal{Municipality: kawasaki(t), Kind: terminal.Service | terminal.Point, Place: "あおば商店街"}
}

func TestTerminalsLife(t *testing.T) {
	shelves(t, func(s *shelf) {
		ctx := s.Context()
		m, shop := kawasaki(s), operator(s, "000002")
		planned := []registry.Terminal{till(s), {Municipality: m, Kind: terminal.Ticket, Place: "観光案内所"}}
		issued := s.issue("form 1", planned...)
		assert.Equal(s, []string{"141305-00001", "141305-00002"}, []string{issued[0].ID, issued[1].ID})
		assert.Len(s, issued[0].Password.Reveal(), 12)
		assert.NotEqual(s, issued[0].Password.Reveal(), issued[1].Password.Reveal())
		assert.NotContains(s, fmt.Sprintf("%+v", issued), issued[0].Password.Reveal())
		var hash string
		require.NoError(s, s.eng.db.QueryRow("SELECT password FROM "+s.cfg.Prefix+"terminal WHERE id = '141305-00001'").Scan(&hash))
		assert.NoError(s, bcrypt.CompareHashAndPassword([]byte(hash), []byte(issued[0].Password.Reveal())))

		l := login(s, issued[0], "till")
		_, err := s.Authenticate(ctx, l)
		assert.Equal(s, registry.ErrTerminal, err, "not registered")
		assert.Equal(s, []string{"141305-00001: not registered, or stopped"}, s.why())

		got, err := s.Register(ctx, l, manager, shop)
		require.NoError(s, err)
		want := issued[0].Terminal
		want.Operator = shop
		assert.Equal(s, want, got)
		s.reopen()
		for range 2 { // the same again
			_, err = s.Register(ctx, l, manager, shop)
			require.NoError(s, err)
			_, err = s.Register(ctx, l, manager, mykey.OperatorID{})
			require.NoError(s, err)
		}
		other := manager
		other.Person = "別 人"
		_, err = s.Register(ctx, l, other, shop)
		assert.ErrorIs(s, err, registry.ErrTerminalUsed)
		_, err = s.Register(ctx, login(s, issued[0], "another"), manager, shop)
		assert.ErrorIs(s, err, registry.ErrTerminalUsed, "once")

		got, err = s.Authenticate(ctx, l)
		require.NoError(s, err)
		assert.Equal(s, want, got)
		wrong := l
		wrong.Password = issued[1].Password
		unknown := l
		unknown.ID = "141305-99999"
		malformed := l
		malformed.ID = "=1"
		long := l
		long.Password = mykey.NewSecret(issued[0].Password.Reveal() + strings.Repeat("x", 1<<20))
		for _, l := range []registry.TerminalLogin{wrong, login(s, issued[0], "another"), unknown, malformed, long} {
			_, err = s.Authenticate(ctx, l)
			assert.Equal(s, registry.ErrTerminal, err)
		}
		assert.Equal(s, []string{"141305-00001: wrong password", "141305-00001: another device", "141305-99999: unknown terminal", ": unknown terminal", "141305-00001: wrong password"}, s.why())
		_, err = s.Authenticate(ctx, registry.TerminalLogin{ID: l.ID, Password: l.Password})
		assert.ErrorIs(s, err, mykey.ErrForm)

		// Lost, and replaced.
		s.pass(time.Hour)
		again, err := s.Replace(ctx, l.ID)
		require.NoError(s, err)
		assert.Equal(s, "141305-00003", again.ID)
		assert.Equal(s, want.Operator, again.Operator)
		_, err = s.Authenticate(ctx, l)
		assert.Equal(s, registry.ErrTerminal, err)
		repeated, err := s.Replace(ctx, l.ID)
		require.NoError(s, err)
		assert.Equal(s, again.Terminal, repeated.Terminal, "an answer that was lost")
		_, err = s.Register(ctx, login(s, again, "new till"), manager, shop)
		assert.Equal(s, registry.ErrTerminal, err, "the password that nobody saw")
		_, err = s.Register(ctx, login(s, repeated, "new till"), manager, mykey.OperatorID{})
		require.NoError(s, err)
		_, err = s.Replace(ctx, l.ID)
		assert.ErrorIs(s, err, registry.ErrTerminalUsed)
		require.NoError(s, s.Stop(ctx, repeated.ID))
		require.NoError(s, s.Stop(ctx, repeated.ID))
		_, err = s.Authenticate(ctx, login(s, repeated, "new till"))
		assert.Equal(s, registry.ErrTerminal, err)
		_, err = s.Register(ctx, login(s, repeated, "new till"), manager, shop)
		assert.Equal(s, registry.ErrTerminal, err)

		list, err := s.List(ctx, m)
		require.NoError(s, err)
		require.Len(s, list, 3)
		assert.Equal(s, registry.TerminalStopped, list[0].State)
		assert.Equal(s, again.ID, list[0].ReplacedBy)
		assert.True(s, list[0].Stopped.Equal(epoch.Add(time.Hour)))
		assert.True(s, list[0].Registered.Equal(epoch))
		assert.Equal(s, manager, list[0].Contact)
		assert.Equal(s, registry.TerminalEntry{Terminal: issued[1].Terminal, State: registry.TerminalIssued, Issued: list[1].Issued}, list[1])
		found, err := s.Find(ctx, list[2].ID)
		require.NoError(s, err)
		assert.Equal(s, list[2], found)

		_, err = s.Find(ctx, "141305-00009")
		assert.ErrorIs(s, err, registry.ErrNotFound)
		assert.ErrorIs(s, s.Stop(ctx, "141305-00009"), registry.ErrNotFound)
		_, err = s.Replace(ctx, "141305-00009")
		assert.ErrorIs(s, err, registry.ErrNotFound)
		none, err := s.List(ctx, mykey.Municipality{})
		require.NoError(s, err)
		assert.Empty(s, none)
	})
}

func TestTerminalsIssue(t *testing.T) {
	shelves(t, func(s *shelf) {
		ctx := s.Context()
		m := kawasaki(s)
		first := s.issue("form 1", till(s))
		again := s.issue("form 1", till(s))
		assert.Equal(s, first[0].Terminal, again[0].Terminal)
		assert.NotEqual(s, first[0].Password.Reveal(), again[0].Password.Reveal())
		elsewhere := till(s)
		elsewhere.Place = "本店"
		_, err := s.Issue(ctx, "form 1", []registry.Terminal{elsewhere})
		assert.ErrorIs(s, err, registry.ErrIssueReused)
		_, err = s.Register(ctx, login(s, again[0], "till"), manager, operator(s, "000002"))
		require.NoError(s, err)
		_, err = s.Issue(ctx, "form 1", []registry.Terminal{till(s)})
		assert.ErrorIs(s, err, registry.ErrTerminalUsed)

		// One PC for a municipality, and any number of mobile devices.
		pc := registry.Terminal{Municipality: m, Kind: terminal.Grant, Place: "市役所"}
		mobile := pc
		mobile.Mobile = true
		grants := s.issue("grants", pc, mobile, mobile)
		_, err = s.Issue(ctx, "second", []registry.Terminal{mobile, pc})
		assert.ErrorIs(s, err, registry.ErrOfficeTerminal)
		list, err := s.List(ctx, m)
		require.NoError(s, err)
		assert.Len(s, list, 4, "nothing of it was issued")
		replaced, err := s.Replace(ctx, grants[0].ID)
		require.NoError(s, err)
		require.NoError(s, s.Stop(ctx, replaced.ID))
		s.issue("third", pc)
		_, err = s.Replace(ctx, replaced.ID)
		assert.ErrorIs(s, err, registry.ErrOfficeTerminal)

		for name, f := range map[string]func(t *registry.Terminal){
			"an ID": func(t *registry.Terminal) { t.ID = "1" }, "no municipality": func(t *registry.Terminal) { t.Municipality = mykey.Municipality{} },
			"no kind": func(t *registry.Terminal) { t.Kind = 0 }, "another kind": func(t *registry.Terminal) { t.Kind = 16 },
			"no place": func(t *registry.Terminal) { t.Place = " " }, "a formula": func(t *registry.Terminal) { t.Place = "＝1+1" },
			"a long place": func(t *registry.Terminal) { t.Place = strings.Repeat("a", registry.MaxPlace+1) }, "a control character": func(t *registry.Terminal) { t.Place = "a\nb" },
			"an operator":    func(t *registry.Terminal) { t.Kind, t.Operator = terminal.Point, operator(s, "000001") },
			"a mobile till":  func(t *registry.Terminal) { t.Mobile = true },
			"no such number": func(t *registry.Terminal) { t.Operator = operator(s, "000009") },
		} {
			bad := till(s)
			f(&bad)
			_, err := s.Issue(ctx, "bad", []registry.Terminal{till(s), bad})
			if !errors.Is(err, mykey.ErrUnknownOperator) {
				assert.ErrorIs(s, err, mykey.ErrForm, name)
			}
		}
		for _, key := range []string{"", strings.Repeat("k", 65), "a\x00", "\xff"} {
			_, err := s.Issue(ctx, key, []registry.Terminal{till(s)})
			assert.ErrorIs(s, err, mykey.ErrForm)
		}
		_, err = s.Issue(ctx, "many", make([]registry.Terminal, registry.MaxIssue+1))
		assert.ErrorIs(s, err, mykey.ErrForm)

		// The operator is the manager's choice, if the form left it open.
		named := till(s)
		named.Operator = operator(s, "000001")
		two := s.issue("operators", named, till(s), registry.Terminal{Municipality: m, Kind: terminal.Point, Place: "美術館"})
		for i, tc := range []struct {
			of     int
			choice string
			want   error
		}{{0, "000002", mykey.ErrForm}, {1, "", mykey.ErrForm}, {2, "000001", mykey.ErrForm}, {1, "000009", mykey.ErrUnknownOperator}, {0, "", nil}, {1, "000002", nil}, {2, "", nil}} {
			var o mykey.OperatorID
			if tc.choice != "" {
				o = operator(s, tc.choice)
			}
			_, err := s.Register(ctx, login(s, two[tc.of], "d"), manager, o)
			assert.ErrorIs(s, err, tc.want, "case %d", i)
		}
		_, err = s.Register(ctx, login(s, two[0], "d"), mykey.Contact{}, mykey.OperatorID{})
		assert.ErrorIs(s, err, mykey.ErrForm)
	})
}

// Guessing ends after the bound, in every program on the database, and begins again
// with another window. It does not lock out the till itself.
func TestTerminalsThrottle(t *testing.T) {
	shelves(t, func(s *shelf) {
		ctx := s.Context()
		i := s.issue("form", till(s), till(s))
		l := login(s, i[0], "till")
		_, err := s.Register(ctx, l, manager, operator(s, "000002"))
		require.NoError(s, err)
		for range 8 { // good logins are not counted
			_, err := s.Authenticate(ctx, l)
			require.NoError(s, err)
		}
		guess := func(of registry.IssuedTerminal, device string) string {
			g := login(s, of, device)
			g.Password = mykey.NewSecret("GUESS")
			_, err := s.Authenticate(ctx, g)
			require.Equal(s, registry.ErrTerminal, err)
			_, why, _ := strings.Cut(s.why()[0], ": ")
			return why
		}
		var reasons []string
		for n := range 5 {
			if n == 2 {
				s.reopen()
			}
			reasons = append(reasons, guess(i[0], "thief"))
		}
		p, many := string(registry.RefusedPassword), string(registry.RefusedTries)
		assert.Equal(s, []string{p, p, p, many, many}, reasons)
		_, err = s.Authenticate(ctx, l)
		require.NoError(s, err, "the till itself")
		assert.Equal(s, p, guess(i[1], "thief"), "another terminal")

		// Somebody who has the device too.
		for range 3 {
			assert.Equal(s, p, guess(i[0], "till"))
		}
		_, err = s.Authenticate(ctx, l)
		assert.Equal(s, registry.ErrTerminal, err, "even the right password")
		assert.Equal(s, []string{i[0].ID + ": " + many}, s.why())
		s.pass(time.Hour - time.Millisecond)
		assert.Equal(s, many, guess(i[0], "till"))
		s.pass(time.Millisecond)
		_, err = s.Authenticate(ctx, l)
		require.NoError(s, err)
		s.pass(-48 * time.Hour) // a clock that is put back does not lock for longer
		for range 3 {
			assert.Equal(s, p, guess(i[0], "till"))
		}
		assert.Equal(s, many, guess(i[0], "till"))

		// IDs that are unknown leave one row, whatever they are.
		for n := range 5 {
			l.ID = fmt.Sprint("X", n)
			_, err := s.Authenticate(ctx, l)
			require.Equal(s, registry.ErrTerminal, err)
		}
		var rows int
		require.NoError(s, s.eng.db.QueryRow("SELECT count(*) FROM "+s.cfg.Prefix+"try").Scan(&rows))
		assert.Equal(s, 4, rows)
	}, func(c *registry.TerminalConfig) { c.Tries, c.Window = 3, time.Hour })
}

// A manager who gives the right password and a wrong choice is not counted as a
// guess.
func TestTerminalsWrongChoice(t *testing.T) {
	shelves(t, func(s *shelf) {
		ctx := s.Context()
		i := s.issue("form", till(s))[0]
		l := login(s, i, "till")
		for range 5 {
			_, err := s.Register(ctx, l, manager, mykey.OperatorID{})
			require.ErrorIs(s, err, mykey.ErrForm)
		}
		e, err := s.Find(ctx, i.ID)
		require.NoError(s, err)
		assert.Equal(s, registry.TerminalIssued, e.State)
		_, err = s.Register(ctx, l, manager, operator(s, "000002"))
		require.NoError(s, err)
		other := manager
		other.Person = "別の担当"
		for range 5 {
			_, err = s.Register(ctx, l, other, operator(s, "000002"))
			require.ErrorIs(s, err, registry.ErrTerminalUsed)
		}
		_, err = s.Authenticate(ctx, l)
		require.NoError(s, err)
	}, func(c *registry.TerminalConfig) { c.Tries, c.Window = 3, time.Hour })
}

// Of many guesses at the same moment no more are looked at than the bound admits,
// and of many devices one registers.
func TestTerminalsRace(t *testing.T) {
	shelves(t, func(s *shelf) {
		i := s.issue("form", till(s), till(s))
		var looked atomic.Int32
		cfg := s.cfg
		cfg.Tries = 5
		cfg.Refused = func(_ context.Context, _ string, why registry.TerminalRefusal) {
			if why == registry.RefusedPassword {
				looked.Add(1)
			}
		}
		b, err := registry.OpenTerminals(s.Context(), openDB(s.T, s.eng.driver, s.eng.dsn), cfg)
		require.NoError(s, err)
		race(s.Context(), func(ctx context.Context, _ int) error {
			_, err := b.Authenticate(ctx, registry.TerminalLogin{ID: i[0].ID, Password: mykey.NewSecret("GUESS"), Fingerprint: fingerprint(s, "x")})
			return err
		})
		assert.EqualValues(s, 5, looked.Load())

		cfg.Tries = 1000
		b, err = registry.OpenTerminals(s.Context(), openDB(s.T, s.eng.driver, s.eng.dsn), cfg)
		require.NoError(s, err)
		won := 0
		for _, err := range race(s.Context(), func(ctx context.Context, n int) error {
			_, err := b.Register(ctx, login(s, i[1], fmt.Sprint("device ", n)), manager, operator(s, "000002"))
			return err
		}) {
			if err == nil {
				won++
			} else {
				assert.ErrorIs(s, err, registry.ErrTerminalUsed)
			}
		}
		assert.Equal(s, 1, won)
	})
}

// Whatever statement fails, and whatever answer is lost: the call is made again, and
// the book is as it would be without.
func TestTerminalsEveryStatementFails(t *testing.T) {
	for _, lose := range []bool{false, true} {
		for n := 1; ; n++ {
			f := newFaulty(t.TempDir())
			db := sql.OpenDB(f)
			b, err := registry.OpenTerminals(t.Context(), db, registry.TerminalConfig{RetryFor: -1})
			require.NoError(t, err)
			registry.SetCost(b, bcrypt.MinCost)
			if lose {
				f.arm(0, n)
			} else {
				f.arm(n, 0)
			}
			once := func(call func() error) {
				t.Helper()
				if err := call(); err != nil {
					assert.ErrorIs(t, err, errInjected)
					require.NoError(t, call())
				}
			}
			ctx := t.Context()
			var i []registry.IssuedTerminal
			var r registry.IssuedTerminal
			once(func() (err error) {
				i, err = b.Issue(ctx, "form", []registry.Terminal{till(t), till(t)})
				return err
			})
			l := login(t, i[0], "till")
			once(func() error { _, err := b.Register(ctx, l, manager, operator(t, "000002")); return err })
			once(func() error { _, err := b.Authenticate(ctx, l); return err })
			once(func() (err error) { r, err = b.Replace(ctx, l.ID); return err })
			once(func() error {
				_, err := b.Register(ctx, login(t, r, "new"), manager, operator(t, "000002"))
				return err
			})
			once(func() error { return b.Stop(ctx, i[1].ID) })
			once(func() error { _, err := b.Find(ctx, r.ID); return err })
			var list []registry.TerminalEntry
			once(func() (err error) { list, err = b.List(ctx, kawasaki(t)); return err })
			require.Len(t, list, 3)
			assert.Equal(t, []registry.TerminalState{registry.TerminalStopped, registry.TerminalStopped, registry.TerminalRegistered},
				[]registry.TerminalState{list[0].State, list[1].State, list[2].State})
			fired := f.fired
			f.arm(0, 0)
			var most int
			require.NoError(t, db.QueryRow("SELECT max(n) FROM terminal_try").Scan(&most))
			assert.LessOrEqual(t, most, 1, "a login of which the second half failed stays counted")
			require.NoError(t, db.Close())
			if !fired {
				require.Greater(t, n, 5)
				break
			}
		}
	}
}

// What nobody but this package writes is a fault of the database when it is read.
func TestTerminalsDamaged(t *testing.T) {
	for _, q := range []string{"contact = '{'", "state = 7", "kind = 0", "municipality = '000000'", "password = 'x'", "fingerprint = 'x'", "operator = '1'", "mobile = 2"} {
		s := &shelf{T: t, eng: sqliteEngine(t)}
		s.reopen()
		i := s.issue("form", till(t))
		l := login(t, i[0], "till")
		_, err := s.Register(t.Context(), l, manager, operator(t, "000002"))
		require.NoError(t, err)
		_, err = s.eng.db.Exec("UPDATE terminal_terminal SET " + q)
		require.NoError(t, err)
		_, err = s.Authenticate(t.Context(), l)
		var se *registry.StoreError
		require.ErrorAs(t, err, &se, q)
		assert.NotErrorIs(t, err, mykey.ErrForm)
	}
	db := openDB(t, "sqlite", sqliteEngine(t).dsn)
	require.NoError(t, registry.CheckTerminals(t.Context(), db, registry.TerminalConfig{}))
	_, err := registry.OpenTerminals(t.Context(), db, registry.TerminalConfig{})
	require.NoError(t, err)
	_, err = db.Exec("UPDATE terminal_schema_version SET version = 99 WHERE name = 'terminal'")
	require.NoError(t, err)
	var se *registry.SchemaError
	assert.ErrorAs(t, registry.CheckTerminals(t.Context(), db, registry.TerminalConfig{}), &se)
	_, err = registry.OpenTerminals(t.Context(), db, registry.TerminalConfig{})
	assert.ErrorAs(t, err, &se)
}

func BenchmarkAuthenticate(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			eng := e.make(b)
			s, err := registry.OpenTerminals(b.Context(), eng.db, registry.TerminalConfig{})
			require.NoError(b, err)
			i, err := s.Issue(b.Context(), "form", []registry.Terminal{till(b)})
			require.NoError(b, err)
			l := login(b, i[0], "till")
			_, err = s.Register(b.Context(), l, manager, operator(b, "000002"))
			require.NoError(b, err)
			for b.Loop() {
				if _, err := s.Authenticate(b.Context(), l); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestTerminalForms(t *testing.T) {
	m := kawasaki(t)
	ops := operators(t)
	ops[operator(t, "000003")] = "=1+1"
	library := registry.Terminal{Municipality: m, Kind: terminal.Service, Place: "中央図書館", Operator: operator(t, "000001")}
	shop := till(t)
	shop.Operator = operator(t, "000003")
	pc := registry.Terminal{Municipality: m, Kind: terminal.Grant, Place: "市役所"}
	mobile := pc
	mobile.Mobile = true
	museum := registry.Terminal{Municipality: m, Kind: terminal.Point | terminal.Ticket, Place: "美術館"}
	counts, err := registry.CountTerminals([]registry.Terminal{mobile, library, shop, museum, library, pc, mobile}, ops)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, registry.WriteFormI(&out, counts))
	assert.Equal(t, "\ufeff"+strings.ReplaceAll(`区分,端末の設置場所,ID付与事業者名,端末台数
ア,あおば商店街,'=1+1,1
ア,中央図書館,川崎市立図書館,2
イ,美術館,,1
ウ,美術館,,1
エ（業務用端末）,市役所,,1
エ（モバイル端末）,市役所,,2
`, "\n", "\r\n"), out.String(), "the shop's till is (ア) and (イ), and counts as (ア)")

	out.Reset()
	library.ID, museum.ID = "141305-00001", "141305-00002"
	issued := []registry.IssuedTerminal{{Terminal: library, Password: mykey.NewSecret("ABCDEFGHJKLM")}, {Terminal: museum, Password: mykey.NewSecret("MLKJHGFEDCBA")}}
	require.NoError(t, registry.WriteFormII(&out, issued, ops))
	assert.Equal(t, "\ufeff"+strings.ReplaceAll(`全国地方公共団体コード,端末ID,端末パスワード,区分,端末の設置場所,ID付与事業者名
141305,141305-00001,ABCDEFGHJKLM,ア,中央図書館,川崎市立図書館
141305,141305-00002,MLKJHGFEDCBA,イウ,美術館,
`, "\n", "\r\n"), out.String())

	out.Reset()
	assert.ErrorIs(t, registry.WriteFormII(&out, issued, nil), mykey.ErrUnknownOperator)
	assert.Empty(t, out.String())
	library.Operator = mykey.OperatorID{}
	_, err = registry.CountTerminals([]registry.Terminal{library}, ops)
	assert.ErrorIs(t, err, mykey.ErrForm)
	_, err = registry.CountTerminals([]registry.Terminal{{}}, ops)
	assert.ErrorIs(t, err, mykey.ErrForm)
	shop.Operator = operator(t, "000009")
	_, err = registry.CountTerminals([]registry.Terminal{shop}, ops)
	assert.ErrorIs(t, err, mykey.ErrUnknownOperator)
	assert.Equal(t, "TerminalState(9)", registry.TerminalState(9).String())
}

// An ID that is none is no terminal's, on either engine.
func TestOddTerminalIDs(t *testing.T) {
	shelves(t, func(s *shelf) {
		for _, odd := range []string{"", "a\x00", "\xff", "あ", strings.Repeat("1", 100_000)} {
			_, err := s.Find(s.Context(), odd)
			assert.ErrorIs(s, err, registry.ErrNotFound)
			_, err = s.Replace(s.Context(), odd)
			assert.ErrorIs(s, err, registry.ErrNotFound)
			assert.ErrorIs(s, s.Stop(s.Context(), odd), registry.ErrNotFound)
		}
	})
}
