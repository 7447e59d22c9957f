package bench

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

var (
	mergeKey    = []byte("0123456789abcdef")
	mergeSecret = []byte("8f1d0c3ab94e7725d6a1b2c3d4e5f607")
)

func mergefileKey(tb testing.TB) mergefile.Key {
	tb.Helper()
	k, err := mergefile.NewKey("k1", mergeKey, mergeSecret)
	require.NoError(tb, err)
	return k
}

// writeMergefile writes n records with rising numbers.
func writeMergefile(tb testing.TB, w io.Writer, n int) {
	tb.Helper()
	out, err := mergefile.NewWriter(context.Background(), w, mergefile.Standard(), mergefileKey(tb), nil)
	require.NoError(tb, err)
	start := time.Date(2017, 5, 12, 0, 30, 0, 0, time.UTC)
	for i := range n {
		h, err := mergefile.NewMallHolder(strconv.Itoa(520625 + i%400_000))
		if err != nil {
			tb.Fatal(err)
		}
		tx, err := mergefile.NewTransaction(start.Add(time.Duration(i/7)*time.Second), uint32(i%7))
		if err != nil {
			tb.Fatal(err)
		}
		if err := out.Write(mergefile.Record{Holder: h, Points: uint64(100 + i%900), Transaction: tx}); err != nil {
			tb.Fatal(err)
		}
	}
	require.NoError(tb, out.Close())
}

func mergefileOf(tb testing.TB, n int) []byte {
	var b bytes.Buffer
	writeMergefile(tb, &b, n)
	return b.Bytes()
}

// verified is the library's default way: all verified, then delivered.
func verified(file []byte, k mergefile.Key, workers int) (n int, points uint64, err error) {
	r, err := mergefile.NewReader(context.Background(), bytes.NewReader(file), mergefile.Standard(), k, &mergefile.ReaderOptions{Workers: workers})
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	for rec, err := range r.Records() {
		if err != nil {
			return 0, 0, err
		}
		n++
		points += rec.Points
	}
	return n, points, nil
}

// provisional is the way for streams: one pass.
func provisional(file []byte, k mergefile.Key, workers int) (n int, points uint64, err error) {
	r, err := mergefile.NewProvisionalReader(context.Background(), bytes.NewReader(file), mergefile.Standard(), k, &mergefile.ReaderOptions{Workers: workers})
	if err != nil {
		return 0, 0, err
	}
	for rec, err := range r.Records() {
		if err != nil {
			return 0, 0, err
		}
		n++
		points += rec.Points
	}
	return n, points, r.Close()
}

// floor is what no reader can do without: CBC decryption and one MD5 a record.
func floor(file []byte, inputs [][]byte) byte {
	block, _ := aes.NewCipher(mergeKey)
	c := cipher.NewCBCDecrypter(block, file[:16])
	text := make([]byte, 64<<10)
	for rest := file[16:]; len(rest) > 0; {
		n := min(len(rest), len(text))
		c.CryptBlocks(text[:n], rest[:n])
		rest = rest[n:]
	}
	var sum byte
	for _, in := range inputs {
		h := md5.Sum(in)
		sum ^= h[0]
	}
	return sum
}

// hashInputs are what the MD5s are taken over: each record up to its hash, and
// the secret.
func hashInputs(tb testing.TB, file []byte) [][]byte {
	tb.Helper()
	block, err := aes.NewCipher(mergeKey)
	require.NoError(tb, err)
	text := make([]byte, len(file)-16)
	cipher.NewCBCDecrypter(block, file[:16]).CryptBlocks(text, file[16:])
	var out [][]byte
	for line := range bytes.Lines(text[:len(text)-int(text[len(text)-1])]) {
		out = append(out, slices.Concat(line[:len(line)-34], mergeSecret))
	}
	return out
}

// plain is the program that one writes in an afternoon: everything in memory,
// encoding/csv, fmt and time.Parse.
func plain(file []byte) (n int, points uint64, err error) {
	data, err := io.ReadAll(bytes.NewReader(file))
	if err != nil {
		return 0, 0, err
	}
	block, err := aes.NewCipher(mergeKey)
	if err != nil {
		return 0, 0, err
	}
	text := make([]byte, len(data)-16)
	cipher.NewCBCDecrypter(block, data[:16]).CryptBlocks(text, data[16:])
	text = text[:len(text)-int(text[len(text)-1])]
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return 0, 0, err
	}
	jst := time.FixedZone("JST", 9*60*60)
	seen := make(map[string]bool)
	for _, row := range rows {
		sum := md5.Sum([]byte(fmt.Sprintf("%s,%s,%s,%s", row[0], row[1], row[2], mergeSecret)))
		if hex.EncodeToString(sum[:]) != row[3] {
			return 0, 0, errors.New("hash")
		}
		p, err := strconv.ParseUint(row[1], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		if _, err := time.ParseInLocation("20060102150405", row[2][:14], jst); err != nil {
			return 0, 0, err
		}
		if seen[row[2]] {
			return 0, 0, errors.New("duplicate")
		}
		seen[row[2]] = true
		points += p
		n++
	}
	return n, points, nil
}

// A mergefileReader gives how many records a file has, and their points.
type mergefileReader struct {
	name string
	read func(file []byte, k mergefile.Key) (n int, points uint64, err error)
}

func mergefileReaders() []mergefileReader {
	ours := func(f func([]byte, mergefile.Key, int) (int, uint64, error), workers int) func([]byte, mergefile.Key) (int, uint64, error) {
		return func(file []byte, k mergefile.Key) (int, uint64, error) { return f(file, k, workers) }
	}
	return []mergefileReader{
		{"mynakit", ours(verified, 1)},
		{"mynakit-2cores", ours(verified, 2)},
		{"mynakit-provisional", ours(provisional, 1)},
		{"mynakit-provisional-2cores", ours(provisional, 2)},
		{"plain", func(file []byte, _ mergefile.Key) (int, uint64, error) { return plain(file) }},
	}
}

// BenchmarkMergefile reads files of more and more records. "mynakit" gives out
// the first record when the last is verified, "mynakit-provisional" each at
// once; "floor" is decryption and MD5 alone, which no reader can do without.
func BenchmarkMergefile(b *testing.B) {
	k := mergefileKey(b)
	for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
		file := mergefileOf(b, n)
		name := fmt.Sprintf("records=%d/", n)
		measure := func(name string, f func() error) {
			b.Run(name, func(b *testing.B) {
				b.SetBytes(int64(len(file)))
				each(f)(b)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
			})
		}
		for _, r := range mergefileReaders() {
			measure(name+r.name, func() error {
				got, _, err := r.read(file, k)
				if err == nil && got != n {
					err = fmt.Errorf("%d records", got)
				}
				return err
			})
		}
		inputs := hashInputs(b, file)
		measure(name+"floor", func() error { floor(file, inputs); return nil })
	}
}

// Every way of reading gives the same.
func TestMergefileReadersAgree(t *testing.T) {
	const n = 3000
	file := mergefileOf(t, n)
	want := uint64(0)
	for i := range n {
		want += uint64(100 + i%900)
	}
	for _, r := range mergefileReaders() {
		got, points, err := r.read(file, mergefileKey(t))
		require.NoError(t, err, r.name)
		assert.Equal(t, n, got, r.name)
		assert.Equal(t, want, points, r.name)
	}
	sum := byte(0)
	for _, in := range hashInputs(t, file) {
		h := md5.Sum(in)
		sum ^= h[0]
	}
	assert.Equal(t, sum, floor(file, hashInputs(t, file)))
}

func BenchmarkMergefileWrite(b *testing.B) {
	k := mergefileKey(b)
	h, err := mergefile.NewMallHolder("520625")
	require.NoError(b, err)
	w, err := mergefile.NewWriter(b.Context(), io.Discard, mergefile.Standard(), k, nil)
	require.NoError(b, err)
	b.ReportAllocs()
	start := time.Date(2017, 5, 12, 0, 30, 0, 0, time.UTC)
	i := 0
	for b.Loop() {
		tx, _ := mergefile.NewTransaction(start.Add(time.Duration(i)*time.Second), 1)
		if err := w.Write(mergefile.Record{Holder: h, Points: 100, Transaction: tx}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// mergefileFaults are files of one length, each wrong in another way.
func mergefileFaults(tb testing.TB) map[string][]byte {
	tb.Helper()
	file := mergefileOf(tb, 400)
	block, err := aes.NewCipher(mergeKey)
	require.NoError(tb, err)
	text := make([]byte, len(file)-16)
	cipher.NewCBCDecrypter(block, file[:16]).CryptBlocks(text, file[16:])
	seal := func(change func([]byte)) []byte {
		t := bytes.Clone(text)
		change(t)
		out := append(bytes.Clone(file[:16]), make([]byte, len(t))...)
		cipher.NewCBCEncrypter(block, file[:16]).CryptBlocks(out[16:], t)
		return out
	}
	digit := func(t []byte, at int) {
		if t[at] == '0' {
			t[at] = '1'
		} else {
			t[at] = '0'
		}
	}
	end := strings.LastIndex(string(text), "\r\n")
	return map[string][]byte{
		"padding, last byte":  seal(func(t []byte) { t[len(t)-1] = 0xFF }),
		"padding, first byte": seal(func(t []byte) { t[end+2] ^= 1 }),
		"hash, first record":  seal(func(t []byte) { digit(t, bytes.IndexByte(t, '\r')-1) }),
		"hash, last record":   seal(func(t []byte) { digit(t, end-1) }),
		"points, first":       seal(func(t []byte) { t[7] = '+' }),
	}
}

// BenchmarkMergefileFaults refuses files of one size: how long that takes does
// not tell what was wrong.
func BenchmarkMergefileFaults(b *testing.B) {
	k := mergefileKey(b)
	for name, file := range mergefileFaults(b) {
		b.Run(strings.ReplaceAll(name, ", ", "/"), func(b *testing.B) {
			for b.Loop() {
				if _, _, err := verified(file, k, 1); err != mergefile.ErrInvalid {
					b.Fatal(err)
				}
			}
		})
	}
}
