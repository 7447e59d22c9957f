package simcard_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/internal/testkeys"
)

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		simcard.New()
	}
}

// An exchange in the caller's memory.
func BenchmarkTransmit(b *testing.B) {
	for _, bench := range []struct{ name, command string }{
		{"SELECT application", selectJPKI},
		{"SELECT file", "00A4020C 02 000A"},
		{"READ BINARY 36", "00B08A0024"},
		{"READ BINARY 256", "00B08A0000"},
		{"READ BINARY 2048", "00B08A00 000800"},
		{"VERIFY", verifyAuth},
		{"counter", triesAuth},
	} {
		b.Run(bench.name, func(b *testing.B) {
			card := simcard.New()
			send(b, card, selectJPKI)
			command, err := hex.DecodeString(strings.ReplaceAll(bench.command, " ", ""))
			if err != nil {
				b.Fatal(err)
			}
			ctx := context.Background()
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := card.TransmitContext(ctx, dst, command); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A signature of the card beside the same of crypto/rsa with the same key.
func BenchmarkSign(b *testing.B) {
	digest := sha256.Sum256([]byte("message"))
	card := simcard.New()
	send(b, card, selectJPKI)
	send(b, card, verifyAuth)
	public := card.AuthCertificate().PublicKey.(*rsa.PublicKey)
	var key *rsa.PrivateKey
	for n := range uint(testkeys.Pairs) {
		if testkeys.Auth(n).PublicKey.Equal(public) {
			key = testkeys.Auth(n)
		}
	}
	command := append(append([]byte{0x80, 0x2A, 0x02, 0x97, 32}, digest[:]...), 0)
	dst := make([]byte, 0, 512)
	b.Run("crypto-rsa", func(b *testing.B) {
		for b.Loop() {
			if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("card", func(b *testing.B) {
		for b.Loop() {
			reply, err := card.TransmitContext(context.Background(), dst, command)
			if err != nil || len(reply) != 258 {
				b.Fatal(err, len(reply))
			}
		}
	})
}
