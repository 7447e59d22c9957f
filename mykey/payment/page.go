package payment

import "github.com/mynakit/mynakit/mykey"

// ParseOTP parses a one-time code (ワンタイムパスワード) as it comes by SMS: six half-width
// digits. The error is a [*mykey.FormError]. Compare the code with
// [mykey.Secret.Equal], and count wrong ones.
func ParseOTP(s string) (mykey.Secret, error) {
	if err := (TextRule{Min: 6, Max: 6, Chars: Digits}).check("one-time code", s); err != nil {
		return mykey.Secret{}, err
	}
	return mykey.NewSecret(s), nil
}

// MaxPagePassword is the greatest length of a page's password, in characters. The
// published instructions set no limit.
const MaxPagePassword = 64

// ParsePagePassword parses the password that a holder chooses for a service's page:
// 8 to [MaxPagePassword] half-width letters and digits, at least one letter and one
// digit among them. Case counts. The error is a [*mykey.FormError]:
// [mykey.RuleMissing] if there is no letter or no digit.
func ParsePagePassword(s string) (mykey.Secret, error) {
	const field = "page password"
	if err := (TextRule{Min: 8, Max: MaxPagePassword, Chars: Digits | Upper | Lower}).check(field, s); err != nil {
		return mykey.Secret{}, err
	}
	letter, digit := false, false
	for _, r := range s {
		isDigit := r >= '0' && r <= '9'
		letter, digit = letter || !isDigit, digit || isDigit
	}
	if !letter || !digit {
		return mykey.Secret{}, &mykey.FormError{Field: field, Rule: mykey.RuleMissing, Pos: -1}
	}
	return mykey.NewSecret(s), nil
}
