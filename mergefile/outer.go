package mergefile

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
)

// outerForm is the text form around the encrypted bytes. Each text stands for
// one string of bytes and each string of bytes has one text: whatever is
// changed in the text, even an unused bit or a line end, is seen.
type outerForm struct {
	hex    bool
	upper  bool
	line   int    // characters in a full line; 0 for one endless line
	eol    string // behind each line, the last one too
	group  int    // characters that are decoded together
	binary int    // bytes in a group
}

func (c CipherForm) outerForm() (f outerForm, text bool) {
	f.eol = c.OuterEOL.bytes()
	f.group, f.binary = 4, 3
	switch c.Outer {
	case OuterBase64W:
		f.line = 64
	case OuterBase64M:
		f.line = 76
	case OuterHexLower, OuterHexUpper:
		f.hex, f.upper = true, c.Outer == OuterHexUpper
		f.group, f.binary = 2, 1
	}
	return f, c.Outer != OuterBinary && c.Outer != ""
}

// decode decodes whole groups.
func (f outerForm) decode(dst, src []byte) (int, bool) {
	if !f.hex {
		// The standard decoder steps over line ends wherever they are.
		if bytes.IndexByte(src, '\n') >= 0 || bytes.IndexByte(src, '\r') >= 0 {
			return 0, false
		}
		n, err := base64.StdEncoding.Strict().Decode(dst, src)
		return n, err == nil
	}
	for i := 0; i+2 <= len(src); i += 2 {
		hi, lo := hexDigit(src[i], f.upper), hexDigit(src[i+1], f.upper)
		if hi|lo > 15 {
			return i / 2, false
		}
		dst[i/2] = hi<<4 | lo
	}
	return len(src) / 2, len(src)%2 == 0
}

// hexDigit gives the value of a hexadecimal digit in the given case, or 255.
func hexDigit(c byte, upper bool) byte {
	a := byte('a')
	if upper {
		a = 'A'
	}
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c-a <= 5:
		return c - a + 10
	}
	return 255
}

// outerReader decodes the text form. On a fault it sets bad and goes on, with
// the broken part left out, so that the rest of the file is still worked on.
type outerReader struct {
	form  outerForm
	src   io.Reader
	bad   *bool
	in    []byte // text read and not yet decoded
	buf   [4096]byte
	out   []byte // decoded and not yet read
	room  [4096]byte
	col   int // characters so far in this line
	ended bool
	final bool // a short group or a short line was seen: nothing may follow
	err   error
}

func newOuterReader(f outerForm, src io.Reader, bad *bool) *outerReader {
	return &outerReader{form: f, src: src, bad: bad}
}

func (r *outerReader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.ended {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// fill reads some text and decodes what can be decoded.
func (r *outerReader) fill() {
	kept := copy(r.buf[:], r.in)
	n, err := r.src.Read(r.buf[kept:])
	r.in = r.buf[:kept+n]
	r.out = r.room[:0]
	eof := err != nil
	if eof {
		r.ended, r.err = true, err
	}
	for len(r.in) > 0 {
		f := r.form
		atEOL := f.eol != "" && r.in[0] == f.eol[0]
		if atEOL {
			if len(r.in) < len(f.eol) && !eof {
				return
			}
			if len(r.in) < len(f.eol) || string(r.in[:len(f.eol)]) != f.eol || r.col == 0 || r.final && r.col < 0 {
				r.fault()
				r.in = r.in[1:]
				continue
			}
			r.in = r.in[len(f.eol):]
			if f.line == 0 || r.col < f.line {
				r.final = true // a short line is the last
				r.col = -1
			} else {
				r.col = 0
			}
			continue
		}
		if f.line > 0 && r.col == f.line || r.col < 0 {
			r.fault() // text where a line end belongs, or behind the end
			r.in = r.in[1:]
			continue
		}
		// As many groups as there are, up to the line's end.
		n := len(r.in)
		if f.line > 0 {
			n = min(n, f.line-r.col)
		}
		if f.eol != "" {
			for i, c := range r.in[:n] {
				if c == f.eol[0] {
					n = i
					break
				}
			}
		}
		whole := n - n%f.group
		if whole == 0 {
			if n == len(r.in) && !eof {
				return // the rest of the group is still to come
			}
			r.fault()
			r.in = r.in[n:]
			continue
		}
		m, ok := f.decode(r.room[len(r.out):], r.in[:whole])
		if !ok || r.final {
			r.fault()
		}
		if m < whole/f.group*f.binary {
			r.final = true // padded with "=": only the line end may follow
		}
		r.out = r.room[:len(r.out)+m]
		r.in = r.in[whole:]
		r.col += whole
	}
	if eof && r.form.eol != "" && r.col > 0 {
		r.fault() // the last line end is missing
	}
}

func (r *outerReader) fault() { *r.bad = true }

// outerWriter writes the text form; Close writes the last line.
type outerWriter struct {
	form outerForm
	dst  io.Writer
	in   []byte // bytes that do not fill a line or a group yet
	text []byte
}

func (w *outerWriter) Write(p []byte) (int, error) {
	w.in = append(w.in, p...)
	per := w.form.binary
	if w.form.line > 0 {
		per = w.form.line / w.form.group * w.form.binary
	}
	n := len(w.in) - len(w.in)%per
	if err := w.emit(w.in[:n], per); err != nil {
		return 0, err
	}
	w.in = w.in[:copy(w.in, w.in[n:])]
	return len(p), nil
}

// emit writes whole lines, or whole groups where nothing wraps.
func (w *outerWriter) emit(b []byte, per int) error {
	w.text = w.text[:0]
	for len(b) > 0 {
		n := len(b)
		if w.form.line > 0 {
			n = min(n, per)
		}
		w.text = w.form.encode(w.text, b[:n])
		if w.form.line > 0 {
			w.text = append(w.text, w.form.eol...)
		}
		b = b[n:]
	}
	_, err := w.dst.Write(w.text)
	return err
}

func (w *outerWriter) Close() error {
	if err := w.emit(w.in, len(w.in)); err != nil {
		return err
	}
	w.in = w.in[:0]
	if w.form.line == 0 && w.form.eol != "" {
		_, err := io.WriteString(w.dst, w.form.eol)
		return err
	}
	return nil
}

func (f outerForm) encode(dst, b []byte) []byte {
	if !f.hex {
		return base64.StdEncoding.AppendEncode(dst, b)
	}
	n := len(dst)
	dst = hex.AppendEncode(dst, b)
	if f.upper {
		for i, c := range dst[n:] {
			if c >= 'a' {
				dst[n+i] = c - 'a' + 'A'
			}
		}
	}
	return dst
}
