package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

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

// errGivenUp is a holder who typed nothing, or Ctrl-C.
var errGivenUp = errors.New("no PIN was typed")

// maxTyped is more than any PIN has, in bytes.
const maxTyped = 64

// terminalPIN asks on the terminal that the agent was started on, without echo, one
// holder at a time. A question that was given up lets the terminal go, as it was.
func terminalPIN() func(context.Context, api.Question) ([]byte, error) {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, q api.Question) (pin []byte, err error) {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		c, err := openConsole()
		if err != nil {
			return nil, api.ErrNoWindow
		}
		defer c.close()
		typed := make([]byte, 0, maxTyped)
		defer func() {
			if err != nil {
				clear(typed[:cap(typed)])
			}
		}()
		if err := c.write(ctx, question(q)); err != nil {
			return nil, noConsole(ctx)
		}
		for {
			b, err := c.next(ctx)
			switch {
			case err != nil:
				return nil, noConsole(ctx)
			case b == 3, b == 4, (b == '\r' || b == '\n') && len(typed) == 0: // Ctrl-C, Ctrl-D
				return nil, errGivenUp
			case b == '\r', b == '\n':
				return typed, nil
			case b == '\b', b == 0x7f:
				typed = typed[:max(len(typed)-1, 0)]
			case b == 0x15: // Ctrl-U
				typed = typed[:0]
			case b >= ' ' && len(typed) < cap(typed):
				typed = append(typed, b)
			}
		}
	}
}

// noConsole returns why a terminal could not be used to its end.
func noConsole(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return api.ErrNoWindow
}

// question is what the holder reads.
func question(q api.Question) string {
	var b strings.Builder
	if q.Wrong != nil {
		fmt.Fprintf(&b, "%s%s\n%s %s\n", q.Wrong.What.JA, q.Wrong.Do.JA, q.Wrong.What.EN, q.Wrong.Do.EN)
	}
	what := "ポイント利用 / use points"
	if q.Act == "ticket" {
		what = "ポイント券発行 / put points on a ticket"
	}
	fmt.Fprintf(&b, "%s: %s, %s, %dポイントまで / at most\n%s\n%s（残り%d回 / tries left）: ", q.Client, what, q.Account, q.Points, q.Reader,
		jpki.AuthPIN.Label(jpki.Japanese), q.Tries)
	return strings.ReplaceAll(b.String(), "\n", "\r\n") // for a terminal in raw mode
}
