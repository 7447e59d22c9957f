package tlv_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/tlv"
)

// Defects that were found in other libraries, each by its name. What stands
// elsewhere: the sibling behind a composite object that moov-io/bertlv reports
// missing is TestFindLaterSiblingBehindComposite; its panic on 30 98 30 is a
// case of TestLongFormLengthCutOff.

// skythen/bertlv makes room for half of the bytes that are left at every level,
// so that nested objects cost it the square of their size: 60 kB take 16 GB. A
// walk here takes no memory, and no step that is not an object.
func TestNestingCostsNoMemoryAndAStepALevel(t *testing.T) {
	for _, levels := range []int{1000, 2000, 4000, 8000, 16000} {
		b := nested(levels)
		steps := 0
		descend := func() {
			steps = 0
			for rest := b; len(rest) > 0; steps++ {
				_, value, after, err := tlv.Next(rest)
				if err != nil || len(after) > 0 {
					panic("not nested")
				}
				rest = value
			}
		}
		assert.Zero(t, testing.AllocsPerRun(2, descend), "%d levels by Next", levels)
		assert.Equal(t, levels, steps)

		path := make([]tlv.Tag, levels)
		for i := range path {
			path[i] = 0x30
		}
		assert.Zero(t, testing.AllocsPerRun(2, func() {
			if v, err := tlv.Find(b, path...); err != nil || len(v) != 0 {
				panic("not found")
			}
		}), "%d levels by Find", levels)

		assert.Zero(t, testing.AllocsPerRun(2, func() {
			steps = 0
			for w := tlv.Walk(b); w.Next(); {
				steps++
			}
		}), "%d levels by Walk", levels)
		assert.Equal(t, tlv.MaxDepth+1, steps, "a walk ends at its bound, however deep it goes on")
	}
}

// The same as siblings: as many steps as objects, and no memory.
func TestSiblingsCostNoMemoryAndAStepEach(t *testing.T) {
	for _, n := range []int{1000, 4000, 16000} {
		b := bytes.Repeat(unhex("3004 0402 0102"), n)
		steps := 0
		assert.Zero(t, testing.AllocsPerRun(2, func() {
			steps = 0
			for w := tlv.Walk(b); w.Next(); {
				steps++
			}
		}))
		assert.Equal(t, 2*n, steps)
	}
}

// moov-io/bertlv v0.1.0 panics where a length in the long form has fewer bytes
// than it says. Here every first byte of a length, with few bytes and with many
// behind it and the memory ending there, gives an object that fits or an error.
func TestLongFormLengthNeverPanics(t *testing.T) {
	for first := 0x80; first <= 0xFF; first++ {
		for _, filler := range []byte{0x00, 0x01, 0x30, 0x7F, 0xFF} {
			for _, behind := range []int{0, 1, 2, 3, 4, 5, 6, 48, 49, 50, 126, 127, 128, 131} {
				b := append([]byte{0x30, byte(first)}, bytes.Repeat([]byte{filler}, behind)...)
				b = bytes.Clone(b)[:len(b):len(b)]
				_, h, n, err := tlv.Header(b)
				if err == nil {
					require.LessOrEqual(t, h, len(b), "%X", b)
					require.GreaterOrEqual(t, n, 0, "%X", b)
				}
				_, value, rest, nextErr := tlv.Next(b)
				if nextErr == nil {
					require.NoError(t, err)
					require.Equal(t, len(b), h+len(value)+len(rest), "%X", b)
				}
				if behind < first-0x80 {
					require.Error(t, nextErr, "%X", b)
				}
				_, findErr := tlv.Find(b, 0x30)
				require.Equal(t, nextErr, findErr)
				w := tlv.Walk(b)
				for w.Next() {
				}
			}
		}
	}
}
