package simcard_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1"
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
)

// signed has the card sign data and gives the signature.
func signed(t *testing.T, card *simcard.Card, key, p1 byte, data []byte) []byte {
	t.Helper()
	cmd := apdu.Command{CLA: 0x80, INS: apdu.InsPSO, P1: p1, P2: 0x80 | key, Data: data, Ne: 256}
	b, err := cmd.MarshalBinary()
	require.NoError(t, err)
	reply, err := card.Transmit(b)
	require.NoError(t, err)
	require.Len(t, reply, 258)
	require.Equal(t, []byte{0x90, 0x00}, reply[256:])
	return reply[:256]
}

// recovered undoes a signature and the padding of PKCS #1 v1.5, RFC 8017
// section 9.2: 00 01 FF ... FF 00 T.
func recovered(t *testing.T, key *rsa.PublicKey, signature []byte) []byte {
	t.Helper()
	m := new(big.Int).Exp(new(big.Int).SetBytes(signature), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
	require.Equal(t, []byte{0, 1}, m[:2])
	end := bytes.IndexByte(m[2:], 0)
	require.GreaterOrEqual(t, end, 8)
	for _, b := range m[2 : 2+end] {
		require.Equal(t, byte(0xFF), b)
	}
	return m[2+end+1:]
}

func TestSignatures(t *testing.T) {
	card := simcard.New()
	run(t, card, []step{{selectJPKI, "9000"}, {verifyAuth, "9000"}, {verifySign, "9000"}})
	message := []byte("a message for the card to sign")
	digest := sha256.Sum256(message)
	info, err := hex.DecodeString("3031300D060960864801650304020105000420")
	require.NoError(t, err)
	info = append(info, digest[:]...)
	pss := &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}

	for _, side := range []struct {
		key         byte
		certificate *x509.Certificate
	}{{0x17, card.AuthCertificate()}, {0x1A, card.SignCertificate()}} {
		public := side.certificate.PublicKey.(*rsa.PublicKey)
		t.Run(fmt.Sprintf("key %02X", side.key), func(t *testing.T) {
			assert.Equal(t, message, recovered(t, public, signed(t, card, side.key, 0, message)))
			assert.Equal(t, info, recovered(t, public, signed(t, card, side.key, 0, info)))
			assert.Equal(t, digest[:], recovered(t, public, signed(t, card, side.key, 1, message)))
			assert.Equal(t, info, recovered(t, public, signed(t, card, side.key, 2, digest[:])))
			assert.Equal(t, info, recovered(t, public, signed(t, card, side.key, 3, message)))
			assert.NoError(t, rsa.VerifyPSS(public, crypto.SHA256, digest[:], signed(t, card, side.key, 4, digest[:]), pss))
			assert.NoError(t, rsa.VerifyPSS(public, crypto.SHA256, digest[:], signed(t, card, side.key, 5, message), pss))
			assert.NotEqual(t, signed(t, card, side.key, 4, digest[:]), signed(t, card, side.key, 4, digest[:]), "the salt is random")
			assert.Equal(t, signed(t, card, side.key, 2, digest[:]), signed(t, card, side.key, 3, message))

			for _, n := range []int{1, 2, 35, 51, 67, 83, 244, 245} {
				data := bytes.Repeat([]byte{0xA5}, n)
				assert.Equal(t, data, recovered(t, public, signed(t, card, side.key, 0, data)))
			}
			long := bytes.Repeat([]byte("long "), 2000)
			longDigest := sha256.Sum256(long)
			assert.Equal(t, longDigest[:], recovered(t, public, signed(t, card, side.key, 1, long)))
		})
	}
	assert.NotEqual(t, card.AuthCertificate().PublicKey, card.SignCertificate().PublicKey)
}

// The DigestInfo that programs send for each hash gives a signature that
// crypto/rsa verifies.
func TestDigestInfo(t *testing.T) {
	card := simcard.New()
	run(t, card, []step{{selectJPKI, "9000"}, {verifyAuth, "9000"}})
	public := card.AuthCertificate().PublicKey.(*rsa.PublicKey)
	for hash, prefix := range map[crypto.Hash]string{
		crypto.SHA1:   "3021300906052B0E03021A05000414",
		crypto.SHA256: "3031300D060960864801650304020105000420",
		crypto.SHA384: "3041300D060960864801650304020205000430",
		crypto.SHA512: "3051300D060960864801650304020305000440",
	} {
		info, err := hex.DecodeString(prefix)
		require.NoError(t, err)
		h := hash.New()
		h.Write([]byte("message"))
		digest := h.Sum(nil)
		assert.NoError(t, rsa.VerifyPKCS1v15(public, hash, digest, signed(t, card, 0x17, 0, append(info, digest...))), hash)
	}
}
