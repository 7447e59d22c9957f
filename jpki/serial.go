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

// ErrSerial is returned when the input is not a certificate serial number: it is
// not hexadecimal, zero, or longer than [MaxSerial].
var ErrSerial = errors.New("jpki: not a certificate serial number")

// A Serial is the serial number of a certificate (証明書の発行番号, シリアル番号).
// It identifies a person, and the law limits who may keep it: store
// [Serial.Pseudonym] and not the number. Two generations of a CA may use the same
// number, so a serial identifies a certificate only together with its issuer.
//
// A Serial prints as [redacted]. Only [Serial.Hex], [Serial.Bytes] and
// [Serial.BigInt] return the number. Serials are comparable with == and can be map
// keys, within one process. The zero Serial represents no serial number.
type Serial struct {
	hidden
	octets secret.String
}

// SerialFromBytes returns the Serial of a positive big-endian number, which may
// have leading zeros. It fails with [ErrSerial].
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

// ParseSerial parses the hexadecimal form that [Serial.Hex] returns, in upper or
// lower case, with any number of digits. It fails with [ErrSerial].
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

// IsZero reports whether s is the zero value.
func (s Serial) IsZero() bool { return s == Serial{} }

// Hex returns the number in upper-case hexadecimal, two digits a byte, such as
// 030D45, and "" for the zero value.
func (s Serial) Hex() string { return fmt.Sprintf("%X", s.value()) }

// Bytes returns the number, big-endian and without leading zeros, in new
// memory.
func (s Serial) Bytes() []byte { return []byte(s.value()) }

// BigInt returns the number.
func (s Serial) BigInt() *big.Int { return new(big.Int).SetBytes([]byte(s.value())) }

// Equal reports whether s and t are the same number, in constant time for numbers
// of the same length.
func (s Serial) Equal(t Serial) bool {
	return subtle.ConstantTimeCompare([]byte(s.value()), []byte(t.value())) == 1
}

// A hidden struct shows as [redacted] wherever it is printed, logged or encoded.
type hidden = secret.Hidden

// A Pseudonym is the form of a [Serial] that programs store and look up:
// HMAC-SHA-256 of the number under a key of the integrator. Without the key it
// cannot be traced back to the number or matched with that of another company.
// Pseudonyms are comparable with == and can be map keys.
type Pseudonym [sha256.Size]byte

// Pseudonym returns HMAC-SHA-256(key, octets of the serial). The key should be
// 32 random bytes, stored apart from the database: serials are short, and with
// the key all of them can be tried. The result for a serial and a key is the same
// in every version of this module. The zero Serial has a pseudonym as well, which
// identifies nobody: call [Serial.IsZero] first.
func (s Serial) Pseudonym(key []byte) Pseudonym {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s.value()))
	return Pseudonym(h.Sum(nil))
}

// ErrPseudonym is returned when the input is not 64 hexadecimal digits.
var ErrPseudonym = errors.New("jpki: not a pseudonym")

// ParsePseudonym parses the 64 hexadecimal digits that [Pseudonym.String]
// returns. It fails with [ErrPseudonym].
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

// Equal reports whether p and q are equal, in constant time.
func (p Pseudonym) Equal(q Pseudonym) bool { return subtle.ConstantTimeCompare(p[:], q[:]) == 1 }

// MarshalText returns the text of String.
func (p Pseudonym) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is [ParsePseudonym].
func (p *Pseudonym) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePseudonym(string(text))
	return err
}

// Value returns the text of String, for [database/sql].
func (p Pseudonym) Value() (driver.Value, error) { return p.String(), nil }

// Scan parses the text of String, for [database/sql]. NULL is [ErrPseudonym].
func (p *Pseudonym) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return p.UnmarshalText([]byte(v))
	case []byte:
		return p.UnmarshalText(v)
	}
	return ErrPseudonym
}
