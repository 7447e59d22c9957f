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

	// Signer is the verified certificate of the signer.
	Signer *jpki.VerifiedCertificate
	// SigningTime is the time that the signer states, and the zero Time if the
	// message states none. It is not proven.
	SigningTime time.Time
}

// A hidden struct shows as [redacted] wherever it is printed, logged or encoded.
type hidden = secret.Hidden

// Content returns what was signed, and nil for a message from [VerifyDetached].
// The result may share memory with the message.
func (m *Message) Content() []byte { return m.content.Reveal() }

// An Option sets the time at which the certificate of the signer has to be valid.
// The last one counts. Without one it is now.
type Option func(*options)

type options struct {
	at      time.Time
	signing bool
}

// At verifies the certificate as of t: the time at which the message arrived, or
// that of a timestamp. See [jpki.Verifier.VerifyAt].
func At(t time.Time) Option { return func(o *options) { o.at, o.signing = t, false } }

// AtSigningTime verifies the certificate as of the time that the signer states. The
// holder of the key of an expired certificate can state any earlier time. A message
// that states no time is refused with [ErrSigningTime].
func AtSigningTime() Option { return func(o *options) { o.at, o.signing = time.Time{}, true } }

// Verify verifies a message in DER or BER that contains its content. verifier
// verifies the certificate of the signer, which has to be one for slot:
// [jpki.Sign] for digital signature, [jpki.Auth] for user authentication. Documents
// are signed with the first. The portal for citizens (マイナポータル) asks for the
// second.
//
// Verify fails with [ErrMessage], [ErrNotAccepted], [ErrContent],
// [ErrSigningTime], [ErrSigner], [ErrSignature], or an error of
// [jpki.Verifier.VerifyAt]. No error contains anything of message or certificate.
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

// VerifyDetached is [Verify] for a message that does not contain its content.
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

// signedBy verifies digest and signature and returns the certificate whose key made
// it. There is nearly always one candidate. Of several with the same name and
// number, it is the one whose key fits.
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
