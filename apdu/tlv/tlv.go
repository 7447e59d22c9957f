package tlv

import (
	"errors"
	"fmt"
	"math"
)

var (
	// ErrTruncated means that an object ends beyond its input.
	ErrTruncated = errors.New("tlv: object ends beyond its input")
	// ErrTag means that a tag is malformed or longer than four bytes.
	ErrTag = errors.New("tlv: malformed tag")
	// ErrLength means that a length is indefinite or longer than four bytes.
	ErrLength = errors.New("tlv: malformed length")
	// ErrDepth means that objects are nested deeper than [MaxDepth].
	ErrDepth = errors.New("tlv: nested too deep")
	// ErrNotFound is returned when [Find] finds no such object.
	ErrNotFound = errors.New("tlv: object not found")
)

// A Tag is the tag field as its bytes stand, most significant first: 0x6F,
// 0x7F21, 0xFF20.
type Tag uint32

// Constructed reports whether the value is made of objects: bit 6 of the tag's
// first byte.
func (t Tag) Constructed() bool {
	for t > 0xFF {
		t >>= 8
	}
	return t&0x20 != 0
}

// String returns the tag's bytes in hexadecimal, such as "FF20".
func (t Tag) String() string { return fmt.Sprintf("%0*X", 2*t.size(), uint32(t)) }

// size is the number of bytes of the tag field.
func (t Tag) size() int {
	switch {
	case t > 0xFFFFFF:
		return 4
	case t > 0xFFFF:
		return 3
	case t > 0xFF:
		return 2
	}
	return 1
}

// Header reads tag and length of the object at the front of b, which may end
// before the value does. It returns the tag, the size of the tag and length
// fields, and the size of the value, in bytes: headerLen + valueLen is the whole
// object. The errors are [ErrTag], [ErrLength] and, if b ends within the header,
// [ErrTruncated].
func Header(b []byte) (tag Tag, headerLen, valueLen int, err error) {
	if len(b) < 2 {
		if len(b) == 1 && b[0] == 0 {
			return 0, 0, 0, ErrTag
		}
		return 0, 0, 0, ErrTruncated
	}
	i := 1
	tag = Tag(b[0])
	if tag == 0 {
		return 0, 0, 0, ErrTag // end-of-contents: only in indefinite lengths
	}
	if tag&0x1F == 0x1F {
		for {
			if i == 4 {
				return 0, 0, 0, ErrTag
			}
			if i == len(b) {
				return 0, 0, 0, ErrTruncated
			}
			c := b[i]
			if i == 1 && c == 0x80 {
				return 0, 0, 0, ErrTag // leading zero of the tag number
			}
			tag = tag<<8 | Tag(c)
			i++
			if c < 0x80 {
				break
			}
		}
		if i == len(b) {
			return 0, 0, 0, ErrTruncated
		}
	}
	l := b[i]
	i++
	if l < 0x80 {
		return tag, i, int(l), nil
	}
	n := int(l & 0x7F)
	if n == 0 || n > 4 {
		return 0, 0, 0, ErrLength
	}
	if len(b)-i < n {
		return 0, 0, 0, ErrTruncated
	}
	var v uint32
	for _, c := range b[i : i+n] {
		v = v<<8 | uint32(c)
	}
	i += n
	if v > math.MaxInt32-16 {
		return 0, 0, 0, ErrLength // the whole object's size must fit an int
	}
	return tag, i, int(v), nil
}

// Next returns the tag and the value of the first object of b, and what follows
// it. Both slices point into b. The errors are those of [Header], and
// [ErrTruncated] if b is empty or ends within the value.
func Next(b []byte) (tag Tag, value, rest []byte, err error) {
	tag, h, n, err := Header(b)
	if err != nil {
		return 0, nil, nil, err
	}
	if n > len(b)-h {
		return 0, nil, nil, ErrTruncated
	}
	end := h + n
	return tag, b[h:end:end], b[end:], nil
}

// Find follows path from the top of b: the first object with the first tag,
// then within its value the first with the second tag, and so on. Objects with
// other tags are passed over, whatever they hold, so a later sibling is found
// behind an earlier one. Find returns the value of the last object, which points
// into b. The errors are [ErrNotFound] and those of [Next].
func Find(b []byte, path ...Tag) (value []byte, err error) {
	value = b
	for _, want := range path {
		b = value
		for {
			if len(b) == 0 {
				return nil, ErrNotFound
			}
			var tag Tag
			if tag, value, b, err = Next(b); err != nil {
				return nil, err
			}
			if tag == want {
				break
			}
		}
	}
	return value, nil
}

// AppendHeader appends tag and the shortest form of length. A negative length
// counts as 0.
func AppendHeader(dst []byte, tag Tag, length int) []byte {
	for i := tag.size() - 1; i >= 0; i-- {
		dst = append(dst, byte(tag>>(8*i)))
	}
	length = max(length, 0)
	switch {
	case length < 0x80:
		return append(dst, byte(length))
	case length < 1<<8:
		return append(dst, 0x81, byte(length))
	case length < 1<<16:
		return append(dst, 0x82, byte(length>>8), byte(length))
	case length < 1<<24:
		return append(dst, 0x83, byte(length>>16), byte(length>>8), byte(length))
	}
	return append(dst, 0x84, byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
}

// Append appends a whole object. value must not overlap the free space of dst.
func Append(dst []byte, tag Tag, value []byte) []byte {
	return append(AppendHeader(dst, tag, len(value)), value...)
}
