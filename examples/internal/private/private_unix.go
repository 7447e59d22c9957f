//go:build unix

package private

import (
	"io/fs"
	"os"
	"syscall"
)

// check also takes what belongs to root, who can read everything anyway.
func check(name string, info fs.FileInfo, forbidden, want fs.FileMode) error {
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return &Error{Path: name, Foreign: true, Mode: want}
	}
	if info.Mode().Perm()&forbidden != 0 {
		return &Error{Path: name, Mode: want}
	}
	return nil
}
