package jpki_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// A login: the certificate is genuine, and the card that holds its key is here,
// for it signs something that nobody could know before.
func ExampleVerifier() {
	ctx := context.Background()
	reader := simcard.New()
	verifier, err := jpki.NewVerifier([]*x509.Certificate{reader.Authority().Auth().Certificate()})
	if err != nil {
		log.Fatal(err)
	}

	card, err := jpki.Open(ctx, reader)
	if err != nil {
		log.Fatal(err)
	}
	cert, err := card.Certificate(ctx, jpki.Auth)
	if err != nil {
		log.Fatal(err)
	}
	verified, err := verifier.Verify(ctx, cert, jpki.Auth)
	if err != nil {
		log.Fatal(err)
	}

	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	if err != nil {
		log.Fatal(err)
	}
	defer pin.Clear()
	if err := card.Verify(ctx, pin); err != nil {
		log.Fatal(err)
	}
	challenge := make([]byte, 32)
	rand.Read(challenge)
	digest := sha256.Sum256(challenge)
	signature, err := card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
	if err != nil {
		log.Fatal(err)
	}
	key, ok := verified.Certificate().PublicKey.(*rsa.PublicKey)
	fmt.Println(ok && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil)
	fmt.Println(verified.Slot, verified.Revocation)
	// Output:
	// true
	// auth not checked
}

// Somebody else's CA has the same name and another key.
func ExampleNewVerifier() {
	trusted := simcard.TestAuthority()
	verifier, err := jpki.NewVerifier([]*x509.Certificate{trusted.Auth().Certificate(), trusted.Sign().Certificate()})
	if err != nil {
		log.Fatal(err)
	}
	forger := simcard.NewAuthority(simcard.TestAuthority().Auth().Certificate().NotBefore)
	card := simcard.New(simcard.WithAuthority(forger))
	_, err = verifier.Verify(context.Background(), card.AuthCertificate(), jpki.Auth)
	fmt.Println(errors.Is(err, jpki.ErrIssuer), err)
	// Output: true jpki: verify auth certificate: certificate was not issued by any of the roots
}

// The roots are files of J-LIS, in DER or PEM, one or more in each.
func ExampleParseRoots() {
	file := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: simcard.TestAuthority().Auth().Certificate().Raw})
	roots, err := jpki.ParseRoots(file)
	if err != nil {
		log.Fatal(err)
	}
	_, err = jpki.NewVerifier(roots)
	fmt.Println(len(roots), err)
	// Output: 1 <nil>
}

func ExampleHolderDataOf() {
	card := simcard.New()
	data, err := jpki.HolderDataOf(card.SignCertificate())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(data)
	fmt.Println(len([]rune(data.Name())), data.Sex(), data.BirthEra())
	fmt.Println(data.NameSubstitutes())
	// Output:
	// [redacted]
	// 5 male Showa
	// [false false false false false]
}

// A server of TLS asks for the card's certificate and leaves the decision to
// the verifier. VerifyConnection runs for resumed sessions too, unlike
// VerifyPeerCertificate.
func ExampleVerifier_tls() {
	verifier, err := jpki.NewVerifier([]*x509.Certificate{simcard.TestAuthority().Auth().Certificate()})
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{
		ClientAuth: tls.RequireAnyClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := verifier.Verify(context.Background(), state.PeerCertificates[0], jpki.Auth)
			return err
		},
	}
	fmt.Println(config.VerifyConnection(tls.ConnectionState{
		PeerCertificates: []*x509.Certificate{simcard.New().AuthCertificate()},
	}))
	fmt.Println(config.VerifyConnection(tls.ConnectionState{
		PeerCertificates: []*x509.Certificate{simcard.New().SignCertificate()},
	}))
	// Output:
	// <nil>
	// jpki: verify auth certificate: certificate was not issued by any of the roots
}
