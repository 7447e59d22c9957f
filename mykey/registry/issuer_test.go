package registry_test

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var otherIssuer = mustIssuer("ffffffffffffffffffffffffffffffffffffffff")

// namesake is a card with the serial number of the n-th person's, issued by
// another generation of the authority.
func namesake(n int) registry.Presence {
	p := tap(n)
	p.Certificate.Issuer = otherIssuer
	return p
}

func TestParseIssuer(t *testing.T) {
	i, err := registry.ParseIssuer("5A17d0")
	require.NoError(t, err)
	assert.Equal(t, "5a17d0", i.String())
	assert.False(t, i.IsZero())
	for in, rule := range map[string]mykey.Rule{"": mykey.RuleMissing, "5": mykey.RuleCharacter, "zz": mykey.RuleCharacter, strings.Repeat("ab", 33): mykey.RuleLength} {
		_, err := registry.ParseIssuer(in)
		var fe *mykey.FormError
		require.ErrorAs(t, err, &fe, in)
		assert.Equal(t, rule, fe.Rule, in)
	}
	assert.Equal(t, "0102", registry.IssuerOf(&x509.Certificate{SubjectKeyId: []byte{1, 2}}).String())
	assert.NotEqual(t, registry.IssuerOf(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("a")}),
		registry.IssuerOf(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("b")}))
}

// Two generations of the authority, one serial number: the second holder is a
// stranger to the first, whatever is called, and gets an account of their own.
func TestTwoIssuersOneSerial(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		first := w.enrolled(1, "MY123456")
		_, err := first.RegisterService(ctx, tap(1), service(w, "000001:1"))
		require.NoError(w, err)
		e, err := first.ChangeID(ctx) // something left off under the first card
		require.NoError(w, err)
		_, err = e.Check(ctx, tap(1), id(w, "WANTED22"))
		require.NoError(w, err)

		for _, p := range []registry.Presence{namesake(1), withoutPIN(namesake(1))} {
			s := w.begin(p)
			assert.True(w, s.ID().IsZero())
			_, err = s.Person(ctx)
			assert.ErrorIs(w, err, registry.ErrNotEnrolled)
		}
		for name, call := range map[string]func(s *registry.Session) error{
			"register": func(s *registry.Session) error {
				_, err := s.RegisterService(ctx, namesake(1), service(w, "000001:6"))
				return err
			},
			"confirm":  func(s *registry.Session) error { _, err := s.Confirm(ctx, namesake(1)); return err },
			"unproved": func(s *registry.Session) error { _, err := s.ConfirmUnproved(ctx, withoutPIN(namesake(1))); return err },
			"revoke":   func(s *registry.Session) error { return s.Revoke(ctx, namesake(1)) },
		} {
			s := w.begin(tap(1))
			assert.ErrorIs(w, call(s), registry.ErrWrongCard, name)
			_, err := s.Person(ctx)
			assert.ErrorIs(w, err, registry.ErrSessionOver, name)
		}

		second := w.begin(namesake(1))
		e, err = second.Enrol(ctx)
		require.NoError(w, err)
		p, err := e.Progress(ctx)
		require.NoError(w, err)
		assert.Equal(w, registry.Progress{OffersLeft: 3, ChecksLeft: 3}, p, "nothing of the first card's")
		_, err = e.Check(ctx, namesake(1), id(w, "KEY34567"))
		require.NoError(w, err)
		_, err = e.Accept(ctx, namesake(1))
		require.NoError(w, err)
		assert.Equal(w, "KEY34567", w.begin(namesake(1)).ID().String())
		assert.Equal(w, "MY123456", w.begin(tap(1)).ID().String())

		// By the serial number alone nobody can tell them apart any more.
		_, err = w.reg.Lookup(ctx, serial(1))
		assert.ErrorIs(w, err, registry.ErrTwoIssuers)
		_, err = w.reg.LookupService(ctx, serial(1), service(w, "000001:1").Operator)
		assert.ErrorIs(w, err, registry.ErrTwoIssuers)

		// By both it is told.
		for cert, want := range map[registry.Issuer]string{tap(1).Certificate.Issuer: "MY123456", namesake(1).Certificate.Issuer: "KEY34567"} {
			id, err := w.reg.LookupIssued(ctx, serial(1), cert)
			require.NoError(w, err)
			assert.Equal(w, want, id.String())
		}
		third, err := registry.ParseIssuer("0123")
		require.NoError(w, err)
		_, err = w.reg.LookupIssued(ctx, serial(1), third)
		assert.ErrorIs(w, err, registry.ErrNotEnrolled)
		_, err = w.reg.LookupIssued(ctx, serial(1), registry.Issuer{})
		assert.ErrorIs(w, err, mykey.ErrForm)

		// Consent, revocation, and a table that is taken over.
		require.NoError(w, first.ConsentToNotice(ctx, tap(1), tap(901).Certificate, "text"), "of one issuer")
		require.NoError(w, second.ConsentToNotice(ctx, namesake(1), namesake(901).Certificate, "text"), "of the other")
		require.NoError(w, second.Revoke(ctx, namesake(1)))
		assert.Equal(w, "MY123456", w.lookup(1))
		require.NoError(w, w.reg.Import(ctx, []registry.ImportRow{{ID: id(w, "TAKEN222"), Certificates: []registry.Certificate{namesake(1).Certificate}}}))
		err = w.reg.Import(ctx, []registry.ImportRow{{ID: id(w, "TAKEN333"), Certificates: []registry.Certificate{tap(1).Certificate}}})
		assert.ErrorIs(w, err, registry.ErrCertificateTaken)
		unknown := tap(1).Certificate
		unknown.Issuer = registry.Issuer{}
		err = w.reg.Import(ctx, []registry.ImportRow{{ID: id(w, "TAKEN333"), Certificates: []registry.Certificate{unknown}}})
		assert.ErrorIs(w, err, registry.ErrCertificateTaken, "it could be either's")
	})
}

// What is bound without an issuer gets that of the first proved presence with
// the same end of validity, and of no other.
func TestAdoptsIssuer(t *testing.T) {
	conform(t, func(w *world) {
		ctx := w.Context()
		old := tap(1).Certificate
		old.Issuer = registry.Issuer{}
		require.NoError(w, w.reg.Import(ctx, []registry.ImportRow{{ID: id(w, "MY123456"), Certificates: []registry.Certificate{old},
			Services: []mykey.ServiceID{service(w, "000001:1")}}}))
		issuerOf := func() any {
			var issuer any
			require.NoError(w, w.eng.db.QueryRow("SELECT issuer FROM "+w.eng.prefix+"certificate").Scan(&issuer))
			return issuer
		}
		assert.Equal(w, "MY123456", w.lookup(1), "a look-up shows it")

		other := namesake(1) // of another generation, valid to another day
		other.Certificate.NotAfter = other.Certificate.NotAfter.AddDate(0, 1, 0)
		assert.True(w, w.begin(other).ID().IsZero())
		assert.Nil(w, issuerOf())

		s := w.begin(withoutPIN(tap(1)))
		assert.Equal(w, "MY123456", s.ID().String(), "shown")
		assert.Nil(w, issuerOf(), "a copy adopts nothing")
		_, err := s.RegisterService(ctx, tap(1), service(w, "000002:2"))
		require.NoError(w, err)
		assert.Equal(w, issuer.String(), fmt.Sprintf("%s", issuerOf()))
		for range 2 {
			assert.Equal(w, "MY123456", w.begin(tap(1)).ID().String())
		}
		same := namesake(1) // of another generation, valid to the same moment
		assert.True(w, w.begin(same).ID().IsZero())
		require.NoError(w, w.begin(tap(1)).Revoke(ctx, tap(1)))

		// At the beginning of a session too, with an enrolment left off and a
		// payment service chosen before.
		require.NoError(w, w.reg.Import(ctx, []registry.ImportRow{{ID: id(w, "KEY34567"), Certificates: []registry.Certificate{old}}}))
		assert.Equal(w, "KEY34567", w.begin(tap(1)).ID().String())
		assert.Equal(w, issuer.String(), fmt.Sprintf("%s", issuerOf()))
		s = w.begin(tap(1))
		e, err := s.ChangeID(ctx)
		require.NoError(w, err)
		_, err = e.Offer(ctx, tap(1))
		require.NoError(w, err)
	})
}

// A database from before issuers were kept: each thing that stands under the
// serial number alone comes along.
func TestAdoptsWhatStandsBesides(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			ctx, db := t.Context(), e.make(t).db
			require.NoError(t, registry.OpenVersion(ctx, db, "old_", 2))
			hex := serial(1).Hex()
			for _, q := range []string{
				"INSERT INTO old_mykey_id (id, state, claimer, at) VALUES ('MY123456', 2, NULL, 0), ('WANTED22', 1, '" + hex + "', " + fmt.Sprint(epoch.UnixMilli()) + ")",
				"INSERT INTO old_person (person, mykey_id, created) VALUES (7, 'MY123456', 0)",
				fmt.Sprintf("INSERT INTO old_certificate (holder, person, device, not_after, bound) VALUES ('%s', 7, 1, %d, 0)",
					hex, epoch.AddDate(5, 0, 0).UnixMilli()),
				"INSERT INTO old_application (service, payment_id, person, applied) VALUES ('waon', '55', NULL, 5)",
				"INSERT INTO old_applicant (holder, service, payment_id) VALUES ('" + hex + "', 'waon', '55')",
				"INSERT INTO old_card (holder, offers, duplicates, duplicate_at, candidate, finished, replaces) VALUES ('" + hex + "', 1, 2, 0, 'WANTED22', 0, 'MY123456')",
			} {
				_, err := db.Exec(q)
				require.NoError(t, err, q)
			}
			reg, err := registry.Open(ctx, db, registry.Config{Prefix: "old_", Serials: registry.PlainSerials(), Clock: func() time.Time { return epoch }})
			require.NoError(t, err)
			s, err := reg.Begin(ctx, tap(1))
			require.NoError(t, err)
			enrol, err := s.ChangeID(ctx)
			require.NoError(t, err)
			p, err := enrol.Progress(ctx)
			require.NoError(t, err)
			assert.Equal(t, registry.Progress{Candidate: id(t, "WANTED22"), OffersLeft: 2, ChecksLeft: 1}, p)
			require.ErrorIs(t, s.Apply(ctx, tap(1), rules, application("pay", "1")), registry.ErrAlreadyApplied)
			_, err = enrol.Accept(ctx, tap(1))
			require.NoError(t, err)
			assert.Equal(t, "WANTED22", s.ID().String())
			var left int
			for _, table := range []string{"certificate", "card", "chooser"} {
				require.NoError(t, db.QueryRow("SELECT count(*) FROM old_"+table+" WHERE holder = '"+hex+"'").Scan(&left))
				assert.Zero(t, left, table)
			}
		})
	}
}

// The issuer and the device are those of the card.
func TestPresenceOfACard(t *testing.T) {
	for kind, device := range map[jpki.Kind]registry.Device{jpki.KindPlastic: registry.DeviceCard, jpki.KindAndroid: registry.DeviceAndroid} {
		v := verified(t)
		c, err := registry.CertificateOf(v, kind)
		require.NoError(t, err)
		assert.Equal(t, device, c.Device)
		assert.Equal(t, registry.IssuerOf(v.Issuer), c.Issuer)
		assert.Equal(t, v.Certificate().NotAfter, c.NotAfter)
	}
	assert.True(t, registry.IssuerOf(nil).IsZero())
	_, err := registry.CertificateOf(nil, jpki.KindPlastic)
	require.ErrorIs(t, err, jpki.ErrSerial)
	_, err = registry.CertificateOf(verified(t), jpki.KindJuki)
	assert.ErrorIs(t, err, mykey.ErrForm)
}
