package cms

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Errors of [Verify] and [VerifyDetached] about the message; find them with
// [errors.Is].
var (
	// ErrMessage is returned when the message is malformed.
	ErrMessage = errors.New("cms: malformed message")
	// ErrNotAccepted is returned for a kind of message that is not accepted; see
	// the package comment.
	ErrNotAccepted = errors.New("cms: message is not accepted")
	// ErrContent is returned when Verify gets a message without its content, or
	// VerifyDetached one that contains it.
	ErrContent = errors.New("cms: content is not where it was expected")
	// ErrSigner is returned when the message does not contain the certificate of
	// its signer.
	ErrSigner = errors.New("cms: certificate of the signer is missing")
	// ErrSignature is returned when the content was changed, or the signature was
	// not made with the key of the signer's certificate.
	ErrSignature = errors.New("cms: signature does not match content and certificate")
	// ErrSigningTime is returned when the message states a signing time in the
	// future or outside the validity of the certificate, or states none and
	// [AtSigningTime] was given.
	ErrSigningTime = errors.New("cms: signing time missing or impossible")
)

// Bounds on what is looked at in a message.
const (
	maxCertificates = 16
	maxAttributes   = 32
)

var (
	oidData                 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
)

// A hashed is an algorithm with the hash that it has: 0 for those that leave it
// to another field.
type hashed struct {
	id   asn1.ObjectIdentifier
	hash crypto.Hash
}

// digests and signatures are the algorithms that are accepted, RFC 5754.
func digests() []hashed {
	return []hashed{
		{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256},
		{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384},
		{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512},
	}
}

func signatures() []hashed {
	return []hashed{
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, 0},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, crypto.SHA256},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, crypto.SHA384},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, crypto.SHA512},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, crypto.SHA256},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, crypto.SHA384},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, crypto.SHA512},
	}
}

// A message is a SignedData, read strictly and not verified.
type message struct {
	content      []byte
	attached     bool
	certificates []*x509.Certificate // that the signer's name and number fit
	signer       []byte              // SignerInfo, DER, without unsigned attributes
	digests      []byte              // SET of the one digest algorithm, DER

	signingTime time.Time              // zero if there is none
	isSigner    func(cert []byte) bool // by signing-certificate attribute
}

func malformed(what string) error   { return fmt.Errorf("%w: %s", ErrMessage, what) }
func notAccepted(what string) error { return fmt.Errorf("%w: %s", ErrNotAccepted, what) }

func contextTag(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

// parse reads
//
//	ContentInfo ::= SEQUENCE { contentType, content [0] EXPLICIT SignedData }
//	SignedData ::= SEQUENCE { version INTEGER, digestAlgorithms SET,
//	    encapContentInfo SEQUENCE { eContentType, eContent [0] EXPLICIT
//	    OCTET STRING OPTIONAL }, certificates [0] IMPLICIT OPTIONAL,
//	    crls [1] IMPLICIT OPTIONAL, signerInfos SET }
//
// RFC 5652 sections 3 and 5.1.
func parse(ber []byte) (*message, error) {
	der, err := toDER(ber)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	s := cryptobyte.String(der)
	var info, data, content, certificates, crls, signers cryptobyte.String
	var contentType, eContentType asn1.ObjectIdentifier
	var hasCerts, hasCRLs bool
	m := &message{}
	if !s.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&contentType) {
		return nil, malformed("ContentInfo")
	}
	if !contentType.Equal(oidSignedData) {
		return nil, notAccepted("not SignedData")
	}
	var version int
	if !info.ReadASN1(&data, contextTag(0)) || !info.Empty() || !data.ReadASN1(&data, cbasn1.SEQUENCE) ||
		!data.ReadASN1Integer(&version) || !data.SkipASN1(cbasn1.SET) ||
		!data.ReadASN1(&content, cbasn1.SEQUENCE) || !content.ReadASN1ObjectIdentifier(&eContentType) ||
		!data.ReadOptionalASN1(&certificates, &hasCerts, contextTag(0)) ||
		!data.ReadOptionalASN1(&crls, &hasCRLs, contextTag(1)) ||
		!data.ReadASN1(&signers, cbasn1.SET) || !data.Empty() {
		return nil, malformed("SignedData")
	}
	if !eContentType.Equal(oidData) {
		return nil, notAccepted("content is not data")
	}
	if m.attached = !content.Empty(); m.attached {
		if m.content, err = octets(content); err != nil {
			return nil, err
		}
	}
	var signer cryptobyte.String
	switch {
	case signers.Empty():
		return nil, notAccepted("no signer")
	case !signers.ReadASN1(&signer, cbasn1.SEQUENCE):
		return nil, malformed("SignerInfo")
	case !signers.Empty():
		return nil, notAccepted("several signers")
	}
	issuer, serial, err := m.parseSigner(signer)
	if err != nil {
		return nil, err
	}
	return m, m.parseCertificates(certificates, issuer, serial)
}

// octets reads [0] EXPLICIT OCTET STRING, whole or in parts.
func octets(s cryptobyte.String) ([]byte, error) {
	const inParts = cbasn1.OCTET_STRING | 0x20
	var value cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadASN1(&s, contextTag(0)) || !s.ReadAnyASN1(&value, &tag) || !s.Empty() {
		return nil, malformed("content")
	}
	switch tag {
	case cbasn1.OCTET_STRING:
		return value, nil
	case inParts:
		whole := make([]byte, 0, len(value))
		for !value.Empty() {
			var part cryptobyte.String
			if !value.ReadASN1(&part, cbasn1.OCTET_STRING) {
				return nil, malformed("content")
			}
			whole = append(whole, part...)
		}
		return whole, nil
	}
	return nil, malformed("content")
}

// parseCertificates keeps the certificates of an issuer with a number. There can
// be several: one of each generation of the CA.
func (m *message) parseCertificates(s cryptobyte.String, issuer []byte, serial *big.Int) error {
	for n := 0; !s.Empty(); n++ {
		var der cryptobyte.String
		var tag cbasn1.Tag
		if !s.ReadAnyASN1Element(&der, &tag) {
			return malformed("certificates")
		}
		if n == maxCertificates {
			return notAccepted("too many certificates")
		}
		cert, err := x509.ParseCertificate(der)
		if err == nil && cert.SerialNumber.Cmp(serial) == 0 && bytes.Equal(cert.RawIssuer, issuer) && m.isSigner(cert.Raw) {
			m.certificates = append(m.certificates, cert)
		}
	}
	if len(m.certificates) == 0 {
		return ErrSigner
	}
	return nil
}

// parseSigner reads
//
//	SignerInfo ::= SEQUENCE { version INTEGER, sid SEQUENCE { issuer Name,
//	    serialNumber INTEGER } or [0] SubjectKeyIdentifier, digestAlgorithm,
//	    signedAttrs [0] IMPLICIT SET OPTIONAL, signatureAlgorithm,
//	    signature OCTET STRING, unsignedAttrs [1] IMPLICIT SET OPTIONAL }
//
// RFC 5652 section 5.3.
func (m *message) parseSigner(s cryptobyte.String) (issuer []byte, serial *big.Int, err error) {
	whole := s
	var version int
	var sid, name, digest, signature, attributes, unsigned cryptobyte.String
	var signed, hasUnsigned bool
	serial = new(big.Int)
	if !s.ReadASN1Integer(&version) {
		return nil, nil, malformed("SignerInfo")
	}
	if version != 1 || !s.PeekASN1Tag(cbasn1.SEQUENCE) {
		return nil, nil, notAccepted("signer not named by issuer and number")
	}
	if !s.ReadASN1(&sid, cbasn1.SEQUENCE) || !sid.ReadASN1Element(&name, cbasn1.SEQUENCE) ||
		!sid.ReadASN1Integer(serial) || !sid.Empty() || !s.ReadASN1Element(&digest, cbasn1.SEQUENCE) ||
		!s.ReadOptionalASN1(&attributes, &signed, contextTag(0)) ||
		!s.ReadASN1Element(&signature, cbasn1.SEQUENCE) || !s.SkipASN1(cbasn1.OCTET_STRING) {
		return nil, nil, malformed("SignerInfo")
	}
	kept := whole[:len(whole)-len(s)]
	if !s.ReadOptionalASN1(&unsigned, &hasUnsigned, contextTag(1)) || !s.Empty() {
		return nil, nil, malformed("SignerInfo")
	}
	if !signed {
		return nil, nil, notAccepted("no signed attributes")
	}
	digestHash, ok := algorithm(digest, digests())
	if !ok {
		return nil, nil, notAccepted("digest algorithm")
	}
	signatureHash, ok := algorithm(signature, signatures())
	if !ok || signatureHash != 0 && signatureHash != digestHash {
		return nil, nil, notAccepted("signature algorithm")
	}
	if err := m.parseAttributes(attributes, digestHash); err != nil {
		return nil, nil, err
	}
	m.signer, err = wrap(cbasn1.SEQUENCE, kept)
	if err != nil {
		return nil, nil, malformed("SignerInfo")
	}
	m.digests, err = wrap(cbasn1.SET, digest)
	return name, serial, err
}

// algorithm finds the AlgorithmIdentifier der in a list. Its parameters are
// absent or NULL.
func algorithm(der cryptobyte.String, list []hashed) (crypto.Hash, bool) {
	var id asn1.ObjectIdentifier
	if !der.ReadASN1(&der, cbasn1.SEQUENCE) || !der.ReadASN1ObjectIdentifier(&id) {
		return 0, false
	}
	if !der.Empty() && !bytes.Equal(der, asn1.NullBytes) {
		return 0, false
	}
	for _, a := range list {
		if a.id.Equal(id) {
			return a.hash, true
		}
	}
	return 0, false
}

// parseAttributes reads Attribute ::= SEQUENCE { type, values SET }, as many as
// there are. Those that mean something here are there once, with one value: RFC
// 5652 section 11.
func (m *message) parseAttributes(s cryptobyte.String, hash crypto.Hash) error {
	seen := map[string]bool{}
	m.isSigner = func([]byte) bool { return true }
	for !s.Empty() {
		var attribute, values cryptobyte.String
		var id asn1.ObjectIdentifier
		if !s.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&id) ||
			!attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() {
			return malformed("signed attributes")
		}
		if seen[id.String()] {
			return notAccepted("a signed attribute twice")
		}
		seen[id.String()] = true
		if len(seen) > maxAttributes {
			return notAccepted("too many signed attributes")
		}
		ok := true
		switch {
		case id.Equal(oidContentType):
			var contentType asn1.ObjectIdentifier
			ok = values.ReadASN1ObjectIdentifier(&contentType) && values.Empty()
			if ok && !contentType.Equal(oidData) {
				return notAccepted("signed attributes are about another content type")
			}
		case id.Equal(oidMessageDigest):
			var digest []byte
			ok = values.ReadASN1Bytes(&digest, cbasn1.OCTET_STRING) && values.Empty() && len(digest) == hash.Size()
		case id.Equal(oidSigningTime):
			m.signingTime, ok = parseTime(values)
		case id.Equal(oidSigningCertificateV2):
			m.isSigner, ok = parseSigningCertificate(values)
		}
		if !ok {
			return malformed("signed attributes")
		}
	}
	if !seen[oidContentType.String()] || !seen[oidMessageDigest.String()] {
		return notAccepted("content type or digest is not among the signed attributes")
	}
	return nil
}

// parseTime reads the one value of a signing-time attribute, RFC 5652 section
// 11.3.
func parseTime(s cryptobyte.String) (t time.Time, ok bool) {
	if s.PeekASN1Tag(cbasn1.UTCTime) {
		return t, s.ReadASN1UTCTime(&t) && s.Empty()
	}
	return t, s.ReadASN1GeneralizedTime(&t) && s.Empty()
}

// parseSigningCertificate reads the one value of a signing-certificate attribute
// and returns a function that recognises the certificate:
//
//	SigningCertificateV2 ::= SEQUENCE { certs SEQUENCE OF ESSCertIDv2, ... }
//	ESSCertIDv2 ::= SEQUENCE { hashAlgorithm DEFAULT SHA-256,
//	    certHash OCTET STRING, issuerSerial OPTIONAL }
//
// The first is the signer's: RFC 5035 section 3.
func parseSigningCertificate(s cryptobyte.String) (is func([]byte) bool, ok bool) {
	var certs, id, algorithmID cryptobyte.String
	var has bool
	var want []byte
	hash := crypto.SHA256
	if !s.ReadASN1(&certs, cbasn1.SEQUENCE) || !s.Empty() || !certs.ReadASN1(&certs, cbasn1.SEQUENCE) ||
		!certs.ReadASN1(&id, cbasn1.SEQUENCE) {
		return nil, false
	}
	if has = id.PeekASN1Tag(cbasn1.SEQUENCE); has {
		if !id.ReadASN1Element(&algorithmID, cbasn1.SEQUENCE) {
			return nil, false
		}
		if hash, has = algorithm(algorithmID, digests()); !has {
			return nil, false
		}
	}
	if !id.ReadASN1Bytes(&want, cbasn1.OCTET_STRING) {
		return nil, false
	}
	return func(cert []byte) bool {
		h := hash.New()
		h.Write(cert)
		return bytes.Equal(h.Sum(nil), want)
	}, true
}

// with returns a SignedData with one certificate and this signer.
func (m *message) with(cert *x509.Certificate) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddBytes(m.digests)
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
				b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { b.AddBytes(cert.Raw) })
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(m.signer) })
			})
		})
	})
	return b.Bytes()
}

func wrap(tag cbasn1.Tag, value []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(value) })
	return b.Bytes()
}
