package simcard

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/mynakit/mynakit/simcard/internal/testkeys"
)

var (
	// aidIssuerDomain is the issuer security domain of GlobalPlatform: to
	// select it is to be where the card is after power-on.
	aidIssuerDomain = []byte{0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00}
	// aidJPKI is the application of public personal authentication (JPKI AP).
	aidJPKI = []byte{0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01}
)

// certificateSize is the size of the files that hold certificates.
const certificateSize = 2048

// fillJPKI lays out the JPKI application. Of 0005, 0010, 0019, 001C and 001E
// nothing is known but that cards have them: that nothing in them can be read or
// presented is an assumption. So is that phones have all the files that cards
// have; what is known of them is that they speak as the application on cards.
func (c *Card) fillJPKI(app *application) {
	kind := c.kind.data()
	authPIN, signPIN := &c.pins[AuthPIN], &c.pins[SignPIN]
	readAuth := free
	if kind.phone {
		readAuth = needs(authPIN)
	}
	app.add(
		file{id: 0x0002, read: free, content: certificateFile(func() []byte { return c.authority().sign.root().Raw })},
		file{id: 0x0005},
		file{id: 0x0006, read: free, content: fixed(tokenInfo(kind.label, c.auth.seed))},
		file{id: 0x0008, read: free, content: fixed(availability(!kind.noSign))},
		file{id: 0x0009, read: never, content: fixed(unknown16)},
		file{id: 0x000A, read: readAuth, content: certificateFile(c.auth.certificate)},
		file{id: 0x000B, read: free, content: certificateFile(func() []byte { return c.authority().auth.root().Raw })},
		file{id: 0x0010},
		file{id: 0x0016}, // a CA's public key, to check the certificates of terminals
		file{id: 0x0017, key: c.auth.key, use: needs(authPIN)},
		file{id: 0x0018, pin: authPIN},
		file{id: 0x0019},
		file{id: 0x001B, pin: signPIN},
		file{id: 0x001C},
		file{id: 0x001E},
	)
	if c.sign != nil {
		app.add(
			file{id: 0x0001, read: needs(signPIN), content: certificateFile(c.sign.certificate)},
			file{id: 0x001A, key: c.sign.key, use: needs(signPIN)},
		)
	}
}

// newCredentials sets the keys and certificates of JPKI. seed is the auth
// certificate's.
func (c *Card) newCredentials(cfg *config, holder *Holder, seed [32]byte, issued time.Time) {
	kind := cfg.kind.data()
	signSeed := holder.seed("sign"+cfg.state(), cfg.kind, cfg.issued)
	// profile is what all kinds and holders have in their own way: the one card
	// with a special serial number, and the next generation.
	profile := func(t *x509.Certificate, usage int) *x509.Certificate {
		if holder.specimen && cfg.kind == Plastic && cfg.issued.IsZero() && !cfg.expired {
			t.SerialNumber = big.NewInt(specimenSerials[usage])
		}
		if kind.next {
			t.NotAfter = holder.birthday(10, issued).UTC()
		}
		return t
	}
	pair := uint(seed[31])
	authKey := func() crypto.Signer { return testkeys.Auth(pair) }
	signKey := func() crypto.Signer { return testkeys.Sign(pair) }
	switch {
	case kind.next:
		authKey, signKey = nextKey(seed, cfg.fresh), nextKey(signSeed, cfg.fresh)
	case cfg.fresh:
		auth, sign := freshKey(), freshKey()
		authKey = func() crypto.Signer { return auth() }
		signKey = func() crypto.Signer { return sign() }
	}
	c.auth = newCredential(seed, authKey, func() *Issuer { return c.authority().auth },
		func() *x509.Certificate { return profile(holder.authTemplate(issued, seed), 0) }, cfg.authEdit)
	if !kind.noSign {
		c.sign = newCredential(signSeed, signKey, func() *Issuer { return c.authority().sign },
			func() *x509.Certificate { return profile(holder.signTemplate(issued, signSeed), 1) }, cfg.signEdit)
	}
}

// certificateFile is a certificate with FF after it up to the size of the
// file. It has nothing if there is no certificate.
func certificateFile(der func() []byte) func() []byte {
	return sync.OnceValue(func() []byte {
		b := der()
		if b == nil {
			return nil
		}
		content := bytes.Repeat([]byte{0xFF}, max(certificateSize, len(b)))
		copy(content, b)
		return content
	})
}

// availability is file 0008: 8F for a certificate that is there, 00 for one
// that is not; digital signature, user authentication, and a byte that is
// always 00.
func availability(sign bool) []byte {
	if sign {
		return []byte{0x8F, 0x8F, 0x00}
	}
	return []byte{0x00, 0x8F, 0x00}
}

// tokenInfo is file 0006: the structure CK_TOKEN_INFO of PKCS #11, packed to
// 160 bytes, numbers with the high byte first, text padded with spaces.
func tokenInfo(label string, seed [32]byte) []byte {
	const (
		flags       = 0x0001 | 0x0004 | 0x0008 | 0x0400 // RNG, LOGIN_REQUIRED, USER_PIN_INITIALIZED, TOKEN_INITIALIZED
		unavailable = 0xFFFFFFFF
	)
	b := make([]byte, 0, 160)
	b = fmt.Appendf(b, "%-32s", label)
	b = fmt.Appendf(b, "%032d", 1)                                     // manufacturerID
	b = fmt.Appendf(b, "%-16s", "E16R01NJ")                            // model
	b = fmt.Appendf(b, "%016d", binary.BigEndian.Uint32(seed[12:])>>2) // serialNumber
	for _, v := range [...]uint32{
		flags,
		1, 0, // sessions: most, now
		1, 0, // read-write sessions: most, now
		16, 6, // length of a PIN: most, least
		unavailable, unavailable, unavailable, unavailable, // memory
	} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	b = append(b, "0301"...)                // hardwareVersion, firmwareVersion
	return append(b, "9999999999999999"...) // utcTime
}
