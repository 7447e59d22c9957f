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
// [crypto.Signer] and serves as tls.Certificate.PrivateKey, for
// [x509.CreateCertificateRequest], and for CMS libraries. Make one with
// [Card.Signer]. It may be used from several goroutines.
//
// TLS 1.3 signs with PSS only; a card that does not do PSS needs
// tls.Config.MaxVersion at TLS 1.2. crypto/tls passes the text of an error of
// Sign on, not the error: verify the PIN before the handshake.
type Key struct {
	hidden
	card *Card
	slot Slot
	cert secret.Box[*x509.Certificate]
	rsa  *rsa.PublicKey
	ctx  context.Context // for Sign, whose form is given; nil is the background
}

// Signer reads the certificate of [Auth] or [Sign] and gives its key. Nothing
// is signed yet and no PIN is asked for, but that the certificate for digital
// signature, and on a phone either, has to be opened by its PIN first.
//
// Type and size of the key are those in the certificate. A key other than RSA
// is an [*UnsupportedError]: cards with ECDSA are announced and none exists.
// Other errors are those of [Card.Certificate].
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

// Certificate gives the certificate, as it was read and not verified.
func (k *Key) Certificate() *x509.Certificate { return k.cert.Reveal() }

// Public gives the public key of the certificate, an [*rsa.PublicKey].
func (k *Key) Public() crypto.PublicKey { return k.rsa }

// WithContext gives the same key with a Sign that honours ctx.
func (k *Key) WithContext(ctx context.Context) *Key {
	bound := *k
	bound.ctx = ctx
	return &bound
}

// Sign is [Key.SignContext] with the context of [Key.WithContext], or with
// none. The card has its own randomness: rand is not used and may be nil.
func (k *Key) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	ctx := k.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	return k.SignContext(ctx, digest, opts)
}

// SignContext is [Card.Sign] with this key. It checks the signature under the
// certificate before it gives it out; one that does not match is
// [ErrSignature] in a [*StepError].
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
