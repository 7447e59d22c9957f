package sqldb

import (
	"context"
	"errors"
)

// Mode says whether what a [DB] keeps counts. A DB without a Mode goes with
// every other.
type Mode uint8

// The modes.
const (
	Live     Mode = 1 + iota
	Training      // for clerks to practise; nothing of it is ever settled
)

// ErrMode is returned by [DB.In] and [DB.Write] if the function that called them
// was called within a transaction of a DB in the other mode: practice must not
// pay for what counts, nor the other way round.
var ErrMode = errors.New("live and training do not mix")

// inMode is the key under which a context holds the Mode of the transaction that
// a function was called in.
type inMode struct{}

// checkMode compares the mode of d with that of the transaction around ctx.
func (d *DB) checkMode(ctx context.Context) error {
	around, _ := ctx.Value(inMode{}).(Mode)
	if around != 0 && d.mode != 0 && around != d.mode {
		return ErrMode
	}
	return nil
}

// withMode returns the context for a function that d calls.
func (d *DB) withMode(ctx context.Context) context.Context {
	if d.mode == 0 {
		return ctx
	}
	return context.WithValue(ctx, inMode{}, d.mode)
}
