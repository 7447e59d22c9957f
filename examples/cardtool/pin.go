package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/term"

	"github.com/mynakit/mynakit/jpki"
)

// pinInput is how a PIN comes into the program.
type pinInput struct {
	file    string
	ask     bool
	lastTry bool
}

func pinFlags(f *flag.FlagSet) *pinInput {
	p := new(pinInput)
	f.StringVar(&p.file, "pin-file", "", "read the PIN from the first line of `FILE`")
	f.BoolVar(&p.ask, "ask-pin", false, "ask for the PIN")
	f.BoolVar(&p.lastTry, "last-try", false, "verify the PIN even if one try is left, at the risk of locking it")
	return p
}

// verifyFor verifies the PIN that opens slot, where one was offered.
func (p *pinInput) verifyFor(ctx context.Context, s *session, slot jpki.Slot) error {
	if p.file == "" && !p.ask {
		return nil
	}
	kind := jpki.AuthPIN
	if slot == jpki.Sign || slot == jpki.SignCA {
		kind = jpki.SignPIN
	}
	return p.verify(ctx, s, kind)
}

// verify asks for the PIN, or reads it, and presents it to the card once.
func (p *pinInput) verify(ctx context.Context, s *session, kind jpki.PINKind) error {
	secret, err := p.secret(s, kind)
	if err != nil {
		return err
	}
	defer clear(secret)
	pin, err := jpki.NewPIN(kind, secret)
	if err != nil {
		return err
	}
	defer pin.Clear()
	var opts []jpki.VerifyOption
	if p.lastTry {
		opts = append(opts, jpki.AllowLastTry())
	}
	return s.card.Verify(ctx, pin, opts...)
}

func (p *pinInput) secret(s *session, kind jpki.PINKind) ([]byte, error) {
	if p.file != "" {
		return readSecret(p.file)
	}
	// The terminal itself: standard input may be what is to be signed.
	tty, err := openTerminal()
	if err != nil {
		return nil, &usageError{"no terminal to ask for the PIN on: say -pin-file FILE"}
	}
	defer tty.Close()
	fmt.Fprintf(tty, "%s: ", kind)
	secret, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	if err != nil {
		return nil, errors.New("no PIN was typed")
	}
	return secret, nil
}

func openTerminal() (*os.File, error) {
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	return os.OpenFile(name, os.O_RDWR, 0)
}

// readSecret reads a PIN file: one line, its end left off.
func readSecret(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, 256)
	n, err := f.Read(buf)
	if err != nil {
		return nil, fmt.Errorf("PIN file: %w", err)
	}
	if n == len(buf) {
		return nil, errors.New("PIN file: too long")
	}
	return bytes.TrimRight(buf[:n], "\r\n"), nil
}
