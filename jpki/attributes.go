package jpki

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/internal/secret"
)

// The files of the text application.
const (
	textMyNumber   = inText | 0x01
	textAttributes = inText | 0x02
	textSignature  = inText | 0x03
	textCert       = inText | 0x04
	textInfo       = inText | 0x05
)

// Attributes are the four attributes (基本4情報) of a card's holder: name, address,
// birth date and sex, as text. [Card.Attributes] returns them as read, and
// [Card.VerifiedAttributes] verified.
//
// Attributes print as [redacted]; only the methods return the values. The zero
// value represents no attributes.
type Attributes struct {
	hidden
	kept secret.Box[attributes]
}

type attributes struct {
	name, address string
	birth         Date
	sex           Sex
}

// Name returns the name in UTF-8. An ideographic space (U+3000) separates family
// and given name. The card writes another character for one outside its
// character set.
func (a Attributes) Name() string { return a.kept.Reveal().name }

// Address returns the address in UTF-8, usually with full-width digits. It has
// no fixed form: cards remain valid abroad.
func (a Attributes) Address() string { return a.kept.Reveal().address }

// Birth returns the birth date, and the zero Date if it is not known.
func (a Attributes) Birth() Date { return a.kept.Reveal().birth }

// Sex returns the sex.
func (a Attributes) Sex() Sex { return a.kept.Reveal().sex }

// IsZero reports whether a is the zero value, which has no attributes.
func (a Attributes) IsZero() bool { return a.kept.IsZero() }

// MyNumber reads the holder's My Number. It takes one exchange. Before the call,
// verify [TextPIN] or [TextNumberA]. The number is not verified; see
// [Card.VerifiedMyNumber].
//
// MyNumber returns a [*StepError]. It wraps a [*NoApplicationError] on a phone, a
// [*PINRequiredError] if no PIN is verified, and [ErrCardData] if the file does
// not hold a My Number.
func (c *Card) MyNumber(ctx context.Context) (MyNumber, error) {
	return call(ctx, c, "read My Number", func() (MyNumber, error) {
		b, err := c.myNumberFile(ctx)
		if err != nil {
			return MyNumber{}, err
		}
		return parseMyNumberFile(b)
	})
}

// myNumberFile reads the whole file, filler included: 17 bytes, and the digest
// that vouches for them covers the filler.
func (c *Card) myNumberFile(ctx context.Context) ([]byte, error) {
	b, err := c.readBinary(ctx, textMyNumber, 0, apdu.MaxShortNe)
	return b, protected(err, TextPIN)
}

func parseMyNumberFile(b []byte) (MyNumber, error) {
	tag, value, _, err := tlv.Next(b)
	if err != nil || tag != 0xFF10 {
		return MyNumber{}, ErrCardData
	}
	n, err := ParseMyNumber(value)
	if err != nil {
		return MyNumber{}, ErrCardData
	}
	return n, nil
}

// Attributes reads name, address, birth date and sex. It takes one exchange for
// each 256 bytes. Before the call, verify [TextPIN] or [TextNumberB]. The
// attributes are not verified; see [Card.VerifiedAttributes].
//
// Attributes returns a [*StepError]. It wraps a [*NoApplicationError] on a phone,
// a [*PINRequiredError] if no PIN is verified, and [ErrCardData] if the file is
// malformed.
func (c *Card) Attributes(ctx context.Context) (Attributes, error) {
	return call(ctx, c, "read attributes", func() (Attributes, error) {
		b, err := c.attributesFile(ctx)
		if err != nil {
			return Attributes{}, err
		}
		a, _, err := parseAttributes(b)
		return a, err
	})
}

func (c *Card) attributesFile(ctx context.Context) ([]byte, error) {
	b, err := c.readObject(ctx, textAttributes, 0xFF20)
	return b, protected(err, TextPIN)
}

// parseAttributes takes the attributes out of their file. signed is what the
// digest in the signature file covers: all of the content, objects that are not
// known included, but for DF21. That holds the offsets of the rest, which are
// not needed to find it.
func parseAttributes(b []byte) (a Attributes, signed []byte, err error) {
	p, content, err := parts(b, 0xFF20, 0xDF21, 0xDF22, 0xDF23, 0xDF24, 0xDF25)
	if err != nil {
		return Attributes{}, nil, err
	}
	birth, err := parseCardBirth(p[3].value)
	sex, ok := parseSex(p[4].value)
	if err != nil || !ok || !utf8.Valid(p[1].value) || !utf8.Valid(p[2].value) {
		return Attributes{}, nil, ErrCardData
	}
	kept := secret.New(attributes{string(p[1].value), string(p[2].value), birth, sex})
	return Attributes{kept: kept}, slices.Concat(content[:p[0].at], content[p[0].at+len(p[0].whole):]), nil
}

// parseCardBirth reads a birth date, which may be wholly unknown: eight zeros, the
// zero Date.
func parseCardBirth(b []byte) (Date, error) {
	if string(b) == "00000000" {
		return Date{}, nil
	}
	return ParseDate(string(b))
}

// A TextInfo describes the text application of a card (券面事項入力補助AP基本情報).
// Nothing in it is about the holder.
type TextInfo struct {
	Version  byte   // of the application's specification
	Extended byte   // what the card says of extended length; the meaning is not public
	Vendor   byte   // of the application
	Option   byte   // of the vendor
	Key      FaceID // a key that the application refers to
}

// TextInfo reads the description of the text application. It takes one exchange
// and no PIN. TextInfo returns a [*StepError] that wraps a [*NoApplicationError]
// or [ErrCardData].
func (c *Card) TextInfo(ctx context.Context) (TextInfo, error) {
	return call(ctx, c, "read text information", func() (TextInfo, error) {
		b, err := c.readObject(ctx, textInfo, 0xFF40)
		if err != nil {
			return TextInfo{}, err
		}
		p, _, err := parts(b, 0xFF40, 0xDF41, 0xDF42)
		if err != nil || len(p[0].value) != 4 || len(p[1].value) != len(FaceID{}) {
			return TextInfo{}, ErrCardData
		}
		v := p[0].value
		return TextInfo{v[0], v[1], v[2], v[3], FaceID(p[1].value)}, nil
	})
}
