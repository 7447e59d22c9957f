//go:build !linux && !windows && !(darwin && cgo)

package pcsc

import "context"

// system returns a stack that fails with what to build with.
func system() stack {
	return stack{establish: func(context.Context) (session, error) { return nil, ErrUnavailable }}
}
