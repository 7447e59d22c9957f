package inbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// A folder is a directory that is held open, so that whoever replaces its path
// by something else does not change where files are moved.
type folder struct {
	*os.Root
	path string
	dir  *os.File
}

var errLink = errors.New("a link in place of a directory")

// openFolder opens a directory. The last element of the path must not be a
// link, unless links are allowed.
func openFolder(path string, links bool) (*folder, error) {
	seen, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !links && !seen.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errLink}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	dir, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	f := &folder{root, path, dir}
	if !links {
		// Something may have come between the look and the opening.
		if now, err := dir.Stat(); err != nil || !os.SameFile(seen, now) {
			return nil, errors.Join(&fs.PathError{Op: "open", Path: path, Err: errLink}, err, f.Close())
		}
	}
	return f, nil
}

// makeFolder creates a directory for this user alone, if there is none, and
// opens it.
func makeFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return openFolder(path, false)
}

// Close closes the directory.
func (f *folder) Close() error { return errors.Join(f.dir.Close(), f.Root.Close()) }

// there reports whether the path still leads to the directory.
func (f *folder) there() bool {
	held, err1 := f.dir.Stat()
	now, err2 := os.Lstat(f.path)
	return err1 == nil && err2 == nil && os.SameFile(held, now)
}

// around reports whether path is f or lies in it. What does not exist yet is
// where its parent is.
func (f *folder) around(path string) (bool, error) {
	held, err := f.dir.Stat()
	if err != nil {
		return false, err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	for {
		info, err := os.Stat(path)
		if err == nil && os.SameFile(held, info) {
			return true, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return false, err
		}
		up := filepath.Dir(path)
		if up == path {
			return false, nil
		}
		path = up
	}
}

// sync has the system write down what a directory holds. Windows does so by
// itself, and some network drives cannot be asked.
func (f *folder) sync() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	if err := f.dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("sync %s: %w", f.path, err)
	}
	return nil
}
