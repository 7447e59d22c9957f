// Package testkeys holds RSA-2048 keys that are prepared, so that a software
// card does not have to wait for new ones.
//
// THESE KEYS ARE PUBLIC. They are part of the source and protect nothing.
package testkeys

import (
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/binary"
	"sync"
)

//go:generate go run generate.go

// Pairs is how many pairs of holder's keys there are.
const Pairs = 8

// Count is how many keys keys.der holds: two of the CA, then the pairs.
const Count = 2 + 2*Pairs

// keys.der is Count RSA private keys in PKCS #1 DER, one after the other.
//
//go:embed keys.der
var der []byte

// keys is each key, read when it is first asked for: to read and check one
// costs more than to make a card.
var keys = func() (k [Count]func() *rsa.PrivateKey) {
	for i := range k {
		k[i] = sync.OnceValue(func() *rsa.PrivateKey { return parse(i) })
	}
	return k
}()

// AuthCA is the key of the CA for user authentication.
func AuthCA() *rsa.PrivateKey { return keys[0]() }

// SignCA is the key of the CA for digital signature.
func SignCA() *rsa.PrivateKey { return keys[1]() }

// Auth is a holder's key for user authentication, the same for n and n+Pairs.
func Auth(n uint) *rsa.PrivateKey { return keys[2+n%Pairs*2]() }

// Sign is a holder's key for digital signature, the same for n and n+Pairs.
func Sign(n uint) *rsa.PrivateKey { return keys[3+n%Pairs*2]() }

// parse reads the i-th key. Each is a SEQUENCE with a length of two bytes:
// 30 82 hi lo.
func parse(i int) *rsa.PrivateKey {
	b := der
	for ; i > 0; i-- {
		b = b[size(b):]
	}
	key, err := x509.ParsePKCS1PrivateKey(b[:size(b)])
	if err != nil {
		panic("internal error: testkeys: " + err.Error()) // the test of this package reads them all
	}
	return key
}

func size(b []byte) int { return 4 + int(binary.BigEndian.Uint16(b[2:])) }
