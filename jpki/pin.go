package jpki

import (
	"fmt"

	"github.com/mynakit/mynakit/internal/secret"
)

// A PINKind is one of the card's PINs, or a printed key that is used like a PIN.
// Each has its own number of tries.
type PINKind uint8

// The PINs that a holder chooses (暗証番号).
const (
	// AuthPIN opens the key for user authentication
	// (利用者証明用電子証明書の暗証番号): 4 digits, 3 tries.
	AuthPIN PINKind = iota + 1
	// SignPIN opens the key and the certificate for digital signature
	// (署名用電子証明書の暗証番号): 6 to 16 upper-case letters and digits, 5 tries.
	SignPIN
	// TextPIN opens My Number and attributes (券面事項入力補助用暗証番号): 4 digits, 3
	// tries.
	TextPIN
	// JukiPIN is for the resident register (住民基本台帳用暗証番号), in [JukiApp]: 4
	// digits, 3 tries.
	JukiPIN
	// CommonPIN is the PIN of [CommonApp]: 4 digits, 3 tries. Holders know it and
	// JukiPIN as one PIN: change both.
	CommonPIN
)

// The keys made of what is printed on the card (照合番号). Each application counts
// its own tries. The number of tries, 10, is commonly stated, but no measurement
// is published: use [Card.Tries].
const (
	// TextNumberA is the My Number (照合番号A), 12 digits. It opens the My Number
	// in [TextApp], and not the attributes. See [NewNumberA].
	TextNumberA PINKind = iota + 16
	// TextNumberB is birth date, year of expiry and security code (照合番号B), 14
	// digits. It opens the attributes in [TextApp], and not the My Number. See
	// [NewNumberB].
	TextNumberB
	// VisualNumberA is the My Number, for [VisualApp]: it opens the face of the
	// card and the picture of the My Number.
	VisualNumberA
	// VisualNumberB is birth date, year of expiry and security code, for
	// [VisualApp]: it opens the face of the card.
	VisualNumberB
	// BirthDateKey is the birth date (生年月日), 6 digits. It opens the age record
	// in [VisualApp] only. See [NewBirthDateKey].
	BirthDateKey
)

// A pinRule is what the card keeps a PIN to.
type pinRule struct {
	name     string
	file     file
	tries    int // the counter after a right PIN
	min, max int // length in characters
	letters  bool
}

// chosen reports whether the holder chooses the PIN. The number of tries of the
// others is not measured.
func (r pinRule) chosen() bool { return r.tries < 10 }

func (k PINKind) rule() (r pinRule, ok bool) {
	switch k {
	case AuthPIN:
		return pinRule{name: "auth PIN", file: 0x18, tries: 3, min: 4, max: 4}, true
	case SignPIN:
		return pinRule{name: "sign PIN", file: 0x1B, tries: 5, min: 6, max: 16, letters: true}, true
	case TextPIN:
		return pinRule{name: "text PIN", file: inText | 0x11, tries: 3, min: 4, max: 4}, true
	case JukiPIN:
		return pinRule{name: "juki PIN", file: inJuki | 0x1C, tries: 3, min: 4, max: 4}, true
	case CommonPIN:
		return pinRule{name: "common PIN", file: inCommon | 0x1C, tries: 3, min: 4, max: 4}, true
	case TextNumberA:
		return pinRule{name: "text number A", file: inText | 0x14, tries: 10, min: 12, max: 12}, true
	case TextNumberB:
		return pinRule{name: "text number B", file: inText | 0x15, tries: 10, min: 14, max: 14}, true
	case VisualNumberA:
		return pinRule{name: "visual number A", file: inVisual | 0x13, tries: 10, min: 12, max: 12}, true
	case VisualNumberB:
		return pinRule{name: "visual number B", file: inVisual | 0x12, tries: 10, min: 14, max: 14}, true
	case BirthDateKey:
		return pinRule{name: "birth date key", file: inVisual | 0x11, tries: 10, min: 6, max: 6}, true
	}
	return pinRule{}, false
}

// String returns a name such as "auth PIN" or "text number B".
func (k PINKind) String() string {
	if r, ok := k.rule(); ok {
		return r.name
	}
	return fmt.Sprintf("PINKind(%d)", uint8(k))
}

// Application returns the application of the PIN, and 0 for an unknown PINKind.
func (k PINKind) Application() Application {
	if r, ok := k.rule(); ok {
		return r.file.app()
	}
	return 0
}

// A PIN is what the holder of the card has typed, in the form that the card
// expects. [NewPIN] returns one. The zero PIN represents no PIN and is never sent.
//
// A PIN prints as [redacted], also within other structs. Copies share the same
// memory, and [PIN.Clear] wipes it for all of them.
type PIN struct {
	hidden
	kept secret.Box[*pinSecret]
}

type pinSecret struct {
	kind PINKind
	text []byte
}

// NewPIN checks the form of a PIN and copies it. Lower-case letters of a sign PIN
// become upper case, as the card stores them. NewPIN fails with a [*FormatError]
// if the card could only refuse the PIN, so no try is used up.
//
// For the keys that are printed on the card, use [NewNumberA], [NewNumberB] and
// [NewBirthDateKey].
//
// If typed is a []byte, the caller keeps it and clears it.
func NewPIN[S ~string | ~[]byte](kind PINKind, typed S) (PIN, error) {
	rule, ok := kind.rule()
	if !ok {
		return PIN{}, &FormatError{PIN: kind, Reason: UnknownPIN}
	}
	text := make([]byte, 0, rule.max)
	fail := func(why FormatReason) (PIN, error) {
		clear(text[:cap(text)])
		return PIN{}, &FormatError{PIN: kind, Reason: why}
	}
	for i := range len(typed) {
		b := typed[i]
		switch {
		case b >= '0' && b <= '9', rule.letters && b >= 'A' && b <= 'Z':
		case rule.letters && b >= 'a' && b <= 'z':
			b -= 'a' - 'A'
		case fullWidth([]byte(typed[i:min(i+3, len(typed))])):
			return fail(FullWidth)
		default:
			return fail(WrongCharacter)
		}
		if len(text) == rule.max {
			return fail(WrongLength)
		}
		text = append(text, b)
	}
	if len(text) < rule.min {
		return fail(WrongLength)
	}
	if why := malformedNumber(kind, text); why != 0 {
		return fail(why)
	}
	return PIN{kept: secret.New(&pinSecret{kind, text})}, nil
}

// fullWidth reports whether b starts with the UTF-8 form of one of the letters,
// digits and signs from U+FF01 to U+FF5E, which a Japanese keyboard easily
// gives.
func fullWidth(b []byte) bool {
	return len(b) >= 3 && b[0] == 0xEF && (b[1] == 0xBC && b[2] >= 0x81 || b[1] == 0xBD && b[2] <= 0x9E)
}

// Kind returns the kind of the PIN, and 0 for the zero PIN.
func (p PIN) Kind() PINKind {
	if p.kept.IsZero() {
		return 0
	}
	return p.kept.Reveal().kind
}

// text returns the PIN itself, in the memory that Clear wipes. It is empty for
// the zero PIN and for one that was cleared.
func (p PIN) text() []byte {
	if p.kept.IsZero() {
		return nil
	}
	return p.kept.Reveal().text
}

// Clear wipes p and every copy of p. Do not call it during a call that uses the
// PIN. Afterwards [Card.Verify] refuses p.
func (p PIN) Clear() {
	if !p.kept.IsZero() {
		clear(p.text())
		p.kept.Reveal().text = nil
	}
}

// A FormatError is returned for a text that cannot be the PIN. Nothing was sent
// to the card. The error does not contain the text.
type FormatError struct {
	PIN    PINKind
	Reason FormatReason
}

// Error returns a text with the PIN's name, the reason and the rule.
func (e *FormatError) Error() string {
	s := fmt.Sprintf("jpki: malformed %s: %s", e.PIN, e.Reason)
	switch r, ok := e.PIN.rule(); {
	case !ok || e.Reason == NoPIN || e.Reason >= WrongCheckDigit:
		return s
	case r.letters:
		return fmt.Sprintf("%s: want %d to %d letters A to Z and digits", s, r.min, r.max)
	default:
		return fmt.Sprintf("%s: want %d digits", s, r.max)
	}
}

// A FormatReason is what is wrong with the form of a PIN.
type FormatReason uint8

// The reasons.
const (
	UnknownPIN      FormatReason = iota + 1 // the PINKind is none of the constants
	NoPIN                                   // the zero PIN, or one that was cleared
	WrongLength                             // too short or too long
	WrongCharacter                          // neither digit nor, in a sign PIN, letter
	FullWidth                               // full-width characters (全角): the input method has to be switched
	WrongCheckDigit                         // a My Number with a wrong digit
	WrongDate                               // a birth date or a year of expiry that there is not
	SameAsOld                               // a new PIN that is the old one
	LetterAndDigit                          // a new sign PIN without a letter or without a digit
)

// String returns the reason in words.
func (r FormatReason) String() string {
	switch r {
	case UnknownPIN:
		return "no such PIN"
	case NoPIN:
		return "empty or cleared"
	case WrongLength:
		return "wrong length"
	case WrongCharacter:
		return "wrong character"
	case FullWidth:
		return "full-width characters"
	case WrongCheckDigit:
		return "wrong check digit"
	case WrongDate:
		return "no such date"
	case SameAsOld:
		return "same as the old one"
	case LetterAndDigit:
		return "needs a letter and a digit"
	}
	return fmt.Sprintf("FormatReason(%d)", uint8(r))
}
