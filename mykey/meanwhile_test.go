package mykey_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mykey"
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
		require.ErrorIs(w, late.Rebind(ctx, tap(2), other), mykey.ErrSuperseded)
		assert.True(w, late.ID().IsZero())
		_, err := late.Enrol(ctx)
		require.ErrorIs(w, err, mykey.ErrAlreadyEnrolled)
		assert.Equal(w, "MY123456", w.lookup(2))

		// Once 3 has taken its place, 2 is out, also where it was never known.
		require.NoError(w, w.begin(tap(3)).Rebind(ctx, tap(3), w.find(id(w, "MY123456")).Certificates[0].Ref))
		require.ErrorIs(w, c.Rebind(ctx, tap(2), mine), mykey.ErrSuperseded)
		_, err = c.Enrol(ctx)
		require.ErrorIs(w, err, mykey.ErrSuperseded)
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
		require.ErrorIs(w, err, mykey.ErrAlreadyEnrolled)
		_, err = second.ChangeID(ctx)
		require.ErrorIs(w, err, mykey.ErrNotEnrolled, "as its session knows it")
	})
}

// What needs an enrolled holder says that this one is none.
func TestNotEnrolled(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		s := w.begin(tap(1))
		p, err := s.Person(ctx)
		assert.ErrorIs(w, err, mykey.ErrNotEnrolled)
		assert.Zero(w, p)
		_, err = s.RegisterService(ctx, tap(1), service(w, "000001:1"))
		assert.ErrorIs(w, err, mykey.ErrNotEnrolled)
		assert.ErrorIs(w, s.AddCertificate(ctx, tap(1), tapOf(101, mykey.DeviceAndroid).Certificate), mykey.ErrNotEnrolled)
		assert.ErrorIs(w, s.Revoke(ctx, tap(1)), mykey.ErrNotEnrolled)
		assert.ErrorIs(w, s.WithdrawConsent(ctx, tap(1)), mykey.ErrNotEnrolled)
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
		require.ErrorIs(w, err, mykey.ErrSessionOver)
		w.pass(-24 * time.Hour)
		_, err = s.Person(w.Context())
		require.ErrorIs(w, err, mykey.ErrSessionOver)
	})
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
		require.ErrorIs(w, err, mykey.ErrExpired)
		require.ErrorIs(w, s.Revoke(ctx, tp), mykey.ErrExpired)
	})
}

// Whoever told the registry of another expiry, the card itself is believed, and
// its session works.
func TestExpiryOfAnImport(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		told := tap(1).Certificate
		told.NotAfter = epoch.Add(time.Hour)
		require.NoError(w, w.reg.Import(ctx, []mykey.Record{{ID: id(w, "MY123456"), Certificates: []mykey.Certificate{told}}}))
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
		for _, tp := range []mykey.Tap{{}, {PINVerified: true}, {Certificate: mykey.Certificate{Serial: serial(1)}, PINVerified: true}} {
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
		require.ErrorIs(w, err, mykey.ErrNoCandidate)
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
		for _, again := range []func() (mykey.Progress, error){
			func() (mykey.Progress, error) { return eb.Accept(ctx, tap(1)) },
			func() (mykey.Progress, error) { return eb.Offer(ctx, tap(1)) },
			func() (mykey.Progress, error) { return eb.Check(ctx, tap(1), id(w, "OTHER234")) },
		} {
			p, err := again()
			require.ErrorIs(w, err, mykey.ErrIDReplaced)
			require.Zero(w, p)
		}
	})
}
