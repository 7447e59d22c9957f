package revoke_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/revoke"
	"github.com/mynakit/mynakit/simcard"
)

// makeCRL makes a list of the CA for user authentication, edited.
func makeCRL(t testing.TB, edit func(*x509.RevocationList), revoked ...*x509.Certificate) []byte {
	t.Helper()
	return makeCRLBy(t, ours().Auth(), edit, revoked...)
}

func makeCRLBy(t testing.TB, issuer *simcard.Issuer, edit func(*x509.RevocationList), revoked ...*x509.Certificate) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}
	for _, cert := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: cert.SerialNumber, RevocationTime: now.Add(-2 * time.Hour), ReasonCode: 3,
		})
	}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, issuer.Certificate(), issuer.Signer())
	require.NoError(t, err)
	return der
}

func extension(critical bool, value []byte, id ...int) pkix.Extension {
	return pkix.Extension{Id: id, Critical: critical, Value: value}
}

func obj(tag tlv.Tag, parts ...[]byte) []byte { return tlv.Append(nil, tag, bytes.Join(parts, nil)) }

// issuingPoint makes the extension with these parts.
func issuingPoint(parts ...[]byte) pkix.Extension {
	return extension(true, obj(0x30, parts...), 2, 5, 29, 28)
}

// fullName makes a DistributionPointName of one address.
func fullName(url string) []byte { return obj(0xA0, obj(0xA0, obj(0x86, []byte(url)))) }

func withExtension(e ...pkix.Extension) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) { l.ExtraExtensions = append(l.ExtraExtensions, e...) }
}

func TestCRLAdd(t *testing.T) {
	issuer := ours().Auth().Certificate()
	garbled := makeCRL(t, nil)
	garbled[len(garbled)-1] ^= 1
	entry := func(e ...pkix.Extension) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(5), RevocationTime: now, ExtraExtensions: e}}
		}
	}
	yes := []byte{0xFF}
	for _, tt := range []struct {
		name string
		list []byte
		want error
	}{
		{"empty list", makeCRL(t, nil), nil},
		{"for holders only", makeCRL(t, withExtension(issuingPoint(obj(0x81, yes)))), nil},
		{"defaults written out", makeCRL(t, withExtension(issuingPoint(obj(0x82, []byte{0}), obj(0x84, []byte{0})))), nil},
		{"garbled", garbled, revoke.ErrList},
		{"nothing", nil, revoke.ErrList},
		{"no list", []byte("no list"), revoke.ErrList},
		{"more behind", append(makeCRL(t, nil), 0), revoke.ErrList},
		{"of another generation", makeCRLBy(t, other().Auth(), nil), revoke.ErrList},
		{"of the other CA", makeCRLBy(t, ours().Sign(), nil), revoke.ErrList},
		{"signed with SHA-1", sha1CRL(t), revoke.ErrList},
		{"unknown critical extension", makeCRL(t, withExtension(extension(true, []byte{5, 0}, 1, 2, 3))), revoke.ErrList},
		{"unknown extension", makeCRL(t, withExtension(extension(false, []byte{5, 0}, 1, 2, 3))), nil},
		{"delta", makeCRL(t, withExtension(extension(true, []byte{2, 1, 1}, 2, 5, 29, 27))), revoke.ErrPartialList},
		{"delta, not marked critical", makeCRL(t, withExtension(extension(false, []byte{2, 1, 1}, 2, 5, 29, 27))), revoke.ErrPartialList},
		{"for CAs only", makeCRL(t, withExtension(issuingPoint(obj(0x82, yes)))), revoke.ErrPartialList},
		{"for some reasons", makeCRL(t, withExtension(issuingPoint(obj(0x83, []byte{1, 2})))), revoke.ErrPartialList},
		{"indirect", makeCRL(t, withExtension(issuingPoint(obj(0x84, yes)))), revoke.ErrPartialList},
		{"for attribute certificates", makeCRL(t, withExtension(issuingPoint(obj(0x85, yes)))), revoke.ErrPartialList},
		{"point malformed", makeCRL(t, withExtension(extension(true, []byte{0x30, 5}, 2, 5, 29, 28))), revoke.ErrList},
		{"point with unknown part", makeCRL(t, withExtension(issuingPoint(obj(0x86, yes)))), revoke.ErrList},
		{"point out of order", makeCRL(t, withExtension(issuingPoint(obj(0x82, []byte{0}), obj(0x81, []byte{0})))), revoke.ErrList},
		{"point with a relative name", makeCRL(t, withExtension(issuingPoint(obj(0xA0, obj(0xA1, obj(0x30)))))), revoke.ErrList},
		{"point without a name", makeCRL(t, withExtension(issuingPoint(obj(0xA0)))), revoke.ErrList},
		{"point with an empty name", makeCRL(t, withExtension(issuingPoint(obj(0xA0, obj(0xA0))))), revoke.ErrList},
		{"entry of another issuer", makeCRL(t, entry(extension(true, obj(0x30), 2, 5, 29, 29))), revoke.ErrPartialList},
		{"entry with unknown critical extension", makeCRL(t, entry(extension(true, []byte{5, 0}, 1, 2, 3))), revoke.ErrList},
		{"entry with unknown extension", makeCRL(t, entry(extension(false, []byte{5, 0}, 1, 2, 3))), nil},
		{"from the future", makeCRL(t, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(6 * time.Minute) }), revoke.ErrStaleList},
		{"within the skew", makeCRL(t, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(4 * time.Minute) }), nil},
		{"past nextUpdate", makeCRL(t, func(l *x509.RevocationList) { l.NextUpdate = now.Add(-time.Second) }), revoke.ErrStaleList},
		{"without nextUpdate", noNextUpdate(t), revoke.ErrStaleList},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &revoke.CRL{Now: at}
			require.ErrorIs(t, c.Add(tt.list, issuer), tt.want)
			cert := issue(t, nil)
			err := c.CheckRevocation(context.Background(), cert, issuer)
			if tt.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, jpki.ErrRevocationUnknown)
				requireSilent(t, err, cert)
			}
		})
	}
	t.Run("too long", func(t *testing.T) {
		list := makeCRL(t, nil)
		require.ErrorIs(t, (&revoke.CRL{Now: at, MaxSize: len(list) - 1}).Add(list, issuer), revoke.ErrList)
		require.NoError(t, (&revoke.CRL{Now: at, MaxSize: len(list)}).Add(list, issuer))
	})
}

// resign signs the content of a list again, edited, with a hash.
func resign(t testing.TB, list []byte, hash crypto.Hash, algorithm []byte, edit func(tbs []byte) []byte) []byte {
	t.Helper()
	parsed, err := x509.ParseRevocationList(list)
	require.NoError(t, err)
	tbs := edit(parsed.RawTBSRevocationList)
	h := hash.New()
	h.Write(tbs)
	signature, err := ours().Auth().Signer().Sign(rand.Reader, h.Sum(nil), hash)
	require.NoError(t, err)
	return obj(0x30, tbs, algorithm, obj(0x03, []byte{0}, signature))
}

func sha1CRL(t testing.TB) []byte {
	sha256 := must(asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue}))
	sha1 := must(asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, Parameters: asn1.NullRawValue}))
	list := resign(t, makeCRL(t, nil), crypto.SHA1, sha1, func(tbs []byte) []byte { return bytes.Replace(tbs, sha256, sha1, 1) })
	parsed, err := x509.ParseRevocationList(list)
	require.NoError(t, err)
	require.NoError(t, parsed.CheckSignatureFrom(ours().Auth().Certificate()), "crypto/x509 takes it")
	return list
}

// noNextUpdate makes a list that does not say when the next one is due.
func noNextUpdate(t testing.TB) []byte {
	sha256 := must(asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue}))
	next := obj(0x17, []byte(now.Add(time.Hour).Format("060102150405Z")))
	return resign(t, makeCRL(t, nil), crypto.SHA256, sha256, func(tbs []byte) []byte {
		_, value, _, err := tlv.Next(tbs)
		require.NoError(t, err)
		require.Contains(t, string(value), string(next))
		return obj(0x30, bytes.Replace(value, next, nil, 1))
	})
}

func TestCRLLookUp(t *testing.T) {
	issuer := ours().Auth().Certificate()
	good := issue(t, nil)
	bad := issue(t, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(0x80_00_01) })
	c := &revoke.CRL{Now: at}
	require.NoError(t, c.Add(makeCRL(t, nil, bad), issuer))
	require.NoError(t, c.CheckRevocation(context.Background(), good, issuer))
	err := c.CheckRevocation(context.Background(), bad, issuer)
	var revoked *jpki.RevokedError
	require.ErrorAs(t, err, &revoked)
	assert.Equal(t, now.Add(-2*time.Hour), revoked.At)
	assert.Equal(t, jpki.ReasonAffiliationChanged, revoked.Reason)
	requireSilent(t, err, bad)

	// The same number of another generation or another CA is another matter.
	for _, foreign := range []*x509.Certificate{other().Auth().Certificate(), ours().Sign().Certificate()} {
		require.ErrorIs(t, c.CheckRevocation(context.Background(), bad, foreign), jpki.ErrRevocationUnknown)
	}
	// What is answered is the caller's own copy.
	revoked.Reason = 0
	require.ErrorAs(t, c.CheckRevocation(context.Background(), bad, issuer), &revoked)
	assert.Equal(t, jpki.ReasonAffiliationChanged, revoked.Reason)
}

// A list may have forgotten that an expired certificate was revoked.
func TestCRLExpiredCertificate(t *testing.T) {
	issuer := ours().Auth().Certificate()
	end := now.Add(-time.Hour) // when the list was made
	for name, tt := range map[string]struct {
		end  time.Time
		want error
	}{"just then": {end, nil}, "before": {end.Add(-time.Second), jpki.ErrRevocationUnknown}} {
		t.Run(name, func(t *testing.T) {
			cert := issue(t, func(c *x509.Certificate) { c.NotAfter = tt.end })
			c := &revoke.CRL{Now: at}
			require.NoError(t, c.Add(makeCRL(t, nil), issuer))
			require.ErrorIs(t, c.CheckRevocation(context.Background(), cert, issuer), tt.want)
			require.NoError(t, c.Add(makeCRL(t, nil, cert), issuer))
			var revoked *jpki.RevokedError
			require.ErrorAs(t, c.CheckRevocation(context.Background(), cert, issuer), &revoked)
		})
	}
}

// Lists of JPKI are split. The list of one town says nothing of another.
func TestCRLScope(t *testing.T) {
	issuer := ours().Auth().Certificate()
	a, b := simcard.SampleHolder(3), simcard.SampleHolder(3)
	b.City = "Kiyose-shi"
	inA, err := ours().Auth().Issue(a.AuthTemplate(issuedAt), key().Public())
	require.NoError(t, err)
	inB, err := ours().Auth().Issue(b.AuthTemplate(issuedAt), key().Public())
	require.NoError(t, err)
	point := func(cert *x509.Certificate) []byte { // the [0] of its only distribution point
		for _, e := range cert.Extensions {
			if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 31}) {
				name, err := tlv.Find(e.Value, 0x30, 0x30, 0xA0)
				require.NoError(t, err)
				return obj(0xA0, name)
			}
		}
		t.Fatal("no distribution point")
		return nil
	}
	require.NotEqual(t, point(inA), point(inB))
	ofA := makeCRL(t, withExtension(issuingPoint(point(inA))))
	ofB := makeCRL(t, withExtension(issuingPoint(point(inB))), inA) // lists a stranger

	c := &revoke.CRL{Now: at}
	require.NoError(t, c.Add(ofB, issuer))
	require.NoError(t, c.CheckRevocation(context.Background(), inB, issuer))
	require.ErrorIs(t, c.CheckRevocation(context.Background(), inA, issuer), jpki.ErrRevocationUnknown)
	require.NoError(t, c.Add(ofA, issuer))
	require.NoError(t, c.CheckRevocation(context.Background(), inA, issuer))
	require.NoError(t, c.CheckRevocation(context.Background(), inB, issuer))

	// A list without a point is for all.
	c = &revoke.CRL{Now: at}
	require.NoError(t, c.Add(makeCRL(t, nil, inA), issuer))
	require.NoError(t, c.CheckRevocation(context.Background(), inB, issuer))
	var revoked *jpki.RevokedError
	require.ErrorAs(t, c.CheckRevocation(context.Background(), inA, issuer), &revoked)
}

func TestCRLDistributionPointTraps(t *testing.T) {
	const url = "http://crl.test/a"
	issuer := ours().Auth().Certificate()
	for _, tt := range []struct {
		name   string
		point  []byte // of the certificate
		list   []byte // of the list
		covers bool
	}{
		{"the same", obj(0x30, fullName(url)), fullName(url), true},
		{"one of two", obj(0x30, obj(0xA0, obj(0xA0, obj(0x86, []byte("http://crl.test/b")), obj(0x86, []byte(url))))), fullName(url), true},
		{"another", obj(0x30, fullName("http://crl.test/b")), fullName(url), false},
		{"some reasons", obj(0x30, fullName(url), obj(0x81, []byte{1, 2})), fullName(url), false},
		{"another issuer's list", obj(0x30, fullName(url), obj(0xA2, obj(0x86, []byte("x")))), fullName(url), false},
		{"only an issuer", obj(0x30, obj(0xA2, obj(0x86, []byte("x")))), fullName(url), false},
		{"empty", nil, fullName(url), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert := issue(t, func(c *x509.Certificate) {
				for i := range c.ExtraExtensions {
					if c.ExtraExtensions[i].Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 31}) {
						c.ExtraExtensions[i].Value = obj(0x30, tt.point)
					}
				}
			})
			c := &revoke.CRL{Now: at}
			require.NoError(t, c.Add(makeCRL(t, withExtension(issuingPoint(tt.list))), issuer))
			err := c.CheckRevocation(context.Background(), cert, issuer)
			if tt.covers {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, jpki.ErrRevocationUnknown)
			}
		})
	}
}

// A newer list takes the place of an older one, never the other way round.
func TestCRLNoRollback(t *testing.T) {
	issuer := ours().Auth().Certificate()
	cert := issue(t, nil)
	older := makeCRL(t, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(-2 * time.Hour) })
	newer := makeCRL(t, nil, cert)
	c := &revoke.CRL{Now: at}
	require.NoError(t, c.Add(older, issuer))
	require.NoError(t, c.CheckRevocation(context.Background(), cert, issuer))
	require.NoError(t, c.Add(newer, issuer))
	require.ErrorIs(t, c.Add(older, issuer), revoke.ErrStaleList)
	require.NoError(t, c.Add(newer, issuer), "the same again")
	var revoked *jpki.RevokedError
	require.ErrorAs(t, c.CheckRevocation(context.Background(), cert, issuer), &revoked)
}

// A list is fetched once, by one of many, and again when the next is due.
func TestCRLFetch(t *testing.T) {
	issuer := ours().Auth().Certificate()
	cert := issue(t, nil)
	var fetched atomic.Int32
	var offset atomic.Int64 // since now
	clock := func() time.Time { return now.Add(time.Duration(offset.Load())) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		assert.Equal(t, http.MethodGet, r.Method)
		w.Write(makeCRL(t, func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = clock(), clock().Add(time.Hour) }))
	}))
	defer server.Close()
	c := &revoke.CRL{Client: server.Client(), URL: server.URL, Now: clock}
	all := func() {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() { assert.NoError(t, c.CheckRevocation(context.Background(), cert, issuer)) })
		}
		wg.Wait()
	}
	all()
	require.EqualValues(t, 1, fetched.Load())
	offset.Store(int64(59 * time.Minute))
	all()
	require.EqualValues(t, 1, fetched.Load())
	offset.Store(int64(61 * time.Minute))
	all()
	require.EqualValues(t, 2, fetched.Load())
}

func TestCRLFetchFromCertificate(t *testing.T) {
	issuer := ours().Auth().Certificate()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(makeCRL(t, withExtension(issuingPoint(fullName("http://"+r.Host+r.URL.Path)))))
	}))
	defer server.Close()
	withPoint := func(url string) *x509.Certificate {
		return issue(t, func(c *x509.Certificate) {
			c.ExtraExtensions = c.ExtraExtensions[:1] // the policy
			c.CRLDistributionPoints = []string{url}
		})
	}
	c := &revoke.CRL{Client: server.Client(), Now: at}
	require.NoError(t, c.CheckRevocation(context.Background(), withPoint(server.URL+"/a"), issuer))
	require.NoError(t, c.CheckRevocation(context.Background(), withPoint(server.URL+"/b"), issuer))
	require.ErrorContains(t, c.CheckRevocation(context.Background(), issue(t, nil), issuer), "no address for HTTP")

	// A list from the wrong place does not cover the certificate.
	c = &revoke.CRL{Client: server.Client(), URL: server.URL + "/a", Now: at}
	require.ErrorContains(t, c.CheckRevocation(context.Background(), withPoint(server.URL+"/b"), issuer), "does not cover")
}

func TestCRLServers(t *testing.T) {
	issuer := ours().Auth().Certificate()
	list := makeCRL(t, nil)
	stale := makeCRL(t, func(l *x509.RevocationList) { l.NextUpdate = now.Add(-time.Minute) })
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"not found", http.NotFound, "HTTP status 404"},
		{"a web page", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }, "not a certificate revocation list"},
		{"stale", func(w http.ResponseWriter, _ *http.Request) { w.Write(stale) }, "not current"},
		{"too long", func(w http.ResponseWriter, _ *http.Request) { w.Write(append(list, make([]byte, 4096)...)) }, "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			cert := issue(t, nil)
			err := (&revoke.CRL{Client: server.Client(), URL: server.URL, MaxSize: len(list) + 100, Now: at}).CheckRevocation(context.Background(), cert, issuer)
			require.ErrorIs(t, err, jpki.ErrRevocationUnknown)
			require.ErrorContains(t, err, tt.want)
			requireSilent(t, err, cert)
		})
	}
}

// Who waits for somebody else's fetch can leave, and the fetch has an end.
func TestCRLWaiting(t *testing.T) {
	issuer := ours().Auth().Certificate()
	cert := issue(t, nil)
	begun, release := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-release
		w.Write(makeCRL(t, nil))
	}))
	defer server.Close()
	c := &revoke.CRL{Client: server.Client(), URL: server.URL, Now: at}
	first := make(chan error)
	go func() { first <- c.CheckRevocation(context.Background(), cert, issuer) }()
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, c.CheckRevocation(ctx, cert, issuer), context.Canceled)
	close(release)
	require.NoError(t, <-first)
	require.NoError(t, c.CheckRevocation(context.Background(), cert, issuer))

	stuck := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }))
	defer slow.Close()
	defer close(stuck)
	err := (&revoke.CRL{Client: slow.Client(), URL: slow.URL, Timeout: time.Millisecond}).CheckRevocation(context.Background(), cert, issuer)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// However many lists there are, memory has an end: the first one goes.
func TestCRLManyLists(t *testing.T) {
	const most = 4096
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1},
	}
	ca := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key().Public(), key()))))
	point := func(n int) []byte { return fullName(fmt.Sprintf("http://crl.test/%d", n)) }
	at := func(n int) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(9), NotAfter: now.Add(time.Hour), Extensions: []pkix.Extension{
			extension(false, obj(0x30, obj(0x30, point(n))), 2, 5, 29, 31),
		}}
	}
	c := &revoke.CRL{Now: func() time.Time { return now }}
	for n := range most + 1 {
		list := must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour),
			ExtraExtensions: []pkix.Extension{issuingPoint(point(n))},
		}, ca, key()))
		require.NoError(t, c.Add(list, ca))
	}
	require.ErrorIs(t, c.CheckRevocation(context.Background(), at(0), ca), jpki.ErrRevocationUnknown)
	require.NoError(t, c.CheckRevocation(context.Background(), at(1), ca))
	require.NoError(t, c.CheckRevocation(context.Background(), at(most), ca))
}

// A program may hand over what it does not have.
func TestNothingToAskAbout(t *testing.T) {
	cert, issuer, list := issue(t, nil), ours().Auth().Certificate(), makeCRL(t, nil)
	c := &revoke.CRL{Now: at}
	require.ErrorIs(t, c.Add(list, nil), revoke.ErrList)
	require.NoError(t, c.Add(list, issuer))
	for _, checker := range []jpki.RevocationChecker{c, &revoke.OCSP{URL: "http://127.0.0.1:1/not-asked", Now: at}} {
		for _, pair := range [][2]*x509.Certificate{{nil, nil}, {nil, issuer}, {cert, nil}, {{}, issuer}} {
			require.ErrorIs(t, checker.CheckRevocation(context.Background(), pair[0], pair[1]), jpki.ErrRevocationUnknown)
		}
	}
}

func TestCRLBehindVerifier(t *testing.T) {
	cert, revoked := issue(t, nil), issue(t, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(77) })
	c := &revoke.CRL{Now: at}
	require.NoError(t, c.Add(makeCRL(t, nil, revoked), ours().Auth().Certificate()))
	v, err := jpki.NewVerifier([]*x509.Certificate{ours().Auth().Certificate()}, jpki.WithRevocation(c), jpki.WithClock(at))
	require.NoError(t, err)
	got, err := v.Verify(context.Background(), cert, jpki.Auth)
	require.NoError(t, err)
	assert.Equal(t, jpki.RevocationGood, got.Revocation)
	_, err = v.Verify(context.Background(), revoked, jpki.Auth)
	var e *jpki.RevokedError
	require.ErrorAs(t, err, &e)
}

// Whatever is added is no list, for nobody else can sign.
func FuzzCRL(f *testing.F) {
	// The keys of the software card are ready-made; each worker begins anew.
	ca := simcard.TestAuthority().Auth()
	issuer := ca.Certificate()
	cert, err := ca.Issue(simcard.SampleHolder(3).AuthTemplate(issuedAt), key().Public())
	require.NoError(f, err)
	for _, list := range [][]byte{
		makeCRLBy(f, ca, nil), makeCRLBy(f, ca, nil, cert), makeCRLBy(f, ca, withExtension(issuingPoint(fullName("http://crl.test/a"), obj(0x81, []byte{0xFF})))),
	} {
		list[len(list)-1] ^= 1
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		c := &revoke.CRL{Now: at}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := c.Add(list[:len(list):len(list)], issuer)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(64*len(list)+256<<10) {
			t.Fatalf("%d bytes for %d", used, len(list))
		}
		if err == nil {
			t.Fatal("a forged list")
		}
		if err := c.CheckRevocation(context.Background(), cert, issuer); !errors.Is(err, jpki.ErrRevocationUnknown) {
			t.Fatalf("a forged list counts: %v", err)
		}
	})
}
