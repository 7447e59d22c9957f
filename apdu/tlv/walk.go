package tlv

// MaxDepth is how deep [Walk] follows nested objects; the top level is 0. No
// file of a card comes near it.
const MaxDepth = 32

// A Walker visits the objects of a tree, each before the objects within it.
// [Walk] returns one. It needs no release.
//
//	w := tlv.Walk(b)
//	for w.Next() {
//		use(w.Depth, w.Tag, w.Value)
//	}
//	if err := w.Err(); err != nil { … }
type Walker struct {
	Tag   Tag
	Value []byte // points into the input
	Depth int    // 0 at the top

	rest []byte // not yet visited, to the end of the input
	ends [MaxDepth]int
	open int // how many of ends are in use: constructed objects not yet left
	into bool
	err  error
}

// Walk starts at the first object of b.
func Walk(b []byte) Walker { return Walker{rest: b} }

// Next advances to the next object and reports whether there is one. If Next
// reports false, [Walker.Err] returns the reason.
func (w *Walker) Next() bool {
	if w.err != nil {
		return false
	}
	if w.into { // the object of the last step is entered, or stepped over
		w.into = false
		if w.open == MaxDepth {
			return w.fail(ErrDepth)
		}
		w.ends[w.open] = len(w.rest) - len(w.Value)
		w.open++
	} else {
		w.rest = w.rest[len(w.Value):]
	}
	// An end is kept as the number of bytes that follow it.
	for w.open > 0 && len(w.rest) == w.ends[w.open-1] {
		w.open--
	}
	limit := len(w.rest)
	if w.open > 0 {
		limit -= w.ends[w.open-1]
	}
	w.Tag, w.Value = 0, nil
	if limit == 0 {
		return false
	}
	tag, h, n, err := Header(w.rest[:limit])
	if err != nil {
		return w.fail(err)
	}
	if n > limit-h {
		return w.fail(ErrTruncated)
	}
	w.rest = w.rest[h:]
	w.Tag, w.Value, w.Depth = tag, w.rest[:n:n], w.open
	w.into = n > 0 && tag.Constructed()
	return true
}

// Skip passes over the objects inside the current one. It has no effect on an
// object that is not constructed.
func (w *Walker) Skip() { w.into = false }

// Err returns nil if the walk reached the end of the input, and otherwise an
// error of [Header], [ErrTruncated] or [ErrDepth].
func (w *Walker) Err() error { return w.err }

func (w *Walker) fail(err error) bool {
	w.err = err
	w.Tag, w.Value = 0, nil
	return false
}
