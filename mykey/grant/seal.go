package grant

import (
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// Key is the office's key, which opens what devices have sealed (HPKE, RFC 9180,
// with X25519, HKDF-SHA-256 and AES-128-GCM). Keep it apart from the devices.
type Key struct {
	secret.Hidden
	key secret.Box[hpke.PrivateKey]
}

// PublicKey is what a device seals to.
type PublicKey struct{ key hpke.PublicKey }

// NewKey returns the key of 32 random bytes, which the program keeps.
func NewKey(random []byte) (Key, error) {
	k, err := ecdh.X25519().NewPrivateKey(random)
	if err != nil {
		return Key{}, errors.New("grant: a key is 32 random bytes")
	}
	h, err := hpke.NewDHKEMPrivateKey(k)
	if err != nil {
		return Key{}, fmt.Errorf("grant: key: %w", err)
	}
	return Key{key: secret.New(h)}, nil
}

// IsZero reports whether k is the zero Key.
func (k Key) IsZero() bool { return k.key.IsZero() }

// Public returns the public half, for the devices.
func (k Key) Public() PublicKey { return PublicKey{k.key.Reveal().PublicKey()} }

// Bytes returns the 32 bytes of the public key.
func (p PublicKey) Bytes() []byte { return p.key.Bytes() }

// ParsePublicKey parses what [PublicKey.Bytes] returned.
func ParsePublicKey(b []byte) (PublicKey, error) {
	k, err := ecdh.X25519().NewPublicKey(b)
	if err != nil {
		return PublicKey{}, errors.New("grant: a public key is 32 bytes")
	}
	h, err := hpke.NewDHKEMPublicKey(k)
	return PublicKey{h}, err
}

// info binds a sealed text to its purpose.
func info() []byte { return []byte("mynakit grant tap 1") }

// who is what a tap says of its person, before it is sealed.
type who struct {
	id   mykey.ID // without the card
	card Card
}

const (
	whoID   = 1
	whoCard = 2

	sealedLen = 64 // of every text, so that its length says nothing
)

// seal seals w to the office. A serial has at most 20 octets and a key
// identifier at most 32.
func (w who) seal(p PublicKey) ([]byte, error) {
	b := make([]byte, 0, sealedLen)
	if !w.id.IsZero() {
		b = append(append(b, whoID), w.id.String()...)
	} else {
		serial := w.card.Serial.Bytes()
		b = append(b, whoCard, byte(len(serial)))
		b = append(append(b, serial...), byte(len(w.card.Issuer)))
		b = append(b, w.card.Issuer...)
	}
	if len(b) > sealedLen {
		return nil, errors.New("a serial number or a key identifier is too long")
	}
	return hpke.Seal(p.key, hpke.HKDFSHA256(), hpke.AES128GCM(), info(), b[:sealedLen])
}

// open reads what seal wrote. Whatever is wrong is one error.
func (k Key) open(sealed []byte) (who, error) {
	bad := errors.New("a sealed tap cannot be opened")
	b, err := hpke.Open(k.key.Reveal(), hpke.HKDFSHA256(), hpke.AES128GCM(), info(), sealed)
	if err != nil || len(b) != sealedLen {
		return who{}, bad
	}
	switch b[0] {
	case whoID:
		id, err := mykey.ParseID(string(b[1 : 1+mykey.IDLen]))
		if err != nil {
			return who{}, bad
		}
		return who{id: id}, nil
	case whoCard:
		n := int(b[1])
		if 2+n >= len(b) {
			return who{}, bad
		}
		m := int(b[2+n])
		if 3+n+m > len(b) {
			return who{}, bad
		}
		serial, err := jpki.SerialFromBytes(b[2 : 2+n])
		if err != nil {
			return who{}, bad
		}
		return who{card: Card{Serial: serial, Issuer: append([]byte(nil), b[3+n:3+n+m]...)}}, nil
	}
	return who{}, bad
}

// Passphrase is the passphrase of a round. The zero Passphrase is refused.
type Passphrase struct {
	secret.Hidden
	s secret.Box[[]byte]
}

// NewPassphrase returns a passphrase. It uses text itself, which the caller can
// wipe when the device is open.
func NewPassphrase(text []byte) Passphrase {
	if len(text) == 0 {
		return Passphrase{}
	}
	return Passphrase{s: secret.New(text)}
}

// repeatKey is the key by which a device knows a person again. It comes from
// the round's passphrase and is never stored: serial numbers are short, and who
// had the key could try them all.
type repeatKey struct{ key secret.Box[[]byte] }

// The parameters of Argon2id are those that golang.org/x/crypto/argon2 names for
// general use: one pass over 64 MiB, a tenth of a second on a slow machine.
const (
	argonTime    = 1
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	saltLen      = 16
)

func newRepeatKey(passphrase, salt []byte) repeatKey {
	return repeatKey{secret.New(argon2.IDKey(passphrase, salt, argonTime, argonMemory, argonThreads, 32))}
}

// check is stored, so that a wrong passphrase is noticed at the start.
func (k repeatKey) check() []byte { return k.sum("check", nil)[:8] }

// of returns the mark of a person.
func (k repeatKey) of(w who) []byte {
	if !w.id.IsZero() {
		return k.sum("id", []byte(w.id.String()))
	}
	return k.sum("serial", w.card.Serial.Bytes())
}

func (k repeatKey) sum(label string, b []byte) []byte {
	m := hmac.New(sha256.New, k.key.Reveal())
	m.Write([]byte(label + "\x00"))
	m.Write(b)
	return m.Sum(nil)
}

// wipe overwrites the key.
func (k repeatKey) wipe() { secret.Wipe(k.key) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
