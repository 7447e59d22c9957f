package simcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"

	"github.com/mynakit/mynakit/apdu"
)

// What P1 of COMPUTE DIGITAL SIGNATURE asks for. "Pads" is PKCS #1 v1.5 of
// RFC 8017 section 8.2 without the step that adds the name of the hash.
const (
	padData     = 0x00 // pads what it gets, 1 to 245 bytes: usually a DigestInfo
	hashPadBare = 0x01 // hashes with SHA-256, pads the bare hash
	padHash     = 0x02 // gets a SHA-256 hash, adds the DigestInfo, pads
	hashPad     = 0x03 // hashes with SHA-256, adds the DigestInfo, pads
	pssHash     = 0x04 // gets a SHA-256 hash: RSASSA-PSS, salt of 32 bytes
	hashPSS     = 0x05 // hashes with SHA-256: RSASSA-PSS, salt of 32 bytes
)

// pkcs1Overhead is how many bytes the padding of PKCS #1 v1.5 takes at least.
const pkcs1Overhead = 11

// computeSignature is PERFORM SECURITY OPERATION: COMPUTE DIGITAL SIGNATURE
// with the key that P2 names.
func (c *Card) computeSignature(cmd *apdu.Command) ([]byte, apdu.Status) {
	if cmd.P1 > hashPSS || cmd.P1 >= pssHash && c.quirks.NoPSS {
		return nil, apdu.IncorrectP1P2
	}
	f, status := c.signingKey(cmd.P2)
	switch {
	case status != apdu.OK:
		return nil, status
	case f.key == nil:
		return nil, apdu.CommandIncompatible
	case !f.use.granted():
		return nil, apdu.SecurityStatusNotSatisfied
	case f.authenticates:
		return nil, apdu.ConditionsNotSatisfied
	}
	key := f.key()
	if cmd.Ne < signatureSize(key) {
		return nil, apdu.WrongLength
	}
	var signature []byte
	var err error
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		return signNext(key, cmd.P1, cmd.Data)
	case *rsa.PrivateKey:
		if !signable(cmd.P1, len(cmd.Data), key.Size()) {
			return nil, apdu.WrongLength
		}
		signature, err = sign(key, cmd.P1, cmd.Data)
	}
	if err != nil {
		return nil, apdu.NoPreciseDiagnosis
	}
	return signature, apdu.OK
}

// signingKey is the key that P2 names; 00 is the application's default key,
// where it has one.
func (c *Card) signingKey(p2 byte) (*file, apdu.Status) {
	if p2 == 0 && c.app.defaultKey != nil {
		return c.app.defaultKey, apdu.OK
	}
	return c.reference(p2)
}

// signatureSize is how long the key's signatures are, in bytes.
func signatureSize(key crypto.Signer) int {
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		return public.Size()
	case *ecdsa.PublicKey:
		return 2 * ((public.Params().BitSize + 7) / 8)
	}
	return apdu.MaxExtendedNe // there are no others
}

// signable reports whether n bytes can be signed as p1 asks.
func signable(p1 byte, n, keySize int) bool {
	switch p1 {
	case padData:
		return n >= 1 && n <= keySize-pkcs1Overhead
	case padHash, pssHash:
		return n == sha256.Size
	}
	return n >= 1
}

func sign(key *rsa.PrivateKey, p1 byte, data []byte) ([]byte, error) {
	switch p1 {
	case hashPadBare, hashPad, hashPSS:
		digest := sha256.Sum256(data)
		data = digest[:]
	}
	switch p1 {
	case padData, hashPadBare:
		return rsa.SignPKCS1v15(nil, key, crypto.Hash(0), data)
	case padHash, hashPad:
		return rsa.SignPKCS1v15(nil, key, crypto.SHA256, data)
	}
	return rsa.SignPSS(rand.Reader, key, crypto.SHA256, data, &rsa.PSSOptions{SaltLength: sha256.Size})
}
