package jpki

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mynakit/mynakit/internal/secret"
)

// Certificate policies (証明書ポリシー) of JPKI, dotted. A policy stands for the use
// and the environment of a certificate.
const (
	PolicySign     = "1.2.392.200149.8.5.1.1.20" // digital signature
	PolicyAuth     = "1.2.392.200149.8.5.1.3.30" // user authentication
	PolicySignTest = "1.2.392.200149.8.5.1.0.20" // digital signature, J-LIS test environment
)

// Errors of a [Verifier]; find them with [errors.Is]. No error contains anything
// about the holder. The last day of a certificate, for example, is a birthday.
var (
	// ErrIssuer is returned when none of the roots issued the certificate: the
	// issuer has another name, or the same name and another key.
	ErrIssuer = errors.New("jpki: certificate was not issued by any of the roots")
	// ErrIssuerSignature is returned when the certificate names the key of a
	// root, and that key did not sign it. It is forged or damaged.
	ErrIssuerSignature = errors.New("jpki: signature of the issuer does not match the certificate")
	// ErrIssuerValidity is returned when the root was not valid at the time. It
	// comes with [ErrExpired] or [ErrNotYetValid].
	ErrIssuerValidity = errors.New("jpki: certificate of the issuer")
	// ErrExpired means that the time is after the end of the certificate.
	ErrExpired = errors.New("jpki: certificate has expired")
	// ErrNotYetValid means that the time is before the start of the
	// certificate.
	ErrNotYetValid = errors.New("jpki: certificate is not valid yet")
	// ErrKeyUsage means that the certificate is not for this use: key usage or
	// extended key usage.
	ErrKeyUsage = errors.New("jpki: certificate is not for this use of its key")
	// ErrPolicy is returned when the certificate was issued under none of the
	// policies asked for. It is for another use, from another environment, or in
	// a phone, whose certificates have policies of their own: see [WithPolicies].
	// The text names the policies that it has.
	ErrPolicy = errors.New("jpki: certificate was issued under another policy")
	// ErrCA is returned when the certificate of a CA is given for that of a
	// holder, or the other way round (basic constraints).
	ErrCA = errors.New("jpki: basic constraints: CA and holder confused")
	// ErrCriticalExtension means that the certificate has a critical extension
	// that is not understood here.
	ErrCriticalExtension = errors.New("jpki: certificate has an unknown critical extension")
	// ErrAlgorithm is returned when the signature algorithm or the key of the
	// certificate is too weak: a hash below SHA-256, RSA below 2,048 bits, a
	// curve below P-256.
	ErrAlgorithm = errors.New("jpki: certificate with a weak algorithm or key")
	// ErrConstraint is returned when the root forbids this certificate by name
	// or policy constraints.
	ErrConstraint = errors.New("jpki: certificate violates a constraint of its issuer")
	// ErrRoot means that a certificate cannot be a root.
	ErrRoot = errors.New("jpki: not a root certificate")
)

// A Verifier verifies certificates of JPKI against the roots given to
// [NewVerifier]. It is safe for concurrent use.
//
// A certificate is verified if all of this holds (RFC 5280 section 6, for the
// only path length in JPKI, and プロファイル仕様書, the published profile of its
// certificates):
//
//   - One of the roots issued it. All generations of a CA have the same name, so
//     the root is found by key identifier and its signature is checked. The CA
//     certificate on a card plays no part: whoever makes a card can make one.
//   - Both are valid at the time.
//   - Its key usage allows what it is verified for: digitalSignature, for
//     [Sign] also nonRepudiation, and no CA's use; an extended key usage, if
//     there is one, allows it too.
//   - It belongs to a holder, not to a CA.
//   - Its policy is the one of that use, in production unless the options say
//     otherwise.
//   - It has no critical extension that is not understood, and no weak
//     algorithm or key.
//   - The [RevocationChecker], if there is one, knows that it was not revoked.
type Verifier struct {
	roots      []*x509.Certificate
	policies   map[Slot][]x509.OID
	revocation RevocationChecker
	softFail   bool
	now        func() time.Time
}

// A VerifierOption changes what a [Verifier] accepts.
type VerifierOption func(*verifierConfig)

type verifierConfig struct {
	policies map[Slot][]string
	Verifier
}

// WithRevocation makes the Verifier look up each certificate in checker, after
// all other checks. A certificate whose status is unknown is refused with
// [ErrRevocationUnknown]. Without this option nothing is looked up.
func WithRevocation(checker RevocationChecker) VerifierOption {
	return func(c *verifierConfig) { c.revocation = checker }
}

// WithSoftFail accepts a certificate whose status is unknown. Anybody who can
// block the answer can then use a revoked certificate. Use this option only if no
// customer may be turned away, look at [VerifiedCertificate.Revocation], and check
// again later. A context that has ended remains an error.
func WithSoftFail() VerifierOption {
	return func(c *verifierConfig) { c.softFail = true }
}

// WithTestEnvironment accepts certificates of the test environment of J-LIS for
// digital signature ([PolicySignTest]) instead of those of production. The test
// policy for user authentication is not published; [WithPolicies] sets it.
func WithTestEnvironment() VerifierOption {
	return func(c *verifierConfig) {
		c.policies = map[Slot][]string{Sign: {PolicySignTest}}
	}
}

// WithPolicies sets which policies are accepted for slot, [Auth] or [Sign],
// instead of [PolicyAuth] or [PolicySign]. They are dotted, and one of them is
// enough.
//
// Phones need this option. Their certificates have policies of their own and
// may fail with [ErrPolicy] without it. This package does not know them: that
// for digital signature is said to be 1.2.392.200149.8.5.1.1.40, that for user
// authentication is not published. Take them from the profile specification of
// J-LIS (プロファイル仕様書), and accept those of cards as well:
//
//	jpki.WithPolicies(jpki.Auth, jpki.PolicyAuth, policyOfPhones)
func WithPolicies(slot Slot, oids ...string) VerifierOption {
	return func(c *verifierConfig) { c.policies[slot] = oids }
}

// WithClock sets the clock of [Verifier.Verify] instead of [time.Now].
func WithClock(now func() time.Time) VerifierOption {
	return func(c *verifierConfig) { c.now = now }
}

// NewVerifier returns a verifier that trusts roots only.
//
// This package has no roots built in: whom to trust is the caller's decision and
// must not depend on the version of a library. J-LIS publishes its roots with
// fingerprints, for digital signature at https://www.jpki.go.jp/ca/ca_rules3.html
// and for user authentication at https://www.jpki.go.jp/ca/ca_rules4.html.
// [ParseRoots] reads the files. Give all generations: 2015, 2019 and 2023 at the
// time of writing.
//
// NewVerifier fails with [ErrRoot] if there is no root, or if one is not the
// certificate of a CA that signed itself and may sign certificates. The error
// holds the root's place in roots, and [ErrCA], [ErrKeyUsage],
// [ErrIssuerSignature], [ErrCriticalExtension] or [ErrAlgorithm]. It fails with
// [ErrPolicy] if a policy is not a dotted object identifier. The validity of a
// root is checked when it is used.
func NewVerifier(roots []*x509.Certificate, options ...VerifierOption) (*Verifier, error) {
	c := verifierConfig{
		policies: map[Slot][]string{Auth: {PolicyAuth}, Sign: {PolicySign}},
		Verifier: Verifier{roots: slices.Clone(roots), policies: map[Slot][]x509.OID{}, now: time.Now},
	}
	for _, o := range options {
		o(&c)
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("%w: none given", ErrRoot)
	}
	for i, root := range roots {
		if err := checkRoot(root); err != nil {
			return nil, fmt.Errorf("%w: number %d: %w", ErrRoot, i, err)
		}
	}
	for slot, texts := range c.policies {
		for _, text := range texts {
			oid, err := x509.ParseOID(text)
			if err != nil {
				return nil, fmt.Errorf("%w: %q is not an object identifier", ErrPolicy, text)
			}
			c.Verifier.policies[slot] = append(c.Verifier.policies[slot], oid)
		}
	}
	return &c.Verifier, nil
}

// ParseRoots parses the certificates in a file: one in DER, as J-LIS publishes
// it, or any number of PEM blocks of type CERTIFICATE with other text between
// them. It fails with [ErrRoot] if there is no certificate or one is malformed.
func ParseRoots(file []byte) ([]*x509.Certificate, error) {
	if len(file) > 0 && file[0] == 0x30 {
		cert, err := x509.ParseCertificate(file)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRoot, ErrCertificate)
		}
		return []*x509.Certificate{cert}, nil
	}
	var roots []*x509.Certificate
	for {
		block, rest := pem.Decode(file)
		if block == nil {
			break
		}
		file = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: number %d: %w", ErrRoot, len(roots), ErrCertificate)
		}
		roots = append(roots, cert)
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("%w: no certificate in the file", ErrRoot)
	}
	return roots, nil
}

// checkRoot returns why root cannot be a root at any time, or nil.
func checkRoot(root *x509.Certificate) error {
	switch {
	case root == nil || !whole(root.Raw):
		return ErrCertificate
	case !strongKey(root) || !strongSignature(root):
		return ErrAlgorithm
	case root.Version != 3 || !root.BasicConstraintsValid || !root.IsCA:
		return ErrCA
	case root.KeyUsage&x509.KeyUsageCertSign == 0:
		return ErrKeyUsage
	case len(root.UnhandledCriticalExtensions) > 0:
		return ErrCriticalExtension
	case !bytes.Equal(root.RawIssuer, root.RawSubject) || root.CheckSignatureFrom(root) != nil:
		return ErrIssuerSignature
	}
	return nil
}

// A VerifiedCertificate is a certificate that a [Verifier] verified. It prints
// as [redacted]; the fields hold nothing about the holder.
type VerifiedCertificate struct {
	hidden
	cert secret.Box[*x509.Certificate]

	Slot   Slot              // what it was verified for: Auth or Sign
	Issuer *x509.Certificate // the root
	At     time.Time         // the time at which both are valid

	// Revocation is what is known about revocation. It is RevocationGood unless
	// there is no checker or the verifier has [WithSoftFail].
	Revocation RevocationStatus
	// RevocationErr is the reason for RevocationUnknown.
	RevocationErr error
}

// Certificate returns the holder's certificate. It returns nil for nil and the
// zero VerifiedCertificate.
func (v *VerifiedCertificate) Certificate() *x509.Certificate {
	if v == nil {
		return nil
	}
	return v.cert.Reveal()
}

// Serial returns the certificate's serial number. It fails with [ErrSerial] for
// nil and the zero VerifiedCertificate.
func (v *VerifiedCertificate) Serial() (Serial, error) { return SerialOf(v.Certificate()) }

// Verify verifies that cert is now a certificate for user authentication
// ([Auth]) or for digital signature ([Sign]).
//
// That proves that the certificate is genuine, not that its holder is present: a
// certificate is public. To prove presence, have the card sign something new.
//
// Verify returns a [*StepError]. It wraps an [*UnsupportedError] for another
// slot, [ErrCertificate], [ErrIssuer], [ErrIssuerSignature], [ErrAlgorithm],
// [ErrIssuerValidity], [ErrExpired], [ErrNotYetValid], [ErrCA], [ErrKeyUsage],
// [ErrCriticalExtension], [ErrPolicy], [ErrConstraint], a [*RevokedError] or
// [ErrRevocationUnknown].
func (v *Verifier) Verify(ctx context.Context, cert *x509.Certificate, slot Slot) (*VerifiedCertificate, error) {
	return v.VerifyAt(ctx, cert, slot, v.Now())
}

// Now returns the time of the verifier's clock; see [WithClock].
func (v *Verifier) Now() time.Time {
	if v.now == nil {
		return time.Now()
	}
	return v.now()
}

// VerifyAt is Verify for the time at, such as the time of a signature that a
// timestamp proves. Revocation is checked as of now: a certificate that was
// revoked since then is refused. If you have proof of the time, compare it with
// [RevokedError.At].
func (v *Verifier) VerifyAt(ctx context.Context, cert *x509.Certificate, slot Slot, at time.Time) (*VerifiedCertificate, error) {
	verified, err := v.verify(ctx, cert, slot, at)
	if err != nil {
		return nil, &StepError{"verify " + slot.String() + " certificate", err}
	}
	return verified, nil
}

func (v *Verifier) verify(ctx context.Context, cert *x509.Certificate, slot Slot, at time.Time) (*VerifiedCertificate, error) {
	if slot != Auth && slot != Sign {
		return nil, &UnsupportedError{"verification of slot " + slot.String()}
	}
	if cert == nil || !whole(cert.Raw) {
		return nil, ErrCertificate
	}
	issuer, err := v.issuer(cert)
	if err != nil {
		return nil, err
	}
	if err := validAt(issuer, at); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIssuerValidity, err)
	}
	if err := validAt(cert, at); err != nil {
		return nil, err
	}
	if err := checkHolder(cert, slot); err != nil {
		return nil, err
	}
	policies := v.policies[slot]
	if !slices.ContainsFunc(cert.Policies, func(has x509.OID) bool {
		return slices.ContainsFunc(policies, has.Equal)
	}) {
		return nil, otherPolicy(cert)
	}
	// crypto/x509 has its say as well, on what is not looked at above: name and
	// policy constraints of the root. Its error can quote the certificate.
	root := x509.NewCertPool()
	root.AddCert(issuer)
	if _, err := cert.Verify(x509.VerifyOptions{
		Roots: root, CurrentTime: at, CertificatePolicies: policies,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return nil, ErrConstraint
	}
	verified := &VerifiedCertificate{cert: secret.New(cert), Slot: slot, Issuer: issuer, At: at}
	verified.Revocation, verified.RevocationErr, err = v.checkRevocation(ctx, cert, issuer)
	if err != nil {
		return nil, err
	}
	return verified, nil
}

// otherPolicy returns an [ErrPolicy] that names the policies which cert has: they
// say nothing about the holder.
func otherPolicy(cert *x509.Certificate) error {
	const most = 4
	var has []string
	for _, p := range cert.Policies[:min(len(cert.Policies), most)] {
		has = append(has, p.String())
	}
	if len(has) == 0 {
		return fmt.Errorf("%w: it has none", ErrPolicy)
	}
	return fmt.Errorf("%w: it has %s; if that is the policy of phones, accept it by WithPolicies", ErrPolicy, strings.Join(has, ", "))
}

// issuer finds the root that issued cert. Names only narrow the choice, as all
// generations have the same; so do key identifiers, which anybody can copy. The
// signature decides.
func (v *Verifier) issuer(cert *x509.Certificate) (*x509.Certificate, error) {
	if !strongSignature(cert) {
		return nil, ErrAlgorithm
	}
	named := false
	for _, root := range v.roots {
		if !bytes.Equal(root.RawSubject, cert.RawIssuer) {
			continue
		}
		id, key := cert.AuthorityKeyId, root.SubjectKeyId
		known := len(id) > 0 && len(key) > 0
		if known && !bytes.Equal(id, key) {
			continue
		}
		if cert.CheckSignatureFrom(root) == nil {
			return root, nil
		}
		named = named || known
	}
	if named {
		return nil, ErrIssuerSignature
	}
	return nil, ErrIssuer
}

func validAt(cert *x509.Certificate, at time.Time) error {
	switch {
	case at.Before(cert.NotBefore):
		return ErrNotYetValid
	case at.After(cert.NotAfter):
		return ErrExpired
	}
	return nil
}

// checkHolder looks at what a genuine certificate is for.
func checkHolder(cert *x509.Certificate, slot Slot) error {
	const caUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	usage := x509.KeyUsageDigitalSignature
	extended := []x509.ExtKeyUsage{x509.ExtKeyUsageAny, x509.ExtKeyUsageClientAuth}
	if slot == Sign {
		usage |= x509.KeyUsageContentCommitment // nonRepudiation, by its old name
		extended = []x509.ExtKeyUsage{x509.ExtKeyUsageAny, x509.ExtKeyUsageEmailProtection}
	}
	switch {
	case cert.Version != 3 || cert.IsCA:
		return ErrCA
	case len(cert.UnhandledCriticalExtensions) > 0:
		return ErrCriticalExtension
	case !strongKey(cert):
		return ErrAlgorithm
	case cert.KeyUsage&usage != usage || cert.KeyUsage&caUsage != 0:
		return ErrKeyUsage
	}
	// RFC 5280 section 4.2.1.12: where both extensions are, both have to allow it.
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 {
		return nil
	}
	allowed := slices.ContainsFunc(cert.ExtKeyUsage, func(has x509.ExtKeyUsage) bool {
		return slices.Contains(extended, has)
	}) || slot == Sign && slices.ContainsFunc(cert.UnknownExtKeyUsage, func(has asn1.ObjectIdentifier) bool {
		return has.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 36}) // id-kp-documentSigning, RFC 9336
	})
	if !allowed {
		return ErrKeyUsage
	}
	return nil
}

// strongSignature reports whether cert is signed with a hash of 256 bits or
// more.
func strongSignature(cert *x509.Certificate) bool {
	switch cert.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return true
	}
	return false
}

// strongKey reports whether the key of cert is of a kind and size that is good
// today. The next card is planned with ECDSA.
func strongKey(cert *x509.Certificate) bool {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048 && key.E >= 65537
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize >= 256
	}
	return false
}
