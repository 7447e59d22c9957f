package inbox

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mynakit/mynakit/mergefile"
)

// maxName leaves room for a sidecar's suffix and for what is put in front,
// below the 255 bytes that file systems have.
const maxName = 200

// goodName reports whether a name is only a name: text that can be printed, and
// cannot be mistaken for a path, a stream, a device or a pattern, here or on
// the Windows PC that the file may be copied to.
func goodName(name string) bool {
	return len(name) <= maxName && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) &&
		!strings.ContainsAny(name, `<>:"/\|?*`) &&
		!strings.HasSuffix(name, ".") && !strings.HasSuffix(name, " ") && !strings.HasPrefix(name, " ") &&
		filepath.IsLocal(name)
}

// unseen reports whether a name is not looked at: hidden, temporary, or the
// sidecar of such a file.
func (b *Inbox) unseen(name string) bool {
	if strings.HasPrefix(name, ".") {
		return true
	}
	if file, ok := sidecarOf(name); ok && b.unseen(file) {
		return true
	}
	lower := strings.ToLower(name)
	for _, suffix := range b.cfg.Temporary {
		if strings.HasSuffix(lower, suffix) {
			return true
		}
	}
	return false
}

// sidecarOf returns the name of the file that a sidecar belongs to.
func sidecarOf(name string) (file string, ok bool) {
	return strings.CutSuffix(name, mergefile.SidecarSuffix)
}

// newName returns a name for Done or Quarantine: the time in UTC, which sorts,
// 64 random bits, so that no two are alike whoever else moves files there, and
// the file's own name as far as it is one.
func newName(name string) string {
	var random [8]byte
	rand.Read(random[:])
	if !goodName(name) {
		name = strings.Map(func(r rune) rune {
			switch {
			case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r == '-', r == '.':
				return r
			}
			return '_'
		}, name)
		// A dot at the end is dropped by Windows.
		name = strings.TrimRight(name[:min(len(name), maxName)], ".")
	}
	return fmt.Sprintf("%s-%x-%s", time.Now().UTC().Format("20060102T150405Z"), random, name)
}
