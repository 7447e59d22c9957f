package revoke

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/jpki"
)

// maxLists is how many lists a CRL keeps. The CAs of JPKI make one list for each
// of some 1,750 municipalities.
const maxLists = 4096

// Errors of [CRL.Add]; find them with [errors.Is].
var (
	// ErrList is returned when a list is malformed, is not signed by the issuer, or
	// has an extension that is not understood.
	ErrList = errors.New("revoke: not a certificate revocation list of this issuer")
	// ErrPartialList is returned when a list is incomplete or about another
	// issuer: a delta list, an indirect list, or one for some reasons, CA
	// certificates or attribute certificates only.
	ErrPartialList = errors.New("revoke: delta, indirect or partial certificate revocation list")
	// ErrStaleList is returned when a list is not valid now: it is from the
	// future, past its nextUpdate, has none, or is older than one that was added
	// before.
	ErrStaleList = errors.New("revoke: certificate revocation list is not current")
)

// A CRL looks up certificates in revocation lists (失効リスト). It is a
// [jpki.RevocationChecker]. It is safe for concurrent use if its fields are not
// changed.
//
// A list is used if the issuer of the certificate signed it itself, it is complete,
// and it covers the certificate. JPKI has one list for each municipality: a list
// with a distribution point (issuing distribution point, RFC 5280 section 5.2.5)
// covers only certificates with the same one. A list is kept in memory until its
// nextUpdate, or until a newer one replaces it.
//
// Lists do not contain expired certificates. For an expired certificate, which
// [jpki.Verifier.VerifyAt] allows, only a list from before its end is used.
//
// If no list covers the certificate and Client is set, a list is fetched. The zero
// CRL fetches nothing and uses the lists of [CRL.Add].
type CRL struct {
	// Client fetches lists. If nil, only those of Add are used.
	Client *http.Client
	// URL is the address of the list. If empty, it is the first HTTP address in
	// the certificate (CRL distribution points).
	URL string
	// MaxSize is the greatest length of a list, in bytes. If 0, it is 16 MiB.
	// Reading a list takes several times as much memory.
	MaxSize int
	// Timeout bounds one fetch. If 0, it is one minute.
	Timeout time.Duration
	// Now is the time. If nil, it is [time.Now].
	Now func() time.Time

	mu    sync.Mutex
	lists []*list
	turns map[string]*turn // by address
}

// A turn is to fetch from one address.
type turn struct {
	taken   chan struct{} // holds one
	waiting int           // who holds it or wants it
}

var _ jpki.RevocationChecker = (*CRL)(nil)

// A list is a CRL that was verified, cut down to what is asked of it.
type list struct {
	issuer   [sha256.Size]byte // of the issuer's name and key
	points   [][]byte          // GeneralNames of the distribution point, DER; empty speaks for all
	from, to time.Time
	revoked  map[string]jpki.RevokedError // by serial number, big-endian
}

func (l *list) current(now time.Time) bool { return !now.After(l.to) }

// covers reports whether the list speaks for certificates with these
// distribution points.
func (l *list) covers(points [][]byte) bool {
	return len(l.points) == 0 || slices.ContainsFunc(l.points, func(p []byte) bool {
		return slices.ContainsFunc(points, func(q []byte) bool { return bytes.Equal(p, q) })
	})
}

// sameScope reports whether two lists follow each other.
func (l *list) sameScope(m *list) bool {
	return l.issuer == m.issuer && slices.EqualFunc(l.points, m.points, bytes.Equal)
}

// CheckRevocation looks up cert, which issuer has issued, as
// [jpki.RevocationChecker] describes. If several calls need the same list, one
// fetches it and the others wait.
func (c *CRL) CheckRevocation(ctx context.Context, cert, issuer *x509.Certificate) error {
	if err := askable(cert, issuer); err != nil {
		return err
	}
	points, err := distributionPoints(cert)
	if err != nil {
		return err
	}
	id := issuerID(issuer)
	if l := c.find(id, points); l != nil {
		return l.lookUp(cert)
	}
	if c.Client == nil {
		return unknown("no list covers the certificate")
	}
	url, err := address(c.URL, cert.CRLDistributionPoints)
	if err != nil {
		return err
	}
	done, err := c.takeTurn(ctx, url)
	if err != nil {
		return err
	}
	defer done()
	if l := c.find(id, points); l != nil {
		return l.lookUp(cert) // somebody else has fetched it
	}
	der, err := c.fetch(ctx, url)
	if err != nil {
		return err
	}
	if err := c.Add(der, issuer); err != nil {
		return unknown("list refused: %w", err)
	}
	if l := c.find(id, points); l != nil {
		return l.lookUp(cert)
	}
	return unknown("the list does not cover the certificate")
}

// takeTurn waits until nobody else fetches from url.
func (c *CRL) takeTurn(ctx context.Context, url string) (done func(), err error) {
	c.mu.Lock()
	t := c.turns[url]
	if t == nil {
		if c.turns == nil {
			c.turns = map[string]*turn{}
		}
		t = &turn{taken: make(chan struct{}, 1)}
		c.turns[url] = t
	}
	t.waiting++
	c.mu.Unlock()
	leave := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(c.turns, url)
		}
	}
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, unknown("no list yet: %w", context.Cause(ctx))
	}
}

func (c *CRL) maxSize() int {
	if c.MaxSize > 0 {
		return c.MaxSize
	}
	return 16 << 20
}

func (c *CRL) fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := within(ctx, c.Timeout, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, unknown("no address for HTTP")
	}
	return fetch(c.Client, r, c.maxSize(), "")
}

// Add adds a list in DER that issuer has signed. It replaces an older one with the
// same scope. issuer has to be a trusted root. Add fails with [ErrList],
// [ErrPartialList] or [ErrStaleList].
func (c *CRL) Add(der []byte, issuer *x509.Certificate) error {
	if len(der) > c.maxSize() || issuer == nil {
		return ErrList
	}
	l, err := parseList(der, issuer)
	if err != nil {
		return err
	}
	now := clock(c.Now)
	if l.from.After(now.Add(skew)) || !l.current(now) {
		return ErrStaleList
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists = slices.DeleteFunc(c.lists, func(m *list) bool { return !m.current(now) })
	if i := slices.IndexFunc(c.lists, l.sameScope); i >= 0 {
		if l.from.Before(c.lists[i].from) {
			return ErrStaleList
		}
		c.lists[i] = l
		return nil
	}
	if len(c.lists) >= maxLists {
		c.lists = slices.Delete(c.lists, 0, 1)
	}
	c.lists = append(c.lists, l)
	return nil
}

// find returns a current list for the certificate, the newest if there are
// more.
func (c *CRL) find(issuer [sha256.Size]byte, points [][]byte) *list {
	now := clock(c.Now)
	c.mu.Lock()
	defer c.mu.Unlock()
	var found *list
	for _, l := range c.lists {
		if l.issuer == issuer && l.covers(points) && l.current(now) && (found == nil || l.from.After(found.from)) {
			found = l
		}
	}
	return found
}

func (l *list) lookUp(cert *x509.Certificate) error {
	if revoked, ok := l.revoked[string(cert.SerialNumber.Bytes())]; ok {
		return &revoked
	}
	if l.from.After(cert.NotAfter) {
		// RFC 5280 section 3.3: lists forget what has expired.
		return unknown("the certificate had expired when the list was made")
	}
	return nil
}

func issuerID(issuer *x509.Certificate) [sha256.Size]byte {
	h := sha256.New()
	h.Write(issuer.RawSubject) // DER tells where it ends
	h.Write(issuer.RawSubjectPublicKeyInfo)
	return [sha256.Size]byte(h.Sum(nil))
}

var (
	oidIssuingPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidDelta        = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidEntryIssuer  = asn1.ObjectIdentifier{2, 5, 29, 29}
)

// parseList verifies a list and cuts it down.
func parseList(der []byte, issuer *x509.Certificate) (*list, error) {
	// crypto/x509 overlooks what stands behind a list.
	if _, _, rest, err := tlv.Next(der); err != nil || len(rest) > 0 {
		return nil, ErrList
	}
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, ErrList // the cause can quote an entry
	}
	switch {
	case !strong(crl.SignatureAlgorithm) || !bytes.Equal(crl.RawIssuer, issuer.RawSubject) || crl.CheckSignatureFrom(issuer) != nil,
		len(crl.AuthorityKeyId) > 0 && len(issuer.SubjectKeyId) > 0 && !bytes.Equal(crl.AuthorityKeyId, issuer.SubjectKeyId):
		return nil, ErrList
	case crl.NextUpdate.IsZero():
		return nil, ErrStaleList // RFC 5280 section 5.1.2.5: it has to be there
	}
	l := &list{
		issuer: issuerID(issuer), from: crl.ThisUpdate, to: crl.NextUpdate,
		revoked: make(map[string]jpki.RevokedError, len(crl.RevokedCertificateEntries)),
	}
	for _, e := range crl.Extensions {
		switch {
		case e.Id.Equal(oidDelta):
			return nil, ErrPartialList
		case e.Id.Equal(oidIssuingPoint):
			if l.points, err = parseIssuingPoint(e.Value); err != nil {
				return nil, err
			}
		case e.Critical:
			return nil, ErrList
		}
	}
	for i := range crl.RevokedCertificateEntries {
		entry := &crl.RevokedCertificateEntries[i]
		if err := checkEntry(entry.Extensions); err != nil {
			return nil, err
		}
		l.revoked[string(entry.SerialNumber.Bytes())] = jpki.RevokedError{
			At: entry.RevocationTime, Reason: jpki.RevocationReason(entry.ReasonCode),
		}
	}
	return l, nil
}

// checkEntry refuses an entry that speaks of another issuer's certificate, and
// what is not understood: RFC 5280 section 5.3 forbids to use such a list.
func checkEntry(extensions []pkix.Extension) error {
	for _, e := range extensions {
		switch {
		case e.Id.Equal(oidEntryIssuer):
			return ErrPartialList
		case e.Critical:
			return ErrList
		}
	}
	return nil
}

const context0 = cbasn1.Tag(0xA0)

// parseIssuingPoint reads for which distribution point a list speaks:
//
//	IssuingDistributionPoint ::= SEQUENCE {
//	    distributionPoint [0] DistributionPointName OPTIONAL,
//	    onlyContainsUserCerts [1] BOOLEAN DEFAULT FALSE,
//	    onlyContainsCACerts [2] BOOLEAN DEFAULT FALSE,
//	    onlySomeReasons [3] ReasonFlags OPTIONAL,
//	    indirectCRL [4] BOOLEAN DEFAULT FALSE,
//	    onlyContainsAttributeCerts [5] BOOLEAN DEFAULT FALSE }
func parseIssuingPoint(der cryptobyte.String) (points [][]byte, err error) {
	var name cryptobyte.String
	var named bool
	if !der.ReadASN1(&der, cbasn1.SEQUENCE) || !der.ReadOptionalASN1(&name, &named, context0) {
		return nil, ErrList
	}
	if named {
		if points, err = parsePointName(name); err != nil {
			return nil, ErrList
		}
	}
	last := cbasn1.Tag(0).ContextSpecific()
	for !der.Empty() {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !der.ReadAnyASN1(&value, &tag) || tag <= last || tag > cbasn1.Tag(5).ContextSpecific() {
			return nil, ErrList
		}
		last = tag
		no := len(value) == 1 && value[0] == 0 // DEFAULT, which DER leaves out
		if tag != cbasn1.Tag(1).ContextSpecific() && (tag == cbasn1.Tag(3).ContextSpecific() || !no) {
			return nil, ErrPartialList
		}
	}
	return points, nil
}

// parsePointName reads
//
//	DistributionPointName ::= CHOICE {
//	    fullName [0] GeneralNames,
//	    nameRelativeToCRLIssuer [1] RelativeDistinguishedName }
//
// and returns the DER of each name. Names are compared byte for byte: list and
// certificate come from one issuer. crypto/x509 parses no certificate with the
// second form, and nobody uses it.
func parsePointName(der cryptobyte.String) (names [][]byte, err error) {
	var full cryptobyte.String
	if !der.ReadASN1(&full, context0) || !der.Empty() || full.Empty() {
		return nil, errMalformed
	}
	for !full.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !full.ReadAnyASN1Element(&name, &tag) {
			return nil, errMalformed
		}
		names = append(names, bytes.Clone(name))
	}
	return names, nil
}

var errMalformed = errors.New("malformed distribution point")

// distributionPoints returns the names of the points at which the issuer itself
// publishes complete lists for the certificate:
//
//	CRLDistributionPoints ::= SEQUENCE OF SEQUENCE {
//	    distributionPoint [0] DistributionPointName OPTIONAL,
//	    reasons [1] ReasonFlags OPTIONAL,
//	    cRLIssuer [2] GeneralNames OPTIONAL }
func distributionPoints(cert *x509.Certificate) (points [][]byte, err error) {
	for _, e := range cert.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 31}) {
			continue
		}
		der := cryptobyte.String(e.Value)
		if !der.ReadASN1(&der, cbasn1.SEQUENCE) {
			return nil, unknown("malformed distribution points")
		}
		for !der.Empty() {
			var point, name cryptobyte.String
			var named bool
			if !der.ReadASN1(&point, cbasn1.SEQUENCE) || !point.ReadOptionalASN1(&name, &named, context0) {
				return nil, unknown("malformed distribution points")
			}
			if !named || !point.Empty() {
				continue // some reasons only, or another issuer's list
			}
			names, err := parsePointName(name)
			if err != nil {
				return nil, unknown("malformed distribution points")
			}
			points = append(points, names...)
		}
	}
	return points, nil
}
