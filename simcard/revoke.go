package simcard

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"
)

// A Revocation is one certificate that was revoked (失効): what an authority
// puts on its list. An authority of this package keeps no list of its own, so
// that tests do not meet in it; whoever asks it for one says what stands there.
type Revocation struct {
	Certificate *x509.Certificate
	At          time.Time
	Reason      int // RFC 5280 section 5.3.1; 0 is unspecified
}

// Revocations returns the card's certificates as revoked if [WithRevoked] has
// said so, and otherwise nothing.
func (c *Card) Revocations() []Revocation {
	if c.revoked.IsZero() {
		return nil
	}
	return c.RevocationsAt(c.revoked)
}

// RevocationsAt returns the card's certificates as revoked at the time at,
// whatever [WithRevoked] has said.
func (c *Card) RevocationsAt(at time.Time) []Revocation {
	var list []Revocation
	for _, certificate := range []*x509.Certificate{c.AuthCertificate(), c.SignCertificate()} {
		if certificate != nil {
			list = append(list, Revocation{Certificate: certificate, At: at})
		}
	}
	return list
}

// statusLife is how long a list or an answer counts, from its moment on.
const statusLife = 24 * time.Hour

// ErrNoCertificate means that a CA of this package has no certificate, because
// its authority's moment of issue lies outside the years 0 to 9999. Such a CA
// signs nothing.
var ErrNoCertificate = errors.New("simcard: the issuer has no certificate: moment of issue outside the years 0 to 9999")

// ErrRequest means that bytes are not an OCSP request.
var ErrRequest = errors.New("simcard: not an OCSP request")

// CRL returns the list of revoked certificates (失効情報リスト, CRL) as of a moment,
// in DER, good for a day. Of revoked it holds what this CA has issued; others
// are left out, so that one slice serves both CAs. The number of the list is
// the moment in seconds. It fails with [ErrNoCertificate], and where
// [x509.CreateRevocationList] does.
func (i *Issuer) CRL(at time.Time, revoked ...Revocation) ([]byte, error) {
	if i.root().Raw == nil {
		return nil, ErrNoCertificate
	}
	list := x509.RevocationList{
		Number:     big.NewInt(max(at.Unix(), 0)),
		ThisUpdate: at.UTC(),
		NextUpdate: at.Add(statusLife).UTC(),
	}
	for _, r := range revoked {
		if i.issued(r.Certificate) {
			list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
				SerialNumber: r.Certificate.SerialNumber, RevocationTime: r.At.UTC(), ReasonCode: r.Reason,
			})
		}
	}
	return x509.CreateRevocationList(rand.Reader, &list, i.root(), i.key())
}

// OCSP answers an OCSP request, both in DER, as of a moment and for a day: the
// certificate asked for is revoked if it is in revoked, and good if not. The CA
// signs the answer itself, with the nonce of the request in it if there is one
// (RFC 8954). A request about another CA's certificate is answered with
// "unauthorized", and one with a nonce of no bytes or of more than 32 with
// "malformed request", which are not signed. It fails with [ErrRequest] and
// [ErrNoCertificate].
func (i *Issuer) OCSP(request []byte, at time.Time, revoked ...Revocation) ([]byte, error) {
	if i.root().Raw == nil {
		return nil, ErrNoCertificate
	}
	asked, err := ocsp.ParseRequest(request)
	if err != nil {
		return nil, ErrRequest
	}
	nonce, ok := nonceOf(request)
	switch {
	case !i.isMeant(asked):
		return bytes.Clone(ocsp.UnauthorizedErrorResponse), nil
	case !ok:
		return bytes.Clone(ocsp.MalformedRequestErrorResponse), nil
	}
	answer := ocsp.Response{
		Status:       ocsp.Good,
		SerialNumber: asked.SerialNumber,
		ThisUpdate:   at.UTC(),
		NextUpdate:   at.Add(statusLife).UTC(),
		IssuerHash:   asked.HashAlgorithm,
	}
	for _, r := range revoked {
		if i.issued(r.Certificate) && r.Certificate.SerialNumber.Cmp(asked.SerialNumber) == 0 {
			answer.Status, answer.RevokedAt, answer.RevocationReason = ocsp.Revoked, r.At.UTC(), r.Reason
		}
	}
	response, err := ocsp.CreateResponse(i.root(), i.root(), answer, i.key())
	if err != nil || nonce == nil {
		return response, err
	}
	return i.withNonce(response, nonce)
}

var (
	oidNonce         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidBasicResponse = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidSHA256WithRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
)

// nonceOf finds the nonce of a request, which golang.org/x/crypto/ocsp does not
// do: nil if there is none. It is not ok where it has none of the lengths of RFC
// 8954 section 2.1, or cannot be read.
func nonceOf(request cryptobyte.String) (nonce []byte, ok bool) {
	var tbs, extensions cryptobyte.String
	if !request.ReadASN1(&request, cbasn1.SEQUENCE) || !request.ReadASN1(&tbs, cbasn1.SEQUENCE) ||
		!tbs.SkipOptionalASN1(explicit(0)) || !tbs.SkipOptionalASN1(explicit(1)) || !tbs.SkipASN1(cbasn1.SEQUENCE) {
		return nil, false
	}
	if tbs.Empty() {
		return nil, true
	}
	if !tbs.ReadASN1(&extensions, explicit(2)) || !extensions.ReadASN1(&extensions, cbasn1.SEQUENCE) {
		return nil, false
	}
	for !extensions.Empty() {
		var extension, value cryptobyte.String
		var id asn1.ObjectIdentifier
		if !extensions.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&id) ||
			!extension.SkipOptionalASN1(cbasn1.BOOLEAN) || !extension.ReadASN1(&value, cbasn1.OCTET_STRING) {
			return nil, false
		}
		if !id.Equal(oidNonce) {
			continue
		}
		const longest = 32
		return nonce, value.ReadASN1Bytes(&nonce, cbasn1.OCTET_STRING) && value.Empty() && len(nonce) > 0 && len(nonce) <= longest
	}
	return nil, true
}

// withNonce signs a response anew, with a nonce among what it says as a whole:
// golang.org/x/crypto/ocsp has extensions of the single answer alone.
func (i *Issuer) withNonce(response, nonce []byte) ([]byte, error) {
	parsed, err := ocsp.ParseResponse(response, i.root())
	if err != nil {
		return nil, err
	}
	var data cryptobyte.String
	plain := cryptobyte.String(parsed.TBSResponseData)
	plain.ReadASN1(&data, cbasn1.SEQUENCE) // it has just been parsed
	tbs := sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(data)
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidNonce)
					b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
				})
			})
		})
	})
	digest := sha256.Sum256(tbs)
	signature, err := i.key().Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	basic := sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidSHA256WithRSA)
			b.AddASN1NULL()
		})
		b.AddASN1BitString(signature)
	})
	return sequence(func(b *cryptobyte.Builder) {
		b.AddASN1Enum(int64(ocsp.Success))
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidBasicResponse)
				b.AddASN1OctetString(basic)
			})
		})
	}), nil
}

// explicit is a context-specific tag around something.
func explicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

// issued reports whether a certificate is one of i's: names are alike in all
// authorities, key identifiers are not.
func (i *Issuer) issued(c *x509.Certificate) bool {
	return c != nil && c.SerialNumber != nil && bytes.Equal(c.AuthorityKeyId, i.root().SubjectKeyId)
}

// isMeant reports whether a request names this CA.
func (i *Issuer) isMeant(r *ocsp.Request) bool {
	if !r.HashAlgorithm.Available() {
		return false
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(i.root().RawSubjectPublicKeyInfo, &spki); err != nil {
		return false
	}
	hash := func(hash crypto.Hash, b []byte) []byte {
		h := hash.New()
		h.Write(b)
		return h.Sum(nil)
	}
	return bytes.Equal(r.IssuerNameHash, hash(r.HashAlgorithm, i.root().RawSubject)) &&
		bytes.Equal(r.IssuerKeyHash, hash(r.HashAlgorithm, spki.Key.RightAlign()))
}
