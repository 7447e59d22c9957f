package registry

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
)

// Device is what carries a certificate. A person may have one of each, all in
// force at the same time, each with a serial number of its own.
type Device uint8

const (
	DeviceCard    Device = 1 + iota // the plastic card (マイナンバーカード)
	DeviceAndroid                   // an Android phone (スマホ用電子証明書)
	DeviceIPhone                    // an iPhone (iPhoneのマイナンバーカード)
)

const fieldDevice = "device"

// DeviceOf returns the device for what a card calls itself. [jpki.KindJuki] and
// [jpki.KindUnknown] are a [*mykey.FormError]: the first has no certificate in
// force, and of the second it is unknown which binding it would replace.
func DeviceOf(k jpki.Kind) (Device, error) {
	switch k {
	case jpki.KindPlastic:
		return DeviceCard, nil
	case jpki.KindAndroid:
		return DeviceAndroid, nil
	case jpki.KindIPhone:
		return DeviceIPhone, nil
	}
	return 0, &mykey.FormError{Field: fieldDevice, Rule: mykey.RuleUnknown, Pos: -1}
}

// String returns "card", "android" or "iphone".
func (d Device) String() string {
	switch d {
	case DeviceCard:
		return "card"
	case DeviceAndroid:
		return "android"
	case DeviceIPhone:
		return "iphone"
	}
	return fmt.Sprintf("Device(%d)", uint8(d))
}

func (d Device) valid() bool { return d >= DeviceCard && d <= DeviceIPhone }

// Certificate is what the registry has to know of a certificate: for user
// authentication (利用者証明用電子証明書), or for digital signature
// (署名用電子証明書) where the address-change notice needs it.
type Certificate struct {
	secret.Hidden
	Serial   jpki.Serial
	Issuer   Issuer    // whose serial number it is
	NotAfter time.Time // the certificate's expiry, to the second
	Device   Device
}

// check refuses a certificate that lacks something. Only a table that is taken
// over may lack the issuers.
func (c Certificate) check() error {
	if c.Issuer.IsZero() {
		return missing(fieldIssuer)
	}
	return c.checkImported()
}

func (c Certificate) checkImported() error {
	switch {
	case c.Serial.IsZero():
		return &mykey.FormError{Field: "certificate serial", Rule: mykey.RuleMissing, Pos: -1}
	case c.NotAfter.IsZero():
		return &mykey.FormError{Field: "certificate expiry", Rule: mykey.RuleMissing, Pos: -1}
	case !c.Device.valid():
		return &mykey.FormError{Field: fieldDevice, Rule: mykey.RuleUnknown, Pos: -1}
	}
	return nil
}

// keyed is a certificate as the tables keep it.
type keyed struct {
	key      string // serial and issuer; the serial alone where the issuer is not known
	serial   string // the serial number in the registry's form
	issuer   Issuer
	device   Device
	notAfter time.Time
}

func (r *Registry) keyed(c Certificate) keyed {
	k := keyed{serial: r.cfg.Serials.keep(c.Serial), issuer: c.Issuer, device: c.Device, notAfter: c.expiry()}
	k.key = k.serial
	if !c.Issuer.IsZero() {
		k.key += "." + c.Issuer.hex
	}
	return k
}

// expiry is NotAfter as the tables keep it.
func (c Certificate) expiry() time.Time { return c.NotAfter.Truncate(time.Millisecond).In(jst) }

// A CertificateRef represents a certificate that the registry knows. It does not
// show its serial number, and serves [Session.Rebind] of the same registry. The
// zero CertificateRef represents no certificate.
type CertificateRef struct {
	secret.Hidden
	key secret.Box[string]
}

func refOf(stored string) CertificateRef { return CertificateRef{key: secret.New(stored)} }

func (r CertificateRef) stored() string { return r.key.Reveal() }

// Equal reports whether r and o represent the same certificate, in constant
// time.
func (r CertificateRef) Equal(o CertificateRef) bool { return secret.Equal(r.key, o.key) }

// IsZero reports whether r represents no certificate.
func (r CertificateRef) IsZero() bool { return r.key.IsZero() }

// SerialForm is the form in which a registry keeps serial numbers. Make one with
// [Pseudonyms] or [PlainSerials]; the choice cannot be changed for a table
// that exists. The zero SerialForm is refused by [Open].
type SerialForm struct {
	// Functions, because fmt prints a key held in a field and of a function
	// shows only the address.
	keep func(jpki.Serial) string
	mark string // tells two forms, and two keys, apart
}

// MinPseudonymKey is the least length of the key for [Pseudonyms], in bytes.
const MinPseudonymKey = 16

// Pseudonyms keeps each serial number as [jpki.Serial.Pseudonym] under key:
// the form to choose unless the numbers themselves are needed. Whoever gets
// hold of the table without the key can neither read a number nor try one.
// The key should be 32 random bytes kept apart from the database; if it is
// lost, so is every binding. A key shorter than [MinPseudonymKey] gives a form
// that [Open] refuses.
func Pseudonyms(key []byte) SerialForm {
	if len(key) < MinPseudonymKey {
		return SerialForm{}
	}
	key = append([]byte(nil), key...)
	// The mark must not help in guessing a pseudonym, so it is the HMAC of a
	// text that no serial number can be, cut short.
	h := hmac.New(sha256.New, key)
	h.Write([]byte("mykey registry: which key is this"))
	return SerialForm{
		keep: func(s jpki.Serial) string { return s.Pseudonym(key).String() },
		mark: "hmac-sha256:" + hex.EncodeToString(h.Sum(nil)[:8]),
	}
}

// PlainSerials keeps the numbers themselves, as upper-case hexadecimal. The
// law restricts who may do so (公的個人認証法 第三章). It is for a system that
// has to pass them on, as the address-change notice may demand.
func PlainSerials() SerialForm {
	return SerialForm{keep: jpki.Serial.Hex, mark: "plain"}
}
