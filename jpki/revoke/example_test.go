package revoke_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/revoke"
	"github.com/mynakit/mynakit/simcard"
)

// A responder is asked about one certificate. This one does not answer, so the
// certificate is refused; a verifier that was told to be soft takes it and says
// so.
func ExampleOCSP() {
	responder := httptest.NewServer(http.NotFoundHandler())
	defer responder.Close()

	card := simcard.New()
	roots := []*x509.Certificate{card.Authority().Auth().Certificate()}
	checker := &revoke.OCSP{
		Client:       responder.Client(), // with your proxy and your certificate
		URL:          responder.URL,
		RequireNonce: true,
		Timeout:      3 * time.Second,
	}
	for _, options := range [][]jpki.VerifierOption{
		{jpki.WithRevocation(checker)},
		{jpki.WithRevocation(checker), jpki.WithSoftFail()},
	} {
		verifier, err := jpki.NewVerifier(roots, options...)
		if err != nil {
			log.Fatal(err)
		}
		verified, err := verifier.Verify(context.Background(), card.AuthCertificate(), jpki.Auth)
		if errors.Is(err, jpki.ErrRevocationUnknown) {
			fmt.Println("refused:", err)
			continue
		}
		fmt.Println("taken, revocation", verified.Revocation)
	}
	// Output:
	// refused: jpki: verify auth certificate: not known whether the certificate was revoked: HTTP status 404
	// taken, revocation unknown
}

// Lists that were fetched in some other way are added by hand.
func ExampleCRL_Add() {
	card := simcard.New()
	issuer := card.Authority().Auth()
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(24 * time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{
			SerialNumber: card.AuthCertificate().SerialNumber, RevocationTime: time.Now(), ReasonCode: 4,
		}},
	}, issuer.Certificate(), issuer.Signer())
	if err != nil {
		log.Fatal(err)
	}

	var lists revoke.CRL
	if err := lists.Add(list, issuer.Certificate()); err != nil {
		log.Fatal(err)
	}
	verifier, err := jpki.NewVerifier([]*x509.Certificate{issuer.Certificate()}, jpki.WithRevocation(&lists))
	if err != nil {
		log.Fatal(err)
	}
	_, err = verifier.Verify(context.Background(), card.AuthCertificate(), jpki.Auth)
	fmt.Println(err)
	// Output: jpki: verify auth certificate: certificate was revoked: superseded
}

// A list is fetched when it is needed and kept until the next one is due.
func ExampleCRL() {
	card := simcard.New()
	issuer := card.Authority().Auth()
	fetched := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched++
		list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(24 * time.Hour),
		}, issuer.Certificate(), issuer.Signer())
		if err != nil {
			log.Fatal(err)
		}
		w.Write(list)
	}))
	defer server.Close()

	lists := &revoke.CRL{Client: server.Client(), URL: server.URL}
	for range 3 {
		fmt.Println(lists.CheckRevocation(context.Background(), card.AuthCertificate(), issuer.Certificate()))
	}
	fmt.Println("fetched:", fetched)
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// fetched: 1
}
