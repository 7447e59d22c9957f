package jpki

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// A RevocationChecker tells whether a certificate was revoked (失効). Package
// revoke has two: one asks an OCSP responder, one reads lists (CRL).
//
// CheckRevocation is given a certificate and the certificate of its issuer,
// after [Verifier] has verified both. It returns nil where the certificate is
// known not to be revoked, now; a [*RevokedError] where it is; and any other
// error where that cannot be told. "Unknown" is not nil.
type RevocationChecker interface {
	CheckRevocation(ctx context.Context, cert, issuer *x509.Certificate) error
}

// ErrRevocationUnknown means that nobody could tell whether a certificate was
// revoked: the responder did not answer, what it sent is stale or not its own,
// or no list covers the certificate. The error holds the cause.
var ErrRevocationUnknown = errors.New("jpki: not known whether the certificate was revoked")

// A RevokedError means that a certificate was revoked, or suspended
// ([ReasonHold]), and since when.
type RevokedError struct {
	At     time.Time
	Reason RevocationReason
}

// Error returns the reason. The moment is in the field: it tells something
// about the holder.
func (e *RevokedError) Error() string {
	return "jpki: certificate was revoked: " + e.Reason.String()
}

// A RevocationReason is a CRLReason, RFC 5280 section 5.3.1.
type RevocationReason int

// The reasons that a certificate of a person can have. Moving house or changing
// name ends a certificate for digital signature: [ReasonAffiliationChanged] or
// [ReasonSuperseded] are everyday answers.
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

// A RevocationStatus is what a [VerifiedCertificate] says about revocation.
type RevocationStatus uint8

// The values of [RevocationStatus]. There is none for a revoked certificate:
// that is never verified.
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

// checkRevocation asks the checker, if there is one. The second result is why
// the status is RevocationUnknown.
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
