package simcard

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"time"

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

// Revocations gives the card's certificates as revoked, where [WithRevoked] made
// it so, and otherwise nothing.
func (c *Card) Revocations() []Revocation {
	if c.revoked.IsZero() {
		return nil
	}
	var list []Revocation
	for _, certificate := range []*x509.Certificate{c.AuthCertificate(), c.SignCertificate()} {
		if certificate != nil {
			list = append(list, Revocation{Certificate: certificate, At: c.revoked})
		}
	}
	return list
}

// statusLife is how long a list or an answer counts, from its moment on.
const statusLife = 24 * time.Hour

// ErrNoCertificate says that a CA of this package has no certificate, because
// its authority's moment of issue lies outside the years 0 to 9999. Such a CA
// signs nothing.
var ErrNoCertificate = errors.New("simcard: the issuer has no certificate: moment of issue outside the years 0 to 9999")

// ErrRequest says that bytes are not an OCSP request.
var ErrRequest = errors.New("simcard: not an OCSP request")

// CRL gives the list of revoked certificates (失効情報リスト, CRL) as of a moment,
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
// signs the answer itself. A request about another CA's certificate is answered
// with "unauthorized", which is not signed. It fails with [ErrRequest] and
// [ErrNoCertificate].
func (i *Issuer) OCSP(request []byte, at time.Time, revoked ...Revocation) ([]byte, error) {
	if i.root().Raw == nil {
		return nil, ErrNoCertificate
	}
	asked, err := ocsp.ParseRequest(request)
	if err != nil {
		return nil, ErrRequest
	}
	if !i.isMeant(asked) {
		return bytes.Clone(ocsp.UnauthorizedErrorResponse), nil
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
	return ocsp.CreateResponse(i.root(), i.root(), answer, i.key())
}

// issued tells whether a certificate is one of i's: names are alike in all
// authorities, key identifiers are not.
func (i *Issuer) issued(c *x509.Certificate) bool {
	return c != nil && c.SerialNumber != nil && bytes.Equal(c.AuthorityKeyId, i.root().SubjectKeyId)
}

// isMeant tells whether a request names this CA.
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
