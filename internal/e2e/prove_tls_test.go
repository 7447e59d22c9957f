package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/revoke"
	"github.com/mynakit/mynakit/simcard"
)

// A server lets in who has a card, if the verifier says so: TLS 1.2 and, by the
// card's PSS, TLS 1.3.
func TestTLSServerWithVerifier(t *testing.T) {
	authority := simcard.TestAuthority()
	lists := &revoke.CRL{}
	revoked := newCard(simcard.WithHolder(simcard.SampleHolder(7)))
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: revoked.AuthCertificate().SerialNumber, RevocationTime: time.Now()}},
	}, authority.Auth().Certificate(), authority.Auth().Signer())
	require.NoError(t, err)
	require.NoError(t, lists.Add(list, authority.Auth().Certificate()))
	v, err := jpki.NewVerifier([]*x509.Certificate{authority.Auth().Certificate(), authority.Sign().Certificate()}, jpki.WithRevocation(lists))
	require.NoError(t, err)

	forger := simcard.NewAuthority(time.Now().AddDate(-1, 0, 0))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, tt := range []struct {
			name string
			card *simcard.Card
			slot jpki.Slot
			want string
		}{
			{"a card", newCard(), jpki.Auth, ""},
			{"a phone", newCard(simcard.WithKind(simcard.Android)), jpki.Auth, ""},
			{"a card of somebody else's making", newCard(simcard.WithAuthority(forger)), jpki.Auth, "not issued by any of the roots"},
			{"an expired card", newCard(simcard.WithIssued(time.Now().AddDate(-7, 0, 0))), jpki.Auth, "expired"},
			{"a revoked card", revoked, jpki.Auth, "revoked"},
			{"the key for signatures", newCard(), jpki.Sign, "another policy"},
		} {
			t.Run(tls.VersionName(version)+", "+tt.name, func(t *testing.T) {
				c := open(t, tt.card)
				secret := authPIN
				if tt.slot == jpki.Sign {
					secret = signPIN
				}
				verified(t, c, tt.slot.PIN(), secret)
				key, err := c.Signer(context.Background(), tt.slot)
				require.NoError(t, err)
				server, client := tlsConfigs(t, nil, version)
				server.ClientAuth, server.ClientCAs = tls.RequireAnyClientCert, nil
				var seen *jpki.VerifiedCertificate
				server.VerifyConnection = func(state tls.ConnectionState) error {
					var err error
					seen, err = v.Verify(context.Background(), state.PeerCertificates[0], jpki.Auth)
					return err
				}
				client.Certificates = []tls.Certificate{{Certificate: [][]byte{key.Certificate().Raw}, PrivateKey: key, Leaf: key.Certificate()}}
				state, serverErr, clientErr := shake(server, client)
				if tt.want == "" {
					require.NoError(t, serverErr)
					require.NoError(t, clientErr)
					require.Equal(t, version, state.Version)
					require.Equal(t, jpki.RevocationGood, seen.Revocation)
					require.Equal(t, key.Certificate().Raw, seen.Certificate().Raw)
					return
				}
				require.ErrorContains(t, serverErr, tt.want)
				require.Error(t, clientErr)
				require.Empty(t, leaks(serverErr.Error()+clientErr.Error(), secrets(tt.card)))
			})
		}
	}
}

// Whoever has the certificate and not the card does not get in.
func TestTLSCertificateOfAnother(t *testing.T) {
	victim := newCard(simcard.WithHolder(simcard.SampleHolder(7)), simcard.WithFreshKeys())
	thief := open(t, newCard())
	verified(t, thief, jpki.AuthPIN, authPIN)
	key, err := thief.Signer(context.Background(), jpki.Auth)
	require.NoError(t, err)
	v, err := jpki.NewVerifier([]*x509.Certificate{victim.Authority().Auth().Certificate()})
	require.NoError(t, err)
	server, client := tlsConfigs(t, nil, tls.VersionTLS13)
	server.ClientAuth = tls.RequireAnyClientCert
	reached := false
	server.VerifyConnection = func(state tls.ConnectionState) error {
		reached = true
		_, err := v.Verify(context.Background(), state.PeerCertificates[0], jpki.Auth)
		return err
	}
	client.Certificates = []tls.Certificate{{Certificate: [][]byte{victim.AuthCertificate().Raw}, PrivateKey: key}}
	_, serverErr, clientErr := shake(server, client)
	require.Error(t, serverErr)
	require.Error(t, clientErr)
	require.False(t, reached && serverErr == nil)
}
