package jpki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"

	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/internal/secret"
)

// Errors of the calls that verify card-face data; find them with [errors.Is].
var (
	// ErrNoAnchor is returned when the [FaceAnchors] do not vouch for the key
	// that signs this card's data. The data may be genuine or not.
	ErrNoAnchor = errors.New("jpki: no trust anchor for the key that signs this card's data")
	// ErrNotAuthentic is returned when a digest or a signature does not match:
	// the data were altered or damaged, or belong to another card.
	ErrNotAuthentic = errors.New("jpki: card-face data does not verify")
)

// A FaceID is the name of a key in the hierarchy that signs card-face data: 16
// bytes, the first 7 of which are digits. Names of the live hierarchy start with
// 5, those of test cards with 6. FaceIDs are comparable and can be map keys.
type FaceID [16]byte

// String returns the leading digits, such as "5000023". If there are none, it
// returns the 16 bytes in hexadecimal.
func (id FaceID) String() string {
	for _, d := range id[:7] {
		if d < '0' || d > '9' {
			return fmt.Sprintf("%X", id[:])
		}
	}
	return string(id[:7])
}

// A FaceCertificate is the card-verifiable certificate (CV証明書) of the key that
// signs the data of [TextApp] or [VisualApp], which is a key of a municipality.
// [Card.FaceCertificate] and [ParseFaceCertificate] do not verify it.
type FaceCertificate struct {
	Raw       []byte // the whole, as on the card
	Issuer    FaceID // the key that signed the certificate
	Subject   FaceID // the key that is certified
	PublicKey *rsa.PublicKey

	body, signature []byte
}

// ParseFaceCertificate parses a certificate, such as a stored Raw. It copies b.
// It fails with [ErrCardData].
func ParseFaceCertificate(b []byte) (*FaceCertificate, error) {
	if len(b) > maxFaceCertificate {
		return nil, ErrCardData
	}
	b = bytes.Clone(b)
	p, _, err := parts(b, 0x7F21, 0x5F4E, 0x5F37)
	if err != nil {
		return nil, err
	}
	var issuer, subject FaceID
	body := p[0].value
	if len(body) < len(issuer)+len(subject) {
		return nil, ErrCardData
	}
	n := copy(issuer[:], body)
	n += copy(subject[:], body[n:])
	key, err := parseFaceKey(body[n:])
	if err != nil {
		return nil, err
	}
	return &FaceCertificate{b, issuer, subject, key, body, p[1].value}, nil
}

// maxFaceCertificate is the longest certificate that is read, in bytes. Real
// ones have 568.
const maxFaceCertificate = 2 << 10

// parseFaceKey reads a public key as cards write it: 90 exponent, 91 modulus.
func parseFaceKey(b []byte) (*rsa.PublicKey, error) {
	tag, e, b, err := tlv.Next(b)
	if err != nil || tag != 0x90 || len(e) > 4 {
		return nil, ErrCardData
	}
	tag, n, b, err := tlv.Next(b)
	if err != nil || tag != 0x91 || len(b) != 0 {
		return nil, ErrCardData
	}
	exponent := new(big.Int).SetBytes(e).Int64()
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}
	if exponent >= 1<<31 || !strong(key) {
		return nil, ErrCardData
	}
	return key, nil
}

// strong reports whether a key is of a size that is trusted today, and one that
// a signature can be checked under.
func strong(key *rsa.PublicKey) bool {
	return key != nil && key.N != nil && key.N.Bit(0) == 1 &&
		key.N.BitLen() >= 2048 && key.N.BitLen() <= 8192 && key.E >= 3 && key.E&1 == 1
}

// FaceCertificate reads the certificate of the key that signs the data of app,
// [TextApp] or [VisualApp]. It takes three exchanges and no PIN. The certificate
// is not verified: whoever can make a card can make a certificate.
//
// FaceCertificate returns a [*StepError]. It wraps an [*UnsupportedError] for
// another application, a [*NoApplicationError] or [ErrCardData].
func (c *Card) FaceCertificate(ctx context.Context, app Application) (*FaceCertificate, error) {
	return call(ctx, c, "read face certificate", func() (*FaceCertificate, error) {
		switch app {
		case TextApp:
			return c.faceCertificate(ctx, textCert)
		case VisualApp:
			return c.faceCertificate(ctx, visualCert)
		}
		return nil, &UnsupportedError{"a face certificate in the " + app.String() + " application"}
	})
}

func (c *Card) faceCertificate(ctx context.Context, f file) (*FaceCertificate, error) {
	b, err := c.readObject(ctx, f, 0x7F21)
	if err != nil {
		return nil, err
	}
	return ParseFaceCertificate(b)
}

// FaceAnchors are the keys that a program trusts to sign card-face data. The zero
// value trusts no key. After the last Add, several goroutines may use it.
//
// An issuer key, which is on no card, certifies a key of the municipality in the
// card's [FaceCertificate], and that key signs the data. The issuer keys of live
// cards are not published. A program has three choices:
//
//   - [FaceAnchors.AddIssuer] trusts an issuer key that the caller has been
//     given, or that of test cards. Every card of its hierarchy then verifies.
//   - [FaceAnchors.AddSigner] trusts one certified key, taken from a genuine card
//     of the same municipality. With the certificate of the card itself, it shows
//     only that the card's data are complete and belong together.
//   - Without anchors, [Card.Attributes] and similar calls return unverified
//     data. The certificate for digital signature has name, address, birth date
//     and sex under a signature whose roots are published.
type FaceAnchors struct {
	issuers []faceKey
	signers []faceKey
}

type faceKey struct {
	id  FaceID
	key *rsa.PublicKey
}

// AddIssuer adds the issuer key with the name id. It fails with an
// [*UnsupportedError] if key is nil or below 2,048 bits.
func (a *FaceAnchors) AddIssuer(id FaceID, key *rsa.PublicKey) error {
	if !strong(key) {
		return &UnsupportedError{"an issuer key of this size"}
	}
	a.issuers = append(a.issuers, faceKey{id, key})
	return nil
}

// AddSigner adds the key that cert certifies, whoever issued cert. It fails with
// an [*UnsupportedError] if cert is nil or its key is below 2,048 bits.
func (a *FaceAnchors) AddSigner(cert *FaceCertificate) error {
	if cert == nil || !strong(cert.PublicKey) {
		return &UnsupportedError{"a face certificate without a key"}
	}
	a.signers = append(a.signers, faceKey{cert.Subject, cert.PublicKey})
	return nil
}

// Verify returns nil if the anchors vouch for cert. It fails with [ErrNoAnchor]
// if they have neither its key nor its issuer, and with [ErrNotAuthentic] if the
// issuer did not sign it.
func (a *FaceAnchors) Verify(cert *FaceCertificate) error {
	if a == nil || cert == nil {
		return ErrNoAnchor
	}
	for _, s := range a.signers {
		if s.id == cert.Subject && s.key.Equal(cert.PublicKey) {
			return nil
		}
	}
	result := ErrNoAnchor
	for _, i := range a.issuers {
		if i.id != cert.Issuer {
			continue
		}
		if signs(i.key, cert.body, cert.signature) {
			return nil
		}
		result = ErrNotAuthentic // unless there is a second key of this name
	}
	return result
}

func (a *FaceAnchors) empty() bool { return a == nil || len(a.issuers)+len(a.signers) == 0 }

// signs reports whether signature is key's over data: PKCS #1 v1.5 with
// SHA-256.
func signs(key *rsa.PublicKey, data, signature []byte) bool {
	digest := sha256.Sum256(data)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
}

// signsFace is signs for a face. Its DigestInfo is not a standard one: it names
// SHA-256 and holds three digests, 96 bytes.
func signsFace(key *rsa.PublicKey, f signedFace) bool {
	const head = "\x30\x71\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x60"
	info := []byte(head)
	for _, piece := range [][]byte{f.data, f.texts, f.photo} {
		digest := sha256.Sum256(piece)
		info = append(info, digest[:]...)
	}
	// Hash 0: what stands behind the padding is info itself.
	return rsa.VerifyPKCS1v15(key, 0, info, f.signature) == nil
}

// A Verified holds a value whose signature was verified. Only the verifying calls
// of [Card] return one, so a function that requires verified data takes a
// Verified. It prints as [redacted]. The zero value holds nothing.
//
// A verified value was signed by a key that the [FaceAnchors] vouch for. The card
// may still be a copy or have expired, and the person may not be its holder.
type Verified[T any] struct {
	hidden
	value  secret.Box[T]
	signer FaceID
}

// Value returns the value. The zero Verified returns the zero T.
func (v Verified[T]) Value() T {
	return v.value.Reveal()
}

// Signer returns the name of the key that signed the value.
func (v Verified[T]) Signer() FaceID { return v.signer }

// IsZero reports whether v is the zero value, which holds nothing.
func (v Verified[T]) IsZero() bool { return v.value.IsZero() }

// verified returns what read returns, if it verifies: read returns a value and a
// function that checks it under the key of the certificate in f.
func verified[T any](ctx context.Context, c *Card, step string, anchors *FaceAnchors, f file,
	read func() (T, func(key *rsa.PublicKey) bool, error)) (Verified[T], error) {
	if anchors.empty() {
		return Verified[T]{}, &StepError{step, ErrNoAnchor} // without troubling the card
	}
	return call(ctx, c, step, func() (Verified[T], error) {
		// The data first: they may want a PIN, and then nothing else is worth
		// an exchange.
		value, check, err := read()
		if err != nil {
			return Verified[T]{}, err
		}
		cert, err := c.faceCertificate(ctx, f)
		if err != nil {
			return Verified[T]{}, err
		}
		if err := anchors.Verify(cert); err != nil {
			return Verified[T]{}, err
		}
		if !check(cert.PublicKey) {
			return Verified[T]{}, ErrNotAuthentic
		}
		return Verified[T]{value: secret.New(value), signer: cert.Subject}, nil
	})
}

// VerifiedMyNumber reads the My Number as [Card.MyNumber] does and verifies it.
// It takes five more exchanges, for the digests and the certificate. If the data
// do not verify, the error wraps [ErrNotAuthentic] or [ErrNoAnchor].
func (c *Card) VerifiedMyNumber(ctx context.Context, anchors *FaceAnchors) (Verified[MyNumber], error) {
	return verified(ctx, c, "verify My Number", anchors, textCert, func() (MyNumber, func(*rsa.PublicKey) bool, error) {
		b, err := c.myNumberFile(ctx)
		if err != nil {
			return MyNumber{}, nil, err
		}
		n, err := parseMyNumberFile(b)
		if err != nil {
			return MyNumber{}, nil, err
		}
		digests, err := c.textDigests(ctx)
		return n, func(key *rsa.PublicKey) bool {
			return digests.signedBy(key) && digests.match(digests.myNumber, b)
		}, err
	})
}

// VerifiedAttributes reads the attributes as [Card.Attributes] does and verifies
// them. It takes five more exchanges, for the digests and the certificate. If
// the data do not verify, the error wraps [ErrNotAuthentic] or [ErrNoAnchor].
func (c *Card) VerifiedAttributes(ctx context.Context, anchors *FaceAnchors) (Verified[Attributes], error) {
	return verified(ctx, c, "verify attributes", anchors, textCert, func() (Attributes, func(*rsa.PublicKey) bool, error) {
		b, err := c.attributesFile(ctx)
		if err != nil {
			return Attributes{}, nil, err
		}
		a, signed, err := parseAttributes(b)
		if err != nil {
			return Attributes{}, nil, err
		}
		digests, err := c.textDigests(ctx)
		return a, func(key *rsa.PublicKey) bool {
			return digests.signedBy(key) && digests.match(digests.attributes, signed)
		}, err
	})
}

// textDigests are the digests of the text application's data, and the
// signature over both.
type textDigests struct {
	myNumber, attributes []byte
	signed, signature    []byte
}

func (c *Card) textDigests(ctx context.Context) (textDigests, error) {
	b, err := c.readObject(ctx, textSignature, 0xFF30)
	if err != nil {
		return textDigests{}, protected(err, TextPIN)
	}
	p, content, err := parts(b, 0xFF30, 0xDF31, 0xDF32, 0xDF33)
	if err != nil {
		return textDigests{}, err
	}
	signed, err := covered(content, p[2], p[0], p[1])
	return textDigests{p[0].value, p[1].value, signed, p[2].value}, err
}

func (d textDigests) signedBy(key *rsa.PublicKey) bool { return signs(key, d.signed, d.signature) }

func (d textDigests) match(digest, data []byte) bool {
	sum := sha256.Sum256(data)
	return subtle.ConstantTimeCompare(digest, sum[:]) == 1
}

// VerifiedFace reads the face as [Card.Face] does and verifies it. It takes three
// more exchanges, for the certificate. No signature covers expiry and security
// code. If the data do not verify, the error wraps [ErrNotAuthentic] or
// [ErrNoAnchor].
func (c *Card) VerifiedFace(ctx context.Context, anchors *FaceAnchors) (Verified[Face], error) {
	return verified(ctx, c, "verify card face", anchors, visualCert, func() (Face, func(*rsa.PublicKey) bool, error) {
		f, signed, err := c.readFace(ctx)
		return f, func(key *rsa.PublicKey) bool { return signsFace(key, signed) }, err
	})
}

// VerifiedAgeRecord reads the age record as [Card.AgeRecord] does and verifies
// it. It takes three more exchanges, for the certificate. If the data do not
// verify, the error wraps [ErrNotAuthentic] or [ErrNoAnchor].
func (c *Card) VerifiedAgeRecord(ctx context.Context, anchors *FaceAnchors) (Verified[Date], error) {
	return verified(ctx, c, "verify age record", anchors, visualCert, func() (Date, func(*rsa.PublicKey) bool, error) {
		birth, signed, signature, err := c.readAge(ctx)
		return birth, func(key *rsa.PublicKey) bool { return signs(key, signed, signature) }, err
	})
}

// VerifiedMyNumberPicture reads the picture as [Card.MyNumberPicture] does and
// verifies it. It takes three more exchanges, for the certificate. If the data do
// not verify, the error wraps [ErrNotAuthentic] or [ErrNoAnchor].
func (c *Card) VerifiedMyNumberPicture(ctx context.Context, anchors *FaceAnchors) (Verified[Picture], error) {
	return verified(ctx, c, "verify My Number picture", anchors, visualCert, func() (Picture, func(*rsa.PublicKey) bool, error) {
		p, signed, signature, err := c.readMyNumberPicture(ctx)
		return p, func(key *rsa.PublicKey) bool { return signs(key, signed, signature) }, err
	})
}
