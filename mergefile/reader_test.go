package mergefile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/mergefile"
)

// Records compare by ==; cmp must not look inside.
var sameRecord = cmp.Comparer(func(a, b mergefile.Record) bool { return a == b })

func TestEveryProfileEveryWay(t *testing.T) {
	for i, p := range allAxes() {
		t.Run(p.Name, func(t *testing.T) {
			require.NoError(t, p.Validate())
			k := testKey(t)
			// Lengths around a chunk's border; the last is several chunks long.
			for _, n := range []int{1, 2, 17, 1100, 2100} {
				if raceDetector && (n == 17 || n > 17 && i%5 != 0) {
					continue
				}
				if p.Records == mergefile.RecordsOne && n > 1 {
					break
				}
				if p.Transaction.Digits == 3 && n > 3000 {
					continue
				}
				want := records(t, p, n)
				file, mac := write(t, p, k, want)
				for _, w := range ways {
					got, err := w.read(t.Context(), file, p, k, mergefile.ReaderOptions{Name: fileName, Sidecar: mac, Workers: 3})
					require.NoError(t, err, "%s, %d records", w.name, n)
					if !slices.Equal(want, got) {
						t.Fatalf("%s: %s", w.name, cmp.Diff(want, got, sameRecord))
					}
				}
			}
		})
	}
}

// A file that is cut, longer, or changed in any bit is refused, every way in,
// with the one error.
func TestEveryBitCutAndSwap(t *testing.T) {
	for _, p := range []mergefile.Profile{mergefile.Standard(), mergefile.Sidecar(), mergefile.Envelope()} {
		if raceDetector && p.Name != "Standard" {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			k := testKey(t)
			file, mac := write(t, p, k, records(t, p, 3))
			o := mergefile.ReaderOptions{Sidecar: mac}
			refuse := func(file []byte, what string, at ...int) {
				t.Helper()
				for _, w := range ways {
					_, err := w.read(t.Context(), file, p, k, o)
					requireInvalid(t, err, what, at, w.name)
				}
			}
			for i := range file {
				for bit := range 8 {
					bad := bytes.Clone(file)
					bad[i] ^= 1 << bit
					refuse(bad, "bit", i, bit)
				}
				refuse(file[:i:i], "cut", i)
				refuse(append(file[:len(file):len(file)], file[:i+1]...), "longer", i)
			}
			for i := 0; i+16 <= len(file); i += 16 {
				for j := i + 16; j+16 <= len(file); j += 16 {
					bad := bytes.Clone(file)
					copy(bad[i:i+16], file[j:j+16])
					copy(bad[j:j+16], file[i:i+16])
					refuse(bad, "swap", i, j)
				}
			}
			for i := range mac {
				o.Sidecar = bytes.Clone(mac)
				o.Sidecar[i] ^= 1
				refuse(file, "sidecar", i)
			}
		})
	}
}

// Every profile refuses what is cut at any byte, or has something behind it.
// Padding that says nothing of its length cannot promise that, and Lint says so.
func TestEveryProfileTruncated(t *testing.T) {
	for i, p := range allAxes() {
		if raceDetector && i%6 != 0 {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			k := testKey(t)
			n := 2
			if p.Records == mergefile.RecordsOne {
				n = 1
			}
			file, mac := write(t, p, k, records(t, p, n))
			refuse := func(file []byte, what string, at int) {
				for _, w := range []way{ways[0], ways[2]} {
					_, err := w.read(t.Context(), file, p, k, mergefile.ReaderOptions{Name: fileName, Sidecar: mac})
					if err == nil && hasFinding(p.Lint(), mergefile.LintTruncation) {
						continue
					}
					requireInvalid(t, err, what, at, w.name)
				}
			}
			for i := range file {
				refuse(file[:i:i], "cut", i)
			}
			for _, tail := range []string{"\x00", "\n", "\r\n", " ", "A", "0123456789abcdef"} {
				refuse(append(file[:len(file):len(file)], tail...), "tail "+tail, 0)
			}
		})
	}
}

func hasFinding(fs []mergefile.Finding, code mergefile.LintCode) bool {
	return slices.ContainsFunc(fs, func(f mergefile.Finding) bool { return f.Code == code })
}

func TestWrongKeysAndSecrets(t *testing.T) {
	p := mergefile.Standard()
	file, _ := write(t, p, testKey(t), records(t, p, 2))
	padded := 0
	for i := range 2000 {
		material := bytes.Clone(testMaterial)
		material[0], material[1] = byte(i), byte(i>>8)
		if bytes.Equal(material, testMaterial) {
			continue
		}
		_, err := ways[i%len(ways)].read(t.Context(), file, p, makeKey(t, "k1", material, testSecret), mergefile.ReaderOptions{})
		requireInvalid(t, err)
		var d *mergefile.RecordError
		err = mergefile.DiagnoseForDeveloper(t.Context(), file, p, makeKey(t, "k1", material, testSecret), nil)
		require.ErrorAs(t, err, &d)
		if d.Fault != mergefile.FaultPadding {
			padded++
		}
	}
	// One wrong key in 255 or so yields what looks like padding.
	assert.Greater(t, padded, 0, "no wrong key passed the padding, so that the case was not tried")
	for _, w := range ways {
		_, err := w.read(t.Context(), file, p, makeKey(t, "k1", testMaterial, []byte("another secret")), mergefile.ReaderOptions{})
		requireInvalid(t, err, w.name)
	}
}

func TestHostileSizes(t *testing.T) {
	k := testKey(t)
	megabyte := bytes.Repeat([]byte("9"), 1<<20)
	for i, p := range allAxes() {
		if raceDetector && i%8 != 0 {
			continue
		}
		for name, file := range map[string][]byte{
			"empty": {}, "one byte": {0}, "15": make([]byte, 15), "16": make([]byte, 16), "17": make([]byte, 17),
			"32": make([]byte, 32), "zeros": make([]byte, 200_000), "a line end": []byte("\n"), "nines": megabyte[:100_000],
		} {
			for _, w := range ways {
				_, err := w.read(t.Context(), file[:len(file):len(file)], p, k, mergefile.ReaderOptions{Name: fileName})
				requireInvalid(t, err, p.Name, name, w.name)
			}
		}
	}
	t.Run("a record of a megabyte", func(t *testing.T) {
		for _, layout := range []string{",100,20170512093000000001,00000000000000000000000000000000\r\n", ""} {
			file := encryptStandard(t, append(bytes.Clone(megabyte), layout...))
			for _, w := range ways {
				_, err := w.read(t.Context(), file, mergefile.Standard(), k, mergefile.ReaderOptions{})
				requireInvalid(t, err, w.name)
			}
		}
	})
	t.Run("a gigabyte of nothing", func(t *testing.T) {
		size := int64(64 << 20)
		if raceDetector {
			size = 4 << 20
		}
		if os.Getenv("MYNAKIT_LONG") == "1" {
			size = 1 << 30
		}
		var err error
		grown := peakGrowth(func() {
			_, err = mergefile.NewReaderAt(t.Context(), zeros{}, size, mergefile.Standard(), k, nil)
		})
		requireInvalid(t, err)
		assert.Less(t, grown, int64(8<<20))
	})
	t.Run("beyond the bound", func(t *testing.T) {
		file, _ := write(t, mergefile.Standard(), k, records(t, mergefile.Standard(), 10))
		for _, w := range ways {
			_, err := w.read(t.Context(), file, mergefile.Standard(), k, mergefile.ReaderOptions{MaxSize: int64(len(file)) - 1})
			requireInvalid(t, err, w.name)
			for _, most := range []int64{int64(len(file)), math.MaxInt64} {
				_, err = w.read(t.Context(), file, mergefile.Standard(), k, mergefile.ReaderOptions{MaxSize: most})
				require.NoError(t, err, w.name)
			}
			_, err = w.read(t.Context(), file, mergefile.Standard(), k, mergefile.ReaderOptions{MaxRecords: 9})
			requireInvalid(t, err, w.name)
			_, err = w.read(t.Context(), file, mergefile.Standard(), k, mergefile.ReaderOptions{MaxRecords: 10})
			require.NoError(t, err, w.name)
		}
	})
}

// zeros is an endless file of zero bytes.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func TestDuplicates(t *testing.T) {
	p := mergefile.Standard()
	k := testKey(t)
	for _, n := range []int{2, 3, 20_000} {
		rs := records(t, p, n)
		for _, c := range []struct{ from, to int }{{0, n - 1}, {n / 2, n/2 - 1}, {n - 2, n - 1}} {
			if c.to < 0 {
				continue
			}
			twice := slices.Clone(rs)
			twice[c.to].Transaction = twice[c.from].Transaction
			if c.from == c.to {
				continue
			}
			file := encryptStandard(t, standardText(t, twice))
			for _, w := range ways {
				if n > 1000 && w.name == "byte by byte" {
					continue
				}
				_, err := w.read(t.Context(), file, p, k, mergefile.ReaderOptions{})
				requireInvalid(t, err, n, c, w.name)
			}
		}
	}
}

// Every profile once more, with files so large that they are read twice.
func TestSecondPass(t *testing.T) {
	k := testKey(t)
	for i, p := range allAxes() {
		if p.Records == mergefile.RecordsOne || p.Transaction.Digits == 3 {
			continue
		}
		if os.Getenv("MYNAKIT_LONG") != "1" && i%5 != 0 && p.Cipher == mergefile.Standard().Cipher {
			continue // MYNAKIT_LONG=1 takes them all
		}
		want := records(t, p, 20_000)
		file, mac := write(t, p, k, want)
		require.Greater(t, len(file), 1<<20)
		got, err := ways[0].read(t.Context(), file, p, k, mergefile.ReaderOptions{Name: fileName, Sidecar: mac, Workers: 2})
		require.NoError(t, err, p.Name)
		require.True(t, slices.Equal(want, got), p.Name)
		bad := bytes.Clone(file)
		bad[len(bad)/2] ^= 1
		_, err = ways[0].read(t.Context(), bad, p, k, mergefile.ReaderOptions{Name: fileName, Sidecar: mac, Workers: 2})
		requireInvalid(t, err, p.Name)
	}
}

func TestAnyOrder(t *testing.T) {
	p := mergefile.Standard()
	k := testKey(t)
	n := 200_000 // more than are compared at a time
	if raceDetector {
		n = 20_000 // it finds nothing more in ten times the time
	}
	rs := records(t, p, n)
	slices.Reverse(rs)
	text := standardText(t, rs)
	file := encryptStandard(t, text)
	for _, w := range []way{ways[0], ways[2]} {
		got, err := w.read(t.Context(), file, p, k, mergefile.ReaderOptions{})
		require.NoError(t, err, w.name)
		require.True(t, slices.Equal(rs, got))
	}
	again := rs[n-1]
	again.Transaction = rs[5].Transaction
	file = encryptStandard(t, append(text, standardText(t, []mergefile.Record{again})...))
	for _, w := range []way{ways[0], ways[2]} {
		_, err := w.read(t.Context(), file, p, k, mergefile.ReaderOptions{})
		requireInvalid(t, err, w.name)
	}

	// A stream remembers 65,536 numbers and then wants them to rise.
	file = encryptStandard(t, standardText(t, func() []mergefile.Record {
		rs := records(t, p, 70_000)
		slices.Reverse(rs[:60_000])
		return rs
	}()))
	_, err := ways[3].read(t.Context(), file, p, k, mergefile.ReaderOptions{})
	require.NoError(t, err)
	file = encryptStandard(t, standardText(t, func() []mergefile.Record {
		rs := records(t, p, 70_000)
		slices.Reverse(rs)
		return rs
	}()))
	_, err = ways[3].read(t.Context(), file, p, k, mergefile.ReaderOptions{})
	requireInvalid(t, err)
}

func TestRotation(t *testing.T) {
	old := makeKey(t, "2025", []byte("oldoldoldoldold!"), testSecret)
	now := makeKey(t, "2026", []byte("newnewnewnewnew!"), []byte("a secret of the new year"))
	other := makeKey(t, "other", []byte("oooooooooooooooo"), testSecret)
	for _, p := range allAxes() {
		if p.Cipher.Key != mergefile.KeyRaw {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			rs := records(t, p, 1)
			for _, k := range []mergefile.Key{old, now} {
				file, mac := write(t, p, k, rs)
				for _, w := range ways {
					got, err := w.read(t.Context(), file, p, mergefile.Ring{now, old}, mergefile.ReaderOptions{Name: fileName, Sidecar: mac})
					require.NoError(t, err, w.name)
					require.Equal(t, rs, got)
					_, err = w.read(t.Context(), file, p, mergefile.Ring{other, other}, mergefile.ReaderOptions{Name: fileName, Sidecar: mac})
					requireInvalid(t, err, w.name)
				}
				r, err := mergefile.NewReader(t.Context(), bytes.NewReader(file), p, mergefile.Ring{now, old}, &mergefile.ReaderOptions{Name: fileName, Sidecar: mac})
				require.NoError(t, err)
				assert.Equal(t, k.ID(), r.KeyID())
				r.Close()
			}
		})
	}
	var buf bytes.Buffer
	w, err := mergefile.NewWriter(t.Context(), &buf, mergefile.Standard(), mergefile.Ring{now, old}, nil)
	require.NoError(t, err)
	require.NoError(t, w.Write(record(t, mergefile.Standard(), 0)))
	require.NoError(t, w.Close())
	_, err = ways[0].read(t.Context(), buf.Bytes(), mergefile.Standard(), now, mergefile.ReaderOptions{})
	require.NoError(t, err, "a ring writes with its first key")
}

// A file that is exchanged for another between the two passes is found out,
// even if the other one is valid in itself.
func TestExchangedBetweenPasses(t *testing.T) {
	p := mergefile.Standard()
	k := testKey(t)
	rs := records(t, p, 40_000)
	file, _ := write(t, p, k, rs)
	// The other file: same key, same IV, one record changed in its middle.
	rs[20_000].Points++
	other := encryptStandardIV(t, file[:16], standardText(t, rs))
	require.Len(t, other, len(file))
	for _, workers := range []int{1, 2} {
		at := &exchanged{now: file}
		r, err := mergefile.NewReaderAt(t.Context(), at, int64(len(file)), p, k, &mergefile.ReaderOptions{Workers: workers})
		require.NoError(t, err)
		at.now = other
		var last error
		n := 0
		for rec, err := range r.Records() {
			if last = err; err == nil {
				require.Equal(t, uint64(1+n*37%900), rec.Points, "a record of the other file")
				n++
			}
		}
		requireInvalid(t, last)
		at.now = file[:len(file)-16]
		last = nil
		for _, err := range r.Records() {
			last = err
		}
		requireInvalid(t, last, "shortened")
		at.now = file
		n = 0
		for _, err := range r.Records() {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 40_000, n)
		require.NoError(t, r.Close())
	}
}

type exchanged struct{ now []byte }

func (e *exchanged) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(e.now).ReadAt(p, off)
}

// A disk that fails is not a bad file.
func TestReadFailure(t *testing.T) {
	p := mergefile.Standard()
	k := testKey(t)
	file, _ := write(t, p, k, records(t, p, 40_000))
	broken := errors.New("the disk is broken")
	for _, at := range []int{0, 10, 70_000, 2_000_000, len(file)} {
		src := io.MultiReader(bytes.NewReader(file[:at]), iotest.ErrReader(broken))
		_, err := mergefile.NewReader(t.Context(), src, p, k, &mergefile.ReaderOptions{SpoolDir: t.TempDir()})
		assert.ErrorIs(t, err, broken, "at %d", at)
		assert.NotErrorIs(t, err, mergefile.ErrInvalid)
		for _, workers := range []int{1, 2} {
			src = io.MultiReader(bytes.NewReader(file[:at]), iotest.ErrReader(broken))
			r, err := mergefile.NewProvisionalReader(t.Context(), src, p, k, &mergefile.ReaderOptions{Workers: workers})
			if err == nil {
				for _, e := range r.Records() {
					err = e
				}
				assert.ErrorIs(t, r.Close(), broken)
			}
			assert.ErrorIs(t, err, broken, "at %d", at)
		}
	}
}

func TestContextEnds(t *testing.T) {
	p := mergefile.Standard()
	k := testKey(t)
	file, _ := write(t, p, k, records(t, p, 40_000))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := mergefile.NewReader(ctx, bytes.NewReader(file), p, k, nil)
	require.NoError(t, err)
	cancel()
	var last error
	for _, err := range r.Records() {
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
	_, err = mergefile.NewReader(ctx, bytes.NewReader(file), p, k, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestSpoolIsRemoved(t *testing.T) {
	p := mergefile.Standard()
	k := testKey(t)
	dir := t.TempDir()
	file, _ := write(t, p, k, records(t, p, 40_000))
	opts := &mergefile.ReaderOptions{SpoolDir: dir}
	r, err := mergefile.NewReader(t.Context(), iotest.HalfReader(bytes.NewReader(file)), p, k, opts)
	require.NoError(t, err)
	spools, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, spools, 1)
	kept, err := os.ReadFile(spools[0])
	require.NoError(t, err)
	require.True(t, bytes.Equal(file, kept), "the spool holds the file as it came, encrypted")
	for rec, err := range r.Records() {
		require.NoError(t, err)
		require.Equal(t, record(t, p, 0), rec)
		break // leaving early leaves nothing running
	}
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	file[len(file)-1] ^= 1
	_, err = mergefile.NewReader(t.Context(), iotest.HalfReader(bytes.NewReader(file)), p, k, opts)
	requireInvalid(t, err)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	for _, err := range r.Records() {
		require.ErrorIs(t, err, mergefile.ErrClosed)
	}
}

func TestReaderStartsAtTheOffset(t *testing.T) {
	p := mergefile.Standard()
	k := testKey(t)
	file, _ := write(t, p, k, records(t, p, 2))
	src := bytes.NewReader(append([]byte("a header of another kind"), file...))
	_, err := src.Seek(24, io.SeekStart)
	require.NoError(t, err)
	got, err := drain(mergefile.NewReader(t.Context(), src, p, k, nil))
	require.NoError(t, err)
	require.Len(t, got, 2)
}

func TestProvisionalNeedsItsEnd(t *testing.T) {
	p := mergefile.Standard()
	k := testKey(t)
	file, _ := write(t, p, k, records(t, p, 5000))
	r, err := mergefile.NewProvisionalReader(t.Context(), bytes.NewReader(file), p, k, nil)
	require.NoError(t, err)
	for range r.Records() {
		break
	}
	require.ErrorIs(t, r.Close(), mergefile.ErrUnfinished)
	for _, err := range r.Records() {
		require.ErrorIs(t, err, mergefile.ErrClosed)
	}

	// The fault is at the end; what comes before it is handed out, and Close
	// says that it was not to be used.
	file[len(file)-1] ^= 1
	r, err = mergefile.NewProvisionalReader(t.Context(), bytes.NewReader(file), p, k, nil)
	require.NoError(t, err)
	var n int
	var last error
	for _, err := range r.Records() {
		if last = err; err == nil {
			n++
		}
	}
	requireInvalid(t, last)
	requireInvalid(t, r.Close())
	assert.Greater(t, n, 1000)
}

func TestPanicInTheLoopLeavesNothing(t *testing.T) {
	others := goleak.IgnoreCurrent()
	p := mergefile.Standard()
	file, _ := write(t, p, testKey(t), records(t, p, 40_000))
	r, err := mergefile.NewReader(t.Context(), bytes.NewReader(file), p, testKey(t), &mergefile.ReaderOptions{Workers: 4})
	require.NoError(t, err)
	require.PanicsWithValue(t, "caller", func() {
		for range r.Records() {
			panic("caller")
		}
	})
	goleak.VerifyNone(t, others)
}

func TestNoAllocationPerRecord(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	p := mergefile.Standard()
	k := testKey(t)
	allocs := func(n int) float64 {
		file, _ := write(t, p, k, records(t, p, n))
		return testing.AllocsPerRun(3, func() {
			r, err := mergefile.NewReaderAt(context.Background(), bytes.NewReader(file), int64(len(file)), p, k, &mergefile.ReaderOptions{Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range r.Records() {
				if err != nil {
					t.Fatal(err)
				}
			}
			r.Close()
		})
	}
	few, many := allocs(20_000), allocs(60_000)
	assert.Less(t, (many-few)/40_000, 0.001, fmt.Sprintf("%v for 20,000 and %v for 60,000 records", few, many))
}

// A directory is no file that somebody made wrong: that it cannot be read is
// the system's word, whatever size the system gives it.
func TestDirectoryIsNotInvalid(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	_, err = mergefile.NewReader(t.Context(), dir, mergefile.Standard(), testKey(t), nil)
	assert.Error(t, err)
	assert.NotErrorIs(t, err, mergefile.ErrInvalid)

	for _, size := range []int64{0, 4096, 1 << 62} {
		_, err = mergefile.NewReader(t.Context(), unreadable{size}, mergefile.Standard(), testKey(t), nil)
		assert.ErrorIs(t, err, errUnreadable)
	}
}

var errUnreadable = errors.New("is a directory")

// unreadable has a size and no content.
type unreadable struct{ size int64 }

func (unreadable) Read([]byte) (int, error)          { return 0, errUnreadable }
func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, errUnreadable }

func (u unreadable) Seek(_ int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		return u.size, nil
	}
	return 0, nil
}
