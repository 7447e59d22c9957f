package mergefile

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"runtime"
)

// ErrInvalid says that a file is not what it should be. It is the one and same
// error whatever is wrong, wherever it is: encryption, padding, text, hash, a
// number that comes twice, the length. Whoever can send files and watch what
// becomes of them would otherwise learn, from the difference, what is inside
// them, or make one that passes. A file that gets this error is to be put
// aside and left alone, always in the same way. [DiagnoseForDeveloper] tells a
// developer more.
var ErrInvalid = errors.New("mergefile: the file is not valid")

// ErrClosed says that a reader or writer has been closed.
var ErrClosed = errors.New("mergefile: closed")

// The bounds of [ReaderOptions] where nothing else is said.
const (
	DefaultMaxSize    = 1 << 30 // bytes: room for 15 million records
	DefaultMaxRecords = 20_000_000
)

// ReaderOptions are the choices in reading a file. The zero value is safe.
type ReaderOptions struct {
	// MaxSize bounds the file's size in bytes; 0 means DefaultMaxSize.
	MaxSize int64
	// MaxRecords bounds the number of records; 0 means DefaultMaxRecords.
	MaxRecords int64
	// Workers is the number of goroutines at work on the file; 0 means one for
	// each processor, up to four. With 1 no goroutine is started.
	Workers int
	// Name is the file's name without directories. Only a profile with
	// IVFileName needs it.
	Name string
	// Sidecar is the content of the file's sidecar, for a profile with
	// IntegritySidecar; without it such a file is invalid.
	Sidecar []byte
	// SpoolDir is where a stream that cannot be read twice is kept meanwhile,
	// as it comes, encrypted; "" means the system's directory for temporary
	// files. Up to one megabyte is kept in memory.
	SpoolDir string
}

func (o *ReaderOptions) setDefaults() {
	o.MaxSize = min(cmp.Or(max(o.MaxSize, 0), DefaultMaxSize), math.MaxInt64-1) // so that there is one more
	o.MaxRecords = cmp.Or(max(o.MaxRecords, 0), DefaultMaxRecords)
	// Reading and delivering leave little for more than four to do.
	o.Workers = cmp.Or(max(o.Workers, 0), min(runtime.GOMAXPROCS(0), 4))
}

// keepSize is the size up to which a file's records are kept from the first
// pass, so that there is no second. A record is at least 30 bytes in a file and
// 64 in memory.
const keepSize = 1 << 20

// Reader gives the records of a file that has been verified, all of it, before
// the first record is given out. It is not safe for concurrent use.
type Reader struct {
	o       *opening
	ctx     context.Context
	at      io.ReaderAt
	size    int64
	count   int64
	kept    []Record
	prints  *fingerprints
	spool   *os.File
	closed  bool
	workers int
}

// NewReader verifies a whole file and returns a Reader of its records.
//
// If src can seek and be read at random, as an *os.File or a *bytes.Reader can,
// it is read twice from its current offset on, and is not to be closed before
// the Reader. Any other stream is first spooled, to memory or to a temporary
// file that Close removes. Memory does not grow with the file.
//
// Numbers in any order are accepted, none twice. A file whose numbers do not
// rise takes extra passes, one for every quarter million records, without
// taking the hashes again.
//
// The error is [ErrInvalid] for any fault of the file; [ErrKey], [ErrName], a
// [*ProfileError] or the KeySource's own for faults of the configuration; the
// context's if it ends first; else src's own, as when a disk fails, and then
// nothing has been decided about the file.
func NewReader(ctx context.Context, src io.Reader, p Profile, keys KeySource, opts *ReaderOptions) (*Reader, error) {
	o, err := newOpening(ctx, p, keys, opts)
	if err != nil {
		return nil, err
	}
	type randomAccess interface {
		io.ReaderAt
		io.Seeker
	}
	if ra, ok := src.(randomAccess); ok {
		if start, err := ra.Seek(0, io.SeekCurrent); err == nil {
			end, err := ra.Seek(0, io.SeekEnd)
			if err != nil {
				return nil, fmt.Errorf("mergefile: %w", err)
			}
			if _, err := ra.Seek(start, io.SeekStart); err != nil {
				return nil, fmt.Errorf("mergefile: %w", err)
			}
			if size := end - start; size <= 0 || size > o.opts.MaxSize {
				// What cannot be read at all, such as a directory, has any size.
				if _, err := ra.ReadAt(make([]byte, 1), start); err != nil && err != io.EOF {
					return nil, err
				}
			}
			return newReader(ctx, o, io.NewSectionReader(ra, start, end-start), end-start)
		}
	}
	at, size, file, err := spool(src, o.opts)
	if err != nil {
		return nil, err
	}
	r, err := newReader(ctx, o, at, size)
	if err != nil {
		removeSpool(file)
		return nil, err
	}
	r.spool = file
	return r, nil
}

// NewReaderAt is [NewReader] for size bytes at random access.
func NewReaderAt(ctx context.Context, src io.ReaderAt, size int64, p Profile, keys KeySource, opts *ReaderOptions) (*Reader, error) {
	o, err := newOpening(ctx, p, keys, opts)
	if err != nil {
		return nil, err
	}
	return newReader(ctx, o, src, size)
}

func newReader(ctx context.Context, o *opening, at io.ReaderAt, size int64) (*Reader, error) {
	if size < 0 || size > o.opts.MaxSize {
		return nil, ErrInvalid
	}
	o.size, o.exact = size, true
	at = o.p.Cipher.reorder(at, size)
	r := &Reader{o: o, ctx: ctx, at: at, size: size, workers: o.opts.Workers}
	if err := r.verify(); err != nil {
		return nil, err
	}
	return r, nil
}

// verify is the first pass.
func (r *Reader) verify() error {
	src, err := r.o.open(r.ctx, io.NewSectionReader(r.at, 0, r.size))
	if err != nil {
		return err
	}
	keep := r.size <= keepSize
	p := &pipeline{codec: r.o.codec, src: src, hashes: true, want: keep, workers: r.workers}
	if !keep {
		if r.prints, err = newFingerprints(); err != nil {
			return err
		}
		p.prints = r.prints
	}
	total := verdict{ok: true, rising: true}
	err = p.run(r.ctx, func(seg *segment) bool {
		total.join(seg.verdict)
		if keep && total.count <= r.o.opts.MaxRecords {
			r.kept = append(r.kept, seg.records...)
		}
		return true
	})
	if err != nil {
		return err
	}
	ok := total.acceptable(r.o) && src.finish()
	r.count = total.count
	if ok && !total.rising {
		if ok, err = r.distinct(); err != nil {
			return err
		}
	}
	if !ok {
		return ErrInvalid
	}
	return nil
}

// acceptable reports whether the number of records is one that a file may have,
// and every record is right.
func (v *verdict) acceptable(o *opening) bool {
	return v.ok && v.count >= 1 && v.count <= o.opts.MaxRecords && (o.p.Records == RecordsMany || v.count == 1)
}

// Len returns the number of records.
func (r *Reader) Len() int64 { return r.count }

// KeyID returns the identifier of the key that the file is under.
func (r *Reader) KeyID() string { return r.o.key.ID() }

// Records returns the records in the order of the file. It may be called again,
// for another round from the first record.
//
// A large file is read and decrypted a second time for this. If reading fails,
// the context of NewReader ends, the Reader is closed, or the file is no longer
// the one that was verified ([ErrInvalid]), the last pair has the error and a
// zero Record: what was done with the records before it must then be undone.
func (r *Reader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if r.closed {
			yield(Record{}, ErrClosed)
			return
		}
		stopped := false
		err := r.again(func(records []Record) bool {
			for _, rec := range records {
				if !yield(rec, nil) {
					stopped = true
					return false
				}
			}
			return true
		})
		if err != nil && !stopped {
			yield(Record{}, err)
		}
	}
}

// again goes over the records once more, in batches that are valid until use
// returns.
func (r *Reader) again(use func([]Record) bool) error {
	if r.kept != nil {
		use(r.kept)
		return nil
	}
	src, err := r.o.reopen(io.NewSectionReader(r.at, 0, r.size))
	if err == nil {
		p := &pipeline{codec: r.o.codec, src: src, prints: r.prints, want: true, workers: r.workers}
		var count int64
		changed, stopped := false, false
		err = p.run(r.ctx, func(seg *segment) bool {
			// A chunk of another file is found out before its records are used.
			changed = !seg.verdict.ok
			stopped = !changed && !use(seg.records)
			count += seg.verdict.count
			return !changed && !stopped
		})
		if err == nil && (changed || !stopped && count != r.count) {
			err = errChanged
		}
	}
	if errors.Is(err, errChanged) {
		return ErrInvalid
	}
	return err
}

// Close ends the reading and removes the spool, if there is one.
func (r *Reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.kept = nil
	err := removeSpool(r.spool)
	r.spool = nil
	return err
}

// spoolMemory is how much of a stream is kept in memory before it goes to a
// file.
const spoolMemory = 1 << 20

// spool reads a stream to its end, or to one byte beyond the greatest size.
func spool(src io.Reader, opts ReaderOptions) (io.ReaderAt, int64, *os.File, error) {
	src = io.LimitReader(src, opts.MaxSize+1)
	var head bytes.Buffer
	if _, err := io.Copy(&head, io.LimitReader(src, spoolMemory)); err != nil {
		return nil, 0, nil, err
	}
	if head.Len() < spoolMemory {
		return bytes.NewReader(head.Bytes()), int64(head.Len()), nil, nil
	}
	file, err := os.CreateTemp(opts.SpoolDir, "mergefile-*.spool")
	if err != nil {
		return nil, 0, nil, fmt.Errorf("mergefile: spooling: %w", err)
	}
	size, err := io.Copy(file, io.MultiReader(&head, src))
	if err != nil {
		removeSpool(file)
		return nil, 0, nil, err
	}
	return file, size, file, nil
}

func removeSpool(file *os.File) error {
	if file == nil {
		return nil
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}
