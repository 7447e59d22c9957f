package jpki

import (
	"context"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/internal/secret"
)

const commonData = inCommon | 0x01

// A CommonData is the data of a card in the common application (共通カードAP). The
// number identifies a card, and so a person: CommonData prints as [redacted], and
// only the methods return the values. The zero CommonData represents no data.
type CommonData struct {
	hidden
	kept secret.Box[commonRecord]
}

type commonRecord struct {
	number, municipality string
	expiry               Date
}

// Number returns the number of the card, 15 digits as they are recorded, and ""
// for the zero value.
func (d CommonData) Number() string { return d.kept.Reveal().number }

// ManufacturingNumber returns the manufacturing number (製造番号), the last 13
// digits of Number, and "" for the zero value.
func (d CommonData) ManufacturingNumber() string {
	if n := d.kept.Reveal().number; n != "" {
		return n[2:]
	}
	return ""
}

// Municipality returns the code of the municipality that issued the card
// (全国地方公共団体コード), 5 digits without the check digit.
func (d CommonData) Municipality() string { return d.kept.Reveal().municipality }

// Expiry returns the last day of the card's validity. Its certificates often
// expire before.
func (d CommonData) Expiry() Date { return d.kept.Reveal().expiry }

// IsZero reports whether d is the zero value.
func (d CommonData) IsZero() bool { return d.kept.IsZero() }

// CommonData reads number, municipality and expiry of the card. It takes one
// exchange and no PIN. No signature covers them.
//
// CommonData returns a [*StepError]. It wraps a [*NoApplicationError] on a phone,
// and [ErrCardData] if the record is malformed.
func (c *Card) CommonData(ctx context.Context) (CommonData, error) {
	return call(ctx, c, "read common data", func() (CommonData, error) { return c.common(ctx) })
}

func (c *Card) common(ctx context.Context) (CommonData, error) {
	// P2 04: the record that P1 numbers.
	r, err := c.sendTo(ctx, commonData, apdu.Command{
		INS: apdu.InsReadRecord, P1: 1, P2: 0x04, Ne: apdu.MaxShortNe,
	})
	if err != nil {
		return CommonData{}, err
	}
	return parseCommon(r.Data)
}

// parseCommon reads the record: tag 01 and 28 digits, in simple TLV, whose
// length is one byte or FF and two more.
func parseCommon(b []byte) (CommonData, error) {
	const digits = 15 + 5 + 8
	switch {
	case len(b) == 2+digits && b[0] == 0x01 && b[1] == digits:
		b = b[2:]
	case len(b) == 4+digits && b[0] == 0x01 && b[1] == 0xFF && b[2] == 0 && b[3] == digits:
		b = b[4:]
	default:
		return CommonData{}, ErrCardData
	}
	for _, d := range b {
		if d < '0' || d > '9' {
			return CommonData{}, ErrCardData
		}
	}
	expiry, err := ParseDate(string(b[20:]))
	if err != nil || !expiry.Complete() {
		return CommonData{}, ErrCardData
	}
	return CommonData{kept: secret.New(commonRecord{string(b[:15]), string(b[15:20]), expiry})}, nil
}
