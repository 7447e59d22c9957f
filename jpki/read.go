package jpki

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/tlv"
)

// maxFile is the longest file that READ BINARY can reach the end of, in bytes:
// the last offset is 7FFF.
const maxFile = 0x7FFF + apdu.MaxShortNe

// readObject reads the data object with the tag want at the beginning of f, header
// included. It does not read the filler behind it. It takes one exchange for each
// 256 bytes of the object. It fails with [ErrCardData] if f begins with another
// object, or with one that ends beyond the file.
func (c *Card) readObject(ctx context.Context, f file, want tlv.Tag) ([]byte, error) {
	b, err := c.readBinary(ctx, f, 0, apdu.MaxShortNe)
	if err != nil {
		return nil, err
	}
	tag, header, value, err := tlv.Header(b)
	if err != nil || tag != want || value > maxFile-header {
		return nil, ErrCardData
	}
	size := header + value
	if b, err = c.readOn(ctx, f, b, size); err != nil {
		return nil, err
	}
	if len(b) < size {
		return nil, ErrCardData
	}
	return b[:size:size], nil
}

// A part is one of the objects that a file is made of.
type part struct {
	value []byte
	whole []byte // with its header
	at    int    // where whole begins in the content of the file
}

// parts takes a file apart: an object with tag outer, whose content holds
// objects of the given tags, each once, wherever they stand. Objects with other
// tags are passed over: cards of later years have more. Lengths may be in a
// longer form than they need. The error is [ErrCardData].
func parts(file []byte, outer tlv.Tag, tags ...tlv.Tag) (found []part, content []byte, err error) {
	tag, content, _, err := tlv.Next(file)
	if err != nil || tag != outer {
		return nil, nil, ErrCardData
	}
	found = make([]part, len(tags))
	for rest := content; len(rest) > 0; {
		at := len(content) - len(rest)
		tag, value, after, err := tlv.Next(rest)
		if err != nil {
			break // filler, unless something is missing
		}
		if i := slices.Index(tags, tag); i >= 0 {
			if found[i].whole != nil {
				return nil, nil, ErrCardData
			}
			found[i] = part{value, rest[:len(rest)-len(after)], at}
		}
		rest = after
	}
	if slices.ContainsFunc(found, func(p part) bool { return p.whole == nil }) {
		return nil, nil, ErrCardData
	}
	return found, content, nil
}

// covered returns what the signature of a file is over: all of the content before
// the signature. The other objects have to stand there. Otherwise a signature
// over one file would vouch for objects that somebody put behind it in another.
func covered(content []byte, signature part, others ...part) ([]byte, error) {
	for _, o := range others {
		if o.at > signature.at {
			return nil, ErrCardData
		}
	}
	return content[:signature.at], nil
}

// protected adds the PIN that a file demands to err, if err is a card's 6982.
func protected(err error, pin PINKind) error {
	if statusIn(err, apdu.SecurityStatusNotSatisfied) {
		return fmt.Errorf("%w: %w", &PINRequiredError{pin}, err)
	}
	return err
}

// call takes this caller's turn and names the step of an error.
func call[T any](ctx context.Context, c *Card, step string, f func() (T, error)) (T, error) {
	var none T
	if err := c.begin(ctx); err != nil {
		return none, &StepError{step, err}
	}
	defer c.end()
	v, err := f()
	if err != nil {
		return none, &StepError{step, err}
	}
	return v, nil
}

// readOn reads f, which is the current file, from where b ends up to want
// bytes, and appends to b. It returns less only if the file ends earlier. After a
// reply that is shorter than asked for it asks for the rest: some readers carry no
// more than 255 bytes.
func (c *Card) readOn(ctx context.Context, f file, buf []byte, want int) ([]byte, error) {
	most := want/32 + 1 // a card that gives 32 bytes at a time gets through
	for reads := 0; len(buf) < want; reads++ {
		if reads == most {
			return buf, ErrReply
		}
		data, err := c.readBinary(ctx, f, len(buf), min(want-len(buf), apdu.MaxShortNe))
		if err != nil {
			return buf, err
		}
		if len(data) == 0 {
			return buf, nil
		}
		buf = append(buf, data...)
	}
	return buf, nil
}

// narrowReply is how much is asked for at a time of a reader that cannot carry
// 256 bytes.
const narrowReply = 128

// readBinary reads up to n bytes of f at offset, and none at or beyond its end.
// The first read, at offset 0, makes f the current file. If a long reply breaks
// in the reader, a shorter one is asked for, then and from then on: to read
// again changes nothing on the card.
func (c *Card) readBinary(ctx context.Context, f file, offset, n int) ([]byte, error) {
	lost := c.lost
	b, err := c.readOnce(ctx, f, offset, min(n, c.most))
	if errors.Is(err, apdu.ErrExchange) && min(n, c.most) > narrowReply {
		c.lost = lost
		if b, err = c.readOnce(ctx, f, offset, narrowReply); err == nil {
			c.most = narrowReply
		}
	}
	return b, err
}

// narrow reports whether the reader cannot carry 256 bytes in one reply. If that
// is not known yet, it reads f, which has more.
func (c *Card) narrow(ctx context.Context, f file) bool {
	if c.most == apdu.MaxShortNe {
		c.lost = false // what fails now sets it again
		_, _ = c.readBinary(ctx, f, 0, apdu.MaxShortNe)
	}
	return c.most < apdu.MaxShortNe
}

func (c *Card) readOnce(ctx context.Context, f file, offset, n int) ([]byte, error) {
	cmd := apdu.Command{INS: apdu.InsReadBinary, P1: byte(offset >> 8), P2: byte(offset), Ne: n}
	var r apdu.Response
	var err error
	if offset == 0 {
		r, err = c.sendTo(ctx, f, cmd)
	} else {
		r, err = c.send(ctx, &cmd)
		if c.shortEF && statusIn(err, apdu.NoCurrentEF, apdu.CommandIncompatible) {
			// Reading by short identifier has not made f the current file.
			c.shortEF = false
			if err = c.selectEF(ctx, f); err == nil {
				r, err = c.send(ctx, &cmd)
			}
		}
	}
	switch {
	case statusIn(err, apdu.EndOfFile):
		return r.Data, nil
	case statusIn(err, apdu.WrongOffset):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return r.Data, nil
}
