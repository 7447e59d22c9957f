package mergefile

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// ErrDuplicate says that a record's transaction number was written before.
var ErrDuplicate = errors.New("mergefile: a transaction number may not come twice")

// ErrUnsorted says that a record comes out of order behind the first 65,536 of
// a file, where a number that was written before cannot be told from one that
// was not.
var ErrUnsorted = errors.New("mergefile: behind the first 65536 records the transaction numbers must rise, or one that comes twice is not seen: sort the records")

// ErrEmpty says that a file was closed without a record.
var ErrEmpty = errors.New("mergefile: a file holds at least one record")

// ErrSingle says that a second record was written under a profile with
// RecordsOne.
var ErrSingle = errors.New("mergefile: the profile has one record in a file")

// FieldError says that a record has a field for which the profile has no
// spelling: a holder of the other kind or outside the grammar, points of zero
// or too many digits, milliseconds where there are only seconds. It does not
// hold the field's value.
type FieldError struct {
	// Field is "holder", "points" or "transaction".
	Field string
}

func (e *FieldError) Error() string {
	return "mergefile: the profile has no spelling for this " + e.Field
}

// String gives the field's name as columns and errors have it.
func (f field) String() string {
	return [...]string{"holder", "points", "transaction", "hash"}[f]
}

// WriterOptions are the choices in writing a file.
type WriterOptions struct {
	// Name is the file's name without directories. Only a profile with
	// IVFileName needs it.
	Name string
	// Sidecar receives the sidecar at Close; a profile with IntegritySidecar
	// needs it.
	Sidecar io.Writer
}

// Writer writes a merge file, record by record; Close completes it. Memory does
// not grow with the file. It is not safe for concurrent use.
type Writer struct {
	codec   *codec
	dst     io.Writer // under the outer form
	outer   *outerWriter
	mac     hash.Hash
	sidecar io.Writer
	keyID   string

	mode    CipherMode
	padding Padding
	block   cipher.Block
	cbc     cipher.BlockMode
	stream  cipher.Stream
	seal    *segments
	index   int64

	text    []byte // not yet encrypted
	sealed  []byte
	count   int64
	numbers onePass
	err     error
}

// NewWriter begins a file with the newest key of the source. The errors are
// [ErrKey], [ErrName], a [*ProfileError], the KeySource's own, and dst's own.
func NewWriter(ctx context.Context, dst io.Writer, p Profile, keys KeySource, opts *WriterOptions) (*Writer, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if opts == nil {
		opts = &WriterOptions{}
	}
	ring, err := fetchKeys(ctx, keys)
	if err != nil {
		return nil, err
	}
	key := ring[0]
	secret, err := key.secretBytes(p.Hash.Secret)
	if err != nil {
		return nil, err
	}
	w := &Writer{dst: dst, mode: p.Cipher.Mode, padding: p.Cipher.Padding, keyID: key.ID()}
	if w.codec, err = newCodec(p, secret); err != nil {
		return nil, err
	}
	if p.Integrity == IntegritySidecar {
		if opts.Sidecar == nil || w.keyID == "" {
			return nil, fmt.Errorf("%w: a sidecar needs a place to go and a key identifier", ErrKey)
		}
		mac, err := key.derive(ctx, p.Cipher, sidecarInfo)
		if err != nil {
			return nil, err
		}
		w.mac, w.sidecar = hmac.New(sha256.New, mac), opts.Sidecar
		w.dst = io.MultiWriter(dst, w.mac)
	}
	if form, text := p.Cipher.outerForm(); text {
		w.outer = &outerWriter{form: form, dst: w.dst}
		w.dst = w.outer
	}
	if err := w.begin(ctx, p, key, opts.Name); err != nil {
		return nil, err
	}
	w.text = append(make([]byte, 0, chunkSize+carryRoom), w.codec.prolog...)
	return w, nil
}

// begin writes what stands in front of the ciphertext.
func (w *Writer) begin(ctx context.Context, p Profile, key Key, name string) error {
	if p.Cipher.Mode == CipherEnvelope {
		header, err := envelopeHeader(w.keyID)
		if err != nil {
			return err
		}
		if w.seal, err = newSegments(ctx, key, p.Cipher, header, p.Associated); err != nil {
			return err
		}
		_, err = w.dst.Write(header)
		return err
	}
	var prefix, salt []byte
	switch p.Cipher.IV {
	case IVPrefixed:
		prefix = make([]byte, blockSize)
		rand.Read(prefix)
	case IVDerived:
		prefix = append([]byte(saltMark), make([]byte, 8)...)
		salt = prefix[len(saltMark):]
		rand.Read(salt)
	}
	r, err := key.resolve(ctx, p.Cipher, salt)
	if err != nil {
		return err
	}
	iv, err := p.Cipher.iv(prefix, r.iv, name)
	if err != nil {
		return err
	}
	w.block = r.block
	if w.mode == CipherCBC {
		w.cbc = cipher.NewCBCEncrypter(r.block, iv)
	} else {
		w.stream = newStream(w.mode, r.block, iv, false)
	}
	if len(prefix) == 0 {
		return nil
	}
	_, err = w.dst.Write(prefix)
	return err
}

// Write adds a record. An error about the record leaves the file as it was, and
// further records may be written: [*FieldError], [ErrDuplicate], [ErrUnsorted],
// [ErrSingle]. A failure of the destination is final.
func (w *Writer) Write(r Record) error {
	if w.err != nil {
		return w.err
	}
	if w.count > 0 && w.codec.p.Records == RecordsOne {
		return ErrSingle
	}
	n := len(w.text)
	text := w.text
	if w.count > 0 && !w.codec.p.FinalEOL {
		text = append(text, w.codec.eol...)
	}
	text, bad, ok := w.codec.appendRecord(text, r)
	if !ok {
		w.text = w.text[:n]
		return &FieldError{Field: bad.String()}
	}
	if !w.numbers.add(r.Transaction) {
		w.text = w.text[:n]
		if !w.numbers.came(r.Transaction) {
			return ErrUnsorted
		}
		return ErrDuplicate
	}
	if w.codec.p.FinalEOL {
		text = append(text, w.codec.eol...)
	}
	w.text = text
	w.count++
	if len(w.text) > chunkSize {
		w.err = w.flush(w.text[:chunkSize], false)
		w.text = w.text[:copy(w.text, w.text[chunkSize:])]
	}
	return w.err
}

// flush encrypts text, in place but for envelopes, and writes it.
func (w *Writer) flush(text []byte, last bool) error {
	switch {
	case w.seal != nil:
		nonce := segmentNonce(w.index, last)
		w.sealed = w.seal.gcm.Seal(w.sealed[:0], nonce[:], text, w.seal.header)
		w.index++
		text = w.sealed
	default:
		if last {
			text = w.padding.pad(text)
		}
		switch {
		case w.cbc != nil:
			w.cbc.CryptBlocks(text, text)
		case w.stream != nil:
			w.stream.XORKeyStream(text, text)
		default:
			encryptECB(w.block, text)
		}
	}
	_, err := w.dst.Write(text)
	return err
}

// Close writes the rest of the file, and the sidecar. Without it the file is
// not valid. It does not close the destination. The error is [ErrEmpty] if
// nothing was written, else what Write or the destination says.
func (w *Writer) Close() error {
	if w.err != nil {
		if errors.Is(w.err, ErrClosed) {
			return nil
		}
		return w.err
	}
	if w.count == 0 {
		w.err = ErrEmpty
		return w.err
	}
	err := w.flush(w.text, true)
	if err == nil && w.outer != nil {
		err = w.outer.Close()
	}
	if err == nil && w.mac != nil {
		_, err = io.WriteString(w.sidecar, formatSidecar(w.keyID, w.mac.Sum(nil)))
	}
	w.err = err
	if err == nil {
		w.err = ErrClosed
	}
	return err
}
