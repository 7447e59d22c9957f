package registry_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"
)

var errInjected = errors.New("injected: the disk is on fire")

// faulty is SQLite that fails one statement, counted from when it was armed, or
// loses the answer of one COMMIT that was carried out.
type faulty struct {
	dbtest.Hooked
	count, commits int
	fired          bool
}

func newFaulty(dir string) *faulty {
	return &faulty{Hooked: dbtest.Hooked{DSN: dbtest.FastSQLite(dir)}}
}

// arm counts from here. Zero stands for no failure.
func (f *faulty) arm(failAt, loseCommit int) {
	f.count, f.commits, f.fired = 0, 0, false
	f.Set(func(s dbtest.Step) error {
		fail := false
		if s.Call() {
			f.count++
			fail = f.count == failAt
		} else if s.What == "commit" {
			f.commits++
			fail = f.commits == loseCommit
		}
		if fail {
			f.fired = true
			return errInjected
		}
		return nil
	})
}

// story uses every call that writes, each through once, which makes a call
// again when the database failed. It ends in a known state.
func story(t *testing.T, reg *registry.Registry, once func(name string, call func() error)) {
	ctx := t.Context()
	draws := 0
	registry.SetGenerate(reg, func() mykey.ID { draws++; return id(t, fmt.Sprintf("AUTO%04d", draws)) })
	begin := func(tp registry.Presence) (s *registry.Session) {
		once("begin", func() (err error) { s, err = reg.Begin(ctx, tp); return err })
		return s
	}
	once("import", func() error {
		err := reg.Import(ctx, []registry.ImportRow{{ID: id(t, "TAKEN222"), Certificates: []registry.Certificate{tap(9).Certificate},
			Services: []mykey.ServiceID{service(t, "000001:9999999")}}})
		// The records that an earlier try wrote are duplicates to a later one.
		if errors.Is(err, registry.ErrDuplicate) {
			return nil
		}
		return err
	})
	s := begin(tap(1))
	var e *registry.Enrolment
	once("enrol", func() (err error) { e, err = s.Enrol(ctx); return err })
	progress := func() (p registry.Progress) {
		once("progress", func() (err error) { p, err = e.Progress(ctx); return err })
		return p
	}
	offer := func(want int) {
		once("offer", func() error {
			// A lost answer is looked for before another offer is spent.
			if progress().OffersLeft == want {
				return nil
			}
			_, err := e.Offer(ctx, tap(1))
			return err
		})
	}
	offer(2)
	once("check taken", func() error {
		if progress().ChecksLeft == 2 {
			return nil
		}
		_, err := e.Check(ctx, tap(1), id(t, "TAKEN222"))
		if errors.Is(err, registry.ErrDuplicate) {
			return nil
		}
		return err
	})
	once("check free", func() error { _, err := e.Check(ctx, tap(1), id(t, "MY123456")); return err })
	once("accept", func() error { _, err := e.Accept(ctx, tap(1)); return err })
	once("register", func() error { _, err := s.RegisterService(ctx, tap(1), service(t, "000001:1")); return err })
	once("replace", func() error { _, err := s.ReplaceService(ctx, tap(1), service(t, "000001:2")); return err })
	once("register 2", func() error { _, err := s.RegisterService(ctx, tap(1), service(t, "000002:2")); return err })
	once("remove", func() error { _, err := s.RemoveService(ctx, tap(1), service(t, "000002:2").Operator); return err })
	once("ppid", func() error {
		p, err := mykey.ParsePPID(service(t, "000003:1").Operator, "pairwise")
		require.NoError(t, err)
		return s.RegisterPPID(ctx, tap(1), p)
	})
	once("phone", func() error { return s.AddCertificate(ctx, tap(1), tapOf(101, registry.DeviceAndroid)) })
	once("phone 2", func() error { return s.AddCertificate(ctx, tap(1), tapOf(102, registry.DeviceAndroid)) })
	once("consent", func() error { return s.ConsentToNotice(ctx, tap(1), tap(901).Certificate, "text 1") })
	once("sign", func() error { return s.UpdateSign(ctx, tap(1), tap(902).Certificate) })
	once("apply", func() error { return s.Apply(ctx, tap(1), rules, application("waon", "55")) })
	once("application done", func() error { return reg.ApplicationDone(ctx, "", "waon", "55") })
	once("change", func() (err error) { e, err = s.ChangeID(ctx); return err })
	offer(2)
	offer(1)
	once("third", func() error { _, err := e.Offer(ctx, tap(1)); return err })
	require.False(t, s.ID().IsZero())

	// The card is reissued: 2 follows 1 by the verifier's word, and 3 follows
	// 2 by the staff's.
	s = begin(tap(2))
	require.False(t, s.ID().IsZero())
	var person registry.Person
	once("person", func() (err error) { person, err = s.Person(ctx); return err })
	s = begin(tap(3))
	once("note a revocation", func() error { return reg.NoteRevoked(ctx, tap(2).Certificate) })
	once("rebind", func() error {
		err := s.Rebind(ctx, tap(3), person.Certificates[0].Ref)
		if errors.Is(err, registry.ErrAlreadyEnrolled) {
			return nil
		}
		return err
	})
	once("revoke", func() error { return reg.Revoke(ctx, id(t, "TAKEN222")) })
	once("withdraw", func() error { return s.WithdrawConsent(ctx, tap(3)) })
	once("revoke with the card", func() error { return s.Revoke(ctx, tap(3)) })
}

// books gives the whole state of a registry's tables, without what depends on
// the order of draws.
func books(t *testing.T, db *sql.DB) string {
	var out strings.Builder
	for _, q := range []string{
		"SELECT 'id', count(*), state, sum(id LIKE 'AUTO%'), sum(id NOT LIKE 'AUTO%') FROM mykey_mykey_id GROUP BY state ORDER BY state",
		"SELECT 'person', count(*), 0, 0, 0 FROM mykey_person",
		"SELECT 'cert', holder, person, device, superseded IS NULL FROM mykey_certificate ORDER BY holder",
		"SELECT 'service', person, operator, customer, 0 FROM mykey_service ORDER BY operator",
		"SELECT 'ppid', person, operator, ppid, 0 FROM mykey_ppid",
		"SELECT 'notice', person, holder, explanation, 0 FROM mykey_notice",
		"SELECT 'application', person, service, payment_id, 0 FROM mykey_choice",
		"SELECT 'applicant', holder, service, payment_id, 0 FROM mykey_chooser ORDER BY holder",
		"SELECT 'card', holder, offers, duplicates, finished FROM mykey_card WHERE offers + duplicates + finished > 0 ORDER BY holder",
	} {
		rows, err := db.Query(q)
		require.NoError(t, err)
		for rows.Next() {
			var c [5]any
			require.NoError(t, rows.Scan(&c[0], &c[1], &c[2], &c[3], &c[4]))
			fmt.Fprintln(&out, c[:]...)
		}
		require.NoError(t, rows.Err())
		rows.Close()
	}
	return out.String()
}

// Every statement of the story fails once, and every COMMIT loses its answer
// once. Each time the call says so with the driver's error, and calling again
// leads to the very state of a story without faults.
func TestEveryStatementFails(t *testing.T) {
	run := func(failAt, loseCommit int) (state string, statements, commits int) {
		f := newFaulty(t.TempDir())
		db := sql.OpenDB(f)
		defer db.Close()
		reissued := map[jpki.Serial]jpki.Serial{serial(2): serial(1)}
		reg, err := registry.Open(t.Context(), db, registry.Config{Serials: registry.PlainSerials(), Clock: func() time.Time { return epoch },
			Former: formers(func(s jpki.Serial) (jpki.Serial, error) { return reissued[s], nil })})
		require.NoError(t, err)
		f.arm(failAt, loseCommit)
		story(t, reg, func(name string, call func() error) {
			err := call()
			if err == nil {
				return
			}
			var se *registry.StoreError
			require.ErrorAs(t, err, &se, "%s", name)
			require.ErrorIs(t, err, errInjected, "%s: the driver's own error is within", name)
			code, _ := registry.CodeOf(err)
			require.Equal(t, mykey.CodeNetwork, code)
			require.NoError(t, call(), "%s, a second time", name)
		})
		require.Equal(t, failAt+loseCommit > 0, f.fired, "statement %d, commit %d", failAt, loseCommit)
		// Read with nothing in the way.
		statements, commits = f.count, f.commits
		f.arm(0, 0)
		return books(t, db), statements, commits
	}
	want, statements, commits := run(0, 0)
	require.Greater(t, statements, 150)
	step := 1
	if raceEnabled {
		step = 25
	} else if !long() {
		step = 5 // every fifth; all of them with MYNAKIT_LONG=1
	}
	for n := 1; n <= statements; n += step {
		got, _, _ := run(n, 0)
		require.Equal(t, want, got, "statement %d of %d failed", n, statements)
	}
	for n := 1; n <= commits; n += min(step, 2) {
		got, _, _ := run(0, n)
		require.Equal(t, want, got, "the answer of commit %d of %d was lost", n, commits)
	}
	t.Logf("%d statements and %d commits, every %d", statements, commits, step)
}

// A database that is locked by somebody else, full, or gone.
func TestLocked(t *testing.T) {
	dsn := dbtest.ImpatientSQLite(t.TempDir())
	db := openDB(t, "sqlite", dsn)
	reg, err := registry.Open(t.Context(), db, registry.Config{RetryFor: 20 * time.Millisecond, Serials: registry.PlainSerials()})
	require.NoError(t, err)
	other := dbtest.Open(t, "sqlite", dsn)
	conn, err := other.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	rec := []registry.ImportRow{{ID: id(t, "MY123456")}}
	err = reg.Import(t.Context(), rec)
	var se *registry.StoreError
	require.ErrorAs(t, err, &se)
	assert.ErrorIs(t, err, registry.ErrBusy)
	var driverErr *sqlite.Error
	require.ErrorAs(t, err, &driverErr, "the driver's own error is within")
	assert.Equal(t, 5, driverErr.Code())
	code, ok := registry.CodeOf(err)
	assert.True(t, ok)
	assert.Equal(t, mykey.CodeNetwork, code)
	_, err = reg.Find(t.Context(), id(t, "MY123456"))
	assert.ErrorIs(t, err, registry.ErrNotFound, "readers do not wait, and nothing is there")
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, reg.Import(t.Context(), rec))
}

func TestFull(t *testing.T) {
	dsn := dbtest.SQLite(t.TempDir())
	db := openDB(t, "sqlite", dsn+"&_pragma=max_page_count(80)")
	cfg := registry.Config{Serials: registry.Pseudonyms(pseudonymKey), Clock: func() time.Time { return epoch }}
	reg, err := registry.Open(t.Context(), db, cfg)
	require.NoError(t, err)
	batch := func(n int) (recs []registry.ImportRow) {
		for i := range 50 {
			k := n*50 + i
			recs = append(recs, registry.ImportRow{ID: id(t, fmt.Sprintf("FULL%04d", k)), Certificates: []registry.Certificate{tap(k).Certificate}})
		}
		return recs
	}
	n := 0
	for err == nil {
		if err = reg.Import(t.Context(), batch(n)); err == nil {
			n++
		}
		require.Less(t, n, 1000, "the limit does not hold")
	}
	require.Positive(t, n)
	var se *registry.StoreError
	require.ErrorAs(t, err, &se)
	var driverErr *sqlite.Error
	require.ErrorAs(t, err, &driverErr)
	assert.Equal(t, 13, driverErr.Code(), "SQLITE_FULL")
	for _, rec := range batch(n) {
		_, err := reg.Find(t.Context(), rec.ID)
		require.ErrorIs(t, err, registry.ErrNotFound, "nothing of the failed batch is there")
	}
	for _, rec := range batch(n - 1) {
		_, err := reg.Lookup(t.Context(), rec.Certificates[0].Serial)
		require.NoError(t, err, "and everything of the one before")
	}
	// Somebody has made room.
	db = openDB(t, "sqlite", dsn)
	reg, err = registry.Open(t.Context(), db, cfg)
	require.NoError(t, err)
	require.NoError(t, reg.Import(t.Context(), batch(n)))
}

func TestGone(t *testing.T) {
	check := func(t *testing.T, reg *registry.Registry) {
		var se *registry.StoreError
		_, err := reg.Lookup(t.Context(), serial(1))
		assert.ErrorAs(t, err, &se)
		_, err = reg.LookupService(t.Context(), serial(1), service(t, "000001:1").Operator)
		assert.ErrorAs(t, err, &se)
		_, err = reg.Find(t.Context(), id(t, "MY123456"))
		assert.ErrorAs(t, err, &se)
		_, err = reg.Begin(t.Context(), tap(1))
		assert.ErrorAs(t, err, &se)
		assert.ErrorAs(t, reg.Import(t.Context(), []registry.ImportRow{{ID: id(t, "KEY34567")}}), &se)
		assert.ErrorAs(t, reg.Revoke(t.Context(), id(t, "MY123456")), &se)
	}
	t.Run("SQLite", func(t *testing.T) {
		db := openDB(t, "sqlite", dbtest.SQLite(t.TempDir()))
		reg, err := registry.Open(t.Context(), db, registry.Config{Serials: registry.PlainSerials()})
		require.NoError(t, err)
		require.NoError(t, db.Close())
		check(t, reg)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		db := openDB(t, "pgx", pg.DSN(t))
		reg, err := registry.Open(t.Context(), db, registry.Config{Serials: registry.PlainSerials()})
		require.NoError(t, err)
		require.NoError(t, reg.Import(t.Context(), []registry.ImportRow{{ID: id(t, "MY123456")}}))
		pg.Crash(t)
		check(t, reg)
		pg.Restart(t)
		require.Eventually(t, func() bool { return db.Ping() == nil }, time.Minute, 10*time.Millisecond)
		_, err = reg.Find(t.Context(), id(t, "MY123456"))
		require.NoError(t, err, "the acknowledged is there")
		require.NoError(t, reg.Import(t.Context(), []registry.ImportRow{{ID: id(t, "KEY34567")}}))
	})
}

// A call whose context has ended changes nothing.
func TestCancelled(t *testing.T) {
	conform(t, func(w *world) {
		sess := w.enrolled(1, "MY123456")
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		_, err := sess.RegisterService(ctx, tap(1), service(w, "000001:1"))
		assert.ErrorIs(w, err, context.Canceled)
		_, err = w.reg.Lookup(ctx, serial(1))
		assert.ErrorIs(w, err, context.Canceled)
		_, err = w.reg.LookupService(ctx, serial(1), service(w, "000001:1").Operator)
		assert.ErrorIs(w, err, context.Canceled)
		_, err = w.reg.Find(ctx, id(w, "MY123456"))
		assert.ErrorIs(w, err, context.Canceled)
		cfg := w.cfg
		cfg.Prefix = w.eng.prefix
		_, err = registry.Open(ctx, w.eng.db, cfg)
		assert.ErrorIs(w, err, context.Canceled)
		assert.Empty(w, w.find(id(w, "MY123456")).Services)
	})
}

// A database made by a newer program is refused and left as it is.
func TestNewerSchema(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			eng := e.make(t)
			_, err := eng.open(t, registry.Config{Serials: registry.PlainSerials()})
			require.NoError(t, err)
			_, err = eng.db.Exec("UPDATE " + eng.prefix + "schema_version SET version = 99 WHERE name = 'mykey'")
			require.NoError(t, err)
			_, err = eng.open(t, registry.Config{Serials: registry.PlainSerials()})
			var se *registry.SchemaError
			require.ErrorAs(t, err, &se)
			assert.Equal(t, 99, se.Found)
		})
	}
}

// A cell that somebody has damaged is a fault of the database in every call
// that comes upon it: no refusal of what the caller gave, and no answer computed
// from it.
func TestDamagedCells(t *testing.T) {
	op := service(t, "000001:1").Operator
	begin := func(w *world) *registry.Session { return w.begin(tap(1)) }
	lookup := func(w *world) error { _, err := w.reg.Lookup(w.Context(), serial(1)); return err }
	lookupService := func(w *world) error { _, err := w.reg.LookupService(w.Context(), serial(1), op); return err }
	start := func(w *world) error { _, err := w.reg.Begin(w.Context(), tap(1)); return err }
	find := func(w *world) error { _, err := w.reg.Find(w.Context(), service(t, "000002:2")); return err }
	enrol := func(w *world) error { _, err := w.begin(tap(2)).Enrol(w.Context()); return err }
	check := func(w *world) error {
		e, err := begin(w).ChangeID(w.Context())
		require.NoError(w, err)
		_, err = e.Check(w.Context(), tap(1), id(w, "DAMAGED2"))
		return err
	}
	type calls []func(*world) error
	for _, tc := range []struct {
		name, query string
		lite        bool // only SQLite takes it
		calls       calls
	}{
		{"MyKey ID", "UPDATE {p}person SET mykey_id = 'damaged!' WHERE mykey_id = 'MY123456'", false, calls{lookup, lookupService, start, find}},
		{"customer", "UPDATE {p}service SET customer = 'dam aged' WHERE operator = '000001'", false, calls{lookupService, find}},
		{"operator", "UPDATE {p}service SET operator = 'damage' WHERE operator = '000001'", false, calls{find}},
		{"PPID", "UPDATE {p}ppid SET ppid = 'dam aged'", false, calls{find}},
		{"PPID's operator", "UPDATE {p}ppid SET operator = 'damaged'", false, calls{find}},
		{"device", "UPDATE {p}certificate SET device = 77", false, calls{find}},
		{"device, no number", "UPDATE {p}certificate SET device = 'damaged'", true, calls{find}},
		{"expiry, no number", "UPDATE {p}certificate SET not_after = 'damaged'", true, calls{lookup, lookupService, start, find}},
		{"offers", "UPDATE {p}card SET offers = -50", false, calls{enrol}},
		{"offers, no number", "UPDATE {p}card SET offers = 1.5", true, calls{enrol}},
		{"too many offers", "UPDATE {p}card SET offers = 4", false, calls{enrol}},
		{"duplicates", "UPDATE {p}card SET duplicates = -1", false, calls{enrol}},
		{"too many duplicates", "UPDATE {p}card SET duplicates = 4", false, calls{enrol}},
		{"finished", "UPDATE {p}card SET finished = 7", false, calls{enrol}},
		{"candidate", "UPDATE {p}card SET candidate = 'damaged!'", false, calls{enrol}},
		{"state", "UPDATE {p}mykey_id SET state = 77 WHERE id = 'DAMAGED2'", false, calls{check, func(w *world) error {
			_, err := w.reg.Find(w.Context(), id(t, "DAMAGED2"))
			return err
		}, func(w *world) error { return w.reg.Revoke(w.Context(), id(t, "DAMAGED2")) }}},
		{"state of a candidate", "UPDATE {p}mykey_id SET state = 77 WHERE id = 'WANTED22'", false, calls{func(w *world) error {
			e, err := w.begin(tap(2)).Enrol(w.Context())
			require.NoError(w, err)
			_, err = e.Accept(w.Context(), tap(2))
			return err
		}}},
		{"state of a person's", "UPDATE {p}mykey_id SET state = 77 WHERE id = 'MY123456'", false, calls{func(w *world) error {
			return w.reg.Revoke(w.Context(), id(t, "MY123456"))
		}}},
	} {
		for _, e := range engines {
			if tc.lite && e.name != "SQLite" {
				continue
			}
			t.Run(tc.name+" "+e.name, func(t *testing.T) {
				w := newWorld(t, e.make(t))
				s := w.enrolled(1, "MY123456")
				for _, v := range []string{"000001:1", "000002:2"} {
					_, err := s.RegisterService(t.Context(), tap(1), service(t, v))
					require.NoError(t, err)
				}
				ppid, err := mykey.ParsePPID(op, "pairwise")
				require.NoError(t, err)
				require.NoError(t, s.RegisterPPID(t.Context(), tap(1), ppid))
				other, err := w.begin(tap(2)).Enrol(t.Context())
				require.NoError(t, err)
				_, err = other.Check(t.Context(), tap(2), id(t, "WANTED22"))
				require.NoError(t, err)
				for _, q := range []string{
					// What a key refers to must be there.
					"INSERT INTO {p}mykey_id (id, state, at) VALUES ('damaged!', 2, 0), ('DAMAGED2', 3, 0)",
					tc.query} {
					_, err := w.eng.db.Exec(strings.ReplaceAll(q, "{p}", w.eng.prefix))
					require.NoError(t, err)
				}
				for i, call := range tc.calls {
					err := call(w)
					var se *registry.StoreError
					require.ErrorAs(t, err, &se, "call %d", i)
					assert.NotEmpty(t, se.Error())
					assert.NotErrorIs(t, err, mykey.ErrForm)
					assert.NotContains(t, strings.ToLower(strings.ReplaceAll(err.Error(), "damaged table", "")), "dam", "the value is not told")
					assert.NotContains(t, err.Error(), "77")
				}
			})
		}
	}
}

// A database of the first version is brought up to date with all that is in it.
func TestOlderSchema(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			ctx, db := t.Context(), e.make(t).db
			require.NoError(t, registry.OpenVersion(ctx, db, "old_", 1))
			for _, q := range []string{
				"INSERT INTO old_mykey_id (id, state, claimer, at) VALUES ('MY123456', 2, NULL, 0), ('WANTED22', 1, '" + serial(2).Hex() + "', 0)",
				"INSERT INTO old_person (person, mykey_id, created) VALUES (7, 'MY123456', 0)",
				fmt.Sprintf("INSERT INTO old_certificate (holder, person, device, not_after, bound) VALUES ('%s', 7, 1, %d, 0)",
					serial(1).Hex(), epoch.AddDate(5, 0, 0).UnixMilli()),
				fmt.Sprintf("INSERT INTO old_payment (person, service, payment_id, applied) VALUES (7, 'waon', '55', %d)", epoch.UnixMilli()),
				"INSERT INTO old_card (holder, offers, duplicates, duplicate_at, candidate, finished) VALUES ('" + serial(2).Hex() + "', 2, 1, 0, 'WANTED22', 0)",
			} {
				_, err := db.Exec(q)
				require.NoError(t, err, q)
			}
			reg, err := registry.Open(ctx, db, registry.Config{Prefix: "old_", Serials: registry.PlainSerials(), Clock: func() time.Time { return epoch }})
			require.NoError(t, err)
			p, err := reg.Find(ctx, id(t, "MY123456"))
			require.NoError(t, err)
			require.NotNil(t, applied(p))
			assert.Equal(t, registry.PaymentLink{Service: "waon", ID: "55", Applied: applied(p).Applied, Done: applied(p).Applied}, *applied(p))
			assert.True(t, applied(p).Applied.Equal(epoch))
			s, err := reg.Begin(ctx, tap(1))
			require.NoError(t, err)
			require.ErrorIs(t, s.Apply(ctx, tap(1), rules, application("waon", "56")), registry.ErrAlreadyApplied)
			require.NoError(t, s.Revoke(ctx, tap(1)))

			s, err = reg.Begin(ctx, tap(2))
			require.NoError(t, err)
			enrol, err := s.Enrol(ctx)
			require.NoError(t, err)
			got, err := enrol.Progress(ctx)
			require.NoError(t, err)
			assert.Equal(t, registry.Progress{Candidate: id(t, "WANTED22"), OffersLeft: 1, ChecksLeft: 2}, got, "what was left off goes on")
			require.ErrorIs(t, s.Apply(ctx, tap(2), rules, application("waon", "55")), registry.ErrNotEnrolled)
			_, err = enrol.Accept(ctx, tap(2))
			require.NoError(t, err)
			require.ErrorIs(t, s.Apply(ctx, tap(2), rules, application("waon", "55")), registry.ErrPaymentTaken)
		})
	}
}
