package table

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/internal/cp932"
)

// whole are the rows of a CSV file, or how encoding/csv refuses it.
func whole(comma rune, in string) (rows [][]string, err error) {
	r := csv.NewReader(strings.NewReader(in))
	r.FieldsPerRecord, r.Comma = -1, comma
	for {
		row, err := r.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

// read are the rows as this package reads them.
func read(comma byte, in io.Reader) (out [][]string, lines []int, err error) {
	text, err := decoded(in)
	if err != nil {
		return nil, nil, err
	}
	r := rows{in: text, comma: comma}
	for {
		row, err := r.next()
		if err == io.EOF {
			return out, lines, nil
		}
		if err != nil {
			return out, append(lines, r.line), err
		}
		out, lines = append(out, slices.Clone(row)), append(lines, r.line)
	}
}

// FuzzRows reads what encoding/csv reads, and refuses what it refuses.
func FuzzRows(f *testing.F) {
	for _, s := range []string{
		"a,b\r\n1,2\r\n", "a,\"b\"\"c\"\n\n\r\n\"x\r\ny\",\n", "a\tb\n\"1\t\"\t2", "a\"b,c\n", "\"a\"b\n", "\"a", "\"a\n", "a\r", "\r", "a\r\r\n",
		",,\n,", "\"\"\r", "\"\",\"\"\"\"\r\n", "\n\n\n", "\"a\r\"\n", "\xff,\xfe\n", "a,\"\r\n\r\n\"",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, in string, tabs bool) {
		if len(in) > MaxRow || strings.HasPrefix(in, "\ufeff") || strings.HasPrefix(in, "\xff\xfe") {
			return
		}
		if head, _, _ := strings.Cut(in, "\n"); strings.ToValidUTF8(head, "") != head {
			return // taken for Shift_JIS
		}
		comma := ','
		if tabs {
			comma = '\t'
		}
		want, wantErr := whole(comma, in)
		got, lines, err := read(byte(comma), iotest.HalfReader(strings.NewReader(in)))
		require.Equal(t, wantErr == nil, err == nil, "%v, %v", wantErr, err)
		require.Equal(t, want, got)
		if parse, ok := errors.AsType[*csv.ParseError](wantErr); ok {
			require.ErrorIs(t, err, parse.Err)
			require.ErrorIs(t, err, ErrForm)
			require.Equal(t, parse.StartLine, lines[len(lines)-1])
		}
	})
}

// FuzzWrite writes what encoding/csv writes, in either encoding.
func FuzzWrite(f *testing.F) {
	for _, s := range []string{"a,b", "\"x\" y", " z", "", `\.`, "a\r\nb\rc\nd", "　全角", "ソ,表", "ﾂ", "\u0085", "髙〜", "\xff", "𠮷"} {
		f.Add(s, "2")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, enc := range []Encoding{UTF8BOM, ShiftJIS} {
			var got, want bytes.Buffer
			w := NewWriter(&got, enc)
			err := w.Write(a, b, a)
			if err == nil {
				err = w.Write(b)
			}
			assert.Equal(t, err, w.Close())
			row := []string{a, b, a}
			mark, column := "\ufeff", 0
			for i, f := range row {
				ok := strings.ToValidUTF8(f, "") == f
				if enc == ShiftJIS {
					mark = ""
					text, err := cp932.Encode(f)
					row[i], ok = string(text), ok && err == nil
				}
				if !ok && column == 0 {
					column = i + 1
				}
			}
			if column > 0 {
				require.Equal(t, &Error{1, column, ErrUnmappable}, err)
				assert.Empty(t, got.String())
				continue
			}
			require.NoError(t, err)
			c := csv.NewWriter(&want)
			c.UseCRLF = true
			require.NoError(t, c.Write(row))
			require.NoError(t, c.Write(row[1:2]))
			c.Flush()
			require.Equal(t, mark+want.String(), got.String())
		}
	})
}

// A row that goes on for too long is refused, and one as long as may be is not.
func TestMaxRow(t *testing.T) {
	for _, form := range []string{"%s", "\"%s\"", "\"\n%s\""} {
		fit := MaxRow - len(form) + 1 // with the line feed
		for _, more := range []int{0, 1, MaxRow * 10} {
			row := strings.Replace(form, "%s", strings.Repeat("x", fit+more), 1)
			for n, end := range []string{"\n", "\na,b\n"} {
				got, lines, err := read(',', strings.NewReader("a,b\n\n"+row+end))
				if more == 0 {
					require.NoError(t, err, form)
					require.Len(t, got, 2+n)
					continue
				}
				require.ErrorIs(t, err, ErrForm, form)
				require.Equal(t, []int{1, 3}, lines)
			}
		}
	}
}

// What fails to be written or read is told once, and nothing follows.
func TestFaults(t *testing.T) {
	broken := errors.New("broken")
	_, _, err := read(',', io.MultiReader(strings.NewReader("a,b\nc"), iotest.ErrReader(broken)))
	assert.ErrorIs(t, err, broken)
	_, _, err = read(',', io.MultiReader(strings.NewReader("a,b\n\"c"), iotest.ErrReader(broken)))
	assert.ErrorIs(t, err, broken)
	writes := 0
	w := NewWriter(writerFunc(func(p []byte) (int, error) { writes++; return 0, broken }), UTF8BOM)
	for err == broken || writes == 0 {
		if err = w.Write(strings.Repeat("a", 1000)); err != nil {
			break
		}
	}
	assert.ErrorIs(t, err, broken)
	assert.ErrorIs(t, w.Write("a"), broken)
	assert.ErrorIs(t, w.Close(), broken)
	assert.Equal(t, 1, writes)
	w = NewWriter(io.Discard, 9)
	assert.Error(t, w.Write("a"))
	assert.Error(t, w.Close())
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// No field costs an allocation: a row that is read costs one, and one that is
// written none.
func TestAllocations(t *testing.T) {
	header := []string{"a", "b", "c", "d"}
	file := "a,b,c,d\r\n" + strings.Repeat("1,\"2\",三,4\r\n", 1000)
	got := testing.AllocsPerRun(5, func() {
		for range Read(strings.NewReader(file), header) {
		}
	})
	assert.Less(t, got, 1050.0)
	for _, enc := range []Encoding{UTF8BOM, ShiftJIS} {
		w := NewWriter(io.Discard, enc)
		row := []string{"1", Plain("2"), "三", Bare("4")}
		got = testing.AllocsPerRun(10_000, func() { _ = w.Write(row...) })
		assert.Less(t, got, 0.5, enc)
	}
}
