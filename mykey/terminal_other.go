//go:build !linux && !windows

package mykey

import (
	"errors"
	"fmt"
)

// ReadTerminalValues reads what this machine gives of the four values, on
// Linux and Windows. Here the error is [errors.ErrUnsupported].
func ReadTerminalValues() (TerminalValues, error) {
	return TerminalValues{}, fmt.Errorf("mykey: terminal values: %w", errors.ErrUnsupported)
}
