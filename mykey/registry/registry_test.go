package registry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEnrolOwnID(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		_, err := w.reg.Lookup(ctx, serial(1))
		assert.ErrorIs(w, err, registry.ErrNotEnrolled)
		sess := w.begin(tap(1))
		assert.True(w, sess.ID().IsZero())
		e, err := sess.Enrol(ctx)
		require.NoError(w, err)
		_, err = e.Accept(ctx, tap(1))
		assert.ErrorIs(w, err, registry.ErrNoCandidate)

		p, err := e.Check(ctx, tap(1), id(w, "MY123456"))
		require.NoError(w, err)
		assert.Equal(w, registry.Progress{Candidate: id(w, "MY123456"), OffersLeft: 3, ChecksLeft: 3}, p)
		_, err = w.reg.Find(ctx, id(w, "MY123456"))
		assert.ErrorIs(w, err, registry.ErrNotFound, "a candidate is nobody's yet")

		p, err = e.Accept(ctx, tap(1))
		require.NoError(w, err)
		assert.Equal(w, registry.Progress{Candidate: id(w, "MY123456"), Registered: true, OffersLeft: 3, ChecksLeft: 3}, p)
		after, err := e.Progress(ctx)
		require.NoError(w, err)
		assert.Equal(w, p, after)
		assert.Equal(w, "MY123456", w.lookup(1))
		got := w.find(id(w, "MY123456"))
		require.Len(w, got.Certificates, 1)
		assert.True(w, got.Certificates[0].NotAfter.Equal(epoch.AddDate(5, 0, 0)), "the expiry is stored with the certificate")
		assert.True(w, got.Certificates[0].Bound.Equal(epoch))

		again, err := e.Accept(ctx, tap(1))
		require.NoError(w, err, "an answer that was lost can be asked for again")
		assert.Equal(w, p, again)
		_, err = sess.Enrol(ctx)
		assert.ErrorIs(w, err, registry.ErrAlreadyEnrolled)
		_, err = w.begin(tap(1)).Enrol(ctx)
		assert.ErrorIs(w, err, registry.ErrAlreadyEnrolled)
	})
}

func TestEnrolAutomatic(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		w.enrolled(9, "TAKEN234")
		// The generator meets a taken ID first: no candidate is shown that
		// has not been checked.
		draws := []string{"TAKEN234", "AUTO2222", "AUTO3333", "AUTO4444"}
		registry.SetGenerate(w.reg, func() mykey.ID { next := draws[0]; draws = draws[1:]; return id(w, next) })

		sess := w.begin(tap(1))
		e, err := sess.Enrol(ctx)
		require.NoError(w, err)
		p, err := e.Offer(ctx, tap(1))
		require.NoError(w, err)
		assert.Equal(w, registry.Progress{Candidate: id(w, "AUTO2222"), OffersLeft: 2, ChecksLeft: 3}, p)
		p, err = e.Offer(ctx, tap(1))
		require.NoError(w, err)
		assert.Equal(w, registry.Progress{Candidate: id(w, "AUTO3333"), OffersLeft: 1, ChecksLeft: 3}, p)
		assert.True(w, sess.ID().IsZero())
		p, err = e.Offer(ctx, tap(1))
		require.NoError(w, err)
		assert.Equal(w, registry.Progress{Candidate: id(w, "AUTO4444"), Registered: true, ChecksLeft: 3}, p, "the third is registered without asking")
		assert.Equal(w, "AUTO4444", sess.ID().String())
		assert.Equal(w, "AUTO4444", w.lookup(1))
		again, err := e.Offer(ctx, tap(1))
		require.NoError(w, err)
		assert.Equal(w, p, again, "there is no fourth")

		// What was not accepted is free for others.
		w.enrolled(2, "AUTO2222")
	})
}

func TestEnrolNoFreeID(t *testing.T) {
	conform(t, func(w *world) {
		w.enrolled(9, "TAKEN234")
		registry.SetGenerate(w.reg, func() mykey.ID { return id(w, "TAKEN234") })
		e, err := w.begin(tap(1)).Enrol(w.Context())
		require.NoError(w, err)
		_, err = e.Offer(w.Context(), tap(1))
		assert.ErrorIs(w, err, registry.ErrNoFreeID)
		p, err := e.Progress(w.Context())
		require.NoError(w, err)
		assert.Equal(w, 3, p.OffersLeft, "nothing was offered, nothing is counted")
	})
}

// Three duplicate answers belong to the card: not to the session, not to the
// terminal, not to the running program.
func TestDuplicateAnswers(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		for i, s := range []string{"TAKEN222", "TAKEN333", "TAKEN444", "TAKEN555"} {
			w.enrolled(10+i, s)
		}
		check := func(s string) (registry.Progress, error) {
			e, err := w.begin(tap(1)).Enrol(ctx)
			require.NoError(w, err)
			parsed, err := mykey.ParseID(s)
			if err != nil {
				return registry.Progress{}, err
			}
			return e.Check(ctx, tap(1), parsed)
		}
		left := func(err error) int {
			var dup *registry.DuplicateError
			require.ErrorAs(w, err, &dup)
			require.ErrorIs(w, err, registry.ErrDuplicate)
			return dup.Left
		}
		_, err := check("TAKEN222")
		assert.Equal(w, 2, left(err))
		for range 5 {
			_, err = check("taken222")
			assert.ErrorIs(w, err, mykey.ErrForm, "a wrong form is not a duplicate answer")
		}
		_, err = check("FREE2222")
		require.NoError(w, err, "a free one is not a duplicate answer")
		w.restart()
		p, err := check("TAKEN333")
		assert.Equal(w, 1, left(err))
		assert.Equal(w, "FREE2222", p.Candidate.String(), "the candidate stays after a duplicate answer")
		w.restart()
		w.pass(30 * 24 * time.Hour)
		_, err = check("TAKEN444")
		assert.Equal(w, 0, left(err))
		for _, s := range []string{"TAKEN555", "FREE3333", "TAKEN222"} {
			_, err = check(s)
			assert.ErrorIs(w, err, registry.ErrAutomaticOnly, "no answer any more, whatever it would be")
		}
		// Another card has its own.
		e, err := w.begin(tap(2)).Enrol(ctx)
		require.NoError(w, err)
		p, err = e.Progress(ctx)
		require.NoError(w, err)
		assert.Equal(w, registry.Progress{OffersLeft: 3, ChecksLeft: 3}, p)

		// Automatic generation still works.
		e, err = w.begin(tap(1)).Enrol(ctx)
		require.NoError(w, err)
		p, err = e.Offer(ctx, tap(1))
		require.NoError(w, err)
		p2, err := e.Accept(ctx, tap(1))
		require.NoError(w, err)
		assert.Equal(w, p.Candidate, p2.Candidate)
	})
}

func TestDuplicateRest(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		w.enrolled(9, "TAKEN234")
		e, err := w.begin(tap(1)).Enrol(ctx)
		require.NoError(w, err)
		for range 3 {
			_, err = e.Check(ctx, tap(1), id(w, "TAKEN234"))
			require.ErrorIs(w, err, registry.ErrDuplicate)
		}
		_, err = e.Offer(ctx, tap(1))
		require.NoError(w, err)
		_, err = e.Accept(ctx, tap(1))
		require.NoError(w, err)

		again := func() error {
			c, err := w.begin(tap(1)).ChangeID(ctx)
			require.NoError(w, err)
			_, err = c.Check(ctx, tap(1), id(w, "TAKEN234"))
			require.Error(w, err)
			_, err2 := c.Offer(ctx, tap(1))
			require.NoError(w, err2)
			_, err2 = c.Accept(ctx, tap(1))
			require.NoError(w, err2)
			return err
		}
		assert.ErrorIs(w, again(), registry.ErrAutomaticOnly, "change after change would list everybody's IDs")
		w.pass(24*time.Hour - time.Second)
		assert.ErrorIs(w, again(), registry.ErrAutomaticOnly)
		w.pass(time.Second)
		assert.ErrorIs(w, again(), registry.ErrDuplicate)
	})
}

func TestCandidateSurvivesRestart(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		e, err := w.begin(tap(1)).Enrol(ctx)
		require.NoError(w, err)
		p, err := e.Offer(ctx, tap(1))
		require.NoError(w, err)
		w.restart()
		e, err = w.begin(tap(1)).Enrol(ctx)
		require.NoError(w, err)
		again, err := e.Progress(ctx)
		require.NoError(w, err)
		assert.Equal(w, p, again)

		// It is kept from others, and that counts as a duplicate answer.
		other, err := w.begin(tap(2)).Enrol(ctx)
		require.NoError(w, err)
		_, err = other.Check(ctx, tap(2), p.Candidate)
		assert.ErrorIs(w, err, registry.ErrDuplicate)
		_, err = e.Accept(ctx, tap(1))
		require.NoError(w, err)
		assert.Equal(w, p.Candidate.String(), w.lookup(1))
	})
}

func TestCandidateLapses(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		w.candidate(1, "WANTED22")
		w.pass(24*time.Hour + time.Millisecond)
		w.enrolled(2, "WANTED22")
		e, err := w.begin(tap(1)).Enrol(ctx)
		require.NoError(w, err)
		_, err = e.Accept(ctx, tap(1))
		assert.ErrorIs(w, err, registry.ErrNoCandidate)
		p, err := e.Progress(ctx)
		require.NoError(w, err)
		assert.Equal(w, registry.Progress{OffersLeft: 3, ChecksLeft: 3}, p)
		w.lookup(2)

		// Nobody asked for this one, so it is still the card's.
		_, err = e.Check(ctx, tap(1), id(w, "LATE2222"))
		require.NoError(w, err)
		w.pass(48 * time.Hour)
		e, err = w.begin(tap(1)).Enrol(ctx)
		require.NoError(w, err)
		_, err = e.Accept(ctx, tap(1))
		require.NoError(w, err)
	})
}

func TestChangeID(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		sess := w.enrolled(1, "FIRST222")
		_, err := sess.RegisterService(ctx, tap(1), service(w, "000001:1111111"))
		require.NoError(w, err)
		stale := w.begin(tap(1))

		_, err = w.begin(withoutPIN(tap(1))).ChangeID(ctx)
		assert.ErrorIs(w, err, registry.ErrPINRequired)
		_, err = w.begin(tap(2)).ChangeID(ctx)
		assert.ErrorIs(w, err, registry.ErrNotEnrolled)

		c, err := sess.ChangeID(ctx)
		require.NoError(w, err)
		_, err = c.Check(ctx, tap(1), id(w, "FIRST222"))
		assert.ErrorIs(w, err, registry.ErrSameID)
		_, err = c.Check(ctx, tap(1), id(w, "SECOND22"))
		require.NoError(w, err)
		assert.Equal(w, "FIRST222", w.lookup(1), "nothing changes before it is accepted")
		_, err = c.Accept(ctx, tap(1))
		require.NoError(w, err)
		assert.Equal(w, "SECOND22", sess.ID().String())
		assert.Equal(w, "SECOND22", w.lookup(1))
		assert.Equal(w, "SECOND22", w.find(service(w, "000001:1111111")).ID.String(), "Service IDs follow the person")

		_, err = w.reg.Find(ctx, id(w, "FIRST222"))
		assert.ErrorIs(w, err, registry.ErrRetired)
		assert.ErrorIs(w, w.reg.Revoke(ctx, id(w, "FIRST222")), registry.ErrRetired)
		for n := 1; n <= 2; n++ { // neither a stranger nor the holder gets it again
			var e *registry.Enrolment
			if n == 1 {
				e, err = sess.ChangeID(ctx)
			} else {
				e, err = w.begin(tap(2)).Enrol(ctx)
			}
			require.NoError(w, err)
			_, err = e.Check(ctx, tap(n), id(w, "FIRST222"))
			assert.ErrorIs(w, err, registry.ErrDuplicate)
		}

		// A session from before the change is about somebody who is no more.
		_, err = stale.RegisterService(ctx, tap(1), service(w, "000002:1"))
		assert.ErrorIs(w, err, registry.ErrIDReplaced)
		_, err = stale.Person(ctx)
		assert.ErrorIs(w, err, registry.ErrIDReplaced)
		_, err = stale.ChangeID(ctx)
		assert.ErrorIs(w, err, registry.ErrIDReplaced)
		code, _ := registry.CodeOf(err)
		assert.Equal(w, mykey.CodeReplaced, code)
	})
}

func TestRevoke(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		sess := w.enrolled(1, "FIRST222")
		op := service(w, "000001:1").Operator
		ppid, err := mykey.ParsePPID(op, "pairwise-1")
		require.NoError(w, err)
		_, err = sess.RegisterService(ctx, tap(1), service(w, "000001:1111111"))
		require.NoError(w, err)
		require.NoError(w, sess.RegisterPPID(ctx, tap(1), ppid))
		require.NoError(w, sess.ConsentToNotice(ctx, tap(1), tap(901).Certificate, "text of 2026-04-01"))
		require.NoError(w, sess.Apply(ctx, tap(1), rules, application("waon", "123456789")))
		stale := w.begin(tap(1))

		require.NoError(w, sess.Revoke(ctx, tap(1)))
		_, err = sess.Person(ctx)
		assert.ErrorIs(w, err, registry.ErrSessionOver)
		_, err = w.reg.Lookup(ctx, serial(1))
		assert.ErrorIs(w, err, registry.ErrNotEnrolled)
		_, err = w.reg.Find(ctx, id(w, "FIRST222"))
		assert.ErrorIs(w, err, registry.ErrRetired)
		for _, k := range []mykey.Identifier{service(w, "000001:1111111"), ppid} {
			_, err = w.reg.Find(ctx, k)
			assert.ErrorIs(w, err, registry.ErrNotFound)
		}
		require.NoError(w, w.reg.Revoke(ctx, id(w, "FIRST222")), "once more changes nothing")
		assert.ErrorIs(w, w.reg.Revoke(ctx, id(w, "NEVER222")), registry.ErrNotFound)
		assert.ErrorIs(w, w.reg.Revoke(ctx, mykey.ID{}), registry.ErrNotFound)
		_, err = stale.RegisterService(ctx, tap(1), service(w, "000002:1"))
		assert.ErrorIs(w, err, registry.ErrIDReplaced)

		// The same card may get another ID, and never the same. What was bound
		// to the revoked one can be bound again.
		w.restart()
		sess = w.begin(tap(1))
		e, err := sess.Enrol(ctx)
		require.NoError(w, err)
		_, err = e.Check(ctx, tap(1), id(w, "FIRST222"))
		require.ErrorIs(w, err, registry.ErrDuplicate)
		_, err = e.Offer(ctx, tap(1))
		require.NoError(w, err)
		_, err = e.Accept(ctx, tap(1))
		require.NoError(w, err)
		_, err = sess.RegisterService(ctx, tap(1), service(w, "000001:1111111"))
		require.NoError(w, err)
		p, err := sess.Person(ctx)
		require.NoError(w, err)
		assert.Nil(w, p.Notice)

		// Without a card, for a holder logged in otherwise.
		require.NoError(w, w.reg.Revoke(ctx, p.ID))
		_, err = w.reg.Lookup(ctx, serial(1))
		assert.ErrorIs(w, err, registry.ErrNotEnrolled)
	})
}

func TestServices(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		a, b := w.enrolled(1, "MY123456"), w.enrolled(2, "KEY34567")
		lib, shop := service(w, "000001:1111111"), service(w, "000002:520625")
		for range 2 { // the same again is no error
			got, err := a.RegisterService(ctx, tap(1), lib)
			require.NoError(w, err)
			assert.Equal(w, lib, got)
		}
		_, err := a.RegisterService(ctx, tap(1), shop)
		require.NoError(w, err)

		// Both directions.
		got, err := w.reg.LookupService(ctx, serial(1), lib.Operator)
		require.NoError(w, err)
		assert.Equal(w, lib, got)
		got, err = w.reg.LookupService(ctx, serial(2), lib.Operator)
		require.NoError(w, err)
		assert.True(w, got.IsZero())
		_, err = w.reg.LookupService(ctx, serial(3), lib.Operator)
		assert.ErrorIs(w, err, registry.ErrNotEnrolled)
		assert.Equal(w, "MY123456", w.find(lib).ID.String())
		assert.Empty(w, cmp.Diff([]string{"000001:1111111", "000002:520625"}, names(w.find(lib).Services)))

		// One customer to one person, and no overwriting by mistake.
		_, err = b.RegisterService(ctx, tap(2), lib)
		assert.ErrorIs(w, err, registry.ErrCustomerTaken)
		_, err = a.RegisterService(ctx, tap(1), service(w, "000001:9999999"))
		assert.ErrorIs(w, err, registry.ErrServiceExists)
		assert.Equal(w, "MY123456", w.find(lib).ID.String())

		// An explicit re-registration overwrites one's own, never another's.
		_, err = a.ReplaceService(ctx, tap(1), service(w, "000001:2222222"))
		require.NoError(w, err)
		_, err = w.reg.Find(ctx, lib)
		assert.ErrorIs(w, err, registry.ErrNotFound)
		_, err = b.ReplaceService(ctx, tap(2), lib)
		require.NoError(w, err, "the number given up is free")
		_, err = b.ReplaceService(ctx, tap(2), service(w, "000001:2222222"))
		assert.ErrorIs(w, err, registry.ErrCustomerTaken)
		assert.Equal(w, "KEY34567", w.find(lib).ID.String(), "what was refused has not deleted the old one")

		removed, err := b.RemoveService(ctx, tap(2), lib.Operator)
		require.NoError(w, err)
		assert.True(w, removed)
		removed, err = b.RemoveService(ctx, tap(2), lib.Operator)
		require.NoError(w, err)
		assert.False(w, removed)

		for _, bad := range []mykey.ServiceID{{}, {Operator: lib.Operator}, {Customer: lib.Customer}} {
			_, err = a.RegisterService(ctx, tap(1), bad)
			assert.ErrorIs(w, err, mykey.ErrForm)
		}
		s, ok := w.find(shop).Service(shop.Operator)
		assert.True(w, ok)
		assert.Equal(w, shop, s)
		_, ok = w.find(shop).Service(service(w, "000009:1").Operator)
		assert.False(w, ok)
	})
}

func names(in []mykey.ServiceID) (out []string) {
	for _, s := range in {
		out = append(out, s.String())
	}
	return out
}

// Whatever the step, another person's card ends the session and changes
// nothing.
func TestWrongCardAtConfirm(t *testing.T) {
	ctx := t.Context()
	steps := map[string]func(*registry.Session, registry.Presence) error{
		"service": func(s *registry.Session, c registry.Presence) error {
			_, err := s.RegisterService(ctx, c, service(t, "000001:1"))
			return err
		},
		"replace": func(s *registry.Session, c registry.Presence) error {
			_, err := s.ReplaceService(ctx, c, service(t, "000001:1"))
			return err
		},
		"remove": func(s *registry.Session, c registry.Presence) error {
			_, err := s.RemoveService(ctx, c, service(t, "000001:1").Operator)
			return err
		},
		"ppid": func(s *registry.Session, c registry.Presence) error {
			p, err := mykey.ParsePPID(service(t, "000001:1").Operator, "x")
			require.NoError(t, err)
			return s.RegisterPPID(ctx, c, p)
		},
		"certificate": func(s *registry.Session, c registry.Presence) error {
			return s.AddCertificate(ctx, c, tapOf(700, registry.DeviceAndroid))
		},
		"consent": func(s *registry.Session, c registry.Presence) error {
			return s.ConsentToNotice(ctx, c, tap(901).Certificate, "x")
		},
		"update sign": func(s *registry.Session, c registry.Presence) error {
			return s.UpdateSign(ctx, c, tap(901).Certificate)
		},
		"withdraw": func(s *registry.Session, c registry.Presence) error { return s.WithdrawConsent(ctx, c) },
		"apply": func(s *registry.Session, c registry.Presence) error {
			return s.Apply(ctx, c, rules, application("waon", "1"))
		},
		"revoke": func(s *registry.Session, c registry.Presence) error { return s.Revoke(ctx, c) },
		"rebind": func(s *registry.Session, c registry.Presence) error {
			return s.Rebind(ctx, c, registry.CertificateRef{})
		},
		"check": func(s *registry.Session, c registry.Presence) error {
			e, err := s.ChangeID(ctx)
			require.NoError(t, err)
			_, err = e.Check(ctx, c, id(t, "OTHER222"))
			return err
		},
		"offer": func(s *registry.Session, c registry.Presence) error {
			e, err := s.ChangeID(ctx)
			require.NoError(t, err)
			_, err = e.Offer(ctx, c)
			return err
		},
		"accept": func(s *registry.Session, c registry.Presence) error {
			e, err := s.ChangeID(ctx)
			require.NoError(t, err)
			_, err = e.Accept(ctx, c)
			return err
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sqliteEngine(t))
			w.enrolled(1, "MY123456")
			w.enrolled(2, "KEY34567")
			before := [2]registry.Person{w.find(id(t, "MY123456")), w.find(id(t, "KEY34567"))}
			sess := w.begin(tap(1))
			assert.ErrorIs(t, step(sess, tap(2)), registry.ErrWrongCard)
			_, err := sess.RegisterService(ctx, tap(1), service(t, "000001:1"))
			assert.ErrorIs(t, err, registry.ErrSessionOver, "the right card comes too late")
			after := [2]registry.Person{w.find(id(t, "MY123456")), w.find(id(t, "KEY34567"))}
			assert.Empty(t, cmp.Diff(before, after, cmp.Comparer(registry.CertificateRef.Equal),
				cmp.Comparer(func(a, b mykey.ID) bool { return a == b })))

			// An incomplete tap is an error of form and ends nothing.
			sess = w.begin(tap(1))
			assert.ErrorIs(t, step(sess, registry.Presence{}), mykey.ErrForm)
		})
	}
}

func TestSessionLife(t *testing.T) {
	w := newWorld(t, sqliteEngine(t))
	sess := w.enrolled(1, "MY123456")
	w.pass(5 * time.Minute)
	_, err := sess.Person(t.Context())
	require.NoError(t, err)
	w.pass(time.Millisecond)
	_, err = sess.Person(t.Context())
	assert.ErrorIs(t, err, registry.ErrSessionOver)
	_, err = sess.ChangeID(t.Context())
	assert.ErrorIs(t, err, registry.ErrSessionOver)

	sess = w.begin(tap(1))
	e, err := sess.ChangeID(t.Context())
	require.NoError(t, err)
	sess.Close()
	_, err = e.Progress(t.Context())
	assert.ErrorIs(t, err, registry.ErrSessionOver)
	_, err = e.Offer(t.Context(), tap(1))
	assert.ErrorIs(t, err, registry.ErrSessionOver)
}

// Whoever has a copy of a certificate, which any reader gets from a card without
// a PIN, sees the holder and changes nothing.
func TestCopyChangesNothing(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		w.enrolled(1, "MY123456")
		copied := withoutPIN(tap(1))
		held := w.begin(tap(1)) // the holder was here, with the PIN, a moment ago
		e, err := held.ChangeID(ctx)
		require.NoError(w, err)
		_, err = e.Check(ctx, tap(1), id(w, "KEY34567"))
		require.NoError(w, err)
		ppid, err := mykey.ParsePPID(service(w, "000001:1").Operator, "p")
		require.NoError(w, err)
		for i, s := range []*registry.Session{held, w.begin(copied)} {
			for name, call := range map[string]func() error{
				"register": func() error { _, err := s.RegisterService(ctx, copied, service(w, "000001:666")); return err },
				"replace":  func() error { _, err := s.ReplaceService(ctx, copied, service(w, "000001:666")); return err },
				"remove":   func() error { _, err := s.RemoveService(ctx, copied, service(w, "000001:1").Operator); return err },
				"PPID":     func() error { return s.RegisterPPID(ctx, copied, ppid) },
				"add":      func() error { return s.AddCertificate(ctx, copied, tapOf(2, registry.DeviceIPhone)) },
				"add a copy": func() error {
					return s.AddCertificate(ctx, tap(1), withoutPIN(tapOf(2, registry.DeviceIPhone)))
				},
				"consent":  func() error { return s.ConsentToNotice(ctx, copied, tap(901).Certificate, "text") },
				"update":   func() error { return s.UpdateSign(ctx, copied, tap(901).Certificate) },
				"withdraw": func() error { return s.WithdrawConsent(ctx, copied) },
				"apply":    func() error { return s.Apply(ctx, copied, rules, application("waon", "1")) },
				"revoke":   func() error { return s.Revoke(ctx, copied) },
				"confirm":  func() error { _, err := s.Confirm(ctx, copied); return err },
				"check":    func() error { _, err := e.Check(ctx, copied, id(w, "KEY45678")); return err },
				"offer":    func() error { _, err := e.Offer(ctx, copied); return err },
				"accept":   func() error { _, err := e.Accept(ctx, copied); return err },
			} {
				assert.ErrorIs(w, call(), registry.ErrPINRequired, "%d %s", i, name)
			}
			p, err := s.ConfirmUnproved(ctx, copied)
			require.NoError(w, err)
			assert.Equal(w, "MY123456", p.ID.String())
			assert.Empty(w, p.Services)
			assert.Len(w, p.Certificates, 1)
			assert.Nil(w, p.Notice)
			assert.Nil(w, applied(p))
		}
		for _, s := range []*registry.Session{w.begin(copied), w.begin(withoutPIN(tap(3)))} {
			_, err := s.Enrol(ctx)
			assert.ErrorIs(w, err, registry.ErrPINRequired)
			_, err = s.ChangeID(ctx)
			assert.ErrorIs(w, err, registry.ErrPINRequired)
		}
		ref := w.find(id(w, "MY123456")).Certificates[0].Ref
		assert.ErrorIs(w, w.begin(tap(3)).Rebind(ctx, withoutPIN(tap(3)), ref), registry.ErrPINRequired)
		assert.Equal(w, "MY123456", w.lookup(1))

		// The card itself, in a session that a copy began.
		s := w.begin(copied)
		_, err = s.RegisterService(ctx, tap(1), service(w, "000001:1"))
		require.NoError(w, err)
		p, err := s.Confirm(ctx, tap(1))
		require.NoError(w, err)
		assert.Len(w, p.Services, 1)
	})
}

func TestCertificates(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		sess := w.enrolled(1, "MY123456")
		android, iphone := tapOf(101, registry.DeviceAndroid), tapOf(102, registry.DeviceIPhone)
		for range 2 {
			require.NoError(w, sess.AddCertificate(ctx, tap(1), android))
		}
		require.NoError(w, sess.AddCertificate(ctx, tap(1), iphone))
		for _, n := range []int{1, 101, 102} {
			assert.Equal(w, "MY123456", w.lookup(n))
		}
		var devices []string
		for _, c := range w.find(id(w, "MY123456")).Certificates {
			devices = append(devices, c.Device.String())
		}
		assert.Equal(w, []string{"card", "android", "iphone"}, devices)

		// A new phone ends the old one's certificate: there is one of a device.
		require.NoError(w, sess.AddCertificate(ctx, tap(1), tapOf(103, registry.DeviceAndroid)))
		assert.Equal(w, "MY123456", w.lookup(103))
		_, err := w.reg.Lookup(ctx, serial(101))
		assert.ErrorIs(w, err, registry.ErrSuperseded)
		_, err = w.reg.Begin(ctx, android)
		assert.ErrorIs(w, err, registry.ErrSuperseded)
		assert.Len(w, w.find(id(w, "MY123456")).Certificates, 3)

		// A certificate is one person's, now and afterwards.
		other := w.enrolled(2, "KEY34567")
		for _, n := range []int{101, 102} {
			assert.ErrorIs(w, other.AddCertificate(ctx, tap(2), tapOf(n, registry.DeviceAndroid)), registry.ErrCertificateTaken)
		}
		assert.Len(w, w.find(id(w, "KEY34567")).Certificates, 1)

		old := tapOf(104, registry.DeviceAndroid)
		old.Certificate.NotAfter = epoch.Add(-time.Second)
		assert.ErrorIs(w, sess.AddCertificate(ctx, tap(1), old), registry.ErrExpired)
		old.Certificate.Device = 0
		assert.ErrorIs(w, sess.AddCertificate(ctx, tap(1), old), mykey.ErrForm)
	})
}

func TestExpiry(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		sess := w.enrolled(1, "MY123456")
		end := epoch.AddDate(5, 0, 0)
		w.pass(end.Sub(epoch))
		assert.Equal(w, "MY123456", w.lookup(1), "valid to the last moment")
		w.pass(time.Millisecond)
		_, err := w.reg.Lookup(ctx, serial(1))
		assert.ErrorIs(w, err, registry.ErrExpired)
		_, err = w.reg.LookupService(ctx, serial(1), service(w, "000001:1").Operator)
		assert.ErrorIs(w, err, registry.ErrExpired)
		_, err = w.reg.Begin(ctx, tap(1))
		assert.ErrorIs(w, err, registry.ErrExpired)
		_, err = sess.Person(ctx)
		assert.ErrorIs(w, err, registry.ErrSessionOver)

		// The certificate itself knows its expiry best.
		renewed := tap(1)
		renewed.Certificate.NotAfter = end.AddDate(1, 0, 0)
		_, err = w.reg.Begin(ctx, renewed)
		require.NoError(w, err)
		assert.Equal(w, "MY123456", w.lookup(1))
	})
}

// A reissued card is bound anew at its first use.
func TestReissue(t *testing.T) {
	reissued := map[jpki.Serial]jpki.Serial{serial(2): serial(1), serial(4): serial(3), serial(3): serial(2), serial(50): serial(49),
		serial(60): serial(60)}
	var fail error
	former := formers(func(s jpki.Serial) (jpki.Serial, error) { return reissued[s], fail })
	conform(t, func(w *world) {
		ctx := w.Context()
		fail = nil
		first := w.enrolled(1, "MY123456")
		_, err := first.RegisterService(ctx, tap(1), service(w, "000001:1111111"))
		require.NoError(w, err)
		stale := w.begin(tap(1))

		fail = errors.New("the verifier does not answer")
		_, err = w.reg.Begin(ctx, tap(2))
		assert.ErrorIs(w, err, fail)
		fail = nil
		// A copy of the new certificate shows the holder and binds nothing.
		sess := w.begin(withoutPIN(tap(2)))
		assert.False(w, sess.Rebound())
		assert.Equal(w, "MY123456", sess.ID().String())
		p, err := sess.ConfirmUnproved(ctx, withoutPIN(tap(2)))
		require.NoError(w, err)
		assert.Equal(w, []string{"000001:1111111"}, names(p.Services))
		_, err = sess.RegisterService(ctx, withoutPIN(tap(2)), service(w, "000002:2"))
		assert.ErrorIs(w, err, registry.ErrPINRequired)
		_, err = sess.Enrol(ctx)
		assert.ErrorIs(w, err, registry.ErrPINRequired)
		assert.Equal(w, "MY123456", w.lookup(1))
		_, err = w.reg.Lookup(ctx, serial(2))
		assert.ErrorIs(w, err, registry.ErrNotEnrolled)

		// The card itself binds, at once or in the middle of such a session.
		_, err = sess.RegisterService(ctx, tap(2), service(w, "000001:1111111"))
		require.NoError(w, err)
		assert.True(w, sess.Rebound())
		assert.Equal(w, "MY123456", w.lookup(2))
		got, err := w.reg.LookupService(ctx, serial(2), service(w, "000001:1").Operator)
		require.NoError(w, err)
		assert.Equal(w, "000001:1111111", got.String())
		assert.False(w, w.begin(tap(2)).Rebound(), "only the first use binds")

		// The old card is out.
		_, err = w.reg.Lookup(ctx, serial(1))
		assert.ErrorIs(w, err, registry.ErrSuperseded)
		_, err = w.reg.Begin(ctx, tap(1))
		assert.ErrorIs(w, err, registry.ErrSuperseded)
		_, err = stale.RegisterService(ctx, tap(1), service(w, "000002:1"))
		assert.ErrorIs(w, err, registry.ErrSuperseded)
		p, err = stale.Person(ctx)
		assert.ErrorIs(w, err, registry.ErrSuperseded)
		assert.Zero(w, p)
		assert.ErrorIs(w, stale.Revoke(ctx, tap(1)), registry.ErrSuperseded)

		// 3 came after 2 and was never used here; 4 came after 3.
		sess = w.begin(tap(4))
		assert.Equal(w, "MY123456", sess.ID().String())
		assert.True(w, sess.Rebound())
		_, err = w.reg.Lookup(ctx, serial(2))
		assert.ErrorIs(w, err, registry.ErrSuperseded)
		_, err = w.reg.Begin(ctx, tap(3))
		assert.ErrorIs(w, err, registry.ErrSuperseded, "3 comes after 4 has taken the place")

		assert.True(w, w.begin(tap(50)).ID().IsZero(), "the former card was not enrolled either")
		assert.True(w, w.begin(tap(60)).ID().IsZero(), "a line that bites its tail ends")
		assert.True(w, w.begin(tap(70)).ID().IsZero())
	}, func(c *registry.Config) { c.Former = former })
}

func TestRebind(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		w.enrolled(1, "MY123456")
		w.enrolled(5, "KEY34567")
		ref := w.find(id(w, "MY123456")).Certificates[0].Ref
		sess := w.begin(tap(2))
		assert.ErrorIs(w, sess.Rebind(ctx, tap(2), registry.CertificateRef{}), registry.ErrNotFound)
		assert.ErrorIs(w, sess.Rebind(ctx, tap(2), ref), registry.ErrInForce, "nobody takes over what is in force")
		assert.Equal(w, "MY123456", w.lookup(1))
		w.lost(1)
		for range 2 { // the second as after a lost answer, in another session
			sess = w.begin(tap(2))
			err := sess.Rebind(ctx, tap(2), ref)
			if sess.ID().IsZero() || err != nil {
				assert.ErrorIs(w, err, registry.ErrAlreadyEnrolled)
			}
		}
		assert.Equal(w, "MY123456", sess.ID().String())
		assert.Equal(w, "MY123456", w.lookup(2))
		_, err := w.reg.Lookup(ctx, serial(1))
		assert.ErrorIs(w, err, registry.ErrSuperseded)

		assert.ErrorIs(w, w.begin(tap(3)).Rebind(ctx, tap(3), ref), registry.ErrSuperseded, "too late")
		assert.ErrorIs(w, w.begin(tap(5)).Rebind(ctx, tap(5), ref), registry.ErrAlreadyEnrolled)
		assert.True(w, w.begin(tap(3)).ID().IsZero())
	})
}

// A card does not take the place of a phone, by whichever way, and nothing is
// changed: the phone's certificate is in force beside the card's.
func TestReplaceAnotherDevice(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		s := w.enrolled(1, "MY123456")
		require.NoError(w, s.AddCertificate(ctx, tap(1), tapOf(101, registry.DeviceAndroid)))
		before := w.find(id(w, "MY123456")).Certificates
		require.Len(w, before, 2)
		card := w.begin(tap(2))
		require.ErrorIs(w, card.Rebind(ctx, tap(2), before[1].Ref), registry.ErrWrongDevice)
		assert.True(w, card.ID().IsZero())
		phone := w.begin(tapOf(103, registry.DeviceAndroid))
		require.ErrorIs(w, phone.Rebind(ctx, tapOf(103, registry.DeviceAndroid), before[0].Ref), registry.ErrWrongDevice)
		// The verifier says that card 3 was issued for the phone's certificate.
		_, err := w.reg.Begin(ctx, tap(3))
		require.ErrorIs(w, err, registry.ErrWrongDevice)
		assert.Empty(w, cmp.Diff(before, w.find(id(w, "MY123456")).Certificates, cmp.Comparer(registry.CertificateRef.Equal)))
		for _, n := range []int{1, 101} {
			assert.Equal(w, "MY123456", w.lookup(n))
		}
		for _, n := range []int{2, 3, 103} {
			_, err := w.reg.Lookup(ctx, serial(n))
			assert.ErrorIs(w, err, registry.ErrNotEnrolled)
		}
		require.NoError(w, w.reg.NoteRevoked(ctx, tapOf(101, registry.DeviceAndroid).Certificate))
		require.NoError(w, phone.Rebind(ctx, tapOf(103, registry.DeviceAndroid), before[1].Ref), "a phone for a phone")
		assert.Equal(w, "MY123456", w.lookup(1))
		assert.Equal(w, "MY123456", w.lookup(103))
	}, func(c *registry.Config) {
		c.Former = formers(func(s jpki.Serial) (jpki.Serial, error) {
			if s == serial(3) {
				return serial(101), nil
			}
			return jpki.Serial{}, nil
		})
	})
}

func TestConsent(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		sess := w.enrolled(1, "MY123456")
		sign, next := tap(901).Certificate, tap(902).Certificate
		assert.ErrorIs(w, sess.ConsentToNotice(ctx, tap(1), sign, ""), registry.ErrConsent)
		assert.ErrorIs(w, sess.ConsentToNotice(ctx, tap(1), sign, strings.Repeat("x", 201)), mykey.ErrForm)
		assert.ErrorIs(w, sess.ConsentToNotice(ctx, tap(1), sign, "\xff"), mykey.ErrForm)
		assert.ErrorIs(w, sess.ConsentToNotice(ctx, tap(1), sign, "a\x00b"), mykey.ErrForm)
		assert.ErrorIs(w, sess.ConsentToNotice(ctx, tap(1), registry.Certificate{}, "x"), mykey.ErrForm)
		assert.ErrorIs(w, sess.UpdateSign(ctx, tap(1), sign), registry.ErrConsent, "without consent nothing is kept")
		assert.Nil(w, w.find(id(w, "MY123456")).Notice)

		require.NoError(w, sess.ConsentToNotice(ctx, tap(1), sign, "住所変更通知の説明 第1版"))
		n := w.find(id(w, "MY123456")).Notice
		require.NotNil(w, n)
		assert.Equal(w, "住所変更通知の説明 第1版", n.Explanation)
		assert.True(w, n.Consented.Equal(epoch))

		w.pass(time.Minute)
		require.NoError(w, sess.UpdateSign(ctx, tap(1), next))
		n2 := w.find(id(w, "MY123456")).Notice
		assert.NotEqual(w, n.Sign, n2.Sign)
		assert.True(w, n2.Consented.Equal(epoch), "the consent is the one given then")

		other := w.enrolled(2, "KEY34567")
		assert.ErrorIs(w, other.ConsentToNotice(ctx, tap(2), next, "x"), registry.ErrSignTaken)
		assert.NoError(w, other.ConsentToNotice(ctx, tap(2), sign, "x"), "the former number was deleted")
		assert.ErrorIs(w, other.UpdateSign(ctx, tap(2), next), registry.ErrSignTaken)
		assert.Equal(w, "x", w.find(id(w, "KEY34567")).Notice.Explanation)

		require.NoError(w, sess.WithdrawConsent(ctx, tap(1)))
		assert.Nil(w, w.find(id(w, "MY123456")).Notice)
		require.NoError(w, sess.WithdrawConsent(ctx, tap(1)))

		gone := sign
		gone.NotAfter = epoch.Add(-1)
		assert.ErrorIs(w, sess.ConsentToNotice(ctx, tap(1), gone, "x"), registry.ErrExpired)
		assert.ErrorIs(w, sess.UpdateSign(ctx, tap(1), gone), registry.ErrExpired)
	})
}

func TestPPIDs(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		op1, op2 := service(w, "000001:1").Operator, service(w, "000002:1").Operator
		ppid := func(o mykey.OperatorID, s string) mykey.PPID {
			p, err := mykey.ParsePPID(o, s)
			require.NoError(w, err)
			return p
		}
		a, b := w.enrolled(1, "MY123456"), w.enrolled(2, "KEY34567")
		for range 2 {
			require.NoError(w, a.RegisterPPID(ctx, tap(1), ppid(op1, "p/1+=")))
		}
		require.NoError(w, a.RegisterPPID(ctx, tap(1), ppid(op2, "q")))
		require.NoError(w, b.RegisterPPID(ctx, tap(2), ppid(op1, "q")), "the same text for another system is another PPID")
		assert.Equal(w, "MY123456", w.find(ppid(op1, "p/1+=")).ID.String())
		assert.Equal(w, "MY123456", w.find(ppid(op2, "q")).ID.String())
		assert.Equal(w, "KEY34567", w.find(ppid(op1, "q")).ID.String())
		assert.Equal(w, []mykey.PPID{ppid(op1, "p/1+="), ppid(op2, "q")}, w.find(id(w, "MY123456")).PPIDs)
		assert.ErrorIs(w, b.RegisterPPID(ctx, tap(2), ppid(op2, "q")), registry.ErrPPIDTaken)
		assert.ErrorIs(w, b.RegisterPPID(ctx, tap(2), ppid(op1, "other")), registry.ErrPPIDTaken)
		assert.ErrorIs(w, b.RegisterPPID(ctx, tap(2), mykey.PPID{}), mykey.ErrForm)
		for _, k := range []mykey.Identifier{nil, mykey.ID{}, mykey.PPID{}, mykey.ServiceID{}, ppid(op1, "nobody")} {
			_, err := w.reg.Find(ctx, k)
			assert.ErrorIs(w, err, registry.ErrNotFound)
		}
	})
}

func TestApply(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		a, b := w.enrolled(1, "MY123456"), w.enrolled(2, "KEY34567")
		assert.ErrorIs(w, a.Apply(ctx, tap(1), rules, application("waon", "12-3")), mykey.ErrForm)
		for range 2 {
			require.NoError(w, a.Apply(ctx, tap(1), rules, application("waon", "123456")))
		}
		p := applied(w.find(id(w, "MY123456")))
		require.NotNil(w, p)
		assert.Equal(w, "waon", p.Service)
		assert.Equal(w, "123456", p.ID)
		assert.True(w, p.Applied.Equal(epoch))
		assert.ErrorIs(w, a.Apply(ctx, tap(1), rules, application("waon", "654321")), registry.ErrAlreadyApplied)
		assert.ErrorIs(w, a.Apply(ctx, tap(1), rules, application("pay", "123456")), registry.ErrAlreadyApplied)
		assert.ErrorIs(w, b.Apply(ctx, tap(2), rules, application("waon", "123456")), registry.ErrPaymentTaken)
		require.NoError(w, b.Apply(ctx, tap(2), rules, application("pay", "123456")))
	})
}

// One service for a person, whatever becomes of the MyKey ID: a revocation makes
// neither the holder nor the payment service ID free for another choice.
func TestApplicationOutlivesRevocation(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		s := w.enrolled(1, "MY123456")
		require.NoError(w, s.AddCertificate(ctx, tap(1), tapOf(101, registry.DeviceAndroid)))
		require.NoError(w, s.Apply(ctx, tap(1), rules, application("waon", "123456")))
		require.NoError(w, s.AddCertificate(ctx, tap(1), tapOf(102, registry.DeviceAndroid)))
		require.NoError(w, s.Revoke(ctx, tap(1)))
		other := w.enrolled(2, "KEY34567")
		assert.ErrorIs(w, other.Apply(ctx, tap(2), rules, application("waon", "123456")), registry.ErrPaymentTaken)
		assert.Nil(w, applied(w.find(id(w, "KEY34567"))))

		again := func(n int, d registry.Device, name string) *registry.Session {
			w.Helper()
			w.pass(time.Hour)
			card := tapOf(n, d)
			s := w.begin(card)
			e, err := s.Enrol(ctx)
			require.NoError(w, err)
			_, err = e.Check(ctx, card, id(w, name))
			require.NoError(w, err)
			_, err = e.Accept(ctx, card)
			require.NoError(w, err)
			p := applied(w.find(id(w, name)))
			require.NotNil(w, p)
			assert.Equal(w, "123456", p.ID)
			assert.True(w, p.Applied.Equal(epoch))
			assert.NoError(w, s.Apply(ctx, card, rules, application("waon", "123456")), "the same again")
			assert.ErrorIs(w, s.Apply(ctx, card, rules, application("waon", "654321")), registry.ErrAlreadyApplied)
			assert.ErrorIs(w, s.Apply(ctx, card, rules, application("pay", "123456")), registry.ErrAlreadyApplied)
			return s
		}
		// However often, and on whichever certificate of the holder's.
		require.NoError(w, again(1, registry.DeviceCard, "SECOND22").Revoke(ctx, tap(1)))
		again(1, registry.DeviceCard, "THIRD222")
		again(101, registry.DeviceAndroid, "PHONE222")
		again(102, registry.DeviceAndroid, "PHONE333")

		// A card that took its place since is the holder's too.
		w.lost(1)
		require.NoError(w, w.begin(tap(3)).Rebind(ctx, tap(3), w.find(id(w, "THIRD222")).Certificates[0].Ref))
		require.NoError(w, w.reg.Revoke(ctx, id(w, "THIRD222")))
		again(3, registry.DeviceCard, "FOURTH22")

		// The other's choice is another one, and nobody has it without one.
		w.pass(time.Hour)
		require.NoError(w, w.begin(tap(2)).Apply(ctx, tap(2), rules, application("waon", "777")))
		require.NoError(w, w.reg.Revoke(ctx, w.enrolled(4, "NONE2222").ID()))
		w.restart()
		assert.Nil(w, applied(w.find(w.enrolled(4, "NONE3333").ID())))
	})
}

// Two choices that became one holder's by a certificate added later: the
// holder's own counts, or else the older, and on every store the same.
func TestTwoKeptApplications(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		for n, pay := range []string{"20", "10"} {
			name := fmt.Sprintf("FORMER%02d", n)
			s := w.enrolled(n, name)
			require.NoError(w, s.Apply(ctx, tap(n), rules, application("waon", pay)))
			require.NoError(w, w.reg.Revoke(ctx, id(w, name)))
			w.pass(time.Minute)
		}
		s := w.enrolled(5, "MY123456")
		for n, d := range map[int]registry.Device{0: registry.DeviceAndroid, 1: registry.DeviceIPhone} {
			require.NoError(w, s.AddCertificate(ctx, tap(5), tapOf(n, d)))
		}
		assert.Equal(w, "20", applied(w.find(id(w, "MY123456"))).ID)
		s = w.enrolled(6, "KEY34567")
		require.NoError(w, s.Apply(ctx, tap(6), rules, application("waon", "30")))
		require.NoError(w, w.reg.Revoke(ctx, id(w, "MY123456")))
		require.NoError(w, s.AddCertificate(ctx, tap(6), tapOf(1, registry.DeviceIPhone)))
		assert.Equal(w, "30", applied(w.find(id(w, "KEY34567"))).ID)
	})
}

func TestImport(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		rec := func(n int, s string, services ...string) registry.ImportRow {
			r := registry.ImportRow{ID: id(w, s), Certificates: []registry.Certificate{tap(n).Certificate}}
			for _, v := range services {
				r.Services = append(r.Services, service(w, v))
			}
			return r
		}
		op := service(w, "000001:1").Operator
		ppid, err := mykey.ParsePPID(op, "p")
		require.NoError(w, err)
		full := rec(1, "MY123456", "000001:1111111", "000002:5")
		full.Certificates = append(full.Certificates, tapOf(101, registry.DeviceIPhone).Certificate)
		full.PPIDs = []mykey.PPID{ppid}
		require.NoError(w, w.reg.Import(ctx, []registry.ImportRow{full, {ID: id(w, "NOCARD22")}}))
		assert.Equal(w, "MY123456", w.lookup(1))
		assert.Equal(w, "MY123456", w.lookup(101))
		assert.Equal(w, "MY123456", w.find(ppid).ID.String())
		assert.Equal(w, "NOCARD22", w.find(id(w, "NOCARD22")).ID.String())

		for name, tc := range map[string]struct {
			bad  registry.ImportRow
			want error
		}{
			"ID taken":          {rec(20, "MY123456"), registry.ErrDuplicate},
			"same ID twice":     {rec(20, "GOOD2222"), registry.ErrDuplicate},
			"certificate taken": {rec(1, "GOOD3333"), registry.ErrCertificateTaken},
			"customer taken":    {rec(20, "GOOD3333", "000001:1111111"), registry.ErrCustomerTaken},
			"operator twice":    {rec(20, "GOOD3333", "000001:7", "000001:8"), registry.ErrServiceExists},
			"PPID taken":        {registry.ImportRow{ID: id(w, "GOOD3333"), PPIDs: []mykey.PPID{ppid}}, registry.ErrPPIDTaken},
			"no ID":             {registry.ImportRow{}, mykey.ErrForm},
			"no serial":         {registry.ImportRow{ID: id(w, "GOOD3333"), Certificates: make([]registry.Certificate, 1)}, mykey.ErrForm},
			"half a service":    {registry.ImportRow{ID: id(w, "GOOD3333"), Services: make([]mykey.ServiceID, 1)}, mykey.ErrForm},
			"no PPID":           {registry.ImportRow{ID: id(w, "GOOD3333"), PPIDs: make([]mykey.PPID, 1)}, mykey.ErrForm},
		} {
			err := w.reg.Import(ctx, []registry.ImportRow{rec(10, "GOOD2222", "000003:1"), tc.bad})
			require.ErrorIs(w, err, tc.want, name)
			var ie *registry.ImportError
			require.ErrorAs(w, err, &ie, name)
			assert.Equal(w, 1, ie.Index, name)
			for _, k := range []mykey.Identifier{id(w, "GOOD2222"), id(w, "GOOD3333"), service(w, "000003:1")} {
				_, err = w.reg.Find(ctx, k)
				assert.ErrorIs(w, err, registry.ErrNotFound, "%s: all or none", name)
			}
			_, err = w.reg.Lookup(ctx, serial(10))
			assert.ErrorIs(w, err, registry.ErrNotEnrolled, name)
		}
	})
}

// A candidate that nobody accepted does not keep an ID from its holder of old.
func TestImportOfALapsedCandidate(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		w.candidate(1, "WANTED22")
		rec := []registry.ImportRow{{ID: id(w, "WANTED22"), Certificates: []registry.Certificate{tap(2).Certificate}}}
		w.pass(24 * time.Hour)
		require.ErrorIs(w, w.reg.Import(ctx, rec), registry.ErrDuplicate)
		w.pass(time.Millisecond)
		require.NoError(w, w.reg.Import(ctx, rec))
		assert.Equal(w, "WANTED22", w.lookup(2))
		e, err := w.begin(tap(1)).Enrol(ctx)
		require.NoError(w, err)
		_, err = e.Accept(ctx, tap(1))
		assert.ErrorIs(w, err, registry.ErrNoCandidate)
	})
}

// A table begun with one key is useless with another, so it is refused rather
// than found empty.
func TestSerialForm(t *testing.T) {
	conform(t, func(w *world) {
		for name, f := range map[string]registry.SerialForm{
			"none":        {},
			"plain":       registry.PlainSerials(),
			"other key":   registry.Pseudonyms([]byte("another key of 32 random bytes..")),
			"short key":   registry.Pseudonyms(make([]byte, registry.MinPseudonymKey-1)),
			"no key":      registry.Pseudonyms(nil),
			"key's start": registry.Pseudonyms(pseudonymKey[:16]),
		} {
			_, err := w.eng.open(w.T, registry.Config{Serials: f})
			assert.ErrorIs(w, err, registry.ErrSerialForm, name)
		}
		w.restart()
	})
}

func TestPlainSerials(t *testing.T) {
	conform(t, func(w *world) {
		w.enrolled(1, "MY123456")
		w.restart()
		assert.Equal(w, "MY123456", w.lookup(1))
	}, func(c *registry.Config) { c.Serials = registry.PlainSerials() })
}

// What is stored with pseudonyms holds no serial number, and no printing verb
// shows one, nor the key, nor a security code.
func TestNothingLeaks(t *testing.T) {
	w := newWorld(t, sqliteEngine(t))
	ctx := t.Context()
	sess := w.enrolled(1, "MY123456")
	e, err := w.begin(tap(2)).Enrol(ctx)
	require.NoError(t, err)
	require.NoError(t, sess.ConsentToNotice(ctx, tap(1), tap(901).Certificate, "x"))
	app := application("waon", "123456")
	require.NoError(t, sess.Apply(ctx, tap(1), rules, app))
	// Four digits are found in every other address that fmt prints.
	app.SecurityCodes, app.PhoneLast4 = []mykey.Secret{mykey.NewSecret("the code typed")}, mykey.NewSecret("the digits typed")

	var secrets []string
	for _, n := range []int{1, 2, 901} {
		s := serial(n)
		secrets = append(secrets, s.Hex(), strings.ToLower(s.Hex()), s.BigInt().String(), string(s.Bytes()),
			s.Pseudonym(pseudonymKey).String(), fmt.Sprint(s.Bytes()))
	}
	secrets = append(secrets, string(pseudonymKey), fmt.Sprintf("%x", pseudonymKey), fmt.Sprint(pseudonymKey), fmt.Sprintf("%v", pseudonymKey),
		"code typed", "digits typed")
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	person := w.find(id(t, "MY123456"))
	for _, v := range []any{sess, *w.reg, w.reg, w.cfg, e, tap(1), tap(901).Certificate, person, person.Certificates[0].Ref, *person.Notice,
		app, app.SecurityCodes[0], registry.ImportRow{Certificates: []registry.Certificate{tap(1).Certificate}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
			fmt.Fprintf(&out, verb+"\n", []any{v})
			fmt.Fprintf(&out, verb+"\n", struct{ inner any }{v})
		}
		log.Info("x", "v", v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
	}
	_, err = sess.RegisterService(ctx, tap(2), service(t, "000001:1"))
	fmt.Fprintln(&out, err)
	for _, s := range secrets {
		assert.NotContains(t, out.String(), s)
	}
	assert.Contains(t, out.String(), "[redacted]")

	// The file itself: nothing but pseudonyms.
	dump, err := w.eng.db.Query("SELECT holder FROM mykey_certificate UNION SELECT holder FROM mykey_card UNION SELECT holder FROM mykey_notice")
	require.NoError(t, err)
	defer dump.Close()
	rows := 0
	for dump.Next() {
		var s string
		require.NoError(t, dump.Scan(&s))
		s, _, _ = strings.Cut(s, ".") // the issuer's key identifier
		_, err := jpki.ParsePseudonym(s)
		assert.NoError(t, err)
		rows++
	}
	assert.Equal(t, 3, rows)
}

func TestStoreTwoPrefixes(t *testing.T) {
	dsn := dbtest.SQLite(t.TempDir())
	open := func(prefix string) (*registry.Registry, error) {
		return registry.Open(t.Context(), openDB(t, "sqlite", dsn), registry.Config{Serials: registry.PlainSerials(), Prefix: prefix})
	}
	a, err := open("one_")
	require.NoError(t, err)
	b, err := open("two_")
	require.NoError(t, err)
	require.NoError(t, a.Import(t.Context(), []registry.ImportRow{{ID: id(t, "MY123456")}}))
	_, err = b.Find(t.Context(), id(t, "MY123456"))
	assert.ErrorIs(t, err, registry.ErrNotFound)
	_, err = open("x; DROP TABLE one_person")
	var se *registry.StoreError
	require.ErrorAs(t, err, &se)
}
