//go:build unix

package inbox_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile/inbox"
)

// What is no regular file is never opened: a pipe would wait for its other end,
// and a link lead to what somebody else chose.
func TestNotRegular(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, []byte("another's"), 0o600))
	for name, make := range map[string]func(path string) error{
		"link out":      func(path string) error { return os.Symlink(outside, path) },
		"link in":       func(path string) error { return os.Symlink("inner.tmp", path) },
		"link nowhere":  func(path string) error { return os.Symlink("nowhere", path) },
		"link to dir":   func(path string) error { return os.Symlink("done", path) },
		"link to proc":  func(path string) error { return os.Symlink("/proc/self/mem", path) },
		"fifo":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"null device":   func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 0x103) },
		"endless zeros": func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 0x105) },
		"socket": func(path string) error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err == nil {
				l.SetUnlinkOnClose(false)
				err = l.Close()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, nil)
			b.put("inner.tmp", "inner")
			err := make(b.path("1.dat"))
			if errors.Is(err, os.ErrPermission) {
				t.Skip("skipped: only root makes devices")
			}
			require.NoError(t, err)
			assert.Equal(t, inbox.Summary{Quarantined: 1}, b.scan())
			assert.Empty(t, b.received())
			assert.Equal(t, []error{inbox.ErrNotRegular}, b.told(inbox.Quarantined, "1.dat"))
			assert.Equal(t, []string{"1.dat"}, b.in("quarantine"))
			// Where a link led, nothing has happened.
			content, err := os.ReadFile(outside)
			require.NoError(t, err)
			assert.Equal(t, "another's", string(content))
		})
		t.Run(name+" as sidecar", func(t *testing.T) {
			b := newBox(t, nil)
			b.put("inner.tmp", "inner")
			if make(b.path("1.dat.mac")) != nil {
				t.Skip("skipped: only root makes devices")
			}
			b.put("1.dat", "x")
			assert.Equal(t, inbox.Summary{Done: 1}, b.scan())
			assert.Equal(t, []byte{}, b.macs["1.dat"])
			assert.Equal(t, []string{"1.dat", "1.dat.mac"}, b.in("done"))
		})
	}
}

// Something else takes a file's place after the look and before the opening.
func TestSwapped(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"link": func(path string) error { return os.Symlink("other", path) },
		"fifo": func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			root, err := os.OpenRoot(t.TempDir())
			require.NoError(t, err)
			defer root.Close()
			require.NoError(t, root.WriteFile("other", []byte("x"), 0o600))
			require.NoError(t, root.WriteFile("1.dat", []byte("x"), 0o600))
			seen, err := root.Lstat("1.dat")
			require.NoError(t, err)
			require.NoError(t, root.Rename("1.dat", "elsewhere"))
			require.NoError(t, make(filepath.Join(root.Name(), "1.dat")))
			_, err = inbox.OpenAs(root, "1.dat", seen)
			assert.ErrorContains(t, err, "changed")
		})
	}
}

// A file with another name is taken, and the other name left alone.
func TestHardLink(t *testing.T) {
	b := newBox(t, nil)
	other := filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(other, []byte("x"), 0o640))
	require.NoError(t, os.Chmod(other, 0o640)) // whatever the umask
	if err := os.Link(other, b.path("1.dat")); err != nil {
		t.Skip("skipped: no hard links between these directories")
	}
	require.NoError(t, os.Link(other, b.path("2.dat")))
	assert.Equal(t, inbox.Summary{Done: 2}, b.scan())
	assert.Equal(t, []string{"1.dat", "2.dat"}, b.in("done"))
	info, err := os.Stat(other)
	require.NoError(t, err)
	assert.EqualValues(t, 0o640, info.Mode())
}

// Names that mean something go to quarantine under names that do not, unopened.
func TestBadNames(t *testing.T) {
	b := newBox(t, nil)
	bad := []string{"a\nb", "\x1b[2J", `x\..\boot.ini`, "C:secret", "a\xff", "-rf *", " a", "a\u202eb", strings.Repeat("a", 255)}
	for _, name := range bad {
		b.put(name, "x")
	}
	b.put("-rf", "x")
	assert.Equal(t, inbox.Summary{Done: 1, Quarantined: len(bad)}, b.scan())
	assert.Equal(t, []string{"-rf"}, b.received())
	for _, name := range bad {
		assert.Equal(t, []error{inbox.ErrName}, b.told(inbox.Quarantined, name))
	}
	for _, name := range b.in("quarantine") {
		assert.Regexp(t, `^[0-9A-Za-z._-]{1,200}$`, name)
	}
}

// A file that may not be read stays until it may.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("skipped: root may read everything")
	}
	b := newBox(t, nil)
	b.put("1.dat", "x")
	require.NoError(t, os.Chmod(b.path("1.dat"), 0))
	assert.Equal(t, inbox.Summary{Left: 1}, b.scan())
	assert.Equal(t, []string{"1.dat"}, b.here())
	require.NoError(t, os.Chmod(b.path("1.dat"), 0o600))
	assert.Equal(t, inbox.Summary{Done: 1}, b.scan())
}

// What is moved can no longer be run. A file that has another name keeps its
// mode, for the other may be somebody's program.
func TestMovedFilesCannotBeRun(t *testing.T) {
	b := newBox(t, nil)
	b.answer = func(d inbox.Delivery, _ string) error {
		if d.Name == "1.dat" {
			return nil
		}
		return inbox.ErrRefused
	}
	other := filepath.Join(filepath.Dir(b.dir), "other")
	for _, name := range []string{"1.dat", "2.dat", "3.dat"} {
		b.put(name, "#!/bin/sh\n")
		require.NoError(t, os.Chmod(b.path(name), 0o755|os.ModeSetuid))
	}
	require.NoError(t, os.Link(b.path("3.dat"), other))
	b.scan()
	modes := map[string]os.FileMode{}
	for _, sub := range []string{"done", "quarantine"} {
		list, err := os.ReadDir(b.out(sub))
		require.NoError(t, err)
		for _, d := range list {
			if info, err := d.Info(); assert.NoError(t, err) && d.Name() != ".inbox" {
				modes[strings.SplitN(d.Name(), "-", 3)[2]] = info.Mode()
			}
		}
	}
	assert.Equal(t, map[string]os.FileMode{"1.dat": 0o644, "2.dat": 0o644, "3.dat": 0o755 | os.ModeSetuid}, modes)
}

// Whoever swaps Done for a link has nothing moved where it leads.
func TestMovedByNoLink(t *testing.T) {
	for name, during := range map[string]bool{"between looks": false, "while a file is received": true} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, nil)
			victim := t.TempDir()
			swap := func() {
				require.NoError(t, os.Rename(b.out("done"), b.out("aside")))
				require.NoError(t, os.Symlink(victim, b.out("done")))
			}
			b.answer = func(inbox.Delivery, string) error {
				if during {
					swap()
				}
				return nil
			}
			if !during {
				swap()
			}
			b.put("1.dat", "x")
			assert.Equal(t, inbox.Summary{Left: 1}, b.scan())
			assert.Equal(t, []string{"1.dat"}, b.here())
			list, err := os.ReadDir(victim)
			require.NoError(t, err)
			assert.Empty(t, list)
			_, err = inbox.Open(inbox.Config{Dir: b.dir, Receive: b.receive})
			assert.ErrorContains(t, err, "link")
		})
	}
}

// A directory is the one that was opened, whatever its path has become.
func TestMovedWhereTheDirectoryIs(t *testing.T) {
	from, to := folders(t)
	require.NoError(t, from.WriteFile("1.dat", []byte("x"), 0o600))
	seen, err := from.Lstat("1.dat")
	require.NoError(t, err)
	victim := t.TempDir()
	path := to.Name()
	require.NoError(t, os.Rename(path, path+".aside"))
	require.NoError(t, os.Symlink(victim, path))
	require.NoError(t, inbox.Relocate(from, "1.dat", to, "fresh.dat", seen))
	assert.FileExists(t, filepath.Join(path+".aside", "fresh.dat"))
	assert.NoFileExists(t, filepath.Join(victim, "fresh.dat"))
}

// A link to the inbox does not make a directory in it one beside it.
func TestInsideByALink(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "in")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Symlink(dir, filepath.Join(top, "alias")))
	b := newBox(t, nil)
	_, err := inbox.Open(inbox.Config{Dir: dir, Done: filepath.Join(top, "alias", "done"), Receive: b.receive})
	assert.ErrorContains(t, err, "lies in")
}
