// Package jpki works with one Japanese Individual Number Card (マイナンバーカード)
// in a reader, and with all of it: certificates and serial numbers, signatures,
// My Number, name and address, the face of the card, its PINs.
//
// # Five applications
//
// A card holds five applications and works with one at a time:
//
//   - [JPKIApp] (公的個人認証サービス): certificates and keys. Phones have this one.
//   - [TextApp] (券面事項入力補助): [Card.MyNumber] and [Card.Attributes] as text.
//   - [VisualApp] (券面事項確認): [Card.Face] with photo and pictures of what is
//     printed, and [Card.AgeRecord], which gives a birth date and nothing else.
//   - [CommonApp] (共通カード): [Card.CommonData], the card's own number and expiry.
//   - [JukiApp] (住基): for the resident register. It has a PIN, and nothing that
//     the public can read.
//
// Each method selects the application that it needs, one exchange more where
// another is selected. To select is to end: PINs that were verified in the
// application before are so no longer, and what needs them is
// [*PINRequiredError]. So do everything in one application, then everything in
// the next. What the card does not have is [*NoApplicationError].
//
// # A tap
//
// [Open] takes any [apdu.Transmitter]: a PC/SC reader, a phone, a software
// card. It selects the application, one exchange. [Card.Serial] then reads the
// serial number of the certificate for user authentication
// (利用者証明用電子証明書) out of the first 36 bytes of its file, one more, and asks
// for no PIN on a plastic card. That is all a counter needs to recognise
// somebody:
//
//	card, err := jpki.Open(ctx, reader)
//	serial, err := card.Serial(ctx, jpki.Auth)
//	member := serial.Pseudonym(key)
//
// Keep the [Pseudonym], not the number. The number (発行番号) is legally
// sensitive: the law behind these certificates (公的個人認証法) restricts who may
// verify them as a business and handle their numbers. Take legal advice before
// building a database of them. One person has several numbers: card, Android,
// iPhone, and a new one after each renewal.
//
// # PINs
//
// Each [PINKind] has its counter. A wrong PIN costs a try; three wrong tries lock
// a PIN of digits, five the sign PIN, and the holder has to have it reset:
// package jpki/unlock tells where. So:
//
//   - [NewPIN] refuses a malformed PIN before any card sees it.
//   - [Card.Verify] reads the counter first. It keeps the last remaining try
//     ([*LastTryError]) unless [AllowLastTry] is given.
//   - It sends VERIFY once, whatever happens. If the card leaves in that
//     moment the answer is [ErrOutcomeUnknown]: call [Card.Tries] or Verify
//     again, both look at the counter before anything else.
//   - A [PIN] prints as [redacted] everywhere and is wiped by [PIN.Clear].
//   - [Card.ChangePIN] checks the rules for new PINs first.
//
// What is printed on a card opens it, too: the My Number ([NewNumberA]), or birth
// date, expiry and security code ([NewNumberB]). These are presented like PINs,
// with counters of their own.
//
// A verified PIN stays verified until the card loses power or another
// application is selected, even for the next program. Open the reader
// exclusively, or within a transaction, and power the card off afterwards.
//
// [Tap] does a whole visit in one call, with the PIN before the card (as on
// iPhones) or the card before the PIN (as on Android phones). It makes sure that
// the card at the end is the card of the beginning and had power all the time,
// for one exchange more at each change of the application, and that a PIN typed
// for one card does not go to another.
//
// # Signed and verified
//
// What the card says is not thereby true. [Card.Attributes] and its like give it
// as it comes; [Card.VerifiedAttributes] and its like give a [Verified], which
// exists only where digests and signatures hold up to the [FaceAnchors] that the
// caller trusts. The issuer keys of live cards are not published: FaceAnchors
// says what to choose from. Expiry and security code of a face are under no
// signature at all.
//
// Certificates come as the card gives them, too. [Verifier] verifies them under
// the roots of J-LIS; the CA certificates on the card are no such roots.
//
// # Signatures
//
// [Card.Sign] signs a digest: one exchange. [Card.Signer] gives a [*Key], a
// [crypto.Signer] for crypto/tls, crypto/x509 and CMS libraries, that checks
// each signature before it gives it out. Keys are RSA; the hash is SHA-256,
// SHA-384 or SHA-512 with PKCS #1 v1.5, and SHA-256 with PSS if the card does
// PSS. [Key.TLSConfig] returns the configuration of a TLS client.
//
// # Errors
//
// Every error of a [Card] is a [*StepError] that names what was being done.
// [errors.Is] and [errors.As] look through it: to [*PINError],
// [*PINRequiredError], [ErrNoCertificate] and so on, to [*apdu.StatusError]
// with the status word, to [apdu.ErrCardRemoved]. No error contains a PIN, a
// serial number or anything else that was read. My Number, attributes and the
// rest print as [redacted]; values come out of methods.
//
// A [Card] stands for the card that was there at [Open]. After
// [apdu.ErrCardRemoved], open the next one.
//
// # Sources
//
// The card's specification is not public. What is used here is what independent
// public clients of the card agree on (jpki/myna, OpenSC's driver, myna-card and
// others), within ISO/IEC 7816-4 and -8, PKCS #11 for the token information, RFC
// 5280 for certificates, RFC 8017 for signatures and JICSAP's specification of
// 1998 for CHANGE KEY and record files. Where cards are known or
// suspected to differ, all ways are taken.
package jpki
