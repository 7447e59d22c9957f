//go:build ignore

// Command generate makes keys.der anew: RSA-2048 keys in PKCS #1, one after
// the other, CA keys first. Run it by go generate. The certificates that tests
// expect change with it.
package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"log"
	"os"

	"github.com/mynakit/mynakit/simcard/internal/testkeys"
)

func main() {
	var out []byte
	for range testkeys.Count {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			log.Fatal(err)
		}
		out = append(out, x509.MarshalPKCS1PrivateKey(key)...)
	}
	if err := os.WriteFile("keys.der", out, 0o644); err != nil {
		log.Fatal(err)
	}
}
