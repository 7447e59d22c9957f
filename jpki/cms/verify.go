package cms

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/jpki"
)

// skew is how far the clock of a signer may be ahead.
const skew = 5 * time.Minute

// A Message is a message that was verified. It prints as [redacted].
type Message struct {
	hidden
	content secret.Box[[]byte]

	// Signer is the certificate of who signed, verified.
	Signer *jpki.VerifiedCertificate
	// SigningTime is when the signer says that it was signed, and the zero Time
	// if the message does not say. Nothing proves it.
	SigningTime time.Time
}

// A hidden struct shows as [redacted] wherever it is printed, logged or encoded.
type hidden = secret.Hidden

// Content returns what was signed. It returns nil for a message from
// [VerifyDetached], whose caller has it. The result may share memory with the
// message.
func (m *Message) Content() []byte { return m.content.Reveal() }

// An Option says for which moment the certificate of a signer is verified. The
// last one counts; without one it is now.
type Option func(*options)

type options struct {
	at      time.Time
	signing bool
}

// At verifies the certificate as of t: when the message arrived, or what a
// timestamp proves. See [jpki.Verifier.VerifyAt].
func At(t time.Time) Option { return func(o *options) { o.at, o.signing = t, false } }

// AtSigningTime verifies the certificate as of the time that the signer claims.
// Whoever holds the key of a certificate that has expired can claim any time
// before its end. A message that claims none is [ErrSigningTime].
func AtSigningTime() Option { return func(o *options) { o.at, o.signing = time.Time{}, true } }

// Verify verifies a message that contains its content, DER or BER, and gives
// both. verifier decides on the certificate of the signer, which has to be one
// for digital signature ([jpki.Sign]) or for user authentication ([jpki.Auth]),
// whichever slot says. Documents are signed with the first; the portal for
// citizens (マイナポータル) is known to ask for the second.
//
// The error holds one of [ErrMessage], [ErrNotAccepted], [ErrContent],
// [ErrSigner], [ErrSignature] and [ErrSigningTime], or is one of
// [jpki.Verifier.Verify]. It contains nothing of message or certificate.
func Verify(ctx context.Context, verifier *jpki.Verifier, slot jpki.Slot, message []byte, opts ...Option) (*Message, error) {
	m, err := parse(message)
	if err != nil {
		return nil, err
	}
	if !m.attached {
		return nil, ErrContent
	}
	return m.verify(ctx, verifier, slot, opts)
}

// VerifyDetached is Verify for a message that stands beside its content.
func VerifyDetached(ctx context.Context, verifier *jpki.Verifier, slot jpki.Slot, message, content []byte, opts ...Option) (*Message, error) {
	m, err := parse(message)
	if err != nil {
		return nil, err
	}
	if m.attached {
		return nil, ErrContent
	}
	m.content = content
	return m.verify(ctx, verifier, slot, opts)
}

func (m *message) verify(ctx context.Context, verifier *jpki.Verifier, slot jpki.Slot, opts []Option) (*Message, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	// The claim cannot be later than the moment at which the message is known
	// to exist.
	at := o.at
	if at.IsZero() {
		at = verifier.Now()
	}
	if m.signingTime.After(at.Add(skew)) || o.signing && m.signingTime.IsZero() {
		return nil, ErrSigningTime
	}
	if o.signing {
		at = m.signingTime
	}
	cert, err := m.signedBy()
	if err != nil {
		return nil, err
	}
	signer, err := verifier.VerifyAt(ctx, cert, slot, at)
	if err != nil {
		return nil, err
	}
	result := &Message{Signer: signer, SigningTime: m.signingTime}
	if m.attached {
		result.content = secret.New(m.content)
	}
	return result, nil
}

// signedBy verifies digest and signature and gives the certificate whose key
// made it. There is one candidate nearly always. Otherwise it is the one whose
// key fits: who named them alike has proved nothing.
func (m *message) signedBy() (*x509.Certificate, error) {
	reason := ErrSignature
	for _, cert := range m.certificates {
		der, err := m.with(cert)
		if err != nil {
			return nil, malformed("too long")
		}
		p7, err := pkcs7.Parse(der)
		if err != nil || len(p7.Signers) != 1 || len(p7.Certificates) != 1 {
			return nil, malformed("SignerInfo")
		}
		p7.Content = m.content
		if err = p7.Verify(); err == nil {
			return cert, nil
		}
		// The errors quote digests, and the life of the certificate.
		if _, ok := errors.AsType[*pkcs7.SigningTimeNotValidError](err); ok {
			reason = ErrSigningTime
		}
	}
	return nil, reason
}
