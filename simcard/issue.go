package simcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"sync"
	"time"

	"github.com/mynakit/mynakit/simcard/internal/testkeys"
)

// keyBits is the size of every RSA key of JPKI.
const keyBits = 2048

// An Authority is who stands behind a card: two certification authorities
// (認証局), one for user authentication and one for digital signature, and the
// keys that sign the card's face, [Authority.CardFace]. Each of the two signs its
// own certificate. All authorities of this package bear the same two
// names, as the generations of the real ones do: only key and key identifier
// tell one from another.
type Authority struct {
	auth, sign *Issuer
	face       *FaceAuthority
}

// TestAuthority returns the authority that issues for cards when nothing else is
// said. Its keys are public and its certificates are the same in every
// process, from 2015 to the end of 2049. (A real one lives for ten years. This
// one is not to end in the middle of somebody's test.)
func TestAuthority() *Authority { return testAuthority() }

var testAuthority = sync.OnceValue(func() *Authority {
	from := time.Date(2015, time.January, 1, 0, 0, 0, 0, jst)
	to := time.Date(2049, time.December, 31, 23, 59, 59, 0, jst)
	return newAuthority(from, to, testkeys.AuthCA, testkeys.SignCA, newTestFace())
})

// NewAuthority creates an authority with new keys and ten years of life from
// issued: the next generation, or somebody else's. Its keys are generated when
// they are first needed, some 100 ms each.
func NewAuthority(issued time.Time) *Authority {
	end := issued.In(jst).AddDate(10, 0, -1)
	to := time.Date(end.Year(), end.Month(), end.Day(), 23, 59, 59, 0, jst)
	return newAuthority(issued, to, freshKey(), freshKey(), newFreshFace())
}

func newAuthority(from, to time.Time, auth, sign func() *rsa.PrivateKey, face *FaceAuthority) *Authority {
	return &Authority{
		face: face,
		auth: newIssuer(authUnit, "試験用利用者証明用", from, to, auth),
		sign: newIssuer(signUnit, "試験用署名用", from, to, sign),
	}
}

// Auth returns the CA for user authentication (利用者証明用認証局).
func (a *Authority) Auth() *Issuer { return a.auth }

// Sign returns the CA for digital signature (署名用認証局).
func (a *Authority) Sign() *Issuer { return a.sign }

// Roots returns a new pool with the certificates of both.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, i := range [...]*Issuer{a.auth, a.sign} {
		if c := i.Certificate(); c != nil {
			pool.AddCert(c)
		}
	}
	return pool
}

// An Issuer is one CA: a key and a certificate.
type Issuer struct {
	key  func() *rsa.PrivateKey
	root func() *x509.Certificate
}

func newIssuer(unit, japanese string, from, to time.Time, key func() *rsa.PrivateKey) *Issuer {
	return &Issuer{key: key, root: sync.OnceValue(func() *x509.Certificate {
		k := key()
		template := caTemplate(unit, japanese, x509.MarshalPKCS1PublicKey(&k.PublicKey), from, to)
		// The template has nothing in it that could fail but a time outside of
		// what a certificate can say; such a CA has no certificate.
		der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
		if err != nil {
			return &x509.Certificate{}
		}
		return parse(der)
	})}
}

// Certificate returns the CA's own certificate. It is nil for an authority whose
// moment of issue lies outside the years 0 to 9999.
func (i *Issuer) Certificate() *x509.Certificate { return parse(i.root().Raw) }

// Signer returns the CA's private key, for a test that signs a CRL or an OCSP
// response.
func (i *Issuer) Signer() crypto.Signer { return i.key() }

// Issue signs a certificate for the key public, an RSA or ECDSA public key.
// See [x509.CreateCertificate] for what it takes from template; the issuer's
// name and key identifier are those of the CA. It fails where that function
// does, and with [ErrNoCertificate].
func (i *Issuer) Issue(template *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	if i.root().Raw == nil {
		return nil, ErrNoCertificate
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.root(), public, i.key())
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// parse reads a certificate that this package made; nil is none.
func parse(der []byte) *x509.Certificate {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return c
}

// freshKey returns a function that generates a key at its first call.
func freshKey() func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			panic("internal error: simcard: " + err.Error()) // the size is allowed and crypto/rand does not fail
		}
		return key
	})
}

// A credential is a key on the card with its certificate, both made when they
// are first needed.
type credential struct {
	seed        [32]byte // of all that looks random in it
	key         func() crypto.Signer
	certificate func() []byte // DER; nil if it could not be issued
}

func newCredential(seed [32]byte, key func() crypto.Signer, issuer func() *Issuer, template func() *x509.Certificate, edit func(*x509.Certificate)) *credential {
	return &credential{seed: seed, key: key, certificate: sync.OnceValue(func() []byte {
		t := template()
		t.SubjectKeyId = keyIdentifier(key().Public())
		if edit != nil {
			edit(t)
		}
		c, err := issuer().Issue(t, key().Public())
		if err != nil {
			return nil
		}
		return c.Raw
	})}
}

// keyIdentifier is the SHA-1 of the bits of a public key, RFC 5280 section
// 4.2.1.2 method 1; it identifies and protects nothing.
func keyIdentifier(public crypto.PublicKey) []byte {
	var bits []byte
	switch k := public.(type) {
	case *rsa.PublicKey:
		bits = x509.MarshalPKCS1PublicKey(k)
	case *ecdsa.PublicKey:
		bits, _ = k.Bytes() // the curves of this package are supported
	}
	id := sha1.Sum(bits)
	return id[:]
}
