package mergefile

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
)

// codec is a profile made ready for text: layout, grammar and hash. It is made
// once for each file and never changed, so that several goroutines share it.
type codec struct {
	p      Profile
	prolog []byte // byte order mark and header row
	epilog string // behind the last record
	eol    string
	wide   bool // the charset's

	layout
	newline  []byte // the last character of a line
	behind   string // between the last field and the line end
	columns  int    // of the transaction
	number   TransactionForm
	stops    [4][]byte // what ends a field
	widths   [4]int    // of the fields at most
	ends     int       // line ends inside a record's text and behind it; 0 if there are none to go by
	fixedLen int       // length of a record with its end, where ends is 0 and records are many
	minLen   int       // the least and greatest length of a record with its end
	maxLen   int

	chars  *[256]bool // of a holder
	seqMin int        // digits of the sequence
	seqMax int

	hash     hashText
	secret   []byte
	tail     string // behind the hash's input
	straight bool   // the hash's input up to the secret stands in the line as it is

	scans bool // scan knows this profile
}

// newCodec prepares a profile that has been validated, or is only tried. The
// secret is in its final bytes.
func newCodec(p Profile, secret []byte) (*codec, error) {
	c := &codec{p: p, wide: charsets.row(p.Charset).wide}
	c.newGrammar()
	c.hash, c.tail = hashTexts.row(p.Hash.Text), p.Hash.EOL.bytes()
	c.setSecret(secret)
	if err := c.newLayout(); err != nil {
		return nil, err
	}
	h, plain := &c.p.Hash, !c.fixed && c.open == [4]string{} && c.close == [4]string{}
	c.straight = plain && h.Join == c.delim && h.SecretJoin == c.delim && h.Place == SecretSuffix && h.Encoding == "" &&
		h.Fields != hashPlain && p.Points.Text != "space-fill"
	c.scans = plain && len(c.delim) == 1 && c.ends == 1 && p.FinalEOL && c.behind == "" && c.hash.exact() &&
		c.number == TransactionForm{Time: TimeSeconds, Zone: p.Transaction.Zone, Digits: 6} && p.Points.Text == "" && !c.chars['-']
	return c, nil
}

// fields are the four fields of a record, as written and bare of quotes and
// fill. They alias the text.
type fields struct {
	rec     []byte // the record without its end
	written [4][]byte
	bare    [4][]byte
	number  Transaction

	// The date that scan met last, as text and in days since 1970: most records
	// of a file are of the same day.
	date uint64
	days int64
}

// step is where the reading of a record stopped.
type step uint8

const (
	stepDone  step = iota
	stepCut        // it does not end as it should
	stepSplit      // it does not divide into four fields
	stepParse      // a field is outside its grammar
	stepHash       // field 4 is no hash
)

// next reads the first record of text, and returns the text behind it, where
// the reading stopped, and at which field. It fills r if that is not nil. With
// sums it reads field 4 too.
func (c *codec) next(text []byte, last bool, f *fields, r *Record, sums bool) (rest []byte, at step, i field) {
	if n := c.scan(text, f, r, sums); n > 0 {
		return text[n:], stepDone, 0
	}
	rec, rest, ok := c.cut(text, last)
	f.rec, f.written = rec, [4][]byte{}
	if !ok {
		return rest, stepCut, 0
	}
	if i, ok = c.split(rec, f); !ok {
		return rest, stepSplit, i
	}
	if i, ok = c.parse(f, r); !ok {
		at = stepParse
	}
	if sums && at == stepDone && !c.hash.spells(f.bare[fieldHash]) {
		return rest, stepHash, fieldHash
	}
	return rest, at, i
}

// verdict is what became of one piece of text.
type verdict struct {
	ok      bool
	count   int64
	rising  bool // the numbers rise from record to record
	first   Transaction
	highest Transaction
}

// read reads records from text that begins and ends with whole ones. It appends
// them to out if that is not nil, and takes each one's MD5 if h is not nil.
//
// Whatever it finds, it goes on to the end and takes one MD5 for each record,
// over dummy data where there is none to hash: how long it takes tells how long
// the text is, and not where or how it is wrong.
func (c *codec) read(text []byte, last bool, h *hashes, out *[]Record) verdict {
	v := verdict{ok: true, rising: true}
	var f fields
	if h != nil {
		h.begin(c)
	}
	for len(text) > 0 {
		var r *Record
		if out != nil {
			*out = append(*out, Record{})
			r = &(*out)[len(*out)-1]
		}
		var at step
		text, at, _ = c.next(text, last, &f, r, h != nil)
		if h == nil {
			v.ok = v.ok && at == stepDone
		} else {
			input := h.next()
			if at == stepDone {
				input = c.input(input, &f)
			} else {
				input = append(append(input, f.rec[:min(len(f.rec), c.minLen)]...), c.secret...)
			}
			h.add(input, f.bare[fieldHash], at == stepDone)
		}
		v.add(f.number)
	}
	if h != nil {
		v.ok = h.right()
	}
	return v
}

// verifiesFirst reports whether a text begins with a record that verifies. The
// text may stop inside a later record, or go on with padding.
func (c *codec) verifiesFirst(text []byte, p padding) bool {
	n, good := p.strip(text)
	for _, try := range []struct {
		text []byte
		last bool
	}{{text, false}, {text[:n], good == 1}} {
		var f fields
		body, ok := c.begin(bytes.Clone(try.text))
		if ok && try.last {
			body, ok = c.end(body)
		}
		if !ok || len(body) == 0 {
			continue
		}
		if _, at, _ := c.next(body, try.last, &f, nil, true); at == stepDone && c.verifies(&f) {
			return true
		}
	}
	return false
}

// scan is next for the commonest profiles: it looks at each byte once, which
// takes half the time. It returns the length of the record with its end; 0 says
// that next is to judge, as it does for whatever is not quite right.
func (c *codec) scan(b []byte, f *fields, r *Record, sums bool) int {
	const digits = len(TimeSeconds) + 6
	if !c.scans || len(b) < c.maxLen {
		return 0
	}
	b = b[:c.maxLen]
	delim := c.delim[0]
	i := 0
	for i < c.p.Holder.Max && c.chars[b[i]] {
		i++
	}
	if i < c.p.Holder.Min || b[i] != delim {
		return 0
	}
	points := i + 1
	var v uint64
	for i = points; b[i]-'0' <= 9 && i-points < c.p.Points.Digits; i++ {
		v = v*10 + uint64(b[i]-'0')
	}
	n := i - points
	if n == 0 || v == 0 || b[i] != delim || c.p.Points.ZeroFill && n != c.p.Points.Digits || !c.p.Points.ZeroFill && b[points] == '0' {
		return 0
	}
	number := i + 1
	i = number + digits
	if i+1+2*md5.Size+len(c.eol) > len(b) || b[i] != delim {
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
	hash := i + 1
	i = hash + 2*md5.Size
	if b[i] != c.eol[0] || b[i+len(c.eol)-1] != c.eol[len(c.eol)-1] {
		return 0
	}
	f.number = Transaction{milli: milli, seq: uint32(seq % 1_000_000)}
	if sums {
		// The digits are looked at when the hash is compared. A control
		// character could be a line end.
		const above = 0x4040404040404040
		for j := hash; j < i; j += 8 {
			if x := binary.LittleEndian.Uint64(b[j:]); (x|x<<1)&above != above {
				return 0
			}
		}
		f.rec, f.bare[fieldHash] = b[:i], b[hash:i]
		if !c.straight {
			f.bare = [4][]byte{b[:points-1], b[points : number-1], b[number : hash-1], b[hash:i]}
			f.written = f.bare
		}
	}
	if r != nil {
		r.Holder.set(c.p.Holder.Kind, b[:points-1])
		r.Points, r.Transaction = v, f.number
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
	v.ok = v.ok && next.ok
	if next.count == 0 {
		return
	}
	v.rising = v.rising && next.rising && (v.count == 0 || v.highest.Compare(next.first) < 0)
	if v.count == 0 {
		v.first = next.first
	}
	if v.count == 0 || v.highest.Compare(next.highest) < 0 {
		v.highest = next.highest
	}
	v.count += next.count
}

// appendRecord writes a record without its end. It reports false and the field
// that the profile's grammar has no spelling for.
func (c *codec) appendRecord(dst []byte, r Record) ([]byte, field, bool) {
	var f fields
	if i, ok := c.spell(&f, &r); !ok {
		return dst, i, false
	}
	begin := len(dst)
	for i := range f.bare {
		if field(i) == fieldHash {
			if c.straight {
				f.rec = dst[begin:]
			}
			var room [sumLen]byte
			sum := c.sum(c.input(room[:0], &f))
			f.bare[i] = c.hash.append(room[:0], &sum)
		}
		at := len(dst)
		dst = c.write(dst, field(i), f.bare[i])
		f.written[i] = dst[at:]
		if field(i) < fieldHash {
			dst = append(dst, c.delim...)
		}
	}
	return append(dst, c.behind...), 0, true
}
