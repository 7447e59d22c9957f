// Command vcard puts a software Individual Number Card into the PC/SC daemon
// of this machine, so that any program that uses cards can use it: OpenSC,
// OpenSSL, ssh, a browser, yours.
//
//	apt-get install pcscd vsmartcard-vpcd
//	pcscd                      # or: systemctl start pcscd
//	go run ./examples/vcard -certs /tmp/certs
//	pkcs15-tool -D
//
// PINs are 1234 (user authentication), ABC123 (digital signature), 2345 (card-face
// text), 3456 (common application) and 4567 (resident register). The card stays in
// until the program ends: by Ctrl-C or SIGTERM, or because pcscd does. -kind puts
// in one that has expired, or a child's, or another that comes to a counter.
//
// -certs writes the card's certificates as auth.pem, authca.pem, sign.pem and
// signca.pem, and the lists of what their CAs have revoked, as auth.crl and
// sign.crl: with -kind revoked, this card. The certificates are from a test CA
// that nobody trusts, and the private keys are public.
package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/simcard"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vcard:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("vcard", flag.ContinueOnError)
	f.SetOutput(stderr)
	addr := f.String("addr", vpcd.DefaultAddr, "`address` where vpcd waits for the card")
	kind := f.String("kind", "plastic", "`kind` of card: "+strings.Join(simcard.SampleNames(), ", "))
	holder := f.Uint("holder", 0, "`number` of the invented holder")
	certs := f.String("certs", "", "write the card's certificates, and the lists of revoked ones, to `DIR`")
	trace := f.Bool("trace", false, "write the exchanges to standard error, secrets masked")
	f.Usage = func() {
		fmt.Fprintf(stderr, "usage: vcard [flags]\nputs a software card into pcscd; PINs: %s\nflags:\n", pins())
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return errors.New("takes no arguments but flags")
	}
	opts, err := simcard.Sample(*kind, *holder, time.Now())
	if err != nil {
		return err
	}
	card := simcard.New(opts...)
	if *certs != "" {
		if err := writeCertificates(*certs, card); err != nil {
			return err
		}
	}
	var inserted vpcd.Card = card
	if *trace {
		log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
		inserted = traced{card, apdu.Trace(card, log)}
	}
	slot, err := vpcd.Insert(ctx, *addr, inserted)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to end while it waited for the slot
		}
		return err
	}
	fmt.Fprintf(stdout, "%s card inserted at %s; PINs, as far as it has them: %s; Ctrl-C removes it\n", *kind, *addr, pins())
	<-slot.Done()
	if ctx.Err() != nil {
		fmt.Fprintln(stdout, "card removed")
		return nil
	}
	return fmt.Errorf("the reader is gone: %w", slot.Err())
}

// pins may be told to everybody: they protect nobody.
func pins() string {
	return fmt.Sprintf("auth %s, sign %s, text %s, common %s, juki %s", simcard.DefaultAuthPIN, simcard.DefaultSignPIN,
		simcard.DefaultTextPIN, simcard.DefaultCommonPIN, simcard.DefaultJukiPIN)
}

// traced is a card whose exchanges are written down.
type traced struct {
	*simcard.Card
	tracer *apdu.Tracer
}

func (t traced) Transmit(command []byte) ([]byte, error) { return t.tracer.Transmit(command) }

func (t traced) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	return t.tracer.TransmitContext(ctx, dst, command)
}

// writeCertificates leaves out what the card does not have, and takes away what
// another card left there.
func writeCertificates(dir string, card *simcard.Card) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ca := card.Authority()
	for name, cert := range map[string]*x509.Certificate{
		"auth.pem":   card.AuthCertificate(),
		"sign.pem":   card.SignCertificate(),
		"authca.pem": ca.Auth().Certificate(),
		"signca.pem": ca.Sign().Certificate(),
	} {
		file := filepath.Join(dir, name)
		if cert == nil {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		if err := os.WriteFile(file, block, 0o644); err != nil {
			return err
		}
	}
	for name, issuer := range map[string]*simcard.Issuer{"auth.crl": ca.Auth(), "sign.crl": ca.Sign()} {
		list, err := issuer.CRL(time.Now(), card.Revocations()...)
		if err != nil {
			return err
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list})
		if err := os.WriteFile(filepath.Join(dir, name), block, 0o644); err != nil {
			return err
		}
	}
	return nil
}
