package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A panel is one log-log diagram: the size of the work across, its cost up.
type panel struct {
	title  string
	x, y   string // what the axes are
	group  string
	unit   string
	scale  float64 // of the unit to a second
	curves []curve
}

// A curve is one line of a panel.
type curve struct {
	label, who string
	colour     string
	dashed     bool
}

const (
	blue   = "#0b57d0" // this library
	orange = "#c2410c"
	green  = "#15803d"
	grey   = "#6b7280"
)

func panels() []panel {
	libraries := []curve{{"mynakit", "mynakit", blue, false}, {"moov-io", "moov", green, false}, {"skythen", "skythen", orange, false}}
	return []panel{
		{"Command APDU, encoded and parsed", "bytes of data", "processor time", "APDUGrowth", "cpu-ns/op", 1e-9,
			[]curve{{"mynakit", "mynakit", blue, false}, {"skythen", "skythen", orange, false}}},
		{"BER-TLV: objects side by side", "bytes", "processor time", "TLVSiblings", "cpu-ns/op", 1e-9, libraries},
		{"BER-TLV: objects nested", "bytes", "processor time", "TLVNesting", "cpu-ns/op", 1e-9, libraries},
		{"Tap to serial number, 106 kbit/s", "bytes of the certificate", "time on the air, modelled", "TapGrowth", "ms@106", 1e-3,
			[]curve{{"mynakit", "mynakit", blue, false}, {"myna-card", "myna-card", orange, false}, {"jsapdu", "jsapdu", green, false}, {"OpenSC", "opensc", grey, false}}},
		{"Merge file read and verified", "records", "processor time", "Mergefile", "cpu-ns/op", 1e-9,
			[]curve{{"mynakit", "mynakit", blue, false}, {"plain program", "plain", orange, false}, {"AES and MD5", "floor", grey, true}}},
		{"Merged exactly once, on a disk", "records in a file", "time by the clock", "Ledger", "ns/op", 1e-9,
			[]curve{{"mynakit", "mynakit", blue, false}, {"one by one", "sqlite-one-by-one", orange, false}, {"bbolt", "bbolt", green, false}, {"INSERTs alone", "sqlite-rows", grey, true}}},
	}
}

// The size of a panel and of its margins, in pixels.
const (
	width, height            = 400, 310
	left, right, top, bottom = 66, 92, 40, 50
	columns                  = 3
)

// plot draws the panels as SVG.
func plot(panels []panel, r results) []byte {
	var b bytes.Buffer
	rows := (len(panels) + columns - 1) / columns
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="Helvetica, Arial, 'Noto Sans', sans-serif" font-size="12" fill="#1f2937">`+"\n", columns*width, rows*height)
	b.WriteString("<title>How each cost grows with its work</title>\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", columns*width, rows*height)
	for i, p := range panels {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%columns*width, i/columns*height)
		p.draw(&b, r)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (p panel) draw(b *bytes.Buffer, r results) {
	type line struct {
		curve
		points []point
	}
	var lines []line
	var xs, ys []float64
	for _, c := range p.curves {
		points := r.series(p.group, c.who, p.unit)
		if len(points) == 0 {
			continue
		}
		for i := range points {
			points[i].y *= p.scale
			xs, ys = append(xs, points[i].x), append(ys, points[i].y)
		}
		lines = append(lines, line{c, points})
	}
	text(b, left, 22, `font-size="14" font-weight="bold"`, p.title)
	if len(lines) == 0 {
		text(b, left, height/2, "", "not measured")
		return
	}
	across := newAxis(xs, left, width-right)
	up := newAxis(ys, height-bottom, top)
	for _, v := range up.ticks() {
		y := up.at(v)
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#e5e7eb"/>`+"\n", left, y, width-right)
		text(b, left-6, y+4, `text-anchor="end"`, short(v)+"s")
	}
	for _, v := range across.ticks() {
		x := across.at(v)
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#e5e7eb"/>`+"\n", x, top, height-bottom)
		text(b, x, height-bottom+16, `text-anchor="middle"`, short(v))
	}
	fmt.Fprintf(b, `<path d="M%d %dV%dH%d" fill="none" stroke="#374151"/>`+"\n", left, top, height-bottom, width-right)
	text(b, (left+width-right)/2, height-bottom+36, `text-anchor="middle"`, p.x)
	text(b, 0, 0, fmt.Sprintf(`text-anchor="middle" transform="translate(14 %d) rotate(-90)"`, (top+height-bottom)/2), p.y)

	// The first curve is this library's: it is drawn last, over the others.
	slices.Reverse(lines)
	labels := make([]label, 0, len(lines))
	for _, l := range lines {
		fmt.Fprintf(b, `<path d="`)
		for i, q := range l.points {
			fmt.Fprintf(b, "%c%.1f %.1f", "ML"[min(i, 1)], across.at(q.x), up.at(q.y))
		}
		style := `stroke-width="1.8"`
		if l.dashed {
			style += ` stroke-dasharray="4 3"`
		}
		fmt.Fprintf(b, `" fill="none" stroke="%s" %s stroke-linejoin="round"/>`+"\n", l.colour, style)
		for _, q := range l.points {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="2.6" fill="%s"/>`+"\n", across.at(q.x), up.at(q.y), l.colour)
		}
		last := l.points[len(l.points)-1]
		labels = append(labels, label{l.label, l.colour, across.at(last.x), up.at(last.y)})
	}
	for _, l := range apart(labels) {
		text(b, l.x+7, l.y+4, fmt.Sprintf(`fill="%s"`, l.colour), l.text)
	}
}

// A label is a curve's name at its end.
type label struct {
	text, colour string
	x, y         float64
}

// apart moves labels up and down until none covers another.
func apart(labels []label) []label {
	const line = 13
	slices.SortFunc(labels, func(a, b label) int {
		if a.y < b.y {
			return -1
		}
		return 1
	})
	for range 100 {
		moved := false
		for i := range labels[1:] {
			a, b := &labels[i], &labels[i+1]
			if math.Abs(a.x-b.x) > 60 { // beside each other
				continue
			}
			if gap := line - (b.y - a.y); gap > 0.1 {
				a.y -= gap / 2
				b.y += gap / 2
				moved = true
			}
		}
		if !moved {
			break
		}
	}
	return labels
}

// An axis maps values to pixels by their logarithm.
type axis struct{ low, high, from, to float64 }

// newAxis spans the values, with a little room at both ends.
func newAxis(values []float64, from, to float64) axis {
	low, high := math.Log10(slices.Min(values)), math.Log10(slices.Max(values))
	room := max((high-low)*0.06, 0.03)
	return axis{low - room, high + room, from, to}
}

func (a axis) at(v float64) float64 {
	return a.from + (math.Log10(v)-a.low)/(a.high-a.low)*(a.to-a.from)
}

// ticks are powers of ten, or every second or third one where there are many,
// or two and five times them as well where there are few.
func (a axis) ticks() (out []float64) {
	decades := a.high - a.low
	step, factors := 1, []float64{1}
	switch {
	case decades > 9:
		step = 3
	case decades > 6:
		step = 2
	case decades < 1:
		factors = []float64{1, 1.5, 2, 3, 4, 5, 7}
	case decades < 2:
		factors = []float64{1, 2, 5}
	}
	for e := int(math.Floor(a.low)); e <= int(math.Ceil(a.high)); e++ {
		if e%step != 0 {
			continue
		}
		for _, f := range factors {
			v := f * math.Pow(10, float64(e))
			if l := math.Log10(v); l >= a.low && l <= a.high {
				out = append(out, v)
			}
		}
	}
	return out
}

// short gives a number with a prefix of a thousand: 20 µ, 4 k.
func short(v float64) string {
	prefixes := []string{"n", "µ", "m", "", "k", "M", "G"}
	i := 3
	for ; v < 0.9995 && i > 0; i-- {
		v *= 1e3
	}
	for ; v > 999.5 && i < len(prefixes)-1; i++ {
		v /= 1e3
	}
	s := strconv.FormatFloat(rounded(v, 3), 'f', -1, 64)
	if i == 3 {
		return s + " "
	}
	return s + " " + prefixes[i]
}

func text(b *bytes.Buffer, x, y float64, attributes, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" %s>`, x, y, attributes)
	xml.EscapeText(b, []byte(s)) // a bytes.Buffer does not fail
	b.WriteString("</text>\n")
}
