package simcard_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/mynakit/mynakit/simcard"
)

func TestMyNumber(t *testing.T) {
	for _, valid := range []string{"614106526000", "537686677188", "000000000000"} {
		n, err := simcard.ParseMyNumber(valid)
		require.NoError(t, err, valid)
		assert.Equal(t, valid, n.Digits())
	}
	for _, bad := range []string{"", "614106526001", "61410652600", "6141065260000", "61410652600０", "53768667718 ", "-37686677188"} {
		_, err := simcard.ParseMyNumber(bad)
		assert.ErrorIs(t, err, simcard.ErrMyNumber, bad)
	}
	// Each number has one check digit, and a digit that changes is found out
	// unless the remainders 0 and 1 hide it, which share a check digit.
	for n := range uint(300) {
		digits := simcard.SampleMyNumber(n * 1234567).Digits()
		good := 0
		for d := '0'; d <= '9'; d++ {
			if _, err := simcard.ParseMyNumber(digits[:11] + string(d)); err == nil {
				good++
			}
		}
		assert.Equal(t, 1, good, digits)
	}
	var zero simcard.MyNumber
	assert.Equal(t, "", zero.Digits())
	secret := simcard.SampleMyNumber(123456789)
	out, err := json.Marshal(map[string]any{"n": secret})
	require.NoError(t, err)
	for _, s := range []string{string(out), fmt.Sprintf("%v %+v %#v %s %d %x %q", secret, secret, secret, secret, secret, secret, secret)} {
		assert.NotContains(t, s, "123456789")
		assert.Contains(t, s, "[redacted]")
	}
	require.NoError(t, json.Unmarshal([]byte(`"614106526000"`), &zero))
	assert.Equal(t, "614106526000", zero.Digits())
	assert.Error(t, json.Unmarshal([]byte(`"614106526001"`), &zero))
	assert.Equal(t, "614106526000", zero.Digits())
}

func TestNumbersOfTheFace(t *testing.T) {
	number, err := simcard.ParseMyNumber("614106526000")
	require.NoError(t, err)
	date := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		require.NoError(t, err)
		return d
	}
	for _, test := range []struct {
		birth   string
		foreign bool
		b, key  string
	}{
		{"1980-02-17", false, "55021720352285", "550217"}, // the published example
		{"1980-02-17", true, "80021720352285", "800217"},
		{"2019-05-01", false, "01050120352285", "010501"},
		{"2019-04-30", false, "31043020352285", "310430"},
		{"1989-01-08", false, "01010820352285", "010108"},
		{"1989-01-07", false, "64010720352285", "640107"},
		{"1926-12-24", false, "15122420352285", "151224"},
		{"1912-07-29", false, "45072920352285", "450729"},
		{"2007-10-05", true, "07100520352285", "071005"},
		{"0001-01-01", false, "00000020352285", "000000"},
	} {
		h := simcard.Holder{MyNumber: number, Birth: date(test.birth), Expiry: date("2035-02-17"), SecurityCode: "2285", Foreign: test.foreign}
		assert.Equal(t, "614106526000", h.NumberA())
		assert.Equal(t, test.b, h.NumberB(), "%+v", test.birth)
		assert.Equal(t, test.key, h.BirthKey())
	}
	assert.Empty(t, simcard.Holder{SecurityCode: "1234"}.NumberB())
	assert.Empty(t, simcard.Holder{Expiry: date("2035-02-17")}.NumberB())
	assert.Empty(t, simcard.Holder{}.NumberA())
}

// What New invents is the same for the same holder, and what is given stays.
func TestHolderIsCompleted(t *testing.T) {
	bare := simcard.Holder{Name: "仮名　一郎", Birth: time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC)}
	issued := simcard.WithIssued(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	one, two := simcard.New(simcard.WithHolder(bare), issued).Holder(), simcard.New(simcard.WithHolder(bare), issued).Holder()
	assert.True(t, one == two)
	assert.Len(t, one.NumberA(), 12)
	assert.Len(t, one.NumberB(), 14)
	assert.Equal(t, "2036-02-29", one.Expiry.Format(time.DateOnly))
	bare.Name = "仮名　二郎"
	assert.NotEqual(t, one.NumberA(), simcard.New(simcard.WithHolder(bare), issued).Holder().NumberA())

	bare.Birth = time.Date(2010, 6, 1, 0, 0, 0, 0, time.UTC)
	assert.Equal(t, "2030-06-01", simcard.New(simcard.WithHolder(bare), issued).Holder().Expiry.Format(time.DateOnly), "under 18: five birthdays")

	given := simcard.SampleHolder(4)
	given.Expiry = time.Date(2031, 7, 9, 0, 0, 0, 0, time.UTC)
	given.Photo = "not a picture"
	assert.True(t, given == simcard.New(simcard.WithHolder(given)).Holder())
}

func TestSamplesHaveFaces(t *testing.T) {
	seen := map[string]bool{}
	for n := range uint(500) {
		for _, h := range []simcard.Holder{simcard.SampleHolder(n), simcard.SampleForeigner(n)} {
			_, err := simcard.ParseMyNumber(h.NumberA())
			assert.NoError(t, err)
			assert.False(t, seen[h.NumberA()], "holder %d", n)
			seen[h.NumberA()] = true
			assert.Regexp(t, `^[0-9]{4}$`, h.SecurityCode)
		}
	}
}

func TestForeigner(t *testing.T) {
	holder := simcard.SampleForeigner(0)
	assert.True(t, holder == simcard.SampleForeigner(0))
	assert.Regexp(t, `^[A-Z' ]+$`, holder.Name)
	card := simcard.New(simcard.WithHolder(holder))
	b := card.Holder().NumberB()
	assert.Equal(t, holder.Birth.Format("060102"), b[:6])
	run(t, card, []step{
		{selectText, "9000"}, {verify("95", b), "9000"}, {"00B0820E02", "DF229000"},
		{selectVisual, "9000"}, {verify("91", b[:6]), "9000"},
	})
	san, _ := extension(t, card.SignCertificate(), 2, 5, 29, 17)
	assert.Contains(t, string(san), "\x0C\x090"+holder.Birth.Format("20060102"), "no era")
}

func TestExpired(t *testing.T) {
	card := simcard.New(simcard.WithExpired())
	now := time.Now()
	for _, c := range []*x509.Certificate{card.AuthCertificate(), card.SignCertificate()} {
		require.NotNil(t, c)
		assert.True(t, c.NotAfter.Before(now))
		assert.NotEqual(t, simcard.New().AuthCertificate().SerialNumber, c.SerialNumber)
		_, err := c.Verify(x509.VerifyOptions{Roots: card.Authority().Roots(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		var invalid x509.CertificateInvalidError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, x509.Expired, invalid.Reason)
		_, err = c.Verify(x509.VerifyOptions{Roots: card.Authority().Roots(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, CurrentTime: c.NotBefore})
		assert.NoError(t, err)
	}
	assert.True(t, card.Holder().Expiry.Before(now))
	assert.True(t, simcard.New().Holder().Expiry.After(now))
	issued := simcard.WithIssued(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	assert.Equal(t, simcard.New(issued).AuthCertificate().Raw, simcard.New(issued, simcard.WithExpired()).AuthCertificate().Raw)
}

func TestRevoked(t *testing.T) {
	now := time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC)
	at := now.Add(-time.Hour)
	revoked, good := simcard.New(simcard.WithRevoked(at)), simcard.New(simcard.WithHolder(simcard.SampleHolder(1)))
	require.Len(t, revoked.Revocations(), 2)
	assert.Empty(t, good.Revocations())
	assert.Len(t, simcard.New(simcard.WithKind(simcard.Child), simcard.WithRevoked(at)).Revocations(), 1)
	stranger := simcard.Revocation{Certificate: parsedCA(t), At: at}
	list := append(revoked.Revocations(), stranger, simcard.Revocation{})

	for _, side := range []struct {
		issuer        *simcard.Issuer
		revoked, good *x509.Certificate
	}{
		{simcard.TestAuthority().Auth(), revoked.AuthCertificate(), good.AuthCertificate()},
		{simcard.TestAuthority().Sign(), revoked.SignCertificate(), good.SignCertificate()},
	} {
		der, err := side.issuer.CRL(now, list...)
		require.NoError(t, err)
		crl, err := x509.ParseRevocationList(der)
		require.NoError(t, err)
		require.NoError(t, crl.CheckSignatureFrom(side.issuer.Certificate()))
		require.Len(t, crl.RevokedCertificateEntries, 1, "of this CA alone")
		assert.Equal(t, side.revoked.SerialNumber, crl.RevokedCertificateEntries[0].SerialNumber)
		assert.Equal(t, at, crl.RevokedCertificateEntries[0].RevocationTime)
		assert.Equal(t, now, crl.ThisUpdate)
		assert.Equal(t, now.Add(24*time.Hour), crl.NextUpdate)

		for certificate, want := range map[*x509.Certificate]int{side.revoked: ocsp.Revoked, side.good: ocsp.Good} {
			for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
				request, err := ocsp.CreateRequest(certificate, side.issuer.Certificate(), &ocsp.RequestOptions{Hash: hash})
				require.NoError(t, err)
				der, err := side.issuer.OCSP(request, now, list...)
				require.NoError(t, err)
				answer, err := ocsp.ParseResponseForCert(der, certificate, side.issuer.Certificate())
				require.NoError(t, err)
				assert.Equal(t, want, answer.Status)
				if want == ocsp.Revoked {
					assert.Equal(t, at, answer.RevokedAt)
				}
			}
		}
	}
	// The other CA is not asked, and what is no request is no request.
	request, err := ocsp.CreateRequest(good.AuthCertificate(), simcard.TestAuthority().Auth().Certificate(), nil)
	require.NoError(t, err)
	der, err := simcard.TestAuthority().Sign().OCSP(request, now)
	require.NoError(t, err)
	_, err = ocsp.ParseResponse(der, nil)
	assert.Equal(t, ocsp.ResponseError{Status: ocsp.Unauthorized}, err)
	_, err = simcard.TestAuthority().Sign().OCSP([]byte("nothing"), now)
	assert.ErrorIs(t, err, simcard.ErrRequest)
	lost := simcard.NewAuthority(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)).Auth()
	_, err = lost.CRL(now)
	assert.ErrorIs(t, err, simcard.ErrNoCertificate)
	_, err = lost.OCSP(request, now)
	assert.ErrorIs(t, err, simcard.ErrNoCertificate)
}

// parsedCA is a certificate of no CA that answers here.
func parsedCA(t *testing.T) *x509.Certificate {
	c := *simcard.New().AuthCertificate()
	c.AuthorityKeyId = []byte("somebody else")
	return &c
}

// The plan of the next card: keys on P-384, and a signature that is verified
// as a program would.
func TestNextGeneration(t *testing.T) {
	issued := time.Date(2026, time.January, 5, 0, 0, 0, 0, time.UTC)
	card := simcard.New(simcard.WithKind(simcard.NextGeneration), simcard.WithIssued(issued))
	assert.Equal(t, "next-generation-plan", card.Kind().String())
	certificate := card.AuthCertificate()
	public, ok := certificate.PublicKey.(*ecdsa.PublicKey)
	require.True(t, ok)
	assert.Equal(t, elliptic.P384(), public.Curve)
	assert.Equal(t, 10, certificate.NotAfter.Year()-2025, "ten years: the tenth birthday after issue")
	assert.Equal(t, certificate.PublicKey, simcard.New(simcard.WithKind(simcard.NextGeneration), simcard.WithIssued(issued)).AuthCertificate().PublicKey)
	assert.NotEqual(t, certificate.PublicKey, card.SignCertificate().PublicKey)
	fresh := simcard.New(simcard.WithKind(simcard.NextGeneration), simcard.WithIssued(issued), simcard.WithFreshKeys())
	assert.NotEqual(t, certificate.PublicKey, fresh.AuthCertificate().PublicKey)
	_, err := certificate.Verify(x509.VerifyOptions{Roots: card.Authority().Roots(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, CurrentTime: issued})
	assert.NoError(t, err)

	digest := sha512.Sum384([]byte("message"))
	short := sha256.Sum256([]byte("message"))
	run(t, card, []step{{selectJPKI, "9000"}, {"802A0297 30" + hexOf(string(digest[:])) + "00", "6982"}, {verifyAuth, "9000"}})
	for command, signed := range map[string][]byte{
		"802A0097 30" + hexOf(string(digest[:])) + "00": digest[:],
		"802A0297 30" + hexOf(string(digest[:])) + "00": digest[:],
		"802A0197 07" + hexOf("message") + "00":         digest[:],
		"802A0397 07" + hexOf("message") + "60":         digest[:],
		"802A0097 20" + hexOf(string(short[:])) + "00":  short[:],
	} {
		signature, err := hex.DecodeString(send(t, card, command))
		require.NoError(t, err)
		require.Len(t, signature, 96+2, command)
		r, s := new(big.Int).SetBytes(signature[:48]), new(big.Int).SetBytes(signature[48:96])
		assert.True(t, ecdsa.Verify(public, signed, r, s), command)
	}
	run(t, card, []step{
		{"802A0297 20" + hexOf(string(short[:])) + "00", "6700"},
		{"802A0097 41" + hexOf(string(append(digest[:], digest[:17]...))) + "00", "6700"},
		{"802A0097 00", "6700"}, {"802A0197 00", "6700"}, {"802A0097 01 00 5F", "6700"},
		{"802A0497 20" + hexOf(string(short[:])) + "00", "6A86"}, {"802A0597 01 00 00", "6A86"}, {"802A0697 01 00 00", "6A86"},
		{selectText, "9000"}, {"802A0000 01 00 00", "256*9000"}, // the card's face as it is today
	})
}
