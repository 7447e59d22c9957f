package tape

import (
	"bytes"

	"github.com/mynakit/mynakit/apdu"
)

const aidJPKI = "\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"

// maxHead is how far the head of a certificate reaches at most: two headers,
// the version, a serial number of 21 bytes with its header, and the next tag.
const maxHead = 6 + 6 + 5 + 2 + 21 + 1

// A reading is what was seen of the certificate file that is read now: its
// beginning without a gap. Programs fetch the head in pieces of their own
// choice, and where the number is does not show in a later piece alone.
type reading struct {
	file uint16 // 0: none
	seen []byte
}

// head returns what of a reply may be written down though its data is masked: the
// bytes at its front that belong to the head of a certificate, with another
// number in them. It is empty for all that is not read from such a file, or
// where the beginning of the file was not read before.
func (r *reading) head(x *Exchange) []byte {
	if x.Command.INS != apdu.InsReadBinary || string(x.Application) != aidJPKI {
		return nil
	}
	switch x.File {
	case 0x0001, 0x0002, 0x000A, 0x000B:
	default:
		return nil
	}
	if r.file != x.File {
		r.file, r.seen = x.File, r.seen[:0]
	}
	from := x.offset()
	if from > len(r.seen) || from >= maxHead {
		return nil
	}
	r.seen = append(r.seen[:from], x.Reply.Data[:min(len(x.Reply.Data), maxHead-from)]...)
	shown := certificateHead(r.seen)
	return bytes.Clone(shown[min(from, len(shown)):])
}

// forget ends the reading: another file may follow under the same number.
func (r *reading) forget() { r.file, r.seen = 0, r.seen[:0] }

// substitute is each byte of the number that stands in for the real one: of any
// length it is a positive INTEGER in DER.
const substitute = 0x01

// certificateHead returns as much of the head of a certificate as b holds:
//
//	Certificate ::= SEQUENCE { TBSCertificate ::= SEQUENCE {
//	    version [0] EXPLICIT INTEGER, serialNumber INTEGER, ... SEQUENCE
//
// Tags, lengths and version are those of b, the content of the serial number is
// not. It ends before the first byte that it does not expect there, and at the
// tag after the number.
func certificateHead(b []byte) []byte {
	rest, ok := b, true
	expect := func(want ...byte) {
		for _, w := range want {
			if ok = ok && len(rest) > 0 && rest[0] == w; ok {
				rest = rest[1:]
			}
		}
	}
	for range 2 {
		expect(0x30)
		ok = ok && len(rest) > 0 && (rest[0] < 0x80 || rest[0] > 0x80 && rest[0] <= 0x84)
		if !ok {
			break
		}
		n := 1
		if rest[0] >= 0x80 {
			n += int(rest[0] & 0x7F)
		}
		ok = len(rest) >= n
		rest = rest[min(n, len(rest)):]
	}
	expect(0xA0, 0x03, 0x02, 0x01)
	if ok = ok && len(rest) > 0 && rest[0] <= 2; ok {
		rest = rest[1:]
	}
	expect(0x02)
	if ok = ok && len(rest) > 0 && rest[0] > 0 && rest[0] <= 21; !ok {
		return b[:len(b)-len(rest)]
	}
	n := int(rest[0])
	out := bytes.Clone(b[:len(b)-len(rest)+1])
	rest = rest[1:]
	out = append(out, bytes.Repeat([]byte{substitute}, min(n, len(rest)))...)
	if len(rest) > n && rest[n] == 0x30 {
		out = append(out, 0x30)
	}
	return out
}
