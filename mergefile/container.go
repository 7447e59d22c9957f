package mergefile

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
)

// outerForm is a text form around the encrypted bytes. Each text stands for one
// string of bytes and each string of bytes has one text: whatever is changed in
// the text, even an unused bit or a line end, is seen.
type outerForm struct {
	group  int              // characters that are decoded together; 0 for no text at all
	binary int              // bytes in a group
	base64 *base64.Encoding // nil for hexadecimal
	upper  bool             // the case of hexadecimal digits
	line   int              // characters in a full line; 0 for one endless line
}

// outers are the choices of CipherForm.Outer.
var outers = table[Outer, outerForm]{
	{OuterBinary, outerForm{}},
	{OuterBase64, outerForm{group: 4, binary: 3, base64: base64.StdEncoding.Strict()}},
	{OuterBase64W, outerForm{group: 4, binary: 3, base64: base64.StdEncoding.Strict(), line: 64}},
	{OuterBase64M, outerForm{group: 4, binary: 3, base64: base64.StdEncoding.Strict(), line: 76}},
	{OuterHexLower, outerForm{group: 2, binary: 1}},
	{OuterHexUpper, outerForm{group: 2, binary: 1, upper: true}},
}

// decode decodes whole groups.
func (f outerForm) decode(dst, src []byte) (int, bool) {
	if f.base64 != nil {
		// The standard decoder steps over line ends wherever they are.
		if bytes.IndexByte(src, '\n') >= 0 || bytes.IndexByte(src, '\r') >= 0 {
			return 0, false
		}
		n, err := f.base64.Decode(dst, src)
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

func (f outerForm) encode(dst, b []byte) []byte {
	switch {
	case f.base64 != nil:
		return f.base64.AppendEncode(dst, b)
	case f.upper:
		n := len(dst)
		dst = hex.AppendEncode(dst, b)
		return append(dst[:n], bytes.ToUpper(dst[n:])...)
	}
	return hex.AppendEncode(dst, b)
}

// hexDigit returns the value of a hexadecimal digit in the given case, or 255.
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

// newContainerReader takes the text form off a stream. It sets bad for a fault.
func newContainerReader(c *CipherForm, src io.Reader, bad *bool) io.Reader {
	form := outers.row(c.Outer)
	if form.group == 0 {
		return src
	}
	return &outerReader{outerForm: form, eol: c.OuterEOL.bytes(), src: src, bad: bad}
}

// outerReader decodes the text form. On a fault it sets bad and goes on, with
// the broken part left out, so that the rest of the file is still worked on.
type outerReader struct {
	outerForm
	eol   string // behind each line, the last one too
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
		if r.eol != "" && r.in[0] == r.eol[0] {
			if len(r.in) < len(r.eol) && !eof {
				return
			}
			if len(r.in) < len(r.eol) || string(r.in[:len(r.eol)]) != r.eol || r.col == 0 || r.final && r.col < 0 {
				r.fault(1)
				continue
			}
			r.in = r.in[len(r.eol):]
			if r.line == 0 || r.col < r.line {
				r.final = true // a short line is the last
				r.col = -1
			} else {
				r.col = 0
			}
			continue
		}
		if r.line > 0 && r.col == r.line || r.col < 0 {
			r.fault(1) // text where a line end belongs, or behind the end
			continue
		}
		// As many groups as there are, up to the line's end.
		n := len(r.in)
		if r.line > 0 {
			n = min(n, r.line-r.col)
		}
		if r.eol != "" {
			if i := bytes.IndexByte(r.in[:n], r.eol[0]); i >= 0 {
				n = i
			}
		}
		whole := n - n%r.group
		if whole == 0 {
			if n == len(r.in) && !eof {
				return // the rest of the group is still to come
			}
			r.fault(n)
			continue
		}
		m, ok := r.decode(r.room[len(r.out):], r.in[:whole])
		if !ok || r.final {
			r.fault(0)
		}
		if m < whole/r.group*r.binary {
			r.final = true // padded with "=": only the line end may follow
		}
		r.out = r.room[:len(r.out)+m]
		r.in = r.in[whole:]
		r.col += whole
	}
	if eof && r.eol != "" && r.col > 0 {
		r.fault(0) // the last line end is missing
	}
}

// fault steps over n characters that are not what they should be.
func (r *outerReader) fault(n int) {
	*r.bad = true
	r.in = r.in[n:]
}

// newContainerWriter puts the text form around what is written to it.
func newContainerWriter(c *CipherForm, dst io.Writer) io.WriteCloser {
	return &outerWriter{outerForm: outers.row(c.Outer), eol: c.OuterEOL.bytes(), dst: dst}
}

// outerWriter writes the text form; Close writes the last line.
type outerWriter struct {
	outerForm
	eol  string
	dst  io.Writer
	in   []byte // bytes that do not fill a line or a group yet
	text []byte
}

func (w *outerWriter) Write(p []byte) (int, error) {
	if w.group == 0 {
		return w.dst.Write(p)
	}
	w.in = append(w.in, p...)
	n := len(w.in) - len(w.in)%w.unit()
	if err := w.emit(w.in[:n]); err != nil {
		return 0, err
	}
	w.in = w.in[:copy(w.in, w.in[n:])]
	return len(p), nil
}

// unit returns the number of bytes in a full line, or in a group where lines
// do not wrap.
func (w *outerWriter) unit() int { return max(w.line/w.group, 1) * w.binary }

func (w *outerWriter) emit(b []byte) error {
	w.text = w.text[:0]
	for len(b) > 0 {
		n := len(b)
		if w.line > 0 {
			n = min(n, w.unit())
		}
		w.text = w.encode(w.text, b[:n])
		if w.line > 0 {
			w.text = append(w.text, w.eol...)
		}
		b = b[n:]
	}
	_, err := w.dst.Write(w.text)
	return err
}

func (w *outerWriter) Close() error {
	if w.group == 0 {
		return nil
	}
	err := w.emit(w.in)
	w.in = w.in[:0]
	if err == nil && w.line == 0 && w.eol != "" {
		_, err = io.WriteString(w.dst, w.eol)
	}
	return err
}
