//go:build unix

package inbox

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFlags never follow a link and never wait for the other end of a pipe
// that has taken the file's place.
const openFlags = os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// rename moves a file from one directory to another, wherever their paths lead
// by now.
func rename(from *folder, name string, to *folder, fresh string) error {
	err := unix.Renameat(int(from.dir.Fd()), name, int(to.dir.Fd()), fresh)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: name, New: fresh, Err: err}
	}
	return nil
}

// link gives a file of one directory a name in another.
func link(from *folder, name string, to *folder, fresh string) error {
	err := unix.Linkat(int(from.dir.Fd()), name, int(to.dir.Fd()), fresh, 0)
	if err != nil {
		return &os.LinkError{Op: "link", Old: name, New: fresh, Err: err}
	}
	return nil
}

// links returns how many names a file has.
func links(info os.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink)
	}
	return 1
}
