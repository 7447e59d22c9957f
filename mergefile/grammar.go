package mergefile

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// codec is a profile made ready: the grammar of its text and the input of its
// hash. It is made once for each file and never changed, so that several
// goroutines share it.
//
// The grammar is strict on purpose. MD5 with a secret in front can be extended
// and MD5 collides, but both roads need bytes that are not letters, digits or
// the profile's own delimiters, and the grammar refuses those before anything
// is believed.
type codec struct {
	p      Profile
	prolog []byte // byte order mark and header row
	eol    string
	secret []byte

	delim    byte      // between the fields of CSV and TSV
	labels   [4][]byte // "name=" of key-value lines
	chars    [256]bool // of a holder
	digits   [256]byte // values of hexadecimal digits, 255 for all else
	hashLen  int       // characters of field 4
	seqMin   int       // digits of the sequence
	seqMax   int
	lines    int    // line ends inside a record's text and behind it; 0 if there are none to go by
	fixedLen int    // length of a record with its end, where lines is 0 and records are many
	minLen   int    // the least and greatest length of a record with its end
	maxLen   int    //
	tail     string // behind the hash's input
	straight bool   // the hash's input up to the secret stands in the line as it is
	scans    bool   // scan knows this layout
}

// field indexes the four fields.
type field int

const (
	fieldHolder field = iota
	fieldPoints
	fieldTransaction
	fieldHash
)

// newCodec prepares a valid profile. The secret is in its final bytes.
func newCodec(p Profile, secret []byte) (*codec, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	c := &codec{p: p, eol: p.EOL.bytes(), secret: secret, tail: p.Hash.EOL.bytes()}
	c.delim = ','
	if p.Layout == LayoutTSV {
		c.delim = '\t'
	}
	for i := range c.chars {
		b := byte(i)
		c.chars[i] = b-'0' <= 9 || p.Holder.Chars != CharsDigits && b-'A' <= 25 || p.Holder.Chars == CharsAlnum && b-'a' <= 25
	}
	for i := range c.digits {
		b := byte(i)
		c.digits[i] = hexDigit(b, p.Hash.Text == HashHexUpper)
		if p.Hash.Text == HashHexAny && b-'A' <= 5 {
			c.digits[i] = b - 'A' + 10
		}
	}
	switch p.Hash.Text {
	case HashRaw:
		c.hashLen = md5.Size
	case HashBase64:
		c.hashLen = base64.StdEncoding.EncodedLen(md5.Size)
	default:
		c.hashLen = 2 * md5.Size
	}
	c.seqMin, c.seqMax = p.Transaction.Digits, p.Transaction.Digits
	if p.Transaction.Digits == 0 {
		c.seqMin, c.seqMax = 1, maxSequenceWidth
	}
	c.straight = (p.Layout == LayoutCSV || p.Layout == LayoutTSV) && p.Hash.Join == string(c.delim) &&
		p.Hash.SecretJoin == p.Hash.Join && p.Hash.Place == SecretSuffix

	c.scans = (p.Layout == LayoutCSV || p.Layout == LayoutTSV) && p.EOL != EOLNone && p.FinalEOL &&
		p.Transaction.Time == TimeSeconds && p.Transaction.Join == "" && p.Transaction.Digits == 6 &&
		p.Hash.Text != HashBase64 && p.Hash.Text != HashRaw

	names, err := c.encodeNames()
	if err != nil {
		return nil, err
	}
	c.prolog = append(c.prolog, p.Charset.mark()...)
	if p.Header {
		for i, name := range names {
			if i > 0 {
				c.prolog = append(c.prolog, c.delim)
			}
			c.prolog = c.quote(c.prolog, name)
		}
		c.prolog = append(c.prolog, c.eol...)
	}
	if p.Layout == LayoutKeyValue {
		for i, name := range names {
			c.labels[i] = append(name, '=')
		}
	}
	c.measure()
	return c, nil
}

func (c *codec) encodeNames() ([][]byte, error) {
	var names [][]byte
	for _, name := range c.p.Names {
		b, err := c.p.Charset.encode(name)
		if err != nil {
			return nil, err
		}
		names = append(names, b)
	}
	return names, nil
}

// measure finds the lengths between which records lie. They bound the memory
// for a record that never ends.
func (c *codec) measure() {
	p := c.p
	pointsMin := 1
	if p.Points.ZeroFill {
		pointsMin = p.Points.Digits
	}
	number := len(p.Transaction.Time) + len(p.Transaction.Join)
	c.minLen = p.Holder.Min + pointsMin + number + c.seqMin + c.hashLen
	c.maxLen = p.Holder.Max + p.Points.Digits + number + c.seqMax + c.hashLen
	around := len(c.eol)
	c.lines = min(1, len(c.eol))
	switch p.Layout {
	case LayoutCSV, LayoutTSV:
		around += 3
	case LayoutCSVQuoted:
		around += 3 + 8
	case LayoutFixed:
		c.minLen = c.maxLen
		if p.Hash.Text == HashRaw {
			c.lines = 0
		}
	case LayoutLines, LayoutKeyValue:
		around = 4 * len(c.eol)
		for _, label := range c.labels {
			around += len(label)
		}
		c.lines = 4
	}
	c.minLen += around
	c.maxLen += around
	if p.Hash.Text == HashRaw {
		c.lines = 0 // a line end may be part of the hash
	}
	if c.lines == 0 && p.Layout == LayoutFixed {
		c.fixedLen = c.maxLen
	}
}

// lastEnd gives where the last whole record of b ends, and 0 if none does.
func (c *codec) lastEnd(b []byte) int {
	if c.fixedLen > 0 {
		return len(b) - len(b)%c.fixedLen
	}
	if c.lines == 0 {
		return 0
	}
	end := len(b)
	for range bytes.Count(b, newline) % c.lines {
		end = bytes.LastIndexByte(b[:end], '\n')
	}
	return bytes.LastIndexByte(b[:end], '\n') + 1
}

var newline = []byte{'\n'}

// next cuts the first record off b: rec is without its end. With a record that
// does not end properly ok is false, and rec and rest are such that the work
// goes on at the usual pace.
func (c *codec) next(b []byte, last bool) (rec, rest []byte, ok bool) {
	end := -1
	switch {
	case c.fixedLen > 0:
		end = c.fixedLen
	case c.lines > 0:
		end = 0
		for range c.lines {
			i := bytes.IndexByte(b[end:min(len(b), c.maxLen)], '\n')
			if i < 0 {
				end = -1
				break
			}
			end += i + 1
		}
	}
	if final := last && !c.p.FinalEOL; final && (end < 0 && len(b) <= c.maxLen || end > len(b)) {
		return b, nil, true // the last record, without an end
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
	return rec[:len(rec)-len(c.eol)], rest, ok
}

// fields are the four fields of a record, as written and bare of quotes and
// fill. They alias the text.
type fields struct {
	written [4][]byte
	bare    [4][]byte

	// The date that scan met last, as text and in days since 1970: most records
	// of a file are of the same day.
	date uint64
	days int64
}

// split finds the four fields of a record. On failure it tells the field in
// which it happened.
func (c *codec) split(rec []byte, f *fields) (field, bool) {
	switch c.p.Layout {
	case LayoutCSV, LayoutTSV:
		for i := range fieldHash {
			n := bytes.IndexByte(rec, c.delim)
			if n < 0 {
				return i, false
			}
			f.bare[i], rec = rec[:n], rec[n+1:]
		}
		f.bare[fieldHash] = rec
		f.written = f.bare
	case LayoutCSVQuoted:
		for i := range f.bare {
			if len(rec) < 2 || rec[0] != '"' {
				return field(i), false
			}
			n := bytes.IndexByte(rec[1:], '"')
			if field(i) == fieldHash {
				n = len(rec) - 2 // raw bytes may hold a quote
			}
			if n < 0 || rec[n+1] != '"' {
				return field(i), false
			}
			f.bare[i], f.written[i], rec = rec[1:n+1], rec[:n+2], rec[n+2:]
			if field(i) < fieldHash {
				if len(rec) == 0 || rec[0] != ',' {
					return field(i), false
				}
				rec = rec[1:]
			}
		}
	case LayoutFixed:
		widths := [4]int{c.p.Holder.Max, c.p.Points.Digits,
			len(c.p.Transaction.Time) + len(c.p.Transaction.Join) + c.seqMax, c.hashLen}
		for i, w := range widths {
			if len(rec) < w {
				return field(i), false
			}
			f.written[i], rec = rec[:w], rec[w:]
		}
		if len(rec) > 0 {
			return fieldHash, false
		}
		f.bare = f.written
		f.bare[fieldHolder] = bytes.TrimRight(f.written[fieldHolder], " ")
	case LayoutLines, LayoutKeyValue:
		for i := range f.bare {
			line := rec
			if field(i) < fieldHash {
				n := bytes.IndexByte(rec, '\n') + 1
				if n < len(c.eol) || string(rec[n-len(c.eol):n]) != c.eol {
					return field(i), false
				}
				line, rec = rec[:n-len(c.eol)], rec[n:]
			}
			if !bytes.HasPrefix(line, c.labels[i]) {
				return field(i), false
			}
			f.written[i], f.bare[i] = line, line[len(c.labels[i]):]
		}
	}
	return 0, true
}

// parse reads fields 1 to 3. On failure it tells which one is wrong.
func (c *codec) parse(f *fields, r *Record) (field, bool) {
	id := f.bare[fieldHolder]
	if len(id) < c.p.Holder.Min || len(id) > c.p.Holder.Max {
		return fieldHolder, false
	}
	r.Holder = Holder{kind: c.p.Holder.Kind, n: uint8(len(id))}
	for i, b := range id {
		if !c.chars[b] {
			return fieldHolder, false
		}
		r.Holder.id[i&(MaxHolderLen-1)] = b
	}
	if !c.parsePoints(f.bare[fieldPoints], &r.Points) {
		return fieldPoints, false
	}
	if !c.parseTransaction(f.bare[fieldTransaction], &r.Transaction) {
		return fieldTransaction, false
	}
	return 0, true
}

func (c *codec) parsePoints(b []byte, points *uint64) bool {
	form := c.p.Points
	if len(b) == 0 || len(b) > form.Digits || form.ZeroFill && len(b) != form.Digits || !form.ZeroFill && b[0] == '0' {
		return false
	}
	v, ok := parseDigits(b)
	*points = v
	return ok && v > 0
}

func (c *codec) parseTransaction(b []byte, t *Transaction) bool {
	form := &c.p.Transaction
	n, join := len(form.Time), len(form.Join)
	if len(b) < n+join+c.seqMin || len(b) > n+join+c.seqMax || string(b[n:n+join]) != form.Join {
		return false
	}
	milli, ok := form.Time.parseTime(b[:n])
	if form.Zone == ZoneJST {
		milli -= jstOffset * 1000
	}
	seq := b[n+join:]
	if c.seqMin != c.seqMax && len(seq) > 1 && seq[0] == '0' {
		return false
	}
	v, good := parseDigits(seq)
	*t = Transaction{milli: milli, seq: uint32(v)}
	return ok && good
}

// sumLen is the length that a hash's input is given room for. Longer ones,
// which a long secret makes, grow the slice once.
const sumLen = 512

// appendInput appends what MD5 is taken over.
func (c *codec) appendInput(dst []byte, f *fields) []byte {
	h := &c.p.Hash
	from := &f.bare
	if h.Fields == HashWritten {
		from = &f.written
	}
	switch h.Place {
	case SecretBetween:
		for i := range fieldHash {
			if i > 0 {
				dst = append(dst, h.SecretJoin...)
				dst = append(dst, c.secret...)
				dst = append(dst, h.SecretJoin...)
			}
			dst = append(dst, from[i]...)
		}
		return append(dst, c.tail...)
	case SecretPrefix, SecretBoth:
		dst = append(dst, c.secret...)
		dst = append(dst, h.SecretJoin...)
	}
	for i := range fieldHash {
		if i > 0 {
			dst = append(dst, h.Join...)
		}
		dst = append(dst, from[i]...)
	}
	if h.Place != SecretPrefix {
		dst = append(dst, h.SecretJoin...)
		dst = append(dst, c.secret...)
	}
	return append(dst, c.tail...)
}

// decodeHash reads field 4. Text that is not the one spelling of 16 bytes is
// refused, since it would be a second spelling of the same record.
func (c *codec) decodeHash(b []byte) (sum [md5.Size]byte, ok bool) {
	if len(b) != c.hashLen {
		return sum, false
	}
	switch c.p.Hash.Text {
	case HashRaw:
		copy(sum[:], b)
		return sum, true
	case HashBase64:
		var out [18]byte
		if bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 {
			return sum, false
		}
		n, err := base64.StdEncoding.Strict().Decode(out[:], b)
		copy(sum[:], out[:])
		return sum, err == nil && n == md5.Size
	}
	var bad byte
	for i := range sum {
		hi, lo := c.digits[b[2*i]], c.digits[b[2*i+1]]
		bad |= hi | lo
		sum[i] = hi<<4 | lo
	}
	return sum, bad < 16
}

// verdict is what became of one piece of text.
type verdict struct {
	ok      bool
	count   int64
	rising  bool // the numbers rise from record to record
	first   Transaction
	highest Transaction
}

// verify reads records from text that begins and ends with whole ones, and
// takes each one's MD5. It appends those read to out if that is not nil.
//
// Whatever it finds, it goes on to the end and takes one MD5 for each record,
// over dummy data where there is none to hash: how long it takes tells how long
// the text is, and not where or how it is wrong.
func (c *codec) verify(text []byte, last bool, h *hashes, out *[]Record) verdict {
	v := verdict{ok: true, rising: true}
	var f fields
	var r Record
	h.n, h.wrong = 0, 0
	for len(text) > 0 {
		input, sum := h.next()
		var rec []byte
		var ok, hashed bool
		if n := c.scan(text, &f, &r, sum); n > 0 {
			rec, text = text[:n-len(c.eol)], text[n:]
			ok, hashed = true, true
		} else {
			rec, text, ok = c.next(text, last)
			if ok {
				_, ok = c.split(rec, &f)
			}
			if ok {
				_, ok = c.parse(&f, &r)
				*sum, hashed = c.decodeHash(f.bare[fieldHash])
			}
		}
		switch {
		case !ok:
			input = append(append(input, rec[:min(len(rec), c.minLen)]...), c.secret...)
		case c.straight:
			n := len(rec) - c.hashLen
			input = append(append(input, rec[:max(n, 0)]...), c.secret...)
			input = append(input, c.tail...)
		default:
			input = c.appendInput(input, &f)
		}
		h.add(input, ok && hashed)
		v.add(r.Transaction)
		if out != nil {
			*out = append(*out, r)
		}
	}
	v.ok = h.right()
	return v
}

// hashes takes the MD5s of records, two at a time, and compares them with what
// the records say, without a branch that depends on the outcome.
type hashes struct {
	n     int // waiting: 0 or 1
	wrong uint64
	input [2][]byte
	sum   [2][md5.Size]byte
	room  [2][sumLen]byte
}

// next gives room for the input of the next hash, and for the hash that it
// should have.
func (h *hashes) next() ([]byte, *[md5.Size]byte) {
	return h.room[h.n][:0], &h.sum[h.n]
}

// add takes the input. A record that is bad anyway has the same work done.
func (h *hashes) add(input []byte, good bool) {
	if !good {
		h.wrong |= 1
	}
	h.input[h.n] = input
	if h.n == 0 {
		h.n = 1
		return
	}
	h.n = 0
	p, q := padMD5(h.input[0]), padMD5(h.input[1])
	if len(p) != len(q) {
		h.compare(0, md5.Sum(h.input[0]))
		h.compare(1, md5.Sum(h.input[1]))
		return
	}
	x, y := md5Pair(p, q)
	h.compare(0, x)
	h.compare(1, y)
}

func (h *hashes) compare(i int, got [md5.Size]byte) {
	want := &h.sum[i]
	h.wrong |= binary.LittleEndian.Uint64(want[:8]) ^ binary.LittleEndian.Uint64(got[:8])
	h.wrong |= binary.LittleEndian.Uint64(want[8:]) ^ binary.LittleEndian.Uint64(got[8:])
}

// right says, at the end, whether all of them were.
func (h *hashes) right() bool {
	if h.n == 1 {
		h.compare(0, md5.Sum(h.input[0]))
	}
	return h.wrong == 0
}

// read is verify without the hashes, for text that has been verified before.
func (c *codec) read(text []byte, last bool, out *[]Record) verdict {
	v := verdict{ok: true, rising: true}
	var f fields
	var r Record
	for len(text) > 0 {
		if n := c.scan(text, &f, &r, nil); n > 0 {
			text = text[n:]
		} else {
			var rec []byte
			var ok bool
			rec, text, ok = c.next(text, last)
			if ok {
				_, ok = c.split(rec, &f)
			}
			if ok {
				_, ok = c.parse(&f, &r)
			}
			v.ok = v.ok && ok
		}
		v.count++
		*out = append(*out, r)
	}
	return v
}

// scan is next, split, parse and decodeHash in one, for the commonest layouts:
// it looks at each byte once, which takes half the time. It gives the length of
// the record with its end; 0 says that the four are to judge, as they do for
// whatever is not quite right. Without a sum the hash is stepped over.
func (c *codec) scan(b []byte, f *fields, r *Record, sum *[md5.Size]byte) int {
	const digits = len(TimeSeconds) + 6
	if !c.scans || len(b) < c.maxLen {
		return 0
	}
	b = b[:c.maxLen]
	i := 0
	r.Holder = Holder{kind: c.p.Holder.Kind}
	for i < c.p.Holder.Max && c.chars[b[i]] {
		r.Holder.id[i&(MaxHolderLen-1)] = b[i]
		i++
	}
	r.Holder.n = uint8(i)
	if i < c.p.Holder.Min || b[i] != c.delim {
		return 0
	}
	points := i + 1
	var v uint64
	for i = points; b[i]-'0' <= 9 && i-points < c.p.Points.Digits; i++ {
		v = v*10 + uint64(b[i]-'0')
	}
	n := i - points
	if n == 0 || v == 0 || b[i] != c.delim || c.p.Points.ZeroFill && n != c.p.Points.Digits || !c.p.Points.ZeroFill && b[points] == '0' {
		return 0
	}
	r.Points = v
	number := i + 1
	i = number + digits
	if i+1+2*md5.Size+len(c.eol) > len(b) || b[i] != c.delim {
		return 0
	}
	if date := binary.LittleEndian.Uint64(b[number:]); date != f.date {
		milli, ok := TimeSeconds.parseTime(b[number : number+len(TimeSeconds)])
		if !ok {
			return 0
		}
		f.date, f.days = date, milli/(24*60*60*1000)
	}
	clock, ok := digits8(b[number+6:]) // with the day in front
	hour, minute, second := int64(clock/10000%100), int64(clock/100%100), int64(clock%100)
	seq, good := digits8(b[i-8:]) // with the seconds in front
	if !ok || !good || hour > 23 || minute > 59 || second > 59 {
		return 0
	}
	milli := (f.days*86400 + hour*3600 + minute*60 + second) * 1000
	if c.p.Transaction.Zone == ZoneJST {
		milli -= jstOffset * 1000
	}
	r.Transaction = Transaction{milli: milli, seq: uint32(seq % 1_000_000)}
	hash := i + 1
	i = hash + 2*md5.Size
	if string(b[i:i+len(c.eol)]) != c.eol {
		return 0
	}
	if sum != nil {
		if *sum, ok = c.decodeHash(b[hash:i]); !ok {
			return 0
		}
		if !c.straight {
			f.bare = [4][]byte{b[:points-1], b[points : number-1], b[number : hash-1], b[hash:i]}
			f.written = f.bare
		}
	}
	return i + len(c.eol)
}

func (v *verdict) add(t Transaction) {
	if v.count == 0 {
		v.first, v.highest = t, t
	} else if t.milli > v.highest.milli || t.milli == v.highest.milli && t.seq > v.highest.seq {
		v.highest = t
	} else {
		v.rising = false
	}
	v.count++
}

// join adds the verdict on the text that follows.
func (v *verdict) join(next verdict) {
	if next.count == 0 {
		v.ok = v.ok && next.ok
		return
	}
	if v.count == 0 {
		*v = verdict{ok: v.ok && next.ok, count: next.count, rising: next.rising, first: next.first, highest: next.highest}
		return
	}
	v.ok = v.ok && next.ok
	v.rising = v.rising && next.rising && v.highest.Compare(next.first) < 0
	if v.highest.Compare(next.highest) < 0 {
		v.highest = next.highest
	}
	v.count += next.count
}

// appendRecord writes a record without its end, and gives the field that the
// profile's grammar has no spelling for.
func (c *codec) appendRecord(dst []byte, r Record) ([]byte, field, bool) {
	var text [4][]byte
	var scratch [64]byte
	text[fieldHolder] = r.Holder.bytes()
	if r.Holder.kind != c.p.Holder.Kind {
		return dst, fieldHolder, false
	}
	b := scratch[:0]
	if c.p.Points.ZeroFill {
		if decimalWidth(r.Points) > c.p.Points.Digits {
			return dst, fieldPoints, false
		}
		b = appendFixed(b, r.Points, c.p.Points.Digits)
	} else {
		b = strconv.AppendUint(b, r.Points, 10)
	}
	text[fieldPoints] = b
	b = b[len(b):]
	form := &c.p.Transaction
	civil := r.Transaction.milli
	if form.Zone == ZoneJST {
		civil += jstOffset * 1000
	}
	if civil%1000 != 0 && !form.Time.hasMillis() {
		return dst, fieldTransaction, false
	}
	b = form.Time.appendTime(b, civil)
	b = append(b, form.Join...)
	if form.Digits == 0 {
		b = strconv.AppendUint(b, uint64(r.Transaction.seq), 10)
	} else {
		if decimalWidth(uint64(r.Transaction.seq)) > form.Digits {
			return dst, fieldTransaction, false
		}
		b = appendFixed(b, uint64(r.Transaction.seq), form.Digits)
	}
	text[fieldTransaction] = b

	// What was written must read back as the same record: that makes the
	// grammar the one judge of what may stand in a file.
	var f fields
	f.bare = text
	var back Record
	if i, ok := c.parse(&f, &back); !ok {
		return dst, i, false
	}
	if back != r {
		return dst, fieldTransaction, false
	}

	if c.p.Hash.Fields == HashWritten {
		for i := range fieldHash {
			f.written[i] = c.write(nil, i, text[i])
		}
	}
	var input [sumLen]byte
	sum := md5.Sum(c.appendInput(input[:0], &f))
	text[fieldHash] = c.encodeHash(sum)
	for i := range text {
		if i > 0 {
			switch c.p.Layout {
			case LayoutCSV, LayoutCSVQuoted, LayoutTSV:
				dst = append(dst, c.delim)
			case LayoutLines, LayoutKeyValue:
				dst = append(dst, c.eol...)
			}
		}
		dst = c.write(dst, field(i), text[i])
	}
	return dst, 0, true
}

// write appends a field as the layout writes it.
func (c *codec) write(dst []byte, i field, text []byte) []byte {
	switch c.p.Layout {
	case LayoutCSVQuoted:
		return c.quote(dst, text)
	case LayoutFixed:
		dst = append(dst, text...)
		if i == fieldHolder {
			for range c.p.Holder.Max - len(text) {
				dst = append(dst, ' ')
			}
		}
		return dst
	case LayoutKeyValue:
		dst = append(dst, c.labels[i]...)
	}
	return append(dst, text...)
}

func (c *codec) quote(dst, text []byte) []byte {
	if c.p.Layout != LayoutCSVQuoted {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"')
}

func (c *codec) encodeHash(sum [md5.Size]byte) []byte {
	switch c.p.Hash.Text {
	case HashRaw:
		return sum[:]
	case HashBase64:
		return base64.StdEncoding.AppendEncode(nil, sum[:])
	}
	form := outerForm{hex: true, upper: c.p.Hash.Text == HashHexUpper}
	return form.encode(nil, sum[:])
}
