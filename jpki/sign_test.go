package jpki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
)

func zeros(n int) string { return strings.Repeat("00", n) }

// The commands to the byte; the digests are zeros.
func TestSignCommand(t *testing.T) {
	const head256 = "3031300D060960864801650304020105000420"
	for _, tt := range []struct {
		name    string
		slot    Slot
		opts    crypto.SignerOpts
		command string
	}{
		{"SHA-256, auth", Auth, crypto.SHA256, "802A0097 33" + head256 + zeros(32) + "00"},
		{"SHA-256, sign", Sign, crypto.SHA256, "802A009A 33" + head256 + zeros(32) + "00"},
		{"SHA-384", Auth, crypto.SHA384, "802A0097 43 3041300D060960864801650304020205000430" + zeros(48) + "00"},
		{"SHA-512", Auth, crypto.SHA512, "802A0097 53 3051300D060960864801650304020305000440" + zeros(64) + "00"},
		{"PSS, auto", Auth, &rsa.PSSOptions{Hash: crypto.SHA256}, "802A0497 20" + zeros(32) + "00"},
		{"PSS, equal", Auth, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: rsa.PSSSaltLengthEqualsHash}, "802A0497 20" + zeros(32) + "00"},
		{"PSS, 32", Sign, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 32}, "802A049A 20" + zeros(32) + "00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			digest := make([]byte, tt.opts.HashFunc().Size())
			want := bytes.Repeat([]byte{0x5A}, 256)
			c := play(t, nil, step{tt.command, ok(want)})
			got, err := c.Sign(context.Background(), tt.slot, digest, tt.opts)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	t.Run("without short identifiers", func(t *testing.T) {
		c := play(t, []Option{WithoutShortEF()},
			step{"00A4020C02001A", done}, step{"802A0080 33" + head256 + zeros(32) + "00", ok(make([]byte, 256))})
		_, err := c.Sign(context.Background(), Sign, make([]byte, 32), crypto.SHA256)
		require.NoError(t, err)
	})
	t.Run("short identifier refused", func(t *testing.T) {
		c := play(t, nil,
			step{"802A0097 33" + head256 + zeros(32) + "00", "6A86"},
			step{"00A4020C020017", done}, step{"802A0080 33" + head256 + zeros(32) + "00", ok(make([]byte, 256))})
		_, err := c.Sign(context.Background(), Auth, make([]byte, 32), crypto.SHA256)
		require.NoError(t, err)
	})
}

func TestSignRefusesWithoutAsking(t *testing.T) {
	for _, tt := range []struct {
		name   string
		slot   Slot
		digest int
		opts   crypto.SignerOpts
	}{
		{"SHA-1", Auth, sha1.Size, crypto.SHA1},
		{"MD5", Auth, md5.Size, crypto.MD5},
		{"MD5 with SHA-1", Auth, 36, crypto.MD5SHA1},
		{"SHA-224", Auth, 28, crypto.SHA224},
		{"SHA3-256", Auth, 32, crypto.SHA3_256},
		{"no hash", Auth, 32, crypto.Hash(0)},
		{"unheard-of hash", Auth, 32, crypto.Hash(200)},
		{"no options", Auth, 32, nil},
		{"digest too short", Auth, 31, crypto.SHA256},
		{"digest too long", Auth, 33, crypto.SHA256},
		{"digest empty", Auth, 0, crypto.SHA512},
		{"PSS with SHA-384", Auth, 48, &rsa.PSSOptions{Hash: crypto.SHA384}},
		{"PSS without hash", Auth, 32, &rsa.PSSOptions{}},
		{"PSS with another salt", Auth, 32, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 20}},
		{"PSS, digest too short", Auth, 20, &rsa.PSSOptions{Hash: crypto.SHA256}},
		{"a CA's key", AuthCA, 32, crypto.SHA256},
		{"no slot", 0, 32, crypto.SHA256},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := play(t, nil) // and no more exchanges
			_, err := c.Sign(context.Background(), tt.slot, make([]byte, tt.digest), tt.opts)
			var unsupported *UnsupportedError
			require.ErrorAs(t, err, &unsupported)
			assert.ErrorIs(t, err, errors.ErrUnsupported)
			requireStep(t, err, "sign with "+tt.slot.String()+" key")
		})
	}
}

// A key of another kind signs whatever it gets: 96 bytes of ECDSA over a
// DigestInfo are no signature of the digest.
func TestSignByAnotherKindOfKey(t *testing.T) {
	const command = "802A0097 33 3031300D060960864801650304020105000420"
	for n, refused := range map[int]bool{1: true, 96: true, 104: true, 127: true, 128: false, 132: true, 139: true, 256: false, 257: true, 384: false, 512: false, 1024: false} {
		c := play(t, nil, step{command + zeros(32) + "00", ok(make([]byte, n))})
		signature, err := c.Sign(context.Background(), Auth, make([]byte, 32), crypto.SHA256)
		if !refused {
			require.NoError(t, err, n)
			assert.Len(t, signature, n)
			continue
		}
		var unsupported *UnsupportedError
		require.ErrorAs(t, err, &unsupported, n)
		requireStep(t, err, "sign with auth key")
		assert.Empty(t, signature)
	}
}

func TestSignErrors(t *testing.T) {
	command := "802A0097 33 3031300D060960864801650304020105000420" + zeros(32) + "00"
	selected := strings.Replace(command, "97", "80", 1)
	for _, tt := range []struct {
		name  string
		steps []step
		is    error
	}{
		{"removed", []step{{command, ""}}, apdu.ErrCardRemoved},
		{"torn", []step{{command, "90"}}, apdu.ErrCardRemoved},
		{"link", []step{{command, errLink}}, errLink},
		{"empty", []step{{command, done}}, ErrReply},
		{"too long", []step{{command, ok(make([]byte, maxSignature+1))}}, apdu.ErrResponseLength},
		{"internal", []step{{command, "6F00"}}, apdu.NoPreciseDiagnosis},
		{"no such key", []step{{command, "6A82"}, {"00A4020C020017", "6A82"}}, apdu.FileNotFound},
		{"refused both ways", []step{{command, "6A86"}, {"00A4020C020017", done}, {selected, "6A86"}}, apdu.IncorrectP1P2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := play(t, nil, tt.steps...).Sign(context.Background(), Auth, make([]byte, 32), crypto.SHA256)
			require.ErrorIs(t, err, tt.is)
			requireStep(t, err, "sign with auth key")
			assert.NotErrorIs(t, err, errors.ErrUnsupported)
		})
	}
	t.Run("PIN wanted", func(t *testing.T) {
		_, err := play(t, nil, step{command, "6982"}).Sign(context.Background(), Auth, make([]byte, 32), crypto.SHA256)
		var required *PINRequiredError
		require.ErrorAs(t, err, &required)
		assert.Equal(t, AuthPIN, required.PIN)
		requireStatus(t, err, apdu.SecurityStatusNotSatisfied)
	})
	t.Run("PIN blocked", func(t *testing.T) {
		for _, word := range []string{"6983", "6984"} {
			_, err := play(t, nil, step{command, word}).Sign(context.Background(), Auth, make([]byte, 32), crypto.SHA256)
			var pin *PINError
			require.ErrorAs(t, err, &pin)
			assert.Equal(t, PINError{PIN: AuthPIN, Blocked: true}, *pin)
		}
	})
	t.Run("no PSS", func(t *testing.T) {
		pss := "802A0497 20" + zeros(32) + "00"
		c := play(t, nil, step{pss, "6A86"}, step{"00A4020C020017", done}, step{"802A0480 20" + zeros(32) + "00", "6A86"},
			step{countAuth, "63C3"}) // short identifiers are still trusted
		_, err := c.Sign(context.Background(), Auth, make([]byte, 32), &rsa.PSSOptions{Hash: crypto.SHA256})
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		requireStatus(t, err, apdu.IncorrectP1P2)
		_, err = c.Tries(context.Background(), AuthPIN)
		require.NoError(t, err)
	})
}

// signer makes a card with an RSA certificate that answers the next command
// with reply, and its key.
func signer(t *testing.T, next ...step) *Key {
	t.Helper()
	cert := rsaCertificate(t, 1)
	steps := readAll(0x0A, cert.Raw, append(bytes.Clone(cert.Raw), bytes.Repeat([]byte{0xFF}, 256)...))
	k, err := play(t, nil, append(steps, next...)...).Signer(context.Background(), Auth)
	require.NoError(t, err)
	return k
}

func TestKey(t *testing.T) {
	d256, d512 := sha256.Sum256([]byte("message")), sha512.Sum512([]byte("message"))
	v15 := func(hash crypto.Hash, digest []byte) []byte {
		s, err := rsa.SignPKCS1v15(nil, testKey(), hash, digest)
		require.NoError(t, err)
		return s
	}
	pss := func(salt int) []byte {
		s, err := rsa.SignPSS(rand.Reader, testKey(), crypto.SHA256, d256[:], &rsa.PSSOptions{SaltLength: salt})
		require.NoError(t, err)
		return s
	}
	upper := func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
	command256 := "802A0097 33 3031300D060960864801650304020105000420" + upper(d256[:]) + "00"
	command512 := "802A0097 53 3051300D060960864801650304020305000440" + upper(d512[:]) + "00"
	commandPSS := "802A0497 20" + upper(d256[:]) + "00"
	pssOptions := &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: rsa.PSSSaltLengthEqualsHash}

	k := signer(t, step{command256, ok(v15(crypto.SHA256, d256[:]))},
		step{command512, ok(v15(crypto.SHA512, d512[:]))}, step{commandPSS, ok(pss(32))})
	assert.True(t, testKey().PublicKey.Equal(k.Public()))
	assert.Equal(t, "TESTHOLDER", k.Certificate().Subject.CommonName)
	signature, err := k.Sign(nil, d256[:], crypto.SHA256)
	require.NoError(t, err)
	require.NoError(t, rsa.VerifyPKCS1v15(&testKey().PublicKey, crypto.SHA256, d256[:], signature))
	_, err = crypto.SignMessage(k, nil, []byte("message"), crypto.SHA512)
	require.NoError(t, err)
	_, err = k.SignContext(context.Background(), d256[:], pssOptions)
	require.NoError(t, err)

	garbled := v15(crypto.SHA256, d256[:])
	garbled[100] ^= 1
	for name, bad := range map[string]step{
		"garbled":             {command256, ok(garbled)},
		"of another digest":   {command256, ok(v15(crypto.SHA256, make([]byte, 32)))},
		"PSS where not asked": {command256, ok(pss(32))},
		"short":               {command256, ok(garbled[:255])},
		"long":                {command256, ok(append(v15(crypto.SHA256, d256[:]), 0))},
	} {
		_, err = signer(t, bad).Sign(nil, d256[:], crypto.SHA256)
		require.ErrorIs(t, err, ErrSignature, name)
		requireStep(t, err, "sign with auth key")
	}
	for name, bad := range map[string][]byte{"v1.5": v15(crypto.SHA256, d256[:]), "salt of another length": pss(20)} {
		_, err = signer(t, step{commandPSS, ok(bad)}).Sign(nil, d256[:], pssOptions)
		require.ErrorIs(t, err, ErrSignature, name)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = signer(t).WithContext(ctx).Sign(nil, d256[:], crypto.SHA256)
	require.ErrorIs(t, err, context.Canceled)
	_, err = signer(t).SignContext(context.Background(), d256[:20], crypto.SHA1)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestSignerWithoutKey(t *testing.T) {
	for _, slot := range []Slot{0, AuthCA, SignCA, 9} {
		_, err := play(t, nil).Signer(context.Background(), slot)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		requireStep(t, err, "find "+slot.String()+" key")
	}
	// The announced cards with ECDSA: nothing here signs for them yet, and
	// says so before a PIN is asked for.
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	cert := testCertificate(t, key, 10)
	steps := readAll(0x0A, cert.Raw, append(bytes.Clone(cert.Raw), bytes.Repeat([]byte{0xFF}, 256)...))
	_, err = play(t, nil, steps...).Signer(context.Background(), Auth)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assert.Contains(t, err.Error(), "ECDSA")

	_, err = play(t, nil, step{"00B08100 00", "6982"}, step{"00B08800 03", "8F8F009000"}).Signer(context.Background(), Sign)
	var required *PINRequiredError
	require.ErrorAs(t, err, &required)
	requireStep(t, err, "read sign certificate")
}

// The size of a signature is that of the key in the certificate.
func TestKeyOfAnotherSize(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	cert := testCertificate(t, key, 1)
	digest := sha256.Sum256(nil)
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	require.NoError(t, err)
	require.Len(t, signature, 384)
	steps := readAll(0x0A, cert.Raw, append(bytes.Clone(cert.Raw), bytes.Repeat([]byte{0xFF}, 256)...))
	steps = append(steps,
		step{"802A0097 33 3031300D060960864801650304020105000420" + strings.ToUpper(hex.EncodeToString(digest[:])) + "00", append(bytes.Clone(signature[:256]), 0x61, 0x80)},
		step{"80C00000 80", ok(signature[256:])})
	k, err := play(t, nil, steps...).Signer(context.Background(), Auth)
	require.NoError(t, err)
	got, err := k.Sign(nil, digest[:], crypto.SHA256)
	require.NoError(t, err)
	assert.Equal(t, signature, got)
}

func TestKeyMakesCertificateRequest(t *testing.T) {
	k := signer(t)
	k.card.channel.Transmitter = transmitFunc(func(command []byte) ([]byte, error) {
		c, err := apdu.ParseCommand(command)
		require.NoError(t, err)
		s, err := rsa.SignPKCS1v15(nil, testKey(), crypto.SHA256, c.Data[19:])
		require.NoError(t, err)
		return ok(s), nil
	})
	der, err := x509.CreateCertificateRequest(io.Reader(nil), &x509.CertificateRequest{}, k)
	require.NoError(t, err)
	request, err := x509.ParseCertificateRequest(der)
	require.NoError(t, err)
	require.NoError(t, request.CheckSignature())
}
