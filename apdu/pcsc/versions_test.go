//go:build linux && !(cgo && libpcsclite)

package pcsc_test

import "github.com/mynakit/mynakit/internal/fakepcscd"

// versions are the daemons that there are.
func versions() map[string]fakepcscd.Config {
	return map[string]fakepcscd.Config{
		"4:4": {}, "4:5 alone": {Minor: 5}, "4:5": {Minor: 5, Lenient: true}, "4:6": {Minor: 6, Lenient: true}, "4:6 alone": {Minor: 6},
	}
}
