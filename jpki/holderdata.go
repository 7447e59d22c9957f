package jpki

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/mynakit/mynakit/internal/secret"
)

// ErrNoHolderData is returned when a certificate has no holder data. Those for
// user authentication have none.
var ErrNoHolderData = errors.New("jpki: certificate has no holder data")

// A HolderField is a field of the holder data in a certificate for digital
// signature.
type HolderField uint8

// The fields, in the order of their object identifiers 1.2.392.200149.8.5.5.1
// to .6.
const (
	HolderName               HolderField = iota + 1 // name (氏名)
	HolderNameSubstitutes                           // which characters of the name are substitutes (代替文字の使用位置情報)
	HolderSex                                       // sex (性別)
	HolderBirth                                     // date of birth (生年月日)
	HolderAddress                                   // address (住所)
	HolderAddressSubstitutes                        // which characters of the address are substitutes
	holderFields             = iota
)

// String returns a word for the field, such as "name".
func (f HolderField) String() string {
	switch f {
	case HolderName:
		return "name"
	case HolderNameSubstitutes:
		return "substitutes in name"
	case HolderSex:
		return "sex"
	case HolderBirth:
		return "date of birth"
	case HolderAddress:
		return "address"
	case HolderAddressSubstitutes:
		return "substitutes in address"
	}
	return fmt.Sprintf("HolderField(%d)", uint8(f))
}

// A HolderDataError is returned when a field of the holder data is missing or
// malformed. It does not contain the data. Field is 0 if the extension as a whole
// is malformed.
type HolderDataError struct {
	Field  HolderField
	Reason string // "missing", "twice", "malformed", "too long"
}

// Error returns a text with the field and the reason.
func (e *HolderDataError) Error() string {
	if e.Field == 0 {
		return "jpki: holder data " + e.Reason
	}
	return "jpki: holder data: " + e.Field.String() + " " + e.Reason
}

// HolderData is the data about the holder in a certificate for digital signature
// (基本4情報: name, address, date of birth, sex), as of the day of issue. It prints
// as [redacted]. The zero HolderData represents nobody.
type HolderData struct {
	hidden
	kept secret.Box[holder]
}

type holder struct {
	name, address                    string
	nameSubstitutes, addrSubstitutes []bool
	sex                              Sex
	birth                            Date
	era                              Era
}

// IsZero reports whether h is the zero value.
func (h HolderData) IsZero() bool { return h.kept.IsZero() }

// Name returns the name (氏名), usually the family name, U+3000 and the given name.
func (h HolderData) Name() string { return h.kept.Reveal().name }

// Address returns the address (住所).
func (h HolderData) Address() string { return h.kept.Reveal().address }

// Sex returns the sex (性別).
func (h HolderData) Sex() Sex { return h.kept.Reveal().sex }

// Birth returns the date of birth (生年月日) in the Gregorian calendar, and the zero
// Date if it is not known.
func (h HolderData) Birth() Date { return h.kept.Reveal().birth }

// BirthEra returns the era (元号) that is given with the date of birth, and 0 if
// none is given.
func (h HolderData) BirthEra() Era { return h.kept.Reveal().era }

// NameSubstitutes returns for each character of Name whether it is a substitute
// (代替文字) for a character outside the character set, such as a variant of a
// kanji. A legal document needs the right character from another source. The
// result is empty if the certificate does not contain the information. It is new
// memory.
func (h HolderData) NameSubstitutes() []bool {
	return append([]bool(nil), h.kept.Reveal().nameSubstitutes...)
}

// AddressSubstitutes returns for each character of Address what NameSubstitutes
// returns for Name.
func (h HolderData) AddressSubstitutes() []bool {
	return append([]bool(nil), h.kept.Reveal().addrSubstitutes...)
}

// HolderData returns the holder data of a certificate for digital signature, as
// [HolderDataOf] does.
func (v *VerifiedCertificate) HolderData() (HolderData, error) { return HolderDataOf(v.Certificate()) }

// HolderDataOf returns the holder data of a certificate for digital signature. The
// data are otherNames in the subject alternative name (RFC 5280 section 4.2.1.6)
// with the object identifiers 1.2.392.200149.8.5.5.1 to .6, each a UTF8String
// (プロファイル仕様書, the profile of the certificates). They may be in any order, and
// other names are passed over. Name, sex, date of birth and address are required.
//
// The certificate is not verified; see [VerifiedCertificate.HolderData].
//
// HolderDataOf fails with a [*HolderDataError] if a field is malformed, with
// [ErrNoHolderData] if none of the six fields is there, and with a
// [*HolderDataError] if a required field is missing.
func HolderDataOf(cert *x509.Certificate) (HolderData, error) {
	if cert == nil {
		return HolderData{}, ErrNoHolderData
	}
	for _, e := range cert.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			return parseHolderData(e.Value)
		}
	}
	return HolderData{}, ErrNoHolderData
}

// Bounds on what is parsed. An address has at most 200 characters.
const (
	maxAltName     = 16 << 10
	maxHolderValue = 4 << 10
)

// parseHolderData reads
//
//	SubjectAltName ::= SEQUENCE OF GeneralName
//	GeneralName ::= CHOICE { otherName [0] OtherName, ... }
//	OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }
func parseHolderData(der cryptobyte.String) (HolderData, error) {
	malformed := &HolderDataError{Reason: "malformed"}
	if len(der) > maxAltName {
		return HolderData{}, &HolderDataError{Reason: "too long"}
	}
	explicit := cbasn1.Tag(0).ContextSpecific().Constructed()
	var names cryptobyte.String
	if !der.ReadASN1(&names, cbasn1.SEQUENCE) || !der.Empty() {
		return HolderData{}, malformed
	}
	var values [holderFields + 1]cryptobyte.String // nil is missing
	for !names.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return HolderData{}, malformed
		}
		if tag != explicit {
			continue // some other name
		}
		var id, value cryptobyte.String
		if !name.ReadASN1(&id, cbasn1.OBJECT_IDENTIFIER) {
			return HolderData{}, malformed
		}
		field := holderField(id)
		if field == 0 {
			continue // whatever its value is
		}
		if !name.ReadASN1(&value, explicit) || !name.Empty() {
			return HolderData{}, malformed
		}
		var text cryptobyte.String
		switch {
		case values[field] != nil:
			return HolderData{}, &HolderDataError{field, "twice"}
		case !value.ReadASN1(&text, cbasn1.UTF8String) || !value.Empty() || !utf8.Valid(text):
			return HolderData{}, &HolderDataError{field, "malformed"}
		case len(text) > maxHolderValue:
			return HolderData{}, &HolderDataError{field, "too long"}
		}
		values[field] = text[:len(text):len(text)]
	}
	return newHolderData(&values)
}

// holderField returns the field whose object identifier has the content id,
// 1.2.392.200149.8.5.5.n, and 0 if there is none.
func holderField(id []byte) HolderField {
	const arc = "\x2A\x83\x08\x8C\x9B\x55\x08\x05\x05"
	if len(id) != len(arc)+1 || string(id[:len(arc)]) != arc || id[len(arc)] > holderFields {
		return 0
	}
	return HolderField(id[len(arc)])
}

func newHolderData(values *[holderFields + 1]cryptobyte.String) (HolderData, error) {
	found := 0
	missing := HolderField(0)
	for f := HolderName; f <= holderFields; f++ {
		switch {
		case values[f] != nil:
			found++
		case missing == 0 && f != HolderNameSubstitutes && f != HolderAddressSubstitutes:
			missing = f
		}
	}
	switch {
	case found == 0:
		return HolderData{}, ErrNoHolderData
	case missing != 0:
		return HolderData{}, &HolderDataError{missing, "missing"}
	}
	h := holder{name: string(values[HolderName]), address: string(values[HolderAddress])}
	var ok bool
	if h.sex, ok = parseSex(values[HolderSex]); !ok {
		return HolderData{}, &HolderDataError{HolderSex, "malformed"}
	}
	if h.birth, h.era, ok = parseBirth(string(values[HolderBirth])); !ok {
		return HolderData{}, &HolderDataError{HolderBirth, "malformed"}
	}
	if h.nameSubstitutes, ok = parseFlags(values[HolderNameSubstitutes]); !ok {
		return HolderData{}, &HolderDataError{HolderNameSubstitutes, "malformed"}
	}
	if h.addrSubstitutes, ok = parseFlags(values[HolderAddressSubstitutes]); !ok {
		return HolderData{}, &HolderDataError{HolderAddressSubstitutes, "malformed"}
	}
	return HolderData{kept: secret.New(h)}, nil
}

// parseBirth reads EYYYYMMDD: a digit for the era, 1 Meiji to 5 Reiwa or 0 for
// unknown, and the date in the Gregorian calendar. The two are not held against
// each other: who is born on the day of a change may have either.
func parseBirth(s string) (birth Date, era Era, ok bool) {
	if len(s) != 9 || s[0] < '0' || s[0] > '0'+byte(Reiwa) {
		return Date{}, 0, false
	}
	era = Era(s[0] - '0')
	if s[1:] == "00000000" {
		return Date{}, era, true
	}
	birth, err := ParseDate(s[1:])
	return birth, era, err == nil
}

// parseFlags reads a 0 or 1 for each character.
func parseFlags(b []byte) (flags []bool, ok bool) {
	for _, c := range b {
		if c != '0' && c != '1' {
			return nil, false
		}
		flags = append(flags, c == '1')
	}
	return flags, true
}
