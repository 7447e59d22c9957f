package jpki

import (
	"crypto/subtle"
	"errors"

	"github.com/mynakit/mynakit/internal/secret"
)

// ErrMyNumber is returned when the input is not a My Number: it does not have
// twelve digits, or the check digit is wrong.
var ErrMyNumber = errors.New("jpki: not a My Number")

// A MyNumber is an Individual Number (個人番号, マイナンバー), twelve digits of
// which the last is a check digit. The law (番号法) restricts who may ask for it,
// store it or pass it on, and for which purpose. A shop may not.
//
// A MyNumber prints as [redacted]; only [MyNumber.Digits] returns the number.
// Values are comparable with == and can be map keys, within one process. The zero
// MyNumber represents no number.
type MyNumber struct {
	hidden
	digits secret.String
}

// ParseMyNumber parses twelve digits and checks the last one. It fails with
// [ErrMyNumber], which does not contain the input.
func ParseMyNumber[S ~string | ~[]byte](s S) (MyNumber, error) {
	if len(s) != 12 {
		return MyNumber{}, ErrMyNumber
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return MyNumber{}, ErrMyNumber
		}
	}
	if s[11] != myNumberCheck(s[:11]) {
		return MyNumber{}, ErrMyNumber
	}
	digits, _ := secret.Mask(s) // 12 bytes fit
	return MyNumber{digits: digits}, nil
}

// myNumberCheck returns the check digit of eleven digits: weights 2 to 7 from
// the right, then 2 to 6. It is 11 less the remainder of the sum by 11, and 0 if
// that would be 10 or 11 (平成26年総務省令第85号 第5条).
func myNumberCheck[S ~string | ~[]byte](digits S) byte {
	sum := 0
	for i := range len(digits) {
		n := len(digits) - i // from the right, 1 to 11
		weight := n + 1
		if n > 6 {
			weight = n - 5
		}
		sum += weight * int(digits[i]-'0')
	}
	if r := sum % 11; r > 1 {
		return '0' + byte(11-r)
	}
	return '0'
}

// Digits returns the twelve digits, and "" for the zero value.
func (n MyNumber) Digits() string {
	return n.digits.Reveal()
}

// IsZero reports whether n is the zero value.
func (n MyNumber) IsZero() bool { return n == MyNumber{} }

// Equal reports whether n and m are the same number, in constant time.
func (n MyNumber) Equal(m MyNumber) bool {
	return subtle.ConstantTimeCompare([]byte(n.Digits()), []byte(m.Digits())) == 1
}
