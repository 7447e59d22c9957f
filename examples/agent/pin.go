package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/term"

	"github.com/mynakit/mynakit/examples/agent/api"
	"github.com/mynakit/mynakit/jpki"
)

// fixedPIN answers with the PIN of a software card. One refusal ends the proof.
func fixedPIN(pin string) func(context.Context, api.Question) ([]byte, error) {
	return func(_ context.Context, q api.Question) ([]byte, error) {
		if q.Wrong != nil {
			return nil, errors.New("the PIN was refused")
		}
		return []byte(pin), nil
	}
}

var errNoTTY = errors.New("there is no terminal to ask for the PIN on")

// terminal is one holder's at a time.
var terminal sync.Mutex

// ttyPIN asks on the terminal that the agent was started on, without echo. Nothing
// typed is the holder giving up.
func ttyPIN(_ context.Context, q api.Question) ([]byte, error) {
	terminal.Lock()
	defer terminal.Unlock()
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	tty, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, errNoTTY
	}
	defer tty.Close()
	if q.Wrong != nil {
		fmt.Fprintf(tty, "%s%s\n%s %s\n", q.Wrong.What.JA, q.Wrong.Do.JA, q.Wrong.What.EN, q.Wrong.Do.EN)
	}
	what := "ポイント利用 / use points"
	if q.Act == "ticket" {
		what = "ポイント券発行 / put points on a ticket"
	}
	fmt.Fprintf(tty, "%s: %s, %s, %dポイントまで / at most\n%s\n%s（残り%d回 / tries left）: ", q.Client, what, q.Account, q.Points, q.Reader,
		jpki.AuthPIN.Label(jpki.Japanese), q.Tries)
	typed, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	if err == nil && len(typed) == 0 {
		err = errors.New("no PIN was typed")
	}
	return typed, err
}
