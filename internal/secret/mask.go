package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"sync"
)

// MaxString is the length of the longest value that a [String] holds, in bytes.
const MaxString = 2 * aes.BlockSize

// A String is a short string under the key of the process. Strings are equal
// with == exactly when their values are. The zero String represents "".
//
// A String lives in one process: its bytes mean nothing to another.
type String struct {
	Hidden
	n     uint8
	block [MaxString]byte
}

// Mask returns v as a String. It reports false, and returns the zero String, if
// v is longer than [MaxString].
func Mask[T ~string | ~[]byte](v T) (s String, ok bool) {
	if len(v) > MaxString {
		return String{}, false
	}
	k := process()
	w := k.scratch.Get().(*String)
	w.n = uint8(copy(w.block[:], v))
	w.seal(k)
	s = *w
	*w = String{}
	k.scratch.Put(w)
	return s, true
}

// Set makes s hold v, as [Mask] does, without an intermediate copy. It is for
// loops that fill one String over and over: a reader of a file with a million
// records. It reports false and leaves s as it is if v is longer than
// [MaxString].
func (s *String) Set(v []byte) bool {
	if len(v) > MaxString {
		return false
	}
	s.n, s.block = uint8(len(v)), [MaxString]byte{}
	copy(s.block[:], v)
	s.seal(process())
	return true
}

// seal enciphers s.block, which holds the value and zeros behind it.
func (s *String) seal(k *key) {
	b := s.block[:]
	if s.n <= aes.BlockSize {
		b = b[:aes.BlockSize]
	}
	switch {
	case s.n == 0:
		return
	case int(s.n) < len(b):
		b[len(b)-1] = s.n // "a" and "a\x00" have nothing in common
	}
	if len(b) == aes.BlockSize {
		k.one.Encrypt(b, b)
		return
	}
	k.feistel(b, 0, 1)
}

// open deciphers s.block.
func (s *String) open(k *key) {
	switch {
	case s.n == 0:
	case s.n <= aes.BlockSize:
		k.one.Decrypt(s.block[:aes.BlockSize], s.block[:aes.BlockSize])
	default:
		k.feistel(s.block[:], len(k.rounds)-1, -1)
	}
}

// Reveal returns the value.
func (s String) Reveal() string {
	var b [MaxString]byte
	return string(s.AppendTo(b[:0]))
}

// AppendTo appends the value to b.
func (s String) AppendTo(b []byte) []byte {
	k := process()
	w := k.scratch.Get().(*String)
	*w = s
	w.open(k)
	b = append(b, w.block[:w.n]...)
	*w = String{}
	k.scratch.Put(w)
	return b
}

// Len returns the length of the value, in bytes.
func (s String) Len() int { return int(s.n) }

// IsZero reports whether s is the zero String.
func (s String) IsZero() bool { return s.n == 0 }

// A Uint64 is an integer under the key of the process. Uint64s are equal with
// == exactly when their values are. The zero Uint64 represents 0.
//
// A Uint64 lives in one process: its bytes mean nothing to another.
type Uint64 struct {
	Hidden
	block [aes.BlockSize]byte
}

// MaskUint64 returns v as a Uint64.
func MaskUint64(v uint64) (u Uint64) {
	if v == 0 {
		return Uint64{}
	}
	k := process()
	w := k.scratch.Get().(*String)
	b := w.block[:aes.BlockSize]
	binary.BigEndian.PutUint64(b, v)
	k.integer.Encrypt(b, b)
	u.block = [aes.BlockSize]byte(b)
	*w = String{}
	k.scratch.Put(w)
	return u
}

// Reveal returns the value.
func (u Uint64) Reveal() uint64 {
	if u.IsZero() {
		return 0
	}
	k := process()
	w := k.scratch.Get().(*String)
	b := w.block[:aes.BlockSize]
	copy(b, u.block[:])
	k.integer.Decrypt(b, b)
	v := binary.BigEndian.Uint64(b)
	*w = String{}
	k.scratch.Put(w)
	return v
}

// IsZero reports whether u is the zero Uint64.
func (u Uint64) IsZero() bool { return u == Uint64{} }

// A key is the key of a process.
type key struct {
	one     cipher.Block    // a String of one block
	integer cipher.Block    // a Uint64
	rounds  [4]cipher.Block // a String of two blocks

	// A block that is passed to cipher.Block escapes to the heap. The scratch
	// saves an allocation for each value.
	scratch sync.Pool
}

// processKey is drawn when the program starts: a test for a first use would take
// a third of the time of a Set.
var processKey = newKey()

func process() *key { return processKey }

func newKey() *key {
	k := &key{one: newBlock(), integer: newBlock()}
	for i := range k.rounds {
		k.rounds[i] = newBlock()
	}
	k.scratch.New = func() any { return new(String) }
	return k
}

func newBlock() cipher.Block {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	block, err := aes.NewCipher(b[:])
	if err != nil {
		panic(err) // the length is right
	}
	return block
}

// feistel runs a Luby-Rackoff cipher over the two blocks of b, with AES under
// independent keys as the round functions. Four rounds make a strong
// pseudorandom permutation. The rounds run from first in direction step; they
// alternate the half that they change, so deciphering is the same in reverse.
func (k *key) feistel(b []byte, first, step int) {
	halves := [2][]byte{b[:aes.BlockSize], b[aes.BlockSize:]}
	w := k.scratch.Get().(*String)
	t := w.block[:aes.BlockSize]
	for i := first; i >= 0 && i < len(k.rounds); i += step {
		from, to := halves[(i+1)%2], halves[i%2]
		k.rounds[i].Encrypt(t, from)
		subtle.XORBytes(to, to, t)
	}
	*w = String{}
	k.scratch.Put(w)
}
