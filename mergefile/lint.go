package mergefile

import (
	"fmt"
	"slices"
	"strings"
)

// Severity ranks a [Finding].
type Severity string

const (
	// SeverityDanger lets someone without the key or the secret make points, or
	// read what is not theirs.
	SeverityDanger Severity = "danger"
	// SeverityWarning weakens a defence, or loses files.
	SeverityWarning Severity = "warning"
	// SeverityNote is worth knowing.
	SeverityNote Severity = "note"
)

// LintCode names a kind of finding, so that a program can let one pass.
type LintCode string

const (
	LintUnbound       LintCode = "unbound-fields"        // the hash does not say where a field ends
	LintECB           LintCode = "ecb"                   // equal blocks show, and can be exchanged
	LintFixedIV       LintCode = "fixed-iv"              // files that begin alike show
	LintMalleable     LintCode = "malleable-mode"        // a bit flipped in the file is one flipped in the text
	LintTruncation    LintCode = "truncation"            // a cut between two records does not show
	LintPadding       LintCode = "loose-padding"         // bytes of the padding that nothing binds
	LintHashCase      LintCode = "hash-in-two-spellings" // one record has more than one text
	LintSecretPrefix  LintCode = "secret-prefix"         // MD5 can be extended
	LintShortSecret   LintCode = "short-secret"          // a secret that can be tried out, or is in another text form
	LintPassphrase    LintCode = "passphrase"            // too little work makes the key
	LintFoldedKey     LintCode = "folded-key"            // MySQL's XOR
	LintWeakKey       LintCode = "weak-key"              // a key that can be tried out
	LintSequence      LintCode = "sequence-repeats"      // two records can have one number
	LintLocalTime     LintCode = "utc"                   // times are not what a receipt shows
	LintNoIntegrity   LintCode = "md5-alone"             // neither sidecar nor envelope
	LintNoAssociation LintCode = "unassociated-envelope" // of any sender, for any receiver
	LintLineEnds      LintCode = "line-ends"             // LF, where CRLF is usual
	LintInvalid       LintCode = "invalid"               // the profile is not valid, or the key is none of its form
)

// Finding is one thing that Lint has to say, in words.
type Finding struct {
	Severity Severity
	Code     LintCode
	// Axis is the path in the profile's JSON form.
	Axis string
	Text string
}

// String gives the finding on one line, the code behind it.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s (%s)", f.Severity, f.Axis, f.Text, f.Code)
}

// A risk is what a choice of a stage's table weakens, if anything.
type risk struct {
	severity Severity
	code     LintCode
	text     string
}

func (r risk) tell(add func(Severity, LintCode, string, string), axis string) {
	if r.code != "" {
		add(r.severity, r.code, axis, r.text)
	}
}

// The risks of several choices.
var (
	malleable = risk{SeverityWarning, LintMalleable, "a flipped bit of the file is the same bit flipped in the text: only the hash stands against it."}
	partOfKey = risk{SeverityWarning, LintWeakKey, "only a part of 16 bytes is used: characters of text, or hexadecimal digits, have few values each, and what is cut off or filled up adds nothing."}
	fastHash  = risk{SeverityWarning, LintPassphrase, "one round of a fast hash makes the key: a passphrase that a person can remember is found by trying. Use 16 random bytes in text as the passphrase."}
)

// minSecret is 128 bits, if they are random.
const minSecret = 16

// Lint says what is risky about a profile that is valid, the worst first. With
// keys it also looks at them and their secrets, but for keys in a vault. A
// profile often cannot be changed, because the other end is as it is; the
// findings then say what else must hold.
func (p Profile) Lint(keys ...Key) []Finding {
	if err := p.Validate(); err != nil {
		return []Finding{{SeverityDanger, LintInvalid, "", strings.ReplaceAll(err.Error(), "\n", "; ")}}
	}
	var out []Finding
	add := func(s Severity, code LintCode, axis, text string) {
		out = append(out, Finding{s, code, axis, text})
	}
	p.lintHash(add, keys)
	p.lintCipher(add)
	for _, k := range keys {
		if !k.m.IsZero() && k.m.Reveal().vault == nil {
			p.lintKey(add, k)
		}
	}

	t := p.Transaction
	if t.Reset == ResetSecond && t.Scope != ScopeCloud || t.Scope != ScopeCloud && t.Reset != ResetNever {
		add(SeverityWarning, LintSequence, "transaction.scope",
			"each "+string(t.Scope)+" counts for itself and starts again: two of them give the same number at the same second, and one person's points are taken for a repetition. Check for duplicates by "+string(t.Scope)+".")
	}
	if t.Digits > 0 && t.Digits < 4 && t.Reset != ResetSecond {
		add(SeverityNote, LintSequence, "transaction.digits",
			"a narrow sequence runs over and repeats: the time must make up for it.")
	}
	if t.Time.short() {
		add(SeverityNote, LintSequence, "transaction.time",
			"the time has no seconds or no century: the sequence must tell apart what came in one minute, and no date before 2000 or after 2099 can stand.")
	}
	if t.Zone == ZoneUTC {
		add(SeverityNote, LintLocalTime, "transaction.zone", "the time is UTC: a receipt shows nine hours more.")
	}
	if p.EOL == EOLLF {
		add(SeverityNote, LintLineEnds, "eol", "some Windows programs of the mall's side expect CRLF.")
	}
	rank := map[Severity]int{SeverityDanger: 0, SeverityWarning: 1, SeverityNote: 2}
	slices.SortStableFunc(out, func(a, b Finding) int { return rank[a.Severity] - rank[b.Severity] })
	return out
}

func (p Profile) lintHash(add func(Severity, LintCode, string, string), keys []Key) {
	h := p.Hash
	p.lintBorders(add, keys)
	if h.Place == SecretPrefix {
		add(SeverityWarning, LintSecretPrefix, "hash.place",
			"with the secret in front alone, MD5 can be extended by who does not know it; only the strict grammar stands against that. Put it behind.")
	}
	text := hashTexts.row(h.Text)
	text.risk.tell(add, "hash.text")
	for _, k := range keys {
		if k.m.IsZero() {
			continue
		}
		switch s, err := k.secretBytes(h.Secret); {
		case err != nil:
			add(SeverityDanger, LintShortSecret, "hash.secret", "the secret of key "+fmt.Sprintf("%q", k.ID())+" is not in the text form that the profile names.")
		case len(s) < minSecret || distinctBytes(s) < 6:
			add(SeverityDanger, LintShortSecret, "hash.secret",
				fmt.Sprintf("the secret of key %q is shorter than %d bytes or repeats itself: whoever has one decrypted file tries out all secrets of that kind in an afternoon. Take 16 random bytes, in hexadecimal.", k.ID(), minSecret))
		}
	}
	if h.Fields == hashPlain && p.Points.filled() {
		add(SeverityNote, LintHashCase, "hash.fields", "the hash does not bind how points are filled: the field's one width does.")
	}
	if p.Integrity == IntegrityNone && p.Cipher.Mode != CipherEnvelope {
		add(SeverityNote, LintNoIntegrity, "integrity",
			"MD5 with a secret is all that says who wrote the file. Add a sidecar (an old reader does not mind it), or move to an envelope.")
	}
}

// lintBorders says whether two different records can have the same text in the
// hash's input. A delimiter is no character of the field in front of it, so
// that it always binds; so do quotes, names and fill. Without any of these, the
// widths must.
func (p Profile) lintBorders(add func(Severity, LintCode, string, string), keys []Key) {
	h := p.Hash
	if h.Fields == HashWritten {
		switch p.Layout {
		case LayoutCSVQuoted, LayoutFixed, LayoutKeyValue:
			return
		}
	}
	if h.Place == SecretBetween {
		// The secret is a delimiter, unless it can be part of a number.
		if h.SecretJoin != "" || !slices.ContainsFunc(keys, func(k Key) bool { return !k.m.IsZero() && k.digitsAlone(h.Secret) }) {
			return
		}
	} else if h.Join != "" && !(p.Holder.Chars == "alnum-hyphen" && strings.Trim(h.Join, "-") == "") {
		return
	}
	switch holder, number := p.unboundHolder(), p.unboundNumber(); {
	case (holder || number) && h.Place == SecretBetween:
		add(SeverityDanger, LintUnbound, "hash.secret_join",
			"the hash does not bind the borders between the fields: a secret of digits alone can be taken for a part of them, and they for a part of it. Take a secret with letters, or a delimiter.")
	case holder:
		add(SeverityDanger, LintUnbound, "hash.join",
			`the hash does not bind the border between holder and points: ("520625","100") and ("52062","5100") have the same hash, so that 100 points for one member become 5,100 for another. Join with a delimiter, or give the holder or the points a fixed width, or accept only holders that exist.`)
	case number:
		add(SeverityDanger, LintUnbound, "hash.join",
			`the hash does not bind where the transaction number begins: ("100","20201201121050123456") and ("10020","201201121050123456") have the same hash, so that 100 points become 10,020. Join with a delimiter, or give the sequence a fixed width.`)
	}
}

// unboundHolder says whether the border between holder and points can move.
func (p Profile) unboundHolder() bool {
	return p.Holder.Min < p.Holder.Max && !p.Points.ZeroFill && p.Points.Digits > 1
}

// unboundNumber says whether the transaction number can begin elsewhere: it is
// digits from beginning to end, of no fixed number, and holder or points give
// way. Every year begins with 20, and so the number cannot move by one digit,
// but by two: 2020-12-01 becomes 2012-01-12. Points of one digit would have to
// be the 0 of that year, and need three.
func (p Profile) unboundNumber() bool {
	t := p.Transaction
	if t.Digits != 0 || t.Join != "" || t.Time != TimeSeconds && t.Time != TimeMillis {
		return false
	}
	holder, least := p.Holder.Max-p.Holder.Min, 2
	if p.Points.Digits == 1 {
		least = 3
	}
	return holder >= least || !p.Points.ZeroFill && p.Points.Digits > 2
}

// digitsAlone says whether the secret's bytes are nothing but digits.
func (k Key) digitsAlone(form SecretForm) bool {
	s, err := k.secretBytes(form)
	return err == nil && !slices.ContainsFunc(s, func(c byte) bool { return c-'0' > 9 })
}

func (p Profile) lintCipher(add func(Severity, LintCode, string, string)) {
	c := p.Cipher
	mode, iv, padding, key := modes.row(c.Mode), ivs.row(c.IV), paddings.row(c.Padding), keyForms.row(c.Key)
	mode.risk.tell(add, "cipher.mode")
	switch {
	case c.IV == IVKey:
		add(SeverityDanger, LintFixedIV, "cipher.iv", "the key as IV comes out of the first block of a file that was tampered with, if anyone sees the garbled text.")
	case iv.repeats && mode.stream != nil:
		add(SeverityDanger, LintFixedIV, "cipher.iv", "with one IV for all files this mode uses one key stream again and again: two files together give away both texts."+iv.caution)
	case iv.repeats:
		add(SeverityWarning, LintFixedIV, "cipher.iv", "files that begin alike are encrypted alike: who watches them sees when the same holder comes again."+iv.caution)
	}
	if padding.mark <= markFill && !mode.sealed && p.Integrity == IntegrityNone {
		add(SeverityWarning, LintTruncation, "cipher.padding", "a file that is cut between two records, at the end of a block, cannot be told from a whole one.")
	}
	if padding.random {
		add(SeverityNote, LintPadding, "cipher.padding", "the random bytes of the padding are bound by nothing: a file changed there still verifies, with the same records.")
	}
	key.risk.tell(add, "cipher.key")
	if key.rounds > 0 && c.Salt != "" {
		add(SeverityNote, LintPassphrase, "cipher.salt", "one salt for all files: whoever tries out passphrases does so for all of them at once.")
	}
	if key.rounds > 0 && c.Iterations < 100_000 {
		add(SeverityNote, LintPassphrase, "cipher.iterations", "few rounds by today's measure: use a passphrase that is random.")
	}
	if c.Mode == CipherEnvelope && p.Associated == "" {
		add(SeverityNote, LintNoAssociation, "associated",
			"nothing binds the file to sender and receiver: name both, so that one mall's file cannot be given to another under the same key.")
	}
}

// lintKey looks at how a key can be guessed.
func (p Profile) lintKey(add func(Severity, LintCode, string, string), k Key) {
	m, text := k.m.Reveal().material, false
	switch c := p.Cipher; c.Key {
	case KeyRaw, KeyHex, KeyBase64:
		b, err := k.aes(&c, nil)
		if err != nil {
			add(SeverityDanger, LintInvalid, "cipher.key", fmt.Sprintf("key %q is not in the form that the profile names, or not 16 bytes.", k.ID()))
			return
		}
		m = b
		text = !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
	}
	switch {
	case len(m) < blockSize || distinctBytes(m) < 6:
		add(SeverityDanger, LintWeakKey, "cipher.key",
			fmt.Sprintf("key %q is shorter than %d bytes or repeats itself: whoever has one file tries out all keys of that kind.", k.ID(), blockSize))
	case text:
		add(SeverityWarning, LintWeakKey, "cipher.key",
			fmt.Sprintf("key %q is text, of which a byte has few values: take 16 random bytes.", k.ID()))
	}
}

func distinctBytes(b []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}
