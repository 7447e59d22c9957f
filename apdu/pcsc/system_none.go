//go:build !windows && !(darwin && cgo) && !(cgo && pcsc)

package pcsc

// system fails, and says what to build with.
func system() stack {
	return stack{establish: func() (session, error) { return nil, ErrUnavailable }}
}
