// Package revoke asks whether a certificate of JPKI was revoked (失効), for a
// [jpki.Verifier]:
//
//	checker := &revoke.OCSP{Client: client, URL: "http://ocsp.example"}
//	verifier, err := jpki.NewVerifier(roots, jpki.WithRevocation(checker))
//
// # OCSP or lists
//
// [OCSP] asks a responder about one certificate (RFC 6960). It is right where a
// customer stands at a counter: one short exchange, an answer as of now.
//
// [CRL] reads lists of revoked certificates (RFC 5280 section 5), which it
// fetches or is given, and keeps each until the next one is due. It is right
// where many certificates are verified, where nobody may learn which, or where
// there is no network.
//
// Both answers are J-LIS's. Under the law on these certificates (公的個人認証法) it
// gives them only to who has registered with it, or to who works through
// somebody who has (プラットフォーム事業者), and over lines of its own. The address
// and the [http.Client], with its proxy and its certificate, are therefore the
// caller's; addresses in a certificate are used where the caller gives none.
//
// # What counts as good
//
// Only an answer that says good, or a list that covers the certificate and does
// not contain it; signed by the certificate's own issuer or a responder that
// this issuer authorised; and not stale. Everything else, silence included, is
// [jpki.ErrRevocationUnknown]. A verifier turns that into a refusal unless it
// was made with [jpki.WithSoftFail].
//
// Nothing that comes over the network can take more memory or time than the
// fields of OCSP and CRL allow. No error contains the certificate's number.
package revoke
