//go:build linux || darwin

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mynakit/mynakit/simcard/control"
)

// lock keeps other vcards of this machine out of a slot until the file is
// closed, or this process ends in any way. It fails with control.ErrSlotTaken if
// another holds it.
func lock(addr string) (*os.File, error) {
	name := "vcard-" + strings.NewReplacer(":", "-", "/", "-", "[", "", "]", "").Replace(addr) + ".lock"
	name = filepath.Join(os.TempDir(), name)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(name, os.O_CREATE|os.O_RDONLY, 0o644)
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %s: another vcard has it", control.ErrSlotTaken, addr)
	}
	return f, nil
}
