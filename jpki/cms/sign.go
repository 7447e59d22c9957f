package cms

import (
	"context"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"

	"github.com/mynakit/mynakit/jpki"
)

// Sign returns a message that contains content, signed with key: a SignedData in
// DER. Before the call, verify the PIN of the key. Sign copies content. The errors
// are those of [jpki.Key.SignContext].
func Sign(ctx context.Context, key *jpki.Key, content []byte) ([]byte, error) {
	return sign(ctx, key, content, false)
}

// SignDetached is [Sign] for a message that does not contain content. Both are
// needed to verify it.
func SignDetached(ctx context.Context, key *jpki.Key, content []byte) ([]byte, error) {
	return sign(ctx, key, content, true)
}

// essCertIDv2 names the signer's certificate by its SHA-256, which is the
// default hash: SigningCertificateV2, RFC 5035 section 3.
type signingCertificateV2 struct {
	Certs []essCertIDv2
}

type essCertIDv2 struct {
	Hash []byte
}

func sign(ctx context.Context, key *jpki.Key, content []byte, detached bool) ([]byte, error) {
	if key == nil {
		return nil, errors.New("cms: no key")
	}
	message, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, fmt.Errorf("cms: %w", err)
	}
	message.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	// Issuer and number alone do not identify the signer: generations of the CA
	// share their name.
	cert := key.Certificate()
	hash := sha256.Sum256(cert.Raw)
	err = message.AddSigner(cert, key.WithContext(ctx), pkcs7.SignerInfoConfig{
		ExtraSignedAttributes: []pkcs7.Attribute{{Type: oidSigningCertificateV2, Value: signingCertificateV2{[]essCertIDv2{{hash[:]}}}}},
	})
	if err != nil {
		return nil, fmt.Errorf("cms: %w", err)
	}
	// RFC 4055 section 5: the parameters of sha256WithRSAEncryption are NULL.
	for i := range message.GetSignedData().SignerInfos {
		message.GetSignedData().SignerInfos[i].DigestEncryptionAlgorithm.Parameters = asn1.NullRawValue
	}
	if detached {
		message.Detach()
	}
	der, err := message.Finish()
	if err != nil {
		return nil, fmt.Errorf("cms: %w", err)
	}
	return der, nil
}
