package mergefile

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/text/encoding/japanese"
)

// How the prober divides a text, and which grammar it finds there.

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
	c, err := newCodec(q, []byte("-"))
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
		for _, tx := range transactionForms[q.Transaction.Columns] {
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
	for _, tx := range transactionForms[q.Transaction.Columns] {
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
		for _, form := range transactionForms[columns] {
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
			for _, tx := range transactionForms[0] {
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

// transactionForms are the spellings of a transaction of 0 (for one), 2 or 3
// columns, in the order of likelihood.
var transactionForms = [4][]TransactionForm{spellTransactions(0), nil, spellTransactions(2), spellTransactions(3)}

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
