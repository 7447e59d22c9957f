package simcard

import (
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/internal/secret"
)

// A MyNumber is an Individual Number (個人番号, マイナンバー): twelve digits,
// the last of which checks the others. The zero value is none. Values can be
// compared with ==.
//
// Printed through fmt, log/slog or encoding/json a MyNumber is "[redacted]";
// [MyNumber.Digits] returns it.
type MyNumber struct {
	hidden
	digits secret.String
}

// ErrMyNumber means that a text is not an Individual Number: not twelve ASCII
// digits, or the last one does not check the others. The text is not in the
// error.
var ErrMyNumber = errors.New("simcard: not an Individual Number: twelve digits, the last a check digit")

// ParseMyNumber reads twelve ASCII digits. It fails with [ErrMyNumber].
func ParseMyNumber(digits string) (MyNumber, error) {
	if len(digits) != 12 {
		return MyNumber{}, ErrMyNumber
	}
	for i := range digits {
		if digits[i] < '0' || digits[i] > '9' {
			return MyNumber{}, ErrMyNumber
		}
	}
	if digits[11] != checkDigit(digits[:11]) {
		return MyNumber{}, ErrMyNumber
	}
	masked, _ := secret.Mask(digits)
	return MyNumber{digits: masked}, nil
}

// SampleMyNumber creates an invented number: n modulo 10^9 after two zeros, and
// the check digit. No range is set aside for tests, so that one of them may
// have been given to somebody; it says nothing about that person.
func SampleMyNumber(n uint) MyNumber {
	digits := fmt.Sprintf("00%09d", uint64(n)%1e9)
	masked, _ := secret.Mask(digits + string(checkDigit(digits)))
	return MyNumber{digits: masked}
}

// checkDigit is the twelfth digit to the eleven before it (検査用数字): the
// weights from the right are 2 to 7 and 2 to 6.
func checkDigit(digits string) byte {
	sum := 0
	for i := range len(digits) {
		place := len(digits) - 1 - i
		sum += int(digits[i]-'0') * (place%6 + 2)
	}
	if r := sum % 11; r > 1 {
		return byte('0' + 11 - r)
	}
	return '0'
}

// Digits returns the twelve digits, or "" for none.
func (n MyNumber) Digits() string {
	return n.digits.Reveal()
}

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
