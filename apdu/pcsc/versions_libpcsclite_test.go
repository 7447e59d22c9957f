//go:build linux && cgo && libpcsclite

package pcsc_test

import "github.com/mynakit/mynakit/internal/fakepcscd"

// versions is what the system's library speaks. That it is content with the fake
// says that the fake is like a daemon.
func versions() map[string]fakepcscd.Config { return map[string]fakepcscd.Config{"4:4": {}} }
