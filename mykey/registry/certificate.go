package registry

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"time"
	"unique"

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

// DeviceOf gives the device for what a card calls itself. [jpki.KindJuki] and
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

// String gives "card", "android" or "iphone".
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
	Serial   jpki.Serial
	NotAfter time.Time // the certificate's expiry, to the second
	Device   Device
}

func (c Certificate) check() error {
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

// expiry is NotAfter as the stores keep it.
func (c Certificate) expiry() time.Time { return c.NotAfter.Truncate(time.Millisecond).In(jst) }

// CertificateRef stands for a certificate that the registry knows, without
// telling its serial number. It prints as [redacted], compares with == and is
// good for [Session.Rebind] of the same registry.
type CertificateRef struct {
	// A handle: fmt would print a string held here by another struct.
	key unique.Handle[string]
}

func refOf(stored string) CertificateRef { return CertificateRef{unique.Make(stored)} }

func (r CertificateRef) stored() string {
	if r.IsZero() {
		return ""
	}
	return r.key.Value()
}

func (r CertificateRef) equal(o CertificateRef) bool {
	return subtle.ConstantTimeCompare([]byte(r.stored()), []byte(o.stored())) == 1
}

// IsZero reports whether r stands for no certificate.
func (r CertificateRef) IsZero() bool { return r == CertificateRef{} }

// Format prints [redacted] for every verb.
func (r CertificateRef) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String gives [redacted].
func (r CertificateRef) String() string { return redacted }

// LogValue gives [redacted].
func (r CertificateRef) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives [redacted].
func (r CertificateRef) MarshalText() ([]byte, error) { return []byte(redacted), nil }

const redacted = "[redacted]"

// SerialForm says in which form a registry keeps serial numbers. Make one with
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
