package simcard

import "fmt"

// A Kind is what sort of card it is: what is on it, and how it was made. What
// befalls a card later is not a kind but an [Option]: [WithExpired],
// [WithRevoked]. Who it belongs to is the [Holder]: [SampleForeigner].
type Kind uint8

// The kinds.
const (
	// Plastic is the Individual Number Card (label JPKIAPICCTOKEN2), with all
	// five applications.
	Plastic Kind = iota
	// Android is the token in an Android phone (label JPKIAPGPSETOKEN). It has
	// the JPKI application alone, and reading the auth certificate needs the
	// auth PIN.
	Android
	// IPhone is the token in an iPhone (label JPKIAPIOSTOKEN), otherwise as
	// Android.
	IPhone
	// Juki is the card before 2016, the Basic Resident Registration Card
	// (住基カード, label JPKIAPICCTOKEN). A program should refuse it. It has no My
	// Number and none of the applications that hold it: JPKI and 住基 alone.
	Juki
	// Child is the plastic card of a holder under 15, who has no certificate
	// for digital signature: files 0001 and 001A are missing, and the sign PIN
	// has no tries.
	Child
	// PINLess is the plastic card of a holder who cannot keep a PIN
	// (顔認証マイナンバーカード): it proves who one is by the face, in a terminal or by
	// eye. No PIN was ever set. All of them are blocked, so that no key of JPKI
	// signs, and there is no certificate for digital signature. What needs no
	// PIN is as on any card: the certificate for user authentication, and the
	// face, by the numbers that are printed on it. (An assumption: no source
	// has measured such a card.)
	PINLess
	// Residence is the plastic card of a foreign resident that is a residence
	// card too (特定在留カード, from 2026-06-14): a residence application is added,
	// which can be selected and holds nothing here. Its holder is
	// [SampleForeigner] 0 when nothing else is said.
	Residence
)

// NextGeneration is a PLAN AND AN EXPERIMENT, not a card that exists: the
// Individual Number Card that is to follow, as its proposal of 2023 and 2024
// sketched it. Keys are ECDSA P-384 and certificates live for ten years. All
// else, names of applications and files too, is that of [Plastic], because
// nothing is published. It will change with what becomes known, without
// regard for compatibility.
//
// P1 of COMPUTE DIGITAL SIGNATURE means here: 00 and 02 sign the hash that they
// get (of 00 at most 64 bytes, of 02 48), 01 and 03 hash with SHA-384 first. A
// signature is r and s, 48 bytes each.
const NextGeneration Kind = 0x80

// kinds is what the kinds are made of, in the order of their values, and
// NextGeneration last.
var kinds = [...]kindData{
	{name: "plastic", label: "JPKIAPICCTOKEN2"},
	{name: "android", label: "JPKIAPGPSETOKEN", phone: true},
	{name: "iphone", label: "JPKIAPIOSTOKEN", phone: true},
	{name: "juki", label: "JPKIAPICCTOKEN", juki: true},
	{name: "child", label: "JPKIAPICCTOKEN2", noSign: true},
	{name: "pinless", label: "JPKIAPICCTOKEN2", noSign: true, pinless: true},
	{name: "residence", label: "JPKIAPICCTOKEN2", residence: true},
	{name: "next-generation-plan", label: "JPKIAPICCTOKEN2", next: true},
}

type kindData struct {
	name, label string
	phone       bool // JPKI alone, the auth certificate behind its PIN
	juki        bool // before the My Number
	noSign      bool // no certificate for digital signature
	pinless     bool // all PINs blocked
	residence   bool // the residence application is added
	next        bool // ECDSA
}

// data returns what k is made of; nil for a kind that does not exist.
func (k Kind) data() *kindData {
	last := len(kinds) - 1
	switch {
	case k == NextGeneration:
		return &kinds[last]
	case int(k) < last:
		return &kinds[k]
	}
	return nil
}

// String returns the kind's name in lower case, such as "plastic".
func (k Kind) String() string {
	if d := k.data(); d != nil {
		return d.name
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText returns what String does.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText parses a name that String returns, for a flag or a file of
// settings. It leaves k alone when it fails.
func (k *Kind) UnmarshalText(text []byte) error {
	for i := range kinds {
		if kinds[i].name != string(text) {
			continue
		}
		*k = Kind(i)
		if kinds[i].next {
			*k = NextGeneration
		}
		return nil
	}
	return fmt.Errorf("simcard: no such kind of card: %q", text)
}
