package revoke

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	_ "crypto/sha1" // SHA-1, for the identifier in a request
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"github.com/mynakit/mynakit/jpki"
)

// maxResponse is the longest OCSP response that is read, in bytes. Usual ones
// have some 2,000.
const maxResponse = 64 << 10

// An OCSP asks an OCSP responder. It is a [jpki.RevocationChecker]. It is safe for
// concurrent use if its fields are not changed.
//
// A response has to be signed by the issuer of the certificate, or by a responder
// whose certificate that issuer signed and marked for OCSP (RFC 6960 section
// 4.2.2.2). Any other certificate of that issuer could be a citizen's. The response
// has to be about the certificate: number, and name and key of the issuer, have to
// match. Generations of a CA share a name and may use a number twice. It has
// to be current, and its nonce, if it has one, has to be that of the request. If it
// contains certificates, the first is the responder's. For an expired certificate,
// "good" is accepted only from a responder that states that it keeps such
// certificates (archive cutoff).
type OCSP struct {
	// Client sends the requests. It is required.
	Client *http.Client
	// URL is the address of the responder. If empty, it is the one that the
	// certificate names (authority information access).
	URL string
	// RequireNonce refuses a response without the nonce of the request (RFC
	// 9654). Otherwise such a response is accepted for as long as it states. A
	// responder can then prepare its responses, and an attacker on the network
	// can repeat one from before a revocation.
	RequireNonce bool
	// MaxAge is the greatest age of the information in a response. If 0, it is
	// that of the response (nextUpdate), and one day if it states none.
	MaxAge time.Duration
	// Timeout bounds one exchange with the responder. If 0, it is 10 seconds.
	Timeout time.Duration
	// Now is the time. If nil, it is [time.Now].
	Now func() time.Time
}

var _ jpki.RevocationChecker = (*OCSP)(nil)

// CheckRevocation asks about cert, which issuer has issued, as
// [jpki.RevocationChecker] describes. It sends one request by POST, so no log of
// addresses contains the number of the certificate.
func (o *OCSP) CheckRevocation(ctx context.Context, cert, issuer *x509.Certificate) error {
	if err := askable(cert, issuer); err != nil {
		return err
	}
	ctx, cancel := within(ctx, o.Timeout, 10*time.Second)
	defer cancel()
	url, err := address(o.URL, cert.OCSPServer)
	if err != nil {
		return err
	}
	request, query, err := newQuery(cert, issuer)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(request))
	if err != nil {
		return unknown("no address for HTTP")
	}
	r.Header.Set("Content-Type", "application/ocsp-request")
	r.Header.Set("Accept", "application/ocsp-response")
	body, err := fetch(o.Client, r, maxResponse, "application/ocsp-response")
	if err != nil {
		return err
	}
	return o.judge(body, query, cert, issuer, clock(o.Now))
}

// A query is what was asked.
type query struct {
	id    ocsp.Request
	nonce []byte
}

var oidNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}

// newQuery returns a request with a nonce, which golang.org/x/crypto/ocsp does
// not do.
func newQuery(cert, issuer *x509.Certificate) ([]byte, query, error) {
	var q query
	// Every responder knows SHA-1 here (RFC 5019). It is a name for the issuer
	// and protects nothing.
	plain, err := ocsp.CreateRequest(cert, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
	if err != nil {
		return nil, q, unknown("certificate cannot be asked about")
	}
	id, err := ocsp.ParseRequest(plain)
	if err != nil {
		return nil, q, unknown("certificate cannot be asked about")
	}
	q.id = *id
	q.nonce = make([]byte, 32)
	rand.Read(q.nonce)

	var list cryptobyte.String
	s := cryptobyte.String(plain)
	var tbs cryptobyte.String
	if !s.ReadASN1(&s, cbasn1.SEQUENCE) || !s.ReadASN1(&tbs, cbasn1.SEQUENCE) || !tbs.ReadASN1Element(&list, cbasn1.SEQUENCE) {
		return nil, q, unknown("certificate cannot be asked about")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // OCSPRequest
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // TBSRequest
			b.AddBytes(list)
			b.AddASN1(cbasn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // Extensions
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidNonce)
						b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(q.nonce) })
					})
				})
			})
		})
	})
	request, err := b.Bytes()
	if err != nil {
		return nil, q, unknown("certificate cannot be asked about")
	}
	return request, q, nil
}

// judge reads a response. What golang.org/x/crypto/ocsp leaves to its caller is
// here: who may sign, whom the response is about, when, and the nonce.
func (o *OCSP) judge(body []byte, q query, cert, issuer *x509.Certificate, now time.Time) error {
	// Without an issuer, ParseResponse checks the signature under the
	// certificate in the response, if there is one, only.
	response, err := ocsp.ParseResponse(body, nil)
	if e, ok := errors.AsType[ocsp.ResponseError](err); ok {
		return unknown("responder says: %s", e.Status)
	}
	if err != nil {
		return unknown("malformed response")
	}
	if err := authorised(response, issuer, now); err != nil {
		return err
	}
	id, nonce, err := parseResponseData(response.TBSResponseData)
	if err != nil {
		return err
	}
	switch {
	case response.IssuerHash != q.id.HashAlgorithm || !bytes.Equal(id.nameHash, q.id.IssuerNameHash) ||
		!bytes.Equal(id.keyHash, q.id.IssuerKeyHash) || id.serial.Cmp(q.id.SerialNumber) != 0:
		return unknown("response is about another certificate")
	case nonce == nil && o.RequireNonce:
		return unknown("response without a nonce")
	case nonce != nil && !bytes.Equal(nonce, q.nonce):
		return unknown("response with another nonce")
	}
	if err := o.timely(response, now); err != nil {
		return err
	}
	switch response.Status {
	case ocsp.Good:
		if !remembers(response, cert) {
			return unknown("the certificate has expired, and the responder does not say that it remembers those")
		}
		return nil
	case ocsp.Revoked:
		return &jpki.RevokedError{At: response.RevokedAt, Reason: jpki.RevocationReason(response.RevocationReason)}
	}
	return unknown("responder does not know the certificate")
}

// authorised checks the signature of a response and the right to make it.
func authorised(response *ocsp.Response, issuer *x509.Certificate, now time.Time) error {
	if !strong(response.SignatureAlgorithm) {
		return unknown("response signed with a weak algorithm")
	}
	responder := response.Certificate
	if responder == nil || bytes.Equal(responder.Raw, issuer.Raw) {
		if response.CheckSignatureFrom(issuer) != nil {
			return unknown("response not signed by the issuer")
		}
		return nil
	}
	switch { // that the responder signed is known from ParseResponse
	case !bytes.Equal(responder.RawIssuer, issuer.RawSubject) || responder.CheckSignatureFrom(issuer) != nil:
		return unknown("responder not authorised by the issuer: another issuer")
	case !slices.Contains(responder.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return unknown("responder not authorised by the issuer: not for OCSP")
	case responder.KeyUsage != 0 && responder.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return unknown("responder not authorised by the issuer: not for signatures")
	case len(responder.UnhandledCriticalExtensions) > 0:
		return unknown("responder with an unknown critical extension")
	case now.Before(responder.NotBefore) || now.After(responder.NotAfter):
		return unknown("certificate of the responder is not valid now")
	}
	return nil
}

// remembers reports whether a responder that answers "good" would know of a
// revocation. It may delete what has expired, unless it states since when it keeps
// everything (archive cutoff, RFC 6960 section 4.4.4).
func remembers(response *ocsp.Response, cert *x509.Certificate) bool {
	if !response.ThisUpdate.After(cert.NotAfter) {
		return true
	}
	for _, e := range response.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 6}) {
			continue
		}
		var cutoff time.Time
		der := cryptobyte.String(e.Value)
		return der.ReadASN1GeneralizedTime(&cutoff) && der.Empty() && !cert.NotAfter.Before(cutoff)
	}
	return false
}

// strong reports whether an algorithm is good today. The CheckSignature of
// crypto/x509 still takes SHA-1, with which a forgery can be prepared.
func strong(algorithm x509.SignatureAlgorithm) bool {
	switch algorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return true
	}
	return false
}

// timely checks the times of a response, RFC 6960 section 3.2 points 5 and 6.
func (o *OCSP) timely(response *ocsp.Response, now time.Time) error {
	maxAge := o.MaxAge
	if maxAge == 0 && response.NextUpdate.IsZero() {
		maxAge = 24 * time.Hour
	}
	switch {
	case response.ThisUpdate.After(now.Add(skew)) || response.ProducedAt.After(now.Add(skew)):
		return unknown("response from the future")
	case !response.NextUpdate.IsZero() && response.NextUpdate.Before(now.Add(-skew)),
		maxAge != 0 && response.ThisUpdate.Before(now.Add(-maxAge-skew)):
		return unknown("stale response")
	}
	return nil
}

// certID names the certificate that a response is about.
type certID struct {
	nameHash, keyHash []byte
	serial            *big.Int
}

// parseResponseData returns what golang.org/x/crypto/ocsp does not return of a
// response whose form it has checked:
//
//	ResponseData ::= SEQUENCE { version [0] EXPLICIT OPTIONAL, responderID,
//	    producedAt GeneralizedTime, responses SEQUENCE OF SingleResponse,
//	    responseExtensions [1] EXPLICIT Extensions OPTIONAL }
//	SingleResponse ::= SEQUENCE { certID SEQUENCE { hashAlgorithm,
//	    issuerNameHash, issuerKeyHash, serialNumber }, ... }
func parseResponseData(der cryptobyte.String) (id certID, nonce []byte, err error) {
	malformed := unknown("malformed response")
	context := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	var responder, responses, single, extensions cryptobyte.String
	var tag cbasn1.Tag
	var extended bool
	id.serial = new(big.Int)
	if !der.ReadASN1(&der, cbasn1.SEQUENCE) || !der.SkipOptionalASN1(context(0)) ||
		!der.ReadAnyASN1(&responder, &tag) || !der.SkipASN1(cbasn1.GeneralizedTime) ||
		!der.ReadASN1(&responses, cbasn1.SEQUENCE) ||
		!der.ReadOptionalASN1(&extensions, &extended, context(1)) || !der.Empty() ||
		!responses.ReadASN1(&single, cbasn1.SEQUENCE) || !responses.Empty() ||
		!single.ReadASN1(&single, cbasn1.SEQUENCE) || !single.SkipASN1(cbasn1.SEQUENCE) ||
		!single.ReadASN1Bytes(&id.nameHash, cbasn1.OCTET_STRING) ||
		!single.ReadASN1Bytes(&id.keyHash, cbasn1.OCTET_STRING) ||
		!single.ReadASN1Integer(id.serial) || !single.Empty() {
		return id, nil, malformed
	}
	if !extended {
		return id, nil, nil
	}
	var list []pkix.Extension
	if rest, err := asn1.Unmarshal(extensions, &list); err != nil || len(rest) > 0 {
		return id, nil, malformed
	}
	for _, e := range list {
		switch {
		case e.Id.Equal(oidNonce) && nonce == nil:
			// An OCTET STRING within. Older responders leave that out.
			value := cryptobyte.String(e.Value)
			if !value.ReadASN1Bytes(&nonce, cbasn1.OCTET_STRING) || !value.Empty() {
				nonce = e.Value
			}
			if nonce == nil {
				nonce = []byte{} // empty, and not missing
			}
		case e.Id.Equal(oidNonce):
			return id, nil, malformed
		case e.Critical:
			return id, nil, unknown("response with an unknown critical extension")
		}
	}
	return id, nonce, nil
}
