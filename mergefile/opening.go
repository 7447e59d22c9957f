package mergefile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"hash"
	"io"
	"sync"
)

// chunkSize is how much text is worked on at a time.
const chunkSize = 64 << 10

// source reads a file in order: it takes off the outer text form, the IV or
// whatever else stands in front, and returns the ciphertext in chunks.
//
// A fault of the file sets bad and the work goes on with dummy data; only a
// failure to read is an error.
type source struct {
	begin io.Reader        // ciphertext, after the outer form: for what stands in front
	in    *bufio.Reader    // and for the rest
	left  io.LimitedReader // of the file as it lies there, which may have one byte less
	mac   hash.Hash        // over that; nil without a sidecar
	sum   []byte           // what the sidecar says it is
	bad   bool
	outer bool // bad, as the container stage sees it
	front []byte

	dec  decryption
	prev [blockSize]byte
	room int // bytes in a chunk at most, tag included
	// behind is what left has once the whole file is read, if that is known.
	behind int64
	n      int64 // chunks returned
	end    bool
}

// opening is everything that is decided about a file before its first record.
type opening struct {
	p     Profile
	keys  []Key
	opts  ReaderOptions
	size  int64 // of the file, or the greatest it may have
	exact bool  // size is the file's

	key   Key
	codec *codec
	dec   decryption
	front []byte
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
	if s.mac != nil {
		src = io.TeeReader(src, s.mac)
	}
	o.attach(s, src)
	if err := o.readFront(s); err != nil {
		return nil, err
	}
	only := 0
	var peek []byte
	if modes.row(o.p.Cipher.Mode).sealed {
		only = o.envelopeKey(s)
	} else if len(o.keys) > 1 {
		var err error
		if peek, err = s.in.Peek(chunkSize); err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return nil, err
		}
		only = -1
	}
	found := false
	for i, k := range o.keys {
		if only >= 0 && i != only {
			continue
		}
		codec, dec, err := o.ready(ctx, k, s.front)
		if err != nil {
			return nil, err
		}
		serves := only < 0 && o.serves(codec, dec, peek)
		if o.codec == nil || serves && !found {
			o.key, o.codec, o.dec = k, codec, dec
		}
		found = found || serves
	}
	o.front = s.front
	s.start(o.dec)
	return s, nil
}

// ready makes profile and key ready for the file.
func (o *opening) ready(ctx context.Context, k Key, front []byte) (c *codec, d decryption, err error) {
	secret, err := k.secretBytes(o.p.Hash.Secret)
	if err != nil {
		return nil, d, err
	}
	if c, err = newCodec(o.p, secret); err != nil {
		return nil, d, err
	}
	d, err = newDecryption(ctx, &o.p, k, front, o.opts.Name)
	return c, d, err
}

// serves reports whether the first record verifies under a key.
func (o *opening) serves(c *codec, d decryption, peek []byte) bool {
	room := c.maxLen + len(c.epilog)
	if c.wide {
		room *= 2
	}
	peek = peek[:min(len(peek), (len(c.prolog)+room)/blockSize*blockSize+2*blockSize)]
	text, _, _ := d.inMemory(peek, false)
	return c.verifiesFirst(text, d.padding)
}

// start begins to decrypt with the file's own decryption.
func (s *source) start(d decryption) {
	s.dec = d
	s.dec.restart()
	s.prev = d.iv
}

// reopen begins a file again that has been read and verified before.
func (o *opening) reopen(src io.Reader) (*source, error) {
	s := &source{front: make([]byte, len(o.front))}
	o.attach(s, src)
	if _, err := io.ReadFull(s.begin, s.front); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, errChanged
	} else if err != nil {
		return nil, err // the disk's fault is not the file's
	}
	if !bytes.Equal(s.front, o.front) {
		return nil, errChanged
	}
	s.start(o.dec)
	return s, nil
}

// errChanged is the inner name for a file that is not what it was in the first
// pass. To the caller it is invalid like every other.
var errChanged = errors.New("mergefile: the file has changed")

func (o *opening) attach(s *source, src io.Reader) {
	s.left = io.LimitedReader{R: src, N: o.opts.MaxSize + 1}
	in := newContainerReader(&o.p.Cipher, &s.left, &s.outer)
	// A small file takes small buffers: one byte more than all of it, so that
	// its end is seen.
	s.room = int(min(chunkSize+segmentOverhead, o.size+1))
	s.begin = in
	// A read of a whole chunk goes past a buffer that is no larger.
	s.in = bufio.NewReaderSize(in, min(s.room, chunkSize))
	if o.exact && in == io.Reader(&s.left) {
		s.behind = s.left.N - o.size
	}
}

// readFront reads what stands in front of the ciphertext. What is missing stays
// zero.
func (o *opening) readFront(s *source) (err error) {
	if modes.row(o.p.Cipher.Mode).sealed {
		s.front, err = readEnvelopeHeader(s.begin)
		return err
	}
	from := ivs.row(o.p.Cipher.IV)
	s.front = make([]byte, from.front)
	if _, err := io.ReadFull(s.begin, s.front); err == io.EOF || err == io.ErrUnexpectedEOF {
		s.bad = true
	} else if err != nil {
		return err
	}
	if from.salted && !bytes.HasPrefix(s.front, []byte(saltMark)) {
		s.bad = true
	}
	return nil
}

// fetch reads the next chunk into seg. It reports false if there is none.
func (s *source) fetch(seg *segment) (bool, error) {
	if s.end {
		return false, nil
	}
	size := chunkSize
	if s.dec.sealed {
		size += segmentOverhead
	}
	n, err := io.ReadFull(s.in, seg.raw[:min(size, s.room)])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	if err == nil {
		if s.behind > 0 && s.left.N == s.behind && s.in.Buffered() == 0 {
			err = io.EOF
		} else if s.behind == 0 {
			if _, err = s.in.Peek(1); err != nil && err != io.EOF {
				return false, err
			}
		}
	}
	seg.last = err != nil
	s.end = seg.last
	seg.cipher = seg.raw[:n]
	seg.index = s.n
	s.n++
	if seg.last {
		s.bad = s.bad || s.outer || s.left.N == 0
	}
	if !s.dec.prepare(seg, &s.prev) {
		s.bad = true
	}
	return true, nil
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
