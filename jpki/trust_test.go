package jpki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

var (
	// issuedAt is when the certificates of these tests were issued, and now is
	// the time at which they are verified.
	issuedAt = time.Date(2025, time.October, 27, 3, 0, 0, 0, time.UTC)
	now      = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)

	// Two generations of the same two CAs: one name each, two keys.
	generation = sync.OnceValue(func() [2]*simcard.Authority {
		return [2]*simcard.Authority{
			simcard.NewAuthority(time.Date(2019, time.September, 14, 0, 0, 0, 0, time.UTC)),
			simcard.NewAuthority(time.Date(2023, time.July, 16, 0, 0, 0, 0, time.UTC)),
		}
	})
	holderKey = sync.OnceValue(func() *rsa.PrivateKey { return mustRSA(2048) })
)

func mustRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func rootsOf(authorities ...*simcard.Authority) (roots []*x509.Certificate) {
	for _, a := range authorities {
		roots = append(roots, a.Auth().Certificate(), a.Sign().Certificate())
	}
	return roots
}

func newVerifier(t testing.TB, roots []*x509.Certificate, options ...jpki.VerifierOption) *jpki.Verifier {
	t.Helper()
	v, err := jpki.NewVerifier(roots, append([]jpki.VerifierOption{jpki.WithClock(func() time.Time { return now })}, options...)...)
	require.NoError(t, err)
	return v
}

// issue makes a certificate of sample holder 3, edited, by the newer generation.
func issue(t testing.TB, slot jpki.Slot, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	return issueBy(t, generation()[1], slot, holderKey().Public(), edit)
}

func issueBy(t testing.TB, a *simcard.Authority, slot jpki.Slot, key crypto.PublicKey, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template, issuer := simcard.SampleHolder(3).AuthTemplate(issuedAt), a.Auth()
	if slot == jpki.Sign {
		template, issuer = simcard.SampleHolder(3).SignTemplate(issuedAt), a.Sign()
	}
	if edit != nil {
		edit(template)
	}
	cert, err := issuer.Issue(template, key)
	require.NoError(t, err)
	return cert
}

// setExtension replaces or adds an extension of a template.
func setExtension(c *x509.Certificate, critical bool, value []byte, id ...int) {
	dropExtension(c, id...)
	c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
}

func dropExtension(c *x509.Certificate, id ...int) {
	var kept []pkix.Extension
	for _, e := range c.ExtraExtensions {
		if !e.Id.Equal(id) {
			kept = append(kept, e)
		}
	}
	c.ExtraExtensions = kept
}

func policies(t testing.TB, oids ...asn1.ObjectIdentifier) []byte {
	t.Helper()
	type policy struct{ ID asn1.ObjectIdentifier }
	var list []policy
	for _, oid := range oids {
		list = append(list, policy{oid})
	}
	der, err := asn1.Marshal(list)
	require.NoError(t, err)
	return der
}

var verifierErrors = []error{
	jpki.ErrIssuer, jpki.ErrIssuerSignature, jpki.ErrIssuerValidity, jpki.ErrExpired, jpki.ErrNotYetValid,
	jpki.ErrKeyUsage, jpki.ErrPolicy, jpki.ErrCA, jpki.ErrCriticalExtension, jpki.ErrAlgorithm, jpki.ErrConstraint,
	jpki.ErrRoot, jpki.ErrCertificate, jpki.ErrRevocationUnknown, errors.ErrUnsupported,
}

// requireOnly checks that err is those of the verifier's errors and no other,
// and that it says nothing about the holder.
func requireOnly(t testing.TB, err error, cert *x509.Certificate, want ...error) {
	t.Helper()
	require.Error(t, err)
	for _, e := range verifierErrors {
		expected := false
		for _, w := range want {
			expected = expected || w == e
		}
		require.Equal(t, expected, errors.Is(err, e), "%v in: %v", e, err)
	}
	requireSilent(t, err.Error(), cert)
}

// requireSilent checks that nothing of the certificate stands in text.
func requireSilent(t testing.TB, text string, cert *x509.Certificate) {
	t.Helper()
	if cert == nil || cert.SerialNumber == nil {
		return
	}
	h := simcard.SampleHolder(3)
	for _, secret := range []string{
		h.Name, h.Address, h.Birth.Format("20060102"), h.Birth.Format("01-02"), cert.Subject.CommonName,
		cert.SerialNumber.String(), fmt.Sprintf("%x", cert.SerialNumber), cert.NotAfter.Format("2006-01-02"), cert.NotAfter.Format("0102"),
	} {
		if secret != "" {
			require.NotContains(t, strings.ToLower(text), strings.ToLower(secret))
		}
	}
}

func TestVerifierAccepts(t *testing.T) {
	for name, a := range map[string]*simcard.Authority{"older": generation()[0], "newer": generation()[1]} {
		for _, slot := range []jpki.Slot{jpki.Auth, jpki.Sign} {
			t.Run(name+" "+slot.String(), func(t *testing.T) {
				// Whatever the order of the roots, the right generation is found.
				for _, roots := range [][]*x509.Certificate{
					rootsOf(generation()[0], generation()[1]), rootsOf(generation()[1], generation()[0]),
				} {
					cert := issueBy(t, a, slot, holderKey().Public(), nil)
					got, err := newVerifier(t, roots).Verify(context.Background(), cert, slot)
					require.NoError(t, err)
					assert.Equal(t, slot, got.Slot)
					assert.Equal(t, cert.Raw, got.Certificate().Raw)
					issuer := a.Auth()
					if slot == jpki.Sign {
						issuer = a.Sign()
					}
					assert.Equal(t, issuer.Certificate().Raw, got.Issuer.Raw)
					assert.Equal(t, now, got.At)
					assert.Equal(t, jpki.RevocationNotChecked, got.Revocation)
					assert.NoError(t, got.RevocationErr)
					serial, err := got.Serial()
					require.NoError(t, err)
					assert.Equal(t, cert.SerialNumber, serial.BigInt())
				}
			})
		}
	}
}

// The next card is planned with ECDSA P-384.
func TestVerifyECDSA(t *testing.T) {
	for curve, want := range map[elliptic.Curve]error{elliptic.P224(): jpki.ErrAlgorithm, elliptic.P256(): nil, elliptic.P384(): nil} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		cert := issueBy(t, generation()[1], jpki.Auth, key.Public(), nil)
		_, err = newVerifier(t, rootsOf(generation()[1])).Verify(context.Background(), cert, jpki.Auth)
		require.ErrorIs(t, err, want)
	}
}

// What a hash or a key is too weak for is refused, though the issuer signed it.
func TestVerifyWeak(t *testing.T) {
	issuer := generation()[1].Auth()
	v := newVerifier(t, rootsOf(generation()[1]))

	ed, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, key := range map[string]crypto.PublicKey{
		"Ed25519, which no card has": ed, "RSA with 1,024 bits": mustRSA(1024).Public(),
		"RSA with exponent 3": &rsa.PublicKey{N: holderKey().N, E: 3},
	} {
		cert := issueBy(t, generation()[1], jpki.Auth, key, nil)
		_, err = v.Verify(context.Background(), cert, jpki.Auth)
		require.ErrorIs(t, err, jpki.ErrAlgorithm, name)
	}

	// SHA-1, which crypto/x509 does not even issue: the algorithm is exchanged
	// and the whole signed again.
	const sha256RSA, sha1RSA = "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B", "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x05"
	cert := issue(t, jpki.Auth, nil)
	tbs := bytes.Replace(cert.RawTBSCertificate, []byte(sha256RSA), []byte(sha1RSA), 1)
	digest := sha1.Sum(tbs)
	signature, err := issuer.Signer().Sign(rand.Reader, digest[:], crypto.SHA1)
	require.NoError(t, err)
	weak, err := x509.ParseCertificate([]byte(object(0x30, string(tbs),
		object(0x30, object(0x06, sha1RSA), "\x05\x00"), object(0x03, "\x00", string(signature)))))
	require.NoError(t, err)
	require.Equal(t, x509.SHA1WithRSA, weak.SignatureAlgorithm)
	_, err = v.Verify(context.Background(), weak, jpki.Auth)
	requireOnly(t, err, weak, jpki.ErrAlgorithm)
}

// Every reason for which a certificate is refused, one fault at a time.
func TestVerifyRefuses(t *testing.T) {
	ours := generation()[1]
	anyPolicy := asn1.ObjectIdentifier{2, 5, 29, 32, 0}
	none := func(*x509.Certificate) {}
	for _, tt := range []struct {
		name string
		slot jpki.Slot
		edit func(*x509.Certificate)
		want error
	}{
		// jpki/myna, GHSA-58hw-cg5m-88rp: validity, KeyUsage, BasicConstraints.
		{"GHSA-58hw-cg5m-88rp: expired signer", jpki.Sign, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }, jpki.ErrExpired},
		{"GHSA-58hw-cg5m-88rp: signer not valid yet", jpki.Sign, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }, jpki.ErrNotYetValid},
		{"GHSA-58hw-cg5m-88rp: no key usage", jpki.Sign, func(c *x509.Certificate) { c.KeyUsage = 0 }, jpki.ErrKeyUsage},
		{"GHSA-58hw-cg5m-88rp: key usage of an encryption key", jpki.Sign, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, jpki.ErrKeyUsage},
		{"GHSA-58hw-cg5m-88rp: sign without nonRepudiation", jpki.Sign, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }, jpki.ErrKeyUsage},
		{"GHSA-58hw-cg5m-88rp: sign without digitalSignature", jpki.Sign, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageContentCommitment }, jpki.ErrKeyUsage},
		{"GHSA-58hw-cg5m-88rp: a CA as signer", jpki.Sign, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, jpki.ErrCA},

		{"holder says it is no CA", jpki.Auth, func(c *x509.Certificate) { c.BasicConstraintsValid = true }, nil},
		{"first second", jpki.Auth, func(c *x509.Certificate) { c.NotBefore = now }, nil},
		{"last second", jpki.Auth, func(c *x509.Certificate) { c.NotAfter = now }, nil},
		{"expired", jpki.Auth, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }, jpki.ErrExpired},
		{"not valid yet", jpki.Auth, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }, jpki.ErrNotYetValid},
		{"auth without digitalSignature", jpki.Auth, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }, jpki.ErrKeyUsage},
		{"may sign certificates", jpki.Auth, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, jpki.ErrKeyUsage},
		{"may sign lists", jpki.Auth, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }, jpki.ErrKeyUsage},
		{"no extended key usage", jpki.Auth, func(c *x509.Certificate) { c.ExtKeyUsage = nil }, nil},
		{"any extended key usage", jpki.Auth, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, nil},
		{"for servers", jpki.Auth, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, jpki.ErrKeyUsage},
		{"for documents, auth", jpki.Auth, func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 36}}
		}, jpki.ErrKeyUsage},
		{"for documents, sign", jpki.Sign, func(c *x509.Certificate) {
			c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 36}}
		}, nil},
		{"for clients, sign", jpki.Sign, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, jpki.ErrKeyUsage},
		{"for mail, sign", jpki.Sign, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
		}, nil},
		{"no policy", jpki.Auth, func(c *x509.Certificate) { dropExtension(c, 2, 5, 29, 32) }, jpki.ErrPolicy},
		{"policy of the test environment", jpki.Sign, func(c *x509.Certificate) {
			setExtension(c, true, policies(t, asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 0, 20}), 2, 5, 29, 32)
		}, jpki.ErrPolicy},
		{"policy of the other use", jpki.Auth, func(c *x509.Certificate) {
			setExtension(c, true, policies(t, asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 1, 20}), 2, 5, 29, 32)
		}, jpki.ErrPolicy},
		{"any policy", jpki.Auth, func(c *x509.Certificate) { setExtension(c, true, policies(t, anyPolicy), 2, 5, 29, 32) }, jpki.ErrPolicy},
		{"policy with a longer number", jpki.Auth, func(c *x509.Certificate) {
			setExtension(c, true, policies(t, asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 3, 30, 1}), 2, 5, 29, 32)
		}, jpki.ErrPolicy},
		{"one policy of two", jpki.Auth, func(c *x509.Certificate) {
			setExtension(c, true, policies(t, asn1.ObjectIdentifier{1, 2, 3}, asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 3, 30}), 2, 5, 29, 32)
		}, nil},
		{"unknown critical extension", jpki.Auth, func(c *x509.Certificate) { setExtension(c, true, []byte{5, 0}, 1, 2, 3) }, jpki.ErrCriticalExtension},
		{"unknown extension", jpki.Auth, func(c *x509.Certificate) { setExtension(c, false, []byte{5, 0}, 1, 2, 3) }, nil},
		{"policies not critical", jpki.Auth, func(c *x509.Certificate) {
			setExtension(c, false, policies(t, asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 3, 30}), 2, 5, 29, 32)
		}, nil},
		{"signed with SHA-384", jpki.Auth, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA384WithRSA }, nil},
		{"signed with PSS", jpki.Auth, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA256WithRSAPSS }, nil},
		{"as issued, auth", jpki.Auth, none, nil},
		{"as issued, sign", jpki.Sign, none, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert := issue(t, tt.slot, tt.edit)
			v := newVerifier(t, rootsOf(generation()[0], ours))
			got, err := v.Verify(context.Background(), cert, tt.slot)
			if tt.want == nil {
				require.NoError(t, err)
				require.NotNil(t, got)
				return
			}
			require.Nil(t, got)
			requireOnly(t, err, cert, tt.want)
			var step *jpki.StepError
			require.ErrorAs(t, err, &step)
			assert.Equal(t, "verify "+tt.slot.String()+" certificate", step.Step)
		})
	}
}

// A certificate is verified for what it was issued for, not for the other.
func TestVerifyOtherSlot(t *testing.T) {
	v := newVerifier(t, rootsOf(generation()[1]))
	auth, sign := issue(t, jpki.Auth, nil), issue(t, jpki.Sign, nil)
	_, err := v.Verify(context.Background(), auth, jpki.Sign)
	requireOnly(t, err, auth, jpki.ErrKeyUsage)
	_, err = v.Verify(context.Background(), sign, jpki.Auth)
	requireOnly(t, err, sign, jpki.ErrPolicy)
	for _, slot := range []jpki.Slot{0, jpki.AuthCA, jpki.SignCA, 99} {
		_, err = v.Verify(context.Background(), auth, slot)
		requireOnly(t, err, auth, errors.ErrUnsupported)
	}
}

// All generations have one name. Who has the name has not the key.
func TestVerifyOneNameManyKeys(t *testing.T) {
	ours, other := generation()[1], generation()[0]
	require.Equal(t, ours.Auth().Certificate().RawSubject, other.Auth().Certificate().RawSubject)
	cert := issue(t, jpki.Auth, nil)

	t.Run("issuer with the same name but another key", func(t *testing.T) {
		_, err := newVerifier(t, rootsOf(other)).Verify(context.Background(), cert, jpki.Auth)
		requireOnly(t, err, cert, jpki.ErrIssuer)
	})

	// GHSA-58hw-cg5m-88rp, the last part: the signer's key identifier. A root
	// that copies name and key identifier has still not signed.
	t.Run("GHSA-58hw-cg5m-88rp: SKI equal but key different", func(t *testing.T) {
		impostor := selfSigned(t, func(c *x509.Certificate) { c.SubjectKeyId = ours.Auth().Certificate().SubjectKeyId }, nil)
		require.Equal(t, ours.Auth().Certificate().SubjectKeyId, impostor.SubjectKeyId)
		require.Equal(t, ours.Auth().Certificate().RawSubject, impostor.RawSubject)
		_, err := newVerifier(t, []*x509.Certificate{impostor}).Verify(context.Background(), cert, jpki.Auth)
		requireOnly(t, err, cert, jpki.ErrIssuerSignature)

		got, err := newVerifier(t, append([]*x509.Certificate{impostor}, rootsOf(ours)...)).Verify(context.Background(), cert, jpki.Auth)
		require.NoError(t, err)
		assert.Equal(t, ours.Auth().Certificate().Raw, got.Issuer.Raw)
	})

	t.Run("another name and the right key", func(t *testing.T) {
		renamed := selfSigned(t, func(c *x509.Certificate) {
			c.RawSubject, c.Subject = nil, pkix.Name{CommonName: "someone else"}
			c.SubjectKeyId = ours.Auth().Certificate().SubjectKeyId
		}, ours.Auth().Signer())
		_, err := newVerifier(t, []*x509.Certificate{renamed}).Verify(context.Background(), cert, jpki.Auth)
		requireOnly(t, err, cert, jpki.ErrIssuer)
	})

	t.Run("root without a key identifier", func(t *testing.T) {
		bare := selfSigned(t, func(c *x509.Certificate) { c.SubjectKeyId, c.IsCA = nil, true }, ours.Auth().Signer())
		// crypto/x509 gives every CA one; only the signature is left to tell if
		// the holder's certificate does not name it.
		plain := issuedWithoutKeyID(t, ours.Auth(), bare)
		require.Empty(t, plain.AuthorityKeyId)
		_, err := newVerifier(t, rootsOf(other, ours)).Verify(context.Background(), plain, jpki.Auth)
		require.NoError(t, err)
		_, err = newVerifier(t, rootsOf(other)).Verify(context.Background(), plain, jpki.Auth)
		requireOnly(t, err, plain, jpki.ErrIssuer)
	})
}

// issuedWithoutKeyID issues a certificate that does not say which key signed it.
func issuedWithoutKeyID(t testing.TB, issuer *simcard.Issuer, root *x509.Certificate) *x509.Certificate {
	t.Helper()
	parent := *root
	parent.SubjectKeyId = nil
	der, err := x509.CreateCertificate(rand.Reader, simcard.SampleHolder(3).AuthTemplate(issuedAt), &parent, holderKey().Public(), issuer.Signer())
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// selfSigned makes what calls itself the CA for user authentication, with the
// key of the older generation if none is given.
func selfSigned(t testing.TB, edit func(*x509.Certificate), key crypto.Signer) *x509.Certificate {
	t.Helper()
	if key == nil {
		key = generation()[0].Auth().Signer()
	}
	real := generation()[1].Auth().Certificate()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(7), RawSubject: real.RawSubject, NotBefore: real.NotBefore, NotAfter: real.NotAfter,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
	}
	edit(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// A certificate of which a bit is wrong is refused, wherever the bit is.
func TestVerifyGarbled(t *testing.T) {
	v := newVerifier(t, rootsOf(generation()[0], generation()[1]))
	cert := issue(t, jpki.Sign, nil)
	parsed := 0
	for i := range cert.Raw {
		der := append([]byte(nil), cert.Raw...)
		der[i] ^= 0x10
		garbled, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		parsed++
		_, err = v.Verify(context.Background(), garbled, jpki.Sign)
		require.Error(t, err, "byte %d", i)
		requireSilent(t, err.Error(), cert)
	}
	assert.Greater(t, parsed, 500)

	// The signature itself.
	der := append([]byte(nil), cert.Raw...)
	der[len(der)-1] ^= 1
	garbled, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	_, err = v.Verify(context.Background(), garbled, jpki.Sign)
	requireOnly(t, err, garbled, jpki.ErrIssuerSignature)

	for _, cert := range []*x509.Certificate{nil, {}, {Raw: []byte{0x30}}} {
		_, err = v.Verify(context.Background(), cert, jpki.Sign)
		requireOnly(t, err, nil, jpki.ErrCertificate)
	}
}

// The CA certificate on a card is as good as whoever made the card.
func TestVerifyNeverTrustsTheCardsCA(t *testing.T) {
	forger := generation()[0]
	reader := simcard.New(simcard.WithAuthority(forger), simcard.WithIssued(issuedAt))
	card, err := jpki.Open(context.Background(), reader)
	require.NoError(t, err)
	cert, err := card.Certificate(context.Background(), jpki.Auth)
	require.NoError(t, err)
	ca, err := card.Certificate(context.Background(), jpki.AuthCA)
	require.NoError(t, err)
	require.NoError(t, cert.CheckSignatureFrom(ca), "the card is consistent in itself")

	v := newVerifier(t, rootsOf(generation()[1]))
	_, err = v.Verify(context.Background(), cert, jpki.Auth)
	requireOnly(t, err, cert, jpki.ErrIssuer)
	_, err = v.Verify(context.Background(), ca, jpki.Auth)
	requireOnly(t, err, ca, jpki.ErrIssuer)
	// Nor is the real one a holder.
	_, err = v.Verify(context.Background(), generation()[1].Auth().Certificate(), jpki.Auth)
	require.ErrorIs(t, err, jpki.ErrCA)
}

// A citizen with a certificate issues no other.
func TestVerifyHolderIsNoCA(t *testing.T) {
	citizen := issue(t, jpki.Auth, nil)
	template := simcard.SampleHolder(4).AuthTemplate(issuedAt)
	der, err := x509.CreateCertificate(rand.Reader, template, citizen, generation()[0].Auth().Signer().Public(), holderKey())
	require.NoError(t, err)
	forged, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	_, err = newVerifier(t, rootsOf(generation()[1])).Verify(context.Background(), forged, jpki.Auth)
	requireOnly(t, err, forged, jpki.ErrIssuer)

	// Not even if somebody takes the citizen's certificate for a root.
	_, err = jpki.NewVerifier([]*x509.Certificate{citizen})
	requireOnly(t, err, citizen, jpki.ErrRoot, jpki.ErrCA)
}

func TestVerifierAt(t *testing.T) {
	ours := generation()[1]
	v := newVerifier(t, rootsOf(ours))
	cert := issue(t, jpki.Auth, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = ours.Auth().Certificate().NotBefore.Add(-time.Hour), ours.Auth().Certificate().NotAfter.Add(time.Hour)
	})
	root := ours.Auth().Certificate()
	for _, tt := range []struct {
		name string
		at   time.Time
		want []error
	}{
		{"root not valid yet", root.NotBefore.Add(-time.Second), []error{jpki.ErrIssuerValidity, jpki.ErrNotYetValid}},
		{"root's first second", root.NotBefore, nil},
		{"root's last second", root.NotAfter, nil},
		{"root expired", root.NotAfter.Add(time.Second), []error{jpki.ErrIssuerValidity, jpki.ErrExpired}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := v.VerifyAt(context.Background(), cert, jpki.Auth, tt.at)
			if tt.want != nil {
				requireOnly(t, err, cert, tt.want...)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.at, got.At)
		})
	}
}

func TestVerifyPolicies(t *testing.T) {
	test := func(c *x509.Certificate) {
		setExtension(c, true, policies(t, asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 0, 20}), 2, 5, 29, 32)
	}
	own := func(c *x509.Certificate) {
		setExtension(c, true, policies(t, asn1.ObjectIdentifier{1, 2, 3, 4}), 2, 5, 29, 32)
	}
	for _, tt := range []struct {
		name    string
		options []jpki.VerifierOption
		slot    jpki.Slot
		edit    func(*x509.Certificate)
		want    error
	}{
		{"test environment", []jpki.VerifierOption{jpki.WithTestEnvironment()}, jpki.Sign, test, nil},
		{"test environment, production certificate", []jpki.VerifierOption{jpki.WithTestEnvironment()}, jpki.Sign, nil, jpki.ErrPolicy},
		{"test environment has no policy for auth", []jpki.VerifierOption{jpki.WithTestEnvironment()}, jpki.Auth, nil, jpki.ErrPolicy},
		{"both", []jpki.VerifierOption{jpki.WithPolicies(jpki.Sign, jpki.PolicySign, jpki.PolicySignTest)}, jpki.Sign, test, nil},
		{"other", []jpki.VerifierOption{jpki.WithPolicies(jpki.Auth, "1.2.3.4")}, jpki.Auth, own, nil},
		{"other instead of production", []jpki.VerifierOption{jpki.WithPolicies(jpki.Auth, "1.2.3.4")}, jpki.Auth, nil, jpki.ErrPolicy},
		{"other for the other slot", []jpki.VerifierOption{jpki.WithPolicies(jpki.Auth, "1.2.3.4")}, jpki.Sign, own, jpki.ErrPolicy},
		{"none accepted", []jpki.VerifierOption{jpki.WithPolicies(jpki.Auth)}, jpki.Auth, nil, jpki.ErrPolicy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newVerifier(t, rootsOf(generation()[1]), tt.options...).Verify(context.Background(), issue(t, tt.slot, tt.edit), tt.slot)
			require.ErrorIs(t, err, tt.want)
		})
	}
	_, err := jpki.NewVerifier(rootsOf(generation()[1]), jpki.WithPolicies(jpki.Auth, "1.2.x"))
	requireOnly(t, err, nil, jpki.ErrPolicy)
}

// What the root's certificate forbids is judged by crypto/x509.
func TestVerifyConstraints(t *testing.T) {
	key := holderKey()
	root := selfSigned(t, func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"inside.test"}
	}, key)
	for host, want := range map[string]error{"a.inside.test": nil, "outside.test": jpki.ErrConstraint} {
		template := simcard.SampleHolder(3).AuthTemplate(issuedAt)
		template.DNSNames = []string{host}
		der, err := x509.CreateCertificate(rand.Reader, template, root, holderKey().Public(), key)
		require.NoError(t, err)
		cert, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		_, err = newVerifier(t, []*x509.Certificate{root}).Verify(context.Background(), cert, jpki.Auth)
		if want == nil {
			require.NoError(t, err)
			continue
		}
		requireOnly(t, err, cert, want)
	}
}

func TestNewVerifierRefusesRoots(t *testing.T) {
	good := generation()[1].Auth().Certificate()
	garbledDER := append([]byte(nil), good.Raw...)
	garbledDER[len(garbledDER)-1] ^= 1
	garbled, err := x509.ParseCertificate(garbledDER)
	require.NoError(t, err)
	small := mustRSA(1024)
	for _, tt := range []struct {
		name string
		root *x509.Certificate
		want []error
	}{
		{"GHSA-58hw-cg5m-88rp: CA without basic constraints", selfSigned(t, func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = false, false }, nil), []error{jpki.ErrCA}},
		{"basic constraints say no CA", selfSigned(t, func(c *x509.Certificate) { c.IsCA = false }, nil), []error{jpki.ErrCA}},
		{"may not sign certificates", selfSigned(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, nil), []error{jpki.ErrKeyUsage}},
		{"unknown critical extension", selfSigned(t, func(c *x509.Certificate) { setExtension(c, true, []byte{5, 0}, 1, 2, 3) }, nil), []error{jpki.ErrCriticalExtension}},
		{"garbled signature", garbled, []error{jpki.ErrIssuerSignature}},
		{"key of 1,024 bits", selfSigned(t, func(*x509.Certificate) {}, small), []error{jpki.ErrAlgorithm}},
		{"signed by another", issue(t, jpki.Auth, func(c *x509.Certificate) {
			c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		}), []error{jpki.ErrIssuerSignature}},
		{"nil", nil, []error{jpki.ErrCertificate}},
		{"empty", &x509.Certificate{}, []error{jpki.ErrCertificate}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := jpki.NewVerifier([]*x509.Certificate{good, tt.root})
			require.Nil(t, v)
			requireOnly(t, err, nil, append(tt.want, jpki.ErrRoot)...)
			assert.ErrorContains(t, err, "number 1")
		})
	}
	_, err = jpki.NewVerifier(nil)
	requireOnly(t, err, nil, jpki.ErrRoot)
	cert := issue(t, jpki.Auth, nil)
	_, err = new(jpki.Verifier).Verify(context.Background(), cert, jpki.Auth)
	requireOnly(t, err, cert, jpki.ErrIssuer)
}

// The roots that J-LIS publishes, where a copy of them is.
func publicRoots(t *testing.T, names ...string) (roots []*x509.Certificate) {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "testdata", "ca")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no copy of the public roots here")
	}
	for _, name := range names {
		file, err := os.ReadFile(filepath.Join(dir, name+".pem"))
		require.NoError(t, err)
		read, err := jpki.ParseRoots(file)
		require.NoError(t, err)
		require.Len(t, read, 1)
		again, err := jpki.ParseRoots(read[0].Raw)
		require.NoError(t, err)
		require.Equal(t, read, again, "PEM and DER")
		roots = append(roots, read...)
	}
	return roots
}

func TestPublicRoots(t *testing.T) {
	roots := publicRoots(t, "auth_ca_2015", "auth_ca_2023", "sign_ca_2015", "sign_ca_2023")
	require.Equal(t, roots[0].RawSubject, roots[1].RawSubject, "generations share a name")
	require.Equal(t, roots[2].RawSubject, roots[3].RawSubject)
	require.Equal(t, roots[0].SerialNumber, roots[2].SerialNumber, "and both CAs began with number 1")
	require.NotEqual(t, roots[0].SubjectKeyId, roots[1].SubjectKeyId)
	v := newVerifier(t, roots)

	// A forger takes the real names and the real key identifiers. What is left
	// is the signature.
	for i, root := range roots {
		slot := jpki.Auth
		template := simcard.SampleHolder(3).AuthTemplate(issuedAt)
		if i >= 2 {
			slot, template = jpki.Sign, simcard.SampleHolder(3).SignTemplate(issuedAt)
		}
		key := holderKey()
		parent := *root
		parent.PublicKey = key.Public()
		der, err := x509.CreateCertificate(rand.Reader, template, &parent, holderKey().Public(), key)
		require.NoError(t, err)
		forged, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		require.Equal(t, root.RawSubject, forged.RawIssuer)
		require.Equal(t, root.SubjectKeyId, forged.AuthorityKeyId)
		_, err = v.Verify(context.Background(), forged, slot)
		requireOnly(t, err, forged, jpki.ErrIssuerSignature)
	}

	// A root is genuine and yet no holder; the old generation has lapsed.
	for i, root := range roots {
		slot := jpki.Auth
		if i >= 2 {
			slot = jpki.Sign
		}
		_, err := v.VerifyAt(context.Background(), root, slot, root.NotBefore)
		requireOnly(t, err, nil, jpki.ErrCA)
		if !now.Before(root.NotAfter) {
			_, err = v.Verify(context.Background(), root, slot)
			requireOnly(t, err, nil, jpki.ErrIssuerValidity, jpki.ErrExpired)
		}
	}
}

func TestParseRoots(t *testing.T) {
	a, b := generation()[0].Auth().Certificate(), generation()[1].Sign().Certificate()
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for _, tt := range []struct {
		name, file string
		want       []*x509.Certificate
	}{
		{"DER", string(a.Raw), []*x509.Certificate{a}},
		{"PEM with text around", "# older\n" + block("CERTIFICATE", a.Raw) + "\n# newer\n" + block("CERTIFICATE", b.Raw) + "# end", []*x509.Certificate{a, b}},
		{"PEM with a key", block("PRIVATE KEY", []byte{1}) + block("CERTIFICATE", a.Raw), []*x509.Certificate{a}},
		{"nothing", "", nil},
		{"text", "hello", nil},
		{"only a key", block("PRIVATE KEY", []byte{1}), nil},
		{"DER cut off", string(a.Raw[:100]), nil},
		{"DER and more", string(a.Raw) + "x", nil},
		{"one block malformed", block("CERTIFICATE", a.Raw) + block("CERTIFICATE", []byte{0x30, 0}), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := jpki.ParseRoots([]byte(tt.file))
			if tt.want == nil {
				require.ErrorIs(t, err, jpki.ErrRoot)
				return
			}
			require.NoError(t, err)
			require.Len(t, got, len(tt.want))
			for i := range got {
				assert.Equal(t, tt.want[i].Raw, got[i].Raw)
			}
		})
	}
}

// checker answers what it is told to.
type checker struct {
	err  error
	seen []*x509.Certificate
}

func (c *checker) CheckRevocation(_ context.Context, cert, issuer *x509.Certificate) error {
	c.seen = append(c.seen, cert, issuer)
	return c.err
}

func TestVerifyRevocation(t *testing.T) {
	cert := issue(t, jpki.Sign, nil)
	revoked := &jpki.RevokedError{At: now.Add(-time.Hour), Reason: jpki.ReasonSuperseded}
	silent := errors.New("the responder is silent")
	for _, tt := range []struct {
		name    string
		answer  error
		soft    bool
		want    jpki.RevocationStatus
		wantErr error
	}{
		{"good", nil, false, jpki.RevocationGood, nil},
		{"good, soft", nil, true, jpki.RevocationGood, nil},
		{"revoked", revoked, false, 0, revoked},
		{"revoked, soft", revoked, true, 0, revoked},
		{"revoked, wrapped, soft", fmt.Errorf("list: %w", revoked), true, 0, revoked},
		{"unknown", jpki.ErrRevocationUnknown, false, 0, jpki.ErrRevocationUnknown},
		{"unknown, soft", jpki.ErrRevocationUnknown, true, jpki.RevocationUnknown, nil},
		{"any other error", silent, false, 0, jpki.ErrRevocationUnknown},
		{"any other error, soft", silent, true, jpki.RevocationUnknown, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &checker{err: tt.answer}
			options := []jpki.VerifierOption{jpki.WithRevocation(c)}
			if tt.soft {
				options = append(options, jpki.WithSoftFail())
			}
			got, err := newVerifier(t, rootsOf(generation()[0], generation()[1]), options...).Verify(context.Background(), cert, jpki.Sign)
			require.Len(t, c.seen, 2)
			assert.Equal(t, cert.Raw, c.seen[0].Raw)
			assert.Equal(t, generation()[1].Sign().Certificate().Raw, c.seen[1].Raw)
			if tt.wantErr != nil {
				require.ErrorIs(t, err, tt.wantErr)
				require.Nil(t, got)
				requireSilent(t, err.Error(), cert)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.Revocation)
			assert.Equal(t, tt.want == jpki.RevocationUnknown, got.RevocationErr != nil)
			if got.RevocationErr != nil {
				assert.ErrorIs(t, got.RevocationErr, tt.answer)
				assert.ErrorIs(t, got.RevocationErr, jpki.ErrRevocationUnknown)
			}
		})
	}

	t.Run("nothing is asked about what is not genuine", func(t *testing.T) {
		c := &checker{}
		_, err := newVerifier(t, rootsOf(generation()[0]), jpki.WithRevocation(c)).Verify(context.Background(), cert, jpki.Sign)
		require.ErrorIs(t, err, jpki.ErrIssuer)
		require.Empty(t, c.seen)
	})

	t.Run("soft, and the caller has gone", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		c := &checker{err: ctx.Err()}
		_, err := newVerifier(t, rootsOf(generation()[1]), jpki.WithRevocation(c), jpki.WithSoftFail()).Verify(ctx, cert, jpki.Sign)
		require.ErrorIs(t, err, jpki.ErrRevocationUnknown)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestRevocationWords(t *testing.T) {
	for r := jpki.RevocationReason(0); r < 12; r++ {
		assert.NotEmpty(t, r.String())
	}
	for s := jpki.RevocationNotChecked; s <= jpki.RevocationUnknown; s++ {
		assert.NotContains(t, s.String(), "RevocationStatus")
	}
	assert.Equal(t, "RevocationReason(7)", jpki.RevocationReason(7).String())
	assert.Equal(t, "RevocationStatus(7)", jpki.RevocationStatus(7).String())
	assert.EqualError(t, &jpki.RevokedError{At: now, Reason: jpki.ReasonHold}, "jpki: certificate was revoked: on hold")
}

// Whoever is refused for the policy alone learns which one it is, and which option
// is for phones.
func TestOtherPolicySaysWhich(t *testing.T) {
	const phone = "1.2.392.200149.8.5.1.1.40"
	cert := issue(t, jpki.Sign, func(c *x509.Certificate) {
		setExtension(c, false, policies(t, asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 1, 40}), 2, 5, 29, 32)
	})
	roots := rootsOf(generation()[1])
	_, err := newVerifier(t, roots).Verify(context.Background(), cert, jpki.Sign)
	require.ErrorIs(t, err, jpki.ErrPolicy)
	assert.ErrorContains(t, err, phone+"; if that is the policy of phones, accept it by WithPolicies")
	requireSilent(t, err.Error(), cert)
	_, err = newVerifier(t, roots, jpki.WithPolicies(jpki.Sign, jpki.PolicySign, phone)).Verify(context.Background(), cert, jpki.Sign)
	require.NoError(t, err)
}

// What was verified prints without what it says.
func TestVerifiedIsSilent(t *testing.T) {
	cert := issue(t, jpki.Sign, nil)
	got, err := newVerifier(t, rootsOf(generation()[1])).Verify(context.Background(), cert, jpki.Sign)
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("verified", "pointer", got, "value", *got)
	j, err := json.Marshal(map[string]any{"pointer": got, "value": *got})
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprint(got), fmt.Sprintf("%+v %#v %x %d", got, got, *got, *got), log.String(), string(j),
	} {
		assert.Contains(t, text, "[redacted]")
		requireSilent(t, text, cert)
	}
}

func TestVerifierConcurrently(t *testing.T) {
	v := newVerifier(t, rootsOf(generation()[0], generation()[1]), jpki.WithRevocation(quiet{}))
	cert := issue(t, jpki.Auth, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				_, err := v.Verify(context.Background(), cert, jpki.Auth)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
}

type quiet struct{}

func (quiet) CheckRevocation(context.Context, *x509.Certificate, *x509.Certificate) error { return nil }

func BenchmarkVerify(b *testing.B) {
	v := newVerifier(b, rootsOf(generation()[0], generation()[1]))
	cert := issue(b, jpki.Auth, nil)
	for b.Loop() {
		if _, err := v.Verify(context.Background(), cert, jpki.Auth); err != nil {
			b.Fatal(err)
		}
	}
}
