package mergefile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"sync"
)

// chunkSize is how much text is worked on at a time.
const chunkSize = 64 << 10

// source reads a file in order: it takes off the outer text form, the IV or
// whatever else stands in front, and gives the ciphertext in chunks.
//
// A fault of the file sets bad and the work goes on with dummy data; only a
// failure to read is an error.
type source struct {
	front  io.Reader     // ciphertext, after the outer form: for what stands in front
	in     *bufio.Reader // and for the rest
	count  countReader
	mac    hash.Hash // over the file as it lies there; nil without a sidecar
	sum    []byte    // what the sidecar says it is
	bad    bool
	outer  bool // bad, as the outer reader sees it
	prefix []byte

	dec  decryption
	prev [blockSize]byte
	room int   // bytes in a chunk at most, tag included
	size int64 // of the ciphertext and what stands in front, if that is known
	n    int64 // chunks given
	end  bool
}

// decryption is how the ciphertext of one file becomes text. It holds no
// position, but for the key stream of a stream mode.
type decryption struct {
	mode    CipherMode
	padding Padding
	block   cipher.Block
	stream  cipher.Stream
	seal    *segments // of an envelope
	iv      [blockSize]byte
}

// countReader counts and bounds what is read, and takes the MAC on the way.
type countReader struct {
	src io.Reader
	n   int64
	max int64
	mac hash.Hash
	big bool
}

func (r *countReader) Read(p []byte) (int, error) {
	if r.n >= r.max {
		// One more byte would be too many.
		var one [1]byte
		n, err := r.src.Read(one[:])
		if n > 0 {
			r.big = true
			return 0, io.EOF
		}
		return 0, err
	}
	p = p[:min(int64(len(p)), r.max-r.n)]
	n, err := r.src.Read(p)
	r.n += int64(n)
	if r.mac != nil {
		r.mac.Write(p[:n])
	}
	return n, err
}

// opening is everything that is decided about a file before its first record.
type opening struct {
	p     Profile
	keys  []Key
	opts  ReaderOptions
	size  int64 // of the file, or the greatest it may have
	exact bool  // size is the file's

	key    Key
	codec  *codec
	dec    decryption
	prefix []byte
}

func newOpening(ctx context.Context, p Profile, keys KeySource, opts *ReaderOptions) (*opening, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	o := &opening{p: p}
	if opts != nil {
		o.opts = *opts
	}
	o.opts.setDefaults()
	o.size = o.opts.MaxSize
	var err error
	if o.keys, err = fetchKeys(ctx, keys); err != nil {
		return nil, err
	}
	return o, nil
}

// open reads what stands in front of the ciphertext and settles on a key. With
// several keys each is tried on the first record, all of them always; if none
// serves, the newest does the rest of the work on a file that is already bad.
func (o *opening) open(ctx context.Context, src io.Reader) (*source, error) {
	s := &source{}
	if err := o.openSidecar(ctx, s); err != nil {
		return nil, err
	}
	s.count = countReader{src: src, max: o.opts.MaxSize, mac: s.mac}
	o.attach(s)
	if err := o.readPrefix(ctx, s); err != nil {
		return nil, err
	}
	if o.p.Cipher.Mode == CipherEnvelope {
		return s, o.openEnvelope(ctx, s)
	}
	var peek []byte
	if len(o.keys) > 1 {
		var err error
		if peek, err = s.in.Peek(chunkSize); err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return nil, err
		}
	}
	chosen := -1
	var first, other *trial
	for i, k := range o.keys {
		t, err := o.tryKey(ctx, k, s.prefix, peek)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = t
		}
		if t.ok && chosen < 0 {
			chosen, other = i, t
		}
	}
	if chosen < 0 {
		chosen, other = 0, first
	}
	o.key, o.codec, s.dec = o.keys[chosen], other.codec, other.dec
	o.dec = s.dec
	o.prefix = s.prefix
	s.prev = s.dec.iv
	return s, nil
}

// reopen begins a file again that has been read and verified before.
func (o *opening) reopen(ctx context.Context, src io.Reader) (*source, error) {
	s := &source{count: countReader{src: src, max: o.opts.MaxSize}}
	o.attach(s)
	s.prefix = make([]byte, len(o.prefix))
	if _, err := io.ReadFull(s.front, s.prefix); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, errChanged
	} else if err != nil {
		return nil, err // the disk's fault is not the file's
	}
	if !bytes.Equal(s.prefix, o.prefix) {
		return nil, errChanged
	}
	s.dec = o.dec
	s.dec.stream = newStream(s.dec.mode, s.dec.block, s.dec.iv[:], true)
	s.prev = s.dec.iv
	return s, nil
}

// errChanged is the inner name for a file that is not what it was in the first
// pass. To the caller it is invalid like every other.
var errChanged = errors.New("mergefile: the file has changed")

func (o *opening) attach(s *source) {
	var in io.Reader = &s.count
	if form, text := o.p.Cipher.outerForm(); text {
		in = newOuterReader(form, in, &s.outer)
	}
	// A small file takes small buffers: one byte more than all of it, so that
	// its end is seen.
	s.room = int(min(chunkSize+segmentOverhead, o.size+1))
	s.front = in
	// A read of a whole chunk goes past a buffer that is no larger.
	s.in = bufio.NewReaderSize(in, min(s.room, chunkSize))
	if o.exact && in == io.Reader(&s.count) {
		s.size = o.size
	}
}

// prefixLen is the length of what stands in front, but for an envelope's.
func (o *opening) prefixLen() int {
	switch o.p.Cipher.IV {
	case IVPrefixed, IVDerived:
		return blockSize
	}
	return 0
}

const saltMark = "Salted__"

func (o *opening) readPrefix(ctx context.Context, s *source) error {
	s.prefix = make([]byte, o.prefixLen())
	if _, err := io.ReadFull(s.front, s.prefix); err == io.EOF || err == io.ErrUnexpectedEOF {
		s.bad = true // what is missing stays zero
	} else if err != nil {
		return err
	}
	if o.p.Cipher.IV == IVDerived && string(s.prefix[:len(saltMark)]) != saltMark {
		s.bad = true
	}
	return nil
}

// trial is what one key made of a file's beginning.
type trial struct {
	ok    bool
	codec *codec
	dec   decryption
}

// tryKey readies a key for the file and says whether the first record verifies
// under it. The trial is left out where there is one key alone.
func (o *opening) tryKey(ctx context.Context, k Key, prefix, peek []byte) (*trial, error) {
	c := o.p.Cipher
	secret, err := k.secretBytes(o.p.Hash.Secret)
	if err != nil {
		return nil, err
	}
	t := &trial{}
	if t.codec, err = newCodec(o.p, secret); err != nil {
		return nil, err
	}
	var salt []byte
	if c.IV == IVDerived {
		salt = prefix[len(saltMark):]
	}
	r, err := k.resolve(ctx, c, salt)
	if err != nil {
		return nil, err
	}
	t.dec = decryption{mode: c.Mode, padding: c.Padding, block: r.block}
	iv, err := c.iv(prefix, r.iv, o.opts.Name)
	if err != nil {
		return nil, err
	}
	copy(t.dec.iv[:], iv)
	t.dec.stream = newStream(c.Mode, r.block, t.dec.iv[:], true)
	if len(o.keys) == 1 {
		return t, nil
	}

	peek = peek[:min(len(peek), (len(t.codec.prolog)+t.codec.maxLen)/blockSize*blockSize+2*blockSize)]
	text := make([]byte, len(peek))
	if stream := newStream(c.Mode, r.block, t.dec.iv[:], true); stream != nil {
		stream.XORKeyStream(text, peek)
	} else {
		peek = peek[:len(peek)/blockSize*blockSize]
		text = text[:len(peek)]
		blockDecrypter{block: r.block, cbc: c.Mode == CipherCBC}.decrypt(text, peek, t.dec.iv[:])
	}
	t.ok = t.codec.firstVerifies(text, c.Padding)
	return t, nil
}

// firstVerifies says whether a text begins with a record that verifies. The
// text may stop inside a later record, or go on with padding.
func (c *codec) firstVerifies(text []byte, padding Padding) bool {
	text, ok := bytes.CutPrefix(text, c.prolog)
	if !ok {
		return false
	}
	var f fields
	var r Record
	try := func(text []byte, last bool) bool {
		rec, _, ok := c.next(text, last)
		if ok {
			_, ok = c.split(rec, &f)
		}
		if ok {
			_, ok = c.parse(&f, &r)
		}
		if !ok {
			return false
		}
		sum, ok := c.decodeHash(f.bare[fieldHash])
		want := md5.Sum(c.appendInput(nil, &f))
		return ok && subtle.ConstantTimeCompare(sum[:], want[:]) == 1
	}
	if try(text, false) {
		return true
	}
	n, good := padding.unpad(text)
	return good == 1 && try(text[:n], true)
}

// iv gives the IV, wherever the profile takes it from.
func (c CipherForm) iv(prefix, derived []byte, name string) ([]byte, error) {
	switch c.IV {
	case IVPrefixed:
		return prefix, nil
	case IVDerived, IVKey:
		return derived, nil
	case IVFixed:
		return hex.DecodeString(c.FixedIV)
	case IVFileName:
		if len(name) < blockSize {
			return nil, ErrName
		}
		return []byte(name[:blockSize]), nil
	}
	return make([]byte, blockSize), nil
}

// ErrName says that the profile takes the IV from the file's name, and that
// the Name given in the options is shorter than the 16 bytes it needs.
var ErrName = errors.New("mergefile: the profile needs the file's name, of at least 16 bytes")

// fetch reads the next chunk into seg. False means that there is none.
func (s *source) fetch(seg *segment) (bool, error) {
	if s.end {
		return false, nil
	}
	size := chunkSize
	if s.dec.seal != nil {
		size += segmentOverhead
	}
	n, err := io.ReadFull(s.in, seg.raw[:min(size, s.room)])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	if err == nil {
		if s.size > 0 && s.count.n == s.size && s.in.Buffered() == 0 {
			err = io.EOF
		} else if s.size == 0 {
			if _, err = s.in.Peek(1); err != nil && err != io.EOF {
				return false, err
			}
		}
	}
	seg.last = err != nil
	s.end = seg.last
	seg.cipher = seg.raw[:n]
	seg.index = s.n
	seg.prev = s.prev
	s.n++
	if seg.last {
		s.bad = s.bad || s.outer || s.count.big
	}
	switch {
	case s.dec.stream != nil:
		// A key stream is one chain: this is the part that cannot be shared out.
		s.dec.stream.XORKeyStream(seg.text[carryRoom:], seg.cipher)
	case s.dec.seal == nil:
		if n%blockSize != 0 {
			s.bad = true
		}
		if n >= blockSize {
			whole := n - n%blockSize
			copy(s.prev[:], seg.cipher[whole-blockSize:whole])
		}
	}
	return true, nil
}

// decrypt fills the segment's text. It says false for an envelope's segment
// that is not authentic, whose text is then zeros.
func (d *decryption) decrypt(seg *segment) (n int, ok bool) {
	text := seg.text[carryRoom:]
	switch {
	case d.seal != nil:
		return d.seal.open(text, seg.cipher, seg.index, seg.last)
	case d.stream != nil:
		n = len(seg.cipher)
	default:
		n = len(seg.cipher) / blockSize * blockSize
		blockDecrypter{block: d.block, cbc: d.mode == CipherCBC}.decrypt(text[:n], seg.cipher[:n], seg.prev[:])
	}
	ok = true
	if seg.last {
		var good int
		n, good = d.padding.unpad(text[:n])
		ok = good == 1
	}
	return n, ok
}

// fingerprints remembers the ciphertext of the first pass, so that the second
// cannot be fed another: one tag of GMAC, under a key that lives as long as
// the reader, for each chunk.
type fingerprints struct {
	gcm  cipher.AEAD
	mu   sync.Mutex
	tags [][blockSize]byte
}

func newFingerprints() (*fingerprints, error) {
	var key [blockSize]byte
	rand.Read(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return &fingerprints{gcm: gcm}, err
}

func (f *fingerprints) tag(seg *segment) [blockSize]byte {
	seg.nonce = segmentNonce(seg.index, seg.last)
	f.gcm.Seal(seg.print[:0], seg.nonce[:], nil, seg.cipher)
	return seg.print
}

// add remembers a chunk; chunks come in any order.
func (f *fingerprints) add(seg *segment) {
	t := f.tag(seg)
	f.mu.Lock()
	defer f.mu.Unlock()
	for int64(len(f.tags)) <= seg.index {
		f.tags = append(f.tags, [blockSize]byte{})
	}
	f.tags[seg.index] = t
}

// check says whether a chunk is the one remembered.
func (f *fingerprints) check(seg *segment) bool {
	if seg.index >= int64(len(f.tags)) {
		return false
	}
	t := f.tag(seg)
	return subtle.ConstantTimeCompare(t[:], f.tags[seg.index][:]) == 1
}
