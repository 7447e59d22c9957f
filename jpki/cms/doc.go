// Package cms signs with a card and verifies what was signed: SignedData of the
// Cryptographic Message Syntax (CMS, RFC 5652), the form of signatures in
// government forms, e-mail and PDF. Its files are called .p7m if they contain the
// content, and .p7s if they do not. [Sign] and [SignDetached] sign, [Verify] and
// [VerifyDetached] verify.
//
// # Signing
//
// [Sign] returns a message that contains the content, and [SignDetached] one that
// does not. Both need a [*jpki.Key] whose PIN was verified before:
//
//	key, err := card.Signer(ctx, jpki.Sign)
//	signature, err := cms.SignDetached(ctx, key, document)
//
// The card makes one signature, in one exchange. It signs content type, digest
// (SHA-256), time and its own certificate as signed attributes. The certificate
// for digital signature contains name, address and date of birth of its holder,
// and it is part of the message.
//
// Other programs may check what the certificate is for. The one for user
// authentication is for client authentication and not for e-mail (extended key
// usage). Of a message made with [jpki.Auth], openssl cms -verify reports
// "unsuitable certificate purpose" unless -purpose any is given. It accepts a
// message made with [jpki.Sign]. Messages are DER: use -inform DER.
//
// # Verifying
//
// [Verify] and [VerifyDetached] check the digest, the signature, and the
// certificate under a [jpki.Verifier] with the roots of J-LIS. They return a
// [Message] only if all of them hold. No call returns the content of a message
// that does not verify.
//
// The time in a message is that of the signer's computer. It is used only with
// [AtSigningTime]. A certificate is valid for at most five years, so an archive
// needs a timestamp (RFC 3161) and passes its time to [At].
//
// # Accepted messages
//
// A message has one signer, identified by issuer and number. All generations of a
// CA of JPKI have the same name and may use a number twice. The key therefore has
// to match, and so does the certificate if the message states which one it was
// (RFC 5035). Signed attributes are required, each once and with one value. The
// hash is SHA-256, SHA-384 or SHA-512, with PKCS #1 v1.5 or ECDSA. The encoding is
// DER or BER of limited depth.
//
// Several signers, signers identified by a key identifier, PSS, and content types
// other than data (1.2.840.113549.1.7.1) are not accepted.
//
// # Implementation
//
// The signature is checked by github.com/smallstep/pkcs7. That library alone is
// too lenient. It accepts SHA-1 and messages without signed attributes, and ignores
// trailing data and parts that it cannot parse. It takes the first of two
// attributes and the first certificate with a number. Its time grows with the
// square of a hostile input. This package parses the message strictly first and
// passes on only what is left.
package cms
