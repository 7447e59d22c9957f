package cms_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/cms"
	"github.com/mynakit/mynakit/simcard"
)

// open gives the key of a card whose sign PIN is verified. The reader is a
// software card here.
func open(ctx context.Context, reader *simcard.Card) (*jpki.Key, error) {
	card, err := jpki.Open(ctx, reader)
	if err != nil {
		return nil, err
	}
	pin, err := jpki.NewPIN(jpki.SignPIN, simcard.DefaultSignPIN)
	if err != nil {
		return nil, err
	}
	defer pin.Clear()
	if err := card.Verify(ctx, pin); err != nil {
		return nil, err
	}
	return card.Signer(ctx, jpki.Sign)
}

// A form is signed and sent with its content inside. Whoever gets it verifies
// it, and only then has the content.
func Example() {
	ctx := context.Background()
	reader := simcard.New()
	key, err := open(ctx, reader)
	if err != nil {
		log.Fatal(err)
	}
	message, err := cms.Sign(ctx, key, []byte("I apply for a parking permit."))
	if err != nil {
		log.Fatal(err)
	}

	// The roots of a real card are those of J-LIS.
	verifier, err := jpki.NewVerifier([]*x509.Certificate{reader.Authority().Sign().Certificate()})
	if err != nil {
		log.Fatal(err)
	}
	verified, err := cms.Verify(ctx, verifier, jpki.Sign, message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", verified.Content())
	holder, err := verified.Signer.HolderData()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed by", holder, "with a name of", len([]rune(holder.Name())), "characters")
	// Output:
	// I apply for a parking permit.
	// signed by [redacted] with a name of 5 characters
}

// A document keeps its form, and the signature goes beside it.
func ExampleSignDetached() {
	ctx := context.Background()
	reader := simcard.New()
	key, err := open(ctx, reader)
	if err != nil {
		log.Fatal(err)
	}
	document := []byte("a contract")
	signature, err := cms.SignDetached(ctx, key, document)
	if err != nil {
		log.Fatal(err)
	}

	verifier, err := jpki.NewVerifier([]*x509.Certificate{reader.Authority().Sign().Certificate()})
	if err != nil {
		log.Fatal(err)
	}
	_, err = cms.VerifyDetached(ctx, verifier, jpki.Sign, signature, document)
	fmt.Println(err)
	_, err = cms.VerifyDetached(ctx, verifier, jpki.Sign, signature, []byte("another contract"))
	fmt.Println(errors.Is(err, cms.ErrSignature))
	// Output:
	// <nil>
	// true
}
