package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const threeRounds = `goos: linux
cpu: AMD EPYC
BenchmarkAPDU/parse/mynakit-2   	 100	 10.5 ns/op	 10.5 cpu-ns/op	 0 B/op	 0 allocs/op
BenchmarkAPDU/parse/skythen-2   	 100	 60 ns/op	 60 cpu-ns/op	 48 B/op	 1 allocs/op
BenchmarkAPDUGrowth/bytes=16/mynakit-2	 100	 14 ns/op	 14 cpu-ns/op
BenchmarkAPDUGrowth/bytes=1/mynakit-2	 100	 12 ns/op	 12 cpu-ns/op
PASS
BenchmarkAPDU/parse/mynakit-2   	 100	 10 ns/op	 10 cpu-ns/op	 0 B/op	 0 allocs/op
BenchmarkAPDU/parse/skythen-2   	 100	 5000 ns/op	 5000 cpu-ns/op	 48 B/op	 1 allocs/op
BenchmarkAPDU/parse/mynakit-2   	 100	 300 ns/op	 300 cpu-ns/op	 0 B/op	 0 allocs/op
BenchmarkAPDU/parse/skythen-2   	 100	 50 ns/op	 50 cpu-ns/op	 48 B/op	 1 allocs/op
BenchmarkBridge/mynakit-2   	 100	 200000 ns/op	 5000 exchanges/s
BenchmarkBridge/naive-2   	 100	 50000000 ns/op	 20 exchanges/s
`

func TestParse(t *testing.T) {
	r, err := parse([]byte(threeRounds))
	require.NoError(t, err)
	assert.Equal(t, "AMD EPYC", r.cpu)
	assert.Equal(t, 1, r.rounds(), "those of the line with the fewest")
	v, ok := r.figure("APDU/parse/mynakit", "ns/op")
	assert.True(t, ok)
	assert.Equal(t, 10.5, v)
	v, _ = r.figure("APDU/parse/skythen", "ns/op")
	assert.Equal(t, 60.0, v)
	_, ok = r.figure("APDU/parse/nobody", "ns/op")
	assert.False(t, ok)
	assert.Equal(t, []point{{1, 12}, {16, 14}}, r.series("APDUGrowth", "mynakit", "ns/op"))
	assert.Empty(t, r.series("APDUGrowth", "mynakit", "furlongs"))

	r, err = parse([]byte("BenchmarkX/a-8 1 2 ns/op\nBenchmarkX/a-8 1 4 ns/op\n"))
	require.NoError(t, err)
	v, _ = r.figure("X/a", "ns/op")
	assert.Equal(t, 3.0, v, "of an even number, the middle of the middle two")

	r.best = true
	v, _ = r.figure("X/a", "ns/op")
	assert.Equal(t, 2.0, v)
	r, err = parse([]byte("BenchmarkX/a-8 1 2 ns/op 10 records/s\nBenchmarkX/a-8 1 4 ns/op 11 records/s\n"))
	require.NoError(t, err)
	r.best = true
	v, _ = r.figure("X/a", "records/s")
	assert.Equal(t, 11.0, v)

	for _, bad := range []string{"", "PASS\n", "BenchmarkX-2 1 fast ns/op\n"} {
		_, err := parse([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func TestMarkdown(t *testing.T) {
	r, err := parse([]byte(threeRounds))
	require.NoError(t, err)
	table, missing := markdown([]row{rows()[0], rows()[1], rows()[len(rows())-1]}, r)
	assert.Equal(t, `| work | mynakit | others, and how many times mynakit's cost |
|---|---|---|
| a command APDU of 16 bytes parsed | **11 ns, 0 allocs** | skythen/apdu: 60 ns, 48 B in 1 alloc (5.7×) |
| software card behind pcscd and vpcd | **5,000 a second** | naive vpcd client: 20 a second (250×) |
`, table)
	assert.Equal(t, []string{rows()[1].what}, missing)
}

func TestNumbers(t *testing.T) {
	for want, got := range map[string]string{
		"9.8 ns": duration(9.84e-9), "1 µs": duration(999.7e-9), "470 µs": duration(470e-6), "2.8 s": duration(2.81),
		"16 GB": amount(16_166_776_304, "B"), "48 B": amount(48, "B"), "3.5 kB": amount(3454, "B"),
		"12,939": significant(12938.6, 2), "0.49": significant(0.4912, 2), "3": significant(3.02, 2),
		"1,000,000": count(1e6), "999": count(999), "-1,000": count(-1000), "0": count(rounded(0, 2)),
		"390,000": count(rounded(387_352, 2)), "1.5 k": short(1500), "20 µ": short(20e-6), "1 ": short(1), "2 n": short(2e-9),
	} {
		assert.Equal(t, want, got)
	}
}

func TestSplice(t *testing.T) {
	text := "before\n" + begin + "\nold\n" + end + "\nafter\n"
	got, err := splice([]byte(text), "new\n")
	require.NoError(t, err)
	assert.Equal(t, "before\n"+begin+"\nnew\n"+end+"\nafter\n", string(got))
	again, err := splice(got, "new\n")
	require.NoError(t, err)
	assert.Equal(t, got, again)
	for _, bad := range []string{"", begin, end + begin} {
		_, err := splice([]byte(bad), "new\n")
		assert.Error(t, err, bad)
	}
}

// Every row and every curve names benchmarks that this module has: they are in
// the lines that a run of one round has printed.
func TestNamesAreThoseOfBenchmarks(t *testing.T) {
	var sources strings.Builder
	files, err := filepath.Glob("../*_test.go")
	require.NoError(t, err)
	more, err := filepath.Glob("../../realstack/*_test.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	require.NotEmpty(t, more)
	for _, f := range append(files, more...) {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		sources.Write(b)
	}
	names := map[string]bool{}
	for _, r := range rows() {
		benchmark, _, _ := strings.Cut(r.group, "/")
		names["func Benchmark"+benchmark+"("] = true
		names[r.ours] = true
		for _, o := range r.others {
			names[o.name] = true
		}
	}
	for _, p := range panels() {
		names["func Benchmark"+p.group+"("] = true
		for _, c := range p.curves {
			names[c.who] = true
		}
	}
	for name := range names {
		assert.Contains(t, sources.String(), name)
	}
}

// The plot is XML, has a point for every value, inside its panel, and names
// both axes of every panel.
func TestPlot(t *testing.T) {
	r := results{values: map[string]map[string][]float64{}}
	points := 0
	for _, p := range panels() {
		for i, c := range p.curves {
			for x := 1.0; x <= 1e6; x *= 100 {
				name := p.group + "/n=" + strconv.FormatFloat(x, 'f', -1, 64) + "/" + c.who
				r.values[name] = map[string][]float64{p.unit: {x * float64(i+1)}}
				points++
			}
		}
	}
	svg := plot(panels(), r)
	circles, texts := 0, map[string]int{}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local != "circle" {
				continue
			}
			circles++
			for _, a := range token.Attr {
				v, err := strconv.ParseFloat(a.Value, 64)
				if a.Name.Local == "cx" {
					require.NoError(t, err)
					assert.True(t, v >= left && v <= width-right, "x %v", v)
				}
				if a.Name.Local == "cy" {
					require.NoError(t, err)
					assert.True(t, v >= top && v <= height-bottom, "y %v", v)
				}
			}
		case xml.CharData:
			texts[strings.TrimSpace(string(token))]++
		}
	}
	assert.Equal(t, points, circles)
	for _, p := range panels() {
		assert.NotZero(t, texts[p.title])
		assert.NotZero(t, texts[p.x])
		assert.NotZero(t, texts[p.y])
	}
	assert.Contains(t, string(plot(panels()[:1], results{})), "not measured")
}

func TestAxis(t *testing.T) {
	for _, values := range [][]float64{{1, 1e6}, {3, 3}, {1250, 4000}, {1e-9, 10}, {1, 30}} {
		a := newAxis(values, 0, 100)
		ticks := a.ticks()
		if values[0] != values[1] {
			assert.GreaterOrEqual(t, len(ticks), 2, "%v", values)
			assert.Less(t, len(ticks), 10, "%v", values)
		}
		for _, v := range append(ticks, values...) {
			at := a.at(v)
			assert.False(t, math.IsNaN(at) || at < 0 || at > 100, "%v at %v", v, at)
		}
	}
	close := apart([]label{{y: 10}, {y: 11}, {y: 12}, {y: 11}})
	for i := range close[1:] {
		assert.Greater(t, close[i+1].y-close[i].y, 12.0)
	}
}

func TestRunFromLines(t *testing.T) {
	root := t.TempDir()
	lines := filepath.Join(root, "lines")
	require.NoError(t, os.WriteFile(lines, []byte(threeRounds), 0o600))
	page := filepath.Join(root, "docs", "proof.md")
	require.NoError(t, os.Mkdir(filepath.Join(root, "docs"), 0o700))
	require.NoError(t, os.WriteFile(page, []byte("# x\n"+begin+"\n"+end+"\nrest\n"), 0o600))
	var out, log bytes.Buffer

	require.NoError(t, run(t.Context(), []string{"-n", "-in", lines, "-root", root}, &out, &log))
	assert.Contains(t, out.String(), "naive vpcd client: 20 a second (250×)")
	assert.Contains(t, log.String(), "not measured: tap to serial number")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "naive", "with -n nothing is written")

	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-n", "-best", "-in", lines, "-root", root}, &out, &log))
	assert.Contains(t, out.String(), "skythen/apdu: 50 ns")
	assert.Contains(t, out.String(), "The best of at least 1 rounds on AMD EPYC")

	raw := filepath.Join(root, "raw")
	require.NoError(t, run(t.Context(), []string{"-in", lines, "-root", root, "-raw", raw}, &out, &log))
	text, err = os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(text), "naive vpcd client")
	assert.Contains(t, string(text), "Medians of at least 1 rounds on AMD EPYC")
	assert.True(t, strings.HasSuffix(string(text), end+"\nrest\n"))
	assert.FileExists(t, filepath.Join(root, "docs", "figures", "growth.svg"))
	kept, err := os.ReadFile(raw)
	require.NoError(t, err)
	assert.Equal(t, threeRounds, string(kept))

	assert.NoError(t, run(t.Context(), []string{"-help"}, &out, &log))
	assert.Error(t, run(t.Context(), []string{"-furlongs"}, &out, &log))
	assert.Error(t, run(t.Context(), []string{"-rounds", "0"}, &out, &log))
	assert.Error(t, run(t.Context(), []string{"-in", filepath.Join(root, "none")}, &out, &log))
	require.NoError(t, os.WriteFile(page, nil, 0o600))
	assert.Error(t, run(t.Context(), []string{"-in", lines, "-root", root}, &out, &log))
}
