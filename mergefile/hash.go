package mergefile

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/mynakit/mynakit/internal/md5pair"
)

// hashText is how the 16 bytes of field 4 are written. One hash has one spelling:
// another would be a second spelling of the same record.
type hashText struct {
	min, max int          // characters
	pairs    *[256]uint16 // the two hexadecimal digits of each byte
	fold     bool         // read in either case
	dashes   bool         // between the bytes
	bigint   bool         // without the zeros in front
	loose    bool         // each byte without its zero in front: one text of several hashes
	base64   *base64.Encoding
	raw      bool // it can hold any byte
	risk     risk
}

// hashTexts are the choices of HashForm.Text.
var hashTexts = table[HashText, hashText]{
	{HashHexLower, hashText{min: 32, max: 32, pairs: &lowerPairs}},
	{HashHexUpper, hashText{min: 32, max: 32, pairs: &upperPairs}},
	{HashHexAny, hashText{min: 32, max: 32, pairs: &lowerPairs, fold: true, risk: risk{SeverityNote, LintHashCase, "a hash has two spellings, so that a changed file can still verify, with the same records."}}},
	{HashBase64, hashText{min: 24, max: 24, base64: base64.StdEncoding}},
	{HashRaw, hashText{min: 16, max: 16, raw: true}},
	{"hex-bigint", hashText{min: 1, max: 32, pairs: &lowerPairs, bigint: true}}, // Java's BigInteger.toString(16)
	{"hex-bytes", hashText{min: 16, max: 32, pairs: &lowerPairs, loose: true, risk: risk{SeverityWarning, LintHashCase, "zeros are lost within: several hashes have one text, so that a forged record passes more easily."}}}, // Java's Integer.toHexString of each byte
	{"hex-dashes", hashText{min: 47, max: 47, pairs: &upperPairs, dashes: true}}, // .NET's BitConverter.ToString
	{"base64-unpadded", hashText{min: 22, max: 22, base64: base64.RawStdEncoding}},
}

// exact reports whether the text is 32 hexadecimal digits.
func (t *hashText) exact() bool { return t.pairs != nil && t.min == 32 }

var lowerPairs, upperPairs = digitPairs("0123456789abcdef"), digitPairs("0123456789ABCDEF")

func digitPairs(digits string) (pairs [256]uint16) {
	for i := range pairs {
		pairs[i] = uint16(digits[i>>4]) | uint16(digits[i&15])<<8
	}
	return pairs
}

// append writes a hash.
func (t *hashText) append(dst []byte, sum *[md5.Size]byte) []byte {
	switch {
	case t.raw:
		return append(dst, sum[:]...)
	case t.base64 != nil:
		return t.base64.AppendEncode(dst, sum[:])
	}
	n := len(dst)
	for i, b := range sum {
		if t.dashes && i > 0 {
			dst = append(dst, '-')
		}
		dst = binary.LittleEndian.AppendUint16(dst, t.pairs[b])
		if t.loose && b < 16 {
			dst = append(dst[:len(dst)-2], dst[len(dst)-1])
		}
	}
	if t.bigint {
		digits := bytes.TrimLeft(dst[n:len(dst)-1], "0")
		dst = append(append(dst[:n], digits...), dst[len(dst)-1])
	}
	return dst
}

// spells reports whether b can be a hash: whether there is one that is written
// like this.
func (t *hashText) spells(b []byte) bool {
	var sum [24]byte // what 32 characters of base64 decode to
	var room [2 * len(sum)]byte
	n, err := md5.Size, error(nil)
	switch {
	case len(b) < t.min || len(b) > t.max:
		return false
	case t.raw:
		return true
	case t.base64 != nil:
		n, err = t.base64.Decode(sum[:], b)
	case t.loose:
		return !bytes.ContainsFunc(b, func(r rune) bool { return hexDigit(byte(r), false) > 15 || r > 'f' })
	default:
		digits := b
		if t.fold {
			b = bytes.ToLower(b)
			digits = b
		}
		if t.dashes {
			digits = bytes.ReplaceAll(b, []byte("-"), nil)
		}
		if t.bigint {
			digits = append(bytes.Repeat([]byte("0"), 32-len(b)), b...)
		}
		if len(digits) != 2*md5.Size {
			return false
		}
		n, err = hex.Decode(sum[:], digits)
	}
	return err == nil && n == md5.Size && string(t.append(room[:0], (*[md5.Size]byte)(sum[:]))) == string(b)
}

// sumLen is the length that a hash's input is given room for. Longer ones,
// which a long secret makes, grow the slice once.
const sumLen = 512

// input appends what MD5 is taken over.
func (c *codec) input(dst []byte, f *fields) []byte {
	if !c.straight {
		return c.appendInput(dst, f)
	}
	dst = put(dst, f.rec[:len(f.rec)-len(f.bare[fieldHash])])
	dst = put(dst, c.secret)
	if c.tail != "" {
		dst = append(dst, c.tail...)
	}
	return dst
}

// put appends src. It is append, but for a short src with room behind it and
// behind dst: a fixed number of bytes is copied in a third of the time.
func put(dst, src []byte) []byte {
	const most = 64
	n := len(dst)
	if len(src) > most || cap(src) < most || cap(dst) < n+most {
		return append(dst, src...)
	}
	*(*[most]byte)(dst[n : n+most]) = *(*[most]byte)(src[:most])
	return dst[:n+len(src)]
}

// appendInput is input for whatever the line looks like.
func (c *codec) appendInput(dst []byte, f *fields) []byte {
	h := &c.p.Hash
	if h.Place == SecretPrefix || h.Place == SecretBoth {
		dst = c.encode(append(dst, c.secret...), h.SecretJoin)
	}
	for i := range fieldHash {
		text := f.bare[i]
		switch {
		case h.Fields == HashWritten:
			text = f.written[i]
		case i == fieldPoints && h.Fields == hashPlain:
			text = pointsDigits(text)
		case i == fieldPoints:
			text = bytes.TrimLeft(text, " ")
		}
		for column := 1; ; column++ {
			part, rest := text, []byte(nil)
			if i == fieldTransaction && column < c.columns {
				part, rest, _ = bytes.Cut(text, c.stops[i])
			}
			switch {
			case i == 0:
			case h.Place == SecretBetween:
				dst = c.encode(append(c.encode(dst, h.SecretJoin), c.secret...), h.SecretJoin)
			default:
				dst = c.encode(dst, h.Join)
			}
			if h.Encoding == "" {
				dst = append(dst, part...)
			} else {
				dst = c.encode(dst, string(part))
			}
			if text = rest; rest == nil {
				break
			}
		}
	}
	if h.Place == SecretSuffix || h.Place == SecretBoth {
		dst = append(c.encode(dst, h.SecretJoin), c.secret...)
	}
	return c.encode(dst, c.tail)
}

// encode appends text in the encoding of the hash's input.
func (c *codec) encode(dst []byte, text string) []byte {
	if order := hashEncodings.row(c.p.Hash.Encoding); order != nil {
		return append(dst, utf16Bytes(text, order)...)
	}
	return append(dst, text...)
}

// hashEncodings are the choices of HashForm.Encoding.
var hashEncodings = table[string, binary.AppendByteOrder]{{"", nil}, {"utf-16le", binary.LittleEndian}, {"utf-16be", binary.BigEndian}}

// setSecret takes the secret's bytes.
func (c *codec) setSecret(secret []byte) {
	if order := hashEncodings.row(c.p.Hash.Encoding); order != nil {
		secret = utf16Bytes(string(secret), order)
	}
	c.secret = append(make([]byte, 0, 64), secret...) // with room for put
}

// sum returns the hash of an input.
func (c *codec) sum(input []byte) [md5.Size]byte {
	if c.p.Hash.Place != secretKey {
		return md5.Sum(input)
	}
	mac := hmac.New(md5.New, c.secret)
	mac.Write(input)
	return [md5.Size]byte(mac.Sum(nil))
}

// hashes takes the MD5s of records, two at a time, and compares them with what
// the records say, without a branch that depends on the outcome.
type hashes struct {
	c     *codec
	n     int // waiting: 0 or 1
	wrong uint64
	input [2][]byte
	want  [2][]byte
	room  [2][sumLen]byte
	text  [sumLen]byte
}

// begin makes ready for a piece of text.
func (h *hashes) begin(c *codec) { h.c, h.n, h.wrong = c, 0, 0 }

// next returns room for the input of the next hash.
func (h *hashes) next() []byte { return h.room[h.n][:0] }

// add takes the input, and the hash that it should have, as it is written. A
// record that is bad anyway has the same work done.
func (h *hashes) add(input, want []byte, good bool) {
	if !good {
		h.wrong |= 1
		want = h.text[:h.c.hash.max]
	}
	h.input[h.n], h.want[h.n] = input, want
	if h.n == 0 {
		h.n = 1
		return
	}
	h.n = 0
	if h.c.p.Hash.Place == secretKey {
		for i := range h.input {
			sum := h.c.sum(h.input[i])
			h.compare(h.want[i], &sum)
		}
		return
	}
	x, y := md5pair.Sum(h.input[0], h.input[1])
	h.compare(h.want[0], &x)
	h.compare(h.want[1], &y)
}

func (h *hashes) compare(want []byte, got *[md5.Size]byte) {
	form := &h.c.hash
	if p := form.pairs; form.exact() && len(want) == 2*md5.Size && !form.fold {
		for i := 0; i < md5.Size; i += 4 {
			h.wrong |= binary.LittleEndian.Uint64(want[2*i:]) ^
				(uint64(p[got[i]]) | uint64(p[got[i+1]])<<16 | uint64(p[got[i+2]])<<32 | uint64(p[got[i+3]])<<48)
		}
		return
	}
	if form.fold {
		want = bytes.ToLower(want)
	}
	h.wrong |= uint64(1 ^ subtle.ConstantTimeCompare(form.append(h.text[:0], got), want))
}

// right reports, at the end, whether all of them were.
func (h *hashes) right() bool {
	if h.n == 1 {
		sum := h.c.sum(h.input[0])
		h.compare(h.want[0], &sum)
	}
	return h.wrong == 0
}

// verifies reports whether one record has the hash that it should have.
func (c *codec) verifies(f *fields) bool {
	var h hashes
	h.begin(c)
	h.add(c.input(h.next(), f), f.bare[fieldHash], true)
	return h.right()
}

func (p *Profile) validateHash(v *validation) {
	// Letters and digits would read as part of a field, which is the ambiguity
	// that a delimiter is there to end.
	delimiter := func(s string) bool {
		return len(s) <= 4 && !strings.ContainsFunc(s, func(r rune) bool {
			return r > '~' || r < ' ' && r != '\t' && r != '\r' && r != '\n' || isAlnum(byte(r))
		})
	}
	const allowed = "up to 4 characters of ASCII punctuation, space, tab or line end"
	h, l := &p.Hash, layouts.row(p.Layout)
	v.when(!delimiter(h.Join), "hash.join", allowed)
	v.when(!delimiter(h.SecretJoin), "hash.secret_join", allowed)
	check(v, "hash.place", h.Place, secretPlaces...)
	check(v, "hash.secret", h.Secret, secretForms.names()...)
	check(v, "hash.fields", h.Fields, hashFields...)
	check(v, "hash.eol", h.EOL, eols.names()...)
	check(v, "hash.text", h.Text, hashTexts.names()...)
	check(v, "hash.encoding", h.Encoding, hashEncodings.names()...)
	v.when(h.Place == secretKey && (h.SecretJoin != "" || h.Encoding != ""), "hash.place", "a key is not joined, and its text not encoded")
	text := hashTexts.row(h.Text)
	v.when(l.fixed && text.min != text.max, "hash.text", "a fixed layout needs a fixed width")
	raw := text.raw
	v.when(raw && p.Records == RecordsMany && !l.fixed, "hash.text", "raw bytes can hold a line end, so that many records need a fixed layout")
	v.when(raw && l.lines, "hash.text", "raw bytes cannot stand in a line")
	v.when(raw && !p.FinalEOL && paddings.row(p.Cipher.Padding).mark == markFill, "cipher.padding", "a hash of raw bytes may end like it")
}

// secretPlaces are the choices of HashForm.Place.
var secretPlaces = []SecretPlace{SecretSuffix, SecretPrefix, SecretBoth, SecretBetween, secretKey}

// secretKey is HMAC-MD5 of the fields, with the secret as its key.
const secretKey SecretPlace = "hmac"

// hashFields are the choices of HashForm.Fields. Plain are points without fill,
// sign and comma.
var hashFields = []HashFields{HashBare, HashWritten, hashPlain}

const hashPlain HashFields = "plain"
