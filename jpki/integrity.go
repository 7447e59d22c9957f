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
	// ErrNoAnchor means that the [FaceAnchors] hold nothing that vouches for
	// the key which signs this card's data. Nothing is known against the data,
	// and nothing for it.
	ErrNoAnchor = errors.New("jpki: no trust anchor for the key that signs this card's data")
	// ErrNotAuthentic means that a digest or a signature does not match: the
	// data were altered, garbled on their way, or belong to another card.
	ErrNotAuthentic = errors.New("jpki: card-face data does not verify")
)

// A FaceID names a key of the hierarchy that signs card-face data: 16 bytes,
// of which 7 digits come first. Those of the live hierarchy start with 5, those
// of test cards with 6. FaceIDs can be compared with == and be keys of a map.
type FaceID [16]byte

// String returns the leading digits, such as "5000023"; the whole in
// hexadecimal where there are none.
func (id FaceID) String() string {
	for _, d := range id[:7] {
		if d < '0' || d > '9' {
			return fmt.Sprintf("%X", id[:])
		}
	}
	return string(id[:7])
}

// A FaceCertificate is the card-verifiable certificate (CV証明書) of the key that
// signs the data of [TextApp] or [VisualApp], by which a municipality's key is
// certified. [Card.FaceCertificate] and [ParseFaceCertificate] give it as it
// stands and do not verify it.
type FaceCertificate struct {
	Raw       []byte // the whole, as on the card
	Issuer    FaceID // the key that signed the certificate
	Subject   FaceID // the key that is certified
	PublicKey *rsa.PublicKey

	body, signature []byte
}

// ParseFaceCertificate reads a certificate, such as the Raw of one that was
// stored. It keeps no part of b. It fails with [ErrCardData].
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
// [TextApp] or [VisualApp], without a PIN and in three exchanges. It does not
// verify it: whoever can make a card can make a certificate.
//
// The error is a [*StepError] that holds [*NoApplicationError],
// [*UnsupportedError] for another application, or [ErrCardData].
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

// FaceAnchors are what a program trusts to sign card-face data. The zero value
// trusts nothing. Fill it before use; it may then be used from several
// goroutines.
//
// The hierarchy is: an issuer key, which is on no card, certifies a key of the
// municipality's in the card's [FaceCertificate], and that signs the data. The
// issuer keys of live cards are not published. So the caller has to choose:
//
//   - [FaceAnchors.AddIssuer] trusts an issuer key: for who has been given one,
//     and for test cards of one's own hierarchy. Every card of the hierarchy
//     then verifies.
//   - [FaceAnchors.AddSigner] trusts one certified key, taken from a card that
//     is known to be genuine, such as one's own from the same municipality. To
//     add the certificate of the very card that is to be verified shows that
//     its data are whole and fit together, and nothing about who made them.
//   - Neither: [Card.Attributes] and the like give the data as the card says
//     them, and the certificate for digital signature carries name, address,
//     birth date and sex under a signature whose roots are published.
type FaceAnchors struct {
	issuers []faceKey
	signers []faceKey
}

type faceKey struct {
	id  FaceID
	key *rsa.PublicKey
}

// AddIssuer trusts the issuer key named id. A key below 2,048 bits, or none, is
// an [*UnsupportedError].
func (a *FaceAnchors) AddIssuer(id FaceID, key *rsa.PublicKey) error {
	if !strong(key) {
		return &UnsupportedError{"an issuer key of this size"}
	}
	a.issuers = append(a.issuers, faceKey{id, key})
	return nil
}

// AddSigner trusts the key that cert certifies, whoever issued cert. A nil cert
// is an [*UnsupportedError].
func (a *FaceAnchors) AddSigner(cert *FaceCertificate) error {
	if cert == nil || !strong(cert.PublicKey) {
		return &UnsupportedError{"a face certificate without a key"}
	}
	a.signers = append(a.signers, faceKey{cert.Subject, cert.PublicKey})
	return nil
}

// Verify reports whether the anchors vouch for cert: nil, [ErrNoAnchor] where
// they do not know who would have to, [ErrNotAuthentic] where the issuer that
// they know did not sign it.
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

// signsFace is signs for a face, whose DigestInfo is of the card's own making:
// it says SHA-256 and holds three of them, 96 bytes.
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

// A Verified holds a value whose signature was verified: it comes from the
// calls of [Card] that verify, and from nowhere else. A function that must not
// be given anything else takes a Verified. The zero value holds nothing.
//
// Verified means: signed by a key that the [FaceAnchors] vouch for. It does not
// mean that the card is no copy, that it is valid today, or that who holds it
// is the holder.
type Verified[T any] struct {
	hidden
	value  secret.Box[T]
	signer FaceID
}

// Value returns the value, or the zero T from the zero Verified.
func (v Verified[T]) Value() T {
	return v.value.Reveal()
}

// Signer names the key that signed the value.
func (v Verified[T]) Signer() FaceID { return v.signer }

// IsZero reports whether v is the zero value, which holds nothing.
func (v Verified[T]) IsZero() bool { return v.value.IsZero() }

// verified returns a Verified of what read gives, where it verifies: read gives
// a value and a function that checks it under the key of the certificate in f.
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

// VerifiedMyNumber is [Card.MyNumber], and verifies what it reads: five more
// exchanges, for the digests and the certificate. Where anything does not
// verify there is no value, and the error holds [ErrNotAuthentic] or
// [ErrNoAnchor].
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

// VerifiedAttributes is [Card.Attributes], and verifies what it reads: five
// more exchanges, for the digests and the certificate. Where anything does not
// verify there is no value, and the error holds [ErrNotAuthentic] or
// [ErrNoAnchor].
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

// VerifiedFace is [Card.Face], and verifies what it reads: three more
// exchanges, for the certificate. Expiry and security code are not covered, as
// their methods say. Where anything does not verify there is no value, and the
// error holds [ErrNotAuthentic] or [ErrNoAnchor].
func (c *Card) VerifiedFace(ctx context.Context, anchors *FaceAnchors) (Verified[Face], error) {
	return verified(ctx, c, "verify card face", anchors, visualCert, func() (Face, func(*rsa.PublicKey) bool, error) {
		f, signed, err := c.readFace(ctx)
		return f, func(key *rsa.PublicKey) bool { return signsFace(key, signed) }, err
	})
}

// VerifiedAgeRecord is [Card.AgeRecord], and verifies what it reads: three more
// exchanges, for the certificate. Where anything does not verify there is no
// value, and the error holds [ErrNotAuthentic] or [ErrNoAnchor].
func (c *Card) VerifiedAgeRecord(ctx context.Context, anchors *FaceAnchors) (Verified[Date], error) {
	return verified(ctx, c, "verify age record", anchors, visualCert, func() (Date, func(*rsa.PublicKey) bool, error) {
		birth, signed, signature, err := c.readAge(ctx)
		return birth, func(key *rsa.PublicKey) bool { return signs(key, signed, signature) }, err
	})
}

// VerifiedMyNumberPicture is [Card.MyNumberPicture], and verifies what it
// reads: three more exchanges, for the certificate. Where anything does not
// verify there is no value, and the error holds [ErrNotAuthentic] or
// [ErrNoAnchor].
func (c *Card) VerifiedMyNumberPicture(ctx context.Context, anchors *FaceAnchors) (Verified[Picture], error) {
	return verified(ctx, c, "verify My Number picture", anchors, visualCert, func() (Picture, func(*rsa.PublicKey) bool, error) {
		p, signed, signature, err := c.readMyNumberPicture(ctx)
		return p, func(key *rsa.PublicKey) bool { return signs(key, signed, signature) }, err
	})
}
