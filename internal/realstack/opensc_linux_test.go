package realstack

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/mynakit/mynakit/simcard"
)

func TestOpenSCKnowsTheCard(t *testing.T) {
	needStack(t)
	card := simcard.New()
	insert(t, card)
	assert.Equal(t, "jpki", strings.TrimSpace(lastLine(output(t, "opensc-tool", "-n"))))
	atr := strings.ReplaceAll(strings.TrimSpace(lastLine(output(t, "opensc-tool", "-a"))), ":", "")
	assert.Equal(t, hex.EncodeToString(card.ATR()), atr)

	dump := output(t, "pkcs15-tool", "-D")
	for _, want := range []string{"User Authentication PIN", "Digital Signature PIN",
		"User Authentication Certificate", "Digital Signature Certificate", "Tries left     : 3", "Tries left     : 5"} {
		assert.Contains(t, dump, want)
	}
	assert.Equal(t, 3, card.Tries(simcard.AuthPIN))
	assert.Equal(t, 5, card.Tries(simcard.SignPIN))
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func TestOpenSCReadsCertificates(t *testing.T) {
	needStack(t)
	card := simcard.New()
	insert(t, card)
	ca := card.Authority()
	for id, want := range map[string]*x509.Certificate{
		"1": card.AuthCertificate(), "3": ca.Auth().Certificate(), "4": ca.Sign().Certificate(),
	} {
		got := parsePEM(t, output(t, "pkcs15-tool", "--read-certificate", id))
		assert.True(t, want.Equal(got), "certificate %s", id)
	}
	out, err := command(t, "pkcs15-tool", "--read-certificate", "2")
	if err == nil {
		assert.NotContains(t, out, "BEGIN CERTIFICATE", "the sign certificate came without its PIN")
	}
	got := parsePEM(t, output(t, "pkcs15-tool", "--verify-pin", "--auth-id", "2", "--pin", simcard.DefaultSignPIN, "--read-certificate", "2"))
	assert.True(t, card.SignCertificate().Equal(got))
}

func parsePEM(t *testing.T, s string) *x509.Certificate {
	t.Helper()
	i := strings.Index(s, "-----BEGIN")
	require.GreaterOrEqual(t, i, 0, s)
	block, _ := pem.Decode([]byte(s[i:]))
	require.NotNil(t, block, s)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert
}

func TestOpenSCVerifiesPINs(t *testing.T) {
	needStack(t)
	card := simcard.New()
	insert(t, card)
	output(t, "pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", simcard.DefaultAuthPIN)
	output(t, "pkcs15-tool", "--verify-pin", "--auth-id", "2", "--pin", simcard.DefaultSignPIN)

	for left := 2; left >= 0; left-- {
		_, err := command(t, "pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", "9999")
		assert.Error(t, err)
		assert.Equal(t, left, card.Tries(simcard.AuthPIN))
	}
	_, err := command(t, "pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", simcard.DefaultAuthPIN)
	assert.Error(t, err, "a blocked PIN is refused, even the right one")
	assert.Contains(t, output(t, "pkcs15-tool", "--list-pins"), "Tries left     : 0", "and the card can still be looked at")
	assert.Equal(t, 5, card.Tries(simcard.SignPIN), "the other PIN has its own counter")
}

func TestPKCS11Signs(t *testing.T) {
	needStack(t)
	card := simcard.New()
	insert(t, card)
	data := file(t, "data", []byte("2,000 points"))
	digest := sha256.Sum256([]byte("2,000 points"))
	info := file(t, "digestinfo", append(unhex(t, "3031300d060960864801650304020105000420"), digest[:]...))
	for _, key := range []struct {
		name, slot, id, pin string
		cert                *x509.Certificate
	}{
		{"auth", "0", "01", simcard.DefaultAuthPIN, card.AuthCertificate()},
		{"sign", "1", "02", simcard.DefaultSignPIN, card.SignCertificate()},
	} {
		pub := publicKey(t, key.cert)
		for _, m := range []struct{ mechanism, digest, input string }{
			{"SHA1-RSA-PKCS", "-sha1", data},
			{"SHA256-RSA-PKCS", "-sha256", data},
			{"SHA384-RSA-PKCS", "-sha384", data},
			{"SHA512-RSA-PKCS", "-sha512", data},
			{"RSA-PKCS", "-sha256", info},
		} {
			t.Run(key.name+"/"+m.mechanism, func(t *testing.T) {
				sig := filepath.Join(t.TempDir(), "sig")
				output(t, "pkcs11-tool", "--module", module, "--slot-index", key.slot, "--login", "--pin", key.pin,
					"--sign", "--id", key.id, "--mechanism", m.mechanism, "-i", m.input, "-o", sig)
				got := output(t, "openssl", "dgst", m.digest, "-verify", pub, "-signature", sig, data)
				assert.Contains(t, got, "Verified OK")
			})
		}
	}
	assert.Equal(t, 3, card.Tries(simcard.AuthPIN))
	assert.Equal(t, 5, card.Tries(simcard.SignPIN))
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func TestSSHKeygenListsTheKey(t *testing.T) {
	needStack(t)
	card := simcard.New()
	insert(t, card)
	modulePath := findModule(t)
	want, err := ssh.NewPublicKey(card.AuthCertificate().PublicKey.(crypto.PublicKey))
	require.NoError(t, err)
	out := output(t, "ssh-keygen", "-D", modulePath)
	assert.Contains(t, out, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(want))))
}

// findModule gives the full path of OpenSC's PKCS #11 module: ssh-keygen takes
// nothing else.
func findModule(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("/usr/lib/*/" + module)
	require.NoError(t, err)
	require.NotEmpty(t, paths, "opensc-pkcs11 is not installed")
	return paths[0]
}

// The programs as a stranger runs them: vcard puts the card in, OpenSC reads
// what vcard wrote beside it, and SIGTERM takes it out.
func TestVcardProgram(t *testing.T) {
	needStack(t)
	dir := t.TempDir()
	vcard := filepath.Join(dir, "vcard")
	output(t, "go", "build", "-o", vcard, "../../examples/vcard")
	certs := filepath.Join(dir, "certs")
	stop := background(t, vcard, "-certs", certs)
	waitSlot(t, "Yes")
	written, err := os.ReadFile(filepath.Join(certs, "auth.pem"))
	require.NoError(t, err)
	got := parsePEM(t, output(t, "pkcs15-tool", "--read-certificate", "1"))
	assert.True(t, parsePEM(t, string(written)).Equal(got))
	assert.NoError(t, stop(), "SIGTERM is an orderly end")
	waitSlot(t, "No")
}
