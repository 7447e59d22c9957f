// Package revoke checks whether a certificate of JPKI was revoked (失効). [OCSP]
// and [CRL] are checkers for a [jpki.Verifier]:
//
//	checker := &revoke.OCSP{Client: client, URL: "http://ocsp.example"}
//	verifier, err := jpki.NewVerifier(roots, jpki.WithRevocation(checker))
//
// # OCSP or lists
//
// [OCSP] asks a responder about one certificate (RFC 6960). It suits a counter:
// one short exchange, and an answer as of now.
//
// [CRL] reads lists of revoked certificates (RFC 5280 section 5) and keeps each
// until the next one is due. It suits programs that verify many certificates, that
// must not disclose which ones, or that have no network.
//
// J-LIS provides both. By law (公的個人認証法) it answers only those who have
// registered with it, or who use somebody who has (プラットフォーム事業者), over lines
// of its own. The caller therefore sets the address and the [http.Client], with
// its proxy and certificate. If no address is set, the one in the certificate is
// used.
//
// # Good status
//
// A certificate is good if an answer states so, or if a list covers it and does
// not contain it. The answer or list has to be current and signed by the issuer of
// the certificate or by a responder that this issuer authorised. Everything else,
// a missing answer included, is [jpki.ErrRevocationUnknown]. A verifier then
// refuses the certificate unless it has [jpki.WithSoftFail].
//
// The fields of OCSP and CRL bound the memory and the time that an answer can
// take. No error contains the certificate's number.
package revoke
