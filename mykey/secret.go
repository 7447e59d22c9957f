package mykey

import "github.com/mynakit/mynakit/internal/secret"

// A Secret is a text that the holder typed and nobody else is to see: a security
// code (セキュリティコード), the digits of a telephone number. The zero Secret
// represents no text.
type Secret struct {
	secret.Hidden
	text secret.Box[string]
}

// NewSecret returns a Secret that holds s, and the zero Secret if s is empty.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{text: secret.New(s)}
}

// Reveal returns the text itself.
func (s Secret) Reveal() string { return s.text.Reveal() }

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.text.IsZero() }

// Equal reports whether s and o hold the same text, in constant time for texts of
// one length.
func (s Secret) Equal(o Secret) bool { return secret.Equal(s.text, o.text) }
