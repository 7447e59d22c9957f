//go:build linux && (amd64 || arm64)

package ledger_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/ledger"
)

// disk is a file system under SQLite, a layer above its own, that fails one
// write, truncation, sync or deletion, counted from when it was armed. It keeps
// what was written since the last sync of each file, so that a test can see
// what a power cut would leave. Or it is slow, and does nothing else.
type disk struct {
	mu     sync.Mutex
	count  int
	kind   string // which calls to count
	failAt int
	full   bool // fail as a full disk does
	failed bool
	slow   time.Duration // what a sync takes, if not what it does
	names  map[uintptr]string
	undo   map[string][]change
}

// change is what a write or a truncation replaced.
type change struct {
	offset, size int64 // size of the file before
	old          []byte
}

// theDisk is the disk behind the VFS "faulty". There is one, as SQLite's table
// of file systems is one.
var theDisk = &disk{names: map[uintptr]string{}, undo: map[string][]change{}}

func (d *disk) arm(kind string, failAt int, full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count, d.kind, d.failAt, d.full, d.failed = 0, kind, failAt, full, false
}

// slower sets what a sync takes.
func (d *disk) slower(slow time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow = slow
}

func (d *disk) takes() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.slow
}

// fails counts a call and tells with which code it is to fail, or 0.
func (d *disk) fails(kind string, code int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if kind != d.kind {
		return 0
	}
	if d.count++; d.count != d.failAt {
		return 0
	}
	d.failed = true
	if d.full {
		return sqlite3.SQLITE_FULL
	}
	return code
}

// at reads a C structure or a Go function in the form that SQLite's machine
// translation has for it.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

func fn[T any](p uintptr) T { return *(*T)(unsafe.Pointer(&p)) }

func pointer[T any](f T) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

type (
	openFunc   = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32
	deleteFunc = func(tls *libc.TLS, vfs, name uintptr, syncDir int32) int32
	rwFunc     = func(tls *libc.TLS, file, buf uintptr, n int32, offset int64) int32
	sizeFunc   = func(tls *libc.TLS, file uintptr, size int64) int32
	askFunc    = func(tls *libc.TLS, file, out uintptr) int32
	syncFunc   = func(tls *libc.TLS, file uintptr, flags int32) int32
)

// The layer below, and our own tables of methods: the database and its log have
// one each, which differ in how they lock.
var (
	baseVFS     sqlite3.Tsqlite3_vfs
	baseMethods sqlite3.Tsqlite3_io_methods
	ourMethods  = map[uintptr]uintptr{}
	diskOnce    sync.Once
)

func diskOpen(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32 {
	rc := fn[openFunc](baseVFS.FxOpen)(tls, vfs, name, file, flags, out)
	if rc != 0 || flags&(sqlite3.SQLITE_OPEN_MAIN_DB|sqlite3.SQLITE_OPEN_WAL) == 0 {
		return rc
	}
	methods := &at[sqlite3.Tsqlite3_file](file).FpMethods
	theDisk.mu.Lock()
	defer theDisk.mu.Unlock()
	own := ourMethods[*methods]
	if own == 0 {
		baseMethods = *at[sqlite3.Tsqlite3_io_methods](*methods)
		own = libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(baseMethods)))
		ourMethods[*methods] = own
		m := at[sqlite3.Tsqlite3_io_methods](own)
		*m = baseMethods
		m.FxWrite, m.FxTruncate, m.FxSync = pointer[rwFunc](diskWrite), pointer[sizeFunc](diskTruncate), pointer[syncFunc](diskSync)
	}
	*methods = own
	theDisk.names[file] = libc.GoString(name)
	return 0
}

func diskDelete(tls *libc.TLS, vfs, name uintptr, syncDir int32) int32 {
	if code := theDisk.fails("delete", sqlite3.SQLITE_IOERR_DELETE); code != 0 {
		return code
	}
	return fn[deleteFunc](baseVFS.FxDelete)(tls, vfs, name, syncDir)
}

// remember keeps what is about to be replaced.
func (d *disk) remember(tls *libc.TLS, file uintptr, offset, end int64) {
	if d.takes() > 0 {
		return
	}
	var size int64
	fn[askFunc](baseMethods.FxFileSize)(tls, file, uintptr(unsafe.Pointer(&size)))
	c := change{offset: offset, size: size}
	if n := min(end, size) - offset; n > 0 {
		buf := libc.Xcalloc(tls, 1, libc.Tsize_t(n))
		fn[rwFunc](baseMethods.FxRead)(tls, file, buf, int32(n), offset)
		c.old = append([]byte(nil), unsafe.Slice(at[byte](buf), n)...)
		libc.Xfree(tls, buf)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.undo[d.names[file]] = append(d.undo[d.names[file]], c)
}

func diskWrite(tls *libc.TLS, file, buf uintptr, n int32, offset int64) int32 {
	theDisk.remember(tls, file, offset, offset+int64(n))
	if code := theDisk.fails("write", sqlite3.SQLITE_IOERR_WRITE); code != 0 {
		// Half of it is written all the same.
		fn[rwFunc](baseMethods.FxWrite)(tls, file, buf, n/2, offset)
		return code
	}
	return fn[rwFunc](baseMethods.FxWrite)(tls, file, buf, n, offset)
}

func diskTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	theDisk.remember(tls, file, size, 1<<62)
	if code := theDisk.fails("truncate", sqlite3.SQLITE_IOERR_TRUNCATE); code != 0 {
		return code
	}
	return fn[sizeFunc](baseMethods.FxTruncate)(tls, file, size)
}

func diskSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	if code := theDisk.fails("sync", sqlite3.SQLITE_IOERR_FSYNC); code != 0 {
		return code
	}
	if slow := theDisk.takes(); slow > 0 {
		time.Sleep(slow)
		return 0
	}
	rc := fn[syncFunc](baseMethods.FxSync)(tls, file, flags)
	if rc == 0 {
		theDisk.mu.Lock()
		delete(theDisk.undo, theDisk.names[file])
		theDisk.mu.Unlock()
	}
	return rc
}

// diskDSN gives a database on the faulty disk.
func diskDSN(t testing.TB, dir string) string {
	diskOnce.Do(func() {
		tls := libc.NewTLS() // kept: SQLite keeps what is registered
		baseVFS = *at[sqlite3.Tsqlite3_vfs](sqlite3.Xsqlite3_vfs_find(tls, 0))
		name, err := libc.CString("faulty")
		require.NoError(t, err)
		own := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(baseVFS)))
		v := at[sqlite3.Tsqlite3_vfs](own)
		*v = baseVFS
		v.FpNext, v.FzName = 0, name
		v.FxOpen, v.FxDelete = pointer[openFunc](diskOpen), pointer[deleteFunc](diskDelete)
		require.Zero(t, sqlite3.Xsqlite3_vfs_register(tls, own, 0))
	})
	return dbtest.SQLite(dir) + "&vfs=faulty"
}

// image copies the database's files to another directory: as they are, or
// without what no sync has followed, as a power cut may leave them.
func (d *disk) image(t testing.TB, from, to string, powerCut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, suffix := range []string{"", "-wal"} {
		path := filepath.Join(from, "t.db"+suffix)
		content, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		if powerCut {
			undo := d.undo[path]
			for i := len(undo) - 1; i >= 0; i-- {
				c := undo[i]
				if int64(len(content)) < c.size {
					content = append(content, make([]byte, c.size-int64(len(content)))...)
				}
				copy(content[c.offset:], c.old)
				content = content[:c.size]
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(to, "t.db"+suffix), content, 0o600))
	}
}

// BenchmarkWaitingFilesSlowDisk is BenchmarkWaitingFiles on a disk whose sync takes
// five milliseconds, as those of cash registers do.
func BenchmarkWaitingFilesSlowDisk(b *testing.B) {
	defer theDisk.slower(0)
	waitingFiles(b, func() *sql.DB {
		db := dbtest.Open(b, "sqlite", diskDSN(b, b.TempDir()))
		theDisk.slower(5 * time.Millisecond)
		return db
	})
}

// Every write, sync, truncation and deletion of a row of merges fails once, and
// every write because the disk is full. What was acknowledged is there, also
// after a power cut at that moment; every other file is merged whole or not at
// all; and after an error of the disk the ledger refuses to go on.
func TestDiskFails(t *testing.T) {
	if raceDetector {
		t.Skip("one goroutine, and SQLite is ten times as slow")
	}
	p := mergefile.Standard()
	var files [][]mergefile.Record
	for i, n := 0, 0; i < 4; i++ {
		count := []int{1, 220, 3, 400}[i]
		files = append(files, from(t, p, n, count))
		n += count
	}
	for _, tc := range []struct {
		kind string
		full bool
		step int // of the short run
	}{{"write", false, 29}, {"write", true, 41}, {"sync", false, 4}, {"truncate", false, 2}, {"delete", false, 1}} {
		name := tc.kind
		if tc.full {
			name += " to a full disk"
		}
		t.Run(name, func(t *testing.T) {
			if long() {
				tc.step = 1
			}
			failed, stopped, unknown := 0, 0, 0
			for failAt := 1; ; failAt += tc.step {
				broken, ok := diskFails(t, files, tc.kind, failAt, tc.full)
				if !ok {
					break
				}
				failed++
				if broken != nil {
					stopped++
				}
				if errors.Is(broken, ledger.ErrOutcomeUnknown) {
					unknown++
				}
			}
			t.Logf("%d failed, %d times stopped, of which %d with an unknown outcome", failed, stopped, unknown)
			switch tc.kind {
			case "write", "sync":
				assert.NotZero(t, failed)
				assert.Equal(t, tc.full, stopped == 0, "a full disk is no reason to stop, a failing one is")
			}
		})
	}
}

// diskFails merges files on a disk that fails one call, and looks at what is
// left. It gives the error that stopped the ledger, if one did, and false if
// there are not so many calls.
func diskFails(t *testing.T, files [][]mergefile.Record, kind string, failAt int, full bool) (broken error, failed bool) {
	dir := t.TempDir()
	theDisk.arm("", 0, false)
	db := dbtest.Open(t, "sqlite", diskDSN(t, dir)+"&_pragma=wal_autocheckpoint(8)")
	db.SetMaxOpenConns(1)
	s := openShop(t, db, ledger.Config{RetryFor: -1})
	r := s.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
	theDisk.arm(kind, failAt, full)
	defer theDisk.arm("", 0, false)
	acknowledged := map[int]bool{}
	for i, rs := range files {
		_, err := r.Receive(t.Context(), s.file(t, rs), "", nil)
		if broken != nil {
			require.ErrorIs(t, err, ledger.ErrStopped, "it goes on after %v", broken)
			require.NotErrorIs(t, err, ledger.ErrOutcomeUnknown, "this one was not begun")
			continue
		}
		if err == nil {
			acknowledged[i] = true
		} else if !full {
			require.ErrorIs(t, err, ledger.ErrStopped)
		}
		if errors.Is(err, ledger.ErrStopped) {
			broken = err
		}
	}
	if !theDisk.failed {
		require.Len(t, acknowledged, len(files))
		return nil, false
	}
	for _, powerCut := range []bool{false, true} {
		about := fmt.Sprintf("%s %d, full %v, power cut %v", kind, failAt, full, powerCut)
		after := t.TempDir()
		theDisk.image(t, dir, after, powerCut)
		again := openShop(t, dbtest.Open(t, "sqlite", dbtest.SQLite(after)), ledger.Config{})
		balances := map[string]uint64{}
		for i, rs := range files {
			there := again.remembered(t, rs)
			if acknowledged[i] {
				require.Equal(t, len(rs), there, "file %d: %s", i, about)
			}
			require.Contains(t, []int{0, len(rs)}, there, "file %d: %s", i, about)
			if there > 0 {
				for holder, points := range sum(rs) {
					balances[holder] += points
				}
			}
		}
		require.Equal(t, balances, again.balances(t), about)
		r := again.receiver(t, func(c *ledger.ReceiverConfig) { c.Apply, c.ApplyAll = nil, creditAll })
		for _, rs := range files {
			_, err := r.Receive(t.Context(), again.file(t, rs), "", nil)
			require.NoError(t, err)
		}
		require.Equal(t, sum(files...), again.balances(t), about)
	}
	return broken, true
}
