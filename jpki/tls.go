package jpki

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"errors"
)

// TLSConfig returns a copy of base, or of the zero Config if base is nil, for a
// client that authenticates with the card:
//
//	config, err := key.TLSConfig(ctx, nil)
//	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
//
// It offers the server what the card can do: PSS with SHA-256 and PKCS #1 v1.5
// with SHA-256, SHA-384 and SHA-512. A server that prefers another scheme
// chooses one of these. For a card that does not do PSS, which TLS 1.3 demands,
// MaxVersion is TLS 1.2.
//
// To find that out, the card signs a random digest, which takes one exchange. So
// the PIN of the key has to be verified before, and has to stay verified until
// the handshake. The context of [Key.WithContext] applies to the handshakes.
//
// TLSConfig returns the errors of [Key.SignContext], and an [*UnsupportedError]
// if the card does not do PSS and base demands TLS 1.3.
func (k *Key) TLSConfig(ctx context.Context, base *tls.Config) (*tls.Config, error) {
	config := base.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	schemes := []tls.SignatureScheme{tls.PSSWithSHA256, tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512}
	digest := make([]byte, sha256.Size)
	rand.Read(digest)
	_, err := k.SignContext(ctx, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		if config.MinVersion > tls.VersionTLS12 {
			return nil, err
		}
		config.MaxVersion = tls.VersionTLS12
		schemes = schemes[1:]
	case err != nil:
		return nil, err
	}
	cert := k.Certificate()
	config.Certificates = []tls.Certificate{{
		Certificate: [][]byte{cert.Raw}, Leaf: cert, PrivateKey: k, SupportedSignatureAlgorithms: schemes,
	}}
	return config, nil
}
