package point

import (
	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/mykey"
)

// MailAddress is a holder's mail address. It shows as [redacted] wherever it is
// printed, logged or encoded. The zero MailAddress represents no address.
type MailAddress struct {
	secret.Hidden
	s secret.Box[string]
}

// ParseMailAddress parses one mail address of at most 254 bytes. The error is a
// [*mykey.FormError].
func ParseMailAddress(s string) (MailAddress, error) {
	if err := mykey.CheckMail(s); err != nil {
		return MailAddress{}, err
	}
	return MailAddress{s: secret.New(s)}, nil
}

// Reveal returns the address, or "" for the zero MailAddress.
func (m MailAddress) Reveal() string { return m.s.Reveal() }

// IsZero reports whether m is the zero MailAddress.
func (m MailAddress) IsZero() bool { return m.s.IsZero() }

// Reference is a partner's number of a transfer, or the code of a coupon
// (クーポンコード). Whoever has a coupon's code has its points, so it shows as
// [redacted]. The zero Reference represents no reference.
type Reference struct {
	secret.Hidden
	s secret.Box[string]
}

// MaxReference is the greatest length of a [Reference], in bytes.
const MaxReference = 128

// ParseReference parses a reference: 1 to [MaxReference] bytes of printable
// ASCII without spaces. The error is a [*mykey.FormError].
func ParseReference(s string) (Reference, error) {
	if s == "" || len(s) > MaxReference {
		return Reference{}, &mykey.FormError{Field: "partner's reference", Rule: mykey.RuleLength, Pos: min(len(s), MaxReference)}
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7F {
			return Reference{}, &mykey.FormError{Field: "partner's reference", Rule: mykey.RuleCharacter, Pos: i}
		}
	}
	return Reference{s: secret.New(s)}, nil
}

// Reveal returns the reference, or "" for the zero Reference.
func (r Reference) Reveal() string { return r.s.Reveal() }

// IsZero reports whether r is the zero Reference.
func (r Reference) IsZero() bool { return r.s.IsZero() }
