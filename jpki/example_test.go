package jpki_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

// A card is recognised by the serial number of its certificate: two exchanges
// and no PIN. The reader is a software card here; a PC/SC reader goes in the
// same place.
func Example() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		log.Fatal(err)
	}
	serial, err := card.Serial(ctx, jpki.Auth)
	if err != nil {
		log.Fatal(err)
	}
	member := serial.Pseudonym([]byte("32 random bytes, kept elsewhere"))
	fmt.Println("serial:", serial)
	fmt.Println("to store:", len(member.String()), "digits")
	fmt.Println(card.Stats().Exchanges, "exchanges")
	// Output:
	// serial: [redacted]
	// to store: 64 digits
	// 2 exchanges
}

func ExampleOpen() {
	reader := simcard.New()
	reader.Remove()
	_, err := jpki.Open(context.Background(), reader)

	var step *jpki.StepError
	if errors.As(err, &step) {
		fmt.Println("failed at:", step.Step)
	}
	// Output: failed at: select application
}

func ExampleWithoutShortEF() {
	ctx := context.Background()
	reader := simcard.New(simcard.WithQuirks(simcard.Quirks{NoShortEF: true}))
	card, err := jpki.Open(ctx, reader, jpki.WithoutShortEF())
	if err != nil {
		log.Fatal(err)
	}
	_, err = card.Serial(ctx, jpki.Auth)
	fmt.Println(card.Stats().Exchanges, "exchanges", err)
	// Output: 3 exchanges <nil>
}

func ExampleCard_Kind() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(simcard.WithKind(simcard.Android)))
	if err != nil {
		log.Fatal(err)
	}
	kind, err := card.Kind(ctx)
	fmt.Println(kind, err)
	// Output: android <nil>
}

func ExampleCard_Certificate() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		log.Fatal(err)
	}
	cert, err := card.Certificate(ctx, jpki.Auth)
	if err != nil {
		log.Fatal(err)
	}
	// The certificate is what the card says until it is verified. The roots of
	// a real card are those of J-LIS.
	_, err = cert.Verify(x509.VerifyOptions{
		Roots:     simcard.TestAuthority().Roots(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	fmt.Println(cert.SignatureAlgorithm, err)

	// The certificate for digital signature names its holder and is protected.
	_, err = card.Certificate(ctx, jpki.Sign)
	var required *jpki.PINRequiredError
	fmt.Println(errors.As(err, &required), required.PIN)
	// Output:
	// SHA256-RSA <nil>
	// true sign PIN
}

func ExampleCard_HasCertificate() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(simcard.WithKind(simcard.Child)))
	if err != nil {
		log.Fatal(err)
	}
	has, err := card.HasCertificate(ctx, jpki.Sign)
	fmt.Println(has, err)
	// Output: false <nil>
}

func ExampleCard_Verify() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(simcard.WithTries(simcard.AuthPIN, 2)))
	if err != nil {
		log.Fatal(err)
	}
	for _, typed := range []string{"１２３４", "0000", "0000", "1234"} {
		pin, err := jpki.NewPIN(jpki.AuthPIN, typed)
		if err == nil {
			err = card.Verify(ctx, pin)
			pin.Clear()
		}
		var format *jpki.FormatError
		var wrong *jpki.PINError
		var last *jpki.LastTryError
		switch {
		case err == nil:
			fmt.Println("verified")
		case errors.As(err, &format):
			fmt.Println("please type again:", format.Reason)
		case errors.As(err, &wrong) && wrong.Blocked:
			fmt.Println("locked: the municipal office can reset it")
		case errors.As(err, &wrong):
			fmt.Println("wrong, tries left:", wrong.Left)
		case errors.As(err, &last):
			fmt.Println("this is the last try: sure?") // then AllowLastTry
		case errors.Is(err, jpki.ErrOutcomeUnknown):
			fmt.Println("the card was lifted: put it back and look at the counter")
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// please type again: full-width characters
	// wrong, tries left: 1
	// this is the last try: sure?
	// this is the last try: sure?
}

func ExampleAllowLastTry() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(simcard.WithTries(simcard.AuthPIN, 1)))
	if err != nil {
		log.Fatal(err)
	}
	pin, err := jpki.NewPIN(jpki.AuthPIN, "1234")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(card.Verify(ctx, pin))
	fmt.Println(card.Verify(ctx, pin, jpki.AllowLastTry()))
	// Output:
	// jpki: verify auth PIN: one try of the auth PIN left, not spent
	// <nil>
}

func ExampleCard_Tries() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New(simcard.WithTries(simcard.SignPIN, 4)))
	if err != nil {
		log.Fatal(err)
	}
	left, err := card.Tries(ctx, jpki.SignPIN)
	fmt.Println(left, err)
	// Output: 4 <nil>
}

func ExampleNewPIN() {
	pin, err := jpki.NewPIN(jpki.SignPIN, "abc123") // sent as ABC123
	fmt.Println(pin, err)
	pin.Clear()

	_, err = jpki.NewPIN(jpki.AuthPIN, "12a4")
	fmt.Println(err)
	// Output:
	// [redacted] <nil>
	// jpki: malformed auth PIN: wrong character: want 4 digits
}

// From tap to signature in four exchanges: select, counter, VERIFY, sign.
func ExampleCard_Sign() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		log.Fatal(err)
	}
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	if err != nil {
		log.Fatal(err)
	}
	if err := card.Verify(ctx, pin); err != nil {
		log.Fatal(err)
	}
	pin.Clear()
	challenge := sha256.Sum256([]byte("a fresh challenge of the server's"))
	signature, err := card.Sign(ctx, jpki.Auth, challenge[:], crypto.SHA256)
	fmt.Println(len(signature), "bytes", err)
	fmt.Println(card.Stats().Exchanges, "exchanges")
	// Output:
	// 256 bytes <nil>
	// 4 exchanges
}

func ExampleCard_Signer() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		log.Fatal(err)
	}
	pin, err := jpki.NewPIN(jpki.SignPIN, simcard.DefaultSignPIN)
	if err != nil {
		log.Fatal(err)
	}
	if err := card.Verify(ctx, pin); err != nil {
		log.Fatal(err)
	}
	key, err := card.Signer(ctx, jpki.Sign)
	if err != nil {
		log.Fatal(err)
	}
	document := []byte("a contract")
	signature, err := crypto.SignMessage(key, nil, document, crypto.SHA256)
	if err != nil {
		log.Fatal(err)
	}
	digest := sha256.Sum256(document)
	fmt.Println(rsa.VerifyPKCS1v15(key.Public().(*rsa.PublicKey), crypto.SHA256, digest[:], signature))
	// Output: <nil>
}

// A PIN and the signature that it is for, without another program in between.
func ExampleCard_Transaction() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		log.Fatal(err)
	}
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN) // typed by the holder
	if err != nil {
		log.Fatal(err)
	}
	defer pin.Clear()
	digest := sha256.Sum256([]byte("a challenge of this visit"))
	var signature []byte
	err = card.Transaction(ctx, func(ctx context.Context) error {
		if err := card.Verify(ctx, pin); err != nil {
			return err
		}
		signature, err = card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
		return err
	})
	fmt.Println(len(signature), err)
	// Output: 256 <nil>
}

// A client for a service that wants to know who calls.
func ExampleKey_TLSConfig() {
	ctx := context.Background()
	card, err := jpki.Open(ctx, simcard.New())
	if err != nil {
		log.Fatal(err)
	}
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN) // typed by the holder
	if err != nil {
		log.Fatal(err)
	}
	defer pin.Clear()
	if err := card.Verify(ctx, pin); err != nil {
		log.Fatal(err)
	}
	key, err := card.Signer(ctx, jpki.Auth)
	if err != nil {
		log.Fatal(err)
	}
	config, err := key.TLSConfig(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	fmt.Println(client.Transport != nil, config.Certificates[0].SupportedSignatureAlgorithms)
	// Output: true [PSSWithSHA256 PKCS1WithSHA256 PKCS1WithSHA384 PKCS1WithSHA512]
}

func ExampleSerialOf() {
	card := simcard.New()
	serial, err := jpki.SerialOf(card.AuthCertificate())
	fmt.Println(serial, err)
	// Output: [redacted] <nil>
}

func ExampleParseSerial() {
	serial, err := jpki.ParseSerial("030d45")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(serial, serial.Hex(), serial.BigInt())
	// Output: [redacted] 030D45 200005
}

func ExampleSerial_Pseudonym() {
	serial, err := jpki.ParseSerial("030D45")
	if err != nil {
		log.Fatal(err)
	}
	ours := serial.Pseudonym([]byte("our key"))
	theirs := serial.Pseudonym([]byte("their key"))
	again, err := jpki.ParsePseudonym(ours.String())
	fmt.Println(ours.Equal(again), ours.Equal(theirs), err)
	// Output: true false <nil>
}
