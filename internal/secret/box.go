package secret

import "crypto/subtle"

// A Box keeps a value behind a closure. The zero Box is empty.
//
// Copies of a Box share one value. A Box of a slice, map or pointer shares it
// with the caller of [New] and of [Box.Reveal] too: copy where that matters.
type Box[T any] struct {
	Hidden
	open func() T
}

// New returns a Box that holds v.
func New[T any](v T) Box[T] { return Box[T]{open: func() T { return v }} }

// Reveal returns the value, and the zero T if b is empty.
func (b Box[T]) Reveal() T {
	if b.open == nil {
		var zero T
		return zero
	}
	return b.open()
}

// IsZero reports whether b is the zero Box.
func (b Box[T]) IsZero() bool { return b.open == nil }

// Equal reports whether a and b hold the same bytes. It takes the same time
// wherever values of one length differ. An empty Box equals one that holds no
// bytes.
func Equal[T ~string | ~[]byte](a, b Box[T]) bool {
	return subtle.ConstantTimeCompare([]byte(a.Reveal()), []byte(b.Reveal())) == 1
}

// Wipe overwrites the bytes in b, and thereby in every copy of b, with zeros.
// Nobody may use them at that time.
func Wipe[T ~[]byte](b Box[T]) { clear(b.Reveal()) }
