package registry

import (
	"crypto/rand"

	"github.com/mynakit/mynakit/mykey"
)

// Alphabet is the set of characters of automatic MyKey IDs (自動生成).
type Alphabet uint8

const (
	// ClearAlphabet leaves out the look-alikes 0 and O, 1 and I: 32
	// characters, 32^8 = 1.1e12 IDs. It is the default.
	ClearAlphabet Alphabet = iota
	// FullAlphabet is all 36 characters a MyKey ID may have, 36^8 = 2.8e12
	// IDs.
	FullAlphabet
)

func (a Alphabet) chars() string {
	if a == FullAlphabet {
		return "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	}
	return "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
}

// newID draws an ID from the operating system's random source, each ID of the
// alphabet as likely as any other. Somebody may have it already: with ten million
// people registered, one draw in a hundred thousand is taken.
func newID(a Alphabet) mykey.ID {
	// Eight characters of either alphabet are an ID.
	id, _ := mykey.ParseID(draw(a, mykey.IDLen, random))
	return id
}

// random fills b: rand.Read does not fail (crypto/rand, Go 1.24).
func random(b []byte) { _, _ = rand.Read(b) }

// draw returns n characters for the bytes of fill. A byte is used if it lies below
// the greatest multiple of the alphabet's size; folding in the rest would favour
// the first characters.
func draw(a Alphabet, n int, fill func([]byte)) string {
	chars := a.chars()
	limit := 256 - 256%len(chars)
	text := make([]byte, 0, n)
	var buf [16]byte
	for len(text) < n {
		fill(buf[:])
		for _, b := range buf {
			if int(b) < limit && len(text) < n {
				text = append(text, chars[int(b)%len(chars)])
			}
		}
	}
	return string(text)
}
