package mergefile

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Segments cannot be moved, dropped, repeated or cut off.
func TestEnvelopeSegments(t *testing.T) {
	k, err := NewKey("k1", []byte("0123456789abcdef"), []byte("a secret of some length"))
	require.NoError(t, err)
	p := Envelope()
	p.Associated = "operator=000001"
	var buf bytes.Buffer
	w, err := NewWriter(t.Context(), &buf, p, k, nil)
	require.NoError(t, err)
	for i := range 3500 { // three whole segments and a part
		h, err := NewMallHolder("520625")
		require.NoError(t, err)
		tx, err := NewTransaction(time.Date(2017, 5, 12, 0, 30, 0, 0, time.UTC), uint32(i))
		require.NoError(t, err)
		require.NoError(t, w.Write(Record{h, 100, tx}))
	}
	require.NoError(t, w.Close())
	file := buf.Bytes()
	const sealed = chunkSize + segmentOverhead
	head := file[:len(envelopeMagic)+1+2+saltLen]
	var segs [][]byte
	for rest := file[len(head):]; len(rest) > 0; rest = rest[min(len(rest), sealed):] {
		segs = append(segs, rest[:min(len(rest), sealed)])
	}
	require.Len(t, segs, 4)
	read := func(order ...int) error {
		parts := [][]byte{head}
		for _, i := range order {
			parts = append(parts, segs[i])
		}
		whole := slices.Concat(parts...)
		r, err := NewReader(t.Context(), bytes.NewReader(whole), p, k, nil)
		if err == nil {
			require.EqualValues(t, 3500, r.Len())
		}
		return err
	}
	require.NoError(t, read(0, 1, 2, 3))
	for _, order := range [][]int{{1, 0, 2, 3}, {0, 2, 1, 3}, {0, 1, 3}, {0, 1, 2}, {0, 1, 1, 2, 3}, {3}, {0, 1, 2, 3, 3}, {0, 1, 3, 2}} {
		assert.Equal(t, ErrInvalid, read(order...), "%v", order)
	}

	// Two files of one key do not share segments.
	var other bytes.Buffer
	w, err = NewWriter(t.Context(), &other, p, k, nil)
	require.NoError(t, err)
	h, err := NewMallHolder("520625")
	require.NoError(t, err)
	tx, err := NewTransaction(time.Date(2017, 5, 12, 0, 30, 0, 0, time.UTC), 1)
	require.NoError(t, err)
	require.NoError(t, w.Write(Record{h, 100, tx}))
	require.NoError(t, w.Close())
	assert.NotEqual(t, head[len(head)-saltLen:], other.Bytes()[len(head)-saltLen:len(head)], "a salt came twice")
	mixed := slices.Concat(head, segs[0], segs[1], segs[2], other.Bytes()[len(head):])
	_, err = NewReader(t.Context(), bytes.NewReader(mixed), p, k, nil)
	assert.Equal(t, ErrInvalid, err)
}

// More numbers than are compared at a time fall into groups; the borders of
// groups lose none.
func TestOnePassRemembers(t *testing.T) {
	var d onePass
	at := func(i int) Transaction { return Transaction{milli: int64(i) * 1000} }
	for i := range 1000 {
		require.True(t, d.add(at(2*i)))
	}
	for i := range 1000 {
		require.False(t, d.add(at(2*i)), "%d", i)
	}
	for i := range 1000 {
		require.True(t, d.add(at(2*i+1)), "%d", i)
	}
}

func TestCharsets(t *testing.T) {
	for _, c := range []struct {
		charset Charset
		text    string
		want    string // "" for none
	}{
		{CharsetASCII, "points", "points"},
		{CharsetASCII, "é", ""},
		{CharsetUTF8, "取引済番号", "取引済番号"},
		{CharsetUTF8, "𠮷", "𠮷"},
		{CharsetUTF8, "\xff", ""},
		{CharsetCP932, "取引済番号", "\x8e\xe6\x88\xf8\x8d\xcf\x94\xd4\x8d\x86"},
		{CharsetCP932, "ソ表能", "\x83\x5c\x95\x5c\x94\x5c"},          // a backslash as second byte
		{CharsetCP932, "ポイント", "\x83\x7c\x83\x43\x83\x93\x83\x67"}, // a bar as second byte
		{CharsetCP932, "ﾎﾟ", "\xce\xdf"},                           // half-width kana
		{CharsetCP932, "～", "\x81\x60"},
		{CharsetCP932, "〜", "\x81\x60"}, // the other wave dash
		{CharsetCP932, "－−", "\x81\x7c\x81\x7c"},
		{CharsetCP932, "∥‖", "\x81\x61\x81\x61"},
		{CharsetCP932, "￠¢￡£￢¬", "\x81\x91\x81\x91\x81\x92\x81\x92\x81\xca\x81\xca"},
		{CharsetCP932, "―—", "\x81\x5c\x81\x5c"},
		{CharsetCP932, "①Ⅲ㈱", "\x87\x40\x87\x56\x87\x8a"}, // NEC's row 13
		{CharsetCP932, "髙﨑", "\xfb\xfc\xfa\xb1"},          // IBM's extension
		{CharsetCP932, "𠮷", ""},
		{CharsetCP932, "¥", ""}, // it would read back as a backslash
		{CharsetCP932, "‾", ""}, // and this as a tilde
		{CharsetCP932, "é", ""},
	} {
		got, err := c.charset.encode(c.text)
		if c.want == "" {
			assert.Error(t, err, "%s %q", c.charset, c.text)
			continue
		}
		require.NoError(t, err, "%s %q", c.charset, c.text)
		assert.Equal(t, c.want, string(got), "%s %q", c.charset, c.text)
	}
}
