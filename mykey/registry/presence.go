package registry

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/jpki"
)

// A Presence is one presentation of a card or phone at a reader, as the program
// saw it. [Show] and [Prove] read one from a card; they verify the certificate
// and take the device from the card's kind. The registry trusts a Presence that
// a program makes by itself, from a log-in over a network for example: the
// program must have verified the certificate.
//
// A certificate is public. Whoever has held a card to a reader can replay its
// certificate without the card, so a Presence that is not proved identifies a
// holder as a point card does. Every call that binds or changes something
// demands a proved one of the moment.
type Presence struct {
	secret.Hidden
	Certificate Certificate // for user authentication

	// Proved reports that this very card signed a new challenge in this
	// presentation, after it accepted the holder's PIN. A program never carries
	// it over from an earlier presentation.
	Proved bool
}

// Show reads the certificate for user authentication of the card in the reader
// and verifies it. The Presence is not proved. Show sends no PIN; a phone returns
// a [*jpki.PINRequiredError].
//
// The errors are those of [jpki.Card.Certificate], [jpki.Verifier.Verify],
// [jpki.Card.Kind] and [DeviceOf].
func Show(ctx context.Context, card *jpki.Card, v *jpki.Verifier) (Presence, error) {
	cert, err := card.Certificate(ctx, jpki.Auth)
	if err != nil {
		return Presence{}, err
	}
	verified, err := v.Verify(ctx, cert, jpki.Auth)
	if err != nil {
		return Presence{}, err
	}
	return present(ctx, card, verified)
}

// Prove is Show for a card that proves itself: it signs a challenge that Prove
// draws. Prove sends no PIN. Call [jpki.Card.Verify] with the PIN for user
// authentication before; as long as the card lies there and keeps its state,
// Prove can be repeated.
//
// Prove returns the errors of Show and of [jpki.Key.SignContext], among them a
// [*jpki.PINRequiredError] if the card demands its PIN first.
func Prove(ctx context.Context, card *jpki.Card, v *jpki.Verifier) (Presence, error) {
	key, err := card.Signer(ctx, jpki.Auth)
	if err != nil {
		return Presence{}, err
	}
	verified, err := v.Verify(ctx, key.Certificate(), jpki.Auth)
	if err != nil {
		return Presence{}, err
	}
	p, err := present(ctx, card, verified)
	if err != nil {
		return Presence{}, err
	}
	// Last, so that no other application is selected between PIN and signature.
	challenge := sha256.Sum256([]byte("mynakit registry: " + rand.Text()))
	if _, err := key.SignContext(ctx, challenge[:], crypto.SHA256); err != nil {
		return Presence{}, err // the key has checked the signature
	}
	p.Proved = true
	return p, nil
}

func present(ctx context.Context, card *jpki.Card, v *jpki.VerifiedCertificate) (Presence, error) {
	kind, err := card.Kind(ctx)
	if err != nil {
		return Presence{}, err
	}
	cert, err := CertificateOf(v, kind)
	return Presence{Certificate: cert}, err
}
