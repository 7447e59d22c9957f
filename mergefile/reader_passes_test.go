package mergefile_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

var errDisk = errors.New("the disk fails")

// media is a file that counts what is read of it, and turns into another, or
// fails, once so many bytes have been read.
type media struct {
	content []byte
	then    []byte // from the second pass on, if not nil
	fails   error  // in the second pass

	mu   sync.Mutex
	read int64
}

func (m *media) ReadAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	content := m.content
	if m.read >= int64(len(content)) {
		if m.fails != nil {
			return 0, m.fails
		}
		if m.then != nil {
			content = m.then
		}
	}
	if at >= int64(len(content)) {
		return 0, io.EOF
	}
	n := copy(p, content[at:])
	m.read += int64(n)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *media) open(t *testing.T, p mergefile.Profile, o *mergefile.ReaderOptions) (*mergefile.Reader, error) {
	return mergefile.NewReaderAt(t.Context(), m, int64(len(m.content)), p, testKey(t), o)
}

// A small file is read once, however often its records are asked for. A large
// one whose numbers rise is read once to verify it and once for each round.
func TestHowOftenAFileIsRead(t *testing.T) {
	p := mergefile.Standard()
	for _, tt := range []struct{ records, rounds, passes int }{
		{1, 0, 1}, {1, 3, 1}, {5_000, 3, 1}, {40_000, 0, 1}, {40_000, 2, 3},
	} {
		rs := records(t, p, tt.records)
		file, _ := write(t, p, testKey(t), rs)
		m := &media{content: file}
		r, err := m.open(t, p, nil)
		require.NoError(t, err)
		for range tt.rounds {
			i := 0
			for rec, err := range r.Records() {
				require.NoError(t, err)
				require.True(t, rs[i] == rec) // Equal is slow, and this is done often
				i++
			}
			require.Equal(t, tt.records, i)
		}
		require.NoError(t, r.Close())
		assert.Equal(t, int64(tt.passes*len(file)), m.read, "%+v: bytes read of %d", tt, len(file))
	}
}

// A small file is read once also where its numbers do not rise.
func TestSmallFileOutOfOrderIsReadOnce(t *testing.T) {
	p := mergefile.Standard()
	rs := records(t, p, 50)
	rs[0], rs[49] = rs[49], rs[0]
	file, _ := write(t, p, testKey(t), rs)
	m := &media{content: file}
	r, err := m.open(t, p, nil)
	require.NoError(t, err)
	require.EqualValues(t, 50, r.Len())
	assert.EqualValues(t, len(file), m.read)
}

// Who leaves the loop early has no more records pressed on him, and may begin
// anew.
func TestLeavingTheLoop(t *testing.T) {
	p := mergefile.Standard()
	for _, n := range []int{3, 40_000} {
		for _, workers := range []int{1, 4} {
			rs := records(t, p, n)
			file, _ := write(t, p, testKey(t), rs)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, err := mergefile.NewReaderAt(ctx, bytes.NewReader(file), int64(len(file)), p, testKey(t), &mergefile.ReaderOptions{Workers: workers})
			require.NoError(t, err)
			for range 3 {
				for rec, err := range r.Records() {
					require.NoError(t, err)
					require.Equal(t, rs[0], rec)
					break
				}
			}
			seen := 0
			for range r.Records() {
				if seen++; seen == n/2 {
					cancel()
					break
				}
			}
			require.Equal(t, n/2, seen)
			require.NoError(t, r.Close())
			closed := 0
			for rec, err := range r.Records() {
				require.ErrorIs(t, err, mergefile.ErrClosed)
				require.Zero(t, rec)
				closed++
			}
			require.Equal(t, 1, closed, "the loop says that there is nothing")
		}
	}
}

// A disk that fails has decided nothing about the file.
func TestDiskFailsInTheSecondPass(t *testing.T) {
	p := mergefile.Standard()
	rs := records(t, p, 40_000)
	rising, _ := write(t, p, testKey(t), rs)
	m := &media{content: rising, fails: errDisk}
	r, err := m.open(t, p, nil)
	require.NoError(t, err)
	var last error
	for _, err := range r.Records() {
		last = err
	}
	require.ErrorIs(t, last, errDisk)
	assert.NotErrorIs(t, last, mergefile.ErrInvalid)

	// Numbers that do not rise are compared in another pass.
	rs[0], rs[len(rs)-1] = rs[len(rs)-1], rs[0]
	falling, _ := write(t, p, testKey(t), rs)
	_, err = (&media{content: falling}).open(t, p, nil)
	require.NoError(t, err)
	_, err = (&media{content: falling, fails: errDisk}).open(t, p, nil)
	require.ErrorIs(t, err, errDisk)
	assert.NotErrorIs(t, err, mergefile.ErrInvalid)
}

// A file that becomes another one after it was verified is invalid, even where
// the other is genuine, as long, and differs in its last record alone; and
// nothing of what differs is given out.
func TestFileChangesAfterItWasVerified(t *testing.T) {
	p := mergefile.Standard()
	p.Cipher.IV, p.Cipher.FixedIV = mergefile.IVFixed, "000102030405060708090a0b0c0d0e0f"
	rs := records(t, p, 40_000)
	file, _ := write(t, p, testKey(t), rs)
	changed := rs[len(rs)-1]
	other := append([]mergefile.Record(nil), rs...)
	other[len(rs)-1].Points ^= 1
	then, _ := write(t, p, testKey(t), other)
	require.Len(t, then, len(file))
	same := 0
	for same < len(file) && file[same] == then[same] {
		same++
	}
	require.Greater(t, same, len(file)-100, "they differ at the end")
	_, err := (&media{content: then}).open(t, p, nil)
	require.NoError(t, err)
	for name, then := range map[string][]byte{"another end": then, "cut off": file[:len(file)-64], "longer": append(file[:len(file):len(file)], file[:64]...)} {
		for _, workers := range []int{1, 3} {
			r, err := (&media{content: file, then: then}).open(t, p, &mergefile.ReaderOptions{Workers: workers})
			require.NoError(t, err)
			var last error
			i := 0
			for rec, err := range r.Records() {
				if last = err; err != nil {
					continue
				}
				require.True(t, rs[i] == rec) // Equal is slow, and this is done often
				require.True(t, name == "longer" || rec != changed, "it is not given out")
				i++
			}
			if name == "longer" && last == nil {
				require.Equal(t, len(rs), i, "what is behind the end is not read")
				continue
			}
			require.ErrorIs(t, last, mergefile.ErrInvalid, name)
			require.Less(t, i, len(rs))
		}
	}
}

// The same where a piece in the middle alone is another one, and everything
// behind it is as it was: no record is left out in silence.
func TestMiddleOfTheFileChanges(t *testing.T) {
	p := mergefile.Standard()
	p.Cipher.Mode, p.Cipher.Padding = mergefile.CipherCTR, mergefile.PaddingNone
	p.Cipher.IV, p.Cipher.FixedIV = mergefile.IVFixed, "000102030405060708090a0b0c0d0e0f"
	require.NoError(t, p.Validate())
	rs := records(t, p, 40_000)
	file, _ := write(t, p, testKey(t), rs)
	middle := len(rs) / 2
	other := append([]mergefile.Record(nil), rs...)
	other[middle].Points ^= 1
	then, _ := write(t, p, testKey(t), other)
	require.Len(t, then, len(file))
	require.Equal(t, file[len(file)-100_000:], then[len(file)-100_000:], "they end alike")
	for _, workers := range []int{1, 3} {
		r, err := (&media{content: file, then: then}).open(t, p, &mergefile.ReaderOptions{Workers: workers})
		require.NoError(t, err)
		var last error
		i := 0
		for rec, err := range r.Records() {
			if last = err; err == nil {
				require.True(t, rs[i] == rec) // Equal is slow, and this is done often
				i++
			}
		}
		require.ErrorIs(t, last, mergefile.ErrInvalid)
		require.Less(t, i, middle)
	}
}

// The greatest size is one that a file may have.
func TestGreatestSize(t *testing.T) {
	p := mergefile.Standard()
	file, _ := write(t, p, testKey(t), records(t, p, 10))
	for change, want := range map[int]error{-1: mergefile.ErrInvalid, 0: nil, 1: nil} {
		o := &mergefile.ReaderOptions{MaxSize: int64(len(file) + change)}
		for _, w := range ways {
			_, err := w.read(t.Context(), file, p, testKey(t), *o)
			require.ErrorIs(t, err, want, "%s, %+d", w.name, change)
		}
		r, err := (&media{content: file}).open(t, p, o)
		require.ErrorIs(t, err, want)
		if want == nil {
			require.EqualValues(t, 10, r.Len())
		}
	}
	_, err := mergefile.NewReaderAt(t.Context(), bytes.NewReader(file), -1, p, testKey(t), nil)
	require.ErrorIs(t, err, mergefile.ErrInvalid)
}
