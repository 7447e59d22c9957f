package mergefile

import (
	"bytes"
	"context"
	"crypto/hmac"
	"fmt"
	"io"
	"unicode/utf8"
)

// A Fault is what is wrong with a file, for a developer's eyes.
type Fault string

const (
	FaultSize        Fault = "size"         // empty, or beyond the bounds
	FaultOuter       Fault = "outer text"   // not the base64 or hexadecimal of the profile
	FaultPrefix      Fault = "prefix"       // no IV, salt or envelope header in front, or an unknown key identifier
	FaultBlocks      Fault = "block length" // not whole blocks
	FaultSegment     Fault = "segment"      // a segment of an envelope is not authentic
	FaultSidecar     Fault = "sidecar"      // missing, broken, of an unknown key, or of another file
	FaultPadding     Fault = "padding"
	FaultHeader      Fault = "header row" // or the byte order mark
	FaultLine        Fault = "line"       // a line that does not end, or is too long
	FaultField       Fault = "field"      // text outside the field's grammar
	FaultHash        Fault = "hash"       // the text is right, the hash is another
	FaultDuplicate   Fault = "duplicate"  // a transaction number that came before
	FaultRecordCount Fault = "record count"
)

// A RecordError is what is wrong with a file, and where. Only
// [DiagnoseForDeveloper] makes one. It holds positions and no content.
type RecordError struct {
	Fault Fault
	// Record is the record's number from 1, Line that of the line in the text,
	// header included; 0 if the fault is not in a record.
	Record int64
	Line   int64
	// Column is the byte in the line, from 1, where the field begins, and Field
	// its name (holder, points, transaction, hash), if it is about a field.
	Column int
	Field  string
	// Hint says what this looks like.
	Hint string
}

func (e *RecordError) Error() string {
	s := "mergefile: " + string(e.Fault)
	if e.Record > 0 {
		s += fmt.Sprintf(", record %d, line %d", e.Record, e.Line)
	}
	if e.Field != "" {
		s += fmt.Sprintf(", column %d (%s)", e.Column, e.Field)
	}
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// DiagnoseForDeveloper returns what is wrong with a file: nil if nothing is, else
// a [*RecordError] for the first fault that it meets, in the order in which a
// file is unpacked. The errors about configuration are those of [NewReader].
//
// It tells exactly what [ErrInvalid] keeps to itself. Call it from a tool on a
// developer's desk, never where a file arrives: not for a log, and not for a
// message to whoever sent it.
func DiagnoseForDeveloper(ctx context.Context, file []byte, p Profile, keys KeySource, opts *ReaderOptions) error {
	o, err := newOpening(ctx, p, keys, opts)
	if err != nil {
		return err
	}
	if len(file) == 0 {
		return &RecordError{Fault: FaultSize, Hint: "the file is empty"}
	}
	if int64(len(file)) > o.opts.MaxSize {
		return &RecordError{Fault: FaultSize, Hint: fmt.Sprintf("%d bytes, and %d are allowed", len(file), o.opts.MaxSize)}
	}
	if e := o.diagnoseSidecar(ctx, file); e != nil {
		return e
	}
	data, ok := o.p.Cipher.unwrap(file)
	if !ok {
		return &RecordError{Fault: FaultOuter, Hint: "not the text form that cipher.outer names, or its line ends differ"}
	}
	src, err := o.open(ctx, o.p.Cipher.reader(file))
	if err != nil {
		return err
	}
	if src.bad {
		return &RecordError{Fault: FaultPrefix, Hint: o.prefixHint()}
	}
	text, e := o.diagnoseCipher(data[len(o.front):])
	if e != nil {
		return e
	}
	return o.diagnoseText(text)
}

// unwrap takes off the container.
func (c *CipherForm) unwrap(file []byte) ([]byte, bool) {
	bad := false
	data, err := io.ReadAll(newContainerReader(c, c.reader(file), &bad))
	return data, err == nil && !bad
}

func (o *opening) prefixHint() string {
	switch {
	case o.dec.sealed:
		return "not an envelope of version 1, or under a key whose identifier is not among those given"
	case o.p.Cipher.IV == IVDerived:
		return `the file does not begin with "Salted__" and a salt`
	}
	return "the file is shorter than the IV that should stand in front"
}

func (o *opening) diagnoseSidecar(ctx context.Context, file []byte) error {
	if o.p.Integrity != IntegritySidecar {
		return nil
	}
	if len(o.opts.Sidecar) == 0 {
		return &RecordError{Fault: FaultSidecar, Hint: "the profile demands a sidecar and none was given"}
	}
	s := &source{}
	if err := o.openSidecar(ctx, s); err != nil {
		return err
	}
	s.mac.Write(file)
	switch {
	case s.sum == nil:
		return &RecordError{Fault: FaultSidecar, Hint: "not a sidecar of version 1"}
	case s.bad:
		return &RecordError{Fault: FaultSidecar, Hint: "its key identifier is not among the keys given"}
	case !hmac.Equal(s.mac.Sum(nil), s.sum):
		return &RecordError{Fault: FaultSidecar, Hint: "the HMAC is of another file, or under another key"}
	}
	return nil
}

func (o *opening) diagnoseCipher(data []byte) ([]byte, error) {
	text, fault, index := o.dec.inMemory(data, true)
	hint := ""
	switch fault {
	case "":
		return text, nil
	case FaultSegment:
		hint = fmt.Sprintf("segment %d is not authentic: wrong key, other associated data, or changed, cut or moved", index+1)
	case FaultBlocks:
		hint = fmt.Sprintf("%d bytes of ciphertext are not whole blocks: cut, or made longer, or in base64 or hexadecimal", len(data))
	case FaultPadding:
		hint = "the text before it reads well: the end of the file is damaged or cut, or the padding is of another kind"
		if !readable(text) {
			hint = "and no text before it: most likely the wrong key, its wrong text form, or the wrong mode"
		}
	}
	return nil, &RecordError{Fault: fault, Hint: hint}
}

// readable guesses whether decryption worked: of random bytes, little more
// than a third is text.
func readable(text []byte) bool {
	text = text[:min(len(text), 4096)]
	return textBytes(text)*10 > len(text)*7
}

// textBytes counts the bytes that are text, in ASCII or UTF-8.
func textBytes(text []byte) int {
	n := 0
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if size > 1 || r >= ' ' && r <= '~' || r == '\r' || r == '\n' || r == '\t' {
			n += size
		}
		text = text[size:]
	}
	return n
}

func (o *opening) diagnoseText(text []byte) error {
	plain := *o.codec
	c := &plain
	c.scans = false // it does not tell where the fields are
	body, ok := c.begin(bytes.Clone(text))
	if len(text) > 0 && !readable(text) && !c.hash.raw && (!ok || len(c.prolog) == 0) {
		return &RecordError{Fault: FaultField, Record: 1, Line: 1, Column: 1, Field: fieldHolder.String(),
			Hint: "the padding is right by chance, and the text is none: most likely the wrong key or IV"}
	}
	if !ok {
		return &RecordError{Fault: FaultHeader, Hint: "the text does not begin with the header row or mark that the profile names"}
	}
	if body, ok = c.end(body); !ok {
		return &RecordError{Fault: FaultLine, Hint: "the text does not end in what the profile's tail names"}
	}
	line := int64(1 + bytes.Count(c.prolog, c.newline))
	seen := make(map[Transaction]struct{})
	count, hashed := int64(0), false
	var f fields
	for len(body) > 0 {
		count++
		if count > o.opts.MaxRecords {
			return &RecordError{Fault: FaultRecordCount, Hint: fmt.Sprintf("more than %d", o.opts.MaxRecords)}
		}
		rest, at, i := c.next(body, true, &f, nil, true)
		fault, hint := FaultField, ""
		switch at {
		case stepCut:
			return &RecordError{Fault: FaultLine, Record: count, Line: line, Column: 1, Hint: lineHint(c, f.rec, rest)}
		case stepSplit:
			hint = "the line does not divide into four fields here"
		case stepParse:
			hint = fieldHint(c, i, f.bare[i])
		case stepHash:
			hint = fmt.Sprintf("not the spelling of a hash that the profile names (%s, %d characters)", c.p.Hash.Text, c.hash.max)
		default:
			_, twice := seen[f.number]
			switch {
			case !c.verifies(&f) && hashed:
				fault, i, hint = FaultHash, fieldHash, "the record was changed after its hash was taken"
			case !c.verifies(&f):
				fault, i, hint = FaultHash, fieldHash, "no record before it verifies: most likely the wrong secret, or another way of joining it"
			case twice:
				fault, i, hint = FaultDuplicate, fieldTransaction, "this number came before in the file"
			}
			hashed = true
		}
		if hint != "" {
			e := &RecordError{Fault: fault, Record: count, Line: line, Column: 1, Field: i.String(), Hint: hint}
			if w := f.written[i]; w != nil {
				start := cap(f.rec) - cap(w)
				e.Line += int64(bytes.Count(f.rec[:start], c.newline))
				e.Column = start - bytes.LastIndex(f.rec[:start], c.newline)
			}
			return e
		}
		seen[f.number] = struct{}{}
		line += int64(bytes.Count(body[:len(body)-len(rest)], c.newline))
		body = rest
	}
	if count == 0 {
		return &RecordError{Fault: FaultRecordCount, Hint: "no record"}
	}
	if c.p.Records == RecordsOne && count > 1 {
		return &RecordError{Fault: FaultRecordCount, Hint: "more than the one record that the profile has in a file"}
	}
	return nil
}

func lineHint(c *codec, rec, rest []byte) string {
	switch {
	case len(rest) == 0 && !c.p.FinalEOL && c.eol != "" && len(rec) <= c.maxLen && bytes.IndexByte(rec, '\n') < 0:
		return "the last line has a line end, and by the profile should not"
	case bytes.IndexByte(rec, '\n') >= 0:
		return "the line ends in another way than the profile says (" + string(c.p.EOL) + ")"
	case len(rest) == 0:
		return "the last line has no line end: cut off, or the profile's final_eol is wrong"
	}
	return "longer than any record of the profile can be"
}

func fieldHint(c *codec, f field, b []byte) string {
	switch f {
	case fieldHolder:
		return fmt.Sprintf("%d to %d characters of %s are expected", c.p.Holder.Min, c.p.Holder.Max, c.p.Holder.Chars)
	case fieldPoints:
		if len(b) > c.p.Points.Digits {
			return fmt.Sprintf("more than %d digits", c.p.Points.Digits)
		}
		return "a whole number from 1 is expected, without sign, comma or fill other than the profile's"
	}
	digits := "without zeros in front"
	if c.p.Transaction.Digits > 0 {
		digits = fmt.Sprintf("of %d digits", c.p.Transaction.Digits)
	}
	return fmt.Sprintf("a time that exists, of the years %d to %d, as %s, then %q and a sequence %s are expected",
		minYear, maxYear, c.p.Transaction.Time, c.p.Transaction.Join, digits)
}
