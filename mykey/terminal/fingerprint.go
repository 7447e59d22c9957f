package terminal

import (
	"crypto/sha256"
	"crypto/subtle"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"

	"github.com/mynakit/mynakit/mykey"
)

// Fingerprint identifies a terminal (端末識別情報): a SHA-256 value, 32
// bytes (システム設計書 I.4⑥, III.13). Fingerprints compare with ==. The zero
// Fingerprint is none.
type Fingerprint [sha256.Size]byte

// Values are the four values that a Windows terminal is known by.
type Values struct {
	CPU     string // the CPU's serial number (CPUの製造番号)
	Board   string // the motherboard's serial number (マザーボードの製造番号)
	Machine string // what the system derives from its hardware and software (ハード構成・ソフト構成に基づく値)
	Install string // what the system makes anew at each installation (インストールの都度生成する値)
}

// Join is how the four values become one. The published text says only that
// they are joined (結合).
type Join uint8

const (
	// JoinPrefixed hashes, after the text "mykey terminal 1" and a zero byte,
	// for CPU, Board, Machine and Install in this order the length in bytes
	// as four bytes, big end first, and the value in UTF-8. Different values
	// never give the same input.
	JoinPrefixed Join = iota
	// JoinPlain hashes the values in the same order with nothing between
	// them. It is for a system that does so already: "AB"+"C" and "A"+"BC"
	// are the same terminal to it.
	JoinPlain
)

// FingerprintWindows hashes the four values, exactly as they are given: no
// trimming and no change of case. An absent value is a [*mykey.FormError], for a
// terminal that is known by fewer is known by less than the rule demands.
func FingerprintWindows(v Values, j Join) (Fingerprint, error) {
	h := sha256.New()
	if j == JoinPrefixed {
		h.Write([]byte("mykey terminal 1\x00"))
	}
	for _, f := range [...]struct{ name, value string }{
		{"CPU serial", v.CPU}, {"motherboard serial", v.Board}, {"machine value", v.Machine}, {"install value", v.Install},
	} {
		if f.value == "" {
			return Fingerprint{}, &mykey.FormError{Field: f.name, Rule: mykey.RuleMissing, Pos: -1}
		}
		if j == JoinPrefixed {
			var n [4]byte
			binary.BigEndian.PutUint32(n[:], uint32(len(f.value)))
			h.Write(n[:])
		}
		h.Write([]byte(f.value))
	}
	return Fingerprint(h.Sum(nil)), nil
}

// FingerprintAndroid hashes the value that the app made at its installation
// (アプリケーションのインストール時に生成する値): SHA-256 of its bytes and nothing else.
// An absent value is a [*mykey.FormError].
func FingerprintAndroid(install string) (Fingerprint, error) {
	if install == "" {
		return Fingerprint{}, &mykey.FormError{Field: "install value", Rule: mykey.RuleMissing, Pos: -1}
	}
	return sha256.Sum256([]byte(install)), nil
}

const fieldFingerprint = "terminal fingerprint"

// ParseFingerprint reads 64 hexadecimal digits of either case. The error is a
// [*mykey.FormError].
func ParseFingerprint(s string) (Fingerprint, error) {
	var f Fingerprint
	if len(s) != 2*len(f) {
		return Fingerprint{}, &mykey.FormError{Field: fieldFingerprint, Rule: mykey.RuleLength, Pos: min(len(s), 2*len(f))}
	}
	if n, err := hex.Decode(f[:], []byte(s)); err != nil {
		return Fingerprint{}, &mykey.FormError{Field: fieldFingerprint, Rule: mykey.RuleCharacter, Pos: 2 * n}
	}
	return f, nil
}

// String returns 64 lower-case hexadecimal digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// IsZero reports whether f is no fingerprint.
func (f Fingerprint) IsZero() bool { return f == Fingerprint{} }

// Equal compares in constant time: a terminal proves itself with it.
func (f Fingerprint) Equal(o Fingerprint) bool { return subtle.ConstantTimeCompare(f[:], o[:]) == 1 }

// MarshalText returns what String returns.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is [ParseFingerprint]. On error f is unchanged.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	v, err := ParseFingerprint(string(text))
	if err == nil {
		*f = v
	}
	return err
}

// Value stores the text form, and the zero Fingerprint as NULL.
func (f Fingerprint) Value() (driver.Value, error) {
	if f.IsZero() {
		return nil, nil
	}
	return f.String(), nil
}

// Scan reads the text form, and NULL as the zero Fingerprint.
func (f *Fingerprint) Scan(src any) error {
	if src == nil {
		*f = Fingerprint{}
		return nil
	}
	switch v := src.(type) {
	case string:
		return f.UnmarshalText([]byte(v))
	case []byte:
		return f.UnmarshalText(v)
	}
	return &mykey.FormError{Field: fieldFingerprint, Rule: mykey.RuleType, Pos: -1}
}
