package e2e

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// require finds a program, or skips the test; if MYNAKIT_REQUIRE contains word,
// the test fails instead.
func requireProgram(t *testing.T, name, word string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), word) {
			t.Fatalf("%s: %v", name, err)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// serverFiles are what a foreign TLS server reads.
type serverFiles struct{ cert, key, clientCAs string }

func newServerFiles(t *testing.T, clientCA *x509.Certificate) (f serverFiles, trusted *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"counter.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	f = serverFiles{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")}
	for name, block := range map[string]*pem.Block{
		f.cert: {Type: "CERTIFICATE", Bytes: der}, f.key: {Type: "PRIVATE KEY", Bytes: private},
		f.clientCAs: {Type: "CERTIFICATE", Bytes: clientCA.Raw},
	} {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
	}
	trusted = x509.NewCertPool()
	trusted.AddCert(cert)
	return f, trusted
}

// cardClient returns the configuration of a client with the card, by the one
// line that an integrator writes.
func cardClient(t *testing.T, card *simcard.Card, trusted *x509.CertPool) *tls.Config {
	t.Helper()
	c := open(t, card)
	verified(t, c, jpki.AuthPIN, authPIN)
	key, err := c.Signer(t.Context(), jpki.Auth)
	require.NoError(t, err)
	config, err := key.TLSConfig(t.Context(), &tls.Config{RootCAs: trusted, ServerName: "counter.test"})
	require.NoError(t, err)
	return config
}

// get asks a server for its page over conn. The server has verified the client's
// certificate when it answers.
func get(conn net.Conn, config *tls.Config) (version uint16, err error) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, err
	}
	client := tls.Client(conn, config)
	if _, err := io.WriteString(client, "GET / HTTP/1.0\r\nHost: counter.test\r\n\r\n"); err != nil {
		return 0, err
	}
	line, err := bufio.NewReader(client).ReadString('\n')
	if err == nil && !strings.Contains(line, " 200 ") {
		err = fmt.Errorf("the server answered %q", line)
	}
	return client.ConnectionState().Version, err
}

// A card's TLS client works with openssl s_server, whatever signature scheme
// that prefers.
func TestTLSWithOpenSSL(t *testing.T) {
	openssl := requireProgram(t, "openssl", "openssl")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		flag := map[uint16]string{tls.VersionTLS12: "-tls1_2", tls.VersionTLS13: "-tls1_3"}[version]
		for prefers, works := range map[string]bool{
			"": true, // its own
			"RSA-PSS+SHA512:RSA-PSS+SHA384:RSA-PSS+SHA256:RSA+SHA512:RSA+SHA384:RSA+SHA256": true,
			"RSA-PSS+SHA384:RSA-PSS+SHA256":              true,
			"RSA-PSS+SHA256":                             true,
			"ECDSA+SHA256:RSA-PSS+SHA512:RSA-PSS+SHA256": true,
			"RSA+SHA512:RSA-PSS+SHA256":                  true,
			"RSA+SHA384:RSA+SHA256:RSA-PSS+SHA256":       true,
			"RSA+SHA512":                                 version == tls.VersionTLS12, // no scheme of TLS 1.3
			"RSA-PSS+SHA512":                             false,                       // none that a card does
		} {
			t.Run(tls.VersionName(version)+" "+prefers, func(t *testing.T) {
				card := newCard()
				files, trusted := newServerFiles(t, card.Authority().Auth().Certificate())
				args := []string{"s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-www", flag,
					"-cert", files.cert, "-key", files.key, "-CAfile", files.clientCAs, "-Verify", "3", "-verify_return_error"}
				if prefers != "" {
					args = append(args, "-client_sigalgs", prefers)
				}
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				server := exec.CommandContext(ctx, openssl, args...)
				out, err := server.StdoutPipe()
				require.NoError(t, err)
				server.Stderr = server.Stdout
				require.NoError(t, server.Start())
				defer server.Wait()
				defer cancel()
				var address string
				lines := bufio.NewScanner(out)
				for address == "" && lines.Scan() {
					address, _ = strings.CutPrefix(lines.Text(), "ACCEPT ")
					if !strings.HasPrefix(lines.Text(), "ACCEPT ") {
						address = ""
					}
				}
				require.NotEmpty(t, address)
				go io.Copy(io.Discard, out)
				conn, err := net.Dial("tcp", address)
				require.NoError(t, err)
				got, err := get(conn, cardClient(t, card, trusted))
				if !works {
					require.Error(t, err)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, version, got)
			})
		}
	}
}
