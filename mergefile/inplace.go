package mergefile

import (
	"bytes"
	"context"
	"crypto/cipher"
)

// NewReaderInPlace verifies a file that lies in memory, and gives a Reader of
// its records that needs next to no memory of its own: the file is decrypted
// where it is. The Reader owns data from then on, and data is overwritten, even
// if the file turns out to be invalid. The errors are those of [NewReader].
func NewReaderInPlace(ctx context.Context, data []byte, p Profile, keys KeySource, opts *ReaderOptions) (*Reader, error) {
	o, err := newOpening(ctx, p, keys, opts)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > o.opts.MaxSize {
		return nil, ErrInvalid
	}
	o.size = int64(len(data))
	src, err := o.open(ctx, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if src.mac != nil {
		// The source reads ahead and no further; the rest counts too.
		src.mac.Reset()
		src.mac.Write(data)
	}
	text, ok := o.textInPlace(data)
	ok = ok && !src.bad
	if src.mac != nil {
		ok = src.finish() && ok
	}

	text, found := bytes.CutPrefix(text, o.codec.prolog)
	v := o.codec.verify(text, true, new(hashes), nil)
	if !v.acceptable(o) || !ok || !found {
		return nil, ErrInvalid
	}
	r := &Reader{o: o, ctx: ctx, size: int64(len(data)), count: v.count, text: text}
	if !v.rising {
		if ok, err := r.distinct(); err != nil || !ok {
			return nil, ErrInvalid
		}
	}
	return r, nil
}

// textInPlace decrypts the file in its own memory. It goes by the standard
// library's modes, one block after another.
func (o *opening) textInPlace(data []byte) (text []byte, ok bool) {
	ok = true
	if form, isText := o.p.Cipher.outerForm(); isText {
		// Decoded text is shorter than what it is read from, and is written
		// behind the place that is being read.
		bad := false
		r := newOuterReader(form, bytes.NewReader(data), &bad)
		n := 0
		for {
			m, err := r.Read(data[n:])
			n += m
			if err != nil || n == len(data) {
				break
			}
		}
		data, ok = data[:n], !bad
	}
	data = data[min(len(data), len(o.prefix)):]
	if o.dec.seal != nil {
		return o.segmentsInPlace(data, ok)
	}
	if stream := newStream(o.dec.mode, o.dec.block, o.dec.iv[:], true); stream != nil {
		stream.XORKeyStream(data, data)
	} else {
		ok = ok && len(data)%blockSize == 0
		data = data[:len(data)/blockSize*blockSize]
		if o.dec.mode == CipherCBC {
			cipher.NewCBCDecrypter(o.dec.block, o.dec.iv[:]).CryptBlocks(data, data)
		} else {
			for b := data; len(b) > 0; b = b[blockSize:] {
				o.dec.block.Decrypt(b, b)
			}
		}
	}
	n, good := o.dec.padding.unpad(data)
	return data[:n], ok && good == 1
}

func (o *opening) segmentsInPlace(data []byte, ok bool) ([]byte, bool) {
	const sealed = chunkSize + segmentOverhead
	n := 0
	for index := int64(0); ; index++ {
		seg := data[min(len(data), int(index)*sealed):]
		seg = seg[:min(len(seg), sealed)]
		last := int(index+1)*sealed >= len(data)
		// Each segment is opened where it lies and moved to its place.
		m, good := o.dec.seal.open(seg, seg, index, last)
		ok = ok && good
		n += copy(data[n:], seg[:m])
		if last {
			return data[:n], ok
		}
	}
}

func (r *Reader) againInPlace(use func([]Record) bool) error {
	var batch []Record
	for text := r.text; len(text) > 0; {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		end := len(text)
		if end > chunkSize {
			end = max(r.o.codec.lastEnd(text[:chunkSize]), 1)
		}
		batch = batch[:0]
		if v := r.o.codec.read(text[:end], end == len(text), &batch); !v.ok {
			return errChanged
		}
		if !use(batch) {
			return nil
		}
		text = text[end:]
	}
	return nil
}
