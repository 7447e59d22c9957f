package mergefile

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
)

// ProbeOptions are what is known besides file, key and secret. The zero value
// is for when nothing is.
type ProbeOptions struct {
	// Name is the file's name without directories, for profiles that take the
	// IV from it.
	Name string
	// IV is the IV that both ends agreed on, 32 hexadecimal digits, if one was
	// handed over.
	IV string
	// KeyID and Associated are for envelopes.
	KeyID      string
	Associated string
	// Salt is the salt that both ends agreed on, in hexadecimal, for a key of a
	// passphrase.
	Salt string
	// Iterations are counts to try with KeyPBKDF2, besides 1,000, 10,000 and
	// 100,000: up to 16, each 1 to 600,000.
	Iterations []int
	// Progress, if not nil, is told how many ways to decrypt have been tried,
	// of how many.
	Progress func(done, total int)
}

// Probed is a profile under which a file verifies.
type Probed struct {
	Profile Profile
	// Key is made of the key and the secret in the spelling that fits.
	Key Key
	// Records is the number of records in the file.
	Records int64
	// Distance is the number of axes in which the profile differs from the
	// nearest preset, which Nearest names, if its files do: how the key was
	// spelled does not count. The less, the likelier.
	Distance int
	Nearest  string
	// Reading is the number of the reading, from 1: profiles with the same
	// number read the same records from the file. If there is a second reading,
	// the file alone does not tell which one is meant.
	Reading int
	// Split is how the first record divides, in words that do not show it.
	Split string

	reading [sha256.Size]byte
	points  uint64
	filled  bool // all points have a zero in front
	night   bool // a record is of the night
}

// ProbeError says that no profile was found, and how far the search came.
type ProbeError struct {
	// Reached says the most that was achieved, in words.
	Reached string
}

func (e *ProbeError) Error() string { return "mergefile: no profile found: " + e.Reached }

// ProbeForDeveloper searches all axes of a profile for those under which a real
// file verifies, given the key and the secret in whatever text they were handed
// over: raw, hexadecimal, base64 or a passphrase, with or without a line end
// behind. It gives the profiles it finds, the likeliest first; where a file
// cannot tell two readings apart (is 20 digits a time to the second and six
// digits of sequence, or to the millisecond and three?) it gives both, and a
// second file, or the other end, must decide. MD5 is the judge, so what is
// found is not found by chance.
//
// The error is a [*ProbeError] if nothing verifies, and a [*ProfileError] if the
// IV or the counts of the options are none. One record is enough, and
// takes well under a second.
//
// This is a tool for the day on which an integrator was given "AES128 and MD5"
// and nothing else. It tells as much about a file as can be told, so it has no
// place where files arrive.
func ProbeForDeveloper(ctx context.Context, file, key, secret []byte, opts *ProbeOptions) ([]Probed, error) {
	p := &prober{ctx: ctx, file: file, keys: spellings(key), secrets: spellings(secret), found: map[string]Probed{}, hashed: map[string][]probeHash{}}
	if opts != nil {
		p.opts = *opts
	}
	if len(key) == 0 || len(secret) == 0 {
		return nil, fmt.Errorf("%w: key and secret are both needed", ErrKey)
	}
	if err := p.opts.validate(); err != nil {
		return nil, err
	}
	if err := p.run(); err != nil {
		return nil, err
	}
	if len(p.found) == 0 {
		return nil, &ProbeError{Reached: p.reached()}
	}
	out := slices.SortedFunc(maps.Values(p.found), func(a, b Probed) int {
		order := cmp.Or(
			// A profile that takes a record for a header row has fewer.
			cmp.Compare(b.Records, a.Records),
			number(a.night)-number(b.night))
		likelier := likelihood(a.Profile) - likelihood(b.Profile)
		if a.Profile.Layout == LayoutFixed && b.Profile.Layout == LayoutFixed {
			// Zeros in front of points belong to the points.
			order = cmp.Or(order, likelier, number(b.filled)-number(a.filled), cmp.Compare(a.points, b.points), b.Profile.Points.Digits-a.Profile.Points.Digits)
		}
		return cmp.Or(order, a.Distance-b.Distance, likelier, strings.Compare(fmt.Sprint(a.Profile), fmt.Sprint(b.Profile)))
	})
	readings := map[[sha256.Size]byte]int{}
	for i := range out {
		n := readings[out[i].reading]
		if n == 0 {
			n = len(readings) + 1
			readings[out[i].reading] = n
		}
		out[i].Reading = n
	}
	return out, nil
}

func (o ProbeOptions) validate() error {
	v := &validation{}
	iv, err := hex.DecodeString(o.IV)
	v.when(o.IV != "" && (err != nil || len(iv) != blockSize), "cipher.fixed_iv", "32 hexadecimal digits are needed")
	salt, err := hex.DecodeString(o.Salt)
	v.when(err != nil || len(salt) > 64, "cipher.salt", "up to 128 hexadecimal digits are needed")
	v.when(len(o.Iterations) > 16 || slices.ContainsFunc(o.Iterations, func(n int) bool { return n < 1 || n > keyForms.row(KeyPBKDF2).rounds }),
		"cipher.iterations", fmt.Sprintf("up to 16 counts of 1 to %d are tried", keyForms.row(KeyPBKDF2).rounds))
	return errors.Join(v.faults...)
}

// spellings returns what was handed over, without what an editor leaves in front
// and behind, in UTF-8, and as it is.
func spellings(b []byte) [][]byte {
	trimmed := bytes.TrimPrefix(bytes.TrimRight(b, "\r\n"), []byte("\xEF\xBB\xBF"))
	out := [][]byte{trimmed}
	add := func(b []byte) {
		if len(b) > 0 && !slices.ContainsFunc(out, func(a []byte) bool { return bytes.Equal(a, b) }) {
			out = append(out, b)
		}
	}
	if !utf8.Valid(trimmed) {
		for _, e := range []encoding.Encoding{japanese.ShiftJIS, japanese.EUCJP} {
			if text, err := e.NewDecoder().Bytes(trimmed); err == nil && !bytes.ContainsRune(text, utf8.RuneError) {
				add(text)
			}
		}
	}
	if add(b); len(trimmed) == 0 {
		return out[1:]
	}
	return out
}

type prober struct {
	ctx     context.Context
	file    []byte
	keys    [][]byte
	secrets [][]byte
	opts    ProbeOptions
	found   map[string]Probed
	hashed  map[string][]probeHash // by fields and text of the hash

	readable string // how the file was decrypted to readable text
	chained  bool   // in a way in which a wrong IV spoils no more than the beginning
	parsed   string // and how that divided into fields
	shape    string // of the text that was found
	inside   string // what the file decrypts to, if it is no text
}

func (p *prober) run() error {
	containers := p.containers()
	var keys []CipherForm
	for _, form := range keyForms {
		counts := []int{0}
		if form.row.rounds > 0 {
			counts = append([]int{10_000, 1000, 100_000}, p.opts.Iterations...)
		}
		for _, n := range counts {
			if c := (CipherForm{Key: form.name, Iterations: min(n, form.row.rounds)}); !slices.Contains(keys, c) {
				keys = append(keys, c)
			}
		}
	}
	done, total := 0, len(containers)*len(p.keys)*len(keys)
	for _, o := range containers {
		used := map[string]bool{}
		for _, key := range p.keys {
			for _, c := range keys {
				if err := p.ctx.Err(); err != nil {
					return err
				}
				if p.opts.Progress != nil {
					p.opts.Progress(done, total)
				}
				done++
				c.Outer, c.OuterEOL, c.OuterOpen, c.OuterIV, c.OuterJoin = o.form.Outer, o.form.OuterEOL, o.form.OuterOpen, o.form.OuterIV, o.form.OuterJoin
				p.key(o.data, c, key, used)
				if c.Salt = strings.ToLower(p.opts.Salt); c.Salt != "" {
					p.key(o.data, c, key, used)
				}
			}
		}
	}
	if p.opts.Progress != nil {
		p.opts.Progress(total, total)
	}
	return nil
}

// container is a text form that the whole file is in, and what is in it.
type container struct {
	form CipherForm
	data []byte
}

// containers returns the text forms that the whole file is in, strictly.
func (p *prober) containers() []container {
	out := []container{{CipherForm{Outer: OuterBinary, OuterEOL: EOLNone}, p.file}}
	heads := []CipherForm{{}}
	for _, join := range []string{":", "."} {
		if bytes.Contains(p.file[:min(len(p.file), 48)], []byte(join)) {
			for _, head := range []Outer{OuterHexLower, OuterHexUpper, OuterBase64, "base64-url"} {
				heads = append(heads, CipherForm{OuterIV: head, OuterJoin: join})
			}
		}
	}
	for _, outer := range outers.names()[1:] {
		for _, eol := range eols {
			if !bytes.Contains(p.file, []byte(eol.row)) {
				continue
			}
			for _, head := range heads {
				for _, open := range []bool{false, true} {
					c := Standard().Cipher
					c.Outer, c.OuterEOL, c.OuterOpen, c.OuterIV, c.OuterJoin = outer, eol.name, open, head.OuterIV, head.OuterJoin
					if !c.valid() {
						continue
					}
					if data, ok := c.unwrap(p.file); ok {
						out = append(out, container{c, data})
					}
				}
			}
		}
	}
	return out
}

func (c *CipherForm) valid() bool {
	v := &validation{}
	c.validate(v)
	return len(v.faults) == 0
}

// key tries one way to make a key of what was handed over, with all modes and
// IVs. Keys that were used on the data before are left out.
func (p *prober) key(data []byte, c CipherForm, text []byte, used map[string]bool) {
	form := keyForms.row(c.Key)
	marked := bytes.HasPrefix(data, []byte(saltMark)) && len(data) > blockSize
	if c.Salt != "" && (!form.salted || marked) || c.Salt == "" && !marked && form.rounds > 0 {
		return // PBKDF2 without a salt is nobody's way
	}
	k, err := NewKey(p.opts.KeyID, text, []byte("-"))
	if err != nil {
		return
	}
	var salt []byte
	if marked {
		salt = data[len(saltMark):blockSize]
	} else if salt, err = hex.DecodeString(c.Salt); err != nil {
		return
	}
	key, err := k.aes(&c, salt)
	if err != nil || used[string(key)] {
		return
	}
	used[string(key)] = true
	for _, mode := range modes {
		for _, iv := range ivs {
			c := c
			c.Mode, c.IV, c.Padding = mode.name, iv.name, PaddingPKCS7
			if iv.name == IVFixed {
				if c.FixedIV = strings.ToLower(p.opts.IV); c.FixedIV == zeroIV {
					continue // IVZero it is
				}
			}
			if mode.row.sealed {
				c.Padding = PaddingNone
			}
			if iv.row.salted != (marked && form.salted) || len(p.opts.Name) < iv.row.name || c.OuterIV != "" && iv.name != IVPrefixed || !c.valid() {
				continue
			}
			p.decrypt(data, c, k, key)
		}
	}
}

// decrypt tries one way to decrypt, and the text that comes of it.
func (p *prober) decrypt(data []byte, c CipherForm, k Key, key []byte) {
	var d decryption
	mode, from := modes.row(c.Mode), ivs.row(c.IV)
	if mode.sealed {
		header, err := readEnvelopeHeader(bytes.NewReader(data))
		if err != nil || envelopeKeyID(header) == "" {
			return
		}
		d = decryption{cipherMode: mode}
		if d.seal, err = newSegments(p.ctx, k, &c, header, p.opts.Associated); err != nil {
			return
		}
		data = data[len(header):]
	} else {
		if len(data) <= from.front {
			return
		}
		front := data[:from.front]
		if data = data[from.front:]; from.end {
			whole := append(bytes.Clone(front), data...)
			front, data = whole[len(whole)-from.front:], whole[:len(whole)-from.front]
		}
		block, iv, err := c.use(key, front, p.opts.Name)
		if err != nil {
			return
		}
		d = c.decryption(block, iv)
	}
	// The beginning decides whether it is worth going on.
	sure := mode.sealed
	if !sure {
		head, _, _ := d.inMemory(data[:min(len(data), 4096)], false)
		if kind := packed(head); kind != "" && p.inside == "" {
			p.inside = fmt.Sprintf("%s (%s, IV %s, key %s)", kind, c.Mode, c.IV, c.Key)
		}
		if !probablyText(head) {
			return
		}
		sure = readable(head)
	}
	if p.readable == "" && sure {
		p.readable = fmt.Sprintf("%s, IV %s, key %s", c.Mode, c.IV, c.Key)
		p.chained = (c.Mode == CipherCBC || c.Mode == CipherCFB8 || c.Mode == CipherCFB128) && !from.derived
	}
	// The first padding that fits is the one, unless no padding is what another
	// takes for some.
	for _, padding := range paddings {
		if mode.sealed && padding.name != PaddingNone || mode.blocks && padding.name == PaddingNone {
			continue
		}
		d.padding = padding.row
		text, fault, _ := d.inMemory(data, true)
		if fault != "" || len(text) == 0 {
			continue
		}
		c.Padding = padding.name
		before := len(p.found)
		p.text(text, c, k)
		if p.shape == "" && sure {
			p.shape = shapeOfRecords(text)
		}
		if len(p.found) > before {
			return
		}
	}
}

// probablyText lets through raw hashes, Japanese header rows and UTF-16. What is
// let through wrongly costs a little time.
func probablyText(text []byte) bool {
	return len(text) > 0 && textBytes(text)*2 >= len(text) || bytes.HasPrefix(text, []byte(charsets.row("utf-16le-bom").mark))
}

// text tries charsets, line ends and layouts on decrypted text.
func (p *prober) text(text []byte, c CipherForm, k Key) {
	q := Standard()
	q.Name, q.Cipher = "Probed", c
	if modes.row(c.Mode).sealed {
		q.Associated = p.opts.Associated
	}
	body := bytes.Clone(text)
	for _, charset := range charsets {
		if rest, ok := bytes.CutPrefix(text, []byte(charset.row.mark)); ok && charset.row.mark != "" {
			q.Charset = charset.name
			body, _ = (&codec{wide: charset.row.wide}).narrow(bytes.Clone(rest))
		}
	}
	// The end of the text tells the line end, and if it has none, the first one
	// inside. A raw hash can hold bytes that look like one.
	for _, eol := range []EOL{EOLCRLF, EOLLF, "cr", EOLNone} {
		end := eol.bytes()
		if !bytes.Contains(body, []byte(end)) || eol == "cr" && bytes.Contains(body, newline) {
			continue
		}
		for _, tail := range tails {
			q.EOL, q.Tail = eol, tail
			b, ok := bytes.CutSuffix(body, []byte(q.epilog()))
			if q.FinalEOL = end != "" && bytes.HasSuffix(b, []byte(end)); !ok || tail == "eol" && !q.FinalEOL {
				continue
			}
			for _, layout := range layouts {
				if q.Layout = layout.name; layout.row.fixed {
					p.fixed(b, q, k)
				} else {
					p.delimited(b, q, k)
				}
			}
		}
	}
}

var newline = []byte("\n")

// first reads the first record of text that has no mark, with whatever grammar.
func (p *prober) first(body []byte, q Profile, f *fields) (c *codec, rest []byte, at step) {
	if charsets.row(q.Charset).mark != "" {
		q.Charset = CharsetUTF8
	}
	q.Tail = ""
	c, err := prepare(q, []byte("-"))
	if err != nil {
		return nil, nil, stepCut
	}
	c.scans = false // which leaves out what the search needs
	text, ok := c.begin(body)
	if !ok {
		return nil, nil, stepCut
	}
	rest, at, _ = c.next(text, true, f, nil, true)
	return c, rest, at
}

// delimited searches for the fields of records with delimiters or lines.
func (p *prober) delimited(body []byte, q Profile, k Key) {
	l := layouts.row(q.Layout)
	if !bytes.Contains(body, []byte(l.delim)) {
		return
	}
	columns := []int{0}
	if l.delim != "" && l.open[fieldTransaction] == "" {
		columns = []int{0, 2, 3}
	}
	for _, q.Records = range []RecordCount{RecordsMany, RecordsOne} {
		before := len(p.found)
		for _, q.TrailingDelimiter = range []bool{false, true}[:1+min(len(l.delim), 1)] {
			for _, n := range columns {
				q.Transaction.Columns = n
				for _, header := range []bool{false, true} {
					if q.Header = header; header && !l.header {
						continue
					}
					for _, named := range p.names(body, q) {
						p.numbers(body, named, k)
					}
				}
			}
		}
		if len(p.found) > before {
			return
		}
	}
}

// numbers searches for the grammar that all records follow, and for the hash.
func (p *prober) numbers(body []byte, q Profile, k Key) {
	loose := q
	loose.Points = PointsForm{Digits: 18}
	loose.Transaction = TransactionForm{Time: TimeISO, Zone: ZoneJST, Reset: ResetNever, Scope: ScopeCloud, Columns: q.Transaction.Columns}
	// Where the first record ends and divides is the same for all texts of the
	// hash, but for raw bytes, which may hold a line end. The longest stands for
	// the others.
	var firsts [2]struct {
		f     fields
		delim string
		ends  bool
	}
	for i, text := range []HashText{"hex-dashes", HashRaw} {
		loose.Hash.Text = text
		if c, _, at := p.first(body, loose, &firsts[i].f); at == stepParse || at == stepHash || at == stepDone {
			firsts[i].delim, firsts[i].ends = c.delim, true
		}
	}
	for _, text := range hashTexts {
		q.Hash.Text = text.name
		first := firsts[0]
		if text.row.raw {
			first = firsts[1]
		}
		f := first.f
		if !first.ends || !text.row.spells(f.bare[fieldHash]) {
			continue
		}
		q.Holder.Chars = CharsAlnum
		if bytes.IndexByte(f.bare[fieldHolder], '-') >= 0 || bytes.Count(body, []byte("-")) > 0 && !p.follow(body, q, f) {
			q.Holder.Chars = "alnum-hyphen"
		}
		n, whole := len(f.bare[fieldPoints]), false
		for _, tx := range transactionForms(q.Transaction.Columns) {
			form := tx.inColumns(first.delim)
			if _, ok := form.parse(f.bare[fieldTransaction]); !ok || whole && tx.Time.short() {
				continue
			}
			q.Transaction = tx
			for _, points := range []PointsForm{{Digits: 9}, {Digits: 18}, {Digits: min(n, 18), ZeroFill: true}, {Digits: min(n, 18), Text: "space-fill"}, {Digits: 9, Text: "plus"}, {Digits: 9, Text: "commas"}} {
				if q.Points = points; p.follows(body, q) {
					whole = true
					p.hash(body, q, k)
					break // points without fill say less than with it
				}
			}
		}
	}
}

// follow reports whether the holders of all records are letters and digits.
func (p *prober) follow(body []byte, q Profile, f fields) bool {
	for _, tx := range transactionForms(q.Transaction.Columns) {
		form := tx.inColumns(layouts.row(q.Layout).delim)
		if _, ok := form.parse(f.bare[fieldTransaction]); ok {
			q.Transaction = tx
			q.Points = PointsForm{Digits: 18}
			return p.follows(body, q)
		}
	}
	return true
}

// names reads the header row, or the names of key-value lines.
func (p *prober) names(body []byte, q Profile) []Profile {
	l := layouts.row(q.Layout)
	if !q.Header && !l.named {
		return []Profile{q}
	}
	eol := []byte(q.EOL.bytes())
	if len(eol) == 0 {
		return nil
	}
	var raw []string
	lines := bytes.SplitN(body, eol, 5)
	if l.named {
		for _, line := range lines[:min(len(lines), 4)] {
			name, _, ok := strings.Cut(string(line), "=")
			if !ok {
				return nil
			}
			raw = append(raw, name)
		}
	} else {
		row := string(lines[0])
		if q.TrailingDelimiter {
			row = strings.TrimSuffix(row, l.delim)
		}
		for i, name := range strings.Split(row, l.delim) {
			j := min(i, int(fieldHash))
			raw = append(raw, strings.TrimSuffix(strings.TrimPrefix(name, l.open[j]), l.close[j]))
		}
	}
	if len(raw) != 3+max(q.Transaction.Columns, 1) || slices.ContainsFunc(raw, p.isData) {
		return nil
	}
	candidates := []Charset{CharsetASCII, CharsetUTF8, CharsetCP932}
	if charsets.row(q.Charset).mark != "" {
		candidates = []Charset{q.Charset}
	}
	for _, charset := range candidates {
		named := q
		named.Charset, named.Names = charset, nil
		for _, name := range raw {
			if charset == CharsetCP932 {
				name, _ = japanese.ShiftJIS.NewDecoder().String(name)
			}
			named.Names = append(named.Names, name)
		}
		if b, err := charset.encode(strings.Join(named.Names, "")); err == nil && (string(b) == strings.Join(raw, "") || charsets.row(charset).wide) {
			return []Profile{named}
		}
	}
	return nil
}

// isData reports whether what stands where a name should is a field of a record:
// a profile, which is printed and kept, holds names and never data.
func (p *prober) isData(name string) bool {
	for columns := range 4 {
		for _, form := range transactionForms(columns) {
			if _, ok := form.parse([]byte(name)); ok {
				return true
			}
		}
	}
	return slices.ContainsFunc(hashTexts, func(t choice[HashText, hashText]) bool {
		return !t.row.raw && t.row.max-t.row.min < 17 && t.row.spells([]byte(name))
	})
}

// fixed searches for the fields of records without delimiters: the transaction
// first, since it is the one field that not every text can be.
func (p *prober) fixed(body []byte, q Profile, k Key) {
	end := q.EOL.bytes()
	for _, q.Records = range []RecordCount{RecordsMany, RecordsOne} {
		before := len(p.found)
		for _, text := range hashTexts {
			if text.row.min != text.row.max {
				continue
			}
			q.Hash.Text = text.name
			line := -1
			if q.Fill = 0; end != "" && !text.row.raw {
				if line = bytes.Index(body, []byte(end)); line < 0 {
					continue
				}
				line = len(bytes.TrimRight(body[:line], " "))
				q.Fill = bytes.Index(body, []byte(end)) - line
			}
			// The lengths that a record can have are few: that of the line, or one
			// that divides the text. No transaction is longer than 29 characters.
			var lengths []int
			for length := text.row.max + 2; length <= min(len(body), text.row.max+MaxHolderLen+18+29); length++ {
				rest := (len(body) + len(end)) % (length + len(end))
				if line == length || line < 0 && (rest == 0 || q.FinalEOL && rest == len(end)) {
					lengths = append(lengths, length)
				}
			}
			whole := false
			for _, tx := range transactionForms(0) {
				if tx.Digits == 0 || whole && tx.Time.short() {
					continue
				}
				number := len(tx.Time) + len(tx.Join) + tx.Digits
				for _, length := range lengths {
					front := length - number - text.row.max
					if front < 2 || front > MaxHolderLen+18 {
						continue
					}
					if _, ok := tx.parse(body[front : front+number]); !ok {
						continue
					}
					for digits := 1; digits <= 18 && digits < front; digits++ {
						r := q
						r.Transaction = tx
						r.Points = PointsForm{Digits: digits, ZeroFill: true}
						if body[front-digits] == ' ' {
							r.Points = PointsForm{Digits: digits, Text: "space-fill"}
						}
						if r.Holder.Max = front - digits; r.Holder.Max <= MaxHolderLen && p.follows(body, r) {
							whole = true
							p.hash(body, r, k)
						}
					}
				}
			}
		}
		if len(p.found) > before {
			return
		}
	}
}

// short reports whether a time lacks seconds or the century. Digits that are
// whole times are taken for nothing less.
func (f TimeForm) short() bool {
	return !strings.Contains(string(f), "ss") || !strings.Contains(string(f), "YYYY")
}

// transactionForms returns the spellings of a transaction, in the order of
// likelihood.
func transactionForms(columns int) []TransactionForm { return allTransactionForms[columns] }

var allTransactionForms = [4][]TransactionForm{spellTransactions(0), nil, spellTransactions(2), spellTransactions(3)}

func spellTransactions(columns int) []TransactionForm {
	var out []TransactionForm
	for _, form := range timeForms {
		for _, join := range numberJoins {
			for _, digits := range []int{6, 4, 3, 8, 5, 7, 9, 2, 1, 0} {
				if columns < 2 || join == "" {
					out = append(out, TransactionForm{Time: form, Zone: ZoneJST, Join: join, Digits: digits, Columns: columns, Reset: ResetNever, Scope: ScopeCloud})
				}
			}
		}
	}
	return out
}

// follows reports whether every record has the grammar of the profile.
func (p *prober) follows(body []byte, q Profile) bool {
	var f fields
	c, rest, at := p.first(body, q, &f)
	count, narrow := 1, true
	for ; at == stepDone && len(rest) > 0; count++ {
		rest, at, _ = c.next(rest, true, &f, nil, true)
	}
	if at != stepDone || q.Records == RecordsOne && count != 1 {
		return false
	}
	// One record tells no width. A short sequence without zeros in front is
	// taken for one of any width, which the next file does not break.
	if b := f.bare[fieldTransaction]; count == 1 && q.Transaction.Digits > 0 && q.Transaction.Digits < 3 && !layouts.row(q.Layout).fixed {
		narrow = b[len(b)-q.Transaction.Digits] == '0'
	}
	return narrow
}

// delimiters are those that are met in the input of a hash, the empty one first:
// it is what the document says.
func delimiters() []string {
	return []string{"", ",", "\t", "|", ":", ";", "-", "_", " ", "&", "/", ".", "+", "#", "\n", "\r\n"}
}

// probeHash is a way of taking the hash under which the first record verifies.
type probeHash struct {
	form   HashForm
	secret []byte // as it goes into a Key
}

// hash searches for the input of the hash, on the first record, and keeps the
// profiles under which the whole file verifies.
func (p *prober) hash(body []byte, q Profile, k Key) {
	var f fields
	c, _, at := p.first(body, q, &f)
	if at != stepDone {
		return
	}
	if p.parsed == "" {
		p.parsed = string(q.Layout)
	}
	id := fmt.Sprintf("%q %q %q %s %q %s", f.bare, f.written, c.behind, q.Hash.Text, c.delim, q.Points.Text)
	ways, known := p.hashed[id]
	if !known {
		ways = p.hashForms(c, &f)
		p.hashed[id] = ways
	}
	for _, way := range ways {
		q.Hash = way.form
		if p.confirm(q, k.m.Reveal().material, way.secret) {
			return
		}
	}
}

// hashForms returns the ways of taking the hash under which a record verifies,
// the likeliest first.
func (p *prober) hashForms(c *codec, f *fields) (out []probeHash) {
	var room [sumLen]byte
	var input []byte
	want := string(f.bare[fieldHash])
	if c.hash.fold {
		want = strings.ToLower(want)
	}
	kinds := []HashFields{HashBare}
	if fmt.Sprintf("%q", f.bare[:fieldHash]) != fmt.Sprintf("%q", f.written[:fieldHash]) {
		kinds = append(kinds, HashWritten)
	}
	// The first record may have too few points for a comma.
	if c.p.Points.Text == "commas" || string(pointsDigits(f.bare[fieldPoints])) != string(f.bare[fieldPoints]) {
		kinds = append(kinds, hashPlain)
	}
	encodings, ends := hashEncodings.names(), []EOL{EOLNone, EOLLF, EOLCRLF}
	if c.fixed {
		encodings, ends = encodings[:1], ends[:2]
	}
	for _, s := range p.secretForms() {
		if len(out) > 0 && len(s.text) > len(out[0].secret) {
			break // without its line end the secret does as well
		}
		for _, encoding := range encodings {
			c.p.Hash.Encoding = encoding
			c.setSecret(s.bytes)
			for _, place := range secretPlaces {
				for _, join := range delimiters() {
					if place == SecretBetween && join != "" {
						continue // the secret is what joins
					}
					for _, secretJoin := range delimiters() {
						if place == secretKey && (secretJoin != "" || encoding != "") {
							continue
						}
						for _, kind := range kinds {
							for _, eol := range ends {
								h := HashForm{Join: join, SecretJoin: secretJoin, Place: place, Secret: s.form, Fields: kind, EOL: eol, Text: c.p.Hash.Text, Encoding: encoding}
								c.p.Hash, c.tail = h, eol.bytes()
								input = c.appendInput(input[:0], f)
								if sum := c.sum(input); string(c.hash.append(room[:0], &sum)) == want {
									out = append(out, probeHash{h, s.text})
								}
							}
						}
					}
				}
			}
		}
	}
	return out
}

type probeSecret struct {
	form  SecretForm
	text  []byte // as it goes into a Key
	bytes []byte
}

// secretForms returns each spelling of the secret whose bytes are not those of
// one before.
func (p *prober) secretForms() []probeSecret {
	var out []probeSecret
	for _, text := range p.secrets {
		k, err := NewKey("", []byte("-"), text)
		if err != nil {
			continue
		}
		for _, form := range secretForms.names() {
			b, err := k.secretBytes(form)
			if err == nil && !slices.ContainsFunc(out, func(s probeSecret) bool { return bytes.Equal(s.bytes, b) }) {
				out = append(out, probeSecret{form, text, b})
			}
		}
	}
	return out
}

// confirm reads the whole file under the profile, as a reader would.
func (p *prober) confirm(q Profile, key, secret []byte) bool {
	k, err := NewKey(p.opts.KeyID, key, secret)
	if err != nil {
		return false
	}
	q.FileName = FileNameForm{Kind: NameAny}
	if rs, ok := p.read(q, k); ok {
		mykey, day := false, false
		for _, r := range rs {
			// Eight upper-case characters, a letter among them, look like a MyKey
			// ID; eight digits more like a member's number.
			mykey = mykey || strings.ContainsFunc(r.Holder.Reveal(), func(c rune) bool { return c >= 'A' })
			day = day || asleep(r.Transaction.Time())
		}
		p.keep(q, k, rs)
		if mykey && (q.Layout != LayoutFixed || q.Holder.Max == 8) {
			if rs, ok := p.read(q.WithMyKeyID(), k); ok {
				p.keep(q.WithMyKeyID(), k, rs)
			}
		}
		// Shops are closed at night: times of the night that are times of the
		// day on another clock are those of that clock.
		q.Transaction.Zone = ZoneUTC
		if rs, ok := p.read(q, k); ok && day && !slices.ContainsFunc(rs, func(r Record) bool { return asleep(r.Transaction.Time()) }) {
			p.keep(q, k, rs)
		}
		return true
	}
	return false
}

// asleep reports whether a time is one at which no shop is open.
func asleep(t time.Time) bool { return t.Hour() < 6 }

func (p *prober) read(q Profile, k Key) ([]Record, bool) {
	r, err := NewReaderAt(p.ctx, bytes.NewReader(p.file), int64(len(p.file)), q, k, &ReaderOptions{Name: p.opts.Name, Workers: 1})
	if err != nil {
		return nil, false
	}
	defer r.Close()
	var rs []Record
	for rec, err := range r.Records() {
		if err != nil {
			return nil, false
		}
		rs = append(rs, rec)
	}
	return rs, true
}

// keep adds what was found.
func (p *prober) keep(q Profile, k Key, rs []Record) {
	found := Probed{Profile: q, Key: k, Records: int64(len(rs)), filled: true}
	found.Distance, found.Nearest = nearestPreset(q)
	h := sha256.New()
	for _, r := range rs {
		r.Holder.kind = MallPointID // which of the two it is does not change who
		h.Write(r.AppendCanonical(nil))
		found.points += r.Points
		found.filled = found.filled && decimalWidth(r.Points) < q.Points.Digits
		found.night = found.night || asleep(r.Transaction.Time())
	}
	found.reading = [sha256.Size]byte(h.Sum(nil))
	first := rs[0]
	found.Split = fmt.Sprintf("holder %s; points %d digits; time %s and a sequence of %d digits", shapeOf([]byte(first.Holder.Reveal())),
		decimalWidth(first.Points), q.Transaction.Time, max(q.Transaction.Digits, decimalWidth(uint64(first.Transaction.seq))))
	id, _ := json.Marshal(q)
	p.found[string(id)] = found
}

// A Question is to be put to the other end, whose answer settles which of several
// profiles is meant.
type Question struct {
	Japanese, English string
}

// Questions returns what a file leaves open of the profiles that were found: how
// their readings differ, and what the one record of a file cannot tell. A second
// file can be the answer, too.
func Questions(found []Probed) (out []Question) {
	if len(found) == 0 {
		return nil
	}
	differs := func(axis func(Profile) any) bool {
		return slices.ContainsFunc(found, func(f Probed) bool { return f.Reading > 1 && axis(f.Profile) != axis(found[0].Profile) })
	}
	ask := func(when bool, japanese, english string) {
		if when {
			out = append(out, Question{japanese, english})
		}
	}
	one := found[0].Records == 1
	ask(differs(func(p Profile) any { return p.Transaction.Zone }),
		"取引日時は日本標準時ですか、協定世界時（UTC）ですか。",
		"Are the times of transactions Japan Standard Time or UTC?")
	ask(differs(func(p Profile) any { return p.Holder.Max*100 + p.Points.Digits }),
		"利用カード番号と合算ポイント数は、それぞれ何桁の固定長ですか。",
		"How many characters wide are the holder and the points?")
	ask(differs(func(p Profile) any { return string(p.Transaction.Time) + p.Transaction.Join }) || one && !strings.Contains(string(found[0].Profile.Transaction.Time), "-"),
		"取引済番号のうち、取引日時は何桁で、連番は何桁ですか。連番は先頭を0で埋めた固定長ですか。",
		"How many digits of the transaction number are the time, and how many the sequence? Is the sequence filled with zeros to one width?")
	ask(one, "1ファイルに複数の取引が入ることはありますか。その例をいただけますか。",
		"Can a file hold more than one record? Could you send such a file?")
	return out
}

// nearestPreset counts the axes in which a profile differs from each preset.
func nearestPreset(p Profile) (int, string) {
	best, name := 1<<30, ""
	for _, preset := range Presets() {
		if p.Holder.Kind == MyKeyID {
			preset = preset.WithMyKeyID()
		}
		if n := differences(reflect.ValueOf(p.sameFiles()), reflect.ValueOf(preset.sameFiles())); n < best {
			best, name = n, preset.Name
		}
	}
	return best, name
}

func differences(a, b reflect.Value) (n int) {
	switch {
	case a.Kind() == reflect.Struct:
		for i := range a.NumField() {
			n += differences(a.Field(i), b.Field(i))
		}
	case !reflect.DeepEqual(a.Interface(), b.Interface()):
		n = 1
	}
	return n
}

// sameFiles gives one and the same profile for all that make the same files of
// the same key: an IV of zeros has two names, the charset is that of names which
// are not there, and how the key was spelled is not seen.
func (p Profile) sameFiles() Profile {
	p.Name = ""
	if p.Cipher.IV == IVFixed && p.Cipher.FixedIV == zeroIV {
		p.Cipher.IV, p.Cipher.FixedIV = IVZero, ""
	}
	if len(p.Names) == 0 && p.Charset != CharsetUTF8BOM {
		p.Charset = CharsetASCII
	}
	if p.Cipher.Key == KeyHex || p.Cipher.Key == KeyBase64 {
		p.Cipher.Key = KeyRaw
	}
	return p
}

// likelihood breaks ties: the less, the likelier.
func likelihood(p Profile) int {
	form := 2
	if i := slices.Index(timeForms[:2], p.Transaction.Time); i >= 0 {
		form = i
	}
	// Sixteen bytes that are folded are the same sixteen.
	return 4*form + 2*number(p.Holder.Kind != MyKeyID) + number(p.Cipher.Key == KeyMySQL)
}

// number is 1 for true.
func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
