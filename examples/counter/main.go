// Command counter is a shop's counter at work: a card is tapped, its holder is
// recognised, types the PIN and signs. It runs on a software card, so nothing
// has to be installed:
//
//	go run ./examples/counter
//
// Each step says what it cost in exchanges with the card and in bytes, which
// is what a customer waits for.
package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

func main() {
	if err := run(context.Background(), os.Stdout, simcard.New()); err != nil {
		fmt.Fprintln(os.Stderr, "counter:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, reader apdu.Transmitter) error {
	card, err := jpki.Open(ctx, reader)
	if err != nil {
		return err
	}
	step := narrate(out, card)

	// Who is it? The serial number of the certificate tells, without a PIN.
	// What the shop keeps is a pseudonym under a key of its own.
	serial, err := card.Serial(ctx, jpki.Auth)
	if err != nil {
		return err
	}
	shopKey := make([]byte, 32)
	rand.Read(shopKey) // never fails; a real shop keeps one key for ever
	member := serial.Pseudonym(shopKey)
	step("A card is tapped. The shop knows its holder as member %s…", member.String()[:8])

	kind, err := card.Kind(ctx)
	if err != nil {
		return err
	}
	step("It is a %s card.", kind)

	// The PIN. Verify looks at the counter first and never spends the last try.
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	if err != nil {
		return err
	}
	defer pin.Clear()
	if err := card.Verify(ctx, pin); err != nil {
		return err
	}
	step("The holder types the PIN, and it is right.")

	// A signature over what was agreed proves that the card was here.
	receipt := []byte("2,000 points for the library card, at counter 3")
	digest := sha256.Sum256(receipt)
	signature, err := card.Sign(ctx, jpki.Auth, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	step("The card signs: %q, %d bytes.", receipt, len(signature))

	// Anybody with the certificate can check it.
	cert, err := card.Certificate(ctx, jpki.Auth)
	if err != nil {
		return err
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("a key of type %T", cert.PublicKey)
	}
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
		return err
	}
	step("The certificate is read, and the signature is good.")

	all := card.Stats()
	fmt.Fprintf(out, "All together: %d exchanges, %d bytes to the card, %d back.\n",
		all.Exchanges, all.BytesSent, all.BytesReceived)
	return nil
}

// narrate gives what prints a step and what it cost since the one before.
func narrate(out io.Writer, card *jpki.Card) func(format string, args ...any) {
	n := 0
	var before apdu.Stats
	return func(format string, args ...any) {
		now := card.Stats()
		n++
		fmt.Fprintf(out, "%d. %s\n   %d exchanges, %d bytes\n", n, fmt.Sprintf(format, args...),
			now.Exchanges-before.Exchanges,
			now.BytesSent-before.BytesSent+now.BytesReceived-before.BytesReceived)
		before = now
	}
}
