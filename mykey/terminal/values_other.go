//go:build !linux && !windows

package terminal

import (
	"errors"
	"fmt"
)

// ReadValues reads what this machine gives of the four values, on
// Linux and Windows. Here the error is [errors.ErrUnsupported].
func ReadValues() (Values, error) {
	return Values{}, fmt.Errorf("terminal: values: %w", errors.ErrUnsupported)
}
