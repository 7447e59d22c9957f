package simcard

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"sync"

	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/simcard/internal/testkeys"
)

// A KeyID names a key behind the card's face (証明者鍵ID, 被証明者鍵ID): seven
// digits, 08 05, three digits, three zeros and a byte that is mostly zero. The
// seven digits of a root begin with 5 on the cards of the public and with 6 on
// those of a test, as here.
type KeyID [16]byte

func keyID(number, group string, last byte) (id KeyID) {
	copy(id[:], fmt.Sprintf("%07.7s\x08\x05%03.3s", number, group))
	id[15] = last
	return id
}

// Number returns the seven digits, such as "6000023".
func (id KeyID) Number() string { return string(id[:7]) }

// String returns both groups of digits, such as "6000023/001".
func (id KeyID) String() string { return string(id[:7]) + "/" + string(id[9:12]) }

// A FaceAnchor is what a verifier has to know beforehand: a root key and its
// name. A certificate on the card names its issuer by such a name and does not
// carry the key.
type FaceAnchor struct {
	ID  KeyID
	Key *rsa.PublicKey
}

// A FaceAuthority is the keys behind the signed data of the card's face. There
// is no X.509 here: a card-verifiable certificate (CV certificate) is the
// object
//
//	7F21 820233 { 5F4E 820129 body, 5F37 820100 signature }
//
// of 568 bytes. The body is the issuer's [KeyID], the subject's and the
// subject's public key (90 03 exponent, 91 820100 modulus); the signature is
// the issuer's over the 297 bytes of the body, RSA PKCS #1 v1.5 with SHA-256.
//
// There are three roots. Two of them certify, each in file 0004 of an
// application, the key that has signed that application's data; the third
// stands above the two certificates that the card itself has for GET DATA.
type FaceAuthority struct {
	keys [7]func() *rsa.PrivateKey // as testkeys names them
}

// The names of the roots and of the keys that the basic information of the
// applications speaks of.
var (
	visualRootID = keyID("6000023", "001", 0)
	textRootID   = keyID("6000033", "001", 0)
	cardRootID   = keyID("6000020", "001", 0xA8)
	visualBaseID = keyID("6000024", "001", 0)
	textBaseID   = keyID("6000034", "001", 0)
	opaqueID     = keyID("6900025", "001", 0)
	cardMiddleID = keyID("6000021", "001", 0xA8)
)

// Visual returns the root of 券面事項確認: the one of file 0004 of application
// D3921000310001010402, "6000023/001".
func (a *FaceAuthority) Visual() FaceAnchor { return a.anchor(visualRootID, testkeys.FaceVisualRoot) }

// Text returns the root of 券面事項入力補助: the one of file 0004 of application
// D3921000310001010408, "6000033/001".
func (a *FaceAuthority) Text() FaceAnchor { return a.anchor(textRootID, testkeys.FaceTextRoot) }

// Manager returns the root of what GET DATA 00F8 gives, "6000020/001".
func (a *FaceAuthority) Manager() FaceAnchor { return a.anchor(cardRootID, testkeys.FaceCardRoot) }

// Anchors returns all three roots.
func (a *FaceAuthority) Anchors() []FaceAnchor {
	return []FaceAnchor{a.Visual(), a.Text(), a.Manager()}
}

func (a *FaceAuthority) anchor(id KeyID, key int) FaceAnchor {
	return FaceAnchor{ID: id, Key: &a.keys[key]().PublicKey}
}

func newFaceAuthority(key func(which int) func() *rsa.PrivateKey) *FaceAuthority {
	a := &FaceAuthority{}
	for i := range a.keys {
		a.keys[i] = key(i)
	}
	return a
}

// certificate is a CV certificate: the issuer's key signs the subject's.
func (a *FaceAuthority) certificate(issuerID KeyID, issuer int, subjectID KeyID, subject int) []byte {
	body := append(append(issuerID[:], subjectID[:]...), publicKey(&a.keys[subject]().PublicKey)...)
	return object(0x7F21, object(0x5F4E, body), object(0x5F37, signature(a.keys[issuer](), body)))
}

// publicKey is an RSA key as the card writes it: 265 bytes for 2048 bits.
func publicKey(k *rsa.PublicKey) []byte {
	exponent := big.NewInt(int64(k.E)).FillBytes(make([]byte, 3))
	return append(object(0x90, exponent), object(0x91, k.N.FillBytes(make([]byte, k.Size())))...)
}

// object is one TLV object around the parts.
func object(tag tlv.Tag, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := tlv.AppendHeader(make([]byte, 0, n+8), tag, n)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// withTable is an object of objects, in front of which stands a table: where
// each begins, in two bytes, counted from the start of the outer object.
func withTable(outer, table tlv.Tag, objects [][]byte) []byte {
	offsets := make([]byte, 2*len(objects))
	content := bytes.Join(objects, nil)
	at := len(object(outer, object(table, offsets), content)) - len(content)
	for i, o := range objects {
		binary.BigEndian.PutUint16(offsets[2*i:], uint16(at))
		at += len(o)
	}
	return object(outer, object(table, offsets), content)
}

// signature is RSA PKCS #1 v1.5 with SHA-256 over the parts, one after another.
func signature(key *rsa.PrivateKey, parts ...[]byte) []byte {
	digest := digestOf(parts...)
	return signed(key, crypto.SHA256, digest[:])
}

// signed cannot fail with the keys and digests of this package.
func signed(key *rsa.PrivateKey, hash crypto.Hash, digest []byte) []byte {
	s, err := rsa.SignPKCS1v15(nil, key, hash, digest)
	if err != nil {
		panic("internal error: simcard: " + err.Error())
	}
	return s
}

func digestOf(parts ...[]byte) (digest [sha256.Size]byte) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(digest[:0])
	return digest
}

// filled is content with FF after it, up to size or the next multiple of it.
func filled(content []byte, size int) []byte {
	for len(content)%size != 0 {
		content = append(content, 0xFF)
	}
	return content
}

// largestFile is the size of a file whose last byte READ BINARY still reaches.
const largestFile = 0x8000

// A face is all that the applications of a card beside JPKI hold. Its methods
// make the files; each is called once, when the file is first needed.
type face struct {
	holder    Holder // complete
	seed      [32]byte
	authority func() *FaceAuthority
	keys      [testkeys.CardKeys]func() *rsa.PrivateKey
	atr       []byte // of the contacts
}

func (c *Card) newFace(holder Holder, seed [32]byte, fresh bool) *face {
	f := &face{
		holder: holder, seed: seed, atr: contactATR(c.atr),
		authority: func() *FaceAuthority { return c.authority().face },
	}
	for which := range f.keys {
		f.keys[which] = func() *rsa.PrivateKey { return testkeys.Card(uint(seed[30]), which) }
		if fresh {
			f.keys[which] = freshKey()
		}
	}
	return f
}

// signer returns one of the card's own keys for a file.
func (f *face) signer(which int) func() crypto.Signer {
	return func() crypto.Signer { return f.keys[which]() }
}

// public is the public half of a key of the card.
func (f *face) public(which int) []byte { return publicKey(&f.keys[which]().PublicKey) }

// code is the holder's municipality as exactly five digits.
func (f *face) code() string {
	code := []byte("00000")
	if m := f.holder.Municipality; len(m) == len(code) {
		for i := range code {
			if m[i] >= '0' && m[i] <= '9' {
				code[i] = m[i]
			}
		}
	}
	return string(code)
}

// subjectID names the key of the holder's municipality in an application.
func (f *face) subjectID(application string) KeyID { return keyID(f.code()+application, "000", 0) }

// sexDigit is the sex as one ASCII digit.
func (f *face) sexDigit() []byte { return []byte{'0' + byte(f.holder.Sex)%10} }

// valid is text in UTF-8 whatever it was.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// unknown16 is the content of files about which nobody has published more.
var unknown16 = bytes.Repeat([]byte{0xFF}, 16)

// once makes a file's content when it is first asked for.
func once(content func() []byte) func() []byte { return sync.OnceValue(content) }

// InternalKey returns the public half of the key of INTERNAL AUTHENTICATE (共通
// カード, file 0019), which is nowhere on the card. It is nil for a card without
// that application.
func (c *Card) InternalKey() *rsa.PublicKey {
	if c.kind.data().phone || c.kind.data().juki {
		return nil
	}
	return &c.face.keys[testkeys.CardInternal]().PublicKey
}

// CardFace returns the keys behind the signed data of the card's face.
func (a *Authority) CardFace() *FaceAuthority { return a.face }

// newTestFace is for the authority of the tests, newFreshFace for any other.
func newTestFace() *FaceAuthority {
	return newFaceAuthority(func(which int) func() *rsa.PrivateKey {
		return func() *rsa.PrivateKey { return testkeys.Face(which) }
	})
}

func newFreshFace() *FaceAuthority {
	return newFaceAuthority(func(int) func() *rsa.PrivateKey { return freshKey() })
}
