// Package private finds out whether files and folders are this user's alone.
// Programs read keys with [ReadFile] and check what else they keep with [File]
// and [Folder].
//
// It checks owner and mode on Unix. Elsewhere it checks nothing.
package private

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/mynakit/mynakit/mykey"
)

// maxSize is far more than a key file has.
const maxSize = 1 << 20

// Error says who else has to do with a file or folder.
type Error struct {
	Path string
	// Foreign reports whether it belongs to another user. If not, its mode lets
	// others in.
	Foreign bool
	// Mode is the mode that it should have.
	Mode fs.FileMode
}

// Error names the path and what to do.
func (e *Error) Error() string {
	if e.Foreign {
		return fmt.Sprintf("%s belongs to another user", e.Path)
	}
	return fmt.Sprintf("other users can read or change %s: give it to its owner alone (chmod %o)", e.Path, e.Mode)
}

// Text returns what is wrong and what to do, for whoever started the program.
func (e *Error) Text() mykey.Text {
	if e.Foreign {
		return mykey.Text{JA: e.Path + " は別のユーザーのものです。自分のファイルまたはフォルダーを指定してください。",
			EN: e.Path + " belongs to another user. Name a file or folder of your own."}
	}
	return mykey.Text{JA: fmt.Sprintf("ほかのユーザーが %s を読み書きできます。所有者だけが使えるように変更してください（chmod %o）。", e.Path, e.Mode),
		EN: fmt.Sprintf("Other users can read or change %s. Give it to its owner alone (chmod %o).", e.Path, e.Mode)}
}

// Open opens a file with a secret. It returns an *Error if others can read or
// change it. What is no regular file, such as a pipe, has no such mode and is
// opened.
func Open(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = check(name, info, 0o077, 0o600)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadFile reads a key file. Its errors are those of Open.
func ReadFile(name string) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("%s is larger than any key", name)
	}
	return text, err
}

// File returns an *Error if others can read or change a file. A folder with the
// name of the file is left to whoever opens it.
func File(name string) error {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	return look(name, 0o077, 0o600)
}

// Folder returns an *Error if others can look into a folder or change it.
func Folder(name string) error { return look(name, 0o077, 0o700) }

// Parent returns an *Error if others can change what is in a folder. They may
// look into it.
func Parent(name string) error { return look(name, 0o022, 0o755) }

func look(name string, forbidden, want fs.FileMode) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return check(name, info, forbidden, want)
}
