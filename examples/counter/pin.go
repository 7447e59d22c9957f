package main

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/term"

	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/jpki"
)

// promptPIN asks the holder for the PIN on the terminal, without echo. Standard
// input may be something else.
func promptPIN(say lines, lang string) func(context.Context, int) (jpki.PIN, error) {
	label := jpki.AuthPIN.Label(jpki.English)
	if lang == "ja" {
		label = jpki.AuthPIN.Label(jpki.Japanese)
	}
	return func(_ context.Context, left int) (jpki.PIN, error) {
		name := "/dev/tty"
		if runtime.GOOS == "windows" {
			name = "CONIN$"
		}
		tty, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return jpki.PIN{}, speak.Wrong("暗証番号を入力する端末画面がありません。", "there is no terminal to ask for the PIN on")
		}
		defer tty.Close()
		fmt.Fprintf(tty, "   %s", fmt.Sprintf(string(say.AskPIN), label, left))
		typed, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(tty)
		if err != nil {
			return jpki.PIN{}, speak.Wrong("暗証番号が入力されませんでした。", "no PIN was typed")
		}
		defer clear(typed)
		return jpki.NewPIN(jpki.AuthPIN, typed)
	}
}
