package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// server makes a TLS server that wants a client certificate, and the
// configuration of a client that trusts it.
func tlsConfigs(t testing.TB, roots *x509.CertPool, version uint16) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"counter.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	trusted := x509.NewCertPool()
	trusted.AddCert(cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: roots,
		MinVersion: version, MaxVersion: version,
	}, &tls.Config{RootCAs: trusted, ServerName: "counter.test"}
}

// shake runs a handshake over a pipe, with a byte behind it.
func shake(server, client *tls.Config) (tls.ConnectionState, error, error) {
	near, far := net.Pipe()
	s, c := tls.Server(far, server), tls.Client(near, client)
	var serverErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer far.Close()
		serverErr = s.HandshakeContext(context.Background())
		if serverErr == nil {
			_, serverErr = s.Write([]byte{1})
		}
	})
	_, err := io.ReadFull(c, make([]byte, 1))
	near.Close()
	wg.Wait()
	return s.ConnectionState(), serverErr, err
}

// One line makes a client that works with what the server prefers and demands.
func TestTLSClientAuthentication(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version uint16 // of the server, 0 for both
		quirks  simcard.Quirks
		works   uint16
	}{
		{"TLS 1.2", tls.VersionTLS12, simcard.Quirks{}, tls.VersionTLS12},
		{"TLS 1.3", tls.VersionTLS13, simcard.Quirks{}, tls.VersionTLS13},
		{"TLS 1.2 and 1.3", 0, simcard.Quirks{}, tls.VersionTLS13},
		{"TLS 1.2 by a card without PSS", tls.VersionTLS12, simcard.Quirks{NoPSS: true}, tls.VersionTLS12},
		{"TLS 1.2 and 1.3 by a card without PSS", 0, simcard.Quirks{NoPSS: true}, tls.VersionTLS12},
		{"TLS 1.3 by a card without PSS", tls.VersionTLS13, simcard.Quirks{NoPSS: true}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			card := newCard(simcard.WithQuirks(tt.quirks))
			c := open(t, card)
			verified(t, c, jpki.AuthPIN, authPIN)
			key, err := c.Signer(context.Background(), jpki.Auth)
			require.NoError(t, err)
			server, base := tlsConfigs(t, card.Authority().Roots(), tt.version)
			base.MinVersion, base.MaxVersion = 0, 0
			client, err := key.TLSConfig(t.Context(), base)
			require.NoError(t, err)
			assert.Empty(t, base.Certificates, "base is copied")
			state, serverErr, clientErr := shake(server, client)
			if tt.works == 0 {
				require.Error(t, clientErr)
				require.Error(t, serverErr)
				base.MinVersion = tls.VersionTLS13
				_, err := key.TLSConfig(t.Context(), base)
				require.ErrorContains(t, err, "not supported: PSS on this card")
				return
			}
			require.NoError(t, clientErr)
			require.NoError(t, serverErr)
			require.Len(t, state.PeerCertificates, 1)
			assert.Equal(t, card.AuthCertificate().Raw, state.PeerCertificates[0].Raw)
			assert.Equal(t, tt.works, state.Version)
		})
	}
}

// The schemes may be left to crypto/tls, which then tries what the card does not
// do only if the server knows nothing else.
func TestTLSClientByHand(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		card := newCard()
		c := open(t, card)
		verified(t, c, jpki.AuthPIN, authPIN)
		key, err := c.Signer(context.Background(), jpki.Auth)
		require.NoError(t, err)
		server, client := tlsConfigs(t, card.Authority().Roots(), version)
		client.Certificates = []tls.Certificate{{Certificate: [][]byte{key.Certificate().Raw}, Leaf: key.Certificate(), PrivateKey: key}}
		_, serverErr, clientErr := shake(server, client)
		require.NoError(t, clientErr)
		require.NoError(t, serverErr)
	}
}

// Without the PIN the handshake ends with an error that says so, on the side
// of the card's holder.
func TestTLSWithoutPIN(t *testing.T) {
	card := newCard()
	key, err := open(t, card).Signer(context.Background(), jpki.Auth)
	require.NoError(t, err)
	server, client := tlsConfigs(t, card.Authority().Roots(), tls.VersionTLS13)
	client.Certificates = []tls.Certificate{{Certificate: [][]byte{key.Certificate().Raw}, PrivateKey: key}}
	_, serverErr, clientErr := shake(server, client)
	require.ErrorContains(t, clientErr, "auth PIN has to be verified first")
	var required *jpki.PINRequiredError
	_, err = key.TLSConfig(t.Context(), client)
	require.ErrorAs(t, err, &required)
	require.Error(t, serverErr)
}
