package jpki

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/tlv"
)

// maxCertificate is the longest certificate that is read, in bytes. Real ones
// have about 1,600.
const maxCertificate = 8 << 10

// serialPrefix is the length of the part of a certificate file that holds its
// serial number: 4 bytes for the header of Certificate, 4 for that of
// TBSCertificate, 5 for the version, 2 for the header of the number, and 21 for
// the number with a leading zero.
const serialPrefix = 4 + 4 + 5 + 2 + 1 + MaxSerial

// A Slot is the place of a certificate on the card and, for [Auth] and [Sign], of
// its key.
type Slot uint8

// The slots of the JPKI application.
const (
	Auth   Slot = iota + 1 // user authentication (利用者証明用電子証明書)
	Sign                   // digital signature (署名用電子証明書)
	AuthCA                 // the CA that issued Auth, as the card has it
	SignCA                 // the CA that issued Sign, as the card has it
)

type slotInfo struct {
	name        string
	certificate file
	key         file // 0 where the card has no key
	pin         PINKind
}

func (s Slot) info() (slotInfo, bool) {
	switch s {
	case Auth:
		return slotInfo{"auth", 0x0A, 0x17, AuthPIN}, true
	case Sign:
		return slotInfo{"sign", 0x01, 0x1A, SignPIN}, true
	case AuthCA:
		return slotInfo{"auth CA", 0x0B, 0, AuthPIN}, true
	case SignCA:
		return slotInfo{"sign CA", 0x02, 0, SignPIN}, true
	}
	return slotInfo{}, false
}

// String returns "auth", "sign", "auth CA" or "sign CA".
func (s Slot) String() string {
	if i, ok := s.info(); ok {
		return i.name
	}
	return fmt.Sprintf("Slot(%d)", uint8(s))
}

// PIN returns the PIN for the slot's key, and for its certificate if the card
// protects that. It returns 0 for an unknown Slot.
func (s Slot) PIN() PINKind {
	i, _ := s.info()
	return i.pin
}

// Certificate reads a certificate. It takes one exchange for each 256 bytes. The
// certificate is not verified; see [Verifier]. The certificate for digital
// signature contains name and address of its holder: do not log it.
//
// Certificate returns a [*StepError]. It wraps [ErrNoCertificate] if the card does
// not have the certificate, a [*PINRequiredError] if the card protects it and the
// PIN is not verified, and [ErrCertificate] if it is malformed.
func (c *Card) Certificate(ctx context.Context, slot Slot) (*x509.Certificate, error) {
	cert, err := fromSlot(ctx, c, slot, c.certificate)
	if err != nil {
		return nil, &StepError{"read " + slot.String() + " certificate", err}
	}
	return cert, nil
}

// Serial reads the serial number of a certificate from the first 36 bytes of its
// file. It takes one exchange. The errors are those of [Card.Certificate].
//
// The number is not verified, and a copy of the card has it as well. A program
// that grants something reads the certificate, verifies it, and has the card sign
// a challenge.
func (c *Card) Serial(ctx context.Context, slot Slot) (Serial, error) {
	serial, err := fromSlot(ctx, c, slot, c.serial)
	if err != nil {
		return Serial{}, &StepError{"read serial of " + slot.String() + " certificate", err}
	}
	return serial, nil
}

// HasCertificate reports whether the card holds the certificate of [Auth] or
// [Sign]. It takes one exchange and no PIN. A child's card has no Sign. For other
// slots the [*StepError] wraps an [*UnsupportedError].
func (c *Card) HasCertificate(ctx context.Context, slot Slot) (bool, error) {
	has, err := fromSlot(ctx, c, slot, c.available)
	if err != nil {
		return false, &StepError{"look for " + slot.String() + " certificate", err}
	}
	return has, nil
}

// fromSlot takes this caller's turn and reads something of a slot.
func fromSlot[T any](ctx context.Context, c *Card, slot Slot, read func(context.Context, slotInfo) (T, error)) (T, error) {
	var none T
	info, ok := slot.info()
	if !ok {
		return none, &UnsupportedError{slot.String()}
	}
	if err := c.begin(ctx); err != nil {
		return none, err
	}
	defer c.end()
	return read(ctx, info)
}

// head reads the first n bytes of the slot's certificate file, in one exchange.
func (c *Card) head(ctx context.Context, slot slotInfo, n int) ([]byte, error) {
	b, err := c.readBinary(ctx, slot.certificate, 0, n)
	switch {
	case statusIn(err, apdu.FileNotFound):
		return nil, fmt.Errorf("%w: %w", ErrNoCertificate, err)
	case statusIn(err, apdu.SecurityStatusNotSatisfied):
		// Cards also protect the place of a certificate that is not there. Do
		// not send anybody to look for a PIN that they do not have.
		if has, e := c.available(ctx, slot); e == nil && !has {
			return nil, fmt.Errorf("%w: %w", ErrNoCertificate, err)
		}
		return nil, fmt.Errorf("%w: %w", &PINRequiredError{slot.pin}, err)
	}
	return b, err
}

func (c *Card) certificate(ctx context.Context, slot slotInfo) (*x509.Certificate, error) {
	b, err := c.head(ctx, slot, apdu.MaxShortNe)
	if err != nil {
		return nil, err
	}
	size, err := certificateSize(b)
	if err != nil {
		return nil, err
	}
	if b, err = c.readOn(ctx, slot.certificate, b, size); err != nil {
		return nil, err
	}
	if len(b) < size {
		return nil, ErrCertificate
	}
	b = b[:size]
	cert, err := x509.ParseCertificate(b)
	if err != nil || !whole(b) {
		return nil, ErrCertificate // the cause may quote the holder's data
	}
	return cert, nil
}

// whole reports whether the certificate b consists of its three parts only.
// crypto/x509 overlooks what stands behind them, and a damaged length brings
// filler in there that no signature covers.
func whole(b []byte) bool {
	_, b, _, err := tlv.Next(b)
	for range 3 {
		if err == nil {
			_, _, b, err = tlv.Next(b)
		}
	}
	return err == nil && len(b) == 0
}

// certificateSize returns the size of the certificate that starts with b, which
// is the beginning of a file. The file is longer and filled up.
func certificateSize(b []byte) (int, error) {
	if len(b) > 0 && (b[0] == 0xFF || b[0] == 0x00) {
		return 0, ErrNoCertificate // nothing but filler
	}
	tag, header, value, err := tlv.Header(b)
	if err != nil || tag != 0x30 || value > maxCertificate-header {
		return 0, ErrCertificate
	}
	return header + value, nil
}

func (c *Card) serial(ctx context.Context, slot slotInfo) (Serial, error) {
	b, err := c.head(ctx, slot, serialPrefix)
	if err != nil {
		return Serial{}, err
	}
	return parseSerial(b)
}

// parseSerial returns the serial number from the first bytes of a certificate:
//
//	Certificate ::= SEQUENCE { TBSCertificate ::= SEQUENCE {
//	    version [0] EXPLICIT INTEGER, serialNumber INTEGER, ...
//
// The lengths have to agree with each other, as far as the bytes go: that is the
// only way to notice a damaged reply in one exchange.
func parseSerial(b []byte) (Serial, error) {
	size, err := certificateSize(b)
	if err != nil {
		return Serial{}, err
	}
	_, outer, _, _ := tlv.Header(b)
	tag, inner, value, err := tlv.Header(b[outer:])
	left := size - outer - inner - value // signature algorithm and signature
	if err != nil || tag != 0x30 || left < 4 {
		return Serial{}, ErrCertificate
	}
	b = b[outer+inner:]
	if len(b) > value {
		b = b[:value]
	}
	const version3 = "\xA0\x03\x02\x01\x02"
	if len(b) < len(version3) || string(b[:len(version3)]) != version3 {
		return Serial{}, ErrCertificate
	}
	tag, number, rest, err := tlv.Next(b[len(version3):])
	if err != nil || tag != 0x02 || len(number) == 0 || number[0] >= 0x80 ||
		len(rest) > 0 && rest[0] != 0x30 {
		return Serial{}, ErrCertificate
	}
	serial, err := SerialFromBytes(number)
	if err != nil {
		return Serial{}, ErrCertificate
	}
	return serial, nil
}

// certificateAvailability holds a byte for Sign and one for Auth; 00 means that
// there is none.
const certificateAvailability file = 0x08

func (c *Card) available(ctx context.Context, slot slotInfo) (bool, error) {
	i := 0
	switch {
	case slot.key == 0:
		return false, &UnsupportedError{"availability of a CA certificate"}
	case slot.pin == AuthPIN:
		i = 1
	}
	b, err := c.readBinary(ctx, certificateAvailability, 0, 3)
	switch {
	case err != nil:
		return false, err
	case len(b) < 2:
		return false, ErrReply
	}
	return b[i] != 0, nil
}

// SerialOf returns the serial number of a certificate. It fails with
// [ErrSerial] if that is not a positive number of at most 20 bytes.
func SerialOf(cert *x509.Certificate) (Serial, error) {
	if cert == nil || cert.SerialNumber == nil || cert.SerialNumber.Sign() <= 0 {
		return Serial{}, ErrSerial
	}
	return SerialFromBytes(cert.SerialNumber.Bytes())
}
