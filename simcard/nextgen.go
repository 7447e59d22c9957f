package simcard

// Everything in this file is for the kind NextGeneration, which is a plan.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"math/big"
	"sync"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/mynakit/mynakit/apdu"
)

// nextKey returns a P-384 key, made when it is first needed: from the seed, or a
// fresh one.
func nextKey(seed [32]byte, fresh bool) func() crypto.Signer {
	return sync.OnceValue(func() crypto.Signer {
		scalar := sha512.Sum384(seed[:])
		if fresh {
			rand.Read(scalar[:]) // never fails
		}
		scalar[0] >>= 1 // below the order of the group
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), scalar[:])
		if err != nil {
			panic("internal error: simcard: " + err.Error()) // the scalar is in range, and zero only if SHA-384 is broken
		}
		return key
	})
}

// signNext is COMPUTE DIGITAL SIGNATURE with ECDSA. The signature is r and s,
// each as long as the key.
func signNext(key *ecdsa.PrivateKey, p1 byte, data []byte) ([]byte, apdu.Status) {
	switch p1 {
	case padData:
		if len(data) == 0 || len(data) > sha512.Size {
			return nil, apdu.WrongLength
		}
	case padHash:
		if len(data) != sha512.Size384 {
			return nil, apdu.WrongLength
		}
	case hashPadBare, hashPad:
		if len(data) == 0 {
			return nil, apdu.WrongLength
		}
		digest := sha512.Sum384(data)
		data = digest[:]
	default:
		return nil, apdu.IncorrectP1P2 // there is no PSS
	}
	der, err := ecdsa.SignASN1(rand.Reader, key, data)
	if err != nil {
		return nil, apdu.NoPreciseDiagnosis
	}
	r, s, ok := splitECDSA(der)
	if !ok {
		return nil, apdu.NoPreciseDiagnosis
	}
	size := signatureSize(key) / 2
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out, apdu.OK
}

// splitECDSA reads SEQUENCE { r, s }.
func splitECDSA(der []byte) (r, s *big.Int, ok bool) {
	r, s = new(big.Int), new(big.Int)
	var inner cryptobyte.String
	input := cryptobyte.String(der)
	ok = input.ReadASN1(&inner, cbasn1.SEQUENCE) && inner.ReadASN1Integer(r) && inner.ReadASN1Integer(s) && inner.Empty()
	return r, s, ok
}
