package main

import (
	"context"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/mynakit/mynakit/jpki"
)

func keyFlag(f *flag.FlagSet) func() (jpki.Slot, jpki.PINKind, error) {
	name := f.String("key", "auth", "`which` key and PIN: auth (4 digits) or sign (6 to 16 characters)")
	return func() (jpki.Slot, jpki.PINKind, error) {
		switch *name {
		case "auth":
			return jpki.Auth, jpki.AuthPIN, nil
		case "sign":
			return jpki.Sign, jpki.SignPIN, nil
		}
		return 0, 0, &usageError{fmt.Sprintf("no key %q: auth or sign", *name)}
	}
}

func verifyTask(f *flag.FlagSet) func(context.Context, *session) error {
	key := keyFlag(f)
	pin := pinFlags(f)
	return func(ctx context.Context, s *session) error {
		_, kind, err := key()
		if err != nil {
			return err
		}
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := pin.verify(ctx, s, kind); err != nil {
			return err
		}
		return s.print(struct {
			PIN      string `json:"pin"`
			Verified bool   `json:"verified"`
			cost
		}{kind.String(), true, s.cost()}, kind.String()+" is right\n")
	}
}

func signTask(f *flag.FlagSet) func(context.Context, *session) error {
	key := keyFlag(f)
	pin := pinFlags(f)
	hashName := f.String("hash", "sha256", "the `hash`: sha256, sha384 or sha512")
	pss := f.Bool("pss", false, "sign with PSS and not PKCS #1 v1.5, where the card does")
	check := f.Bool("check", false, "read the certificate and check the signature")
	in := f.String("in", "-", "sign `FILE`; - is standard input")
	out := f.String("out", "", "write the signature to `FILE`")
	return func(ctx context.Context, s *session) error {
		slot, kind, err := key()
		if err != nil {
			return err
		}
		if *out == "" && !s.json {
			return &usageError{"a signature is binary: say -out FILE or -json"}
		}
		hash, ok := map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}[*hashName]
		if !ok {
			return &usageError{fmt.Sprintf("no hash %q: sha256, sha384 or sha512", *hashName)}
		}
		var opts crypto.SignerOpts = hash
		if *pss {
			opts = &rsa.PSSOptions{Hash: hash, SaltLength: rsa.PSSSaltLengthEqualsHash}
		}
		digest, err := digestOf(*in, s.stdin, hash)
		if err != nil {
			return err
		}
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := pin.verify(ctx, s, kind); err != nil {
			return err
		}
		var signature []byte
		if *check {
			var k *jpki.Key
			if k, err = s.card.Signer(ctx, slot); err == nil {
				signature, err = k.SignContext(ctx, digest, opts)
			}
		} else {
			signature, err = s.card.Sign(ctx, slot, digest, opts)
		}
		if err != nil {
			return err
		}
		if *out != "" {
			if err := os.WriteFile(*out, signature, 0o644); err != nil {
				return err
			}
		}
		return s.print(struct {
			Signature string `json:"signature"`
			cost
		}{base64.StdEncoding.EncodeToString(signature), s.cost()},
			fmt.Sprintf("signature of %d bytes written to %s\n", len(signature), *out))
	}
}

func digestOf(name string, stdin io.Reader, hash crypto.Hash) ([]byte, error) {
	in, err := openInput(name, stdin)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	h := hash.New()
	if _, err := io.Copy(h, in); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// openInput opens a file, or gives stdin where the name is -.
func openInput(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(stdin), nil
	}
	return os.Open(name)
}
