package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/cms"
)

// maxDocument bounds what is read into memory, in bytes.
const maxDocument = 256 << 20

func cmsSignTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	key := keyFlag(f, say)
	pin := pinFlags(f, say)
	detached := f.Bool("detached", false, say("メッセージに内容を含めません（.p7s）", "leave the content out of the message (.p7s)"))
	in := f.String("in", "-", say("署名する`ファイル`。- は標準入力", "sign `FILE`; - is standard input"))
	out := f.String("out", "", say("メッセージ（DER）を書き出す`ファイル`", "write the message, DER, to `FILE`"))
	return func(ctx context.Context, s *session) error {
		slot, kind, err := key()
		if err != nil {
			return err
		}
		if *out == "" {
			return speak.Wrong("メッセージはバイナリです。-out でファイルを指定してください。", "a message is binary: say -out FILE")
		}
		content, err := readDocument(*in, s.stdin)
		if err != nil {
			return err
		}
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := pin.verify(ctx, s, kind); err != nil {
			return err
		}
		k, err := s.card.Signer(ctx, slot)
		if err != nil {
			return err
		}
		sign := cms.Sign
		if *detached {
			sign = cms.SignDetached
		}
		message, err := sign(ctx, k, content)
		if err != nil {
			return err
		}
		// It holds the signer's certificate, and that may hold name and address.
		if err := os.WriteFile(*out, message, 0o600); err != nil {
			return err
		}
		return s.print(struct {
			Bytes int `json:"bytes"`
			cost
		}{len(message), s.cost()}, fmt.Sprintf(say("メッセージ（%dバイト）を %s に書き出しました。\n", "message of %d bytes written to %s\n"), len(message), *out))
	}
}

// cmsVerifyTask works without a card.
func cmsVerifyTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	key := keyFlag(f, say)
	var roots []*x509.Certificate
	f.Func("roots", say("信頼する証明書の`ファイル`（PEMまたはDER）。複数回指定できます", "trust the certificates in `FILE`, PEM or DER; may be given more than once"), func(name string) error {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		more, err := jpki.ParseRoots(b)
		roots = append(roots, more...)
		return err
	})
	in := f.String("in", "-", say("メッセージ（DERまたはPEM）の`ファイル`。- は標準入力", "the message, DER or PEM, in `FILE`; - is standard input"))
	content := f.String("content", "", say("メッセージに内容が含まれないとき、署名された`ファイル`", "what was signed, in `FILE`, where the message stands beside it"))
	out := f.String("out", "", say("メッセージに含まれる、署名された内容を書き出す`ファイル`", "write what was signed to `FILE`, where the message contains it"))
	then := f.Bool("at-signing-time", false, say("現在ではなく、署名者が示す署名日時に電子証明書が有効だったかを検証します", "ask whether the certificate was valid when the signer says to have signed, and not now"))
	return func(ctx context.Context, s *session) error {
		slot, _, err := key()
		if err != nil {
			return err
		}
		if len(roots) == 0 {
			return speak.Wrong("信頼する証明書がありません。-roots で、J-LISが公開するCA証明書のファイルを指定してください。",
				"nobody to trust: say -roots FILE, with the CA certificates that J-LIS publishes")
		}
		if *in == "-" && *content == "-" {
			return speak.Wrong("標準入力は1回しか使えません。-in または -content でファイルを指定してください。", "standard input cannot be both: say -in FILE or -content FILE")
		}
		verifier, err := jpki.NewVerifier(roots)
		if err != nil {
			return err
		}
		message, err := readDocument(*in, s.stdin)
		if err != nil {
			return err
		}
		if message, err = messageDER(message); err != nil {
			return err
		}
		var opts []cms.Option
		if *then {
			opts = append(opts, cms.AtSigningTime())
		}
		var m *cms.Message
		if *content != "" {
			var signed []byte
			if signed, err = readDocument(*content, s.stdin); err != nil {
				return err
			}
			m, err = cms.VerifyDetached(ctx, verifier, slot, message, signed, opts...)
		} else {
			m, err = cms.Verify(ctx, verifier, slot, message, opts...)
		}
		if err != nil {
			return err
		}
		if *out != "" {
			if err := os.WriteFile(*out, m.Content(), 0o600); err != nil {
				return err
			}
		}
		if s.json {
			return s.encode(struct {
				Verified    bool      `json:"verified"`
				SigningTime time.Time `json:"signing_time,omitzero"`
			}{true, m.SigningTime})
		}
		_, err = fmt.Fprintf(s.stdout, say("署名を検証しました。失効状況は確認していません。\n署名者が示す署名日時：%s\n",
			"the signature is good; revocation was not looked up\nsigned, as the signer says: %s\n"), m.SigningTime.Format(time.RFC3339))
		return err
	}
}

// messageDER gives what is in a PEM file, and DER as it is. DER starts with a
// SEQUENCE, PEM never: a signed text that looks like PEM is not taken for it.
func messageDER(b []byte) ([]byte, error) {
	if len(b) > 0 && b[0] == 0x30 {
		return b, nil
	}
	block, rest := pem.Decode(b)
	switch {
	case block == nil:
		return nil, speak.Fail("メッセージはDERでもPEMでもありません。openssl cms は、-outform を指定しないとS/MIMEで書き出します。",
			"the message is neither DER nor PEM (openssl cms writes S/MIME unless it is told -outform)", nil)
	case block.Type != "CMS" && block.Type != "PKCS7":
		return nil, speak.Fail("PEMファイルの中身はメッセージではありません。ラベルがCMSでもPKCS7でもありません。",
			"the PEM file holds something else than a message: its label is neither CMS nor PKCS7", nil)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, speak.Fail("PEMファイルに、メッセージ以外の内容が続いています。", "the PEM file goes on after the message", nil)
	}
	return block.Bytes, nil
}

// readDocument reads a file, or stdin where the name is -.
func readDocument(name string, stdin io.Reader) ([]byte, error) {
	in, err := openInput(name, stdin)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxDocument+1))
	if err == nil && len(b) > maxDocument {
		err = speak.Fail("文書が長すぎます。", "the document is too long", nil)
	}
	return b, err
}
