package mergefile

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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
	p := &prober{ctx: ctx, file: file, keys: spellings(key), secrets: spellings(secret), found: map[string]Probed{}}
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
	out := slices.Collect(maps.Values(p.found))
	slices.SortFunc(out, func(a, b Probed) int {
		// A profile that takes a record for a header row has fewer.
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Distance, b.Distance), cmp.Compare(likelihood(a.Profile), likelihood(b.Profile)),
			cmp.Compare(fmt.Sprint(a.Profile), fmt.Sprint(b.Profile)))
	})
	return out, nil
}

func (o ProbeOptions) validate() error {
	v := &validation{}
	iv, err := hex.DecodeString(o.IV)
	v.when(o.IV != "" && (err != nil || len(iv) != blockSize), "cipher.fixed_iv", "32 hexadecimal digits are needed")
	v.when(len(o.Iterations) > 16 || slices.ContainsFunc(o.Iterations, func(n int) bool { return n < 1 || n > keyForms.row(KeyPBKDF2).rounds }),
		"cipher.iterations", fmt.Sprintf("up to 16 counts of 1 to %d are tried", keyForms.row(KeyPBKDF2).rounds))
	return errors.Join(v.faults...)
}

// spellings gives what was handed over, and the same without the line end that
// an editor leaves behind.
func spellings(b []byte) [][]byte {
	trimmed := bytes.TrimRight(b, "\r\n")
	if len(trimmed) == len(b) || len(trimmed) == 0 {
		return [][]byte{b}
	}
	return [][]byte{trimmed, b}
}

type prober struct {
	ctx     context.Context
	file    []byte
	keys    [][]byte
	secrets [][]byte
	opts    ProbeOptions
	found   map[string]Probed

	readable string // how the file was decrypted to readable text
	chained  bool   // in a way in which a wrong IV spoils no more than the beginning
	parsed   string // and how that divided into fields
}

func (p *prober) reached() string {
	iv := ""
	if p.chained {
		iv = ", or a fixed IV that was not handed over, without which only the beginning is spoilt (32 hexadecimal digits: ProbeOptions.IV, or mergetool probe -iv)"
		if p.opts.IV != "" {
			iv = ", or another IV than the one that was handed over, which spoils only the beginning"
		}
	}
	switch {
	case p.parsed != "":
		return "the file decrypts (" + p.readable + ") and reads as " + p.parsed +
			", but no hash verifies: another secret, or a way of joining that is not among those known" + iv
	case p.readable != "":
		return "the file decrypts to readable text (" + p.readable + "), but no layout fits it: one that is not among those known" + iv
	}
	return "no way of using the key gives readable text: another key, or an IV that must be handed over (32 hexadecimal digits)"
}

// probeWay is one way to decrypt.
type probeWay struct {
	data   []byte
	key    []byte
	cipher CipherForm
}

func (p *prober) run() error {
	var all []probeWay
	for _, o := range p.outerForms() {
		for _, key := range p.keys {
			for _, c := range p.cipherForms() {
				c.Outer, c.OuterEOL = o.form.Outer, o.form.OuterEOL
				all = append(all, probeWay{data: o.data, key: key, cipher: c})
			}
		}
	}
	for i, w := range all {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		if p.opts.Progress != nil {
			p.opts.Progress(i, len(all))
		}
		p.decrypt(w)
	}
	if p.opts.Progress != nil {
		p.opts.Progress(len(all), len(all))
	}
	return nil
}

type probeOuter struct {
	form CipherForm
	data []byte
}

// outerForms gives the text forms that the whole file is in, strictly.
func (p *prober) outerForms() []probeOuter {
	out := []probeOuter{{CipherForm{Outer: OuterBinary, OuterEOL: EOLNone}, p.file}}
	for _, outer := range outers.names()[1:] {
		for _, eol := range eols.names() {
			q := Standard()
			q.Cipher.Outer, q.Cipher.OuterEOL = outer, eol
			if q.Validate() != nil {
				continue
			}
			if data, ok := q.Cipher.unwrap(p.file); ok {
				out = append(out, probeOuter{q.Cipher, data})
			}
		}
	}
	return out
}

// cipherForms gives every combination of mode, IV and key form that a profile
// may have, with the paddings left open.
func (p *prober) cipherForms() []CipherForm {
	var forms []CipherForm
	for _, key := range keyForms {
		counts := []int{0}
		if key.row.rounds > 0 {
			counts = append([]int{10_000, 1000, 100_000}, p.opts.Iterations...)
		}
		for _, n := range counts {
			if form := (CipherForm{Key: key.name, Iterations: n}); !slices.Contains(forms, form) {
				forms = append(forms, form)
			}
		}
	}
	fixed := strings.ToLower(p.opts.IV)
	if fixed == zeroIV {
		fixed = "" // IVZero it is
	}
	var out []CipherForm
	for _, form := range forms {
		for _, mode := range modes {
			for _, iv := range ivs {
				c := form
				c.Mode, c.IV, c.Padding = mode.name, iv.name, PaddingPKCS7
				if iv.name == IVFixed {
					c.FixedIV = fixed
				}
				if mode.row.sealed {
					c.Padding = PaddingNone
				}
				candidate := Standard()
				candidate.Cipher = c
				candidate.Cipher.Outer, candidate.Cipher.OuterEOL = OuterBinary, EOLNone
				if candidate.Validate() == nil {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// decrypt tries one way, and what it gives if that is text.
func (p *prober) decrypt(w probeWay) {
	c := w.cipher
	if ivs.row(c.IV).salted && !bytes.HasPrefix(w.data, []byte(saltMark)) || c.IV == IVFileName && len(p.opts.Name) < blockSize {
		return
	}
	k, err := NewKey(p.opts.KeyID, w.key, []byte("-"))
	if err != nil {
		return
	}
	o := &opening{p: Standard(), keys: []Key{k}}
	o.p.Cipher = c
	mode := modes.row(c.Mode)
	if mode.sealed {
		if !bytes.HasPrefix(w.data, []byte(envelopeMagic)) {
			return
		}
		o.p.Associated = p.opts.Associated
	}
	o.p.Cipher.Outer, o.p.Cipher.OuterEOL = OuterBinary, EOLNone
	o.opts.Name = p.opts.Name
	o.opts.setDefaults()
	o.size = int64(len(w.data))
	src, err := o.open(p.ctx, bytes.NewReader(w.data))
	if err != nil || src.bad || len(w.data) <= len(o.front) {
		return
	}
	data := w.data[len(o.front):]
	// The beginning decides whether it is worth going on.
	sure := mode.sealed
	if !sure {
		head, _, _ := o.dec.inMemory(data[:min(len(data), 4096)], false)
		if !probablyText(head) {
			return
		}
		sure = readable(head)
	}
	if p.readable == "" && sure {
		p.readable = fmt.Sprintf("%s, IV %s, key %s", c.Mode, c.IV, c.Key)
		p.chained = (c.Mode == CipherCBC || c.Mode == CipherCFB8 || c.Mode == CipherCFB128) && c.IV != IVDerived
	}
	// The first padding that fits is the one, unless no padding is what another
	// takes for some.
	for _, padding := range paddings {
		if mode.sealed && padding.name != PaddingNone || mode.blocks && padding.name == PaddingNone {
			continue
		}
		o.dec.padding = padding.row
		text, fault, _ := o.dec.inMemory(data, true)
		if fault != "" || len(text) == 0 {
			continue
		}
		c.Padding = padding.name
		before := len(p.found)
		p.text(text, c, w.key)
		if len(p.found) > before {
			return
		}
	}
}

// probablyText lets through raw hashes and Japanese header rows. What is let
// through wrongly costs a little time.
func probablyText(text []byte) bool {
	return len(text) > 0 && textBytes(text)*2 > len(text)
}

// text tries the layouts on decrypted text.
func (p *prober) text(text []byte, c CipherForm, key []byte) {
	base := Standard()
	base.Name = "Probed"
	base.Cipher = c
	if c.Mode == CipherEnvelope {
		base.Associated = p.opts.Associated
	}
	body, marked := bytes.CutPrefix(text, []byte(charsets.row(CharsetUTF8BOM).mark))
	if marked {
		base.Charset = CharsetUTF8BOM
	}
	// The end of the text tells the line end, and if it has none, the first one
	// inside. A raw hash can hold bytes that look like one.
	ends := []EOL{EOLNone}
	for _, eol := range []EOL{EOLLF, EOLCRLF} {
		if bytes.Contains(body, []byte(eol.bytes())) {
			ends = append(ends, eol)
		}
	}
	slices.Reverse(ends)
	for _, eol := range ends {
		b := base
		b.EOL = eol
		b.FinalEOL = eol != EOLNone && bytes.HasSuffix(body, []byte(eol.bytes()))
		for _, layout := range layouts.names() {
			for _, header := range []bool{false, true} {
				for _, hash := range hashTexts.names() {
					q := b
					q.Layout, q.Header, q.Hash.Text = layout, header, hash
					p.layout(body, q, key)
				}
			}
		}
	}
}

// layout completes a profile from the fields of all records, and tries the
// hashes on the first.
func (p *prober) layout(body []byte, q Profile, key []byte) {
	for _, records := range []RecordCount{RecordsMany, RecordsOne} {
		q.Records = records
		for _, named := range p.names(body, q) {
			fit := p.numbers
			if q.Layout == LayoutFixed {
				fit = p.fixed
			}
			for _, r := range fit(body, named) {
				if p.parsed == "" {
					p.parsed = string(q.Layout)
				}
				p.hashes(body, r, key)
			}
		}
		if len(p.found) > 0 {
			return
		}
	}
}

// names reads the header row, or the names of key-value lines.
func (p *prober) names(body []byte, q Profile) []Profile {
	if !q.Header && q.Layout != LayoutKeyValue {
		return []Profile{q}
	}
	eol := []byte(q.EOL.bytes())
	if len(eol) == 0 {
		return nil
	}
	var raw []string
	lines := bytes.SplitN(body, eol, 5)
	switch q.Layout {
	case LayoutCSV, LayoutTSV, LayoutCSVQuoted:
		sep := ","
		if q.Layout == LayoutTSV {
			sep = "\t"
		}
		for _, name := range strings.Split(string(lines[0]), sep) {
			if q.Layout == LayoutCSVQuoted {
				name = strings.TrimSuffix(strings.TrimPrefix(name, `"`), `"`)
			}
			raw = append(raw, name)
		}
	case LayoutKeyValue:
		for _, line := range lines[:min(len(lines), 4)] {
			name, _, ok := strings.Cut(string(line), "=")
			if !ok {
				return nil
			}
			raw = append(raw, name)
		}
	}
	if len(raw) != 4 || slices.ContainsFunc(raw, p.isData) {
		return nil
	}
	charsets := []Charset{CharsetASCII, CharsetUTF8, CharsetCP932}
	if q.Charset == CharsetUTF8BOM {
		charsets = []Charset{CharsetUTF8BOM}
	}
	for _, charset := range charsets {
		named := q
		named.Charset, named.Names = charset, nil
		for _, name := range raw {
			if charset == CharsetCP932 {
				name, _ = japanese.ShiftJIS.NewDecoder().String(name)
			}
			named.Names = append(named.Names, name)
		}
		if b, err := charset.encode(strings.Join(named.Names, "")); err == nil && string(b) == strings.Join(raw, "") {
			return []Profile{named}
		}
	}
	return nil
}

// isData says whether what stands where a name should is a field of a record:
// a profile, which is printed and kept, holds names and never data.
func (p *prober) isData(name string) bool {
	if slices.ContainsFunc(p.transactionForms(), func(form TransactionForm) bool {
		_, ok := form.parse([]byte(name))
		return ok
	}) {
		return true
	}
	if sum, err := hex.DecodeString(name); err == nil && len(sum) == md5.Size {
		return true
	}
	sum, err := base64.StdEncoding.DecodeString(name)
	return err == nil && len(sum) == md5.Size
}

// fixed gives the profiles that can have divided a text without delimiters: the
// transaction is looked for first, since it is the one field that not every
// text can be.
func (p *prober) fixed(body []byte, q Profile) []Profile {
	hash := hashTexts.row(q.Hash.Text).max
	line := -1
	if q.EOL != EOLNone && q.Hash.Text != HashRaw {
		line = bytes.Index(body, []byte(q.EOL.bytes()))
	}
	var out []Profile
	for _, tx := range p.transactionForms() {
		if tx.Digits == 0 {
			continue
		}
		number := len(tx.Time) + len(tx.Join) + tx.Digits
		for front := 2; front <= MaxHolderLen+18; front++ {
			length := front + number + hash
			whole := line
			if line < 0 {
				whole = length
				if rest := (len(body) + len(q.EOL.bytes())) % (length + len(q.EOL.bytes())); rest != 0 && !(q.FinalEOL && rest == len(q.EOL.bytes())) {
					continue
				}
			}
			if whole != length || len(body) < length {
				continue
			}
			if _, ok := tx.parse(body[front : front+number]); !ok {
				continue
			}
			for digits := 1; digits <= 18 && digits < front; digits++ {
				r := q
				r.Transaction = tx
				r.Points = PointsForm{Digits: digits, ZeroFill: true}
				if r.Holder.Max = front - digits; r.Holder.Max <= MaxHolderLen && p.follows(body, r) {
					out = append(out, r)
				}
			}
		}
	}
	return out
}

// transactionForms are the spellings of a transaction, in the order of likelihood.
func (p *prober) transactionForms() []TransactionForm {
	var out []TransactionForm
	for _, form := range timeForms {
		for _, join := range numberJoins {
			for _, digits := range []int{6, 4, 3, 8, 5, 7, 9, 2, 1, 0} {
				out = append(out, TransactionForm{Time: form, Zone: ZoneJST, Join: join, Digits: digits, Reset: ResetNever, Scope: ScopeCloud})
			}
		}
	}
	return out
}

// numbers gives the profiles whose grammar the records follow.
func (p *prober) numbers(body []byte, q Profile) []Profile {
	var out []Profile
	points := []PointsForm{{Digits: 9}, {Digits: 18}}
	for digits := 1; digits <= 18; digits++ {
		points = append(points, PointsForm{Digits: digits, ZeroFill: true})
	}
	first := p.firstFields(body, q)
	if first == nil {
		return nil
	}
	for _, tx := range p.transactionForms() {
		if _, ok := tx.parse(first.bare[fieldTransaction]); !ok {
			continue
		}
		for _, form := range points {
			r := q
			r.Transaction, r.Points = tx, form
			if p.follows(body, r) {
				out = append(out, r)
				// Points without fill say less than with it: one is enough.
				break
			}
		}
	}
	// A sequence of any length is the last resort.
	if slices.ContainsFunc(out, func(r Profile) bool { return r.Transaction.Digits != 0 }) {
		out = slices.DeleteFunc(out, func(r Profile) bool { return r.Transaction.Digits == 0 })
	}
	return out
}

// firstFields divides the first record, whatever its numbers look like.
func (p *prober) firstFields(body []byte, q Profile) *fields {
	q.Transaction = TransactionForm{Time: TimeISO, Zone: ZoneJST, Join: "-", Reset: ResetNever, Scope: ScopeCloud}
	q.Points = PointsForm{Digits: 18}
	var f fields
	if _, _, at := p.first(body, q, &f); at == stepCut || at == stepSplit {
		return nil
	}
	return &f
}

// first reads the first record.
func (p *prober) first(body []byte, q Profile, f *fields) (c *codec, rest []byte, at step) {
	c, err := newCodec(q, []byte("-"))
	if err != nil {
		return nil, nil, stepCut
	}
	c.scans = false // which leaves out what the search needs
	text, ok := c.body(append([]byte(charsets.row(q.Charset).mark), body...))
	if !ok {
		return nil, nil, stepCut
	}
	rest, at, _ = c.next(text, true, f, nil, true)
	return c, rest, at
}

// follows reports whether every record has the grammar of the profile.
func (p *prober) follows(body []byte, q Profile) bool {
	var f fields
	c, rest, at := p.first(body, q, &f)
	count := 1
	for ; at == stepDone && len(rest) > 0; count++ {
		rest, at, _ = c.next(rest, true, &f, nil, true)
	}
	return at == stepDone && (q.Records == RecordsMany || count == 1)
}

// joins are the delimiters that are met, the empty one first: it is what the
// document says.
func joins() []string {
	return []string{"", ",", "\t", "|", ":", ";", "-", "_", " ", "&", "/", ".", "+", "#", "\n", "\r\n"}
}

// hashes searches for the input of the hash, on the first record, and keeps
// the profiles under which the whole file verifies.
func (p *prober) hashes(body []byte, q Profile, key []byte) {
	var f fields
	c, _, at := p.first(body, q, &f)
	if at != stepDone {
		return
	}
	c.straight = false
	kinds := []HashFields{HashBare}
	if fmt.Sprint(f.bare[:fieldHash]) != fmt.Sprint(f.written[:fieldHash]) {
		kinds = append(kinds, HashWritten)
	}
	var input []byte
	var text [sumLen]byte
	want := string(f.bare[fieldHash])
	if c.hash.fold {
		want = strings.ToLower(want)
	}
	before := len(p.found)
	for _, s := range p.secretForms() {
		if len(s.text) > len(p.secrets[0]) && len(p.found) > before {
			return // without its line end the secret does as well
		}
		c.secret = s.bytes
		for _, place := range secretPlaces {
			for _, join := range joins() {
				if place == SecretBetween && join != "" {
					continue // the secret is what joins
				}
				for _, secretJoin := range joins() {
					for _, kind := range kinds {
						for _, eol := range eols.names() {
							h := HashForm{Join: join, SecretJoin: secretJoin, Place: place, Secret: s.form, Fields: kind, EOL: eol, Text: q.Hash.Text}
							c.p.Hash, c.tail = h, eol.bytes()
							input = c.appendInput(input[:0], &f)
							if sum := md5.Sum(input); string(c.hash.append(text[:0], &sum)) == want {
								found := q
								found.Hash = h
								p.confirm(found, key, s.text)
							}
						}
					}
				}
			}
		}
	}
}

type probeSecret struct {
	form  SecretForm
	text  []byte // as it goes into a Key
	bytes []byte
}

// secretForms gives each spelling of the secret whose bytes are not those of
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
func (p *prober) confirm(q Profile, key, secret []byte) {
	k, err := NewKey(p.opts.KeyID, key, secret)
	if err != nil {
		return
	}
	q.FileName = FileNameForm{Kind: NameAny}
	variants := []Profile{q}
	if q.Layout != LayoutFixed || q.Holder.Max == 8 {
		variants = append(variants, q.WithMyKeyID())
	}
	for i, v := range variants {
		r, err := NewReaderAt(p.ctx, bytes.NewReader(p.file), int64(len(p.file)), v, k, &ReaderOptions{Name: p.opts.Name, Workers: 1})
		if err != nil {
			continue
		}
		// Eight upper-case characters, a letter among them, look like a MyKey
		// ID; eight digits more like a member's number.
		letters := false
		for rec := range r.Records() {
			letters = letters || strings.ContainsFunc(rec.Holder.Reveal(), func(c rune) bool { return c >= 'A' })
		}
		if i == 1 && !letters {
			continue
		}
		distance, nearest := nearestPreset(v)
		id, _ := json.Marshal(v)
		p.found[string(id)] = Probed{Profile: v, Key: k, Records: r.Len(), Distance: distance, Nearest: nearest}
		r.Close()
	}
}

// nearestPreset counts the axes in which a profile differs from each preset.
func nearestPreset(p Profile) (int, string) {
	best, name := 1<<30, ""
	for _, preset := range Presets() {
		if p.Holder.Kind == MyKeyID {
			preset = preset.WithMyKeyID()
		}
		if n := differences(axes(p.sameFiles()), axes(preset.sameFiles())); n < best {
			best, name = n, preset.Name
		}
	}
	return best, name
}

// sameFiles gives one and the same profile for all that make the same files of
// the same key: an IV of zeros has two names, the charset is that of names which
// are not there, and how the key was spelled is not seen.
func (p Profile) sameFiles() Profile {
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

// axes gives each leaf of the profile's JSON form.
func axes(p Profile) map[string]string {
	p.Name = ""
	b, _ := json.Marshal(p)
	var tree map[string]any
	_ = json.Unmarshal(b, &tree)
	out := map[string]string{}
	for k, v := range tree {
		if sub, ok := v.(map[string]any); ok {
			for name, leaf := range sub {
				out[k+"."+name] = fmt.Sprint(leaf)
			}
			continue
		}
		out[k] = fmt.Sprint(v)
	}
	return out
}

func differences(a, b map[string]string) int {
	n := 0
	for k, v := range a {
		if b[k] != v {
			n++
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			n++
		}
	}
	return n
}

// likelihood breaks ties: the less, the likelier.
func likelihood(p Profile) string {
	form := 0
	switch p.Transaction.Time {
	case TimeMillis:
		form = 1
	case TimeSeconds:
	default:
		form = 2
	}
	kind := 1
	if p.Holder.Kind == MyKeyID {
		kind = 0
	}
	// Sixteen bytes that are folded are the same sixteen.
	key := 0
	if p.Cipher.Key == KeyMySQL {
		key = 1
	}
	return strconv.Itoa(form) + strconv.Itoa(kind) + strconv.Itoa(key)
}
