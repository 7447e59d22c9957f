package tlv_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/tlv"
)

// fci is a file control information template of 49 bytes with nested and
// two-byte tags, as a card's answer to SELECT.
var fci = unhex("6F2F 840A D392F000260100000001 A521 500B 4D79204E756D6265722043" +
	"870101 5F2D026A61 BF0C09 9F4D020B0A 9F6E0102")

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b[:len(b):len(b)]
}

func TestHeader(t *testing.T) {
	tests := []struct {
		name, in string
		tag      tlv.Tag
		header   int
		value    int
		err      error
	}{
		{"short", "5A03", 0x5A, 2, 3, nil},
		{"zero length", "5A00", 0x5A, 2, 0, nil},
		{"127", "5A7F", 0x5A, 2, 127, nil},
		{"two-byte private tag", "FF200C", 0xFF20, 3, 12, nil},
		{"two-byte primitive private tag", "DF2108", 0xDF21, 3, 8, nil},
		{"three-byte tag", "DF810105", 0xDF8101, 4, 5, nil},
		{"four-byte tag", "7F81820305", 0x7F818203, 5, 5, nil},
		{"five-byte tag", "7F8182838405", 0, 0, 0, tlv.ErrTag},
		{"non-minimal 82 00 9F", "FF4082009F", 0xFF40, 5, 0x9F, nil},
		{"non-minimal 81 10", "5A8110", 0x5A, 3, 16, nil},
		{"certificate", "3082062B", 0x30, 4, 0x62B, nil},
		{"four length bytes", "308400010000", 0x30, 6, 0x10000, nil},
		{"empty", "", 0, 0, 0, tlv.ErrTruncated},
		{"tag alone", "30", 0, 0, 0, tlv.ErrTruncated},
		{"half a tag", "FF", 0, 0, 0, tlv.ErrTruncated},
		{"tag of two, no length", "FF20", 0, 0, 0, tlv.ErrTruncated},
		{"length cut", "308206", 0, 0, 0, tlv.ErrTruncated},
		{"indefinite", "30800000", 0, 0, 0, tlv.ErrLength},
		{"five length bytes", "30850000000001", 0, 0, 0, tlv.ErrLength},
		{"length over an int32", "30847FFFFFFF", 0, 0, 0, tlv.ErrLength},
		{"length of all ones", "3084FFFFFFFF", 0, 0, 0, tlv.ErrLength},
		{"reserved FF length", "30FF", 0, 0, 0, tlv.ErrLength},
		{"end of contents", "0000", 0, 0, 0, tlv.ErrTag},
		{"end of contents alone", "00", 0, 0, 0, tlv.ErrTag},
		{"filler", "FFFFFFFFFFFF", 0, 0, 0, tlv.ErrTag},
		{"leading zero in the tag number", "9F8001", 0, 0, 0, tlv.ErrTag},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tag, h, n, err := tlv.Header(unhex(tt.in))
			require.ErrorIs(t, err, tt.err)
			if tt.err == nil {
				assert.Equal(t, tt.tag, tag)
				assert.Equal(t, [2]int{tt.header, tt.value}, [2]int{h, n})
			}
		})
	}
}

func TestNextStopsAtFiller(t *testing.T) {
	tag, value, rest, err := tlv.Next(unhex("FF100C 353337363836363737313838 FFFF"))
	require.NoError(t, err)
	assert.Equal(t, tlv.Tag(0xFF10), tag)
	assert.Equal(t, "537686677188", string(value))
	assert.Equal(t, unhex("FFFF"), rest)
	assert.Equal(t, len(value), cap(value), "appending to a value must not reach the rest")
}

func TestNextTruncatedValue(t *testing.T) {
	_, _, _, err := tlv.Next(unhex("5A03 0102"))
	assert.ErrorIs(t, err, tlv.ErrTruncated)
}

func TestFind(t *testing.T) {
	name, err := tlv.Find(fci, 0x6F, 0x84)
	require.NoError(t, err)
	assert.Equal(t, unhex("D392F000260100000001"), name)

	got, err := tlv.Find(fci, 0x6F, 0xA5, 0xBF0C, 0x9F6E)
	require.NoError(t, err)
	assert.Equal(t, []byte{2}, got)

	_, err = tlv.Find(fci, 0x6F, 0xA5, 0x99)
	assert.ErrorIs(t, err, tlv.ErrNotFound)
	_, err = tlv.Find(unhex("30 05 04"), 0x04)
	assert.ErrorIs(t, err, tlv.ErrTruncated)
	whole, err := tlv.Find(fci)
	require.NoError(t, err)
	assert.Equal(t, fci, whole)
}

// A later sibling is found behind an earlier composite one. A known library
// gives up inside the first composite object.
func TestFindLaterSiblingBehindComposite(t *testing.T) {
	b := unhex("30 03 040101 30 03 050102 84 01 07")
	got, err := tlv.Find(b, 0x84)
	require.NoError(t, err)
	assert.Equal(t, []byte{7}, got)
}

// A long-form length whose bytes are cut off is an error. A known library
// panics on it.
func TestLongFormLengthCutOff(t *testing.T) {
	for _, s := range []string{"3098 30", "30 84 01", "30 82 01", "30 81"} {
		_, _, _, err := tlv.Next(unhex(s))
		assert.Error(t, err, s)
		w := tlv.Walk(unhex(s))
		assert.False(t, w.Next())
		assert.Error(t, w.Err())
	}
}

type object struct {
	Depth int
	Tag   tlv.Tag
	Value string
}

func walk(b []byte) (all []object, err error) {
	w := tlv.Walk(b)
	for w.Next() {
		all = append(all, object{w.Depth, w.Tag, hex.EncodeToString(w.Value)})
	}
	return all, w.Err()
}

// descend is the plain recursive walk that Walker must agree with.
func descend(b []byte, depth int, visit func(object)) error {
	for len(b) > 0 {
		tag, value, rest, err := tlv.Next(b)
		if err != nil {
			return err
		}
		visit(object{depth, tag, hex.EncodeToString(value)})
		if tag.Constructed() && len(value) > 0 {
			if depth == tlv.MaxDepth {
				return tlv.ErrDepth
			}
			if err := descend(value, depth+1, visit); err != nil {
				return err
			}
		}
		b = rest
	}
	return nil
}

func TestWalk(t *testing.T) {
	got, err := walk(fci)
	require.NoError(t, err)
	want := []object{
		{0, 0x6F, hex.EncodeToString(fci[2:])},
		{1, 0x84, "d392f000260100000001"},
		{1, 0xA5, hex.EncodeToString(fci[16:])},
		{2, 0x50, "4d79204e756d6265722043"},
		{2, 0x87, "01"},
		{2, 0x5F2D, "6a61"},
		{2, 0xBF0C, "9f4d020b0a9f6e0102"},
		{3, 0x9F4D, "0b0a"},
		{3, 0x9F6E, "02"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	assert.Len(t, fci, 49)
}

func TestWalkEmptyAndClosing(t *testing.T) {
	got, err := walk(nil)
	require.NoError(t, err)
	assert.Empty(t, got)

	// Objects that end together, and an empty constructed one at the end.
	got, err = walk(unhex("30 06 31 02 32 00 31 00 85 00"))
	require.NoError(t, err)
	want := []object{{0, 0x30, "310232003100"}, {1, 0x31, "3200"}, {2, 0x32, ""}, {1, 0x31, ""}, {0, 0x85, ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWalkSkip(t *testing.T) {
	w := tlv.Walk(fci)
	var tags []string
	for w.Next() {
		tags = append(tags, w.Tag.String())
		if w.Tag == 0xA5 {
			w.Skip()
		}
	}
	require.NoError(t, w.Err())
	assert.Equal(t, []string{"6F", "84", "A5"}, tags)
}

// An object inside another may not end beyond it.
func TestWalkChildLongerThanParent(t *testing.T) {
	_, err := walk(unhex("30 04 04 05 0102 0102030405"))
	assert.ErrorIs(t, err, tlv.ErrTruncated)
	_, err = walk(unhex("30 01 04 01 01"))
	assert.ErrorIs(t, err, tlv.ErrTruncated)
}

func nested(levels int) []byte {
	b := []byte{}
	for range levels {
		b = append(tlv.AppendHeader(nil, 0x30, len(b)), b...)
	}
	return b
}

func TestWalkDepth(t *testing.T) {
	got, err := walk(nested(tlv.MaxDepth))
	require.NoError(t, err)
	assert.Len(t, got, tlv.MaxDepth)
	_, err = walk(nested(tlv.MaxDepth + 1))
	require.NoError(t, err, "an empty object at the bound is not entered further")
	_, err = walk(nested(tlv.MaxDepth + 2))
	assert.ErrorIs(t, err, tlv.ErrDepth)
}

// 60 kB of nested constructed objects cost a known library 25 seconds and 16
// GB. Here they cost the depth bound and nothing more.
func TestSixtyKilobytesOfNesting(t *testing.T) {
	b := unhex(strings.Repeat("3082EA60", 15000))
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		w := tlv.Walk(b)
		for w.Next() {
		}
	}))
	b = nested(15000)
	w := tlv.Walk(b)
	n := 0
	for w.Next() {
		n++
	}
	assert.ErrorIs(t, w.Err(), tlv.ErrDepth)
	assert.Equal(t, tlv.MaxDepth+1, n)
}

func TestAppend(t *testing.T) {
	tests := []struct {
		tag    tlv.Tag
		length int
		want   string
	}{
		{0x5A, 0, "5A00"}, {0x5A, 127, "5A7F"}, {0x5A, 128, "5A8180"}, {0x5A, 255, "5A81FF"},
		{0x5A, 256, "5A820100"}, {0xFF20, 65535, "FF2082FFFF"}, {0x7F21, 65536, "7F2183010000"},
		{0x7F818203, 1 << 24, "7F8182038401000000"}, {0x5A, -1, "5A00"}, {0xDF8101, 1, "DF810101"},
	}
	for _, tt := range tests {
		assert.Equal(t, unhex(tt.want), tlv.AppendHeader(nil, tt.tag, tt.length), "%v %d", tt.tag, tt.length)
	}
	b := tlv.Append([]byte{1}, 0xDF25, []byte("2"))
	assert.Equal(t, unhex("01 DF2501 32"), b)
	assert.Equal(t, "DF25", tlv.Tag(0xDF25).String())
	assert.Equal(t, "05", tlv.Tag(5).String())
	assert.Equal(t, "DF8101", tlv.Tag(0xDF8101).String())
}

func TestNoAllocations(t *testing.T) {
	dst := make([]byte, 0, 64)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		w := tlv.Walk(fci)
		for w.Next() {
		}
		if _, err := tlv.Find(fci, 0x6F, 0xA5, 0xBF0C, 0x9F6E); err != nil {
			panic(err)
		}
		dst = tlv.Append(dst[:0], 0xDF25, fci)
	}))
}

func FuzzTLV(f *testing.F) {
	for _, b := range [][]byte{fci, nested(40), unhex("FF4082009F"), unhex("FF100C 353337363836363737313838 FFFF"),
		unhex("309830"), unhex("30 06 31 02 32 00 31 00 85 00")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		before := bytes.Clone(in)

		// Malleability: writing what was read gives the same bytes wherever
		// the length was in its shortest form.
		if tag, value, rest, err := tlv.Next(in); err == nil {
			out := append(tlv.Append(nil, tag, value), rest...)
			if len(out) == len(in) {
				assert.Equal(t, in, out)
			} else {
				assert.Less(t, len(out), len(in), "a shortest length is never longer")
			}
			// What DER accepts, BER must read the same way.
			var raw asn1.RawValue
			if _, err := asn1.Unmarshal(in, &raw); err == nil {
				assert.Equal(t, raw.Bytes, append([]byte{}, value...))
				assert.Equal(t, raw.IsCompound, tag.Constructed())
			}
		}

		// To walk takes no memory that grows with the input.
		var start, end runtime.MemStats
		runtime.ReadMemStats(&start)
		w := tlv.Walk(in)
		for w.Next() {
		}
		runtime.ReadMemStats(&end)
		if used := end.TotalAlloc - start.TotalAlloc; used > 64<<10 {
			t.Fatalf("%d bytes for %d", used, len(in))
		}

		// The walk agrees with the plain recursion, object for object.
		var want []object
		wantErr := descend(in, 0, func(o object) { want = append(want, o) })
		got, err := walk(in)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("walk says %v, recursion %v", err, wantErr)
		}
		if err == nil {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		assert.LessOrEqual(t, len(got), len(in)/2, "an object takes two bytes at the least")
		assert.Equal(t, before, in, "reading must not write")
	})
}

func BenchmarkWalkFCI(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		w := tlv.Walk(fci)
		for w.Next() {
		}
	}
}

func BenchmarkFindFCI(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tlv.Find(fci, 0x6F, 0xA5, 0xBF0C, 0x9F6E); err != nil {
			b.Fatal(err)
		}
	}
}

// The cost of a walk grows with the input and not with its square.
func BenchmarkWalkFlat(b *testing.B) {
	for _, n := range []int{1 << 10, 1 << 14, 1 << 18} {
		in := bytes.Repeat(unhex("3004 0402 0102"), n/6)
		b.Run(fmt.Sprintf("%dkB", n>>10), func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				w := tlv.Walk(in)
				for w.Next() {
				}
			}
		})
	}
}
