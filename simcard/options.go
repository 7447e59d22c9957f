package simcard

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// The PINs that a new card has. Both may be given to the public: a card of
// this package protects nobody.
const (
	DefaultAuthPIN = "1234"   // auth PIN (利用者証明用パスワード), 4 digits
	DefaultSignPIN = "ABC123" // sign PIN (署名用パスワード), 6 to 16 of A-Z and 0-9
)

// A Kind is what sort of card it is.
type Kind uint8

// The kinds. They differ in the label of file 0006, in the certificates that
// file 0008 declares, and in what a phone leaves out.
const (
	// Plastic is the Individual Number Card (label JPKIAPICCTOKEN2).
	Plastic Kind = iota
	// Android is the token in an Android phone (label JPKIAPGPSETOKEN). It has
	// the JPKI application alone, and reading the auth certificate needs the
	// auth PIN.
	Android
	// IPhone is the token in an iPhone (label JPKIAPIOSTOKEN), otherwise as
	// Android.
	IPhone
	// Juki is the card before 2016, the Basic Resident Registration Card
	// (住基カード, label JPKIAPICCTOKEN). A program should refuse it. Only its
	// label differs here.
	Juki
	// Child is the plastic card of a holder under 15, who has no certificate
	// for digital signature: files 0001 and 001A are missing, and the sign PIN
	// has no tries.
	Child
)

// kinds is what the kinds are made of.
var kinds = [...]struct {
	name, label string
	phone       bool
	noSign      bool
}{
	Plastic: {name: "plastic", label: "JPKIAPICCTOKEN2"},
	Android: {name: "android", label: "JPKIAPGPSETOKEN", phone: true},
	IPhone:  {name: "iphone", label: "JPKIAPIOSTOKEN", phone: true},
	Juki:    {name: "juki", label: "JPKIAPICCTOKEN"},
	Child:   {name: "child", label: "JPKIAPICCTOKEN2", noSign: true},
}

// String gives the kind's name in lower case, such as "plastic".
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k].name
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText gives what String does.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a name that String gives, for a flag or a file of
// settings. It leaves k alone when it fails.
func (k *Kind) UnmarshalText(text []byte) error {
	for i := range kinds {
		if kinds[i].name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("simcard: no such kind of card: %q", text)
}

// A PIN names one of the card's PINs.
type PIN uint8

// The PINs.
const (
	AuthPIN PIN = iota // file 0018, for user authentication, 3 tries
	SignPIN            // file 001B, for digital signature, 5 tries
	pins    = iota
)

// Quirks are the points where cards differ, or where no public source says
// what they do. The zero value is what most is known for.
type Quirks struct {
	// BlockedStatus answers VERIFY and CHANGE REFERENCE DATA on a blocked PIN.
	// 0 stands for 6984, which was seen on cards; clients also expect 6983.
	BlockedStatus apdu.Status

	// ForgetOnReselect ends a verified PIN when its application is selected
	// again. Cards were seen to keep it.
	ForgetOnReselect bool

	// NoShortEF refuses to name a file by its short identifier in P1 or P2:
	// 6A86.
	NoShortEF bool

	// NoExtendedLength refuses commands in extended length: 6700.
	NoExtendedLength bool

	// NoPSS refuses signatures with RSASSA-PSS (P1 04 and 05): 6A86.
	NoPSS bool
}

// An Option changes what [New] makes.
type Option func(*config)

type config struct {
	kind      Kind
	holder    *Holder
	issued    time.Time
	authority *Authority
	fresh     bool
	quirks    Quirks
	atr       []byte
	pins      [pins]struct {
		value *string
		tries *int
	}
	authEdit, signEdit func(*x509.Certificate)
}

// WithKind makes a card of another kind than [Plastic]. A kind that does not
// exist is Plastic.
func WithKind(k Kind) Option {
	return func(c *config) {
		if int(k) >= len(kinds) {
			k = Plastic
		}
		c.kind = k
	}
}

// WithHolder gives the card to h instead of [SampleHolder] 0.
func WithHolder(h Holder) Option {
	return func(c *config) { c.holder = &h }
}

// WithIssued sets the moment when the certificates were issued (発行日). They
// end on the holder's fifth birthday after it, so a card that was issued long
// ago has expired. It is part of what the serial numbers are made from.
//
// Without it the certificates are from the first day of the current year in
// Japan, so that they are always valid, and the serial numbers depend on the
// holder alone.
func WithIssued(t time.Time) Option {
	return func(c *config) { c.issued = t }
}

// WithPIN sets a PIN instead of [DefaultAuthPIN] or [DefaultSignPIN]. The card
// takes any value; what is longer than 16 bytes is cut there.
func WithPIN(which PIN, value string) Option {
	return func(c *config) {
		if which < pins {
			c.pins[which].value = &value
		}
	}
}

// WithTries sets how many tries of a PIN are left, from 0, which is blocked,
// to 3 for [AuthPIN] or 5 for [SignPIN]. Numbers outside are moved to the
// nearest.
func WithTries(which PIN, left int) Option {
	return func(c *config) {
		if which < pins {
			c.pins[which].tries = &left
		}
	}
}

// WithFreshKeys gives the card keys of its own, which no other card has. Each
// of the two is generated when it is first needed, which takes some 100 ms.
func WithFreshKeys() Option {
	return func(c *config) { c.fresh = true }
}

// WithAuthority has the certificates issued by a instead of [TestAuthority].
func WithAuthority(a *Authority) Option {
	return func(c *config) { c.authority = a }
}

// WithAuthProfile lets edit change the certificate for user authentication
// before it is signed: another end, another key usage, another serial. See
// [Holder.AuthTemplate] for what it gets. If nothing can be issued from what
// edit leaves, the card answers 6F00 for the file. edit runs once, when the
// certificate is first needed, and must not use the card.
func WithAuthProfile(edit func(*x509.Certificate)) Option {
	return func(c *config) { c.authEdit = edit }
}

// WithSignProfile is [WithAuthProfile] for the certificate for digital
// signature.
func WithSignProfile(edit func(*x509.Certificate)) Option {
	return func(c *config) { c.signEdit = edit }
}

// WithQuirks sets all the [Quirks].
func WithQuirks(q Quirks) Option {
	return func(c *config) { c.quirks = q }
}

// WithATR sets the answer to reset.
func WithATR(atr []byte) Option {
	return func(c *config) { c.atr = slices.Clone(atr) }
}
