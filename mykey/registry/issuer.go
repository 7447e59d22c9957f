package registry

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// An Issuer identifies the key of a certification authority, by its subject key
// identifier. J-LIS renews its authorities, and each generation counts serial
// numbers for itself: only serial number and issuer together identify a
// certificate. Issuers compare with ==. The zero Issuer represents no issuer.
type Issuer struct{ hex string }

const fieldIssuer = "certificate issuer"

// maxIssuer is the length of the longest key identifier, in bytes. That of
// RFC 5280 has 20.
const maxIssuer = 32

// ParseIssuer parses a key identifier in hexadecimal digits of either case, 1 to
// 32 bytes. It returns a [*mykey.FormError] for any other text.
func ParseIssuer(s string) (Issuer, error) {
	b, err := hex.DecodeString(s)
	switch {
	case len(s) == 0:
		return Issuer{}, missing(fieldIssuer)
	case err != nil:
		return Issuer{}, &mykey.FormError{Field: fieldIssuer, Rule: mykey.RuleCharacter, Pos: -1}
	case len(b) > maxIssuer:
		return Issuer{}, &mykey.FormError{Field: fieldIssuer, Rule: mykey.RuleLength, Pos: 2 * maxIssuer}
	}
	return Issuer{hex.EncodeToString(b)}, nil
}

// IssuerOf returns the issuer that is the subject of an authority's certificate.
// An authority without a subject key identifier has the SHA-1 of its
// SubjectPublicKeyInfo. Of nil IssuerOf returns the zero Issuer.
func IssuerOf(authority *x509.Certificate) Issuer {
	if authority == nil {
		return Issuer{}
	}
	id := authority.SubjectKeyId
	if len(id) == 0 || len(id) > maxIssuer {
		sum := sha1.Sum(authority.RawSubjectPublicKeyInfo)
		id = sum[:]
	}
	return Issuer{hex.EncodeToString(id)}
}

// String returns the key identifier in lower-case hexadecimal digits.
func (i Issuer) String() string { return i.hex }

// IsZero reports whether i represents no issuer.
func (i Issuer) IsZero() bool { return i == Issuer{} }

// CertificateOf returns what the registry has to know of a verified certificate
// on a card of kind k. It returns a [*mykey.FormError] if k carries no
// certificate in force, see [DeviceOf].
func CertificateOf(v *jpki.VerifiedCertificate, k jpki.Kind) (Certificate, error) {
	device, err := DeviceOf(k)
	if err != nil {
		return Certificate{}, err
	}
	serial, err := v.Serial()
	if err != nil {
		return Certificate{}, err
	}
	return Certificate{Serial: serial, Issuer: IssuerOf(v.Issuer), NotAfter: v.Certificate().NotAfter, Device: device}, nil
}
