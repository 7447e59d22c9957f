package inbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
)

// A gigabyte is refused by its size, without a byte having been read.
func TestTooLarge(t *testing.T) {
	b := newBox(t, func(c *inbox.Config) { c.MaxSize = 1000 })
	b.put("gigabyte.dat", "")
	require.NoError(t, os.Truncate(b.path("gigabyte.dat"), 1<<30))
	b.put("1000.dat", strings.Repeat("x", 1000))
	b.put("1001.dat", strings.Repeat("x", 1001))
	b.put("empty.dat", "")
	assert.Equal(t, inbox.Summary{Done: 2, Quarantined: 2}, b.scan())
	assert.Equal(t, []string{"1000.dat", "empty.dat"}, b.received())
	assert.Equal(t, []error{inbox.ErrTooLarge}, b.told(inbox.Quarantined, "gigabyte.dat"))
	assert.Equal(t, []string{"1001.dat", "gigabyte.dat"}, b.in("quarantine"))
}

// A directory stays, whatever it is called, and is told of once.
func TestDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, nil)
		require.NoError(t, os.Mkdir(b.path("1.dat"), 0o700))
		b.put(filepath.Join("1.dat", "inner.dat"), "x")
		stop := b.run(b.Inbox)
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		assert.Empty(t, b.received())
		assert.Equal(t, []string{"1.dat"}, b.here())
		assert.Len(t, b.told(inbox.Ignored, "1.dat"), 1)
	})
}

// A file that goes on growing while it is read is received as it was when it
// was opened, and is received again; neither verdict holds.
func TestGrows(t *testing.T) {
	for _, verdict := range []error{nil, mergefile.ErrInvalid} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t, nil)
			rounds := 0
			b.answer = func(_ inbox.Delivery, content string) error {
				rounds++
				if rounds == 3 {
					assert.Equal(t, "x+1+2", content)
					return nil
				}
				f, err := os.OpenFile(b.path("1.dat"), os.O_APPEND|os.O_WRONLY, 0)
				require.NoError(t, err)
				_, err = f.WriteString([]string{"+1", "+2"}[rounds-1])
				require.NoError(t, err)
				require.NoError(t, f.Close())
				return verdict
			}
			b.put("1.dat", "x")
			assert.Equal(t, inbox.Summary{Done: 1}, b.scan())
			assert.Equal(t, 3, rounds)
			assert.Len(t, b.told(inbox.Changed, "1.dat"), 2)
			assert.Equal(t, []string{"1.dat"}, b.in("done"))
			assert.Empty(t, b.in("quarantine"))
		})
	}
}

// The content ends where it ended when the file was opened.
func TestContentIsBounded(t *testing.T) {
	b := newBox(t, nil)
	b.answer = func(d inbox.Delivery, _ string) error {
		require.NoError(t, os.WriteFile(b.path("1.dat"), []byte("longer than before"), 0o600))
		assert.EqualValues(t, 6, d.Content.Size())
		buf := make([]byte, 100)
		n, _ := d.Content.ReadAt(buf, 0)
		assert.Equal(t, 6, n)
		return inbox.ErrStop
	}
	b.put("1.dat", "before")
	_, err := b.Scan(t.Context())
	assert.ErrorIs(t, err, inbox.ErrStop)
}

func TestVanishes(t *testing.T) {
	b := newBox(t, nil)
	for _, name := range []string{"1.dat", "2.dat", "3.dat", "3.dat.mac", "4.dat"} {
		b.put(name, "x")
	}
	b.answer = func(d inbox.Delivery, _ string) error {
		switch d.Name {
		case "1.dat": // while it is received, and another before its turn
			require.NoError(t, os.Remove(b.path("1.dat")))
			require.NoError(t, os.Remove(b.path("2.dat")))
		case "3.dat":
			require.NoError(t, os.Remove(b.path("3.dat.mac")))
		}
		return nil
	}
	assert.Equal(t, inbox.Summary{Done: 2}, b.scan())
	assert.Equal(t, []string{"1.dat", "3.dat", "4.dat"}, b.received())
	assert.Len(t, b.told(inbox.Gone, "1.dat"), 1)
	assert.Equal(t, []string{"3.dat", "4.dat"}, b.in("done"))
}

// A new file under the name of one that is being received is not mistaken for
// it.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, nil)
		b.put("1.dat", "old")
		b.answer = func(_ inbox.Delivery, content string) error {
			if content == "old" {
				b.rename("1.dat", "new")
				return mergefile.ErrInvalid
			}
			return nil
		}
		assert.Equal(t, inbox.Summary{Done: 1}, b.scan())
		assert.Equal(t, []string{"1.dat", "1.dat"}, b.received())
		assert.Equal(t, "new", b.texts["1.dat"])
		assert.Empty(t, b.in("quarantine")) // nobody holds the old one any more
	})
}

// More files than the inbox keeps in mind at a time.
func TestManyFiles(t *testing.T) {
	const n = 1234
	b := newBox(t, nil)
	inbox.SetMost(b.Inbox, 50)
	for _, name := range times(n) {
		b.put(name, "")
	}
	assert.Equal(t, inbox.Summary{Done: n}, b.scan())
	assert.Equal(t, times(n), b.received())
	assert.Empty(t, b.here())
}

// A new file under the name at the very last moment goes back where it was.
func TestRelocate(t *testing.T) {
	from, to := folders(t)
	write := func(name, content string) {
		require.NoError(t, from.WriteFile(name, []byte(content), 0o600))
	}
	write("1.dat", "old")
	seen, err := from.Lstat("1.dat")
	require.NoError(t, err)
	require.NoError(t, from.Rename("1.dat", "elsewhere"))
	write("1.dat", "new")
	require.Error(t, inbox.Relocate(from, "1.dat", to, "moved-1.dat", seen))
	content, err := from.ReadFile("1.dat")
	require.NoError(t, err)
	assert.Equal(t, "new", string(content))
	_, err = to.Lstat("moved-1.dat")
	assert.ErrorIs(t, err, os.ErrNotExist)

	seen, err = from.Lstat("1.dat")
	require.NoError(t, err)
	require.NoError(t, inbox.Relocate(from, "1.dat", to, "moved-1.dat", seen))
	_, err = from.Lstat("1.dat")
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, inbox.Relocate(from, "1.dat", to, "moved-2.dat", seen), "another has moved")
}

// If it cannot go back under its name, it goes back under another.
func TestRelocateWithoutLinks(t *testing.T) {
	from, to := folders(t)
	require.NoError(t, from.WriteFile("1.dat", nil, 0o600))
	seen, err := from.Lstat("1.dat")
	require.NoError(t, err)
	require.NoError(t, from.Rename("1.dat", "elsewhere"))
	require.NoError(t, from.Mkdir("1.dat", 0o700)) // has no hard links
	assert.ErrorContains(t, inbox.Relocate(from, "1.dat", to, "new-1.dat", seen), "changed")
	_, err = from.Lstat("new-1.dat")
	assert.NoError(t, err)
	_, err = to.Lstat("new-1.dat")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// folders gives two directories that are held open.
func folders(t *testing.T) (from, to *inbox.Folder) {
	t.Helper()
	open := func() *inbox.Folder {
		f, err := inbox.OpenFolder(t.TempDir(), false)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, f.Close()) })
		return f
	}
	return open(), open()
}

func TestOpenAs(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	defer root.Close()
	path := func(name string) string { return filepath.Join(root.Name(), name) }
	require.NoError(t, os.WriteFile(path("a"), []byte("a"), 0o600))
	require.NoError(t, os.WriteFile(path("b"), []byte("b"), 0o600))
	a, err := root.Lstat("a")
	require.NoError(t, err)
	f, err := inbox.OpenAs(root, "a", a)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = inbox.OpenAs(root, "b", a)
	assert.ErrorContains(t, err, "changed")
	dir, err := root.Lstat(".")
	require.NoError(t, err)
	_, err = inbox.OpenAs(root, ".", dir)
	assert.Error(t, err)
	require.NoError(t, root.Remove("a"))
	_, err = inbox.OpenAs(root, "a", a)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestGoodName(t *testing.T) {
	for name, want := range map[string]bool{
		"20170512093000000001.dat": true,
		"合算 ポイント.dat":              true,
		"a":                        true,
		strings.Repeat("a", 200):   true,
		strings.Repeat("a", 201):   false,
		strings.Repeat("合", 67):    false,
		"":                         false,
		"..":                       false,
		"a/b":                      false,
		`a\b`:                      false,
		"C:a":                      false,
		"a:stream":                 false,
		"a|b":                      false,
		"a*":                       false,
		"a?":                       false,
		`a"`:                       false,
		"<a>":                      false,
		"a.":                       false,
		"a ":                       false,
		" a":                       false,
		"a\nb":                     false,
		"a\x1b[2Jb":                false,
		"a\x7f":                    false,
		"a\x00":                    false,
		"a\xff":                    false,
		"a\u202egnp.exe":           false, // written right to left
		"a\u200b":                  false,
		"\x8d\x87\x8eZ.dat":        false, // CP932
	} {
		assert.Equal(t, want, inbox.GoodName(name), "%q", name)
	}
}

func FuzzNewName(f *testing.F) {
	for _, seed := range []string{"1.dat", "../../etc/passwd", "a\x00b", strings.Repeat("合", 100), "CON", "\u202e", "-rf"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		fresh, again := inbox.NewName(name), inbox.NewName(name)
		assert.NotEqual(t, fresh, again)
		assert.True(t, inbox.GoodName(fresh) || len(fresh) > 200, "%q", fresh)
		assert.LessOrEqual(t, len(fresh)+len(mergefile.SidecarSuffix), 255)
		if inbox.GoodName(name) {
			assert.True(t, strings.HasSuffix(fresh, "-"+name))
		}
		for _, r := range fresh {
			assert.False(t, r < ' ' || r == '/' || r == '\\' || r == 0x7F)
		}
	})
}
