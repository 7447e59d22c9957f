package revoke_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/revoke"
	"github.com/mynakit/mynakit/simcard"
)

var (
	now      = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	issuedAt = time.Date(2025, time.October, 27, 3, 0, 0, 0, time.UTC)

	ours  = sync.OnceValue(func() *simcard.Authority { return simcard.NewAuthority(now.AddDate(-3, 0, 0)) })
	other = sync.OnceValue(func() *simcard.Authority { return simcard.NewAuthority(now.AddDate(-6, 0, 0)) })
	key   = sync.OnceValue(func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return k
	})
)

func at() time.Time { return now }

func issue(t testing.TB, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := simcard.SampleHolder(3).AuthTemplate(issuedAt)
	if edit != nil {
		edit(template)
	}
	cert, err := ours().Auth().Issue(template, key().Public())
	require.NoError(t, err)
	return cert
}

func requireSilent(t testing.TB, err error, cert *x509.Certificate) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range []string{cert.SerialNumber.String(), fmt.Sprintf("%x", cert.SerialNumber), cert.Subject.CommonName} {
		require.NotContains(t, strings.ToLower(err.Error()), strings.ToLower(secret))
	}
}

// A response as a test wants it, right or wrong.
type response struct {
	status             int
	serial             *big.Int
	issuer             *x509.Certificate // whose name and key the CertID has
	hash               crypto.Hash
	signer             crypto.Signer
	responder          *x509.Certificate // embedded, if not nil
	this, next, made   time.Time
	extensions         []pkix.Extension
	cutoff             []byte // of the archive, DER
	reason             int
	twice, weak, extra bool
}

type certID struct {
	Hash   pkix.AlgorithmIdentifier
	Name   []byte
	Key    []byte
	Serial *big.Int
}

type single struct {
	ID      certID
	Good    asn1.Flag `asn1:"tag:0,optional"`
	Revoked struct {
		At     time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,tag:0,optional"`
	} `asn1:"tag:1,optional"`
	Unknown asn1.Flag `asn1:"tag:2,optional"`
	This    time.Time `asn1:"generalized"`
	Next    time.Time `asn1:"generalized,explicit,tag:0,optional"`

	Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

type responseData struct {
	Responder  asn1.RawValue
	Made       time.Time `asn1:"generalized"`
	Responses  []single
	Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (r *response) der() []byte {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	must(asn1.Unmarshal(r.issuer.RawSubjectPublicKeyInfo, &spki))
	s := single{This: r.this, Next: r.next, ID: certID{Serial: r.serial}}
	if r.hash == crypto.SHA256 {
		name, key := sha256.Sum256(r.issuer.RawSubject), sha256.Sum256(spki.Key.Bytes)
		s.ID.Hash.Algorithm, s.ID.Name, s.ID.Key = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, name[:], key[:]
	} else {
		name, key := sha1.Sum(r.issuer.RawSubject), sha1.Sum(spki.Key.Bytes)
		s.ID.Hash.Algorithm, s.ID.Name, s.ID.Key = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, name[:], key[:]
	}
	switch r.status {
	case ocsp.Good:
		s.Good = true
	case ocsp.Revoked:
		s.Revoked.At, s.Revoked.Reason = now.Add(-time.Hour), asn1.Enumerated(r.reason)
	default:
		s.Unknown = true
	}
	if r.cutoff != nil {
		s.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 6}, Value: r.cutoff}}
	}
	responder := asn1.RawValue{Class: 2, Tag: 1, IsCompound: true, Bytes: r.issuer.RawSubject}
	data := responseData{Responder: responder, Made: r.made, Responses: []single{s}, Extensions: r.extensions}
	if r.twice {
		data.Responses = append(data.Responses, s)
	}
	tbs := must(asn1.Marshal(data))
	hash, algorithm := crypto.SHA256, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	if _, ok := r.signer.(*ecdsa.PrivateKey); ok {
		algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	}
	if r.weak {
		hash, algorithm = crypto.SHA1, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	}
	h := hash.New()
	h.Write(tbs)
	signature := must(r.signer.Sign(rand.Reader, h.Sum(nil), hash))
	basic := struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
		Certs     []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}{asn1.RawValue{FullBytes: tbs}, pkix.AlgorithmIdentifier{Algorithm: algorithm}, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}, nil}
	if r.responder != nil {
		basic.Certs = []asn1.RawValue{{FullBytes: r.responder.Raw}}
	}
	der := must(asn1.Marshal(struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type     asn1.ObjectIdentifier
			Response []byte
		} `asn1:"explicit,tag:0"`
	}{Bytes: struct {
		Type     asn1.ObjectIdentifier
		Response []byte
	}{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}, must(asn1.Marshal(basic))}}))
	if r.extra {
		der = append(der, 0)
	}
	return der
}

func nonceExtension(nonce []byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, Value: must(asn1.Marshal(nonce))}
}

// asked takes certificate number and nonce out of a request.
func asked(t testing.TB, der []byte) (serial *big.Int, nonce []byte) {
	t.Helper()
	plain, err := ocsp.ParseRequest(der)
	require.NoError(t, err)
	var request struct {
		TBS struct {
			List       []asn1.RawValue
			Extensions []pkix.Extension `asn1:"explicit,tag:2"`
		}
	}
	rest, err := asn1.Unmarshal(der, &request)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Len(t, request.TBS.List, 1)
	require.Len(t, request.TBS.Extensions, 1)
	require.Equal(t, "1.3.6.1.5.5.7.48.1.2", request.TBS.Extensions[0].Id.String())
	_, err = asn1.Unmarshal(request.TBS.Extensions[0].Value, &nonce)
	require.NoError(t, err)
	return plain.SerialNumber, nonce
}

// serve runs a responder whose response is what edit leaves.
func serve(t testing.TB, edit func(r *response, nonce []byte)) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, http.MethodPost, r.Method)
		assert.Equal(t, "application/ocsp-request", r.Header.Get("Content-Type"))
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		serial, nonce := asked(t, body)
		answer := &response{
			serial: serial, issuer: ours().Auth().Certificate(), signer: ours().Auth().Signer(),
			this: now.Add(-time.Minute), next: now.Add(time.Hour), made: now,
			extensions: []pkix.Extension{nonceExtension(nonce)},
		}
		edit(answer, nonce)
		w.Header().Set("Content-Type", "application/ocsp-response")
		w.Write(answer.der())
	}))
	t.Cleanup(server.Close)
	return server
}

// responder makes a certificate for OCSP, edited.
func responder(t testing.TB, issuer *simcard.Issuer, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(99), Subject: pkix.Name{CommonName: "OCSP responder"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	}
	if edit != nil {
		edit(template)
	}
	cert, err := issuer.Issue(template, key().Public())
	require.NoError(t, err)
	return cert
}

func delegate(cert *x509.Certificate) func(*response, []byte) {
	return func(r *response, _ []byte) { r.responder, r.signer = cert, key() }
}

func TestOCSP(t *testing.T) {
	auth := ours().Auth()
	citizen := issue(t, nil) // has the same key as the responders here
	for _, tt := range []struct {
		name string
		edit func(*response, []byte)
		set  func(*revoke.OCSP)
		want string // of the error; "" is good
	}{
		{"good", func(*response, []byte) {}, nil, ""},
		{"revoked", func(r *response, _ []byte) { r.status, r.reason = ocsp.Revoked, 4 }, nil, "revoked: superseded"},
		{"on hold", func(r *response, _ []byte) { r.status, r.reason = ocsp.Revoked, 6 }, nil, "revoked: on hold"},
		{"unknown is not good", func(r *response, _ []byte) { r.status = ocsp.Unknown }, nil, "does not know"},

		{"responder that the issuer authorised", delegate(responder(t, auth, nil)), nil, ""},
		{"responder without key usage", delegate(responder(t, auth, func(c *x509.Certificate) { c.KeyUsage = 0 })), nil, ""},
		{"issuer's own certificate enclosed", func(r *response, _ []byte) { r.responder = auth.Certificate() }, nil, ""},
		{"a citizen as responder", delegate(citizen), nil, "not for OCSP"},
		{"responder for TLS", delegate(responder(t, auth, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })), nil, "not for OCSP"},
		{"responder for anything", delegate(responder(t, auth, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} })), nil, "not for OCSP"},
		{"responder not for signatures", delegate(responder(t, auth, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })), nil, "not for signatures"},
		{"responder of another generation", delegate(responder(t, other().Auth(), nil)), nil, "another issuer"},
		{"responder of the other CA", delegate(responder(t, ours().Sign(), nil)), nil, "another issuer"},
		{"responder expired", delegate(responder(t, auth, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) })), nil, "not valid now"},
		{"responder not valid yet", delegate(responder(t, auth, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) })), nil, "not valid now"},
		{"responder with a critical extension", delegate(responder(t, auth, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		})), nil, "unknown critical extension"},
		{"signed by nobody known", func(r *response, _ []byte) { r.signer = key() }, nil, "not signed by the issuer"},
		{"signed by another generation", func(r *response, _ []byte) { r.signer = other().Auth().Signer() }, nil, "not signed by the issuer"},
		{"signed with SHA-1", func(r *response, _ []byte) { r.weak = true }, nil, "weak algorithm"},
		{"certificate of a responder that did not sign", func(r *response, _ []byte) { r.responder = responder(t, auth, nil) }, nil, "malformed"},

		{"about another number", func(r *response, _ []byte) { r.serial = big.NewInt(4711) }, nil, "another certificate"},
		{"about the same number of another generation", func(r *response, _ []byte) { r.issuer = other().Auth().Certificate() }, nil, "another certificate"},
		{"about the same number of another name", func(r *response, _ []byte) { r.issuer = ours().Sign().Certificate() }, nil, "another certificate"},
		{"about it, under another hash", func(r *response, _ []byte) { r.hash = crypto.SHA256 }, nil, "another certificate"},
		{"two answers", func(r *response, _ []byte) { r.twice = true }, nil, "malformed"},
		{"more behind", func(r *response, _ []byte) { r.extra = true }, nil, "malformed"},

		{"no nonce", func(r *response, _ []byte) { r.extensions = nil }, nil, ""},
		{"no nonce, required", func(r *response, _ []byte) { r.extensions = nil }, func(o *revoke.OCSP) { o.RequireNonce = true }, "without a nonce"},
		{"nonce, required", func(*response, []byte) {}, func(o *revoke.OCSP) { o.RequireNonce = true }, ""},
		{"nonce of another request", func(r *response, n []byte) {
			r.extensions = []pkix.Extension{nonceExtension(append([]byte{^n[0]}, n[1:]...))}
		}, nil, "another nonce"},
		{"empty nonce", func(r *response, _ []byte) { r.extensions = []pkix.Extension{nonceExtension(nil)} }, nil, "another nonce"},
		{"empty extension as nonce", func(r *response, n []byte) { r.extensions[0].Value = []byte{} }, nil, "another nonce"},
		{"bare nonce", func(r *response, n []byte) { r.extensions[0].Value = n }, nil, ""},
		{"two nonces", func(r *response, n []byte) { r.extensions = append(r.extensions, nonceExtension(n)) }, nil, "malformed"},
		{"unknown extension", func(r *response, _ []byte) {
			r.extensions = append(r.extensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}})
		}, nil, ""},
		{"unknown critical extension", func(r *response, _ []byte) {
			r.extensions = append(r.extensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
		}, nil, "unknown critical extension"},

		{"from the future", func(r *response, _ []byte) { r.this = now.Add(6 * time.Minute) }, nil, "from the future"},
		{"made in the future", func(r *response, _ []byte) { r.made = now.Add(6 * time.Minute) }, nil, "from the future"},
		{"within the skew", func(r *response, _ []byte) { r.this, r.next = now.Add(4*time.Minute), now.Add(-4*time.Minute) }, nil, ""},
		{"past nextUpdate", func(r *response, _ []byte) { r.next = now.Add(-6 * time.Minute) }, nil, "stale"},
		{"no nextUpdate, a day old", func(r *response, _ []byte) { r.next, r.this = time.Time{}, now.Add(-24*time.Hour) }, nil, ""},
		{"no nextUpdate, older", func(r *response, _ []byte) { r.next, r.this = time.Time{}, now.Add(-25*time.Hour) }, nil, "stale"},
		{"older than the caller wants", func(r *response, _ []byte) { r.this = now.Add(-2 * time.Hour) }, func(o *revoke.OCSP) { o.MaxAge = time.Hour }, "stale"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, tt.edit)
			o := &revoke.OCSP{Client: server.Client(), URL: server.URL, Now: at}
			if tt.set != nil {
				tt.set(o)
			}
			cert := issue(t, nil)
			err := o.CheckRevocation(context.Background(), cert, auth.Certificate())
			requireSilent(t, err, cert)
			var revoked *jpki.RevokedError
			switch {
			case tt.want == "":
				require.NoError(t, err)
			case strings.HasPrefix(tt.want, "revoked: "):
				require.ErrorAs(t, err, &revoked)
				assert.Equal(t, now.Add(-time.Hour), revoked.At)
				assert.ErrorContains(t, err, tt.want)
			default:
				require.ErrorIs(t, err, jpki.ErrRevocationUnknown)
				require.False(t, errors.As(err, &revoked))
				assert.ErrorContains(t, err, tt.want)
			}
		})
	}
}

// A responder may have forgotten that an expired certificate was revoked.
func TestOCSPExpiredCertificate(t *testing.T) {
	end := now.Add(-48 * time.Hour)
	cutoff := func(at time.Time) []byte { return must(asn1.MarshalWithParams(at, "generalized")) }
	for _, tt := range []struct {
		name string
		edit func(*response, []byte)
		want error
	}{
		{"good", func(*response, []byte) {}, jpki.ErrRevocationUnknown},
		{"good, remembers", func(r *response, _ []byte) { r.cutoff = cutoff(end) }, nil},
		{"good, has forgotten", func(r *response, _ []byte) { r.cutoff = cutoff(end.Add(time.Second)) }, jpki.ErrRevocationUnknown},
		{"good, cutoff malformed", func(r *response, _ []byte) { r.cutoff = []byte{5, 0} }, jpki.ErrRevocationUnknown},
		{"good, from before the end", func(r *response, _ []byte) { r.this = end }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, tt.edit)
			cert := issue(t, func(c *x509.Certificate) { c.NotAfter = end })
			o := &revoke.OCSP{Client: server.Client(), URL: server.URL, Now: at}
			require.ErrorIs(t, o.CheckRevocation(context.Background(), cert, ours().Auth().Certificate()), tt.want)
		})
	}
	server := serve(t, func(r *response, _ []byte) { r.status = ocsp.Revoked })
	cert := issue(t, func(c *x509.Certificate) { c.NotAfter = end })
	var revoked *jpki.RevokedError
	require.ErrorAs(t, (&revoke.OCSP{Client: server.Client(), URL: server.URL, Now: at}).CheckRevocation(context.Background(), cert, ours().Auth().Certificate()), &revoked)
}

// Two requests about one certificate have nothing in common that could be
// prepared for.
func TestOCSPNonceIsNew(t *testing.T) {
	var nonces [][]byte
	server := serve(t, func(_ *response, nonce []byte) { nonces = append(nonces, nonce) })
	o := &revoke.OCSP{Client: server.Client(), URL: server.URL, Now: at}
	cert := issue(t, nil)
	for range 2 {
		require.NoError(t, o.CheckRevocation(context.Background(), cert, ours().Auth().Certificate()))
	}
	require.Len(t, nonces, 2)
	assert.Len(t, nonces[0], 32)
	assert.NotEqual(t, nonces[0], nonces[1])
}

// What servers do when they do not do OCSP.
func TestOCSPServers(t *testing.T) {
	reply := func(kind string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Write(body)
		}
	}
	const right = "application/ocsp-response"
	endless := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", right)
		for {
			if _, err := w.Write(bytes.Repeat([]byte{0x30}, 4096)); err != nil {
				return
			}
		}
	}
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"not found", http.NotFound, "HTTP status 404"},
		{"a web page", reply("text/html", []byte("<html>")), "not of type"},
		{"no type", func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil; w.Write([]byte{1}) }, "not of type"},
		{"nothing", reply(right, nil), "malformed"},
		{"garbage", reply(right, []byte("garbage")), "malformed"},
		{"try later", reply(right, ocsp.TryLaterErrorResponse), "try later"},
		{"unauthorized", reply(right, ocsp.UnauthorizedErrorResponse), "unauthorized"},
		{"type with a parameter", reply(right+"; charset=binary", ocsp.TryLaterErrorResponse), "try later"},
		{"endless", endless, "longer than"},
		{"broken off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", right)
			w.Header().Set("Content-Length", "100")
			w.Write([]byte{0x30})
		}, "broken off"},
		{"elsewhere", http.RedirectHandler("gopher://nowhere", http.StatusTemporaryRedirect).ServeHTTP, "request failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			cert := issue(t, nil)
			err := (&revoke.OCSP{Client: server.Client(), URL: server.URL, Now: at}).CheckRevocation(context.Background(), cert, ours().Auth().Certificate())
			require.ErrorIs(t, err, jpki.ErrRevocationUnknown)
			require.ErrorContains(t, err, tt.want)
			requireSilent(t, err, cert)
		})
	}
}

func TestOCSPTime(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	cert := issue(t, nil)

	o := &revoke.OCSP{Client: server.Client(), URL: server.URL, Timeout: time.Millisecond}
	err := o.CheckRevocation(context.Background(), cert, ours().Auth().Certificate())
	require.ErrorIs(t, err, jpki.ErrRevocationUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = (&revoke.OCSP{Client: server.Client(), URL: server.URL}).CheckRevocation(ctx, cert, ours().Auth().Certificate())
	require.ErrorIs(t, err, context.Canceled)
}

func TestOCSPAddress(t *testing.T) {
	server := serve(t, func(*response, []byte) {})
	check := func(o *revoke.OCSP, servers ...string) error {
		cert := issue(t, func(c *x509.Certificate) { c.OCSPServer = servers })
		o.Now = at
		return o.CheckRevocation(context.Background(), cert, ours().Auth().Certificate())
	}
	client := server.Client()
	require.NoError(t, check(&revoke.OCSP{Client: client}, server.URL))
	require.NoError(t, check(&revoke.OCSP{Client: client}, "ldap://x.test", server.URL, "http://unused.test"))
	require.NoError(t, check(&revoke.OCSP{Client: client, URL: server.URL}, "http://127.0.0.1:1/not-asked"))
	for _, o := range []*revoke.OCSP{{Client: client}, {Client: client, URL: "ftp://x.test"}, {Client: client, URL: "::"}} {
		require.ErrorContains(t, check(o, "ldap://x.test"), "no address for HTTP")
	}
	require.ErrorContains(t, check(&revoke.OCSP{}, server.URL), "no HTTP client")

	// An address can carry a password.
	err := check(&revoke.OCSP{Client: client, URL: "http://user:sesame@127.0.0.1:1/"})
	require.ErrorIs(t, err, jpki.ErrRevocationUnknown)
	require.NotContains(t, err.Error(), "sesame")
}

func TestOCSPBehindVerifier(t *testing.T) {
	status := ocsp.Good
	server := serve(t, func(r *response, _ []byte) { r.status = status })
	v, err := jpki.NewVerifier([]*x509.Certificate{other().Auth().Certificate(), ours().Auth().Certificate()},
		jpki.WithRevocation(&revoke.OCSP{Client: server.Client(), URL: server.URL, Now: at}), jpki.WithClock(at))
	require.NoError(t, err)
	cert := issue(t, nil)
	got, err := v.Verify(context.Background(), cert, jpki.Auth)
	require.NoError(t, err)
	assert.Equal(t, jpki.RevocationGood, got.Revocation)
	status = ocsp.Revoked
	_, err = v.Verify(context.Background(), cert, jpki.Auth)
	var revoked *jpki.RevokedError
	require.ErrorAs(t, err, &revoked)
	status = ocsp.Unknown
	_, err = v.Verify(context.Background(), cert, jpki.Auth)
	require.ErrorIs(t, err, jpki.ErrRevocationUnknown)
}

// Whatever a responder sends is no good answer, for it cannot sign.
func FuzzOCSP(f *testing.F) {
	// The keys of the software card are ready-made; each worker begins anew.
	issuer := simcard.TestAuthority().Auth()
	cert, err := issuer.Issue(simcard.SampleHolder(3).AuthTemplate(issuedAt), key().Public())
	require.NoError(f, err)
	good := &response{
		serial: big.NewInt(5), issuer: issuer.Certificate(), signer: issuer.Signer(),
		this: now.Add(-time.Minute), next: now.Add(time.Hour), made: now,
	}
	f.Add(good.der())
	good.responder, good.signer = responder(f, issuer, nil), key()
	f.Add(good.der())
	f.Add(ocsp.TryLaterErrorResponse)
	f.Add([]byte{0x30, 0x80})
	root := issuer.Certificate()
	f.Fuzz(func(t *testing.T, body []byte) {
		o := &revoke.OCSP{Client: &http.Client{Transport: canned(body)}, URL: "http://ocsp.test", Now: at}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := o.CheckRevocation(context.Background(), cert, root)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, jpki.ErrRevocationUnknown) {
			t.Fatalf("a forged response: %v", err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(64*len(body)+1<<20) {
			t.Fatalf("%d bytes for %d", used, len(body))
		}
	})
}

// canned is a transport that answers without a network.
type canned []byte

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/ocsp-response"}},
		Body: io.NopCloser(bytes.NewReader(c[:len(c):len(c)])),
	}, nil
}
