// Package jpki works with one Japanese Individual Number Card (マイナンバーカード)
// in a reader: its certificates and their serial numbers, its PINs, and
// signatures with its keys. JPKI (公的個人認証サービス) is the application on the
// card that does this; phones carry the same application.
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
// A wrong PIN costs a try. Three wrong tries lock the auth PIN, five the sign
// PIN, and the holder has to go to the municipal office. So:
//
//   - [NewPIN] refuses a malformed PIN before any card sees it.
//   - [Card.Verify] reads the counter first. It keeps the last remaining try
//     ([*LastTryError]) unless [AllowLastTry] is given.
//   - It sends VERIFY once, whatever happens. If the card leaves in that
//     moment the answer is [ErrOutcomeUnknown]: call [Card.Tries] or Verify
//     again, both look at the counter before anything else.
//   - A [PIN] prints as [redacted] everywhere and is wiped by [PIN.Clear].
//
// A verified PIN stays verified until the card loses power or another
// application is selected, even for the next program. Open the reader
// exclusively, or within a transaction, and power the card off afterwards.
//
// # Signatures
//
// [Card.Sign] signs a digest: one exchange. [Card.Signer] gives a [*Key], a
// [crypto.Signer] for crypto/tls, crypto/x509 and CMS libraries, that checks
// each signature before it gives it out. Keys are RSA; the hash is SHA-256,
// SHA-384 or SHA-512 with PKCS #1 v1.5, and SHA-256 with PSS where the card
// does PSS, which TLS 1.3 needs.
//
// # What is not checked here
//
// Certificates come as the card gives them. Whoever can make a card can make a
// certificate: verify it against the roots of J-LIS before trusting a name or
// a serial number in it. The CA certificates on the card are no such roots.
//
// # Errors
//
// Every error of a [Card] is a [*StepError] that names what was being done.
// [errors.Is] and [errors.As] look through it: to [*PINError],
// [*PINRequiredError], [ErrNoCertificate] and so on, to [*apdu.StatusError]
// with the status word, to [apdu.ErrCardRemoved]. No error contains a PIN, a
// serial number or anything else that was read.
//
// A [Card] stands for the card that was there at [Open]. After
// [apdu.ErrCardRemoved], open the next one.
//
// # Sources
//
// The card's specification is not public. What is used here is what independent
// public clients of the card agree on (jpki/myna, OpenSC's driver, myna-card and
// others), within ISO/IEC 7816-4 and -8, PKCS #11 for the token information, RFC
// 5280 for certificates and RFC 8017 for signatures. Where cards are known or
// suspected to differ, all ways are taken.
package jpki
