package mergefile

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
)

// blockDecrypter decrypts whole blocks of CBC or ECB, at any place of a file:
// each block needs only the ciphertext block before it. That is what lets
// chunks be decrypted side by side; the standard library's CBC is one chain
// from the file's start.
type blockDecrypter struct {
	block cipher.Block
	cbc   bool
}

// decrypt sets dst to the plaintext of src, whole blocks; prev is the
// ciphertext block before src, or the IV. dst and src do not overlap.
func (d blockDecrypter) decrypt(dst, src, prev []byte) {
	for i := 0; i+blockSize <= len(src); i += blockSize {
		d.block.Decrypt(dst[i:i+blockSize], src[i:i+blockSize])
	}
	if d.cbc && len(src) > 0 {
		subtle.XORBytes(dst, dst[:blockSize], prev)
		subtle.XORBytes(dst[blockSize:], dst[blockSize:len(src)], src)
	}
}

// encryptECB encrypts whole blocks in place.
func encryptECB(block cipher.Block, b []byte) {
	for ; len(b) >= blockSize; b = b[blockSize:] {
		block.Encrypt(b[:blockSize], b[:blockSize])
	}
}

// cfb is cipher feedback with 1-byte or 16-byte segments. The standard library
// has the latter alone, and deprecated; merge files made by .NET need the
// former.
type cfb struct {
	block   cipher.Block
	decrypt bool
	bits8   bool
	shift   [blockSize]byte // the last 16 bytes of ciphertext
	pad     [blockSize]byte
	used    int
}

func newCFB(block cipher.Block, iv []byte, bits8, decrypt bool) *cfb {
	c := &cfb{block: block, decrypt: decrypt, bits8: bits8, used: blockSize}
	copy(c.shift[:], iv)
	return c
}

// XORKeyStream implements cipher.Stream; dst and src may be the same.
func (c *cfb) XORKeyStream(dst, src []byte) {
	for i, in := range src {
		if c.used == blockSize {
			c.block.Encrypt(c.pad[:], c.shift[:])
			c.used = 0
		}
		out := in ^ c.pad[c.used]
		feed := out
		if c.decrypt {
			feed = in
		}
		if c.bits8 {
			copy(c.shift[:], c.shift[1:])
			c.shift[blockSize-1] = feed
			c.used = blockSize
		} else {
			c.shift[c.used] = feed
			c.used++
		}
		dst[i] = out
	}
}

// newStream makes the key stream of a stream mode, and nil for the others.
func newStream(mode CipherMode, block cipher.Block, iv []byte, decrypt bool) cipher.Stream {
	switch mode {
	case CipherCTR:
		return cipher.NewCTR(block, iv)
	case CipherCFB8, CipherCFB128:
		return newCFB(block, iv, mode == CipherCFB8, decrypt)
	}
	return nil
}

// pad appends the padding to the last, incomplete block.
func (p Padding) pad(text []byte) []byte {
	n := blockSize - len(text)%blockSize
	switch p {
	case PaddingNone:
		return text
	case PaddingZero, PaddingSpace:
		fill := byte(0)
		if p == PaddingSpace {
			fill = ' '
		}
		for range n % blockSize {
			text = append(text, fill)
		}
		return text
	}
	var fill [blockSize]byte
	switch p {
	case PaddingPKCS7:
		for i := range fill {
			fill[i] = byte(n)
		}
	case PaddingISO10126:
		rand.Read(fill[:])
	}
	fill[n-1] = byte(n)
	return append(text, fill[:n]...)
}

// unpad gives the length of the text in front of the padding, and 1 if the
// padding is right, else 0. It takes the same steps whatever the bytes are: a
// reader that answered faster or slower would tell an attacker, byte by byte,
// what is inside. With wrong padding the length is that of the whole, so that
// the work which follows stays the same.
func (p Padding) unpad(text []byte) (length, good int) {
	if p == PaddingNone {
		return len(text), 1
	}
	if len(text) == 0 || len(text)%blockSize != 0 {
		return len(text), 0
	}
	last := text[len(text)-blockSize:]
	if p == PaddingZero || p == PaddingSpace {
		fill := byte(0)
		if p == PaddingSpace {
			fill = ' '
		}
		n, run := 0, 1
		for i := range blockSize - 1 { // a whole block of fill is no padding
			run &= subtle.ConstantTimeByteEq(last[blockSize-1-i], fill)
			n += run
		}
		return len(text) - n, 1
	}
	n := int(last[blockSize-1])
	good = subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, blockSize)
	want, exact := byte(n), 1
	switch p {
	case PaddingX923:
		want = 0
	case PaddingISO10126:
		exact = 0
	}
	for i := 1; i < blockSize; i++ { // byte i from the end is padding if i < n
		inside := subtle.ConstantTimeLessOrEq(i+1, n) & exact
		good &= subtle.ConstantTimeByteEq(last[blockSize-1-i], want) | (inside ^ 1)
	}
	return len(text) - subtle.ConstantTimeSelect(good, n, 0), good
}
