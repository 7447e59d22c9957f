package jpki

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	"github.com/mynakit/mynakit/internal/secret"
)

// MaxSerial is the longest certificate serial number, in bytes: RFC 5280
// section 4.1.2.2 allows 20 octets.
const MaxSerial = 20

// ErrSerial means that a text or an encoding is not a certificate serial
// number: not hexadecimal, zero, or longer than [MaxSerial].
var ErrSerial = errors.New("jpki: not a certificate serial number")

// A Serial is the serial number of a certificate (証明書の発行番号, シリアル番号).
// It stands for a person, and the law limits who may keep it: store
// [Serial.Pseudonym], not the number.
//
// A Serial prints as [redacted] through fmt, log/slog and encoding/json. The
// number comes out of [Serial.Hex], [Serial.Bytes] and [Serial.BigInt] only.
// Serials can be compared with == and be keys of a map; use [Serial.Equal]
// where an attacker can measure time. The zero value is no serial.
type Serial struct {
	hidden
	octets secret.String
}

// SerialFromBytes returns a Serial of a positive big-endian number, leading
// zeros allowed. It fails with [ErrSerial].
func SerialFromBytes(b []byte) (Serial, error) {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > MaxSerial {
		return Serial{}, ErrSerial
	}
	octets, _ := secret.Mask(b) // MaxSerial bytes fit
	return Serial{octets: octets}, nil
}

// ParseSerial reads the hexadecimal form that [Serial.Hex] writes. Either case
// will do, and so will an odd number of digits. It fails with [ErrSerial].
func ParseSerial(s string) (Serial, error) {
	if len(s) > 2*MaxSerial+2 {
		return Serial{}, ErrSerial
	}
	if len(s)%2 == 1 {
		s = "0" + s
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return Serial{}, ErrSerial // the cause quotes a digit
	}
	return SerialFromBytes(b)
}

func (s Serial) value() string { return s.octets.Reveal() }

// IsZero reports whether s is the zero value, which is no serial.
func (s Serial) IsZero() bool { return s == Serial{} }

// Hex returns the number in upper-case hexadecimal, two digits a byte, such as
// 030D45, and "" for the zero value.
func (s Serial) Hex() string { return fmt.Sprintf("%X", s.value()) }

// Bytes returns the number, big-endian and without leading zeros, in new
// memory.
func (s Serial) Bytes() []byte { return []byte(s.value()) }

// BigInt returns the number.
func (s Serial) BigInt() *big.Int { return new(big.Int).SetBytes([]byte(s.value())) }

// Equal compares in constant time for serials of one length.
func (s Serial) Equal(t Serial) bool {
	return subtle.ConstantTimeCompare([]byte(s.value()), []byte(t.value())) == 1
}

// A hidden struct shows as [redacted] wherever it is printed, logged or encoded.
type hidden = secret.Hidden

// A Pseudonym is the form of a [Serial] to store and to look up by:
// HMAC-SHA-256 of the number under a key of the integrator's. Without the key
// it can neither be traced back nor be matched with another company's.
// Pseudonyms can be compared with == and be keys of a map.
type Pseudonym [sha256.Size]byte

// Pseudonym returns HMAC-SHA-256(key, octets of the serial). The key should be
// 32 random bytes, kept apart from the database: serials are short, and whoever
// has the key can try them all. The same serial under the same key gives the
// same pseudonym in every version of this module. The zero value has one too,
// which stands for nobody: ask [Serial.IsZero] first.
func (s Serial) Pseudonym(key []byte) Pseudonym {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s.value()))
	return Pseudonym(h.Sum(nil))
}

// ErrPseudonym means that a text is not 64 hexadecimal digits.
var ErrPseudonym = errors.New("jpki: not a pseudonym")

// ParsePseudonym reads the 64 hexadecimal digits that [Pseudonym.String]
// writes. It fails with [ErrPseudonym].
func ParsePseudonym(s string) (Pseudonym, error) {
	var p Pseudonym
	if len(s) != 2*len(p) {
		return Pseudonym{}, ErrPseudonym
	}
	if _, err := hex.Decode(p[:], []byte(s)); err != nil {
		return Pseudonym{}, ErrPseudonym
	}
	return p, nil
}

// String returns 64 lower-case hexadecimal digits.
func (p Pseudonym) String() string { return hex.EncodeToString(p[:]) }

// Equal compares in constant time.
func (p Pseudonym) Equal(q Pseudonym) bool { return subtle.ConstantTimeCompare(p[:], q[:]) == 1 }

// MarshalText returns what String gives.
func (p Pseudonym) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is [ParsePseudonym].
func (p *Pseudonym) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePseudonym(string(text))
	return err
}

// Value stores the text form. It serves [database/sql].
func (p Pseudonym) Value() (driver.Value, error) { return p.String(), nil }

// Scan reads the text form. It serves [database/sql]; NULL is [ErrPseudonym].
func (p *Pseudonym) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return p.UnmarshalText([]byte(v))
	case []byte:
		return p.UnmarshalText(v)
	}
	return ErrPseudonym
}
