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
	short  bool             // the last group may be short
	twice  bool             // the text is in the same form once more
}

// outers are the choices of CipherForm.Outer.
var outers = table[Outer, outerForm]{
	{OuterBinary, outerForm{}},
	{OuterBase64, outerForm{group: 4, binary: 3, base64: base64.StdEncoding.Strict()}},
	{OuterBase64W, outerForm{group: 4, binary: 3, base64: base64.StdEncoding.Strict(), line: 64}},
	{OuterBase64M, outerForm{group: 4, binary: 3, base64: base64.StdEncoding.Strict(), line: 76}},
	{OuterHexLower, outerForm{group: 2, binary: 1}},
	{OuterHexUpper, outerForm{group: 2, binary: 1, upper: true}},
	{"base64-twice", outerForm{group: 4, binary: 3, base64: base64.StdEncoding.Strict(), twice: true}}, // PHP's openssl_encrypt without OPENSSL_RAW_DATA
	{"base64-url", outerForm{group: 4, binary: 3, base64: base64.RawURLEncoding.Strict(), short: true}},
	{"hex-60", outerForm{group: 2, binary: 1, line: 60}}, // xxd -p
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
	r := &outerReader{outerForm: form, eol: c.OuterEOL.bytes(), open: c.OuterOpen, src: src, bad: bad}
	switch {
	case form.twice:
		return &outerReader{outerForm: form, src: r, bad: bad}
	case c.OuterIV != "":
		return io.MultiReader(&ivReader{c: c, src: src, bad: bad}, r)
	}
	return r
}

// ivReader reads an IV that is a text of its own.
type ivReader struct {
	c    *CipherForm
	src  io.Reader
	bad  *bool
	read bool
	iv   []byte
}

func (r *ivReader) Read(p []byte) (int, error) {
	if !r.read {
		r.read, r.iv = true, make([]byte, 3*blockSize)
		text := appendIV(nil, r.c, r.iv[:blockSize])
		_, err := io.ReadFull(r.src, text)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return 0, err
		}
		n, ok := outers.row(r.c.OuterIV).decode(r.iv, text[:len(text)-1])
		if !ok || n != blockSize || text[len(text)-1] != r.c.OuterJoin[0] {
			*r.bad = true
		}
		r.iv = r.iv[:blockSize]
	}
	n := copy(p, r.iv)
	if r.iv = r.iv[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// appendIV writes an IV as a text of its own.
func appendIV(dst []byte, c *CipherForm, iv []byte) []byte {
	return append(outers.row(c.OuterIV).encode(dst, iv), c.OuterJoin...)
}

// endFirst is a file whose last bytes, the IV, stand in front.
type endFirst struct {
	io.ReaderAt
	size int64
}

func (f endFirst) ReadAt(p []byte, at int64) (int, error) {
	n := 0
	if at < blockSize {
		n = min(len(p), int(blockSize-at))
		if m, err := f.ReaderAt.ReadAt(p[:n], f.size-blockSize+at); m < n {
			return m, err
		}
	}
	rest := min(int64(len(p)-n), f.size-at-int64(n))
	m, err := f.ReaderAt.ReadAt(p[n:n+int(max(rest, 0))], at+int64(n)-blockSize)
	if n += m; err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// reader reads a file in memory, the IV in front.
func (c *CipherForm) reader(file []byte) io.Reader {
	return io.NewSectionReader(c.reorder(bytes.NewReader(file), int64(len(file))), 0, int64(len(file)))
}

// reorder returns the file with the IV in front.
func (c *CipherForm) reorder(at io.ReaderAt, size int64) io.ReaderAt {
	if ivs.row(c.IV).end && size >= blockSize {
		return endFirst{at, size}
	}
	return at
}

// outerReader decodes the text form. On a fault it sets bad and goes on, with
// the broken part left out, so that the rest of the file is still worked on.
type outerReader struct {
	outerForm
	eol   string // behind each line
	open  bool   // but not behind the last one
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
			if !r.short {
				r.fault(n)
				continue
			}
			whole = n
		}
		m, ok := r.decode(r.room[len(r.out):], r.in[:whole])
		if !ok || r.final {
			r.fault(0)
		}
		if m < whole/r.group*r.binary || whole < r.group {
			r.final = true // padded with "=": only the line end may follow
		}
		r.out = r.room[:len(r.out)+m]
		r.in = r.in[whole:]
		r.col += whole
	}
	if eof && r.eol != "" && (r.col > 0) != r.open {
		r.fault(0) // the last line end is missing, or should be
	}
}

// fault steps over n characters that are not what they should be.
func (r *outerReader) fault(n int) {
	*r.bad = true
	r.in = r.in[n:]
}

// newContainerWriter puts the text form around what is written to it.
func newContainerWriter(c *CipherForm, dst io.Writer) io.WriteCloser {
	form := outers.row(c.Outer)
	w := &outerWriter{outerForm: form, eol: c.OuterEOL.bytes(), open: c.OuterOpen, dst: dst}
	if form.twice {
		w = &outerWriter{outerForm: form, dst: w}
	}
	return w
}

// outerWriter writes the text form; Close writes the last line.
type outerWriter struct {
	outerForm
	eol   string
	open  bool
	dst   io.Writer
	in    []byte // bytes that do not fill a line or a group yet
	text  []byte
	begun bool
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
		if w.open && w.begun {
			w.text = append(w.text, w.eol...)
		}
		w.begun = true
		w.text = w.encode(w.text, b[:n])
		if w.line > 0 && !w.open {
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
	if outer, ok := w.dst.(*outerWriter); ok && err == nil {
		err = outer.Close()
	}
	return err
}
