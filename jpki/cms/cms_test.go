package cms_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/cms"
	"github.com/mynakit/mynakit/simcard"
)

var (
	now      = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	issuedAt = time.Date(2025, time.October, 27, 3, 0, 0, 0, time.UTC)
	content  = []byte("to whom it may concern")

	older = sync.OnceValue(func() *simcard.Authority { return simcard.NewAuthority(now.AddDate(-6, 0, 0)) })
	newer = sync.OnceValue(func() *simcard.Authority { return simcard.NewAuthority(now.AddDate(-3, 0, 0)) })
	key   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	key2  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// issue makes a certificate for digital signature.
func issue(t testing.TB, a *simcard.Authority, public crypto.PublicKey, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := simcard.SampleHolder(3).SignTemplate(issuedAt)
	if edit != nil {
		edit(template)
	}
	cert, err := a.Sign().Issue(template, public)
	require.NoError(t, err)
	return cert
}

func verifier(t testing.TB, options ...jpki.VerifierOption) *jpki.Verifier {
	t.Helper()
	v, err := jpki.NewVerifier([]*x509.Certificate{older().Sign().Certificate(), newer().Sign().Certificate(), newer().Auth().Certificate()},
		append([]jpki.VerifierOption{jpki.WithClock(func() time.Time { return now })}, options...)...)
	require.NoError(t, err)
	return v
}

// cardKey gives the key of a software card whose PIN is verified.
func cardKey(t testing.TB, slot jpki.Slot, opts ...simcard.Option) *jpki.Key {
	t.Helper()
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(opts...))
	require.NoError(t, err)
	secret := simcard.DefaultAuthPIN
	if slot == jpki.Sign {
		secret = simcard.DefaultSignPIN
	}
	pin, err := jpki.NewPIN(slot.PIN(), secret)
	require.NoError(t, err)
	require.NoError(t, card.Verify(ctx, pin))
	k, err := card.Signer(ctx, slot)
	require.NoError(t, err)
	return k
}

// requireSilent checks that nothing of the certificate stands in text.
func requireSilent(t testing.TB, text string, cert *x509.Certificate) {
	t.Helper()
	h := simcard.SampleHolder(3)
	for _, secret := range []string{
		h.Name, h.Address, h.Birth.Format("20060102"), cert.Subject.CommonName, cert.NotAfter.Format("2006-01-02"),
		cert.SerialNumber.String(), fmt.Sprintf("%x", cert.SerialNumber), string(content),
	} {
		require.NotContains(t, strings.ToLower(text), strings.ToLower(secret))
	}
}

func TestSignAndVerify(t *testing.T) {
	ctx := context.Background()
	for _, slot := range []jpki.Slot{jpki.Auth, jpki.Sign} {
		k := cardKey(t, slot, simcard.WithAuthority(newer()))
		v, err := jpki.NewVerifier([]*x509.Certificate{newer().Sign().Certificate(), newer().Auth().Certificate()})
		require.NoError(t, err)
		before := time.Now().Truncate(time.Second)

		whole, err := cms.Sign(ctx, k, content)
		require.NoError(t, err)
		m, err := cms.Verify(ctx, v, slot, whole)
		require.NoError(t, err)
		assert.Equal(t, content, m.Content())
		assert.Equal(t, k.Certificate().Raw, m.Signer.Certificate().Raw)
		assert.Equal(t, slot, m.Signer.Slot)
		assert.WithinRange(t, m.SigningTime, before, time.Now())
		_, err = cms.VerifyDetached(ctx, v, slot, whole, content)
		require.ErrorIs(t, err, cms.ErrContent)

		beside, err := cms.SignDetached(ctx, k, content)
		require.NoError(t, err)
		require.NotContains(t, string(beside), string(content))
		m, err = cms.VerifyDetached(ctx, v, slot, beside, content)
		require.NoError(t, err)
		assert.Nil(t, m.Content())
		assert.Equal(t, k.Certificate().Raw, m.Signer.Certificate().Raw)
		_, err = cms.VerifyDetached(ctx, v, slot, beside, append([]byte("not "), content...))
		require.ErrorIs(t, err, cms.ErrSignature)
		_, err = cms.Verify(ctx, v, slot, beside)
		require.ErrorIs(t, err, cms.ErrContent)

		// The same key is not good for the other use.
		_, err = cms.Verify(ctx, v, jpki.Auth+jpki.Sign-slot, whole)
		require.Error(t, err)

		for _, content := range [][]byte{nil, {}, bytes.Repeat([]byte("long "), 1<<18), make([]byte, 17<<20)} {
			whole, err := cms.Sign(ctx, k, content)
			require.NoError(t, err)
			m, err := cms.Verify(ctx, v, slot, whole)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(content, m.Content()))
		}
	}
}

func TestSignErrors(t *testing.T) {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New())
	require.NoError(t, err)
	k, err := card.Signer(ctx, jpki.Auth)
	require.NoError(t, err)
	_, err = cms.Sign(ctx, k, content)
	var required *jpki.PINRequiredError
	require.ErrorAs(t, err, &required)
	assert.Equal(t, jpki.AuthPIN, required.PIN)

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = cms.SignDetached(cancelled, cardKey(t, jpki.Auth), content)
	require.ErrorIs(t, err, context.Canceled)

	_, err = cms.Sign(ctx, nil, content)
	require.Error(t, err)
}

// A forgery is a message as a test wants it. The zero value of a field is what
// is right.
type forgery struct {
	cert                       *x509.Certificate // whom issuer and number name
	certs                      []*x509.Certificate
	key                        crypto.Signer
	version                    int
	sid                        []byte // instead of issuer and number
	digest, signature          []byte // AlgorithmIdentifier
	hash                       crypto.Hash
	contentType                asn1.ObjectIdentifier
	content                    []byte
	noAttributes               bool
	attributes                 func(map[string][][]byte, *[][]byte) // by name, and in their order
	signers                    int
	behind, behindSigner, crls []byte
	detached                   bool
}

func obj(tag tlv.Tag, parts ...[]byte) []byte { return tlv.Append(nil, tag, bytes.Join(parts, nil)) }

func oid(id ...int) []byte { return must(asn1.Marshal(asn1.ObjectIdentifier(id))) }

func algorithm(id ...int) []byte { return obj(0x30, oid(id...), asn1.NullBytes) }

var (
	sha256Alg  = algorithm(2, 16, 840, 1, 101, 3, 4, 2, 1)
	sha512Alg  = algorithm(2, 16, 840, 1, 101, 3, 4, 2, 3)
	sha1Alg    = algorithm(1, 3, 14, 3, 2, 26)
	rsaAlg     = algorithm(1, 2, 840, 113549, 1, 1, 1)
	rsa256Alg  = algorithm(1, 2, 840, 113549, 1, 1, 11)
	rsa384Alg  = algorithm(1, 2, 840, 113549, 1, 1, 12)
	pssAlg     = obj(0x30, oid(1, 2, 840, 113549, 1, 1, 10), obj(0x30))
	contentOID = oid(1, 2, 840, 113549, 1, 9, 3)
	digestOID  = oid(1, 2, 840, 113549, 1, 9, 4)
	timeOID    = oid(1, 2, 840, 113549, 1, 9, 5)
	certV2OID  = oid(1, 2, 840, 113549, 1, 9, 16, 2, 47)
)

func utcTime(t time.Time) []byte { return must(asn1.Marshal(t.UTC())) }

func (f forgery) der() []byte {
	if f.hash == 0 {
		f.hash = crypto.SHA256
	}
	if f.digest == nil {
		f.digest = sha256Alg
	}
	if f.signature == nil {
		f.signature = rsa256Alg
	}
	if f.contentType == nil {
		f.contentType = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	}
	if f.version == 0 {
		f.version = 1
	}
	if f.sid == nil {
		f.sid = obj(0x30, f.cert.RawIssuer, must(asn1.Marshal(f.cert.SerialNumber)))
	}
	if f.certs == nil {
		f.certs = []*x509.Certificate{f.cert}
	}
	if f.content == nil {
		f.content = content
	}
	sum := func(b []byte) []byte { h := f.hash.New(); h.Write(b); return h.Sum(nil) }
	values := map[string][][]byte{
		string(contentOID): {oid(f.contentType...)},
		string(digestOID):  {obj(0x04, sum(f.content))},
		string(timeOID):    {utcTime(now.Add(-time.Minute))},
	}
	order := [][]byte{contentOID, digestOID, timeOID}
	if f.attributes != nil {
		f.attributes(values, &order)
	}
	var list [][]byte
	for _, id := range order {
		list = append(list, obj(0x30, id, obj(0x31, values[string(id)]...)))
	}
	// SET OF: in the order of the encodings.
	for i := range list {
		for j := range list[:i] {
			if bytes.Compare(list[i], list[j]) < 0 {
				list[i], list[j] = list[j], list[i]
			}
		}
	}
	attributes := bytes.Join(list, nil)
	signed := obj(0x31, attributes)
	tagged := obj(0xA0, attributes)
	if f.noAttributes {
		signed, tagged = f.content, nil
	}
	signature := must(f.key.Sign(rand.Reader, sum(signed), f.hash))
	signer := obj(0x30, must(asn1.Marshal(f.version)), f.sid, f.digest, tagged, f.signature, obj(0x04, signature), f.behindSigner)
	signers := signer
	for range max(f.signers, 1) - 1 {
		signers = append(signers, signer...)
	}
	if f.signers < 0 {
		signers = nil
	}
	var certs []byte
	for _, c := range f.certs {
		certs = append(certs, c.Raw...)
	}
	var inside []byte
	if !f.detached {
		inside = obj(0xA0, obj(0x04, f.content))
	}
	data := obj(0x30, []byte{2, 1, 1}, obj(0x31, f.digest), obj(0x30, oid(f.contentType...), inside), obj(0xA0, certs), f.crls, obj(0x31, signers))
	return append(obj(0x30, oid(1, 2, 840, 113549, 1, 7, 2), obj(0xA0, data)), f.behind...)
}

// Every fault alone.
func TestVerifyRefuses(t *testing.T) {
	cert := issue(t, newer(), key().Public(), nil)
	stranger := issue(t, newer(), key2().Public(), func(c *x509.Certificate) { c.SerialNumber = big.NewInt(99) })
	forger := issue(t, older(), key2().Public(), nil)
	require.Equal(t, cert.RawIssuer, forger.RawIssuer)
	require.Equal(t, cert.SerialNumber, forger.SerialNumber, "one name, one number, two generations")
	self := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, simcard.SampleHolder(3).SignTemplate(issuedAt),
		&x509.Certificate{RawSubject: newer().Sign().Certificate().RawSubject, SubjectKeyId: newer().Sign().Certificate().SubjectKeyId}, key2().Public(), key2()))))
	set := func(id []byte, v ...[]byte) func(map[string][][]byte, *[][]byte) {
		return func(values map[string][][]byte, order *[][]byte) {
			if _, ok := values[string(id)]; !ok {
				*order = append(*order, id)
			}
			values[string(id)] = v
		}
	}
	drop := func(id []byte) func(map[string][][]byte, *[][]byte) {
		return func(_ map[string][][]byte, order *[][]byte) {
			var kept [][]byte
			for _, o := range *order {
				if !bytes.Equal(o, id) {
					kept = append(kept, o)
				}
			}
			*order = kept
		}
	}
	certHash := func(c *x509.Certificate) []byte {
		h := sha256.Sum256(c.Raw)
		return obj(0x30, obj(0x30, obj(0x30, obj(0x04, h[:]))))
	}
	digest := sha256.Sum256(content)
	other := sha256.Sum256([]byte("something else"))
	for _, tt := range []struct {
		name string
		f    forgery
		want error
	}{
		{"right", forgery{cert: cert, key: key()}, nil},
		{"rsaEncryption", forgery{cert: cert, key: key(), signature: rsaAlg}, nil},
		{"SHA-512", forgery{cert: cert, key: key(), hash: crypto.SHA512, digest: algorithm(2, 16, 840, 1, 101, 3, 4, 2, 3), signature: algorithm(1, 2, 840, 113549, 1, 1, 13)}, nil},
		{"no parameters", forgery{cert: cert, key: key(), digest: obj(0x30, oid(2, 16, 840, 1, 101, 3, 4, 2, 1))}, nil},
		{"no signing time", forgery{cert: cert, key: key(), attributes: drop(timeOID)}, nil},
		{"signing time as GeneralizedTime", forgery{cert: cert, key: key(), attributes: set(timeOID, obj(0x18, []byte(now.Format("20060102150405Z"))))}, nil},
		{"unknown attribute", forgery{cert: cert, key: key(), attributes: set(oid(1, 2, 3), []byte{5, 0}, []byte{5, 0})}, nil},
		{"unsigned attributes", forgery{cert: cert, key: key(), behindSigner: obj(0xA1, obj(0x30, oid(1, 2, 3), obj(0x31)))}, nil},
		{"lists", forgery{cert: cert, key: key(), crls: obj(0xA1, obj(0x30))}, nil},
		{"other certificates", forgery{cert: cert, key: key(), certs: []*x509.Certificate{stranger, cert, newer().Sign().Certificate()}}, nil},
		{"names its certificate", forgery{cert: cert, key: key(), attributes: set(certV2OID, certHash(cert))}, nil},
		{"namesake before the signer", forgery{cert: cert, key: key(), certs: []*x509.Certificate{forger, cert}}, nil},
		{"namesake behind the signer", forgery{cert: cert, key: key(), certs: []*x509.Certificate{cert, forger}}, nil},

		{"names its certificate by SHA-512", forgery{cert: cert, key: key(), attributes: set(certV2OID, certHash512(sha512Alg, cert))}, nil},
		{"names another certificate by SHA-512", forgery{cert: cert, key: key(), attributes: set(certV2OID, certHash512(sha512Alg, stranger))}, cms.ErrSigner},
		{"names its certificate by SHA-1", forgery{cert: cert, key: key(), attributes: set(certV2OID, certHash512(sha1Alg, cert))}, cms.ErrMessage},
		{"too many attributes", forgery{cert: cert, key: key(), attributes: func(v map[string][][]byte, o *[][]byte) {
			for i := range 30 {
				*o = append(*o, oid(1, 2, 3, i))
			}
		}}, cms.ErrNotAccepted},

		// jpki/myna, GHSA-58hw-cg5m-88rp and GHSA-g258-q5gf-7hvx: the signer in
		// the message is not who signed.
		{"GHSA-58hw-cg5m-88rp: signer mismatch, namesake's key", forgery{cert: cert, key: key2()}, cms.ErrSignature},
		{"GHSA-g258-q5gf-7hvx: several signers, only one looked at", forgery{cert: cert, key: key(), signers: 2}, cms.ErrNotAccepted},
		{"GHSA-58hw-cg5m-88rp: signed by a stranger, names the holder", forgery{cert: cert, key: key2(), certs: []*x509.Certificate{cert, stranger}}, cms.ErrSignature},
		{"GHSA-58hw-cg5m-88rp: self-made certificate under the names of the real one", forgery{cert: self, key: key2()}, jpki.ErrIssuerSignature},
		{"signed by a namesake, names its certificate", forgery{cert: cert, key: key2(), certs: []*x509.Certificate{cert, forger}, attributes: set(certV2OID, certHash(cert))}, cms.ErrSignature},
		{"names another certificate", forgery{cert: cert, key: key(), attributes: set(certV2OID, certHash(stranger))}, cms.ErrSigner},
		{"names a certificate in a way that is no way", forgery{cert: cert, key: key(), attributes: set(certV2OID, []byte{5, 0})}, cms.ErrMessage},

		{"no signer", forgery{cert: cert, key: key(), signers: -1}, cms.ErrNotAccepted},
		{"no certificate", forgery{cert: cert, key: key(), certs: []*x509.Certificate{}}, cms.ErrSigner},
		{"only a stranger's certificate", forgery{cert: cert, key: key(), certs: []*x509.Certificate{stranger}}, cms.ErrSigner},
		{"too many certificates", forgery{cert: cert, key: key(), certs: make17(cert)}, cms.ErrNotAccepted},
		{"signer by key identifier", forgery{cert: cert, key: key(), version: 3, sid: obj(0x80, cert.SubjectKeyId)}, cms.ErrNotAccepted},
		{"version 3 and issuer and number", forgery{cert: cert, key: key(), version: 3}, cms.ErrNotAccepted},
		{"SHA-1", forgery{cert: cert, key: key(), hash: crypto.SHA1, digest: sha1Alg, signature: algorithm(1, 2, 840, 113549, 1, 1, 5)}, cms.ErrNotAccepted},
		{"SHA-1 under rsaEncryption", forgery{cert: cert, key: key(), hash: crypto.SHA1, digest: sha1Alg, signature: rsaAlg}, cms.ErrNotAccepted},
		{"two hashes", forgery{cert: cert, key: key(), signature: rsa384Alg}, cms.ErrNotAccepted},
		{"PSS", forgery{cert: cert, key: key(), signature: pssAlg}, cms.ErrNotAccepted},
		{"parameters of an algorithm that has none", forgery{cert: cert, key: key(), digest: obj(0x30, oid(2, 16, 840, 1, 101, 3, 4, 2, 1), []byte{2, 1, 1})}, cms.ErrNotAccepted},
		{"ECDSA with an RSA key", forgery{cert: cert, key: key(), signature: obj(0x30, oid(1, 2, 840, 10045, 4, 3, 2))}, cms.ErrSignature},
		{"no signed attributes", forgery{cert: cert, key: key(), noAttributes: true}, cms.ErrNotAccepted},
		{"no content type", forgery{cert: cert, key: key(), attributes: drop(contentOID)}, cms.ErrNotAccepted},
		{"no digest", forgery{cert: cert, key: key(), attributes: drop(digestOID)}, cms.ErrNotAccepted},
		{"another digest", forgery{cert: cert, key: key(), attributes: set(digestOID, obj(0x04, other[:]))}, cms.ErrSignature},
		{"two digests", forgery{cert: cert, key: key(), attributes: set(digestOID, obj(0x04, digest[:]), obj(0x04, other[:]))}, cms.ErrMessage},
		{"digest attribute twice", forgery{cert: cert, key: key(), attributes: func(_ map[string][][]byte, o *[][]byte) { *o = append(*o, digestOID) }}, cms.ErrNotAccepted},
		{"digest of another length", forgery{cert: cert, key: key(), attributes: set(digestOID, obj(0x04, digest[:31]))}, cms.ErrMessage},
		{"content type of something else in the attributes", forgery{cert: cert, key: key(), attributes: set(contentOID, oid(1, 2, 3))}, cms.ErrNotAccepted},
		{"content is no data", forgery{cert: cert, key: key(), contentType: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}}, cms.ErrNotAccepted},
		{"signing time in the future", forgery{cert: cert, key: key(), attributes: set(timeOID, utcTime(now.Add(6*time.Minute)))}, cms.ErrSigningTime},
		{"signing time before the certificate", forgery{cert: cert, key: key(), attributes: set(timeOID, utcTime(issuedAt.Add(-time.Second)))}, cms.ErrSigningTime},
		{"signing time is no time", forgery{cert: cert, key: key(), attributes: set(timeOID, []byte{5, 0})}, cms.ErrMessage},
		{"more behind the message", forgery{cert: cert, key: key(), behind: []byte{5, 0}}, cms.ErrMessage},
		{"more behind the signer", forgery{cert: cert, key: key(), behindSigner: []byte{5, 0}}, cms.ErrMessage},

		{"GHSA-58hw-cg5m-88rp: expired signer", forgery{cert: issue(t, newer(), key().Public(), func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }), key: key()}, jpki.ErrExpired},
		{"GHSA-58hw-cg5m-88rp: wrong key usage", forgery{cert: issue(t, newer(), key().Public(), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), key: key()}, jpki.ErrKeyUsage},
		{"GHSA-58hw-cg5m-88rp: a CA signs documents", forgery{cert: issue(t, newer(), key().Public(), func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), key: key()}, jpki.ErrCA},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := cms.Verify(context.Background(), verifier(t), jpki.Sign, tt.f.der())
			if tt.want == nil {
				require.NoError(t, err)
				assert.Equal(t, content, m.Content())
				assert.Equal(t, cert.Raw, m.Signer.Certificate().Raw)
				return
			}
			require.ErrorIs(t, err, tt.want)
			require.Nil(t, m)
			requireSilent(t, err.Error(), tt.f.cert)
			for _, e := range []error{cms.ErrMessage, cms.ErrNotAccepted, cms.ErrContent, cms.ErrSigner, cms.ErrSignature, cms.ErrSigningTime} {
				require.Equal(t, e == tt.want, errors.Is(err, e), "%v", e)
			}
		})
	}
}

// certHash512 names a certificate by its SHA-512, and says so by algorithm.
func certHash512(algorithm []byte, c *x509.Certificate) []byte {
	h := sha512.Sum512(c.Raw)
	return obj(0x30, obj(0x30, obj(0x30, algorithm, obj(0x04, h[:]))))
}

func make17(cert *x509.Certificate) (list []*x509.Certificate) {
	for range 17 {
		list = append(list, cert)
	}
	return list
}

// What the library would take by itself. Where it learns better, this test says
// so, and the guard can go.
func TestPkcs7Alone(t *testing.T) {
	cert := issue(t, newer(), key().Public(), nil)
	for name, f := range map[string]forgery{
		"SHA-1":                {cert: cert, key: key(), hash: crypto.SHA1, digest: sha1Alg, signature: rsaAlg},
		"no signed attributes": {cert: cert, key: key(), noAttributes: true},
		"trailing data":        {cert: cert, key: key(), behind: []byte{5, 0}},
		"another content type": {cert: cert, key: key(), attributes: func(v map[string][][]byte, _ *[][]byte) { v[string(contentOID)] = [][]byte{oid(1, 2, 3)} }},
		"two hashes":           {cert: cert, key: key(), signature: rsa384Alg},
	} {
		t.Run(name, func(t *testing.T) {
			p7, err := pkcs7.Parse(f.der())
			require.NoError(t, err)
			require.NoError(t, p7.Verify(), "the library refuses this now")
		})
	}
}

func TestVerifyECDSA(t *testing.T) {
	k := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	cert := issue(t, newer(), k.Public(), nil)
	f := forgery{cert: cert, key: k, hash: crypto.SHA384, digest: algorithm(2, 16, 840, 1, 101, 3, 4, 2, 2), signature: obj(0x30, oid(1, 2, 840, 10045, 4, 3, 3))}
	m, err := cms.Verify(context.Background(), verifier(t), jpki.Sign, f.der())
	require.NoError(t, err)
	assert.Equal(t, cert.Raw, m.Signer.Certificate().Raw)
}

// The moment for which the certificate is verified is the caller's choice.
func TestVerifyTimes(t *testing.T) {
	end := now.Add(-24 * time.Hour)
	cert := issue(t, newer(), key().Public(), func(c *x509.Certificate) { c.NotAfter = end })
	signedAt := func(at time.Time) []byte {
		return forgery{cert: cert, key: key(), attributes: func(v map[string][][]byte, o *[][]byte) {
			if at.IsZero() {
				*o = (*o)[:2]
			}
			v[string(timeOID)] = [][]byte{utcTime(at)}
		}}.der()
	}
	before := end.Add(-time.Hour)
	for _, tt := range []struct {
		name    string
		message []byte
		opts    []cms.Option
		want    error
	}{
		{"now", signedAt(before), nil, jpki.ErrExpired},
		{"at the claimed time", signedAt(before), []cms.Option{cms.AtSigningTime()}, nil},
		{"at the claimed time, none claimed", signedAt(time.Time{}), []cms.Option{cms.AtSigningTime()}, cms.ErrSigningTime},
		{"when it arrived", signedAt(before), []cms.Option{cms.At(before.Add(time.Minute))}, nil},
		{"when it arrived, none claimed", signedAt(time.Time{}), []cms.Option{cms.At(before)}, nil},
		{"arrived before it was signed", signedAt(before), []cms.Option{cms.At(before.Add(-time.Hour))}, cms.ErrSigningTime},
		{"arrived too late", signedAt(before), []cms.Option{cms.At(end.Add(time.Second))}, jpki.ErrExpired},
		{"claimed after the end", signedAt(end.Add(time.Second)), []cms.Option{cms.AtSigningTime()}, cms.ErrSigningTime},
		{"the last option counts", signedAt(before), []cms.Option{cms.At(end.Add(time.Second)), cms.AtSigningTime()}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := cms.Verify(context.Background(), verifier(t), jpki.Sign, tt.message, tt.opts...)
			require.ErrorIs(t, err, tt.want)
			if err != nil {
				requireSilent(t, err.Error(), cert)
			}
		})
	}
}

type revoked struct{}

func (revoked) CheckRevocation(context.Context, *x509.Certificate, *x509.Certificate) error {
	return &jpki.RevokedError{At: now, Reason: jpki.ReasonSuperseded}
}

func TestVerifyRevoked(t *testing.T) {
	f := forgery{cert: issue(t, newer(), key().Public(), nil), key: key()}
	_, err := cms.Verify(context.Background(), verifier(t, jpki.WithRevocation(revoked{})), jpki.Sign, f.der())
	var e *jpki.RevokedError
	require.ErrorAs(t, err, &e)
}

// Each bit of a message counts, or stands where nothing is read.
func TestVerifyGarbled(t *testing.T) {
	f := forgery{cert: issue(t, newer(), key().Public(), nil), key: key()}
	good := f.der()
	v := verifier(t)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x01
		m, err := cms.Verify(context.Background(), v, jpki.Sign, bad)
		if err == nil {
			// The digest algorithms are listed once more at the beginning, and
			// the version of SignedData says nothing.
			require.Less(t, i, 50, "byte %d", i)
			require.Equal(t, content, m.Content())
		}
		_, err = cms.Verify(context.Background(), v, jpki.Sign, good[:i:i])
		require.ErrorIs(t, err, cms.ErrMessage)
	}
}

// BER, as streaming programs write it, comes to the same.
func TestVerifyBER(t *testing.T) {
	f := forgery{cert: issue(t, newer(), key().Public(), nil), key: key()}
	der := f.der()
	want := obj(0xA0, obj(0x04, content))
	streamed := []byte{0xA0, 0x80, 0x24, 0x80}
	for _, b := range content {
		streamed = append(streamed, 0x04, 0x81, 0x01, b) // parts of one byte, lengths longer than need be
	}
	streamed = append(streamed, 0, 0, 0, 0)
	_, info, _, err := tlv.Next(der)
	require.NoError(t, err)
	typ := oid(1, 2, 840, 113549, 1, 7, 2)
	_, data, _, err := tlv.Next(info[len(typ):])
	require.NoError(t, err)
	_, data, _, err = tlv.Next(data)
	require.NoError(t, err)
	inner := obj(0x30, oid(1, 2, 840, 113549, 1, 7, 1), want)
	require.Contains(t, string(data), string(inner))
	ber := bytes.Join([][]byte{{0x30, 0x80}, oid(1, 2, 840, 113549, 1, 7, 1), streamed, {0, 0}}, nil)
	data = bytes.Replace(data, inner, ber, 1)
	message := bytes.Join([][]byte{{0x30, 0x80}, typ, {0xA0, 0x80, 0x30, 0x80}, data, {0, 0, 0, 0, 0, 0}}, nil)
	m, err := cms.Verify(context.Background(), verifier(t), jpki.Sign, message)
	require.NoError(t, err)
	assert.Equal(t, content, m.Content())
}

// A hostile message costs what it weighs.
func TestVerifyHostile(t *testing.T) {
	v := verifier(t)
	deep := bytes.Repeat([]byte{0x30, 0x80}, 1<<20)
	long := obj(0x30, oid(1, 2, 840, 113549, 1, 7, 2), obj(0xA0, obj(0x30, []byte{2, 1, 1}, obj(0x31), bytes.Repeat([]byte{5, 0}, 1<<20))))
	for name, message := range map[string][]byte{
		"nothing": nil, "one byte": {0x30}, "nested two million deep": deep, "two million elements": long,
		"indefinite and primitive": {0x04, 0x80, 0, 0}, "long tag": {0x3F, 0x81, 0x01, 0x00}, "length of four gigabytes": {0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF},
		"length of lengths": {0x30, 0xFF, 1}, "end of contents": {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := cms.Verify(context.Background(), v, jpki.Sign, message)
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, cms.ErrMessage)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16*len(message)+1<<20))
		})
	}
}

func TestMessageIsSilent(t *testing.T) {
	f := forgery{cert: issue(t, newer(), key().Public(), nil), key: key()}
	m, err := cms.Verify(context.Background(), verifier(t), jpki.Sign, f.der())
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("verified", "message", m)
	j, err := json.Marshal(m)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %x", m, m, m, *m, *m), log.String(), string(j)} {
		assert.Contains(t, text, "[redacted]")
		requireSilent(t, text, f.cert)
	}
}

// Nobody makes a message without a key.
func FuzzVerify(f *testing.F) {
	// The keys of the software card are ready-made; each worker begins anew.
	authority := simcard.TestAuthority()
	signer := authority.Auth().Signer()
	cert := issue(f, authority, authority.Sign().Signer().Public(), nil)
	for _, seed := range []forgery{
		{cert: cert, key: signer}, {cert: cert, key: signer, certs: []*x509.Certificate{cert, cert}},
		{cert: cert, key: signer, behindSigner: obj(0xA1)}, {cert: cert, key: signer, detached: true},
	} {
		f.Add(seed.der())
	}
	f.Add([]byte{0x30, 0x80, 0, 0})
	v, err := jpki.NewVerifier([]*x509.Certificate{authority.Sign().Certificate()}, jpki.WithClock(func() time.Time { return now }))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, message []byte) {
		message = message[:len(message):len(message)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := cms.Verify(context.Background(), v, jpki.Sign, message)
		_, err2 := cms.VerifyDetached(context.Background(), v, jpki.Sign, message, content)
		runtime.ReadMemStats(&after)
		if err == nil || err2 == nil {
			t.Fatal("a forged message")
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(256*len(message)+1<<20) {
			t.Fatalf("%d bytes for %d", used, len(message))
		}
	})
}
