package jpki

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// A RevocationChecker checks whether a certificate was revoked (失効). Package
// revoke has two: one asks an OCSP responder, one reads lists (CRL).
//
// [Verifier] calls CheckRevocation with a certificate and that of its issuer after
// it has verified both. CheckRevocation returns nil if the certificate is known
// not to be revoked now, a [*RevokedError] if it is revoked, and another error if
// the status is unknown.
type RevocationChecker interface {
	CheckRevocation(ctx context.Context, cert, issuer *x509.Certificate) error
}

// ErrRevocationUnknown is returned when the status of a certificate is unknown. The
// responder did not answer, its answer is stale or not signed by it, or no list
// covers the certificate. The error wraps the cause.
var ErrRevocationUnknown = errors.New("jpki: not known whether the certificate was revoked")

// A RevokedError is returned for a certificate that was revoked or suspended
// ([ReasonHold]).
type RevokedError struct {
	At     time.Time
	Reason RevocationReason
}

// Error returns a text with the reason. It does not contain the time, which is
// personal data.
func (e *RevokedError) Error() string {
	return "jpki: certificate was revoked: " + e.Reason.String()
}

// A RevocationReason is a CRLReason, RFC 5280 section 5.3.1.
type RevocationReason int

// The reasons for certificates of persons. A change of address or name ends a
// certificate for digital signature, so [ReasonAffiliationChanged] and
// [ReasonSuperseded] are common.
const (
	ReasonUnspecified          RevocationReason = 0
	ReasonKeyCompromise        RevocationReason = 1
	ReasonCACompromise         RevocationReason = 2
	ReasonAffiliationChanged   RevocationReason = 3
	ReasonSuperseded           RevocationReason = 4
	ReasonCessationOfOperation RevocationReason = 5
	ReasonHold                 RevocationReason = 6 // suspended (一時停止), for instance after a call that the card is lost
	ReasonPrivilegeWithdrawn   RevocationReason = 9
)

// String returns the reason in words.
func (r RevocationReason) String() string {
	switch r {
	case ReasonUnspecified:
		return "unspecified"
	case ReasonKeyCompromise:
		return "key compromise"
	case ReasonCACompromise:
		return "CA compromise"
	case ReasonAffiliationChanged:
		return "affiliation changed"
	case ReasonSuperseded:
		return "superseded"
	case ReasonCessationOfOperation:
		return "cessation of operation"
	case ReasonHold:
		return "on hold"
	case ReasonPrivilegeWithdrawn:
		return "privilege withdrawn"
	}
	return fmt.Sprintf("RevocationReason(%d)", int(r))
}

// A RevocationStatus is what is known about the revocation of a
// [VerifiedCertificate].
type RevocationStatus uint8

// The values of [RevocationStatus]. A revoked certificate is never verified.
const (
	RevocationNotChecked RevocationStatus = iota // the verifier has no checker
	RevocationGood                               // known not to be revoked
	RevocationUnknown                            // could not be told, and the caller said WithSoftFail
)

// String returns "not checked", "good" or "unknown".
func (s RevocationStatus) String() string {
	switch s {
	case RevocationNotChecked:
		return "not checked"
	case RevocationGood:
		return "good"
	case RevocationUnknown:
		return "unknown"
	}
	return fmt.Sprintf("RevocationStatus(%d)", uint8(s))
}

// checkRevocation calls the checker, if there is one. The second result is the
// reason for RevocationUnknown.
func (v *Verifier) checkRevocation(ctx context.Context, cert, issuer *x509.Certificate) (RevocationStatus, error, error) {
	if v.revocation == nil {
		return RevocationNotChecked, nil, nil
	}
	err := v.revocation.CheckRevocation(ctx, cert, issuer)
	if err == nil {
		return RevocationGood, nil, nil
	}
	if _, ok := errors.AsType[*RevokedError](err); ok {
		return 0, nil, err
	}
	if !errors.Is(err, ErrRevocationUnknown) {
		err = fmt.Errorf("%w: %w", ErrRevocationUnknown, err)
	}
	if v.softFail && ctx.Err() == nil {
		return RevocationUnknown, err, nil
	}
	return 0, nil, err
}
