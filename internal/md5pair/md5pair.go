// Package md5pair takes MD5 (RFC 1321) of two messages at once. [Sum] is all of
// it.
//
// One MD5 is a chain in which each step waits for the one before, and leaves most
// of a processor idle. Two chains side by side take little longer than one.
package md5pair

import (
	"crypto/md5"
	"encoding/binary"
	"math/bits"
)

// Sum returns the MD5 of p and of q. It may write behind them, where they have
// room. If both fill the same number of blocks, it takes little longer than for
// one of them.
func Sum(p, q []byte) (x, y [16]byte) {
	if (len(p)+8)/64 != (len(q)+8)/64 {
		return md5.Sum(p), md5.Sum(q)
	}
	return pair(pad(p), pad(q))
}

// pair takes MD5 of two messages that have been padded to the same length.
func pair(p, q []byte) (x, y [16]byte) {
	a, b, c, d := uint32(0x67452301), uint32(0xefcdab89), uint32(0x98badcfe), uint32(0x10325476)
	e, f, g, h := a, b, c, d
	for len(p) >= 64 && len(q) >= 64 {
		m, n := (*[64]byte)(p), (*[64]byte)(q)
		p, q = p[64:], q[64:]
		a0, b0, c0, d0 := a, b, c, d
		e0, f0, g0, h0 := e, f, g, h

		a = round1(a, b, c, d, binary.LittleEndian.Uint32(m[0:]), 7, 0xd76aa478)
		e = round1(e, f, g, h, binary.LittleEndian.Uint32(n[0:]), 7, 0xd76aa478)
		d = round1(d, a, b, c, binary.LittleEndian.Uint32(m[4:]), 12, 0xe8c7b756)
		h = round1(h, e, f, g, binary.LittleEndian.Uint32(n[4:]), 12, 0xe8c7b756)
		c = round1(c, d, a, b, binary.LittleEndian.Uint32(m[8:]), 17, 0x242070db)
		g = round1(g, h, e, f, binary.LittleEndian.Uint32(n[8:]), 17, 0x242070db)
		b = round1(b, c, d, a, binary.LittleEndian.Uint32(m[12:]), 22, 0xc1bdceee)
		f = round1(f, g, h, e, binary.LittleEndian.Uint32(n[12:]), 22, 0xc1bdceee)
		a = round1(a, b, c, d, binary.LittleEndian.Uint32(m[16:]), 7, 0xf57c0faf)
		e = round1(e, f, g, h, binary.LittleEndian.Uint32(n[16:]), 7, 0xf57c0faf)
		d = round1(d, a, b, c, binary.LittleEndian.Uint32(m[20:]), 12, 0x4787c62a)
		h = round1(h, e, f, g, binary.LittleEndian.Uint32(n[20:]), 12, 0x4787c62a)
		c = round1(c, d, a, b, binary.LittleEndian.Uint32(m[24:]), 17, 0xa8304613)
		g = round1(g, h, e, f, binary.LittleEndian.Uint32(n[24:]), 17, 0xa8304613)
		b = round1(b, c, d, a, binary.LittleEndian.Uint32(m[28:]), 22, 0xfd469501)
		f = round1(f, g, h, e, binary.LittleEndian.Uint32(n[28:]), 22, 0xfd469501)
		a = round1(a, b, c, d, binary.LittleEndian.Uint32(m[32:]), 7, 0x698098d8)
		e = round1(e, f, g, h, binary.LittleEndian.Uint32(n[32:]), 7, 0x698098d8)
		d = round1(d, a, b, c, binary.LittleEndian.Uint32(m[36:]), 12, 0x8b44f7af)
		h = round1(h, e, f, g, binary.LittleEndian.Uint32(n[36:]), 12, 0x8b44f7af)
		c = round1(c, d, a, b, binary.LittleEndian.Uint32(m[40:]), 17, 0xffff5bb1)
		g = round1(g, h, e, f, binary.LittleEndian.Uint32(n[40:]), 17, 0xffff5bb1)
		b = round1(b, c, d, a, binary.LittleEndian.Uint32(m[44:]), 22, 0x895cd7be)
		f = round1(f, g, h, e, binary.LittleEndian.Uint32(n[44:]), 22, 0x895cd7be)
		a = round1(a, b, c, d, binary.LittleEndian.Uint32(m[48:]), 7, 0x6b901122)
		e = round1(e, f, g, h, binary.LittleEndian.Uint32(n[48:]), 7, 0x6b901122)
		d = round1(d, a, b, c, binary.LittleEndian.Uint32(m[52:]), 12, 0xfd987193)
		h = round1(h, e, f, g, binary.LittleEndian.Uint32(n[52:]), 12, 0xfd987193)
		c = round1(c, d, a, b, binary.LittleEndian.Uint32(m[56:]), 17, 0xa679438e)
		g = round1(g, h, e, f, binary.LittleEndian.Uint32(n[56:]), 17, 0xa679438e)
		b = round1(b, c, d, a, binary.LittleEndian.Uint32(m[60:]), 22, 0x49b40821)
		f = round1(f, g, h, e, binary.LittleEndian.Uint32(n[60:]), 22, 0x49b40821)

		a = round2(a, b, c, d, binary.LittleEndian.Uint32(m[4:]), 5, 0xf61e2562)
		e = round2(e, f, g, h, binary.LittleEndian.Uint32(n[4:]), 5, 0xf61e2562)
		d = round2(d, a, b, c, binary.LittleEndian.Uint32(m[24:]), 9, 0xc040b340)
		h = round2(h, e, f, g, binary.LittleEndian.Uint32(n[24:]), 9, 0xc040b340)
		c = round2(c, d, a, b, binary.LittleEndian.Uint32(m[44:]), 14, 0x265e5a51)
		g = round2(g, h, e, f, binary.LittleEndian.Uint32(n[44:]), 14, 0x265e5a51)
		b = round2(b, c, d, a, binary.LittleEndian.Uint32(m[0:]), 20, 0xe9b6c7aa)
		f = round2(f, g, h, e, binary.LittleEndian.Uint32(n[0:]), 20, 0xe9b6c7aa)
		a = round2(a, b, c, d, binary.LittleEndian.Uint32(m[20:]), 5, 0xd62f105d)
		e = round2(e, f, g, h, binary.LittleEndian.Uint32(n[20:]), 5, 0xd62f105d)
		d = round2(d, a, b, c, binary.LittleEndian.Uint32(m[40:]), 9, 0x02441453)
		h = round2(h, e, f, g, binary.LittleEndian.Uint32(n[40:]), 9, 0x02441453)
		c = round2(c, d, a, b, binary.LittleEndian.Uint32(m[60:]), 14, 0xd8a1e681)
		g = round2(g, h, e, f, binary.LittleEndian.Uint32(n[60:]), 14, 0xd8a1e681)
		b = round2(b, c, d, a, binary.LittleEndian.Uint32(m[16:]), 20, 0xe7d3fbc8)
		f = round2(f, g, h, e, binary.LittleEndian.Uint32(n[16:]), 20, 0xe7d3fbc8)
		a = round2(a, b, c, d, binary.LittleEndian.Uint32(m[36:]), 5, 0x21e1cde6)
		e = round2(e, f, g, h, binary.LittleEndian.Uint32(n[36:]), 5, 0x21e1cde6)
		d = round2(d, a, b, c, binary.LittleEndian.Uint32(m[56:]), 9, 0xc33707d6)
		h = round2(h, e, f, g, binary.LittleEndian.Uint32(n[56:]), 9, 0xc33707d6)
		c = round2(c, d, a, b, binary.LittleEndian.Uint32(m[12:]), 14, 0xf4d50d87)
		g = round2(g, h, e, f, binary.LittleEndian.Uint32(n[12:]), 14, 0xf4d50d87)
		b = round2(b, c, d, a, binary.LittleEndian.Uint32(m[32:]), 20, 0x455a14ed)
		f = round2(f, g, h, e, binary.LittleEndian.Uint32(n[32:]), 20, 0x455a14ed)
		a = round2(a, b, c, d, binary.LittleEndian.Uint32(m[52:]), 5, 0xa9e3e905)
		e = round2(e, f, g, h, binary.LittleEndian.Uint32(n[52:]), 5, 0xa9e3e905)
		d = round2(d, a, b, c, binary.LittleEndian.Uint32(m[8:]), 9, 0xfcefa3f8)
		h = round2(h, e, f, g, binary.LittleEndian.Uint32(n[8:]), 9, 0xfcefa3f8)
		c = round2(c, d, a, b, binary.LittleEndian.Uint32(m[28:]), 14, 0x676f02d9)
		g = round2(g, h, e, f, binary.LittleEndian.Uint32(n[28:]), 14, 0x676f02d9)
		b = round2(b, c, d, a, binary.LittleEndian.Uint32(m[48:]), 20, 0x8d2a4c8a)
		f = round2(f, g, h, e, binary.LittleEndian.Uint32(n[48:]), 20, 0x8d2a4c8a)

		a = round3(a, b, c, d, binary.LittleEndian.Uint32(m[20:]), 4, 0xfffa3942)
		e = round3(e, f, g, h, binary.LittleEndian.Uint32(n[20:]), 4, 0xfffa3942)
		d = round3(d, a, b, c, binary.LittleEndian.Uint32(m[32:]), 11, 0x8771f681)
		h = round3(h, e, f, g, binary.LittleEndian.Uint32(n[32:]), 11, 0x8771f681)
		c = round3(c, d, a, b, binary.LittleEndian.Uint32(m[44:]), 16, 0x6d9d6122)
		g = round3(g, h, e, f, binary.LittleEndian.Uint32(n[44:]), 16, 0x6d9d6122)
		b = round3(b, c, d, a, binary.LittleEndian.Uint32(m[56:]), 23, 0xfde5380c)
		f = round3(f, g, h, e, binary.LittleEndian.Uint32(n[56:]), 23, 0xfde5380c)
		a = round3(a, b, c, d, binary.LittleEndian.Uint32(m[4:]), 4, 0xa4beea44)
		e = round3(e, f, g, h, binary.LittleEndian.Uint32(n[4:]), 4, 0xa4beea44)
		d = round3(d, a, b, c, binary.LittleEndian.Uint32(m[16:]), 11, 0x4bdecfa9)
		h = round3(h, e, f, g, binary.LittleEndian.Uint32(n[16:]), 11, 0x4bdecfa9)
		c = round3(c, d, a, b, binary.LittleEndian.Uint32(m[28:]), 16, 0xf6bb4b60)
		g = round3(g, h, e, f, binary.LittleEndian.Uint32(n[28:]), 16, 0xf6bb4b60)
		b = round3(b, c, d, a, binary.LittleEndian.Uint32(m[40:]), 23, 0xbebfbc70)
		f = round3(f, g, h, e, binary.LittleEndian.Uint32(n[40:]), 23, 0xbebfbc70)
		a = round3(a, b, c, d, binary.LittleEndian.Uint32(m[52:]), 4, 0x289b7ec6)
		e = round3(e, f, g, h, binary.LittleEndian.Uint32(n[52:]), 4, 0x289b7ec6)
		d = round3(d, a, b, c, binary.LittleEndian.Uint32(m[0:]), 11, 0xeaa127fa)
		h = round3(h, e, f, g, binary.LittleEndian.Uint32(n[0:]), 11, 0xeaa127fa)
		c = round3(c, d, a, b, binary.LittleEndian.Uint32(m[12:]), 16, 0xd4ef3085)
		g = round3(g, h, e, f, binary.LittleEndian.Uint32(n[12:]), 16, 0xd4ef3085)
		b = round3(b, c, d, a, binary.LittleEndian.Uint32(m[24:]), 23, 0x04881d05)
		f = round3(f, g, h, e, binary.LittleEndian.Uint32(n[24:]), 23, 0x04881d05)
		a = round3(a, b, c, d, binary.LittleEndian.Uint32(m[36:]), 4, 0xd9d4d039)
		e = round3(e, f, g, h, binary.LittleEndian.Uint32(n[36:]), 4, 0xd9d4d039)
		d = round3(d, a, b, c, binary.LittleEndian.Uint32(m[48:]), 11, 0xe6db99e5)
		h = round3(h, e, f, g, binary.LittleEndian.Uint32(n[48:]), 11, 0xe6db99e5)
		c = round3(c, d, a, b, binary.LittleEndian.Uint32(m[60:]), 16, 0x1fa27cf8)
		g = round3(g, h, e, f, binary.LittleEndian.Uint32(n[60:]), 16, 0x1fa27cf8)
		b = round3(b, c, d, a, binary.LittleEndian.Uint32(m[8:]), 23, 0xc4ac5665)
		f = round3(f, g, h, e, binary.LittleEndian.Uint32(n[8:]), 23, 0xc4ac5665)

		a = round4(a, b, c, d, binary.LittleEndian.Uint32(m[0:]), 6, 0xf4292244)
		e = round4(e, f, g, h, binary.LittleEndian.Uint32(n[0:]), 6, 0xf4292244)
		d = round4(d, a, b, c, binary.LittleEndian.Uint32(m[28:]), 10, 0x432aff97)
		h = round4(h, e, f, g, binary.LittleEndian.Uint32(n[28:]), 10, 0x432aff97)
		c = round4(c, d, a, b, binary.LittleEndian.Uint32(m[56:]), 15, 0xab9423a7)
		g = round4(g, h, e, f, binary.LittleEndian.Uint32(n[56:]), 15, 0xab9423a7)
		b = round4(b, c, d, a, binary.LittleEndian.Uint32(m[20:]), 21, 0xfc93a039)
		f = round4(f, g, h, e, binary.LittleEndian.Uint32(n[20:]), 21, 0xfc93a039)
		a = round4(a, b, c, d, binary.LittleEndian.Uint32(m[48:]), 6, 0x655b59c3)
		e = round4(e, f, g, h, binary.LittleEndian.Uint32(n[48:]), 6, 0x655b59c3)
		d = round4(d, a, b, c, binary.LittleEndian.Uint32(m[12:]), 10, 0x8f0ccc92)
		h = round4(h, e, f, g, binary.LittleEndian.Uint32(n[12:]), 10, 0x8f0ccc92)
		c = round4(c, d, a, b, binary.LittleEndian.Uint32(m[40:]), 15, 0xffeff47d)
		g = round4(g, h, e, f, binary.LittleEndian.Uint32(n[40:]), 15, 0xffeff47d)
		b = round4(b, c, d, a, binary.LittleEndian.Uint32(m[4:]), 21, 0x85845dd1)
		f = round4(f, g, h, e, binary.LittleEndian.Uint32(n[4:]), 21, 0x85845dd1)
		a = round4(a, b, c, d, binary.LittleEndian.Uint32(m[32:]), 6, 0x6fa87e4f)
		e = round4(e, f, g, h, binary.LittleEndian.Uint32(n[32:]), 6, 0x6fa87e4f)
		d = round4(d, a, b, c, binary.LittleEndian.Uint32(m[60:]), 10, 0xfe2ce6e0)
		h = round4(h, e, f, g, binary.LittleEndian.Uint32(n[60:]), 10, 0xfe2ce6e0)
		c = round4(c, d, a, b, binary.LittleEndian.Uint32(m[24:]), 15, 0xa3014314)
		g = round4(g, h, e, f, binary.LittleEndian.Uint32(n[24:]), 15, 0xa3014314)
		b = round4(b, c, d, a, binary.LittleEndian.Uint32(m[52:]), 21, 0x4e0811a1)
		f = round4(f, g, h, e, binary.LittleEndian.Uint32(n[52:]), 21, 0x4e0811a1)
		a = round4(a, b, c, d, binary.LittleEndian.Uint32(m[16:]), 6, 0xf7537e82)
		e = round4(e, f, g, h, binary.LittleEndian.Uint32(n[16:]), 6, 0xf7537e82)
		d = round4(d, a, b, c, binary.LittleEndian.Uint32(m[44:]), 10, 0xbd3af235)
		h = round4(h, e, f, g, binary.LittleEndian.Uint32(n[44:]), 10, 0xbd3af235)
		c = round4(c, d, a, b, binary.LittleEndian.Uint32(m[8:]), 15, 0x2ad7d2bb)
		g = round4(g, h, e, f, binary.LittleEndian.Uint32(n[8:]), 15, 0x2ad7d2bb)
		b = round4(b, c, d, a, binary.LittleEndian.Uint32(m[36:]), 21, 0xeb86d391)
		f = round4(f, g, h, e, binary.LittleEndian.Uint32(n[36:]), 21, 0xeb86d391)

		a, b, c, d = a+a0, b+b0, c+c0, d+d0
		e, f, g, h = e+e0, f+f0, g+g0, h+h0
	}
	for i, v := range [4]uint32{a, b, c, d} {
		binary.LittleEndian.PutUint32(x[4*i:], v)
	}
	for i, v := range [4]uint32{e, f, g, h} {
		binary.LittleEndian.PutUint32(y[4*i:], v)
	}
	return x, y
}

func round1(a, b, c, d, x uint32, s int, k uint32) uint32 {
	return b + bits.RotateLeft32((a+x+k)+(((c^d)&b)^d), s)
}

func round2(a, b, c, d, x uint32, s int, k uint32) uint32 {
	return b + bits.RotateLeft32((a+x+k+(c&^d))+(b&d), s)
}

func round3(a, b, c, d, x uint32, s int, k uint32) uint32 {
	return b + bits.RotateLeft32((a+x+k)+((c^d)^b), s)
}

func round4(a, b, c, d, x uint32, s int, k uint32) uint32 {
	return b + bits.RotateLeft32((a+x+k)+(c^(b|^d)), s)
}

// pad appends MD5's padding and length to a message.
func pad(m []byte) []byte {
	n := len(m)
	whole := (n+8)/64*64 + 64
	if cap(m) < whole {
		m = append(make([]byte, 0, whole), m...)
	}
	m = m[:whole]
	clear(m[n : whole-8])
	m[n] = 0x80
	binary.LittleEndian.PutUint64(m[whole-8:], uint64(n)*8)
	return m
}
