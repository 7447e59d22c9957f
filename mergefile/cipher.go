package mergefile

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
)

const blockSize = aes.BlockSize

// cipherMode is a way of using AES.
type cipherMode struct {
	iv     bool // it has an IV
	blocks bool // it works on whole blocks, so that the text is padded
	chain  bool // each block takes in the one before: CBC
	sealed bool // it is the envelope
	risk   risk
	stream func(block cipher.Block, iv []byte, decrypt bool) cipher.Stream
}

// modes are the choices of CipherForm.Mode.
var modes = table[CipherMode, cipherMode]{
	{CipherCBC, cipherMode{iv: true, blocks: true, chain: true}},
	{CipherECB, cipherMode{blocks: true, risk: risk{SeverityDanger, LintECB, "ECB shows which blocks are equal, and lets blocks be exchanged and left out between files under one key: only the hash of each record stands against it, and whole records that fill whole blocks can be dropped or repeated."}}},
	{CipherCTR, cipherMode{iv: true, risk: malleable, stream: func(block cipher.Block, iv []byte, _ bool) cipher.Stream { return cipher.NewCTR(block, iv) }}},
	{CipherCFB8, cipherMode{iv: true, risk: malleable, stream: feedback(feedCipher8)}},
	{CipherCFB128, cipherMode{iv: true, risk: malleable, stream: feedback(feedCipher)}},
	{"ofb", cipherMode{iv: true, risk: malleable, stream: feedback(feedPad)}},
	{CipherEnvelope, cipherMode{sealed: true}},
}

// ErrName is returned when the profile takes the IV from the file's name, and
// the Name in the options is shorter than the 16 bytes that it needs.
var ErrName = errors.New("mergefile: the profile needs the file's name, of at least 16 bytes")

// ivForm is where an IV comes from.
type ivForm struct {
	front   int  // random bytes in front of the ciphertext
	end     bool // they stand at the end of the file instead
	salted  bool // they are a mark and a salt, and not the IV
	derived bool // the IV comes with the key from passphrase and salt
	counter bool // it leaves room for a counter, and serves CTR alone
	name    int  // characters of the file's name that it needs
	repeats bool // several files have the same
	caution string
	// find returns the IV. The key stage derived the second one, if any.
	find func(c *CipherForm, front, derived []byte, name string) ([]byte, error)
}

// ivs are the choices of CipherForm.IV.
var ivs = table[IVForm, ivForm]{
	{IVPrefixed, ivForm{front: blockSize, find: frontIV}},
	{IVNone, ivForm{find: zeroIVOf}},
	{IVDerived, ivForm{front: blockSize, salted: true, derived: true, find: derivedIV}},
	{IVZero, ivForm{repeats: true, find: zeroIVOf}},
	{IVKey, ivForm{repeats: true, find: derivedIV}},
	{IVFixed, ivForm{repeats: true, find: func(c *CipherForm, _, _ []byte, _ string) ([]byte, error) { return hex.DecodeString(c.FixedIV) }}},
	{IVFileName, ivForm{repeats: true, caution: nameCaution, name: blockSize, find: func(_ *CipherForm, _, _ []byte, name string) ([]byte, error) { return []byte(name[:blockSize]), nil }}},
	{"suffixed", ivForm{front: blockSize, end: true, find: frontIV}},
	{"nonce", ivForm{front: 8, counter: true, find: frontIV}},
	{"derived-unsalted", ivForm{repeats: true, derived: true, find: derivedIV}},
	// What PHP makes of a date as IV, and of the MD5 of a name.
	{"file-date", ivForm{repeats: true, caution: " All files of one day begin alike.", name: 8, find: func(_ *CipherForm, _, _ []byte, name string) ([]byte, error) { return fit([]byte(name[:8])), nil }}},
	{"file-name-md5", ivForm{repeats: true, caution: nameCaution, name: 1, find: func(_ *CipherForm, _, _ []byte, name string) ([]byte, error) {
		return digest(md5.New, []byte(name)), nil
	}}},
}

const nameCaution = " The name must never come again, not even in a resend with other content."

func frontIV(_ *CipherForm, front, _ []byte, _ string) ([]byte, error) { return fit(front), nil }

func zeroIVOf(*CipherForm, []byte, []byte, string) ([]byte, error) {
	return make([]byte, blockSize), nil
}

func derivedIV(_ *CipherForm, _, derived []byte, _ string) ([]byte, error) { return derived, nil }

const (
	saltMark = "Salted__"
	saltSize = blockSize - len(saltMark)
)

// decryption is how the ciphertext of one file becomes text. It holds no
// position, but for the key stream of a stream mode.
type decryption struct {
	cipherMode
	padding padding
	block   cipher.Block
	keys    cipher.Stream
	seal    *segments // of an envelope
	iv      [blockSize]byte
}

// newDecryption readies a key for a file with the given bytes in front of its
// ciphertext.
func newDecryption(ctx context.Context, p *Profile, k Key, front []byte, name string) (d decryption, err error) {
	c := &p.Cipher
	if modes.row(c.Mode).sealed {
		d = c.decryption(nil, nil)
		d.seal, err = newSegments(ctx, k, c, front, p.Associated)
		return d, err
	}
	block, iv, err := k.cipher(ctx, c, front, name)
	return c.decryption(block, iv), err
}

func (c *CipherForm) decryption(block cipher.Block, iv []byte) decryption {
	d := decryption{cipherMode: modes.row(c.Mode), padding: paddings.row(c.Padding), block: block}
	copy(d.iv[:], iv)
	return d
}

// restart begins the key stream of a stream mode again.
func (d *decryption) restart() {
	if d.stream != nil {
		d.keys = d.stream(d.block, d.iv[:], true)
	}
}

// prepare does what must be done to chunk after chunk, in their order: a key
// stream is one chain, and CBC needs the block before. It reports whether the
// chunk has a length that the mode can have.
func (d *decryption) prepare(seg *segment, prev *[blockSize]byte) bool {
	seg.prev = *prev
	switch n := len(seg.cipher); {
	case d.keys != nil:
		d.keys.XORKeyStream(seg.text[carryRoom:], seg.cipher)
	case d.blocks:
		if n >= blockSize {
			*prev = [blockSize]byte(seg.cipher[n-n%blockSize-blockSize:])
		}
		return n%blockSize == 0
	}
	return true
}

// decrypt fills a segment's text, and returns its length. It reports false for
// wrong padding, and for an envelope's segment that is not authentic, whose text
// is then zeros. Segments may be decrypted side by side: each block of CBC needs
// only the ciphertext block before it.
func (d *decryption) decrypt(seg *segment) (n int, ok bool) {
	text := seg.text[carryRoom:]
	switch {
	case d.sealed:
		return d.seal.open(text, seg.cipher, seg.index, seg.last)
	case d.keys != nil:
		n = len(seg.cipher)
	default:
		n = len(seg.cipher) / blockSize * blockSize
		for i := 0; i < n; i += blockSize {
			d.block.Decrypt(text[i:i+blockSize], seg.cipher[i:i+blockSize])
		}
		if d.chain && n > 0 {
			subtle.XORBytes(text, text[:blockSize], seg.prev[:])
			subtle.XORBytes(text[blockSize:], text[blockSize:n], seg.cipher)
		}
	}
	ok = true
	if seg.last {
		var good int
		n, good = d.padding.strip(text[:n])
		ok = good == 1
	}
	return n, ok
}

// inMemory decrypts a whole ciphertext, or the beginning of one, that lies in
// memory. For what is wrong it returns the fault and the number of the segment.
func (d *decryption) inMemory(data []byte, end bool) (text []byte, fault Fault, index int64) {
	size := chunkSize
	if d.sealed {
		size += segmentOverhead
	}
	d.restart()
	prev := d.iv
	for ; ; index++ {
		part := data[:min(len(data), size)]
		data = data[len(part):]
		seg := &segment{cipher: part, index: index, last: end && len(data) == 0, text: make([]byte, carryRoom+len(part))}
		if !d.prepare(seg, &prev) && fault == "" && end || seg.last && d.blocks && index == 0 && len(part) == 0 {
			fault = FaultBlocks
		}
		n, ok := d.decrypt(seg)
		text = append(text, seg.text[carryRoom:carryRoom+n]...)
		switch {
		case ok || fault != "":
		case d.sealed:
			return text, FaultSegment, index
		default:
			fault = FaultPadding
		}
		if len(data) == 0 {
			return text, fault, index
		}
	}
}

// encryption is how text becomes the ciphertext of one file, chunk after chunk.
type encryption struct {
	cipherMode
	padding padding
	block   cipher.Block
	cbc     cipher.BlockMode
	keys    cipher.Stream
	seal    *segments
	index   int64
	sealed  []byte
}

// newEncryption readies a key for a new file, and returns what stands in front
// of its ciphertext.
func newEncryption(ctx context.Context, p *Profile, k Key, name string) (e *encryption, front []byte, err error) {
	c := &p.Cipher
	e = &encryption{cipherMode: modes.row(c.Mode), padding: paddings.row(c.Padding)}
	if e.cipherMode.sealed {
		if front, err = envelopeHeader(k.ID()); err == nil {
			e.seal, err = newSegments(ctx, k, c, front, p.Associated)
		}
		return e, front, err
	}
	from := ivs.row(c.IV)
	front = make([]byte, from.front)
	rand.Read(front)
	if from.salted {
		copy(front, saltMark)
	}
	var iv []byte
	if e.block, iv, err = k.cipher(ctx, c, front, name); err != nil {
		return nil, nil, err
	}
	switch {
	case e.chain:
		e.cbc = cipher.NewCBCEncrypter(e.block, iv)
	case e.stream != nil:
		e.keys = e.stream(e.block, iv, false)
	}
	return e, front, nil
}

// encrypt returns the ciphertext of a chunk of text, which it overwrites. Every
// chunk but the last is chunkSize long.
func (e *encryption) encrypt(text []byte, last bool) []byte {
	if e.seal != nil {
		e.sealed = e.seal.seal(e.sealed[:0], text, e.index, last)
		e.index++
		return e.sealed
	}
	if last {
		text = e.padding.pad(text)
	}
	switch {
	case e.cbc != nil:
		e.cbc.CryptBlocks(text, text)
	case e.keys != nil:
		e.keys.XORKeyStream(text, text)
	default:
		for b := text; len(b) >= blockSize; b = b[blockSize:] {
			e.block.Encrypt(b[:blockSize], b[:blockSize])
		}
	}
	return text
}

// feed is what goes into the next block of a feedback mode.
type feed uint8

const (
	feedCipher  feed = iota // 16 bytes of ciphertext at a time
	feedCipher8             // one byte of ciphertext at a time, as .NET does
	feedPad                 // 16 bytes of the key stream itself: OFB
)

// feedback returns the key stream of a feedback mode. The standard library has
// some of them, and all of those are deprecated.
func feedback(f feed) func(cipher.Block, []byte, bool) cipher.Stream {
	return func(block cipher.Block, iv []byte, decrypt bool) cipher.Stream {
		s := &feedbackStream{block: block, feed: f, decrypt: decrypt, used: blockSize}
		copy(s.shift[:], iv)
		return s
	}
}

type feedbackStream struct {
	block   cipher.Block
	feed    feed
	decrypt bool
	shift   [blockSize]byte // the last 16 bytes of what was fed
	pad     [blockSize]byte
	used    int
}

// XORKeyStream implements cipher.Stream; dst and src may be the same.
func (s *feedbackStream) XORKeyStream(dst, src []byte) {
	for i, in := range src {
		if s.used == blockSize {
			s.block.Encrypt(s.pad[:], s.shift[:])
			s.used = 0
		}
		out := in ^ s.pad[s.used]
		fed := out
		if s.decrypt {
			fed = in
		}
		if s.feed == feedPad {
			fed = s.pad[s.used]
		}
		if s.feed == feedCipher8 {
			copy(s.shift[:], s.shift[1:])
			s.shift[blockSize-1] = fed
			s.used = blockSize
		} else {
			s.shift[s.used] = fed
			s.used++
		}
		dst[i] = out
	}
}

// padding is what fills the last block of the text.
type padding struct {
	fill   byte
	mark   paddingMark
	random bool // the fill is random, and not looked at
}

// paddingMark says how the end of the text is found.
type paddingMark uint8

const (
	markNone  paddingMark = iota // there is no padding
	markFill                     // the fill is no part of a text; a full last block has none
	markCount                    // the last byte is the number of bytes
	markAll                      // every byte is
	markBit                      // 0x80, then the fill
)

// paddings are the choices of CipherForm.Padding. PKCS#7 is ISO 10126 too, and
// for one byte X9.23.
var paddings = table[Padding, padding]{
	{PaddingPKCS7, padding{mark: markAll}},
	{PaddingNone, padding{}},
	{PaddingX923, padding{mark: markCount}},
	{PaddingISO10126, padding{mark: markCount, random: true}},
	{PaddingZero, padding{mark: markFill}},
	{"iso7816", padding{mark: markBit}},
	{PaddingSpace, padding{mark: markFill, fill: ' '}},
}

// pad appends the padding to the last, incomplete block.
func (p padding) pad(text []byte) []byte {
	n := blockSize - len(text)%blockSize
	fill := bytes.Repeat([]byte{p.fill}, n)
	switch p.mark {
	case markNone:
		return text
	case markFill:
		return append(text, fill[:n%blockSize]...)
	case markBit:
		fill[0] = 0x80
	case markAll:
		fill = bytes.Repeat([]byte{byte(n)}, n)
	case markCount:
		if p.random {
			rand.Read(fill)
		}
		fill[n-1] = byte(n)
	}
	return append(text, fill...)
}

// strip returns the length of the text in front of the padding, and 1 if the
// padding is right, else 0. It takes the same steps whatever the bytes are: a
// reader that answered faster or slower would tell an attacker, byte by byte,
// what is inside. With wrong padding the length is that of the whole, so that
// the work which follows stays the same.
func (p padding) strip(text []byte) (length, good int) {
	if p.mark == markNone {
		return len(text), 1
	}
	if len(text) == 0 || len(text)%blockSize != 0 {
		return len(text), 0
	}
	last := text[len(text)-blockSize:]
	if p.mark == markFill {
		n, run := 0, 1
		for i := range blockSize - 1 { // a whole block of fill is no padding
			run &= subtle.ConstantTimeByteEq(last[blockSize-1-i], p.fill)
			n += run
		}
		return len(text) - n, 1
	}
	if p.mark == markBit {
		found := 0 // the number of bytes from the mark on, once it is found
		clean := 1
		for i := range blockSize {
			b := last[blockSize-1-i]
			mark := subtle.ConstantTimeByteEq(b, 0x80) & clean & (1 ^ good)
			found |= subtle.ConstantTimeSelect(mark, i+1, 0)
			good |= mark
			clean &= subtle.ConstantTimeByteEq(b, p.fill)
		}
		return len(text) - found, good
	}
	n := int(last[blockSize-1])
	good = subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, blockSize)
	want, exact := byte(n), 1
	if p.mark == markCount {
		want = p.fill
	}
	if p.random {
		exact = 0
	}
	for i := 1; i < blockSize; i++ { // byte i from the end is padding if i < n
		inside := subtle.ConstantTimeLessOrEq(i+1, n) & exact
		good &= subtle.ConstantTimeByteEq(last[blockSize-1-i], want) | (inside ^ 1)
	}
	return len(text) - subtle.ConstantTimeSelect(good, n, 0), good
}

// validate finds what is wrong with the container and cipher stages.
func (c *CipherForm) validate(v *validation) {
	check(v, "cipher.mode", c.Mode, modes.names()...)
	check(v, "cipher.iv", c.IV, ivs.names()...)
	check(v, "cipher.padding", c.Padding, paddings.names()...)
	check(v, "cipher.key", c.Key, keyForms.names()...)
	check(v, "cipher.outer", c.Outer, outers.names()...)
	check(v, "cipher.outer_eol", c.OuterEOL, eols.names()...)

	m, key, iv, outer := modes.row(c.Mode), keyForms.row(c.Key), ivs.row(c.IV), outers.row(c.Outer)
	v.when(!m.iv && c.IV != IVNone && c.IV != IVDerived, "cipher.iv", "this mode has no IV")
	v.when(m.iv && c.IV == IVNone, "cipher.iv", "this mode needs an IV")
	v.when(m.sealed && c.IV == IVDerived, "cipher.iv", "an envelope has its own salt")
	v.when(iv.derived && !key.salted || key.salted && !iv.derived && c.Salt == "", "cipher.iv", "derived goes with a passphrase, and a passphrase with derived")
	salt, err := hex.DecodeString(c.Salt)
	v.when(err != nil || len(salt) > 64, "cipher.salt", "up to 128 hexadecimal digits are needed")
	v.when(c.Salt != "" && (!key.salted || iv.salted), "cipher.salt", "unused")
	v.when(iv.counter && c.Mode != CipherCTR, "cipher.iv", "only CTR counts behind a nonce")
	v.when(iv.end && outer.group > 0, "cipher.iv", "only binary files have an IV at the end")
	b, err := hex.DecodeString(c.FixedIV)
	v.when(c.IV == IVFixed && (err != nil || len(b) != blockSize), "cipher.fixed_iv", "32 hexadecimal digits are needed")
	v.when(c.IV != IVFixed && c.FixedIV != "", "cipher.fixed_iv", "unused")

	v.when(m.sealed && c.Padding != PaddingNone, "cipher.padding", "an envelope has none")
	v.when(m.blocks && c.Padding == PaddingNone, "cipher.padding", "this mode works on whole blocks")
	v.when(m.sealed && key.passphrase, "cipher.key", "an envelope needs a key, not a passphrase")
	v.when(key.rounds > 0 && (c.Iterations < 1 || c.Iterations > key.rounds), "cipher.iterations", fmt.Sprintf("1 to %d", key.rounds))
	v.when(key.rounds == 0 && c.Iterations != 0, "cipher.iterations", "unused")
	v.when(outer.line > 0 && c.OuterEOL == EOLNone, "cipher.outer_eol", "wrapped lines need one")
	v.when((outer.group == 0 || outer.twice) && c.OuterEOL != EOLNone, "cipher.outer_eol", "unused with this form")
	v.when(c.OuterOpen && outer.line == 0, "cipher.outer_open", "only wrapped lines have it")
	if c.OuterIV == "" {
		v.when(c.OuterJoin != "", "cipher.outer_join", "unused")
		return
	}
	check(v, "cipher.outer_iv", c.OuterIV, outers.names()...)
	head := outers.row(c.OuterIV)
	v.when(head.group == 0 || head.line > 0 || head.twice || outer.group == 0 || outer.twice || c.IV != IVPrefixed, "cipher.outer_iv", "a text form of one line, for a prefixed IV in front of another text")
	check(v, "cipher.outer_join", c.OuterJoin, ":", ".")
}
