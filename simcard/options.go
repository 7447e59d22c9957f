package simcard

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/mynakit/mynakit/apdu"
)

// The PINs that a new card has. All may be given to the public: a card of this
// package protects nobody. They differ so that a program that presents one to
// the file of another is found out.
const (
	DefaultAuthPIN   = "1234"   // auth PIN (利用者証明用パスワード), 4 digits
	DefaultSignPIN   = "ABC123" // sign PIN (署名用パスワード), 6 to 16 of A-Z and 0-9
	DefaultTextPIN   = "2345"   // text PIN (券面事項入力補助用暗証番号), 4 digits
	DefaultCommonPIN = "3456"   // PIN of the common application (本人確認業務用), 4 digits
	DefaultJukiPIN   = "4567"   // PIN of the resident registry (住基用暗証番号), 4 digits

	DefaultLicencePIN = "5678" // PIN of the licence (マイナ免許証), 4 digits
)

// A PIN names one of the values that a card compares: the holder's PINs, and
// the numbers from the card's face that open the card-face applications. Each
// has a counter of its own.
type PIN uint8

// The PINs, which the holder chooses, and the numbers, which come from the
// [Holder]. That a number has 10 tries is an assumption: no source has
// measured it.
const (
	AuthPIN PIN = iota // JPKI 0018, for user authentication, 3 tries
	SignPIN            // JPKI 001B, for digital signature, 5 tries

	TextPIN   // 券面事項入力補助 0011, 3 tries
	CommonPIN // 共通カード 001C, 3 tries
	JukiPIN   // 住基 001C, 3 tries

	TextNumberA   // 券面事項入力補助 0014: 照合番号A, the My Number, 10 tries
	TextNumberB   // 券面事項入力補助 0015: 照合番号B, [Holder.NumberB], 10 tries
	VisualNumberA // 券面事項確認 0013: 照合番号A, 10 tries
	VisualNumberB // 券面事項確認 0012: 照合番号B, 10 tries
	BirthKey      // 券面事項確認 0011: 生年月日, [Holder.BirthKey], 10 tries

	LicencePIN // マイナ免許証 0006, 10 tries, on a card with a licence: see [WithLicence]

	pins = iota
)

// Quirks are the points where cards differ, or where no public source says
// what they do. The zero value is what most is known for.
type Quirks struct {
	// BlockedStatus answers VERIFY and CHANGE REFERENCE DATA on a blocked PIN.
	// 0 stands for 6984, which was seen on cards; clients also expect 6983.
	BlockedStatus apdu.Status `json:"-"`

	// ForgetOnReselect ends a verified PIN when its application is selected
	// again. Cards were seen to keep it.
	ForgetOnReselect bool `json:"forget_on_reselect,omitempty"`

	// NoShortEF refuses to name a file by its short identifier in P1 or P2:
	// 6A86.
	NoShortEF bool `json:"no_short_ef,omitempty"`

	// NoExtendedLength refuses commands in extended length: 6700.
	NoExtendedLength bool `json:"no_extended_length,omitempty"`

	// NoRecordRange refuses READ RECORD of several records (P2 ending in 5):
	// 6A81.
	NoRecordRange bool `json:"no_record_range,omitempty"`

	// NoLowerCertificate leaves GET DATA 7F21 out, as older cards do.
	NoLowerCertificate bool `json:"no_lower_certificate,omitempty"`

	// ATRInApplication answers the contact ATR, GET DATA 5F51, only with an
	// application selected, as some cards do; otherwise it is there always.
	ATRInApplication bool `json:"atr_in_application,omitempty"`

	// NoPSS refuses signatures with RSASSA-PSS (P1 04 and 05): 6A86.
	NoPSS bool `json:"no_pss,omitempty"`
}

// An Option changes what [New] makes.
type Option func(*config)

type config struct {
	kind      Kind
	holder    *Holder
	issued    time.Time
	expired   bool
	revoked   time.Time
	authority *Authority
	fresh     bool
	licence   bool
	quirks    Quirks
	atr       []byte
	pins      [pins]struct {
		value *string
		tries *int
	}
	saved              State
	clock              func() time.Time
	authEdit, signEdit func(*x509.Certificate)
}

// WithKind creates a card of another kind than [Plastic]. A kind that does not
// exist is Plastic.
func WithKind(k Kind) Option {
	return func(c *config) {
		if k.data() == nil {
			k = Plastic
		}
		c.kind = k
	}
}

// WithHolder sets the holder instead of [SampleHolder] 0.
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

// WithExpired creates a card that has run out: it was issued on the first day of
// the year eleven years before the current one, so that its certificates and
// the card itself have ended. [WithIssued] sets another time of issue.
func WithExpired() Option {
	return func(c *config) { c.expired = true }
}

// WithRevoked creates a card whose certificates were revoked (失効) at a moment. A
// card does not know that, and nothing in it changes: it is the authority that
// knows it. See [Card.Revocations].
func WithRevoked(at time.Time) Option {
	return func(c *config) { c.revoked = at }
}

// WithPIN sets a PIN or a number instead of the one that it has by default, or
// from the holder. The card takes any value; what is longer than 16 bytes is
// cut there.
func WithPIN(which PIN, value string) Option {
	return func(c *config) {
		if which < pins {
			c.pins[which].value = &value
		}
	}
}

// WithTries sets how many tries of a PIN or a number are left, from 0, which is
// blocked, to as many as it has when new, such as 3 for [AuthPIN]. Numbers
// outside are moved to the nearest.
func WithTries(which PIN, left int) Option {
	return func(c *config) {
		if which < pins {
			c.pins[which].tries = &left
		}
	}
}

// WithFreshKeys sets keys that no other card has. Each
// is generated when it is first needed, which takes some 100 ms.
func WithFreshKeys() Option {
	return func(c *config) { c.fresh = true }
}

// WithAuthority has the certificates issued and the card's face signed by a
// instead of [TestAuthority].
func WithAuthority(a *Authority) Option {
	return func(c *config) { c.authority = a }
}

// WithAuthProfile calls edit with the certificate for user authentication
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
