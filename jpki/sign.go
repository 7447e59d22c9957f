package jpki

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/mynakit/mynakit/apdu"
)

// maxSignature is the longest signature that is taken from a card, in bytes:
// RSA with 8,192 bits.
const maxSignature = 1024

// P1 of COMPUTE DIGITAL SIGNATURE.
const (
	padVerbatim = 0x00 // pad the data as it is: PKCS #1 v1.5
	padPSS      = 0x04 // the data is a SHA-256 hash: PSS
)

// Sign signs a digest with the key of [Auth] or [Sign]. It takes one exchange.
// Before the call, verify the PIN of the key; it then serves any number of
// signatures.
//
// If opts is a [crypto.Hash] of SHA-256, SHA-384 or SHA-512, the card signs with
// PKCS #1 v1.5. If opts is [*rsa.PSSOptions], it signs with PSS, SHA-256 and a
// salt of 32 bytes, which [rsa.PSSSaltLengthAuto] and
// [rsa.PSSSaltLengthEqualsHash] mean here as well. Sign returns the signature as
// the card made it. The [Key] of [Card.Signer] verifies it first.
//
// Sign returns a [*StepError] that wraps
//
//   - an [*UnsupportedError] for other opts, SHA-1 and MD5 included, and if the
//     card does not do PSS.
//   - a [*PINRequiredError] if the PIN is not verified.
//   - a [*PINError] if the PIN is blocked.
//   - [ErrReaderLimit] if the reader cannot carry the signature.
//   - an [*UnsupportedError] if the signature has a length that no RSA key of
//     1,024 bits or more produces. The key is of another type then, and did not
//     sign the digest.
func (c *Card) Sign(ctx context.Context, slot Slot, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := c.sign(ctx, slot, digest, opts)
	// Sizes of RSA keys go by 64 bits. ECDSA has 96 bytes with P-384, 132 with
	// P-521, and in DER a few more.
	if n := len(signature); err == nil && (n < 1024/8 || n%8 != 0) {
		err = &UnsupportedError{fmt.Sprintf("a key that is not RSA: signature of %d bytes", n)}
	}
	if err != nil {
		return nil, signError(slot, err)
	}
	return signature, nil
}

func signError(slot Slot, err error) error {
	return &StepError{"sign with " + slot.String() + " key", err}
}

func (c *Card) sign(ctx context.Context, slot Slot, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	info, ok := slot.info()
	if !ok || info.key == 0 {
		return nil, &UnsupportedError{"a key in slot " + slot.String()}
	}
	cmd, err := signCommand(digest, opts)
	if err != nil {
		return nil, err
	}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	defer c.end()
	r, err := c.sendTo(ctx, info.key, cmd)
	switch {
	case statusIn(err, apdu.SecurityStatusNotSatisfied):
		return nil, fmt.Errorf("%w: %w", &PINRequiredError{info.pin}, err)
	case statusIn(err, apdu.AuthenticationBlocked, apdu.ReferenceDataNotUsable):
		return nil, fmt.Errorf("%w: %w", &PINError{PIN: info.pin, Blocked: true}, err)
	case cmd.P1 == padPSS && statusIn(err, apdu.IncorrectP1P2):
		return nil, fmt.Errorf("%w: %w", &UnsupportedError{"PSS on this card"}, err)
	case errors.Is(err, apdu.ErrExchange) && c.narrow(ctx, info.certificate):
		return nil, fmt.Errorf("%w: %w", ErrReaderLimit, err)
	case err != nil:
		return nil, err
	case len(r.Data) == 0:
		return nil, ErrReply
	}
	return r.Data, nil
}

// signCommand returns COMPUTE DIGITAL SIGNATURE for the current key file.
func signCommand(digest []byte, opts crypto.SignerOpts) (apdu.Command, error) {
	cmd := apdu.Command{CLA: 0x80, INS: apdu.InsPSO, P2: 0x80, Ne: apdu.MaxShortNe}
	if opts == nil {
		return cmd, &UnsupportedError{"a signature without a hash"}
	}
	hash := opts.HashFunc()
	info := digestInfo(hash)
	if info == "" {
		return cmd, &UnsupportedError{"a signature with " + hashName(hash)}
	}
	if len(digest) != hash.Size() {
		return cmd, &UnsupportedError{fmt.Sprintf("a digest of %d bytes for %s", len(digest), hashName(hash))}
	}
	pss, ok := opts.(*rsa.PSSOptions)
	if !ok {
		cmd.P1 = padVerbatim
		cmd.Data = append([]byte(info), digest...)
		return cmd, nil
	}
	if hash != crypto.SHA256 {
		return cmd, &UnsupportedError{"PSS with " + hashName(hash)}
	}
	switch pss.SaltLength {
	case rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, hash.Size():
	default:
		return cmd, &UnsupportedError{fmt.Sprintf("PSS with a salt of %d bytes", pss.SaltLength)}
	}
	cmd.P1, cmd.Data = padPSS, digest
	return cmd, nil
}

// digestInfo returns what stands before the hash in a DigestInfo, RFC 8017
// section 9.2 note 1, and "" for a hash that is not signed.
func digestInfo(hash crypto.Hash) string {
	const oid = "\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02"
	switch hash {
	case crypto.SHA256:
		return "\x30\x31" + oid + "\x01\x05\x00\x04\x20"
	case crypto.SHA384:
		return "\x30\x41" + oid + "\x02\x05\x00\x04\x30"
	case crypto.SHA512:
		return "\x30\x51" + oid + "\x03\x05\x00\x04\x40"
	}
	return ""
}

func hashName(hash crypto.Hash) string {
	if hash == 0 {
		return "no hash"
	}
	return hash.String()
}
