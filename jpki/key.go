package jpki

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"

	"github.com/mynakit/mynakit/internal/secret"
)

// A Key is a private key on a card, with its certificate. It is a
// [crypto.Signer] for [x509.CreateCertificateRequest] and CMS libraries;
// [Key.TLSConfig] returns the configuration of a TLS client. [Card.Signer]
// returns a Key. It may be used from several goroutines and prints as
// [redacted].
//
// crypto/tls passes on the text of an error of Sign, not the error: verify the
// PIN before the handshake.
type Key struct {
	hidden
	card *Card
	slot Slot
	cert secret.Box[*x509.Certificate]
	rsa  *rsa.PublicKey
	ctx  context.Context // for Sign, whose form is given; nil is the background
}

// Signer reads the certificate of [Auth] or [Sign] and returns its key. Signer
// sends no PIN. Before the call, verify the PIN for the digital-signature
// certificate; on a phone, for either certificate.
//
// Signer returns the errors of [Card.Certificate], and an [*UnsupportedError] for
// another slot and for a key that is not RSA: cards with ECDSA are announced and
// none exists.
func (c *Card) Signer(ctx context.Context, slot Slot) (*Key, error) {
	if info, ok := slot.info(); !ok || info.key == 0 {
		return nil, &StepError{"find " + slot.String() + " key", &UnsupportedError{"a key in slot " + slot.String()}}
	}
	cert, err := c.Certificate(ctx, slot)
	if err != nil {
		return nil, err
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, &StepError{"find " + slot.String() + " key",
			&UnsupportedError{fmt.Sprintf("a key of type %s", cert.PublicKeyAlgorithm)}}
	}
	return &Key{card: c, slot: slot, cert: secret.New(cert), rsa: public}, nil
}

// Certificate returns the certificate as it was read. It is not verified.
func (k *Key) Certificate() *x509.Certificate { return k.cert.Reveal() }

// Public returns the public key of the certificate, an [*rsa.PublicKey].
func (k *Key) Public() crypto.PublicKey { return k.rsa }

// WithContext returns a copy of k whose Sign honours ctx.
func (k *Key) WithContext(ctx context.Context) *Key {
	bound := *k
	bound.ctx = ctx
	return &bound
}

// Sign is [Key.SignContext] with the context of [Key.WithContext], or with the
// background context. rand is not used and may be nil: the card has its own.
func (k *Key) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	ctx := k.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	return k.SignContext(ctx, digest, opts)
}

// SignContext is [Card.Sign] with this key. It verifies the signature under the
// certificate before it returns it. If that fails, the error is [ErrSignature]
// in a [*StepError].
func (k *Key) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	// Not Card.Sign: this key is RSA, and a signature that was cut on its way is
	// none of another kind.
	signature, err := k.card.sign(ctx, k.slot, digest, opts)
	if err != nil {
		return nil, signError(k.slot, err)
	}
	if pss, ok := opts.(*rsa.PSSOptions); ok {
		// The salt is as long as the hash: that is what TLS 1.3 asks for.
		err = rsa.VerifyPSS(k.rsa, pss.Hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	} else {
		err = rsa.VerifyPKCS1v15(k.rsa, opts.HashFunc(), digest, signature)
	}
	if err != nil {
		return nil, signError(k.slot, ErrSignature)
	}
	return signature, nil
}
