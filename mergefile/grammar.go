package mergefile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The grammar of fields 1 to 3. It is strict on purpose. MD5 with a secret in
// front can be extended and MD5 collides, but both roads need bytes that are not
// letters, digits or the profile's own delimiters, and the grammar refuses those
// before anything is believed.

// holderChars are the choices of HolderForm.Chars.
var holderChars = table[HolderChars, *[256]bool]{
	{CharsAlnum, charsOf(isAlnum)},
	{CharsDigits, charsOf(func(c byte) bool { return c-'0' <= 9 })},
	{CharsUpper, charsOf(func(c byte) bool { return c-'0' <= 9 || c-'A' <= 25 })},
	{"alnum-hyphen", charsOf(isHolder)},
}

func charsOf(allowed func(byte) bool) *[256]bool {
	var chars [256]bool
	for i := range chars {
		chars[i] = allowed(byte(i))
	}
	return &chars
}

func isHolder(c byte) bool { return isAlnum(c) || c == '-' }

func isAlnum(c byte) bool { return c-'0' <= 9 || c-'A' <= 25 || c-'a' <= 25 }

// newGrammar makes a profile's grammar ready.
func (c *codec) newGrammar() {
	c.chars = holderChars.row(c.p.Holder.Chars)
	c.seqMin, c.seqMax = c.p.Transaction.widths()
}

// widths returns the least and the greatest number of digits of the sequence.
func (t *TransactionForm) widths() (least, most int) {
	if t.Digits == 0 {
		return 1, maxSequenceWidth
	}
	return t.Digits, t.Digits
}

// parse reads fields 1 to 3 into r, if r is not nil. On failure it returns the
// field that is wrong.
func (c *codec) parse(f *fields, r *Record) (field, bool) {
	id := f.bare[fieldHolder]
	if len(id) < c.p.Holder.Min || len(id) > c.p.Holder.Max {
		return fieldHolder, false
	}
	for _, b := range id {
		if !c.chars[b] {
			return fieldHolder, false
		}
	}
	if id[0] == '-' || id[len(id)-1] == '-' {
		return fieldHolder, false
	}
	points, ok := c.p.Points.parse(f.bare[fieldPoints])
	if !ok {
		return fieldPoints, false
	}
	t, ok := c.number.parse(f.bare[fieldTransaction])
	if !ok {
		return fieldTransaction, false
	}
	f.number = t
	if r != nil {
		r.Holder.set(c.p.Holder.Kind, id)
		r.Points, r.Transaction = points, t
	}
	return 0, true
}

// pointsTexts are the choices of PointsForm.Text.
var pointsTexts = []string{"", "space-fill", "plus", "commas"}

// filled reports whether the field has one width.
func (form *PointsForm) filled() bool { return form.ZeroFill || form.Text == "space-fill" }

// pointsDigits returns the digits of points alone.
func pointsDigits(b []byte) []byte {
	out := make([]byte, 0, 24)
	for _, c := range b {
		if c-'0' <= 9 && (len(out) > 0 || c != '0') {
			out = append(out, c)
		}
	}
	return out
}

func (form *PointsForm) parse(b []byte) (uint64, bool) {
	if form.Text != "" {
		digits := pointsDigits(b[:min(len(b), 32)])
		v, ok := parseDigits(digits)
		if !ok || len(digits) > form.Digits {
			return 0, false
		}
		// One spelling alone.
		text, ok := form.append(nil, v)
		return v, ok && string(text) == string(b)
	}
	if len(b) == 0 || len(b) > form.Digits || form.ZeroFill && len(b) != form.Digits || !form.ZeroFill && b[0] == '0' {
		return 0, false
	}
	v, ok := parseDigits(b)
	return v, ok && v > 0
}

// append writes points as parse reads them. It reports false for those that
// have no spelling.
func (form *PointsForm) append(dst []byte, points uint64) ([]byte, bool) {
	if points == 0 || decimalWidth(points) > form.Digits {
		return dst, false
	}
	if form.ZeroFill {
		return appendFixed(dst, points, form.Digits), true
	}
	n := len(dst)
	switch form.Text {
	case "plus":
		dst = append(dst, '+')
	case "space-fill":
		for range form.Digits - decimalWidth(points) {
			dst = append(dst, ' ')
		}
	}
	dst = strconv.AppendUint(dst, points, 10)
	if form.Text == "commas" {
		for i := len(dst) - 3; i > n; i -= 3 {
			dst = slices.Insert(dst, i, ',')
		}
	}
	return dst, true
}

// inColumns returns the form with the delimiter between its columns.
func (form TransactionForm) inColumns(delim string) TransactionForm {
	if form.Columns > 1 {
		form.Join = delim
	}
	if form.Columns > 2 {
		date, clock, _ := strings.Cut(string(form.Time), "h")
		form.Time = TimeForm(strings.TrimRight(date, " T") + delim + "h" + clock)
	}
	form.Columns, form.Reset, form.Scope = 0, "", ""
	return form
}

func (form *TransactionForm) parse(b []byte) (t Transaction, ok bool) {
	n, join := len(form.Time), len(form.Join)
	least, most := form.widths()
	if len(b) < n+join+least || len(b) > n+join+most || string(b[n:n+join]) != form.Join {
		return t, false
	}
	milli, ok := form.Time.parseTime(b[:n])
	if form.Zone == ZoneJST {
		milli -= jstOffset * 1000
	}
	seq := b[n+join:]
	if least != most && len(seq) > 1 && seq[0] == '0' {
		return t, false
	}
	v, good := parseDigits(seq)
	return Transaction{milli: milli, seq: uint32(v)}, ok && good
}

// append writes a transaction as parse reads it. It reports false for one that
// has no spelling.
func (form *TransactionForm) append(dst []byte, t Transaction) ([]byte, bool) {
	least, _ := form.widths()
	width := max(least, decimalWidth(uint64(t.seq)))
	dst = form.Time.appendTime(dst, form.civil(t))
	dst = append(dst, form.Join...)
	dst = appendFixed(dst, uint64(t.seq), width)
	return dst, form.Digits == 0 || width == form.Digits
}

// civil returns the instant of a transaction on a clock of the form's zone.
func (form *TransactionForm) civil(t Transaction) int64 {
	if form.Zone == ZoneJST {
		return t.milli + jstOffset*1000
	}
	return t.milli
}

// spell fills fields 1 to 3 with the record's spelling, and reports
// false and the field that has none.
func (c *codec) spell(f *fields, r *Record) (field, bool) {
	if r.Holder.kind != c.p.Holder.Kind {
		return fieldHolder, false
	}
	b := r.Holder.id.AppendTo(make([]byte, 0, 2*MaxHolderLen+64))
	f.bare[fieldHolder] = b
	b, ok := c.p.Points.append(b[len(b):], r.Points)
	if f.bare[fieldPoints] = b; !ok {
		return fieldPoints, false
	}
	if f.bare[fieldTransaction], ok = c.number.append(b[len(b):], r.Transaction); !ok {
		return fieldTransaction, false
	}
	// What was written must read back as the same record: that makes the
	// grammar the one judge of what may stand in a file.
	var back Record
	if i, ok := c.parse(f, &back); !ok {
		return i, false
	}
	return fieldTransaction, back == *r
}

func (p *Profile) validateFields(v *validation) {
	check(v, "holder.chars", p.Holder.Chars, holderChars.names()...)
	v.when(p.Holder.Kind > MyKeyID, "holder.kind", "unknown")
	v.when(p.Holder.Min < 1 || p.Holder.Max > MaxHolderLen || p.Holder.Min > p.Holder.Max,
		"holder.min", fmt.Sprintf("lengths run from 1 to %d", MaxHolderLen))
	v.when(p.Holder.Kind == MyKeyID && (p.Holder.Chars != CharsUpper || p.Holder.Min != 8 || p.Holder.Max != 8),
		"holder.chars", "a MyKey ID is 8 characters of upper")

	fixed := layouts.row(p.Layout).fixed
	v.when(p.Points.Digits < 1 || p.Points.Digits > 18, "points.digits", "1 to 18 digits")
	v.when(fixed && !p.Points.filled(), "points.zero_fill", "a fixed layout needs a fixed width")
	check(v, "points.text", p.Points.Text, pointsTexts...)
	v.when(p.Points.ZeroFill && p.Points.Text != "", "points.text", "unused with zero_fill")
	l := layouts.row(p.Layout)
	v.when(p.Points.Text == "commas" && strings.HasPrefix(l.delim, ",") && l.open[fieldPoints] == "", "points.text", "without quotes a comma is the delimiter")
	v.when(p.Transaction.Columns < 0 || p.Transaction.Columns > 3 || p.Transaction.Columns > 1 && (l.delim == "" || l.open[fieldTransaction] != "" || p.Transaction.Join != ""),
		"transaction.columns", "up to 3, between delimiters and without quotes or a join")

	t := &p.Transaction
	check(v, "transaction.time", t.Time, timeForms...)
	check(v, "transaction.zone", t.Zone, ZoneJST, ZoneUTC)
	check(v, "transaction.join", t.Join, numberJoins...)
	check(v, "transaction.reset", t.Reset, ResetNever, ResetDay, ResetSecond)
	check(v, "transaction.scope", t.Scope, ScopeCloud, ScopeShop, ScopeTerminal)
	v.when(t.Digits < 0 || t.Digits > maxSequenceWidth, "transaction.digits", "1 to 9 digits, or 0 for any number of them")
	v.when(fixed && t.Digits == 0, "transaction.digits", "a fixed layout needs a fixed width")
}
