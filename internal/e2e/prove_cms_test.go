package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/cms"
	"github.com/mynakit/mynakit/simcard"
)

// openssl gives a function that runs openssl in an empty folder. Without
// openssl the test is skipped, unless MYNAKIT_REQUIRE contains "interop".
func openssl(t *testing.T) (dir string, run func(args ...string) (string, error)) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "interop") {
			t.Fatal("openssl is missing and required")
		}
		t.Skip("no openssl here")
	}
	dir = t.TempDir()
	return dir, func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
}

func writePEM(t *testing.T, dir, name, kind string, ders ...[]byte) {
	t.Helper()
	var file []byte
	for _, der := range ders {
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	write(t, dir, name, file)
}

var signedContent = []byte("what is signed\r\nand has two lines\n")

// openssl takes what the card signed, with and without its content, and refuses
// it when something is wrong.
func TestCMSForOpenSSL(t *testing.T) {
	dir, run := openssl(t)
	ctx := context.Background()
	for _, slot := range []jpki.Slot{jpki.Auth, jpki.Sign} {
		card := newCard()
		c := open(t, card)
		issuer, secret := card.Authority().Auth(), authPIN
		if slot == jpki.Sign {
			issuer, secret = card.Authority().Sign(), signPIN
		}
		verified(t, c, slot.PIN(), secret)
		key, err := c.Signer(ctx, slot)
		require.NoError(t, err)
		writePEM(t, dir, "root.pem", "CERTIFICATE", issuer.Certificate().Raw)
		write(t, dir, "content", signedContent)
		write(t, dir, "other", []byte("something else"))

		before := c.Stats().Exchanges
		whole, err := cms.Sign(ctx, key, signedContent)
		require.NoError(t, err)
		assert.Equal(t, 1, c.Stats().Exchanges-before, "one signature")
		write(t, dir, "whole.p7m", whole)
		out, err := run("cms", "-verify", "-binary", "-inform", "DER", "-in", "whole.p7m", "-CAfile", "root.pem", "-purpose", "any", "-out", "result")
		require.NoError(t, err, out)
		result, err := os.ReadFile(filepath.Join(dir, "result"))
		require.NoError(t, err)
		assert.Equal(t, signedContent, result)

		beside, err := cms.SignDetached(ctx, key, signedContent)
		require.NoError(t, err)
		write(t, dir, "beside.p7s", beside)
		detached := func(content string) (string, error) {
			// -cades makes openssl hold the certificate against the attribute
			// that names it.
			return run("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "beside.p7s", "-content", content, "-CAfile", "root.pem", "-purpose", "any", "-out", "result")
		}
		out, err = detached("content")
		require.NoError(t, err, out)
		out, err = detached("other")
		require.Error(t, err, out)

		// Another authority has the same name.
		writePEM(t, dir, "root.pem", "CERTIFICATE", otherAuthority(slot).Raw)
		out, err = detached("content")
		require.Error(t, err, out)
	}
}

func otherAuthority(slot jpki.Slot) *x509.Certificate {
	a := simcard.NewAuthority(time.Now().AddDate(-1, 0, 0))
	if slot == jpki.Sign {
		return a.Sign().Certificate()
	}
	return a.Auth().Certificate()
}

// We take what openssl signed, in each of its ways that this package accepts,
// and refuse the others.
func TestCMSFromOpenSSL(t *testing.T) {
	dir, run := openssl(t)
	authority := simcard.TestAuthority()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	issued := time.Now().AddDate(0, -1, 0)
	template := simcard.SampleHolder(5).SignTemplate(issued)
	template.SubjectKeyId = []byte("for -keyid")
	cert, err := authority.Sign().Issue(template, key.Public())
	require.NoError(t, err)
	second, err := authority.Sign().Issue(simcard.SampleHolder(6).SignTemplate(issued), key.Public())
	require.NoError(t, err)
	writePEM(t, dir, "cert.pem", "CERTIFICATE", cert.Raw)
	writePEM(t, dir, "second.pem", "CERTIFICATE", second.Raw)
	writePEM(t, dir, "root.pem", "CERTIFICATE", authority.Sign().Certificate().Raw)
	writePEM(t, dir, "key.pem", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	write(t, dir, "content", signedContent)
	v, err := jpki.NewVerifier([]*x509.Certificate{authority.Auth().Certificate(), authority.Sign().Certificate()})
	require.NoError(t, err)

	for _, tt := range []struct {
		name     string
		args     string
		detached bool
		want     error
	}{
		{"attached", "-nodetach", false, nil},
		{"detached", "", true, nil},
		{"attached, streamed", "-nodetach -stream", false, nil},
		{"attached, indefinite lengths", "-nodetach -indef", false, nil},
		{"with CAdES", "-nodetach -cades", false, nil},
		{"with the CA enclosed", "-nodetach -certfile root.pem", false, nil},
		{"SHA-512", "-nodetach -md sha512", false, nil},
		{"SHA-1", "-nodetach -md sha1", false, cms.ErrNotAccepted},
		{"no attributes", "-nodetach -noattr", false, cms.ErrNotAccepted},
		{"by key identifier", "-nodetach -keyid", false, cms.ErrNotAccepted},
		{"PSS", "-nodetach -keyopt rsa_padding_mode:pss", false, cms.ErrNotAccepted},
		{"two signers", "-nodetach -signer second.pem -inkey key.pem", false, cms.ErrNotAccepted},
		{"no certificate", "-nodetach -nocerts", false, cms.ErrSigner},
		{"another content type", "-nodetach -econtent_type 1.2.3", false, cms.ErrNotAccepted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"cms", "-sign", "-binary", "-in", "content", "-outform", "DER", "-out", "message", "-signer", "cert.pem", "-inkey", "key.pem"}
			if !strings.Contains(tt.args, "-md") {
				args = append(args, "-md", "sha256")
			}
			out, err := run(append(args, strings.Fields(tt.args)...)...)
			require.NoError(t, err, out)
			message, err := os.ReadFile(filepath.Join(dir, "message"))
			require.NoError(t, err)
			var m *cms.Message
			if tt.detached {
				m, err = cms.VerifyDetached(context.Background(), v, jpki.Sign, message, signedContent)
			} else {
				m, err = cms.Verify(context.Background(), v, jpki.Sign, message)
			}
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				return
			}
			assert.Equal(t, cert.Raw, m.Signer.Certificate().Raw)
			assert.WithinDuration(t, time.Now(), m.SigningTime, time.Minute)
			if !tt.detached {
				assert.Equal(t, signedContent, m.Content())
			}
		})
	}
}
