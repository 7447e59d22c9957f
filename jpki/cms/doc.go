// Package cms signs with a card and verifies what was signed: SignedData of the
// Cryptographic Message Syntax (CMS, RFC 5652), the form in which government
// forms, e-mail and PDF carry signatures. Files of it are called .p7m, with the
// content inside, or .p7s, without.
//
// # Signing
//
// [Sign] makes a message that contains what is signed, [SignDetached] one that
// stands beside it. Both take a [*jpki.Key], whose PIN was verified before:
//
//	key, err := card.Signer(ctx, jpki.Sign)
//	signature, err := cms.SignDetached(ctx, key, document)
//
// The card makes one signature, in one exchange. It signs content type, digest
// (SHA-256), time and its own certificate as signed attributes. The certificate
// for digital signature names its holder, with address and date of birth, and it
// is part of the message: whoever gets the one gets the other.
//
// Who verifies it elsewhere may ask what the certificate is for. The one for user
// authentication is for client authentication (its extended key usage), and not
// for e-mail: openssl cms -verify says "unsuitable certificate purpose" of a
// message made with [jpki.Auth], unless it is told -purpose any. A message made
// with [jpki.Sign] it takes as it is. Messages are DER here, which openssl calls
// -inform DER.
//
// # Verifying
//
// [Verify] and [VerifyDetached] say who signed, if everything is right: the
// digest, the signature, and the certificate under a [jpki.Verifier] with the
// roots of J-LIS. A [Message] is verified or it does not exist; there is no call
// that gives the content of a message which does not verify.
//
// The time in a message is what the signer's computer said. It counts for
// nothing unless the caller says [AtSigningTime]. A certificate lives five years
// at most, so an archive needs something better: a timestamp (RFC 3161), whose
// time then goes into [At].
//
// # What is accepted
//
// One signer, found by issuer and number. All generations of a CA of JPKI have
// one name, and may use a number twice, so that is no proof of who it is: the key
// has to match, and where the message says which certificate it was (RFC 5035),
// the certificate. Signed attributes, with each attribute once and each value
// alone. SHA-256, SHA-384 or SHA-512, with PKCS #1 v1.5 or ECDSA. DER or BER, of
// limited depth.
//
// Not accepted are several signers, signers named by key identifier, PSS, and
// content types other than data (1.2.840.113549.1.7.1).
//
// # How
//
// The syntax is that of github.com/smallstep/pkcs7. Read alone, that library is
// too kind to a forger: it takes SHA-1, ignores trailing data and parts that it
// cannot parse, takes the first of two attributes, the first certificate of a
// number, and messages without signed attributes, and needs time that grows with
// the square of a hostile input. This package reads the message first and hands
// over only what is left after that.
package cms
