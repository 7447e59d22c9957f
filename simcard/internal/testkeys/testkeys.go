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

// The keys that stand behind the card's face, each with its place in face.der.
const (
	FaceVisualRoot   = iota // certifies FaceVisualIssuer
	FaceTextRoot            // certifies FaceTextIssuer
	FaceCardRoot            // certifies FaceIntermediate
	FaceVisualIssuer        // signs the files of the visual application
	FaceTextIssuer          // signs the files of the text application
	FaceIntermediate        // certifies FaceCardSubject
	FaceCardSubject
	faceAuthority = iota
)

// The keys that a card has beside those of JPKI, each with its place in a set.
const (
	CardVisual   = iota // the key of the visual application
	CardText            // the key of the text application
	CardInternal        // the key of INTERNAL AUTHENTICATE
	CardSession         // the key to which a session key is encrypted
	CardKeys     = iota // how many there are
)

// Sets is how many sets of a card's own keys there are.
const Sets = 4

// FaceCount is how many keys face.der holds: those of the authorities, then
// the sets.
const FaceCount = faceAuthority + Sets*CardKeys

// keys.der is Count RSA private keys in PKCS #1 DER, one after the other, and
// face.der FaceCount.
var (
	//go:embed keys.der
	der []byte
	//go:embed face.der
	faceDER []byte
)

// keys is each key, read when it is first asked for: to read and check one
// costs more than to make a card.
var (
	keys = lazy(Count, func() []byte { return der })
	face = lazy(FaceCount, func() []byte { return faceDER })
)

func lazy(count int, der func() []byte) []func() *rsa.PrivateKey {
	k := make([]func() *rsa.PrivateKey, count)
	for i := range k {
		k[i] = sync.OnceValue(func() *rsa.PrivateKey { return parse(der(), i) })
	}
	return k
}

// AuthCA is the key of the CA for user authentication.
func AuthCA() *rsa.PrivateKey { return keys[0]() }

// SignCA is the key of the CA for digital signature.
func SignCA() *rsa.PrivateKey { return keys[1]() }

// Auth is a holder's key for user authentication, the same for n and n+Pairs.
func Auth(n uint) *rsa.PrivateKey { return keys[2+n%Pairs*2]() }

// Sign is a holder's key for digital signature, the same for n and n+Pairs.
func Sign(n uint) *rsa.PrivateKey { return keys[3+n%Pairs*2]() }

// Face is a key of the authorities behind the card's face: FaceVisualRoot to
// FaceCardSubject.
func Face(which int) *rsa.PrivateKey { return face[which]() }

// Card is one of a card's own keys, CardVisual to CardSession: the same for n
// and n+Sets.
func Card(n uint, which int) *rsa.PrivateKey {
	return face[faceAuthority+int(n%Sets)*CardKeys+which]()
}

// parse reads the i-th key of b. Each is a SEQUENCE with a length of two
// bytes: 30 82 hi lo.
func parse(b []byte, i int) *rsa.PrivateKey {
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
