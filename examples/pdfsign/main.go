// Command pdfsign signs a PDF with the key for digital signature (署名用電子証明書)
// of an Individual Number Card. It runs on a software card, so nothing has to be
// installed:
//
//	cd examples/pdfsign && go run . contract.pdf signed.pdf
//
// github.com/digitorus/pdfsign writes the PDF. It accepts any [crypto.Signer], and a
// [*jpki.Key] is one. This program is a module of its own, with the exact versions
// that it needs, so the library does not depend on them.
//
// With a card in a reader, use the result of [pcsc.Open] instead of simcard.New,
// and the PIN of its holder.
//
// The file contains the certificate, and with it name, address, date of birth and
// sex of the holder.
//
// [pcsc.Open]: https://pkg.go.dev/github.com/mynakit/mynakit/apdu/pcsc#Open
package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/digitorus/pdf"
	"github.com/digitorus/pdfsign/sign"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

func main() {
	if err := run(context.Background(), os.Args[1:], simcard.New()); err != nil {
		fmt.Fprintln(os.Stderr, "pdfsign:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, reader apdu.Transmitter) error {
	if len(args) != 2 {
		return errors.New("usage: pdfsign in.pdf out.pdf")
	}
	document, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	pin, err := jpki.NewPIN(jpki.SignPIN, simcard.DefaultSignPIN)
	if err != nil {
		return err
	}
	defer pin.Clear()
	signed, err := signPDF(ctx, reader, pin, document)
	if err != nil {
		return err
	}
	return os.WriteFile(args[1], signed, 0o600) // it names the holder
}

// signPDF returns document with a signature of the card.
func signPDF(ctx context.Context, reader apdu.Transmitter, pin jpki.PIN, document []byte) ([]byte, error) {
	card, err := jpki.Open(ctx, reader)
	if err != nil {
		return nil, err
	}
	if err := card.Verify(ctx, pin); err != nil {
		return nil, err
	}
	key, err := card.Signer(ctx, jpki.Sign)
	if err != nil {
		return nil, err
	}
	parsed, err := pdf.NewReader(bytes.NewReader(document), int64(len(document)))
	if err != nil {
		return nil, fmt.Errorf("read PDF: %w", err)
	}
	var signed bytes.Buffer
	err = sign.Sign(bytes.NewReader(document), &signed, parsed, int64(len(document)), sign.SignData{
		Signature: sign.SignDataSignature{
			CertType: sign.ApprovalSignature,
			Info:     sign.SignDataSignatureInfo{Date: time.Now()}, // no name: the certificate has it
		},
		Signer:            key.WithContext(ctx),
		DigestAlgorithm:   crypto.SHA256,
		Certificate:       key.Certificate(),
		CertificateChains: [][]*x509.Certificate{}, // a verifier has the roots
	})
	if err != nil {
		return nil, fmt.Errorf("sign PDF: %w", err)
	}
	return signed.Bytes(), nil
}
