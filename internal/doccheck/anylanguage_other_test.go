//go:build !linux

package doccheck

import "testing"

func (programs) anyLanguage(t *testing.T) { t.Skip("vpcd's packages are those of Linux") }
