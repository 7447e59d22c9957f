package jpki

import (
	"bytes"
	"context"

	"github.com/mynakit/mynakit/internal/secret"
)

// The files of the visual application.
const (
	visualAge      = inVisual | 0x01
	visualFace     = inVisual | 0x02
	visualInfo     = inVisual | 0x03
	visualCert     = inVisual | 0x04
	visualMyNumber = inVisual | 0x05
)

// A Face is the face of a card (券面): what is printed on it, as data and
// pictures. [Card.Face] returns it as read, and [Card.VerifiedFace] verified.
//
// A Face prints as [redacted]; only the methods return the values. Pictures are in
// new memory. The zero Face represents no face.
type Face struct {
	hidden
	kept secret.Box[face]
}

type face struct {
	birth, expiry              Date
	sex                        Sex
	name, address, photo, code []byte
}

// Birth returns the birth date, and the zero Date if it is not known.
func (f Face) Birth() Date { return f.kept.Reveal().birth }

// Sex returns the sex.
func (f Face) Sex() Sex { return f.kept.Reveal().sex }

// NamePicture returns the printed name, a PNG.
func (f Face) NamePicture() []byte { return bytes.Clone(f.kept.Reveal().name) }

// AddressPicture returns the printed address, a PNG.
func (f Face) AddressPicture() []byte { return bytes.Clone(f.kept.Reveal().address) }

// Photo returns the holder's photo as it is on the card: a greyscale JPEG 2000
// file (JP2). Its size in pixels and its wavelet are not published.
//
// Go's standard library does not decode it. Of the decoders in Go that were tried,
// none decodes it correctly; one returns a wrong picture without an error. The
// program opj_decompress of OpenJPEG (Debian: libopenjp2-tools) converts it to
// PNG. WebKit shows it, and Chromium does not.
func (f Face) Photo() []byte { return bytes.Clone(f.kept.Reveal().photo) }

// UnsignedExpiry returns the last day of the card's validity. The card's
// signature does not cover it, not even in a verified Face.
func (f Face) UnsignedExpiry() Date { return f.kept.Reveal().expiry }

// UnsignedSecurityCodePicture returns the printed security code, a PNG. The
// card's signature does not cover it, not even in a verified Face.
func (f Face) UnsignedSecurityCodePicture() []byte { return bytes.Clone(f.kept.Reveal().code) }

// IsZero reports whether f is the zero value.
func (f Face) IsZero() bool { return f.kept.IsZero() }

// Face reads the face of the card. It takes one exchange for each 256 bytes, most
// of them for the photo. Before the call, verify [VisualNumberA] or
// [VisualNumberB]. The face is not verified; see [Card.VerifiedFace].
//
// Face returns a [*StepError]. It wraps a [*NoApplicationError] on a phone, a
// [*PINRequiredError] if no number is verified, and [ErrCardData] if the file is
// malformed.
func (c *Card) Face(ctx context.Context) (Face, error) {
	return call(ctx, c, "read card face", func() (Face, error) {
		f, _, err := c.readFace(ctx)
		return f, err
	})
}

func (c *Card) readFace(ctx context.Context) (Face, signedFace, error) {
	b, err := c.readObject(ctx, visualFace, 0xFF20)
	if err != nil {
		return Face{}, signedFace{}, protected(err, VisualNumberB)
	}
	return parseFace(b)
}

// A signedFace is what the signature over a face covers, in three pieces that
// are hashed apart, and the signature.
type signedFace struct {
	data, texts, photo []byte
	signature          []byte
}

// parseFace takes a face apart. DF21 holds offsets, which are not needed.
func parseFace(b []byte) (Face, signedFace, error) {
	p, _, err := parts(b, 0xFF20, 0xDF21,
		0xDF22, 0xDF23, 0xDF24, // birth, sex, key of the card
		0xDF25, 0xDF26, // name, address
		0xDF27,                 // photo
		0xDF28, 0xDF29, 0xDF2A) // signature, expiry, security code
	if err != nil {
		return Face{}, signedFace{}, err
	}
	birth, err := parseCardBirth(p[1].value)
	if err != nil {
		return Face{}, signedFace{}, ErrCardData
	}
	expiry, err := ParseDate(string(p[8].value))
	sex, ok := parseSex(p[2].value)
	if err != nil || !ok {
		return Face{}, signedFace{}, ErrCardData
	}
	kept := secret.New(face{birth: birth, sex: sex, expiry: expiry,
		name: p[4].value, address: p[5].value, photo: p[6].value, code: p[9].value})
	return Face{kept: kept}, signedFace{
		data:      join(p[1], p[2], p[3]),
		texts:     join(p[4], p[5]),
		photo:     p[6].whole,
		signature: p[7].value,
	}, nil
}

// join returns the objects as they stand in the file, one behind the other.
func join(objects ...part) (b []byte) {
	for _, o := range objects {
		b = append(b, o.whole...)
	}
	return b
}

// AgeRecord reads the birth date from the record that is made for proving an age
// and holds nothing else about the holder. It takes three exchanges. Before the
// call, verify [BirthDateKey]; no other key opens the record. The date is not
// verified; see [Card.VerifiedAgeRecord].
//
// AgeRecord returns a [*StepError]. It wraps a [*NoApplicationError] on a phone, a
// [*PINRequiredError] if the key is not verified, and [ErrCardData] if the file is
// malformed.
func (c *Card) AgeRecord(ctx context.Context) (Date, error) {
	return call(ctx, c, "read age record", func() (Date, error) {
		birth, _, _, err := c.readAge(ctx)
		return birth, err
	})
}

func (c *Card) readAge(ctx context.Context) (birth Date, signed, signature []byte, err error) {
	b, err := c.readObject(ctx, visualAge, 0xFF10)
	if err != nil {
		return Date{}, nil, nil, protected(err, BirthDateKey)
	}
	p, content, err := parts(b, 0xFF10, 0xDF11, 0xDF12, 0xDF13)
	if err != nil {
		return Date{}, nil, nil, err
	}
	if birth, err = parseCardBirth(p[0].value); err != nil {
		return Date{}, nil, nil, ErrCardData
	}
	signed, err = covered(content, p[2], p[0], p[1])
	return birth, signed, p[2].value, err
}

// A Picture is a picture of personal data. It prints as [redacted]; only
// [Picture.PNG] returns the bytes. The zero Picture represents no picture.
type Picture struct {
	hidden
	png secret.Box[[]byte]
}

// PNG returns the picture in new memory.
func (p Picture) PNG() []byte {
	return bytes.Clone(p.png.Reveal())
}

// MyNumberPicture reads the printed My Number, a PNG. It takes one exchange for
// each 256 bytes. Before the call, verify [VisualNumberA]; VisualNumberB does not
// open it. The picture is not verified; see [Card.VerifiedMyNumberPicture].
//
// MyNumberPicture returns a [*StepError]. It wraps a [*NoApplicationError] on a
// phone, a [*PINRequiredError] if the number is not verified, and [ErrCardData] if
// the file is malformed.
func (c *Card) MyNumberPicture(ctx context.Context) (Picture, error) {
	return call(ctx, c, "read My Number picture", func() (Picture, error) {
		p, _, _, err := c.readMyNumberPicture(ctx)
		return p, err
	})
}

func (c *Card) readMyNumberPicture(ctx context.Context) (pic Picture, signed, signature []byte, err error) {
	b, err := c.readObject(ctx, visualMyNumber, 0xFF40)
	if err != nil {
		return Picture{}, nil, nil, protected(err, VisualNumberA)
	}
	p, content, err := parts(b, 0xFF40, 0xDF41, 0xDF42, 0xDF43)
	if err != nil {
		return Picture{}, nil, nil, err
	}
	signed, err = covered(content, p[2], p[0], p[1])
	return Picture{png: secret.New(p[0].value)}, signed, p[2].value, err
}

// A VisualInfo describes the visual application of a card
// (券面事項確認AP基本情報). Nothing in it is about the holder.
type VisualInfo struct {
	Layout       [4]byte // identifies the layout of the files
	Key          FaceID  // a key that the application refers to, and not the one that signs its files
	Version      byte
	Municipality string // code of the municipality that issued the card, 5 digits
}

// VisualInfo reads the description of the visual application. It takes two
// exchanges and no PIN. No signature covers it. VisualInfo returns a [*StepError]
// that wraps a [*NoApplicationError] or [ErrCardData].
func (c *Card) VisualInfo(ctx context.Context) (VisualInfo, error) {
	return call(ctx, c, "read visual information", func() (VisualInfo, error) {
		b, err := c.readObject(ctx, visualInfo, 0xFF30)
		if err != nil {
			return VisualInfo{}, err
		}
		p, _, err := parts(b, 0xFF30, 0xDF31, 0xDF32, 0xDF33, 0xDF34)
		if err != nil || len(p[0].value) != 4 || len(p[1].value) != len(FaceID{}) ||
			len(p[2].value) != 1 || len(p[3].value) != 5 {
			return VisualInfo{}, ErrCardData
		}
		for _, d := range p[3].value {
			if d < '0' || d > '9' {
				return VisualInfo{}, ErrCardData
			}
		}
		return VisualInfo{[4]byte(p[0].value), FaceID(p[1].value), p[2].value[0], string(p[3].value)}, nil
	})
}
