package secret_test

import (
	"bytes"
	"database/sql/driver"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/internal/secret/secrettest"
)

const mark = "MARK73918264"

// masked returns v under the mask, and fails the test if it does not fit.
func masked(t testing.TB, v string) secret.String {
	t.Helper()
	s, ok := secret.Mask(v)
	require.True(t, ok)
	return s
}

type exported struct {
	Name   string
	Number secret.String
	Key    secret.Box[[]byte]
}

type embedding struct {
	secret.Hidden
	number secret.String
	key    secret.Box[[]byte]
	count  secret.Uint64
}

type record struct {
	secret.Hidden
	open secret.Box[*fields]
}

type fields struct{ name, address string }

// Nothing that prints, logs, encodes or dumps shows a hidden value, however it
// is kept and whatever holds it.
func TestNothingTells(t *testing.T) {
	long := mark + mark
	for name, v := range map[string]any{
		"box of bytes":  secret.New([]byte(mark)),
		"box of string": secret.New(mark),
		"box of struct": secret.New(fields{mark, mark}),
		"string":        masked(t, mark),
		"long string":   masked(t, long),
		"integer":       secret.MaskUint64(73918264),
		"next integer":  secret.MaskUint64(73918265),
		"exported":      exported{"x", masked(t, mark), secret.New([]byte(mark))},
		"embedding":     embedding{number: masked(t, mark), key: secret.New([]byte(mark)), count: secret.MaskUint64(73918264)},
		"record":        record{open: secret.New(&fields{mark, mark})},
		"key of a map":  map[secret.String]int{masked(t, mark): 1},
	} {
		assert.Empty(t, secrettest.Told(v, mark, "73918264"), name)
	}
}

func TestHiddenShows(t *testing.T) {
	v := embedding{number: masked(t, mark)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		assert.Equal(t, secret.Redacted, fmt.Sprintf(verb, v), verb)
		assert.Equal(t, secret.Redacted, fmt.Sprintf(verb, &v), verb)
	}
	j, err := json.Marshal(exported{Name: "x", Number: v.number})
	require.NoError(t, err)
	assert.Equal(t, `{"Name":"x","Number":"[redacted]","Key":"[redacted]"}`, string(j))
}

// What stores fails: "[redacted]" in a table or a file is a value that was lost.
func TestHiddenIsNotStored(t *testing.T) {
	assert.ErrorIs(t, gob.NewEncoder(&bytes.Buffer{}).Encode(masked(t, mark)), secret.ErrHidden)
	assert.ErrorIs(t, gob.NewEncoder(&bytes.Buffer{}).Encode(exported{Name: "x", Number: masked(t, mark)}), secret.ErrHidden)
	_, err := driver.DefaultParameterConverter.ConvertValue(masked(t, mark))
	assert.ErrorIs(t, err, secret.ErrHidden)
	var e exported
	assert.Error(t, json.Unmarshal([]byte(`{"Number":"[redacted]"}`), &e))
}

func TestBox(t *testing.T) {
	var none secret.Box[[]byte]
	assert.True(t, none.IsZero())
	assert.Nil(t, none.Reveal())
	secret.Wipe(none)

	key := []byte(mark)
	b := secret.New(key)
	assert.False(t, b.IsZero())
	assert.Equal(t, mark, string(b.Reveal()))
	assert.True(t, secret.Equal(b, secret.New([]byte(mark))))
	assert.False(t, secret.Equal(b, secret.New([]byte("MARK73918265"))))
	assert.False(t, secret.Equal(b, none))
	assert.True(t, secret.Equal(none, secret.New([]byte{})))

	copied := b
	secret.Wipe(b)
	assert.Equal(t, make([]byte, len(mark)), copied.Reveal(), "a copy is wiped too")
	assert.Equal(t, make([]byte, len(mark)), key)
}

func TestMask(t *testing.T) {
	const text = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
	var set secret.String
	seen := map[secret.String]string{}
	for n := range secret.MaxString + 1 {
		v := text[:n]
		s := masked(t, v)
		assert.Equal(t, v, s.Reveal())
		assert.Equal(t, n, s.Len())
		assert.Equal(t, n == 0, s.IsZero())
		assert.True(t, s == masked(t, v), "equal values are equal with ==")
		assert.Equal(t, "x"+v, string(s.AppendTo([]byte("x"))))
		require.True(t, set.Set([]byte(v)), "over a longer and a shorter one")
		assert.True(t, set == s)
		seen[s] = v
	}
	assert.Len(t, seen, secret.MaxString+1)
	require.True(t, set.Set([]byte("short")))
	assert.True(t, set == masked(t, "short"), "over a longer one")

	_, ok := secret.Mask(text + "W")
	assert.False(t, ok)
	assert.False(t, set.Set([]byte(text+"W")))
	assert.Equal(t, "short", set.Reveal())

	a, b := masked(t, "a"), masked(t, "a\x00")
	assert.False(t, a == b)
	assert.Equal(t, "a\x00", b.Reveal())
}

func TestMaskUint64(t *testing.T) {
	assert.True(t, secret.MaskUint64(0).IsZero())
	assert.Zero(t, secret.Uint64{}.Reveal())
	seen := map[secret.Uint64]uint64{}
	for _, v := range []uint64{1, 2, 99_999_999, 100_000_000, 1 << 40, 1<<64 - 1} {
		u := secret.MaskUint64(v)
		assert.Equal(t, v, u.Reveal())
		assert.True(t, u == secret.MaskUint64(v))
		assert.False(t, u.IsZero())
		seen[u] = v
	}
	assert.Len(t, seen, 6)
}

// Two dumps and one known value must not reveal the other value, which a fixed
// pad would do: the difference of two ciphertexts is not that of their values.
// One changed bit changes both blocks throughout.
func TestMaskIsNoPad(t *testing.T) {
	dump := func(v any) string { return fmt.Sprintf("%x", struct{ v any }{v}) }
	for _, v := range []string{"99999998", "1234567890123456", strings.Repeat("7", 31), strings.Repeat("7", 32)} {
		for i := range len(v) {
			other := []byte(v)
			other[i] ^= 1
			x, y := dump(masked(t, v)), dump(masked(t, string(other)))
			require.Len(t, y, len(x))
			same := 0
			for j := range x {
				if x[j] == y[j] {
					same++
				}
			}
			// fmt prints fixed text, zeros behind a short value and about one
			// equal digit in 16 by chance.
			fixed := len(x) - 32
			if len(v) > 16 {
				fixed -= 32
			}
			assert.Less(t, same-fixed, 24, "value %d bytes long, byte %d", len(v), i)
		}
	}
	assert.NotEqual(t, dump(secret.MaskUint64(12345678)), dump(masked(t, "\x00\x00\x00\x00\x00\xbcaN")))
}

func TestMaskAllocates(t *testing.T) {
	v := []byte("52062512")
	s := new(secret.String)
	assert.Zero(t, testing.AllocsPerRun(100, func() { s.Set(v) }))
	buf := make([]byte, 0, 64)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = s.AppendTo(buf[:0]) }))
}

func FuzzMask(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("52062512"))
	f.Add([]byte("0123456789ABCDEFG"))
	f.Fuzz(func(t *testing.T, v []byte) {
		s, ok := secret.Mask(v)
		if ok != (len(v) <= secret.MaxString) {
			t.Fatalf("%d bytes: ok %v", len(v), ok)
		}
		if ok && s.Reveal() != string(v) {
			t.Fatal("another value came back")
		}
	})
}

func BenchmarkMask(b *testing.B) {
	for _, v := range []string{"52062512", "0123456789ABCDEFGHIJ"} {
		raw := []byte(v)
		b.Run(fmt.Sprintf("Set/%d", len(v)), func(b *testing.B) {
			b.ReportAllocs()
			s := new(secret.String)
			for b.Loop() {
				s.Set(raw)
			}
		})
		b.Run(fmt.Sprintf("Mask/%d", len(v)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = secret.Mask(raw)
			}
		})
		s, _ := secret.Mask(v)
		b.Run(fmt.Sprintf("Reveal/%d", len(v)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = s.Reveal()
			}
		})
	}
	b.Run("Uint64", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = secret.MaskUint64(12345678)
		}
	})
}
