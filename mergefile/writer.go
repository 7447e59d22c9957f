package mergefile

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// ErrDuplicate is returned when a record's transaction number was written before.
var ErrDuplicate = errors.New("mergefile: a transaction number may not come twice")

// ErrUnsorted is returned when a record comes out of order behind the first 65,536 of
// a file, where a number that was written before cannot be told from one that
// was not.
var ErrUnsorted = errors.New("mergefile: behind the first 65536 records the transaction numbers must rise, or one that comes twice is not seen: sort the records")

// ErrEmpty is returned when a file was closed without a record.
var ErrEmpty = errors.New("mergefile: a file holds at least one record")

// ErrSingle is returned when a second record was written under a profile with
// RecordsOne.
var ErrSingle = errors.New("mergefile: the profile has one record in a file")

// A FieldError is returned for a record that has a field for which the profile has no
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

// WriterOptions are the choices in writing a file.
type WriterOptions struct {
	// Name is the file's name without directories. Only a profile with
	// IVFileName needs it.
	Name string
	// Sidecar receives the sidecar at Close; a profile with IntegritySidecar
	// needs it.
	Sidecar io.Writer
}

// A Writer writes a merge file, record by record; Close completes it. Memory
// does not grow with the file. A Writer is not safe for concurrent use.
type Writer struct {
	codec   *codec
	dst     io.WriteCloser // the container
	cipher  *encryption
	mac     hash.Hash
	sidecar io.Writer
	keyID   string

	back    []byte // an IV that stands at the end
	text    []byte // not yet encrypted
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
	w := &Writer{keyID: key.ID()}
	if w.codec, err = newCodec(p, secret); err != nil {
		return nil, err
	}
	if p.Integrity == IntegritySidecar {
		if opts.Sidecar == nil || w.keyID == "" {
			return nil, fmt.Errorf("%w: a sidecar needs a place to go and a key identifier", ErrKey)
		}
		mac, err := key.derive(ctx, &p.Cipher, sidecarInfo)
		if err != nil {
			return nil, err
		}
		w.mac, w.sidecar = hmac.New(sha256.New, mac), opts.Sidecar
		dst = io.MultiWriter(dst, w.mac)
	}
	w.dst = newContainerWriter(&p.Cipher, dst)
	var front []byte
	if w.cipher, front, err = newEncryption(ctx, &p, key, opts.Name); err != nil {
		return nil, err
	}
	switch {
	case ivs.row(p.Cipher.IV).end:
		w.back = front
	case p.Cipher.OuterIV != "":
		_, err = dst.Write(appendIV(nil, &p.Cipher, front))
	case len(front) > 0:
		_, err = w.dst.Write(front)
	}
	if err != nil {
		return nil, err
	}
	w.text = append(make([]byte, 0, chunkSize+carryRoom), w.codec.prolog...)
	return w, nil
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
	w.text = w.codec.widen(text, n)
	w.count++
	w.err = w.overflow()
	return w.err
}

// overflow writes a chunk of text if there is more than one.
func (w *Writer) overflow() error {
	if len(w.text) <= chunkSize {
		return nil
	}
	err := w.flush(w.text[:chunkSize], false)
	w.text = w.text[:copy(w.text, w.text[chunkSize:])]
	return err
}

// flush encrypts text, in place but for envelopes, and writes it.
func (w *Writer) flush(text []byte, last bool) error {
	_, err := w.dst.Write(w.cipher.encrypt(text, last))
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
	w.text = w.codec.widen(append(w.text, w.codec.epilog...), len(w.text))
	err := w.overflow()
	if err == nil {
		err = w.flush(w.text, true)
	}
	if err == nil && len(w.back) > 0 {
		_, err = w.dst.Write(w.back)
	}
	if err == nil {
		err = w.dst.Close()
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
