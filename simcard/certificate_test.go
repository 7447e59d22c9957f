package simcard_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/simcard"
)

// readFile reads a file of the card, whole, by its identifier.
func readFile(t *testing.T, card *simcard.Card, id byte) []byte {
	t.Helper()
	reply, err := card.Transmit([]byte{0x00, 0xB0, 0x80 | id, 0x00, 0x00, 0x00, 0x00})
	require.NoError(t, err)
	require.Equal(t, []byte{0x90, 0x00}, reply[len(reply)-2:])
	return reply[:len(reply)-2]
}

// The files hold what the methods give, and FF after it.
func TestCertificateFiles(t *testing.T) {
	card := simcard.New()
	run(t, card, []step{{selectJPKI, "9000"}, {verifySign, "9000"}})
	for id, want := range map[byte]*x509.Certificate{
		0x01: card.SignCertificate(),
		0x02: card.Authority().Sign().Certificate(),
		0x0A: card.AuthCertificate(),
		0x0B: card.Authority().Auth().Certificate(),
	} {
		content := readFile(t, card, id)
		require.Len(t, content, 2048)
		require.True(t, bytes.HasPrefix(content, want.Raw))
		for _, b := range content[len(want.Raw):] {
			require.Equal(t, byte(0xFF), b)
		}
		_, err := x509.ParseCertificate(content)
		assert.Error(t, err, "crypto/x509 is known to refuse what follows a certificate")
	}
}

func TestCertificatesVerify(t *testing.T) {
	card := simcard.New()
	roots := simcard.TestAuthority().Roots()
	for _, c := range []*x509.Certificate{card.AuthCertificate(), card.SignCertificate()} {
		_, err := c.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		assert.NoError(t, err)
		assert.Empty(t, c.UnhandledCriticalExtensions)
	}
	assert.NoError(t, card.AuthCertificate().CheckSignatureFrom(card.Authority().Auth().Certificate()))
	assert.Error(t, card.AuthCertificate().CheckSignatureFrom(card.Authority().Sign().Certificate()))
	assert.NoError(t, card.SignCertificate().CheckSignatureFrom(card.Authority().Sign().Certificate()))
}

// attributes lists a distinguished name with the kinds of its strings.
func attributes(t *testing.T, der []byte) (list []string) {
	t.Helper()
	var name []asn1.RawValue
	rest, err := asn1.Unmarshal(der, &name)
	require.NoError(t, err)
	require.Empty(t, rest)
	for _, set := range name {
		var a struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue
		}
		rest, err := asn1.Unmarshal(set.Bytes, &a)
		require.NoError(t, err)
		require.Empty(t, rest)
		list = append(list, fmt.Sprintf("%v %d %s", a.Type, a.Value.Tag, a.Value.Bytes))
	}
	return list
}

func extension(t *testing.T, c *x509.Certificate, id ...int) (value []byte, critical bool) {
	t.Helper()
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return e.Value, e.Critical
		}
	}
	t.Fatalf("no extension %v", id)
	return nil, false
}

func TestProfile(t *testing.T) {
	issued := time.Date(2025, time.October, 27, 13, 14, 15, 0, time.UTC)
	holder := simcard.Holder{
		Name:               "髙木　花子",
		NameSubstitutes:    "10000",
		Address:            "東京都清瀬市中里５丁目８４２番地",
		AddressSubstitutes: "",
		Birth:              time.Date(1980, time.February, 17, 0, 0, 0, 0, time.UTC),
		Sex:                simcard.Female,
		Prefecture:         "Tokyo-to",
		City:               "Kiyose-shi",
		Municipality:       "13221",
	}
	card := simcard.New(simcard.WithHolder(holder), simcard.WithIssued(issued))
	auth, sign := card.AuthCertificate(), card.SignCertificate()
	const utf8, printable = asn1.TagUTF8String, asn1.TagPrintableString
	const c, l, cn = "2.5.4.6", "2.5.4.7", "2.5.4.3"

	authName := attributes(t, auth.RawSubject)
	require.Len(t, authName, 2)
	assert.Equal(t, fmt.Sprintf("%s %d JP", c, printable), authName[0])
	assert.Regexp(t, fmt.Sprintf(`^%s %d [0-9A-F]{8}[A-Z]{6}13221003A$`, cn, utf8), authName[1])

	signName := attributes(t, sign.RawSubject)
	require.Len(t, signName, 4)
	assert.Equal(t, []string{
		fmt.Sprintf("%s %d JP", c, printable),
		fmt.Sprintf("%s %d Tokyo-to", l, utf8),
		fmt.Sprintf("%s %d Kiyose-shi", l, utf8),
	}, signName[:3])
	assert.Regexp(t, fmt.Sprintf(`^%s %d 20251027221415[0-9]{5}13221003A$`, cn, utf8), signName[3])

	for _, cert := range []*x509.Certificate{auth, sign} {
		assert.Equal(t, 3, cert.Version)
		assert.Equal(t, x509.SHA256WithRSA, cert.SignatureAlgorithm)
		assert.Equal(t, 2048, cert.PublicKey.(*rsa.PublicKey).N.BitLen())
		assert.Equal(t, issued, cert.NotBefore)
		assert.Equal(t, time.Date(2030, time.February, 17, 14, 59, 59, 0, time.UTC), cert.NotAfter)
		assert.Equal(t, 1, cert.SerialNumber.Sign())
		assert.Greater(t, cert.SerialNumber.BitLen(), 20)
		assert.LessOrEqual(t, cert.SerialNumber.BitLen(), 32)
		assert.Len(t, cert.SubjectKeyId, 20)
		assert.False(t, cert.IsCA)
		_, critical := extension(t, cert, 2, 5, 29, 15)
		assert.True(t, critical, "key usage")
		policies, critical := extension(t, cert, 2, 5, 29, 32)
		assert.True(t, critical, "policies")
		assert.Contains(t, string(policies), "http://www.jpki.go.jp/cps.html")
		require.Len(t, cert.Policies, 1)
	}
	assert.NotEqual(t, auth.SerialNumber, sign.SerialNumber)
	assert.Equal(t, x509.KeyUsageDigitalSignature, auth.KeyUsage)
	assert.Equal(t, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment, sign.KeyUsage)
	assert.Equal(t, "1.2.392.200149.8.5.1.3.30", auth.Policies[0].String())
	assert.Equal(t, "1.2.392.200149.8.5.1.1.20", sign.Policies[0].String())
	assert.Equal(t, card.Authority().Auth().Certificate().SubjectKeyId, auth.AuthorityKeyId)
	assert.Equal(t, card.Authority().Sign().Certificate().SubjectKeyId, sign.AuthorityKeyId)

	type otherName struct {
		Type  asn1.ObjectIdentifier
		Value string `asn1:"explicit,tag:0,utf8"`
	}
	value, critical := extension(t, sign, 2, 5, 29, 17)
	assert.False(t, critical)
	var names []asn1.RawValue
	rest, err := asn1.Unmarshal(value, &names)
	require.NoError(t, err)
	require.Empty(t, rest)
	var got []string
	for _, n := range names {
		var o otherName
		rest, err := asn1.UnmarshalWithParams(n.FullBytes, &o, "tag:0")
		require.NoError(t, err)
		require.Empty(t, rest)
		got = append(got, o.Type.String()+" "+o.Value)
	}
	const base = "1.2.392.200149.8.5.5."
	assert.Empty(t, cmp.Diff([]string{
		base + "1 髙木　花子",
		base + "4 319800217",
		base + "3 2",
		base + "5 東京都清瀬市中里５丁目８４２番地",
		base + "2 10000",
		base + "6 0000000000000000",
	}, got))
	for _, e := range auth.Extensions {
		assert.NotEqual(t, "2.5.29.17", e.Id.String(), "the auth certificate names nobody")
	}

	points, _ := extension(t, sign, 2, 5, 29, 31)
	var point []struct {
		Full struct {
			Names []asn1.RawValue `asn1:"tag:0"`
		} `asn1:"tag:0"`
	}
	rest, err = asn1.Unmarshal(points, &point)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Len(t, point, 1)
	require.Len(t, point[0].Full.Names, 1)
	assert.Equal(t, 4, point[0].Full.Names[0].Tag)
	assert.Equal(t, []string{
		fmt.Sprintf("2.5.4.6 %d JP", printable),
		fmt.Sprintf("2.5.4.10 %d JPKI-TEST", utf8),
		fmt.Sprintf("2.5.4.11 %d JPKI for digital signature", utf8),
		fmt.Sprintf("2.5.4.11 %d CRL Distribution Points", utf8),
		fmt.Sprintf("2.5.4.11 %d Tokyo-to", utf8),
		fmt.Sprintf("2.5.4.3 %d Kiyose-shi", utf8),
	}, attributes(t, point[0].Full.Names[0].Bytes))
}

func TestAuthority(t *testing.T) {
	authority := simcard.TestAuthority()
	for unit, issuer := range map[string]*simcard.Issuer{
		"JPKI for user authentication": authority.Auth(),
		"JPKI for digital signature":   authority.Sign(),
	} {
		c := issuer.Certificate()
		assert.NoError(t, c.CheckSignatureFrom(c))
		name := attributes(t, c.RawSubject)
		assert.Equal(t, []string{"2.5.4.6 19 JP", "2.5.4.10 12 JPKI-TEST", "2.5.4.11 12 " + unit}, name[:3])
		assert.Equal(t, c.RawIssuer, c.RawSubject)
		assert.True(t, c.IsCA)
		assert.True(t, c.BasicConstraintsValid)
		assert.Equal(t, -1, c.MaxPathLen)
		assert.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, c.KeyUsage)
		value, critical := extension(t, c, 2, 5, 29, 19)
		assert.True(t, critical)
		assert.Equal(t, []byte{0x30, 0x03, 0x01, 0x01, 0xFF}, value, "CA:TRUE and no path length")
		_, critical = extension(t, c, 2, 5, 29, 15)
		assert.True(t, critical)
		san, _ := extension(t, c, 2, 5, 29, 17)
		assert.Contains(t, string(san), "公的個人認証サービス")
		points, _ := extension(t, c, 2, 5, 29, 31)
		assert.True(t, bytes.Contains(points, c.RawSubject))
		assert.Len(t, c.SubjectKeyId, 20)
		assert.Greater(t, c.SerialNumber.BitLen(), 20)
		assert.True(t, time.Now().After(c.NotBefore) && time.Now().Before(c.NotAfter))
		assert.Equal(t, c.PublicKey, issuer.Signer().Public())
	}
}

// Another authority has the same name and another key: only a look at key
// identifier or signature tells them apart.
func TestNewAuthority(t *testing.T) {
	issued := time.Date(2024, time.March, 1, 0, 0, 0, 0, time.UTC)
	other := simcard.NewAuthority(issued)
	ours := simcard.TestAuthority()
	c := other.Auth().Certificate()
	assert.Equal(t, ours.Auth().Certificate().RawSubject, c.RawSubject)
	assert.NotEqual(t, ours.Auth().Certificate().SubjectKeyId, c.SubjectKeyId)
	assert.Equal(t, issued, c.NotBefore)
	assert.Equal(t, time.Date(2034, time.February, 28, 14, 59, 59, 0, time.UTC), c.NotAfter)

	card := simcard.New(simcard.WithAuthority(other))
	assert.Same(t, other, card.Authority())
	_, err := card.AuthCertificate().Verify(x509.VerifyOptions{Roots: other.Roots(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	assert.NoError(t, err)
	_, err = card.AuthCertificate().Verify(x509.VerifyOptions{Roots: ours.Roots(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	var unknown x509.UnknownAuthorityError
	assert.ErrorAs(t, err, &unknown)
	send(t, card, selectJPKI)
	assert.True(t, bytes.HasPrefix(readFile(t, card, 0x0B), c.Raw))

	far := simcard.NewAuthority(time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC))
	assert.Nil(t, far.Auth().Certificate())
	assert.NotNil(t, far.Roots())
	card = simcard.New(simcard.WithAuthority(far))
	assert.Nil(t, card.AuthCertificate())
	run(t, card, []step{{selectJPKI, "9000"}, {"00B08A0004", "6F00"}, {"00B08B0004", "6F00"}})
}

func TestIssue(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	issued := time.Now().Add(-time.Hour)
	template := simcard.SampleHolder(1).SignTemplate(issued)
	template.KeyUsage = x509.KeyUsageKeyAgreement
	template.SerialNumber = big.NewInt(0x030D45)
	c, err := simcard.TestAuthority().Sign().Issue(template, &key.PublicKey)
	require.NoError(t, err)
	assert.NoError(t, c.CheckSignatureFrom(simcard.TestAuthority().Sign().Certificate()))
	assert.Equal(t, x509.KeyUsageKeyAgreement, c.KeyUsage)
	assert.Equal(t, "30d45", c.SerialNumber.Text(16))

	template.SerialNumber = big.NewInt(-1)
	c, err = simcard.TestAuthority().Sign().Issue(template, &key.PublicKey)
	assert.Error(t, err)
	assert.Nil(t, c)
}

func TestSameHolderSameCertificate(t *testing.T) {
	issued := time.Date(2024, time.May, 7, 1, 2, 3, 0, time.UTC)
	holder := simcard.SampleHolder(5)
	with := func(o ...simcard.Option) *simcard.Card {
		return simcard.New(append([]simcard.Option{simcard.WithHolder(holder), simcard.WithIssued(issued)}, o...)...)
	}
	one := with()
	assert.Equal(t, one.AuthCertificate().Raw, with().AuthCertificate().Raw)
	assert.Equal(t, one.SignCertificate().Raw, with().SignCertificate().Raw)
	assert.Equal(t, holder.AuthTemplate(issued).SerialNumber, one.AuthCertificate().SerialNumber)
	assert.Equal(t, holder.SignTemplate(issued).RawSubject, one.SignCertificate().RawSubject)

	serial := one.AuthCertificate().SerialNumber
	for what, card := range map[string]*simcard.Card{
		"another kind":   with(simcard.WithKind(simcard.Android)),
		"another issue":  with(simcard.WithIssued(issued.Add(time.Second))),
		"another holder": with(simcard.WithHolder(simcard.SampleHolder(6))),
	} {
		assert.NotEqual(t, serial, card.AuthCertificate().SerialNumber, what)
	}
	assert.Equal(t, serial, with(simcard.WithFreshKeys()).AuthCertificate().SerialNumber)
}

func TestSerialsDiffer(t *testing.T) {
	seen := map[string]uint{}
	pairs := map[string]bool{}
	issued := time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)
	for n := range uint(2000) {
		h := simcard.SampleHolder(n)
		for _, c := range []*x509.Certificate{h.AuthTemplate(issued), h.SignTemplate(issued)} {
			before, taken := seen[c.SerialNumber.String()]
			require.False(t, taken, "holders %d and %d", before, n)
			seen[c.SerialNumber.String()] = n
		}
		pairs[h.Name+h.Address] = true
	}
	assert.Len(t, pairs, 2000)
}

// Without WithIssued the certificates are always valid, and the serial does
// not change with the year.
func TestDefaultIssue(t *testing.T) {
	for n := range uint(20) {
		c := simcard.New(simcard.WithHolder(simcard.SampleHolder(n))).AuthCertificate()
		now := time.Now()
		assert.True(t, c.NotBefore.Before(now))
		assert.True(t, c.NotAfter.After(now.AddDate(3, 0, 0)))
	}
	specimen := simcard.New()
	assert.Equal(t, "30d45", specimen.AuthCertificate().SerialNumber.Text(16))
	assert.Equal(t, "249fb", specimen.SignCertificate().SerialNumber.Text(16))
	other := simcard.New(simcard.WithHolder(simcard.SampleHolder(1)))
	assert.Equal(t, other.AuthCertificate().SerialNumber,
		simcard.New(simcard.WithHolder(simcard.SampleHolder(1))).AuthCertificate().SerialNumber)

	// A person's phone, and the card after it was issued anew, have numbers of
	// their own.
	for _, o := range []simcard.Option{simcard.WithKind(simcard.Android), simcard.WithIssued(time.Now())} {
		assert.NotEqual(t, specimen.AuthCertificate().SerialNumber, simcard.New(o).AuthCertificate().SerialNumber)
	}
}

func TestFreshKeys(t *testing.T) {
	prepared, again, fresh := simcard.New(), simcard.New(), simcard.New(simcard.WithFreshKeys())
	assert.Equal(t, prepared.AuthCertificate().PublicKey, again.AuthCertificate().PublicKey)
	assert.NotEqual(t, prepared.AuthCertificate().PublicKey, fresh.AuthCertificate().PublicKey)
	assert.NotEqual(t, prepared.SignCertificate().PublicKey, fresh.SignCertificate().PublicKey)
	assert.NotEqual(t, fresh.AuthCertificate().PublicKey, fresh.SignCertificate().PublicKey)
	assert.Equal(t, fresh.AuthCertificate().PublicKey, fresh.AuthCertificate().PublicKey)
	run(t, fresh, []step{{selectJPKI, "9000"}, {verifyAuth, "9000"}})
	assert.Equal(t, []byte("data"), recovered(t, fresh.AuthCertificate().PublicKey.(*rsa.PublicKey), signed(t, fresh, 0x17, 0, []byte("data"))))
}

func TestCertificateProfileOptions(t *testing.T) {
	card := simcard.New(
		simcard.WithAuthProfile(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(0x030D45) }),
		simcard.WithSignProfile(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(-1) }),
	)
	assert.Equal(t, int64(0x030D45), card.AuthCertificate().SerialNumber.Int64())
	assert.Nil(t, card.SignCertificate())
	run(t, card, []step{{selectJPKI, "9000"}, {verifySign, "9000"}, {"00B0810004", "6F00"}, {"802A009A 01 00 00", "256*9000"}})
	assert.Nil(t, simcard.New(simcard.WithKind(simcard.Child)).SignCertificate())
}

// Whatever a holder is made of, the certificates can be issued.
func TestAnyHolder(t *testing.T) {
	for name, h := range map[string]simcard.Holder{
		"nothing known": {},
		"not UTF-8":     {Name: "\xFF\xFE", Address: "\x80", Prefecture: "\xC0", City: "\xC1", Municipality: "\xF5"},
		"long":          {Name: string(bytes.Repeat([]byte("寿限無"), 200)), Address: string(bytes.Repeat([]byte("町"), 400))},
		"before Meiji":  {Birth: time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC)},
		"far away":      {Birth: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		card := simcard.New(simcard.WithHolder(h))
		assert.NotNil(t, card.AuthCertificate(), name)
		c := card.SignCertificate()
		require.NotNil(t, c, name)
		run(t, card, []step{{selectJPKI, "9000"}, {verifySign, "9000"}})
		content := readFile(t, card, 0x01)
		assert.True(t, bytes.HasPrefix(content, c.Raw), name)
		assert.GreaterOrEqual(t, len(content), 2048, name)
	}
}
