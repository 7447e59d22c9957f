package e2e

import (
	"context"
	"crypto"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/jpki"
)

// What the library adds to the time of the card and the reader.
func BenchmarkTapToSerial(b *testing.B) {
	card := newCard()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		c, err := jpki.Open(ctx, card)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Serial(ctx, jpki.Auth); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCertificate(b *testing.B) {
	c := open(b, newCard())
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Certificate(ctx, jpki.Auth); err != nil {
			b.Fatal(err)
		}
	}
}

// Most of it is the software card's RSA; the check of the signature is some 50
// microseconds.
func BenchmarkSign(b *testing.B) {
	c := open(b, newCard())
	ctx := context.Background()
	verified(b, c, jpki.AuthPIN, authPIN)
	k, err := c.Signer(ctx, jpki.Auth)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.SignContext(ctx, digest[:], crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}
