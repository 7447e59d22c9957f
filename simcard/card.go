package simcard

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/internal/secret"
)

// A Card is one software card. [New] creates it. It is an
// [apdu.ContextTransmitter], and all its methods may be called from several
// goroutines: a card does one thing after another.
//
// Printed through fmt or log/slog a Card shows its kind alone.
type Card struct {
	kind      Kind
	quirks    Quirks
	atr       []byte
	authority func() *Authority

	auth, sign *credential // sign is nil where the card has none
	face       *face
	pins       [pins]pin
	revoked    time.Time

	// apps are the applications that can be selected, in the order in which a
	// part of an AID finds them. root is the card itself, what is current
	// after power-on: it has no files.
	apps []*application
	root *application

	mu      sync.Mutex
	app     *application // the current application, never nil
	ef      *file        // the current file, or nil
	powered bool
	removed bool
	scratch [64]byte // for the control information that SELECT gives
}

// New creates a card. Without options it is plastic, of [SampleHolder] 0, with [DefaultAuthPIN] and the
// other default PINs, issued by [TestAuthority], powered on and ready. Options
// are applied in their order. It cannot fail, and it is fast: slow parts,
// keys and certificates, is made when it is first needed.
func New(options ...Option) *Card {
	var cfg config
	for _, o := range options {
		o(&cfg)
	}
	c := &Card{kind: cfg.kind, quirks: cfg.quirks, atr: cfg.atr, authority: TestAuthority, powered: true}
	if cfg.authority != nil {
		c.authority = func() *Authority { return cfg.authority }
	}
	if c.atr == nil {
		c.atr = defaultATR(cfg.kind)
	}
	holder := SampleHolder(0)
	switch {
	case cfg.holder != nil:
		holder = *cfg.holder
	case cfg.kind == Child:
		holder = sampleChild()
	case cfg.kind == Residence:
		holder = SampleForeigner(0)
	}
	// cfg.issued, not the default for it: serial numbers are not to change
	// with the year.
	seed := holder.seed("auth"+cfg.state(), cfg.kind, cfg.issued)
	issued := cfg.issuedOrDefault()
	holder = holder.complete(seed, issued)
	c.face = c.newFace(holder, seed, cfg.fresh)
	c.newCredentials(&cfg, &c.face.holder, seed, issued)
	c.newPINs(&cfg)
	c.revoked = cfg.revoked

	c.root = &application{aid: aidIssuerDomain}
	c.app = c.root
	jpki := &application{aid: aidJPKI, fill: c.fillJPKI}
	switch kind := cfg.kind.data(); {
	case kind.phone:
		c.apps = []*application{jpki}
		return c
	case kind.juki:
		c.apps = []*application{c.root, jpki, {aid: aidJuki, fill: c.fillJuki}}
	default:
		c.apps = []*application{
			c.root, jpki,
			{aid: aidText, fill: c.fillText, session: sessionText},
			{aid: aidVisual, fill: c.fillVisual, session: sessionNone},
			{aid: aidCommon, fill: c.fillCommon, session: sessionNone},
			{aid: aidJuki, fill: c.fillJuki},
		}
		if kind.residence {
			c.apps = append(c.apps, residence()...)
		}
		if cfg.licence {
			c.apps = append(c.apps, &application{aid: aidLicence, fill: c.fillLicence, session: sessionNone})
		}
	}
	c.root.fill = c.fillManager
	return c
}

// newPINs sets the values and counters. A PIN whose application the kind does
// not have is not there: it has no tries, now or ever.
func (c *Card) newPINs(cfg *config) {
	kind, h := cfg.kind.data(), &c.face.holder
	digits := func(value string) pin { return newPIN(value, 3, isFourDigits) }
	number := func(value string) pin { return newPIN(value, 10, nil) }
	a, b := number(h.NumberA()), number(h.NumberB())
	c.pins = [pins]pin{
		AuthPIN: digits(DefaultAuthPIN), SignPIN: newPIN(DefaultSignPIN, 5, isSignPIN),
		TextPIN: digits(DefaultTextPIN), CommonPIN: digits(DefaultCommonPIN), JukiPIN: digits(DefaultJukiPIN),
		TextNumberA: a, TextNumberB: b, VisualNumberA: a, VisualNumberB: b, BirthKey: number(h.BirthKey()),
		LicencePIN: number(DefaultLicencePIN),
	}
	c.pins[CommonPIN].jicsap, c.pins[JukiPIN].jicsap = true, true
	if kind.noSign {
		c.pins[SignPIN].tries = 0
	}
	for i := range c.pins {
		p := &c.pins[i]
		which := PIN(i)
		if kind.pinless && p.allowed != nil {
			p.value, p.tries = secret.String{}, 0
		}
		if v := cfg.pins[i].value; v != nil {
			p.value = pinValue(*v)
		}
		if n := cfg.pins[i].tries; n != nil {
			p.tries = min(max(*n, 0), p.limit)
		}
		if which > SignPIN && (kind.phone || kind.juki && which != JukiPIN) || which == LicencePIN && !cfg.licence {
			*p = pin{}
		}
	}
	c.restore(&cfg.saved)
}

func defaultATR(k Kind) []byte {
	if k.data().phone {
		// What some readers say for any card of ISO/IEC 14443 type B.
		return []byte{0x3B, 0x80, 0x80, 0x01, 0x01}
	}
	return defaultContactATR
}

// state is part of what the serial numbers are made from.
func (cfg *config) state() string {
	if cfg.expired && cfg.issued.IsZero() {
		return " expired"
	}
	return ""
}

// issuedOrDefault is when the certificates were issued.
func (cfg *config) issuedOrDefault() time.Time {
	if !cfg.issued.IsZero() {
		return cfg.issued
	}
	now := time.Now
	if cfg.clock != nil {
		now = cfg.clock
	}
	year := now().In(jst).Year()
	if cfg.expired {
		year -= 11
	}
	return time.Date(year, time.January, 1, 0, 0, 0, 0, jst)
}

// Transmit answers one command APDU. The reply is in new memory, and at least
// two bytes long. It fails with an error that wraps [apdu.ErrCardRemoved] when
// the card was removed or has no power; whatever the bytes of command are, a
// card that is there answers.
func (c *Card) Transmit(command []byte) ([]byte, error) {
	return c.TransmitContext(context.Background(), nil, command)
}

// TransmitContext is [Card.Transmit] that appends the reply to dst. SELECT,
// READ BINARY and VERIFY do not allocate when dst has room, once the
// certificate that they read has been issued. It fails with the
// context's error, before the card sees the command, when ctx has ended. On an
// error it returns dst as it was.
func (c *Card) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return dst, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed {
		return dst, errRemoved
	}
	if !c.powered {
		return dst, errNoPower
	}
	data, status := c.respond(command)
	if dst == nil {
		dst = make([]byte, 0, len(data)+2)
	}
	dst = append(dst, data...)
	return append(dst, byte(status>>8), byte(status)), nil
}

var (
	errRemoved = fmt.Errorf("simcard: not in the reader: %w", apdu.ErrCardRemoved)
	errNoPower = fmt.Errorf("simcard: no power: %w", apdu.ErrCardRemoved)
)

// ATR returns the answer to reset. Without [WithATR] it is
// 3BE000FF8131FE4514 for a card with contacts, and for a phone 3B80800101.
func (c *Card) ATR() []byte { return slices.Clone(c.atr) }

// PowerOn switches the power on. A new card has power. A card that is out of the
// reader stays out.
func (c *Card) PowerOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.powered = true
}

// PowerOff takes the power away. No application is selected any more and no PIN is
// verified. The tries that are left stay.
func (c *Card) PowerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.powerOff()
}

func (c *Card) powerOff() {
	c.powered = false
	c.enter(c.root)
}

// Reset is a warm reset: no application is selected any more, but a PIN that
// is verified stays so, and is there again when its application is selected. A
// card without power gets it.
func (c *Card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.powered = true
	c.app, c.ef = c.root, nil
}

// Remove takes the card out of the reader, which also ends its power.
func (c *Card) Remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removed = true
	c.powerOff()
}

// Insert puts the card back into the reader and switches its power on.
func (c *Card) Insert() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removed, c.powered = false, true
}

// Kind returns the kind of the card.
func (c *Card) Kind() Kind { return c.kind }

// Holder returns the holder, with what [New] has added: My Number, expiry,
// security code and photo are there whatever the options left out.
func (c *Card) Holder() Holder { return c.face.holder }

// Tries returns the number of tries left for a PIN or a number, 0 to 10, as the
// card would answer it. It is 0 for one that the card does not have.
func (c *Card) Tries(which PIN) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if which >= pins {
		return 0
	}
	return c.pins[which].tries
}

// Verified reports whether a PIN or a number is verified at this moment.
func (c *Card) Verified(which PIN) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return which < pins && c.pins[which].verified
}

// AuthCertificate returns the certificate for user authentication
// (利用者証明用電子証明書). It is nil if an option made it impossible to issue.
func (c *Card) AuthCertificate() *x509.Certificate { return parse(c.auth.certificate()) }

// SignCertificate returns the certificate for digital signature
// (署名用電子証明書). It is nil on a [Child] and a [PINLess] card, and if an
// option made it impossible to issue.
func (c *Card) SignCertificate() *x509.Certificate {
	if c.sign == nil {
		return nil
	}
	return parse(c.sign.certificate())
}

// Authority returns the issuer of the card's certificates: [TestAuthority] or what
// [WithAuthority] said.
func (c *Card) Authority() *Authority { return c.authority() }

// Format prints the kind for every verb: no PIN, no key, no holder.
func (c *Card) Format(s fmt.State, _ rune) { io.WriteString(s, c.describe()) }

// LogValue returns the text that Format prints.
func (c *Card) LogValue() slog.Value { return slog.StringValue(c.describe()) }

func (c *Card) describe() string {
	if c == nil {
		return "simcard.Card(nil)"
	}
	return "simcard.Card(" + c.kind.String() + ")"
}
