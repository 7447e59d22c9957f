package mergefile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// field indexes the four fields.
type field int

const (
	fieldHolder field = iota
	fieldPoints
	fieldTransaction
	fieldHash
)

// String returns the field's name as columns and errors have it.
func (f field) String() string {
	return [...]string{"holder", "points", "transaction", "hash"}[f]
}

// layout is how the four fields lie in the text of a record.
type layout struct {
	delim       string    // between the fields; a line end where lines is set
	open, close [4]string // around each field
	header      bool      // it may have a header row
	lines       bool      // each field has a line of its own
	named       bool      // the field's name and "=" stand in front of it
	fixed       bool      // each field has its width, and nothing stands between
}

var quoted = [4]string{`"`, `"`, `"`, `"`}

// layouts are the choices of Profile.Layout.
var layouts = table[Layout, layout]{
	{LayoutCSV, layout{delim: ",", header: true}},
	{LayoutCSVQuoted, layout{delim: ",", header: true, open: quoted, close: quoted}},
	{LayoutTSV, layout{delim: "\t", header: true}},
	{LayoutLines, layout{lines: true}},
	{LayoutKeyValue, layout{lines: true, named: true}},
	{LayoutFixed, layout{fixed: true}},
	{"semicolon", layout{delim: ";", header: true}},
	{"pipe", layout{delim: "|", header: true}},
	{"comma-space", layout{delim: ", ", header: true}},
	{"holder-quoted", layout{delim: ",", header: true, open: [4]string{`"`}, close: [4]string{`"`}}},
	{"excel", layout{delim: ",", header: true, open: [4]string{`="`}, close: [4]string{`"`}}}, // so that Excel leaves zeros in front
}

// newLayout makes a profile's layout ready, and writes its header row.
func (c *codec) newLayout() error {
	p := &c.p
	c.layout = layouts.row(p.Layout)
	c.eol = p.EOL.bytes()
	c.newline = []byte("\n")
	if n := len(c.eol); n > 0 {
		c.newline = []byte(c.eol[n-1:])
	}
	if c.lines {
		c.delim = c.eol
	}
	if p.TrailingDelimiter {
		c.behind = c.delim
	}
	c.behind += strings.Repeat(" ", p.Fill)
	c.columns = max(p.Transaction.Columns, 1)
	c.number = p.Transaction.inColumns(c.delim)
	c.epilog = p.epilog()
	var names [][]byte
	for _, name := range p.Names {
		b, err := p.Charset.encode(name)
		if err != nil {
			return err
		}
		names = append(names, b)
	}
	c.prolog = append(c.prolog, charsets.row(p.Charset).mark...)
	add := func(ascii string) { c.prolog = c.widen(append(c.prolog, ascii...), len(c.prolog)) }
	for i, name := range names {
		if c.named {
			c.open[i] = string(name) + "="
			continue
		}
		j := min(i, int(fieldHash)) // a name for each column
		if i > 0 {
			add(c.delim)
		}
		add(c.open[j])
		c.prolog = append(c.prolog, name...)
		add(c.close[j])
	}
	if p.Header {
		add(c.behind + c.eol)
	}
	for i := range c.stops {
		c.stops[i] = []byte(c.close[i] + c.delim)
	}
	c.widths = [4]int{p.Holder.Max, p.Points.Digits, len(c.number.Time) + len(c.number.Join) + c.seqMax, c.hash.max}
	switch p.Points.Text {
	case "plus":
		c.widths[fieldPoints]++
	case "commas":
		c.widths[fieldPoints] += (p.Points.Digits - 1) / 3
	}
	c.measure()
	return nil
}

// measure finds the lengths between which records lie. They bound the memory
// for a record that never ends.
func (c *codec) measure() {
	p := &c.p
	pointsMin := 1
	if p.Points.filled() {
		pointsMin = p.Points.Digits
	}
	c.minLen = p.Holder.Min + pointsMin + c.widths[fieldTransaction] - c.seqMax + c.seqMin + c.hash.min
	c.maxLen = c.widths[0] + c.widths[1] + c.widths[2] + c.widths[3]
	if c.fixed {
		c.minLen = c.maxLen
	}
	around := 3*len(c.delim) + len(c.behind) + len(c.eol)
	for i := range c.open {
		around += len(c.open[i]) + len(c.close[i])
	}
	c.minLen += around
	c.maxLen += around
	c.ends = min(1, len(c.eol))
	if c.lines {
		c.ends = 4
	}
	if c.hash.raw {
		c.ends = 0 // a line end may be part of the hash
	}
	if c.ends == 0 && c.fixed {
		c.fixedLen = c.maxLen
	}
}

// lastEnd returns where the last whole record of b ends, and 0 if none does.
func (c *codec) lastEnd(b []byte) int {
	if c.fixedLen > 0 {
		return len(b) - len(b)%c.fixedLen
	}
	if c.ends == 0 {
		return 0
	}
	end := len(b)
	for range bytes.Count(b, c.newline) % c.ends {
		end = bytes.LastIndex(b[:end], c.newline)
	}
	return bytes.LastIndex(b[:end], c.newline) + 1
}

// cut takes the first record off b: rec is without its end. With a record that
// does not end properly ok is false, and rec and rest are such that the work
// goes on at the usual pace.
func (c *codec) cut(b []byte, last bool) (rec, rest []byte, ok bool) {
	end := -1
	switch {
	case c.fixedLen > 0:
		end = c.fixedLen
	case c.ends > 0:
		end = 0
		for range c.ends {
			i := bytes.IndexByte(b[end:min(len(b), c.maxLen)], c.newline[0])
			if i < 0 {
				end = -1
				break
			}
			end += i + 1
		}
	}
	if final := last && !c.p.FinalEOL; final && (end < 0 && len(b) <= c.maxLen || end > len(b)) {
		rec, ok = bytes.CutSuffix(b, []byte(c.behind))
		return rec, nil, ok // the last record, without a line end
	} else if c.p.Records == RecordsOne && end < 0 && len(b) <= c.maxLen {
		end = len(b)
	}
	if end < 0 || end > len(b) {
		n := min(len(b), (c.minLen+c.maxLen)/2)
		return b[:n], b[n:], false
	}
	rec, rest = b[:end], b[end:]
	if !bytes.HasSuffix(rec, []byte(c.eol)) {
		return rec, rest, false
	}
	// Without a final line end the last record must not have one.
	ok = !(last && len(rest) == 0 && !c.p.FinalEOL && c.eol != "")
	rec, found := bytes.CutSuffix(rec[:len(rec)-len(c.eol)], []byte(c.behind))
	return rec, rest, ok && found
}

// split finds the four fields of a record. On failure it returns the field in
// which it happened.
func (c *codec) split(rec []byte, f *fields) (field, bool) {
	if c.fixed {
		for i, w := range c.widths {
			if len(rec) < w {
				return field(i), false
			}
			f.written[i], rec = rec[:w], rec[w:]
		}
		f.bare = f.written
		f.bare[fieldHolder] = bytes.TrimRight(f.written[fieldHolder], " ")
		return fieldHash, len(rec) == 0
	}
	for i := range f.bare {
		from := len(c.open[i])
		if len(rec) < from || string(rec[:from]) != c.open[i] {
			return field(i), false
		}
		to := len(rec) - len(c.close[i])
		if field(i) < fieldHash {
			// What closes the field, and the delimiter behind that.
			to = from
			for range c.columns - 1 {
				if field(i) == fieldTransaction {
					to += bytes.Index(rec[to:], c.stops[i]) + len(c.stops[i])
				}
			}
			if n := bytes.Index(rec[to:], c.stops[i]); n < 0 {
				to = -1
			} else {
				to += n
			}
		}
		if to < from || string(rec[to:to+len(c.close[i])]) != c.close[i] {
			return field(i), false
		}
		f.bare[i] = rec[from:to]
		to += len(c.close[i])
		f.written[i] = rec[:to]
		if field(i) < fieldHash {
			rec = rec[to+len(c.delim):]
		}
	}
	return 0, true
}

// write appends a field as the layout writes it.
func (c *codec) write(dst []byte, i field, text []byte) []byte {
	dst = append(append(append(dst, c.open[i]...), text...), c.close[i]...)
	if c.fixed && i == fieldHolder {
		for range c.widths[i] - len(text) {
			dst = append(dst, ' ')
		}
	}
	return dst
}

func (p *Profile) validateText(v *validation) {
	check(v, "records", p.Records, RecordsOne, RecordsMany)
	check(v, "layout", p.Layout, layouts.names()...)
	check(v, "charset", p.Charset, charsets.names()...)
	check(v, "eol", p.EOL, eols.names()...)
	check(v, "tail", p.Tail, tails...)
	l := layouts.row(p.Layout)
	v.when(p.Tail == "eol" && p.EOL == EOLNone, "tail", "there is no end of line to write")
	v.when(p.Tail != "" && (l.fixed && p.EOL == EOLNone || hashTexts.row(p.Hash.Text).raw), "tail", "nothing tells it from a record")
	v.when(p.TrailingDelimiter && (l.fixed || l.lines), "trailing_delimiter", "this layout has no delimiter")
	v.when(p.Fill < 0 || p.Fill > 64 || p.Fill > 0 && !l.fixed, "fill", "0 to 64 spaces, behind records of a fixed layout")
	v.when(charsets.row(p.Charset).wide && (l.named || hashTexts.row(p.Hash.Text).raw), "charset", "names within records and raw bytes are not of two bytes a character")
	v.when(p.EOL == EOLNone && (l.lines || p.Header || p.Records == RecordsMany && !l.fixed),
		"eol", "nothing tells the lines apart")
	v.when(p.EOL == EOLNone && p.FinalEOL, "final_eol", "there is no end of line to write")
	v.when(p.Header && !l.header, "header", "only CSV and TSV have a header row")

	if !p.Header && !l.named {
		v.when(len(p.Names) != 0, "names", "unused without a header row or key-value lines")
		return
	}
	if len(p.Names) != 3+max(p.Transaction.Columns, 1) {
		v.add("names", "a name for each column is needed: four")
		return
	}
	for i, name := range p.Names {
		axis := fmt.Sprintf("names[%d]", i)
		b, err := p.Charset.encode(name)
		if err != nil {
			v.add(axis, err.Error())
		}
		v.when(len(b) == 0 || len(b) > 64 || l.delim != "" && strings.Contains(name, l.delim), axis, "1 to 64 bytes without the delimiter are needed")
		v.when(strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7F || r == '"' || r == ',' || r == '=' }),
			axis, "a control character or one of \" , =")
		v.when(slices.Contains(p.Names[:i], name), axis, "the same name twice")
	}
}
