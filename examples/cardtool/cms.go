package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/cms"
)

// maxDocument bounds what is read into memory, in bytes.
const maxDocument = 256 << 20

func cmsSignTask(f *flag.FlagSet) func(context.Context, *session) error {
	key := keyFlag(f)
	pin := pinFlags(f)
	detached := f.Bool("detached", false, "leave the content out of the message (.p7s)")
	in := f.String("in", "-", "sign `FILE`; - is standard input")
	out := f.String("out", "", "write the message, DER, to `FILE`")
	return func(ctx context.Context, s *session) error {
		slot, kind, err := key()
		if err != nil {
			return err
		}
		if *out == "" {
			return &usageError{"a message is binary: say -out FILE"}
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
		}{len(message), s.cost()}, fmt.Sprintf("message of %d bytes written to %s\n", len(message), *out))
	}
}

// cmsVerifyTask works without a card.
func cmsVerifyTask(f *flag.FlagSet) func(context.Context, *session) error {
	key := keyFlag(f)
	var roots []*x509.Certificate
	f.Func("roots", "trust the certificates in `FILE`, PEM or DER; may be given more than once", func(name string) error {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		more, err := jpki.ParseRoots(b)
		roots = append(roots, more...)
		return err
	})
	in := f.String("in", "-", "the message, DER or PEM, in `FILE`; - is standard input")
	content := f.String("content", "", "what was signed, in `FILE`, where the message stands beside it")
	out := f.String("out", "", "write what was signed to `FILE`, where the message contains it")
	then := f.Bool("at-signing-time", false, "ask whether the certificate was valid when the signer says to have signed, and not now")
	return func(ctx context.Context, s *session) error {
		slot, _, err := key()
		if err != nil {
			return err
		}
		if len(roots) == 0 {
			return &usageError{"nobody to trust: say -roots FILE, with the CA certificates that J-LIS publishes"}
		}
		if *in == "-" && *content == "-" {
			return &usageError{"standard input cannot be both: say -in FILE or -content FILE"}
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
		_, err = fmt.Fprintf(s.stdout, "the signature is good; revocation was not looked up\nsigned, as the signer says: %s\n", m.SigningTime.Format(time.RFC3339))
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
		return nil, errors.New("the message is neither DER nor PEM (openssl cms writes S/MIME unless it is told -outform)")
	case block.Type != "CMS" && block.Type != "PKCS7":
		return nil, errors.New("the PEM file holds something else than a message: its label is neither CMS nor PKCS7")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("the PEM file goes on after the message")
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
		err = errors.New("the document is too long")
	}
	return b, err
}
