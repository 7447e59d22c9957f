package cms

import "errors"

// maxDepth is how deep objects may be nested. A SignedData with certificates
// goes to 12 or so.
const maxDepth = 24

var errEncoding = errors.New("malformed encoding")

// toDER returns b with definite lengths of minimal size, in time and memory in
// proportion to b times maxDepth: smallstep/pkcs7 does this too, with neither
// bound. Strings made of parts stay in parts. Anything behind the first object,
// and tags above 30, are errors.
func toDER(b []byte) ([]byte, error) {
	out, rest, err := appendDER(make([]byte, 0, len(b)), b, 0)
	if err == nil && len(rest) > 0 {
		err = errEncoding
	}
	return out, err
}

// appendDER converts the first object of b and returns what follows it.
func appendDER(out, b []byte, depth int) (_, rest []byte, err error) {
	if depth > maxDepth || len(b) < 2 || b[0]&0x1F == 0x1F {
		return nil, nil, errEncoding
	}
	tag, constructed := b[0], b[0]&0x20 != 0
	length, indefinite := int(b[1]), b[1] == 0x80
	b = b[2:]
	if length > 0x80 {
		n := length & 0x7F
		if n > 4 || n > len(b) {
			return nil, nil, errEncoding
		}
		length = 0
		for _, octet := range b[:n] {
			if length > 1<<23-1 {
				return nil, nil, errEncoding // and no overflow where int has 32 bits
			}
			length = length<<8 | int(octet)
		}
		b = b[n:]
	}
	if indefinite {
		length = len(b)
	}
	if length > len(b) || indefinite && !constructed || tag == 0 {
		return nil, nil, errEncoding
	}
	value, rest := b[:length], b[length:]
	if !constructed {
		return append(appendHeader(out, tag, length), value...), rest, nil
	}
	// The header comes when the size is known: children are written behind a
	// gap for the longest header, which is closed then.
	const gap = 6
	start := len(out)
	out = append(out, make([]byte, gap)...)
	for ended := false; !ended; {
		switch {
		case indefinite && len(value) >= 2 && value[0] == 0 && value[1] == 0:
			rest, ended = value[2:], true
		case !indefinite && len(value) == 0:
			ended = true
		default:
			if out, value, err = appendDER(out, value, depth+1); err != nil {
				return nil, nil, err
			}
		}
	}
	size := len(out) - start - gap
	header := appendHeader(out[start:start], tag, size)
	copy(out[start+len(header):], out[start+gap:])
	return out[:start+len(header)+size], rest, nil
}

// appendHeader adds a tag of one byte and a length.
func appendHeader(out []byte, tag byte, length int) []byte {
	switch {
	case length < 0x80:
		return append(out, tag, byte(length))
	case length < 1<<8:
		return append(out, tag, 0x81, byte(length))
	case length < 1<<16:
		return append(out, tag, 0x82, byte(length>>8), byte(length))
	case length < 1<<24:
		return append(out, tag, 0x83, byte(length>>16), byte(length>>8), byte(length))
	}
	return append(out, tag, 0x84, byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
}
