package simcard

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// A MyNumber is an Individual Number (個人番号, マイナンバー): twelve digits,
// the last of which checks the others. The zero value is none. Values can be
// compared with ==.
//
// Printed through fmt, log/slog or encoding/json a MyNumber is "[redacted]";
// [MyNumber.Digits] gives it.
type MyNumber struct{ digits [12]byte }

// ErrMyNumber says that a text is not an Individual Number: not twelve ASCII
// digits, or the last one does not check the others. The text is not in the
// error.
var ErrMyNumber = errors.New("simcard: not an Individual Number: twelve digits, the last a check digit")

// ParseMyNumber reads twelve ASCII digits. It fails with [ErrMyNumber].
func ParseMyNumber(digits string) (MyNumber, error) {
	var n MyNumber
	if len(digits) != len(n.digits) {
		return MyNumber{}, ErrMyNumber
	}
	for i := range digits {
		if digits[i] < '0' || digits[i] > '9' {
			return MyNumber{}, ErrMyNumber
		}
		n.digits[i] = digits[i]
	}
	if n.digits[11] != checkDigit(n.digits[:11]) {
		return MyNumber{}, ErrMyNumber
	}
	return n, nil
}

// SampleMyNumber makes an invented number: n modulo 10^9 after two zeros, and
// the check digit. No range is set aside for tests, so that one of them may
// have been given to somebody; it says nothing about that person.
func SampleMyNumber(n uint) MyNumber {
	var m MyNumber
	copy(m.digits[:], fmt.Sprintf("00%09d", uint64(n)%1e9))
	m.digits[11] = checkDigit(m.digits[:11])
	return m
}

// checkDigit is the twelfth digit to the eleven before it (検査用数字): the
// weights from the right are 2 to 7 and 2 to 6.
func checkDigit(digits []byte) byte {
	sum := 0
	for i, d := range digits {
		place := len(digits) - 1 - i
		sum += int(d-'0') * (place%6 + 2)
	}
	if r := sum % 11; r > 1 {
		return byte('0' + 11 - r)
	}
	return '0'
}

// Digits gives the twelve digits, or "" for none.
func (n MyNumber) Digits() string {
	if n == (MyNumber{}) {
		return ""
	}
	return string(n.digits[:])
}

// Format prints "[redacted]" for every verb.
func (MyNumber) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// LogValue gives "[redacted]".
func (MyNumber) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives "[redacted]".
func (MyNumber) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText is [ParseMyNumber], for a holder out of a JSON file. It leaves
// n alone when it fails.
func (n *MyNumber) UnmarshalText(text []byte) error {
	parsed, err := ParseMyNumber(string(text))
	if err != nil {
		return err
	}
	*n = parsed
	return nil
}
