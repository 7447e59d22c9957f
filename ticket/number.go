package ticket

import (
	"cmp"
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"unicode"

	"github.com/mynakit/mynakit/internal/secret"
)

// Space is how many ticket numbers there are: every string of eight digits.
const Space = 100_000_000

// A Number is a ticket number (発券番号): eight decimal digits, any of the 10^8,
// drawn at random (システム設計書(活用マニュアル概要) II.11②(ウ)). Leading zeros
// are significant.
//
// Numbers compare with == and serve as map keys. The zero Number represents no
// number and is not 0000-0000.
//
// Whoever knows a live number can spend it. Package fmt, log/slog and the
// encoders therefore show only the last two digits, as in ****-**32, whatever
// the verb. [Number.Display] returns the printed form and [Number.Digits] the
// bare digits. A Number stores itself as an argument of an SQL statement; to
// send a ticket between programs, use [Ticket.Reveal].
type Number struct {
	secret.Hidden
	v secret.Uint64 // the number plus one
}

// maskHead stands in place of the six digits that are hidden.
const maskHead = "****-**"

// NewNumber returns a random number, each of the 10^8 equally likely. Two
// results may be equal; [Book.Issue] gives each ticket another number.
func NewNumber() Number {
	var b [4]byte
	for {
		_, _ = rand.Read(b[:]) // never fails: it ends the program instead
		if n, ok := numberFrom(binary.LittleEndian.Uint32(b[:])); ok {
			return n
		}
	}
}

// practice is how many numbers, from 0000-0000 on, are for books in training.
const practice = 100_000

// drawing returns what draws the numbers of a book.
func drawing(training bool) func() Number {
	if training {
		return func() Number {
			var b [4]byte
			_, _ = rand.Read(b[:]) // never fails: it ends the program instead
			return newNumber(binary.LittleEndian.Uint32(b[:]) % practice)
		}
	}
	return func() Number {
		for {
			if n := NewNumber(); n.Digits() >= firstLive {
				return n
			}
		}
	}
}

const firstLive = "00100000"

// numberFrom maps 32 random bits to a number. The topmost 95 million values
// are thrown away: with them, 42.95 draws would share each number and the
// lower ones would come up 2 % more often.
func numberFrom(bits uint32) (Number, bool) {
	const fair = 1<<32 - 1<<32%Space
	if bits >= fair {
		return Number{}, false
	}
	return newNumber(bits % Space), true
}

// maxTyped bounds what is looked at of a typed number.
const maxTyped = 128

// ParseNumber parses a number as people type it: eight digits, half or full
// width, with or without one hyphen or spaces in the middle, spaces around
// it, and any of the characters that a Japanese keyboard or a copied text puts
// in a hyphen's place (－ ー − ‐ – — ― 〜 ～ ・ . and their like). Characters that
// are not seen, such as a byte-order mark, are skipped. Otherwise it returns
// [ErrNumber], which does not hold the text.
func ParseNumber(s string) (Number, error) {
	d, err := digits(s, "44")
	if err != nil {
		return Number{}, err
	}
	return numberOf(d[:8]), nil
}

// ParseCheckedNumber parses the form of [Number.DisplayChecked]: nine digits in
// groups of four, four and one, typed as freely as for [ParseNumber]. It
// returns [ErrNumber] for another form and [ErrCheckDigit] for a wrong check
// digit.
func ParseCheckedNumber(s string) (Number, error) {
	d, err := digits(s, "441")
	if err != nil {
		return Number{}, err
	}
	if damm(d[:]) != 0 {
		return Number{}, ErrCheckDigit
	}
	return numberOf(d[:8]), nil
}

func numberOf(d []byte) Number {
	var v uint32
	for _, c := range d {
		v = v*10 + uint32(c)
	}
	return newNumber(v)
}

func newNumber(v uint32) Number { return Number{v: secret.MaskUint64(uint64(v) + 1)} }

// reveal returns the number plus one, and 0 for the zero Number.
func (n Number) reveal() uint32 { return uint32(n.v.Reveal()) }

// digits reads groups of digits, whose lengths are the characters of groups,
// with an optional separator between groups.
func digits(s, groups string) (d [9]byte, err error) {
	if len(s) > maxTyped {
		return d, fmt.Errorf("%w: too long", ErrNumber)
	}
	n, group, inGroup := 0, 0, 0
	hyphen := false // one was seen since the last digit
	for pos, r := range s {
		if r >= '０' && r <= '９' {
			r -= '０' - '0'
		}
		switch {
		case unicode.Is(unicode.Cf, r):
		case r >= '0' && r <= '9':
			if group < len(groups) && inGroup == int(groups[group]-'0') {
				group++
				inGroup = 0
			}
			if group == len(groups) {
				return d, fmt.Errorf("%w: too many digits", ErrNumber)
			}
			d[n] = byte(r - '0')
			n++
			inGroup++
			hyphen = false
		case isSpace(r) && (n == 0 || inGroup == int(groups[group]-'0')):
		case isHyphen(r) && n > 0 && !hyphen && group < len(groups)-1 && inGroup == int(groups[group]-'0'):
			hyphen = true
		default:
			return d, fmt.Errorf("%w: wrong character at byte %d", ErrNumber, pos)
		}
	}
	if hyphen || group != len(groups)-1 || inGroup != int(groups[group]-'0') {
		return d, fmt.Errorf("%w: too few digits", ErrNumber)
	}
	return d, nil
}

// isSpace takes the blanks of a keyboard and the Enter or Tab that a
// keyboard-wedge reader sends after a code.
func isSpace(r rune) bool {
	switch r {
	case ' ', '\u3000', '\u00a0', '\t', '\r', '\n':
		return true
	}
	return false
}

func isHyphen(r rune) bool {
	switch r {
	case '-',
		'\uff0d',           // － full-width hyphen-minus
		'\u30fc', '\uff70', // ー ｰ long-vowel marks, the key beside 0 in kana input
		'\u2212',                     // − minus
		'\u2010', '\u2011', '\u2012', // ‐ ‑ ‒
		'\u2013', '\u2014', '\u2015', // – — ―
		'\u2500', '\u2501', // ─ ━ ruled lines
		'\ufe58', '\ufe63', // ﹘ ﹣
		'~', '\u301c', '\uff5e', // ~ 〜 ～
		'\u00b7', '\u30fb', '\uff65', // · ・ ･
		'.', '\uff0e', '\u3002', '\uff61': // . ． 。 ｡, the key beside the digits
		return true
	}
	return false
}

// IsZero reports whether n is the zero Number.
func (n Number) IsZero() bool { return n.v.IsZero() }

// Compare returns -1, 0 or +1 in the order of the digits. The zero Number is
// first.
func (n Number) Compare(other Number) int { return cmp.Compare(n.reveal(), other.reveal()) }

// put writes the eight digits.
func (n Number) put(b *[8]byte) {
	v := n.reveal() - 1
	for i := 7; i >= 0; i-- {
		b[i] = '0' + byte(v%10)
		v /= 10
	}
}

// Digits returns the eight digits, such as "98765432", or "" for the zero
// Number.
func (n Number) Digits() string {
	if n.IsZero() {
		return ""
	}
	var b [8]byte
	n.put(&b)
	return string(b[:])
}

// Display returns the form that is printed on the ticket, such as "9876-5432",
// or "" for the zero Number.
func (n Number) Display() string {
	if n.IsZero() {
		return ""
	}
	var b [8]byte
	n.put(&b)
	return string(b[:4]) + "-" + string(b[4:])
}

// DisplayChecked returns the printed form with the check digit behind it, such
// as "9876-5432-9", or "" for the zero Number.
func (n Number) DisplayChecked() string {
	if n.IsZero() {
		return ""
	}
	return n.Display() + "-" + string('0'+rune(n.CheckDigit()))
}

// CheckDigit returns the Damm check digit, 0 to 9. It detects every single
// wrong digit and every swap of two neighbours. It is not a part of the number,
// whose eight digits are all random. The result for the zero Number is 0.
func (n Number) CheckDigit() int {
	if n.IsZero() {
		return 0
	}
	var b [8]byte
	n.put(&b)
	for i := range b {
		b[i] -= '0'
	}
	return int(damm(b[:]))
}

// String returns the number with all but its last two digits hidden.
func (n Number) String() string {
	if n.IsZero() {
		return ""
	}
	var b [8]byte
	n.put(&b)
	return maskHead + string(b[6:])
}

// Format writes [Number.String] for every verb.
func (n Number) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, n.String()) }

// LogValue returns [Number.String].
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText returns [Number.String], which is not read back.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText parses exactly eight ASCII digits. Otherwise it returns
// [ErrNumber] and leaves n unchanged.
func (n *Number) UnmarshalText(text []byte) error {
	if len(text) != 8 {
		return fmt.Errorf("%w: %d bytes", ErrNumber, len(text))
	}
	var v uint32
	for i, c := range text {
		if c < '0' || c > '9' {
			return fmt.Errorf("%w: wrong character at byte %d", ErrNumber, i)
		}
		v = v*10 + uint32(c-'0')
	}
	*n = newNumber(v)
	return nil
}

// Value returns the eight digits as text, and NULL for the zero Number.
func (n Number) Value() (driver.Value, error) {
	if n.IsZero() {
		return nil, nil
	}
	return n.Digits(), nil
}

// Scan parses a text column as UnmarshalText does, and NULL as the zero Number.
// On error n is unchanged.
func (n *Number) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*n = Number{}
		return nil
	case string:
		return n.UnmarshalText([]byte(v))
	case []byte:
		return n.UnmarshalText(v)
	}
	return fmt.Errorf("%w: a column of type %T", ErrNumber, src)
}

// damm is the checksum of H. Michael Damm's quasigroup of order ten: zero for
// digits that end in their own check digit.
func damm(digits []byte) byte {
	var c byte
	for _, d := range digits {
		c = dammTable[c][d]
	}
	return c
}

var dammTable = [10][10]byte{
	{0, 3, 1, 7, 5, 9, 8, 6, 4, 2},
	{7, 0, 9, 2, 1, 5, 4, 8, 6, 3},
	{4, 2, 0, 6, 8, 7, 1, 3, 5, 9},
	{1, 7, 5, 0, 9, 8, 3, 4, 2, 6},
	{6, 1, 2, 3, 0, 4, 5, 9, 7, 8},
	{3, 6, 7, 4, 2, 0, 9, 5, 8, 1},
	{5, 8, 6, 9, 7, 2, 0, 1, 3, 4},
	{8, 9, 4, 5, 3, 6, 2, 0, 1, 7},
	{9, 4, 3, 8, 6, 1, 7, 2, 0, 5},
	{2, 5, 8, 1, 4, 3, 6, 7, 9, 0},
}

// A Code is what the counter was handed, as the reader or the keyboard gave
// it: the text of a ticket's QR code, or a typed number. It is as good as
// money, so everything that prints or encodes shows [redacted] in its place.
// It is read from JSON as a plain string.
type Code struct {
	secret.Hidden
	text secret.Box[string]
}

// NewCode returns a Code of the text.
func NewCode(text string) Code { return Code{text: secret.New(text)} }

// Reveal returns the text.
func (c Code) Reveal() string { return c.text.Reveal() }

// IsZero reports whether c is the zero Code.
func (c Code) IsZero() bool { return c.text.IsZero() }

// UnmarshalText accepts any text.
func (c *Code) UnmarshalText(text []byte) error {
	*c = NewCode(string(text))
	return nil
}
