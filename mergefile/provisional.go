package mergefile

import (
	"context"
	"errors"
	"io"
	"iter"
)

// ErrUnfinished says that a [ProvisionalReader] was closed before all of its
// records had been taken, so that nothing is known about the file.
var ErrUnfinished = errors.New("mergefile: the file was not read to its end")

// ProvisionalReader gives the records of a stream as they come. Each has its
// own hash verified, but nothing is known yet of the rest of the file: do what
// is to be done with the records inside a transaction, and commit it only after
// Close has returned nil. [NewReader] has no such condition, and is the one to
// use unless a spool cannot be had.
type ProvisionalReader struct {
	ctx     context.Context
	o       *opening
	src     *source
	begun   bool
	closed  bool
	verdict error
}

// NewProvisionalReader begins to read a stream, in one pass and without a
// spool. The errors are those of [NewReader]; that the file is invalid shows
// only later.
//
// The first 65,536 transaction numbers of a stream may come in any order;
// behind them each must be higher than all before it, since more cannot be
// remembered in bounded memory. A file that breaks this is refused here, and
// accepted by NewReader.
func NewProvisionalReader(ctx context.Context, src io.Reader, p Profile, keys KeySource, opts *ReaderOptions) (*ProvisionalReader, error) {
	o, err := newOpening(ctx, p, keys, opts)
	if err != nil {
		return nil, err
	}
	if ivs.row(p.Cipher.IV).end {
		return nil, &ProfileError{Axis: "cipher.iv", Reason: "an IV at the end cannot be read in one pass"}
	}
	r := &ProvisionalReader{ctx: ctx, o: o, verdict: ErrUnfinished}
	if r.src, err = o.open(ctx, src); err != nil {
		return nil, err
	}
	return r, nil
}

// Records gives the records in the order of the file, once. The first fault
// ends them for the caller, while the stream is still read to its end; the last
// pair then has the error: [ErrInvalid], or the stream's own.
func (r *ProvisionalReader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if r.closed || r.begun {
			yield(Record{}, ErrClosed)
			return
		}
		r.begun = true
		total := verdict{ok: true, rising: true}
		var numbers onePass
		stopped := false
		p := &pipeline{codec: r.o.codec, src: r.src, hashes: true, want: true, workers: r.o.opts.Workers}
		err := p.run(r.ctx, func(seg *segment) bool {
			total.join(seg.verdict)
			total.ok = total.ok && total.count <= r.o.opts.MaxRecords
			for i := range seg.records {
				if total.ok {
					total.ok = numbers.add(seg.records[i].Transaction)
				}
			}
			if !total.ok {
				return true // on to the end of the stream, without a word
			}
			for _, rec := range seg.records {
				if !yield(rec, nil) {
					stopped = true
					return false
				}
			}
			return true
		})
		if stopped {
			return
		}
		if err == nil && !(total.acceptable(r.o) && r.src.finish()) {
			err = ErrInvalid
		}
		r.verdict = err
		if err != nil {
			yield(Record{}, err)
		}
	}
}

// Close says whether the file was valid: nil if all of it was read and
// verified, [ErrInvalid] if not, [ErrUnfinished] if Records was not taken to
// its end, else the stream's own error. Without a nil nothing may be committed.
func (r *ProvisionalReader) Close() error {
	r.closed = true
	return r.verdict
}
