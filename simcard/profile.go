package simcard

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of the certificates. Those under 1.2.392.200149.8.5 are
// JPKI's own (証明書、失効リスト等の仕様: profile of certificates and CRLs).
var (
	oidCountry      = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidLocality     = asn1.ObjectIdentifier{2, 5, 4, 7}
	oidOrganization = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidUnit         = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}

	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidCRLPoints      = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidPolicies       = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidCPS            = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 1}

	oidSignPolicy = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 1, 20}
	oidAuthPolicy = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 3, 30}

	oidName              = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, 1}
	oidNameSubstitute    = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, 2}
	oidSex               = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, 3}
	oidBirth             = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, 4}
	oidAddress           = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, 5}
	oidAddressSubstitute = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, 6}
)

const (
	cpsURL = "http://www.jpki.go.jp/cps.html"

	testOrganization = "JPKI-TEST" // the real one is JPKI
	testOperator     = "mynakit software card, trusted by nobody"

	authUnit = "JPKI for user authentication"
	signUnit = "JPKI for digital signature"
)

// AuthTemplate is the holder's certificate for user authentication as the CA
// would issue it at issued: what [Issuer.Issue] takes. It names nobody: the
// subject is C=JP and an identifier.
//
// Key usage digitalSignature, extended key usage clientAuth (an assumption:
// no public source states it), policy 1.2.392.200149.8.5.1.3.30.
func (h Holder) AuthTemplate(issued time.Time) *x509.Certificate {
	return h.authTemplate(issued, h.seed("auth", Plastic, issued))
}

// SignTemplate is the holder's certificate for digital signature as the CA
// would issue it at issued. Name, sex, date of birth and address stand in the
// subject alternative name, as otherNames under 1.2.392.200149.8.5.5.
//
// Key usage digitalSignature and nonRepudiation, policy
// 1.2.392.200149.8.5.1.1.20.
func (h Holder) SignTemplate(issued time.Time) *x509.Certificate {
	return h.signTemplate(issued, h.seed("sign", Plastic, issued))
}

func (h *Holder) authTemplate(issued time.Time, seed [32]byte) *x509.Certificate {
	letters := make([]byte, 6)
	for i := range letters {
		letters[i] = 'A' + seed[8+i]%26
	}
	t := h.template(issued, seed, authUnit, oidAuthPolicy)
	t.RawSubject = name(
		attribute{oidCountry, "JP"},
		attribute{oidCommonName, fmt.Sprintf("%08X%s%s003A", binary.BigEndian.Uint32(seed[4:]), letters, h.Municipality)},
	)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return t
}

func (h *Holder) signTemplate(issued time.Time, seed [32]byte) *x509.Certificate {
	t := h.template(issued, seed, signUnit, oidSignPolicy)
	t.RawSubject = name(
		attribute{oidCountry, "JP"},
		attribute{oidLocality, h.Prefecture},
		attribute{oidLocality, h.City},
		attribute{oidCommonName, fmt.Sprintf("%s%05d%s003A", issued.In(jst).Format("20060102150405"), binary.BigEndian.Uint16(seed[4:]), h.Municipality)},
	)
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{
		Id: oidSubjectAltName,
		Value: sequence(func(b *cryptobyte.Builder) {
			// The order is the one that cards have.
			addOtherName(b, oidName, h.Name)
			addOtherName(b, oidBirth, h.birthCode())
			addOtherName(b, oidSex, fmt.Sprint(uint8(h.Sex)))
			addOtherName(b, oidAddress, h.Address)
			addOtherName(b, oidNameSubstitute, substitutes(h.NameSubstitutes, h.Name))
			addOtherName(b, oidAddressSubstitute, substitutes(h.AddressSubstitutes, h.Address))
		}),
	})
	return t
}

// template is what both certificates of a holder have in common.
func (h *Holder) template(issued time.Time, seed [32]byte, unit string, policy asn1.ObjectIdentifier) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:       serial(seed),
		NotBefore:          issued.UTC().Truncate(time.Second),
		NotAfter:           h.fifthBirthday(issued).UTC(),
		SignatureAlgorithm: x509.SHA256WithRSA,
		ExtraExtensions: []pkix.Extension{
			{Id: oidPolicies, Critical: true, Value: sequence(func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(policy)
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier(oidCPS)
							b.AddASN1(cbasn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(cpsURL)) })
						})
					})
				})
			})},
			{Id: oidCRLPoints, Value: crlPoint(name(
				attribute{oidCountry, "JP"},
				attribute{oidOrganization, testOrganization},
				attribute{oidUnit, unit},
				attribute{oidUnit, "CRL Distribution Points"},
				attribute{oidUnit, h.Prefecture},
				attribute{oidCommonName, h.City},
			))},
		},
	}
}

// caTemplate is the certificate of a CA for the certificates under unit.
func caTemplate(unit, japanese string, publicKey []byte, from, to time.Time) *x509.Certificate {
	seed := sha256.Sum256(publicKey)
	id := sha1.Sum(publicKey) // RFC 5280 section 4.2.1.2 method 1; it identifies and protects nothing
	subject := name(
		attribute{oidCountry, "JP"},
		attribute{oidOrganization, testOrganization},
		attribute{oidUnit, unit},
		attribute{oidUnit, testOperator},
	)
	return &x509.Certificate{
		SerialNumber:          serial(seed),
		RawSubject:            subject,
		NotBefore:             from.UTC().Truncate(time.Second),
		NotAfter:              to.UTC().Truncate(time.Second),
		SignatureAlgorithm:    x509.SHA256WithRSA,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            -1,
		SubjectKeyId:          id[:],
		ExtraExtensions: []pkix.Extension{
			{Id: oidSubjectAltName, Value: sequence(func(b *cryptobyte.Builder) {
				addDirectoryName(b, name(
					attribute{oidCountry, "JP"},
					attribute{oidOrganization, "公的個人認証サービス(試験用)"},
					attribute{oidUnit, japanese},
				))
			})},
			{Id: oidCRLPoints, Value: crlPoint(subject)},
		},
	}
}

// seed is what everything random-looking in a certificate comes from. The same
// holder, kind of card and issue give the same seed.
func (h *Holder) seed(usage string, kind Kind, issued time.Time) [32]byte {
	var moment string
	if !issued.IsZero() {
		moment = issued.UTC().Format(time.RFC3339)
	}
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %q %q %d %q %q %q",
		usage, kind, moment, h.Name, h.NameSubstitutes, h.Address, h.AddressSubstitutes,
		h.Sex, h.Birth.Format(time.DateOnly), h.Prefecture+"\x00"+h.City, h.Municipality))
}

// serial makes a serial number of the size that real ones have: 21 to 32 bits.
func serial(seed [32]byte) *big.Int {
	return big.NewInt(int64(max(binary.BigEndian.Uint32(seed[:]), 1<<20)))
}

// An attribute is one part of a distinguished name. One without a value is
// left out of the name.
type attribute struct {
	oid   asn1.ObjectIdentifier
	value string
}

// name encodes a distinguished name: a country is a PrintableString, all else
// a UTF8String.
func name(attributes ...attribute) []byte {
	return sequence(func(b *cryptobyte.Builder) {
		for _, a := range attributes {
			if a.value == "" {
				continue
			}
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(a.oid)
					tag := cbasn1.UTF8String
					if a.oid.Equal(oidCountry) {
						tag = cbasn1.PrintableString
					}
					addString(b, tag, a.value)
				})
			})
		}
	})
}

// addOtherName adds a GeneralName: [0] { type, [0] { UTF8String } }.
func addOtherName(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, value string) {
	context0 := cbasn1.Tag(0).ContextSpecific().Constructed()
	b.AddASN1(context0, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(context0, func(b *cryptobyte.Builder) { addString(b, cbasn1.UTF8String, value) })
	})
}

// addDirectoryName adds a GeneralName: [4] { Name }.
func addDirectoryName(b *cryptobyte.Builder, name []byte) {
	b.AddASN1(cbasn1.Tag(4).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(name) })
}

// crlPoint is the extension with one CRL distribution point, a directory name.
func crlPoint(name []byte) []byte {
	context0 := cbasn1.Tag(0).ContextSpecific().Constructed()
	return sequence(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(context0, func(b *cryptobyte.Builder) {
				b.AddASN1(context0, func(b *cryptobyte.Builder) { addDirectoryName(b, name) })
			})
		})
	})
}

func addString(b *cryptobyte.Builder, tag cbasn1.Tag, value string) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(strings.ToValidUTF8(value, "\uFFFD"))) })
}

// sequence encodes a SEQUENCE. It panics only where the builder is misused:
// no value that a caller can give makes it fail.
func sequence(content func(b *cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, content)
	return b.BytesOrPanic()
}
