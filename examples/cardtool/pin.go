package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/term"

	"github.com/mynakit/mynakit/examples/internal/private"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/jpki"
)

// pinInput is how a PIN comes into the program.
type pinInput struct {
	file    string
	ask     bool
	lastTry bool
}

func pinFlags(f *flag.FlagSet, say speak.Voice) *pinInput {
	p := new(pinInput)
	f.StringVar(&p.file, "pin-file", "", say("暗証番号を`ファイル`の1行目から読み取ります", "read the PIN from the first line of `FILE`"))
	f.BoolVar(&p.ask, "ask-pin", false, say("暗証番号の入力を求めます", "ask for the PIN"))
	f.BoolVar(&p.lastTry, "last-try", false, say("残り1回でも照合します。違うとロックされます", "verify the PIN even if one try is left, at the risk of locking it"))
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
	pin, err := readPIN(ctx, s, p.file, kind, s.pinName(kind))
	if err != nil {
		return err
	}
	defer pin.Clear()
	return s.card.Verify(ctx, pin, p.options()...)
}

func (p *pinInput) options() []jpki.VerifyOption {
	if p.lastTry {
		return []jpki.VerifyOption{jpki.AllowLastTry()}
	}
	return nil
}

// pinName returns the name of a PIN for people.
func (s *session) pinName(kind jpki.PINKind) string {
	return s.say(kind.Label(jpki.Japanese), kind.String())
}

// readPIN takes a PIN from a file, or asks for it where there is none.
func readPIN(ctx context.Context, s *session, file string, kind jpki.PINKind, prompt string) (jpki.PIN, error) {
	secret, err := readSecret(ctx, s, file, prompt)
	if err != nil {
		return jpki.PIN{}, err
	}
	defer clear(secret)
	return jpki.NewPIN(kind, secret)
}

// readSecret takes a line from a file, or asks for it where there is none,
// until ctx ends.
func readSecret(ctx context.Context, s *session, file, prompt string) ([]byte, error) {
	if file != "" {
		return await(ctx, func() ([]byte, error) { return readLine(file) })
	}
	// The terminal itself: standard input may be what is to be signed.
	tty, err := openTerminal()
	if err != nil {
		return nil, speak.Wrong("暗証番号を入力する端末画面がありません。-pin-file でファイルを指定してください。", "no terminal to ask for the PIN on: say -pin-file FILE")
	}
	defer tty.Close()
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(tty, s.say("%s：", "%s: "), prompt)
	secret, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	fmt.Fprintln(tty)
	switch {
	case ctx.Err() != nil:
		clear(secret)
		return nil, errors.Join(context.Cause(ctx), term.Restore(fd, before)) // with echo again
	case err != nil:
		return nil, speak.Fail("暗証番号が入力されませんでした。", "nothing was typed", nil)
	}
	return secret, nil
}

// await reads until ctx ends. A read that then goes on, goes on until the
// program ends: nothing gets it out of a terminal or a pipe.
func await(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		secret []byte
		err    error
	}
	done := make(chan result, 1)
	go func() {
		secret, err := read()
		done <- result{secret, err}
	}()
	select {
	case r := <-done:
		return r.secret, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func openTerminal() (*os.File, error) {
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	return os.OpenFile(name, os.O_RDWR, 0)
}

// readLine reads the first line of a PIN file, its end left off. It reads no
// further, so that a pipe keeps what follows, and no less: what a pipe gives at
// once may be a part of the PIN, and that part a try.
func readLine(name string) ([]byte, error) {
	f, err := private.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line, err := firstLine(f)
	if err != nil {
		return nil, speak.Fail("暗証番号のファイルを読み取れません。1行目に暗証番号を入れてください。", "PIN file", err)
	}
	return line, nil
}

func firstLine(r io.Reader) ([]byte, error) {
	buf := make([]byte, 256) // one buffer: a longer one would leave copies behind
	for n := range buf {
		_, err := io.ReadFull(r, buf[n:n+1])
		switch {
		case err != nil && err != io.EOF:
			clear(buf)
			return nil, err
		case err == nil && buf[n] != '\n':
			continue
		}
		line := bytes.TrimRight(buf[:n], "\r")
		if len(line) == 0 {
			return nil, errors.New("its first line is empty")
		}
		return line, nil
	}
	clear(buf)
	return nil, errors.New("its first line is too long")
}
