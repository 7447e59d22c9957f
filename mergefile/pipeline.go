package mergefile

import (
	"context"
	"sync"
)

// carryRoom is the space in front of a chunk's text for the beginning of a
// record that the chunk before ends with. It is more than the longest record
// of any profile: four names of 64 bytes, and fields of less than 128 in all.
const carryRoom = 1 << 10

// segment is a chunk on its way from ciphertext to records.
type segment struct {
	raw    []byte // room for the ciphertext
	text   []byte // room for a carried beginning, then the text
	cipher []byte
	index  int64
	last   bool
	prev   [blockSize]byte

	nonce  [12]byte // scratch of fingerprints
	print  [blockSize]byte
	hashes hashes // scratch of read

	records []Record
	verdict verdict
	err     error
	done    chan struct{}
}

func (s *source) newSegment() *segment {
	return &segment{
		raw:  make([]byte, s.room),
		text: make([]byte, carryRoom+s.room),
		done: make(chan struct{}, 1),
	}
}

// pipeline takes a file through its stages. Chunks are fetched in order, one
// at a time; they are decrypted, parsed and hashed side by side; and they are
// handed over in order. All that must pass from a chunk to the next is the
// beginning of a record that goes across.
type pipeline struct {
	codec *codec
	src   *source
	// hashes says that each record's hash is to be checked; without it the text
	// has been verified before, and prints holds what it was.
	hashes  bool
	prints  *fingerprints
	want    bool // hand over the records themselves
	workers int
	stopped bool // use wanted no more

	fetching sync.Mutex
	order    chan *segment
	free     chan *segment
	quit     chan struct{}
	// A carry is the beginning of a record. Slot i holds the one for the chunk
	// whose index is i modulo the number of slots, which is more than there are
	// chunks at work, so that no two chunks ever wait at one slot.
	carries []carry
}

type carry struct {
	text  [carryRoom]byte
	ready chan int // length
}

// run gives each segment to use, in order, until there is no more or use
// returns false. It returns the first failure to read, and leaves no goroutine.
func (p *pipeline) run(ctx context.Context, use func(*segment) bool) error {
	slots := max(p.workers, 1) + 1
	p.carries = make([]carry, slots)
	for i := range p.carries {
		p.carries[i].ready = make(chan int, 1)
	}
	p.carries[0].ready <- 0
	// Most files are one chunk, which is not worth the start of a goroutine.
	first := p.src.newSegment()
	if err := p.runAlone(ctx, first, use, p.workers > 1); err != nil || p.workers <= 1 || p.src.end || p.stopped {
		return err
	}

	p.order = make(chan *segment, 2*slots)
	p.free = make(chan *segment, 2*slots)
	p.quit = make(chan struct{})
	p.free <- first
	for range 2 * p.workers {
		p.free <- p.src.newSegment()
	}
	var wg sync.WaitGroup
	for range p.workers {
		wg.Go(func() { p.work(ctx) })
	}
	defer wg.Wait()
	defer close(p.quit)
	for seg := range p.order {
		<-seg.done
		if seg.err != nil {
			return seg.err
		}
		if !use(seg) || seg.last {
			return nil
		}
		p.free <- seg
	}
	return nil
}

// runAlone does the work on the caller's goroutine: all of it, or that on the
// first chunk.
func (p *pipeline) runAlone(ctx context.Context, seg *segment, use func(*segment) bool, once bool) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := p.src.fetch(seg)
		if err != nil || !more {
			return err
		}
		p.process(seg)
		p.stopped = !use(seg)
		if p.stopped || once {
			return nil
		}
	}
}

// work is one worker: it fetches a chunk, does all of its work, and starts
// again.
func (p *pipeline) work(ctx context.Context) {
	for {
		var seg *segment
		select {
		case <-p.quit:
			return
		case seg = <-p.free:
		}
		p.fetching.Lock()
		if err := ctx.Err(); err != nil {
			seg.err = err
		} else if more, err := p.src.fetch(seg); err != nil {
			seg.err = err
		} else if !more {
			p.fetching.Unlock()
			return
		}
		p.order <- seg // never blocks: it has room for all segments
		failed := seg.err != nil
		if failed {
			p.src.end = true
		}
		p.fetching.Unlock()
		if !failed {
			p.process(seg)
		}
		seg.done <- struct{}{}
		if failed {
			return
		}
	}
}

// process decrypts a segment, joins it to what the one before left over, and
// reads its records.
func (p *pipeline) process(seg *segment) {
	ok := true
	switch {
	case p.prints == nil:
	case p.hashes:
		p.prints.add(seg)
	default:
		ok = p.prints.check(seg)
	}
	n, good := p.src.dec.decrypt(seg)
	ok = ok && good

	text := seg.text[carryRoom : carryRoom+n]
	if seg.index == 0 {
		text, good = p.codec.begin(text)
	} else {
		text, good = p.codec.narrow(text)
	}
	ok = ok && good
	in := &p.carries[seg.index%int64(len(p.carries))]
	if carried := <-in.ready; carried > 0 {
		text = seg.text[carryRoom-carried : carryRoom+len(text)]
		copy(text, in.text[:carried])
	}
	if seg.last {
		text, good = p.codec.end(text)
		ok = ok && good
	}
	end := len(text)
	if !seg.last {
		// What may be the end of the text is left to the last chunk.
		end = p.codec.lastEnd(text[:max(len(text)-len(p.codec.epilog), 0)])
		if len(text)-end > p.codec.maxLen+len(p.codec.epilog) {
			ok, end = false, len(text)
		}
		out := &p.carries[(seg.index+1)%int64(len(p.carries))]
		out.ready <- copy(out.text[:], text[end:])
	}
	text = text[:end]

	seg.records = seg.records[:0]
	var records *[]Record
	if p.want {
		records = &seg.records
	}
	var h *hashes
	if p.hashes {
		h = &seg.hashes
	}
	seg.verdict = p.codec.read(text, seg.last, h, records)
	seg.verdict.ok = seg.verdict.ok && ok
}
