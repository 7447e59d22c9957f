// Package jpki works with one Japanese Individual Number Card (マイナンバーカード)
// in a reader: certificates and serial numbers, signatures, My Number, name and
// address, the face of the card, and its PINs.
//
// Most programs need three calls. [Open] selects the card's application, and
// [Card.Serial] reads the serial number of the certificate for user
// authentication (利用者証明用電子証明書). These take two exchanges and, on a plastic
// card, no PIN. They are enough for a counter to recognise a holder:
//
//	card, err := jpki.Open(ctx, reader)
//	serial, err := card.Serial(ctx, jpki.Auth)
//	member := serial.Pseudonym(key)
//
// [Tap] is the third: it waits for a card, verifies a PIN, and checks that the
// card stays the same until the work is done.
//
// Store the [Pseudonym] and not the number. The number (発行番号) is legally
// sensitive: the law behind these certificates (公的個人認証法) restricts who may
// verify them as a business and handle their numbers. Take legal advice before
// building a database of them. One person has several numbers: card, Android,
// iPhone, and a new one after each renewal. A serial number that was read without
// a PIN proves nothing: a copy of the card has it as well. Before something is
// spent or changed, verify the PIN and have the card sign a challenge.
//
// # Applications
//
// A card holds five applications and works with one at a time:
//
//   - [JPKIApp] (公的個人認証サービス): certificates and keys. Phones have only this
//     one.
//   - [TextApp] (券面事項入力補助): [Card.MyNumber] and [Card.Attributes] as text.
//   - [VisualApp] (券面事項確認): [Card.Face] with photo and pictures of what is
//     printed, and [Card.AgeRecord], which holds only the birth date.
//   - [CommonApp] (共通カード): [Card.CommonData], the card's own number and expiry.
//   - [JukiApp] (住基): for the resident register. It has a PIN and no public data.
//
// Some cards have more; see [Card.Applications].
//
// Each method selects the application that it needs, which takes another
// exchange if it is not selected. Selecting an application ends the verified
// state of PINs in the previous one. What needs such a PIN then fails with a
// [*PINRequiredError], so complete the work in one application before the next.
//
// # PINs
//
// Each [PINKind] has its own number of tries. A wrong PIN uses up a try. Three
// wrong tries lock a PIN of digits, and five lock the sign PIN. Package
// jpki/unlock describes where holders reset them. Therefore:
//
//   - [NewPIN] refuses a malformed PIN before it is sent.
//   - [Card.Verify] reads the counter first. It does not use up the last try
//     ([*LastTryError]) unless [AllowLastTry] is given.
//   - It sends VERIFY once. If the card leaves at that moment, the error is
//     [ErrOutcomeUnknown]. [Card.Tries] and the next Verify read the counter
//     first.
//   - A [PIN] prints as [redacted], and [PIN.Clear] wipes it.
//   - [Card.ChangePIN] checks the rules for new PINs first.
//
// Keys that are printed on the card are used like PINs and have their own numbers
// of tries: the My Number ([NewNumberA]), and birth date, expiry and security
// code ([NewNumberB]).
//
// A verified PIN stays verified until the card loses power or another application
// is selected, also for the next program. Open the reader exclusively, or use
// [Card.Transaction], and take the power from the card afterwards.
//
// # Verified data
//
// [Card.Attributes] and similar calls return data as the card sends them, which
// proves nothing. [Card.VerifiedAttributes] and similar calls return a [Verified],
// which exists only if digests and signatures verify under the [FaceAnchors] that
// the caller trusts. The issuer keys of live cards are not published; FaceAnchors
// describes the choices. No signature covers expiry and security code of a face.
//
// Certificates are not verified either. [Verifier] verifies them under the roots
// of J-LIS. The CA certificates on the card are no such roots.
//
// # Signatures
//
// [Card.Sign] signs a digest in one exchange. [Card.Signer] returns a [*Key], a
// [crypto.Signer] that verifies each signature before it returns it. Keys are
// RSA. The hash is SHA-256, SHA-384 or SHA-512 with PKCS #1 v1.5, and SHA-256 with
// PSS if the card does PSS. [Key.TLSConfig] returns the configuration of a TLS
// client.
//
// # Errors
//
// Every error of a [Card] is a [*StepError] with the name of the step. [errors.Is]
// and [errors.As] find what it wraps, such as a [*PINError], a
// [*PINRequiredError], [ErrNoCertificate], the [*apdu.StatusError] with the status
// word, or [apdu.ErrCardRemoved]. No error contains a PIN, a serial number or
// anything else that was read. My Number, attributes and similar values print as
// [redacted]; only methods return them.
//
// A [Card] represents the card that was there at [Open]. After
// [apdu.ErrCardRemoved] or [apdu.ErrCardReset], open the card again. After a
// reset, no application is selected and no PIN is verified.
//
// # Sources
//
// The card's specification is not public. This package uses what independent
// public clients of the card agree on (jpki/myna, OpenSC's driver, myna-card and
// others), within ISO/IEC 7816-4 and -8, PKCS #11 for the token information, RFC
// 5280 for certificates, RFC 8017 for signatures, and JICSAP's specification of
// 1998 for CHANGE KEY and record files. If cards are known or suspected to
// differ, it handles all variants.
package jpki
