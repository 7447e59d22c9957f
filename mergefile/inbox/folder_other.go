//go:build !unix

package inbox

import (
	"errors"
	"os"
	"path/filepath"
)

// openFlags are plain: there are no pipes in directories, and an os.Root opens
// links as such before it follows them.
const openFlags = os.O_RDONLY

var errReplaced = errors.New("the directory is no longer at its path")

// rename moves a file from one directory to another. There is no call that
// takes directories in place of paths, so it looks first where the paths lead.
func rename(from *folder, name string, to *folder, fresh string) error {
	return between(from, name, to, fresh, os.Rename)
}

// link gives a file of one directory a name in another.
func link(from *folder, name string, to *folder, fresh string) error {
	return between(from, name, to, fresh, os.Link)
}

func between(from *folder, name string, to *folder, fresh string, call func(string, string) error) error {
	if !from.there() || !to.there() {
		return &os.LinkError{Op: "rename", Old: name, New: fresh, Err: errReplaced}
	}
	return call(filepath.Join(from.path, name), filepath.Join(to.path, fresh))
}

// links returns how many names a file has, as far as it matters: files have no
// executable bits here.
func links(os.FileInfo) uint64 { return 1 }
