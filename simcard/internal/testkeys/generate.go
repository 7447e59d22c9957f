//go:build ignore

// Command generate makes keys.der and face.der anew: RSA-2048 keys in PKCS #1,
// one after the other, the authorities' keys first. Run it by go generate. The
// certificates that tests expect change with it.
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
	write("keys.der", testkeys.Count)
	write("face.der", testkeys.FaceCount)
}

func write(name string, count int) {
	var out []byte
	for range count {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			log.Fatal(err)
		}
		out = append(out, x509.MarshalPKCS1PrivateKey(key)...)
	}
	if err := os.WriteFile(name, out, 0o644); err != nil {
		log.Fatal(err)
	}
}
