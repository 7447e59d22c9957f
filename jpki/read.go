package jpki

import (
	"context"

	"github.com/mynakit/mynakit/apdu"
)

// maxReads bounds the commands that one file may cost. The largest file read
// here is [maxCertificate]; a card that gives 32 bytes at a time still gets
// through.
const maxReads = maxCertificate / 32

// readOn reads f, which is the current file, from where b ends up to want
// bytes, and appends to b. It gives less only where the file ends earlier. A
// reply shorter than asked for is taken as it is and the rest is asked for
// again: some readers carry no more than 255 bytes.
func (c *Card) readOn(ctx context.Context, f file, buf []byte, want int) ([]byte, error) {
	for reads := 0; len(buf) < want; reads++ {
		if reads == maxReads {
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

// readBinary reads up to n bytes of f at offset, no bytes at or beyond its end.
// The first read, at offset 0, makes f the current file.
func (c *Card) readBinary(ctx context.Context, f file, offset, n int) ([]byte, error) {
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
