package registry_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// A card is at two terminals of one holder, or of two staff, at a time. What
// one has done while the other was open is seen by the other, and no answer is
// taken from what was true when its session began.
func TestWhatHappensMeanwhile(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		w.enrolled(1, "MY123456")
		w.enrolled(5, "KEY34567")
		mine, other := w.find(id(w, "MY123456")).Certificates[0].Ref, w.find(id(w, "KEY34567")).Certificates[0].Ref

		w.lost(1)
		w.lost(5)
		// Two sessions of one reissued card, neither bound yet.
		a, b := w.begin(tap(2)), w.begin(tap(2))
		late, c := w.begin(tap(2)), w.begin(tap(2))
		require.NoError(w, a.Rebind(ctx, tap(2), mine))
		require.NoError(w, b.Rebind(ctx, tap(2), mine), "the answer of the first may have been lost")
		assert.Equal(w, "MY123456", b.ID().String())
		// The same card is not given to another person, whose own former card
		// has been replaced meanwhile.
		six := w.begin(tap(6))
		require.NoError(w, six.Rebind(ctx, tap(6), other))
		require.ErrorIs(w, late.Rebind(ctx, tap(2), other), registry.ErrSuperseded)
		assert.True(w, late.ID().IsZero())
		_, err := late.Enrol(ctx)
		require.ErrorIs(w, err, registry.ErrAlreadyEnrolled)
		assert.Equal(w, "MY123456", w.lookup(2))

		// Once 3 has taken its place, 2 is out, also where it was never known.
		w.lost(2)
		require.NoError(w, w.begin(tap(3)).Rebind(ctx, tap(3), w.find(id(w, "MY123456")).Certificates[0].Ref))
		require.ErrorIs(w, c.Rebind(ctx, tap(2), mine), registry.ErrSuperseded)
		_, err = c.Enrol(ctx)
		require.ErrorIs(w, err, registry.ErrSuperseded)
		assert.True(w, c.ID().IsZero())

		// An enrolment that was begun at one terminal and finished at another.
		first, second := w.begin(tap(7)), w.begin(tap(7))
		e, err := first.Enrol(ctx)
		require.NoError(w, err)
		_, err = e.Check(ctx, tap(7), id(w, "SEVEN777"))
		require.NoError(w, err)
		_, err = e.Accept(ctx, tap(7))
		require.NoError(w, err)
		_, err = second.Enrol(ctx)
		require.ErrorIs(w, err, registry.ErrAlreadyEnrolled)
		_, err = second.ChangeID(ctx)
		require.ErrorIs(w, err, registry.ErrNotEnrolled, "as its session knows it")
	})
}

// What needs an enrolled holder says that this one is none.
func TestNotEnrolled(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		s := w.begin(tap(1))
		p, err := s.Person(ctx)
		assert.ErrorIs(w, err, registry.ErrNotEnrolled)
		assert.Zero(w, p)
		_, err = s.RegisterService(ctx, tap(1), service(w, "000001:1"))
		assert.ErrorIs(w, err, registry.ErrNotEnrolled)
		assert.ErrorIs(w, s.AddCertificate(ctx, tap(1), tapOf(101, registry.DeviceAndroid)), registry.ErrNotEnrolled)
		assert.ErrorIs(w, s.Revoke(ctx, tap(1)), registry.ErrNotEnrolled)
		assert.ErrorIs(w, s.WithdrawConsent(ctx, tap(1)), registry.ErrNotEnrolled)
		_, err = s.Enrol(ctx)
		assert.NoError(w, err, "and the session goes on")
	})
}

// A session that is over stays so, even where the clock is put back.
func TestOverIsOver(t *testing.T) {
	conform(t, func(w *world) {
		s := w.enrolled(1, "MY123456")
		w.pass(24 * time.Hour)
		_, err := s.Person(w.Context())
		require.ErrorIs(w, err, registry.ErrSessionOver)
		w.pass(-24 * time.Hour)
		_, err = s.Person(w.Context())
		require.ErrorIs(w, err, registry.ErrSessionOver)
	})
}

// A clock that is put back lengthens no session: a monotonic one is not, and
// without one the session is over.
func TestClockPutBack(t *testing.T) {
	t.Run("wall clock alone", func(t *testing.T) {
		w := newWorld(t, sqliteEngine(t))
		s := w.enrolled(1, "MY123456")
		w.pass(-time.Millisecond)
		_, err := s.Person(t.Context())
		require.ErrorIs(t, err, registry.ErrSessionOver)
	})
	t.Run("monotonic", func(t *testing.T) {
		began := time.Now()
		now := began
		reg, err := registry.Open(t.Context(), openDB(t, "sqlite", dbtest.SQLite(t.TempDir())),
			registry.Config{Serials: registry.PlainSerials(), Clock: func() time.Time { return now }})
		require.NoError(t, err)
		s, err := reg.Begin(t.Context(), tap(1))
		require.NoError(t, err)
		now = putBack(t, began.Add(time.Minute), time.Hour)
		_, err = s.Enrol(t.Context())
		require.NoError(t, err, "a minute has passed, whatever the clock says")
		now = putBack(t, began.Add(6*time.Minute), time.Hour)
		_, err = s.Enrol(t.Context())
		require.ErrorIs(t, err, registry.ErrSessionOver)
	})
}

// putBack is what time.Now gives at the moment at when the clock has been put
// back by d. Package time has no way to make one.
func putBack(t *testing.T, at time.Time, d time.Duration) time.Time {
	out := at
	// The seconds stand above 30 bits of nanoseconds.
	*(*uint64)(unsafe.Pointer(&out)) -= uint64(d/time.Second) << 30
	if out.Sub(at) != 0 || !out.Round(0).Equal(at.Round(0).Add(-d)) {
		t.Skip("package time keeps its readings in another way")
	}
	return out
}

// A certificate that ends in the middle of a session confirms nothing more.
func TestExpiresDuringTheSession(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		tp := tap(1)
		tp.Certificate.NotAfter = epoch.Add(time.Minute)
		s := w.begin(tp)
		e, err := s.Enrol(ctx)
		require.NoError(w, err)
		_, err = e.Check(ctx, tp, id(w, "MY123456"))
		require.NoError(w, err)
		_, err = e.Accept(ctx, tp)
		require.NoError(w, err)
		w.pass(time.Minute)
		_, err = s.RegisterService(ctx, tp, service(w, "000001:1"))
		require.NoError(w, err, "valid to the last moment")
		w.pass(time.Millisecond)
		_, err = s.RegisterService(ctx, tp, service(w, "000002:1"))
		require.ErrorIs(w, err, registry.ErrExpired)
		require.ErrorIs(w, s.Revoke(ctx, tp), registry.ErrExpired)
	})
}

// Whoever told the registry of another expiry, the card itself is believed, and
// its session works.
func TestExpiryOfAnImport(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		told := tap(1).Certificate
		told.NotAfter = epoch.Add(time.Hour)
		require.NoError(w, w.reg.Import(ctx, []registry.ImportRow{{ID: id(w, "MY123456"), Certificates: []registry.Certificate{told}}}))
		s, err := w.reg.Begin(ctx, tap(1))
		require.NoError(w, err)
		require.NotNil(w, s)
		assert.Equal(w, "MY123456", s.ID().String())
		assert.False(w, s.Rebound())
		w.pass(2 * time.Hour)
		assert.Equal(w, "MY123456", w.lookup(1), "it has not expired")
	})
}

// The explanation of a consent has 1 to 200 bytes.
func TestExplanationLength(t *testing.T) {
	conform(t, func(w *world) {
		s := w.enrolled(1, "MY123456")
		for n, ok := range map[int]bool{1: true, 200: true, 201: false} {
			err := s.ConsentToNotice(w.Context(), tap(1), tap(901).Certificate, strings.Repeat("x", n))
			assert.Equal(w, ok, err == nil, "%d bytes: %v", n, err)
		}
	})
}

// What is no certificate begins no session, and what is no ID is not looked
// for: neither counts as a try.
func TestNothingToLookFor(t *testing.T) {
	conform(t, func(w *world) {
		var fe *mykey.FormError
		for _, tp := range []registry.Presence{{}, {Proved: true}, {Certificate: registry.Certificate{Serial: serial(1)}, Proved: true}} {
			s, err := w.reg.Begin(w.Context(), tp)
			require.ErrorAs(w, err, &fe)
			require.Nil(w, s)
		}
		e, err := w.begin(tap(1)).Enrol(w.Context())
		require.NoError(w, err)
		before, err := e.Progress(w.Context())
		require.NoError(w, err)
		_, err = e.Check(w.Context(), tap(1), mykey.ID{})
		require.ErrorAs(w, err, &fe)
		assert.Equal(w, mykey.RuleMissing, fe.Rule)
		_, err = e.Accept(w.Context(), tap(1))
		require.ErrorIs(w, err, registry.ErrNoCandidate)
		after, err := e.Progress(w.Context())
		require.NoError(w, err)
		assert.Equal(w, before, after)
	})
}

// A procedure that has ended gives its result again, but not once the ID it led
// to has been revoked.
func TestResultOfWhatWasRevoked(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		a, b := w.begin(tap(1)), w.begin(tap(1))
		ea, err := a.Enrol(ctx)
		require.NoError(w, err)
		eb, err := b.Enrol(ctx)
		require.NoError(w, err)
		_, err = ea.Check(ctx, tap(1), id(w, "MY123456"))
		require.NoError(w, err)
		_, err = ea.Accept(ctx, tap(1))
		require.NoError(w, err)
		p, err := eb.Accept(ctx, tap(1))
		require.NoError(w, err)
		require.True(w, p.Registered)
		require.Equal(w, "MY123456", p.Candidate.String())
		require.NoError(w, w.reg.Revoke(ctx, id(w, "MY123456")))
		for _, again := range []func() (registry.Progress, error){
			func() (registry.Progress, error) { return eb.Accept(ctx, tap(1)) },
			func() (registry.Progress, error) { return eb.Offer(ctx, tap(1)) },
			func() (registry.Progress, error) { return eb.Check(ctx, tap(1), id(w, "OTHER234")) },
		} {
			p, err := again()
			require.ErrorIs(w, err, registry.ErrIDReplaced)
			require.Zero(w, p)
		}
	})
}

// A session that could not put the registry's expiry right is none.
func TestBeginFailsWhole(t *testing.T) {
	f := newFaulty(t.TempDir())
	db := sql.OpenDB(f)
	defer db.Close()
	reg, err := registry.Open(t.Context(), db, registry.Config{Serials: registry.PlainSerials(), Clock: func() time.Time { return epoch }})
	require.NoError(t, err)
	told := tap(1).Certificate
	told.NotAfter = epoch.Add(time.Hour)
	require.NoError(t, reg.Import(t.Context(), []registry.ImportRow{{ID: id(t, "MY123456"), Certificates: []registry.Certificate{told}}}))
	failed := 0
	for n := 1; ; n++ {
		require.Less(t, n, 20)
		f.arm(n, 0)
		s, err := reg.Begin(t.Context(), tap(1))
		if !f.fired {
			require.NoError(t, err)
			require.Equal(t, "MY123456", s.ID().String())
			require.Greater(t, failed, 2, "looking, beginning, writing, committing")
			return
		}
		failed++
		require.ErrorIs(t, err, errInjected)
		require.Nil(t, s)
	}
}

// Called by name too, what is secret does not show itself.
func TestRedactedByName(t *testing.T) {
	for _, v := range []fmt.Stringer{mykey.NewSecret("1234567890"), mykey.Secret{}, registry.CertificateRef{}} {
		assert.Equal(t, "[redacted]", v.String())
		assert.Equal(t, "[redacted]", fmt.Sprintf("%x", v))
	}
	assert.Empty(t, mykey.Secret{}.Reveal())
}

// Every statement of a call that repeats, replaces or refuses fails once. The
// call says so with nothing in its hands, and nothing has changed.
func TestRepeatsAndRefusalsFailWhole(t *testing.T) {
	ctx := context.Background()
	ppid := func(text string) mykey.PPID {
		p, err := mykey.ParsePPID(service(t, "000003:1").Operator, text)
		require.NoError(t, err)
		return p
	}
	// What a call is given: the sessions of two holders, and two of a card that
	// took the place of the second's while they were open; one whose ID has been
	// revoked meanwhile, and the new procedure of a card that left off a change.
	type visit struct {
		reg                     *registry.Registry
		one, two, a, late, gone *registry.Session
		former                  registry.CertificateRef
		enrolment, change, anew *registry.Enrolment
	}
	done := errors.New("done as it should be")
	is := func(err, want error) error {
		if errors.Is(err, want) {
			return done
		}
		return err
	}
	for name, call := range map[string]func(v *visit) (any, error){
		"remove a service":  func(v *visit) (any, error) { return v.one.RemoveService(ctx, tap(1), service(t, "000001:1").Operator) },
		"replace a service": func(v *visit) (any, error) { return v.one.ReplaceService(ctx, tap(1), service(t, "000001:7")) },
		"somebody's service": func(v *visit) (any, error) {
			_, err := v.two.RegisterService(ctx, tap(3), service(t, "000001:1"))
			return nil, is(err, registry.ErrCustomerTaken)
		},
		"a PPID again": func(v *visit) (any, error) { return nil, v.one.RegisterPPID(ctx, tap(1), ppid("first")) },
		"somebody's PPID": func(v *visit) (any, error) {
			return nil, is(v.two.RegisterPPID(ctx, tap(3), ppid("first")), registry.ErrPPIDTaken)
		},
		"consent again": func(v *visit) (any, error) {
			return nil, v.one.ConsentToNotice(ctx, tap(1), tap(902).Certificate, "text 2")
		},
		"sign certificate": func(v *visit) (any, error) { return nil, v.one.UpdateSign(ctx, tap(1), tap(903).Certificate) },
		"no sign certificate": func(v *visit) (any, error) {
			return nil, is(v.two.UpdateSign(ctx, tap(3), tap(903).Certificate), registry.ErrConsent)
		},
		"apply again": func(v *visit) (any, error) { return nil, v.one.Apply(ctx, tap(1), rules, application("waon", "55")) },
		"apply for another": func(v *visit) (any, error) {
			return nil, is(v.one.Apply(ctx, tap(1), rules, application("waon", "56")), registry.ErrAlreadyApplied)
		},
		"rebind again": func(v *visit) (any, error) { return nil, v.a.Rebind(ctx, tap(3), v.former) },
		"enrol what is bound": func(v *visit) (any, error) {
			_, err := v.late.Enrol(ctx)
			return nil, is(err, registry.ErrAlreadyEnrolled)
		},
		"progress":        func(v *visit) (any, error) { return v.enrolment.Progress(ctx) },
		"offer":           func(v *visit) (any, error) { return v.enrolment.Offer(ctx, tap(4)) },
		"person":          func(v *visit) (any, error) { return v.one.Person(ctx) },
		"accept":          func(v *visit) (any, error) { return v.enrolment.Accept(ctx, tap(4)) },
		"accept a change": func(v *visit) (any, error) { return v.change.Accept(ctx, tap(1)) },
		"begin a change":  func(v *visit) (any, error) { return v.two.ChangeID(ctx) },
		"revoke":          func(v *visit) (any, error) { return nil, v.one.Revoke(ctx, tap(1)) },
		"revoke again":    func(v *visit) (any, error) { return nil, v.gone.Revoke(ctx, tap(6)) },
		"offer anew":      func(v *visit) (any, error) { return v.anew.Offer(ctx, tap(6)) },
		"find":            func(v *visit) (any, error) { return v.reg.Find(ctx, id(t, "MY123456")) },
		"look up":         func(v *visit) (any, error) { return v.reg.Lookup(ctx, serial(1)) },
		"look up a service": func(v *visit) (any, error) {
			return v.reg.LookupService(ctx, serial(1), service(t, "000001:1").Operator)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFaulty(t.TempDir())
			db := sql.OpenDB(f)
			defer db.Close()
			reg, err := registry.Open(ctx, db, registry.Config{Serials: registry.PlainSerials(), Clock: func() time.Time { return epoch }})
			require.NoError(t, err)
			begin := func(n int) *registry.Session {
				s, err := reg.Begin(ctx, tap(n))
				require.NoError(t, err)
				return s
			}
			require.NoError(t, reg.Import(ctx, []registry.ImportRow{
				{ID: id(t, "MY123456"), Certificates: []registry.Certificate{tap(1).Certificate}, Services: []mykey.ServiceID{service(t, "000001:1")}},
				{ID: id(t, "KEY34567"), Certificates: []registry.Certificate{tap(2).Certificate}}}))
			v := &visit{reg: reg, one: begin(1), a: begin(3), late: begin(3)}
			require.NoError(t, v.one.RegisterPPID(ctx, tap(1), ppid("first")))
			require.NoError(t, v.one.ConsentToNotice(ctx, tap(1), tap(901).Certificate, "text 1"))
			require.NoError(t, v.one.Apply(ctx, tap(1), rules, application("waon", "55")))
			p, err := reg.Find(ctx, id(t, "KEY34567"))
			require.NoError(t, err)
			v.former = p.Certificates[0].Ref
			require.NoError(t, reg.NoteRevoked(ctx, tap(2).Certificate))
			require.NoError(t, begin(3).Rebind(ctx, tap(3), v.former))
			v.two = begin(3)
			v.enrolment, err = begin(4).Enrol(ctx)
			require.NoError(t, err)
			_, err = v.enrolment.Offer(ctx, tap(4))
			require.NoError(t, err)
			v.change, err = v.one.ChangeID(ctx)
			require.NoError(t, err)
			_, err = v.change.Offer(ctx, tap(1))
			require.NoError(t, err)
			require.NoError(t, reg.Import(ctx, []registry.ImportRow{{ID: id(t, "GONE2222"), Certificates: []registry.Certificate{tap(6).Certificate}}}))
			v.gone = begin(6)
			left, err := v.gone.ChangeID(ctx)
			require.NoError(t, err)
			_, err = left.Offer(ctx, tap(6))
			require.NoError(t, err)
			require.NoError(t, reg.Revoke(ctx, id(t, "GONE2222")))
			v.anew, err = begin(6).Enrol(ctx)
			require.NoError(t, err)
			for n := 1; ; n++ {
				require.Less(t, n, 60, "it ends")
				before := books(t, db)
				f.arm(n, 0)
				got, err := call(v)
				fired := f.fired
				f.arm(0, 0)
				if !fired {
					if err != done {
						require.NoError(t, err)
					}
					require.Greater(t, n, 1)
					return
				}
				require.ErrorIs(t, err, errInjected, "statement %d", n)
				require.Empty(t, got, "statement %d", n)
				require.Equal(t, before, books(t, db), "statement %d", n)
			}
		})
	}
}

// A certificate that is none does not take the place of one.
func TestSignCertificateThatIsNone(t *testing.T) {
	conform(t, func(w *world) {
		s := w.enrolled(1, "MY123456")
		require.NoError(w, s.ConsentToNotice(w.Context(), tap(1), tap(901).Certificate, "text"))
		var fe *mykey.FormError
		require.ErrorAs(w, s.UpdateSign(w.Context(), tap(1), registry.Certificate{}), &fe)
		require.ErrorAs(w, s.ConsentToNotice(w.Context(), tap(1), registry.Certificate{}, "text"), &fe)
		require.ErrorAs(w, s.AddCertificate(w.Context(), tap(1), registry.Presence{}), &fe)
	})
}

// A holder is revoked in the moment between the look and the binding of the
// reissued card: then the card is bound to nobody, and the session says so.
func TestRevokedInTheMomentBetween(t *testing.T) {
	ctx := t.Context()
	dsn := dbtest.FastSQLite(t.TempDir())
	open := func(h *dbtest.Hooked) *registry.Registry {
		db := sql.OpenDB(h)
		t.Cleanup(func() { db.Close() })
		reg, err := registry.Open(ctx, db, registry.Config{Serials: registry.PlainSerials(), Clock: func() time.Time { return epoch },
			Former: formers(func(s jpki.Serial) (jpki.Serial, error) {
				if s == serial(2) {
					return serial(1), nil
				}
				return jpki.Serial{}, nil
			})})
		require.NoError(t, err)
		return reg
	}
	meddled := &dbtest.Hooked{DSN: dsn}
	reg, other := open(meddled), open(&dbtest.Hooked{DSN: dsn})
	require.NoError(t, reg.Import(ctx, []registry.ImportRow{{ID: id(t, "MY123456"), Certificates: []registry.Certificate{tap(1).Certificate}}}))
	happened := false
	meddled.Set(func(s dbtest.Step) error {
		if s.What == "begin" && !s.After && !happened {
			happened = true
			require.NoError(t, other.Revoke(ctx, id(t, "MY123456")))
		}
		return nil
	})
	s, err := reg.Begin(ctx, tap(2))
	require.NoError(t, err)
	require.True(t, happened)
	assert.True(t, s.ID().IsZero())
	assert.False(t, s.Rebound())
	_, err = s.Person(ctx)
	assert.ErrorIs(t, err, registry.ErrNotEnrolled)
	_, err = s.Enrol(ctx)
	assert.NoError(t, err)
}

// Offers are counted for one procedure. What another one of the same card has
// left off does not register a candidate unasked, in whatever order they come,
// and its candidate is free for others.
func TestOffersOfAnotherProcedure(t *testing.T) {
	left := registry.Progress{OffersLeft: 1, ChecksLeft: 2}
	// leaveOff takes two offers and one duplicate answer.
	leaveOff := func(w *world, e *registry.Enrolment, err error) {
		w.Helper()
		require.NoError(w, err)
		_, err = e.Check(w.Context(), tap(1), id(w, "TAKEN222"))
		require.ErrorIs(w, err, registry.ErrDuplicate)
		for range 2 {
			_, err = e.Offer(w.Context(), tap(1))
			require.NoError(w, err)
		}
		p, err := e.Progress(w.Context())
		require.NoError(w, err)
		p.Candidate = mykey.ID{}
		require.Equal(w, left, p)
	}
	rebind := func(w *world) { // card 1 takes the place of card 5
		w.enrolled(5, "OTHER222")
		w.lost(5)
		require.NoError(w, w.begin(tap(1)).Rebind(w.Context(), tap(1), w.find(id(w, "OTHER222")).Certificates[0].Ref))
	}
	for name, story := range map[string]func(w *world) *registry.Enrolment{
		"a change, revoked at another terminal, a registration": func(w *world) *registry.Enrolment {
			e, err := w.enrolled(1, "MY123456").ChangeID(w.Context())
			leaveOff(w, e, err)
			require.NoError(w, w.reg.Revoke(w.Context(), id(w, "MY123456")))
			e, err = w.begin(tap(1)).Enrol(w.Context())
			require.NoError(w, err)
			return e
		},
		"a registration, bound by Rebind, a change": func(w *world) *registry.Enrolment {
			e, err := w.begin(tap(1)).Enrol(w.Context())
			leaveOff(w, e, err)
			rebind(w)
			e, err = w.begin(tap(1)).ChangeID(w.Context())
			require.NoError(w, err)
			return e
		},
		"a change of an ID, another ID, a change of that": func(w *world) *registry.Enrolment {
			e, err := w.enrolled(1, "MY123456").ChangeID(w.Context())
			leaveOff(w, e, err)
			require.NoError(w, w.reg.Revoke(w.Context(), id(w, "MY123456")))
			rebind(w)
			e, err = w.begin(tap(1)).ChangeID(w.Context())
			require.NoError(w, err)
			return e
		},
		"a registration that is open while a change is made and revoked": func(w *world) *registry.Enrolment {
			open, err := w.begin(tap(1)).Enrol(w.Context())
			require.NoError(w, err)
			rebind(w)
			e, err := w.begin(tap(1)).ChangeID(w.Context())
			leaveOff(w, e, err)
			require.NoError(w, w.reg.Revoke(w.Context(), id(w, "OTHER222")))
			return open
		},
	} {
		t.Run(name, func(t *testing.T) {
			conform(t, func(w *world) {
				ctx := w.Context()
				w.enrolled(9, "TAKEN222")
				draws := 0
				registry.SetGenerate(w.reg, func() mykey.ID { draws++; return id(w, fmt.Sprintf("AUTO%04d", draws)) })
				e := story(w)
				p, err := e.Progress(ctx)
				require.NoError(w, err)
				require.Equal(w, registry.Progress{OffersLeft: 3, ChecksLeft: 2}, p, "the duplicate answer is the card's")
				for n := 3; n <= 5; n++ {
					p, err = e.Offer(ctx, tap(1))
					require.NoError(w, err)
					require.Equal(w, registry.Progress{Candidate: id(w, fmt.Sprintf("AUTO%04d", n)), Registered: n == 5,
						OffersLeft: 5 - n, ChecksLeft: 2}, p)
				}
				require.Equal(w, "AUTO0005", w.lookup(1))
				w.enrolled(8, "AUTO0002") // the candidate that was left off
			})
		})
	}
}

// A revocation whose answer was lost is found done, by this session or by
// another of the card; but not that of another ID.
func TestRevokedAlready(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		first := w.enrolled(1, "MY123456")
		again, third := w.begin(tap(1)), w.begin(tap(1))
		require.NoError(w, first.Revoke(ctx, tap(1)))
		require.NoError(w, again.Revoke(ctx, tap(1)))
		assert.ErrorIs(w, again.Revoke(ctx, tap(1)), registry.ErrSessionOver)
		second := w.enrolled(1, "SECOND22")
		require.NoError(w, third.Revoke(ctx, tap(1)), "its own ID is revoked, whatever the card has got since")
		assert.Equal(w, "SECOND22", w.lookup(1))

		old := w.begin(tap(1))
		c, err := second.ChangeID(ctx)
		require.NoError(w, err)
		_, err = c.Check(ctx, tap(1), id(w, "THIRD222"))
		require.NoError(w, err)
		_, err = c.Accept(ctx, tap(1))
		require.NoError(w, err)
		assert.ErrorIs(w, old.Revoke(ctx, tap(1)), registry.ErrIDReplaced, "it was given up, not revoked")
		require.NoError(w, second.Revoke(ctx, tap(1)))
		assert.ErrorIs(w, old.Revoke(ctx, tap(1)), registry.ErrIDReplaced)
	})
}
