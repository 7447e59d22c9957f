package mykey

import "crypto/rand"

// Alphabet is the set of characters that [GenerateID] draws from.
type Alphabet uint8

const (
	// ClearAlphabet leaves out the look-alikes 0 and O, 1 and I: 32
	// characters, 32^8 = 1.1e12 IDs. It is the default.
	ClearAlphabet Alphabet = iota
	// FullAlphabet is all 36 characters a MyKey ID may have, 36^8 = 2.8e12
	// IDs.
	FullAlphabet
)

const (
	clearChars = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	fullChars  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
)

// GenerateID draws an ID from the operating system's random source, each ID
// of the alphabet as likely as any other. Whether somebody has it already is
// for the registry to say: with ten million people registered, one draw in a
// hundred thousand is taken.
func GenerateID(a Alphabet) ID {
	// rand.Read does not fail and fills its argument: crypto/rand, Go 1.24.
	return generate(a, func(b []byte) { _, _ = rand.Read(b) })
}

// generate draws from fill. A byte is used if it lies below the greatest
// multiple of the alphabet's size; folding in the rest would favour the first
// characters.
func generate(a Alphabet, fill func([]byte)) ID {
	chars := clearChars
	if a == FullAlphabet {
		chars = fullChars
	}
	limit := 256 - 256%len(chars)
	var id ID
	var buf [2 * IDLen]byte
	for n := 0; n < IDLen; {
		fill(buf[:])
		for _, b := range buf {
			if int(b) < limit && n < IDLen {
				id.b[n] = chars[int(b)%len(chars)]
				n++
			}
		}
	}
	return id
}
