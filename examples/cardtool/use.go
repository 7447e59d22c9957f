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

	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/jpki"
)

func keyFlag(f *flag.FlagSet, say speak.Voice) func() (jpki.Slot, jpki.PINKind, error) {
	name := f.String("key", "auth", say("鍵と暗証番号の`種類`：auth（数字4桁）、sign（英数字6〜16桁）", "`which` key and PIN: auth (4 digits) or sign (6 to 16 characters)"))
	return func() (jpki.Slot, jpki.PINKind, error) {
		switch *name {
		case "auth":
			return jpki.Auth, jpki.AuthPIN, nil
		case "sign":
			return jpki.Sign, jpki.SignPIN, nil
		}
		return 0, 0, speak.Wrong(fmt.Sprintf("鍵 %q はありません：auth、sign", *name), fmt.Sprintf("no key %q: auth or sign", *name))
	}
}

func verifyTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	key := keyFlag(f, say)
	pin := pinFlags(f, say)
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
		}{kind.String(), true, s.cost()}, s.pinName(kind)+say("を照合しました。\n", " is right\n"))
	}
}

func signTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	key := keyFlag(f, say)
	pin := pinFlags(f, say)
	hashName := f.String("hash", "sha256", say("`ハッシュ`：sha256、sha384、sha512", "the `hash`: sha256, sha384 or sha512"))
	pss := f.Bool("pss", false, say("カードが対応していれば、PKCS #1 v1.5ではなくPSSで署名します", "sign with PSS and not PKCS #1 v1.5, where the card does"))
	check := f.Bool("check", false, say("電子証明書を読み取り、署名を検証します", "read the certificate and check the signature"))
	in := f.String("in", "-", say("署名する`ファイル`。- は標準入力", "sign `FILE`; - is standard input"))
	out := f.String("out", "", say("署名を書き出す`ファイル`", "write the signature to `FILE`"))
	return func(ctx context.Context, s *session) error {
		slot, kind, err := key()
		if err != nil {
			return err
		}
		if *out == "" && !s.json {
			return speak.Wrong("署名はバイナリです。-out でファイルを指定するか、-json を指定してください。", "a signature is binary: say -out FILE or -json")
		}
		hash, ok := map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}[*hashName]
		if !ok {
			return speak.Wrong(fmt.Sprintf("ハッシュ %q はありません：sha256、sha384、sha512", *hashName), fmt.Sprintf("no hash %q: sha256, sha384 or sha512", *hashName))
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
			fmt.Sprintf(say("署名（%dバイト）を %s に書き出しました。\n", "signature of %d bytes written to %s\n"), len(signature), *out))
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
